/*
 * See duckdb.h: statements, results and errors. All of it runs on the connection's thread.
 *
 * Cancelling: the engine forgets an interrupt when a statement begins. So the
 * call's own flag is looked at after the statement has begun and before each
 * chunk; an interrupt that comes later reaches the engine's running work.
 */
#include "duckdb_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETURNS_CHANGED_ROWS 1
#define RETURNS_ROWS 3

struct sm_duck_result {
	const struct sm_duckdb_api *api;
	struct duck_result raw;
	bool has_raw;
	int64_t changed;
	struct sm_duck_type *types;
	size_t count;
	struct sm_render *render; /* of the format last asked for */
	enum sm_format format;
	duck_chunk chunk; /* being rendered */
	uint64_t row, size;
	bool ended;
};

/* ---- errors ---- */

void sm_duck_error_clear(struct sm_duck_error *err)
{
	err->base.status = SM_OK;
	err->base.message[0] = '\0';
	err->kind[0] = '\0';
	err->position = -1;
}

static enum sm_status status_of(const char *kind, const char *message)
{
	if (strncmp(kind, "INTERRUPT", 9) == 0 || strncmp(kind, "Interrupt", 9) == 0)
		return SM_CANCELLED;
	if (strncmp(kind, "Out of Memory", 13) == 0)
		return SM_LIMIT;
	if (strncmp(kind, "Permission", 10) == 0 || strstr(message, "configuration has been locked") != NULL)
		return SM_REFUSED;
	return SM_ENGINE;
}

static unsigned hex_value(const char *four)
{
	char text[5] = {four[0], four[1], four[2], four[3], '\0'};

	return (unsigned)strtoul(text, NULL, 16);
}

static size_t add_utf8(char *out, unsigned code)
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 63));
		return 2;
	}
	out[0] = (char)(0xe0 | code >> 12);
	out[1] = (char)(0x80 | (code >> 6 & 63));
	out[2] = (char)(0x80 | (code & 63));
	return 3;
}

/* The character behind a backslash; returns how many bytes of json were used. */
static size_t unescape(const char *json, char *out, size_t *len)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *found;

	if (json[0] == 'u' && strlen(json) >= 5) {
		*len += add_utf8(out + *len, hex_value(json + 1));
		return 5;
	}
	found = strchr(from, json[0]);
	out[(*len)++] = found != NULL && json[0] != '\0' ? to[found - from] : json[0];
	return json[0] != '\0';
}

/* The text value of a field of a flat JSON object; cut when it does not fit. */
static bool json_field(const char *json, const char *name, char *out, size_t size)
{
	char key[64];
	const char *at;
	size_t len = 0;

	snprintf(key, sizeof key, "\"%s\":\"", name);
	at = strstr(json, key);
	if (at == NULL)
		return false;
	for (at += strlen(key); *at != '\0' && *at != '"' && len + 4 < size;) {
		if (*at == '\\')
			at += 1 + unescape(at + 1, out, &len);
		else
			out[len++] = *at++;
	}
	out[len] = '\0';
	return true;
}

void sm_duck_explain(struct sm_duck_error *err, const char *text)
{
	char message[SM_ERROR_MAX], number[24];
	const char *json = text != NULL ? strstr(text, "{\"exception_type\":") : NULL;
	const char *end;

	sm_duck_error_clear(err);
	if (text == NULL)
		text = "the engine gave no reason";
	if (json != NULL && json_field(json, "exception_message", message, sizeof message)) {
		json_field(json, "exception_type", err->kind, sizeof err->kind);
		if (json_field(json, "position", number, sizeof number))
			err->position = strtoll(number, NULL, 10);
		sm_fail(&err->base, status_of(err->kind, message), "%s Error: %s", err->kind, message);
		return;
	}
	end = strstr(text, " Error: ");
	if (end != NULL && (size_t)(end - text) < sizeof err->kind)
		snprintf(err->kind, sizeof err->kind, "%.*s", (int)(end - text), text);
	sm_fail(&err->base, status_of(err->kind, text), "%s", text);
}

static enum sm_status cancelled(const struct sm_duck_call *call, struct sm_duck_error *err)
{
	if (call == NULL || !atomic_load(&call->cancelled))
		return SM_OK;
	sm_duck_error_clear(err);
	return sm_fail(&err->base, SM_CANCELLED, "the query was cancelled");
}

/* The engine's reason; a cancelled call is only ever told that it was cancelled. */
static enum sm_status refused(const struct sm_duck_call *call, const char *text, struct sm_duck_error *err)
{
	if (cancelled(call, err) != SM_OK)
		return SM_CANCELLED;
	sm_duck_explain(err, text);
	if (err->base.status == SM_CANCELLED)
		sm_fail(&err->base, SM_CANCELLED, "the query was cancelled");
	return err->base.status;
}

/* ---- statements ---- */

static enum sm_status extract(const struct sm_duckdb_api *api, duck_connection raw, const char *sql,
                              duck_extracted *out, uint64_t *count, struct sm_duck_error *err)
{
	const char *message;

	*count = api->extract_statements(raw, sql, out);
	message = *count == 0 ? api->extract_statements_error(*out) : NULL;
	if (message == NULL)
		return SM_OK;
	return refused(NULL, message, err);
}

static int bind_one(const struct sm_duckdb_api *api, duck_prepared prepared, uint64_t i, const struct sm_duck_value *v)
{
	switch (v->kind) {
	case SM_DUCK_BOOLEAN:
		return api->bind_boolean(prepared, i, v->as.boolean);
	case SM_DUCK_INTEGER:
		return api->bind_int64(prepared, i, v->as.integer);
	case SM_DUCK_DOUBLE:
		return api->bind_double(prepared, i, v->as.real);
	case SM_DUCK_TEXT:
		return api->bind_varchar_length(prepared, i, v->as.text.bytes, v->as.text.len);
	default:
		return api->bind_null(prepared, i);
	}
}

static enum sm_status bind_all(const struct sm_duckdb_api *api, duck_prepared prepared,
                               const struct sm_duck_value *values, size_t count, struct sm_duck_error *err)
{
	uint64_t wanted = api->nparams(prepared);

	if (wanted != count)
		return sm_fail(&err->base, SM_INVALID, "the statement has %llu parameters, %zu were given",
		               (unsigned long long)wanted, count);
	for (size_t i = 0; i < count; i++)
		if (bind_one(api, prepared, i + 1, &values[i]) != DUCK_SUCCESS)
			return sm_fail(&err->base, SM_INVALID, "parameter %zu does not fit (text must be UTF-8)", i + 1);
	return SM_OK;
}

static enum sm_status begin(const struct sm_duckdb_api *api, duck_prepared prepared, bool streaming, duck_pending *out)
{
	if (streaming && api->pending_prepared_streaming != NULL)
		return api->pending_prepared_streaming(prepared, out) == DUCK_SUCCESS ? SM_OK : SM_ENGINE;
	return api->pending_prepared(prepared, out) == DUCK_SUCCESS ? SM_OK : SM_ENGINE;
}

/* Fills raw; it must be destroyed also when this fails. */
static enum sm_status execute(const struct sm_duckdb_api *api, duck_prepared prepared, bool streaming,
                              const struct sm_duck_call *call, struct duck_result *raw, struct sm_duck_error *err)
{
	duck_pending pending = NULL;
	enum sm_status status = begin(api, prepared, streaming, &pending);

	if (status != SM_OK)
		status = refused(call, api->pending_error(pending), err);
	else
		status = cancelled(call, err);
	if (status == SM_OK && api->execute_pending(pending, raw) != DUCK_SUCCESS) {
		/* The result's text is general when the work was interrupted; the pending one has the reason. */
		const char *message = api->pending_error(pending);
		status = refused(call, message != NULL ? message : api->result_error(raw), err);
	}
	api->destroy_pending(&pending);
	return status;
}

static enum sm_status prepare(const struct sm_duckdb_api *api, duck_connection raw, duck_extracted extracted,
                              uint64_t index, const struct sm_duck_call *call, duck_prepared *out,
                              struct sm_duck_error *err)
{
	if (cancelled(call, err) != SM_OK)
		return SM_CANCELLED;
	/*
	 * The engine first waits for what the last statement has left on its threads. When that was cancelled, they may
	 * have missed it: the flag is taken back with the failure of the statement. So it is raised again; preparing lowers
	 * it.
	 */
	api->interrupt(raw);
	if (api->prepare_extracted_statement(raw, extracted, index, out) == DUCK_SUCCESS)
		return SM_OK;
	return refused(call, api->prepare_error(*out), err);
}

static enum sm_status run_extracted(const struct sm_duckdb_api *api, duck_connection raw, duck_extracted extracted,
                                    uint64_t index, const struct sm_duck_call *call, struct sm_duck_error *err)
{
	struct duck_result result = {0};
	duck_prepared prepared = NULL;
	enum sm_status status = prepare(api, raw, extracted, index, call, &prepared, err);

	if (status == SM_OK)
		status = execute(api, prepared, false, call, &result, err);
	api->destroy_result(&result);
	api->destroy_prepare(&prepared);
	return status;
}

enum sm_status sm_duck_script_raw(const struct sm_duckdb_api *api, duck_connection raw, const char *sql,
                                  const struct sm_duck_call *call, struct sm_duck_error *err)
{
	duck_extracted extracted = NULL;
	uint64_t count;
	enum sm_status status = extract(api, raw, sql, &extracted, &count, err);

	for (uint64_t i = 0; i < count && status == SM_OK; i++)
		status = run_extracted(api, raw, extracted, i, call, err);
	api->destroy_extracted(&extracted);
	return status;
}

enum sm_status sm_duck_run_script(struct sm_duck_con *con, struct sm_duck_call *call, const char *sql,
                                  struct sm_duck_error *err)
{
	enum sm_status status = sm_duck_ready(con, err);

	if (status != SM_OK)
		return status;
	return sm_duck_script_raw(con->db->api, con->raw, sql, call, err);
}

/* ---- results ---- */

static enum sm_status read_types(struct sm_duck_result *result, struct sm_error *err)
{
	const struct sm_duckdb_api *api = result->api;
	uint64_t count = api->column_count(&result->raw);
	enum sm_status status = SM_OK;

	result->types = calloc(count + 1, sizeof *result->types);
	if (result->types == NULL)
		return sm_fail(err, SM_NOMEM, "no memory for the columns of a result");
	for (uint64_t i = 0; i < count && status == SM_OK; i++) {
		duck_type type = api->column_logical_type(&result->raw, i);
		result->count = i + 1;
		status = sm_duck_type_read(api, type, api->column_name(&result->raw, i), &result->types[i], err);
		api->destroy_logical_type(&type);
	}
	return status;
}

/* Statements without rows have no columns for us, although the engine gives some a count or a success flag. */
static enum sm_status describe(struct sm_duck_result *result, struct sm_error *err)
{
	int kind = result->api->result_return_type(result->raw);

	if (kind == RETURNS_ROWS)
		return read_types(result, err);
	if (kind == RETURNS_CHANGED_ROWS)
		result->changed = (int64_t)result->api->rows_changed(&result->raw);
	result->ended = true;
	return SM_OK;
}

static enum sm_status run_one(const struct sm_duckdb_api *api, duck_prepared prepared, struct sm_duck_call *call,
                              bool streaming, struct sm_duck_result **out, struct sm_duck_error *err)
{
	struct sm_duck_result *result = calloc(1, sizeof *result);
	enum sm_status status;

	if (result == NULL)
		return sm_fail(&err->base, SM_NOMEM, "no memory for a result");
	result->api = api;
	result->has_raw = true;
	status = execute(api, prepared, streaming, call, &result->raw, err);
	if (status == SM_OK)
		status = describe(result, &err->base);
	if (status == SM_OK)
		*out = result;
	else
		sm_duck_result_free(result);
	return status;
}

/* Exactly one statement. */
static enum sm_status extract_one(const struct sm_duckdb_api *api, duck_connection raw, const char *sql,
                                  duck_extracted *out, struct sm_duck_error *err)
{
	uint64_t count;
	enum sm_status status = extract(api, raw, sql, out, &count, err);

	if (status != SM_OK || count == 1)
		return status;
	return sm_fail(&err->base, SM_INVALID, count == 0 ? "the statement is empty" : "only one statement is allowed");
}

enum sm_status sm_duck_run(struct sm_duck_con *con, struct sm_duck_call *call, const char *sql,
                           const struct sm_duck_value *values, size_t count, bool streaming,
                           struct sm_duck_result **out, struct sm_duck_error *err)
{
	const struct sm_duckdb_api *api = con->db->api;
	duck_extracted extracted = NULL;
	duck_prepared prepared = NULL;
	enum sm_status status;

	*out = NULL;
	status = sm_duck_ready(con, err);
	if (status != SM_OK)
		return status;
	status = extract_one(api, con->raw, sql, &extracted, err);
	if (status == SM_OK)
		status = prepare(api, con->raw, extracted, 0, call, &prepared, err);
	if (status == SM_OK)
		status = bind_all(api, prepared, values, count, err);
	if (status == SM_OK)
		status = run_one(api, prepared, call, streaming, out, err);
	api->destroy_prepare(&prepared);
	api->destroy_extracted(&extracted);
	return status;
}

static void drop_chunk(struct sm_duck_result *result)
{
	if (result->chunk != NULL)
		result->api->destroy_data_chunk(&result->chunk);
	result->chunk = NULL;
	result->row = result->size = 0;
}

void sm_duck_result_free(struct sm_duck_result *result)
{
	if (result == NULL)
		return;
	drop_chunk(result);
	if (result->has_raw)
		result->api->destroy_result(&result->raw);
	sm_render_free(result->render);
	for (size_t i = 0; i < result->count; i++)
		sm_duck_type_free(&result->types[i]);
	free(result->types);
	free(result);
}

const struct sm_duck_type *sm_duck_result_types(const struct sm_duck_result *result, size_t *count)
{
	*count = result->count;
	return result->types;
}

int64_t sm_duck_result_changed(const struct sm_duck_result *result)
{
	return result->changed;
}

/* ---- fetching ---- */

enum sm_status sm_duck_fetch(struct sm_duck_con *con, struct sm_duck_call *call, struct sm_duck_result *result,
                             duck_chunk *out, struct sm_duck_error *err)
{
	const struct sm_duckdb_api *api = result->api;
	const char *message;

	(void)con;
	*out = NULL;
	if (cancelled(call, err) != SM_OK)
		return SM_CANCELLED;
	if (result->ended)
		return SM_OK;
	*out = api->fetch_chunk(result->raw);
	if (*out != NULL && api->data_chunk_get_size(*out) > 0)
		return SM_OK;
	if (*out != NULL)
		api->destroy_data_chunk(out);
	*out = NULL;
	result->ended = true;
	message = api->result_error(&result->raw);
	if (message != NULL && message[0] != '\0')
		return refused(call, message, err);
	/* An interrupted stream may end without a word. */
	return cancelled(call, err);
}

static enum sm_status renderer(struct sm_duck_result *result, enum sm_format format, struct sm_duck_error *err)
{
	enum sm_status status;

	if (result->render != NULL && result->format == format)
		return SM_OK;
	sm_render_free(result->render);
	status = sm_render_new(format, result->types, result->count, &result->render, &err->base);
	result->format = format;
	if (status == SM_OK && result->chunk != NULL)
		sm_render_bind(result->render, result->api, result->chunk);
	return status;
}

/* Makes sure that a chunk with unrendered rows is bound, unless the result has ended. */
static enum sm_status next_chunk(struct sm_duck_con *con, struct sm_duck_call *call, struct sm_duck_result *result,
                                 struct sm_duck_error *err)
{
	enum sm_status status;

	if (result->row < result->size)
		return cancelled(call, err);
	drop_chunk(result);
	status = sm_duck_fetch(con, call, result, &result->chunk, err);
	if (status != SM_OK || result->chunk == NULL)
		return status;
	result->size = result->api->data_chunk_get_size(result->chunk);
	sm_render_bind(result->render, result->api, result->chunk);
	return SM_OK;
}

enum sm_status sm_duck_render(struct sm_duck_con *con, struct sm_duck_call *call, struct sm_duck_result *result,
                              enum sm_format format, struct sm_buf *out, uint64_t *rows, struct sm_duck_error *err)
{
	enum sm_status status;

	*rows = 0;
	sm_duck_error_clear(err);
	status = renderer(result, format, err);
	while (status == SM_OK) {
		uint64_t before;
		status = next_chunk(con, call, result, err);
		if (status != SM_OK || result->chunk == NULL)
			return status;
		before = result->row;
		status = sm_render_rows(result->render, &result->row, result->size, out, &err->base);
		*rows += result->row - before;
		if (result->row < result->size)
			return status; /* the buffer is full */
	}
	return status;
}
