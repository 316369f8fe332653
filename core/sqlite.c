#include "sqlite.h"

#include <ctype.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_SIZE 48
#define LOCK_RETRY_MS 10
#define SQL_SHOWN 120

struct cached {
	char *sql;
	size_t len;
	sqlite3_stmt *stmt;
	uint64_t used;
};

struct sm_sqlite {
	sqlite3 *handle;
	struct cached cache[CACHE_SIZE];
	uint64_t clock;        /* counts uses, for the oldest entry of the cache */
	sqlite3_stmt *reading; /* of sm_sqlite_read; NULL: none, or it has ended */
	uint64_t readings;
};

/* ---- errors ---- */

static enum sm_status status_of(int code)
{
	if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY || code == SQLITE_CONSTRAINT_ROWID)
		return SM_EXISTS;
	switch (code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return SM_CONFLICT;
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
	case SQLITE_RANGE:
		return SM_INVALID;
	case SQLITE_INTERRUPT:
		return SM_CANCELLED;
	case SQLITE_NOMEM:
		return SM_NOMEM;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return SM_REFUSED;
	case SQLITE_CANTOPEN:
		return SM_NOTFOUND;
	case SQLITE_FULL:
	case SQLITE_TOOBIG:
		return SM_LIMIT;
	case SQLITE_IOERR:
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_PROTOCOL:
		return SM_IO;
	default:
		return SM_ENGINE;
	}
}

/* "first line of the statement", for people who look for it in the source. */
static int first_line(const char *sql, size_t len, const char **start)
{
	while (len > 0 && isspace((unsigned char)*sql))
		sql++, len--;
	const char *end = memchr(sql, '\n', len);
	size_t line = end != NULL ? (size_t)(end - sql) : len;
	*start = sql;
	return (int)(line < SQL_SHOWN ? line : SQL_SHOWN);
}

static enum sm_status fail_sql(struct sm_error *err, enum sm_status status, const char *reason, const char *sql,
                               size_t len)
{
	const char *line;
	int shown = first_line(sql, len, &line);
	return sm_fail(err, status, "%s (in: %.*s)", reason, shown, line);
}

static enum sm_status fail_handle(struct sm_sqlite *db, struct sm_error *err, const char *sql, size_t len)
{
	return fail_sql(err, status_of(sqlite3_extended_errcode(db->handle)), sqlite3_errmsg(db->handle), sql, len);
}

/* ---- opening ---- */

/* Two processes that switch the same new file to WAL at once do not wait for each other by themselves. */
static int make_wal(sqlite3 *handle, int busy_ms)
{
	int waited = 0;
	for (;;) {
		int code = sqlite3_exec(handle, "PRAGMA journal_mode=WAL", NULL, NULL, NULL);
		if ((code & 0xff) != SQLITE_BUSY || waited >= busy_ms)
			return code;
		sqlite3_sleep(LOCK_RETRY_MS);
		waited += LOCK_RETRY_MS;
	}
}

static int configure(sqlite3 *handle, const struct sm_sqlite_options *options)
{
	sqlite3_extended_result_codes(handle, 1);
	sqlite3_busy_timeout(handle, options->busy_ms);
	int code = options->readonly ? SQLITE_OK : make_wal(handle, options->busy_ms);
	if (code == SQLITE_OK)
		code = sqlite3_exec(handle, "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF", NULL, NULL, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_exec(handle, options->relaxed_sync ? "PRAGMA synchronous=NORMAL" : "PRAGMA synchronous=FULL",
		                    NULL, NULL, NULL);
	/* Reads the file's head: a file that is no database is refused here and not at the first statement. */
	return code == SQLITE_OK ? sqlite3_exec(handle, "PRAGMA schema_version", NULL, NULL, NULL) : code;
}

enum sm_status sm_sqlite_open(const char *path, const struct sm_sqlite_options *options, struct sm_sqlite **out,
                              struct sm_error *err)
{
	int flags = options->readonly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	enum sm_status status = SM_OK;
	struct sm_sqlite *db = calloc(1, sizeof(*db));
	*out = NULL;
	if (db == NULL)
		return sm_fail(err, SM_NOMEM, "no memory");
	int code = sqlite3_open_v2(path, &db->handle, flags | SQLITE_OPEN_FULLMUTEX, NULL);
	if (code == SQLITE_OK)
		code = configure(db->handle, options);
	if (code != SQLITE_OK) {
		const char *reason = db->handle != NULL ? sqlite3_errmsg(db->handle) : sqlite3_errstr(code);
		status = sm_fail(err, status_of(code), "%s: %s", path, reason);
		sm_sqlite_close(db);
		return status;
	}
	*out = db;
	return SM_OK;
}

void sm_sqlite_close(struct sm_sqlite *db)
{
	if (db == NULL)
		return;
	for (int i = 0; i < CACHE_SIZE; i++) {
		sqlite3_finalize(db->cache[i].stmt);
		free(db->cache[i].sql);
	}
	sqlite3_finalize(db->reading);
	sqlite3_close(db->handle);
	free(db);
}

bool sm_sqlite_in_transaction(struct sm_sqlite *db)
{
	return sqlite3_get_autocommit(db->handle) == 0;
}

void sm_sqlite_interrupt(struct sm_sqlite *db)
{
	sqlite3_interrupt(db->handle);
}

/* ---- prepared statements ---- */

static struct cached *cache_find(struct sm_sqlite *db, const char *sql, size_t len)
{
	for (int i = 0; i < CACHE_SIZE; i++) {
		struct cached *entry = &db->cache[i];
		if (entry->stmt != NULL && entry->len == len && memcmp(entry->sql, sql, len) == 0)
			return entry;
	}
	return NULL;
}

static struct cached *cache_oldest(struct sm_sqlite *db)
{
	struct cached *oldest = &db->cache[0];
	for (int i = 1; i < CACHE_SIZE; i++)
		if (db->cache[i].used < oldest->used)
			oldest = &db->cache[i];
	return oldest;
}

/* SM_INVALID when something follows the first statement that is itself a statement. */
static enum sm_status check_tail(struct sm_sqlite *db, const char *tail, size_t len)
{
	sqlite3_stmt *second = NULL;
	while (len > 0) {
		const char *next = tail;
		if (sqlite3_prepare_v2(db->handle, tail, (int)len, &second, &next) != SQLITE_OK || second != NULL) {
			sqlite3_finalize(second);
			return SM_INVALID;
		}
		if (next == tail)
			break;
		len -= (size_t)(next - tail);
		tail = next;
	}
	return SM_OK;
}

/* Prepares the only statement of sql; *out is NULL unless SM_OK. */
static enum sm_status prepare_only(struct sm_sqlite *db, const char *sql, size_t len, sqlite3_stmt **out,
                                   struct sm_error *err)
{
	const char *tail = NULL;
	enum sm_status status = SM_OK;
	*out = NULL;
	if (len > INT32_MAX)
		return sm_fail(err, SM_LIMIT, "the statement is too long");
	if (sqlite3_prepare_v3(db->handle, sql, (int)len, SQLITE_PREPARE_PERSISTENT, out, &tail) != SQLITE_OK)
		return fail_handle(db, err, sql, len);
	if (*out == NULL)
		return sm_fail(err, SM_INVALID, "the statement is empty");
	if (check_tail(db, tail, len - (size_t)(tail - sql)) != SM_OK) {
		status = fail_sql(err, SM_INVALID, "more than one statement; script() runs several", sql, len);
		sqlite3_finalize(*out);
		*out = NULL;
	}
	return status;
}

static enum sm_status prepare(struct sm_sqlite *db, const char *sql, size_t len, sqlite3_stmt **out,
                              struct sm_error *err)
{
	struct cached *entry = cache_find(db, sql, len);
	if (entry != NULL) {
		entry->used = ++db->clock;
		*out = entry->stmt;
		return SM_OK;
	}
	enum sm_status status = prepare_only(db, sql, len, out, err);
	if (status != SM_OK)
		return status;
	char *copy = malloc(len + 1);
	if (copy == NULL) {
		sqlite3_finalize(*out);
		return sm_fail(err, SM_NOMEM, "no memory");
	}
	memcpy(copy, sql, len);
	entry = cache_oldest(db);
	sqlite3_finalize(entry->stmt);
	free(entry->sql);
	entry->sql = copy;
	entry->len = len;
	entry->stmt = *out;
	entry->used = ++db->clock;
	return SM_OK;
}

/* ---- parameters ---- */

static int bind_value(sqlite3_stmt *stmt, int index, const struct sm_sql_value *value)
{
	switch (value->type) {
	case SM_SQL_INTEGER:
		return sqlite3_bind_int64(stmt, index, value->integer);
	case SM_SQL_REAL:
		return sqlite3_bind_double(stmt, index, value->real);
	case SM_SQL_TEXT:
		return sqlite3_bind_text64(stmt, index, value->bytes, value->len, SQLITE_STATIC, SQLITE_UTF8);
	case SM_SQL_BLOB:
		return sqlite3_bind_blob64(stmt, index, value->bytes, value->len, SQLITE_STATIC);
	default:
		return sqlite3_bind_null(stmt, index);
	}
}

static const struct sm_sql_value *find_named(const struct sm_sql_value *values, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (values[i].name != NULL && strcmp(values[i].name, name) == 0)
			return &values[i];
	return NULL;
}

static enum sm_status bind_named(sqlite3_stmt *stmt, int wanted, const struct sm_sql_value *values, size_t count,
                                 struct sm_error *err)
{
	for (int i = 1; i <= wanted; i++) {
		const char *name = sqlite3_bind_parameter_name(stmt, i);
		if (name == NULL)
			return sm_fail(err, SM_INVALID, "parameter %d has no name, but the values have", i);
		const struct sm_sql_value *value = find_named(values, count, name + 1);
		if (value == NULL)
			continue; /* absent means NULL: a Lua table cannot hold nil */
		if (bind_value(stmt, i, value) != SQLITE_OK)
			return sm_fail(err, SM_INVALID, "parameter \"%s\" cannot be bound", name);
	}
	return SM_OK;
}

static enum sm_status bind_all(sqlite3_stmt *stmt, const struct sm_sql_value *values, size_t count,
                               struct sm_error *err)
{
	int wanted = sqlite3_bind_parameter_count(stmt);
	if (count > 0 && values[0].name != NULL)
		return bind_named(stmt, wanted, values, count, err);
	if ((size_t)wanted != count)
		return sm_fail(err, SM_INVALID, "the statement takes %d values, %zu were given", wanted, count);
	for (size_t i = 0; i < count; i++)
		if (bind_value(stmt, (int)i + 1, &values[i]) != SQLITE_OK)
			return sm_fail(err, SM_INVALID, "value %zu cannot be bound", i + 1);
	return SM_OK;
}

/* ---- results ---- */

void sm_sql_result_init(struct sm_sql_result *result)
{
	memset(result, 0, sizeof(*result));
	sm_buf_init(&result->names, 1 << 20);
	sm_buf_init(&result->cells, SM_SQL_RESULT_MAX);
}

void sm_sql_result_free(struct sm_sql_result *result)
{
	sm_buf_free(&result->names);
	sm_buf_free(&result->cells);
}

static enum sm_status add_bytes(struct sm_buf *cells, char tag, const void *bytes, size_t len)
{
	enum sm_status status = sm_buf_reserve(cells, 1 + sizeof(len) + len);
	if (status != SM_OK)
		return status;
	sm_buf_addc(cells, tag);
	sm_buf_add(cells, &len, sizeof(len));
	return len > 0 ? sm_buf_add(cells, bytes, len) : SM_OK;
}

static enum sm_status add_number(struct sm_buf *cells, char tag, const void *number)
{
	enum sm_status status = sm_buf_reserve(cells, 9);
	if (status != SM_OK)
		return status;
	sm_buf_addc(cells, tag);
	return sm_buf_add(cells, number, 8);
}

/* A cell is its type in one byte, then 8 bytes of number, or a length and the bytes. */
static enum sm_status add_cell(struct sm_buf *cells, sqlite3_stmt *stmt, int column)
{
	int64_t integer;
	double real;
	switch (sqlite3_column_type(stmt, column)) {
	case SQLITE_INTEGER:
		integer = sqlite3_column_int64(stmt, column);
		return add_number(cells, SM_SQL_INTEGER, &integer);
	case SQLITE_FLOAT:
		real = sqlite3_column_double(stmt, column);
		return add_number(cells, SM_SQL_REAL, &real);
	case SQLITE_NULL:
		return sm_buf_addc(cells, SM_SQL_NULL);
	default: {
		/* Text and blobs both go to Lua as bytes. The pointer first, then its length, says the manual. */
		const void *bytes = sqlite3_column_blob(stmt, column);
		return add_bytes(cells, SM_SQL_TEXT, bytes, (size_t)sqlite3_column_bytes(stmt, column));
	}
	}
}

struct sm_sql_value sm_sql_cell(const struct sm_sql_result *result, size_t *offset)
{
	struct sm_sql_value value = {0};
	const char *at = result->cells.data + *offset;
	value.type = (enum sm_sql_type) * at++;
	if (value.type == SM_SQL_INTEGER)
		memcpy(&value.integer, at, 8);
	else if (value.type == SM_SQL_REAL)
		memcpy(&value.real, at, 8);
	else if (value.type == SM_SQL_TEXT) {
		memcpy(&value.len, at, sizeof(value.len));
		value.bytes = at + sizeof(value.len);
	}
	*offset += 1 + (value.type == SM_SQL_NULL ? 0u : 8u) + value.len;
	return value;
}

static enum sm_status add_names(struct sm_sql_result *result, sqlite3_stmt *stmt)
{
	result->columns = sqlite3_column_count(stmt);
	for (int i = 0; i < result->columns; i++) {
		const char *name = sqlite3_column_name(stmt, i);
		if (name == NULL || sm_buf_add(&result->names, name, strlen(name) + 1) != SM_OK)
			return SM_NOMEM;
	}
	return SM_OK;
}

/* Steps to the end, also beyond max_rows: a statement with RETURNING must run whole. */
static enum sm_status step_all(struct sm_sqlite *db, sqlite3_stmt *stmt, size_t max_rows, struct sm_sql_result *result,
                               bool *engine)
{
	int code;
	while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (max_rows > 0 && result->rows == max_rows) {
			if (sqlite3_stmt_readonly(stmt))
				return SM_OK;
			continue;
		}
		for (int i = 0; i < result->columns; i++) {
			enum sm_status status = add_cell(&result->cells, stmt, i);
			if (status != SM_OK)
				return status;
		}
		result->rows++;
	}
	*engine = code != SQLITE_DONE;
	return *engine ? status_of(sqlite3_extended_errcode(db->handle)) : SM_OK;
}

static enum sm_status run_prepared(struct sm_sqlite *db, sqlite3_stmt *stmt, const char *sql, size_t len,
                                   size_t max_rows, struct sm_sql_result *result, struct sm_error *err)
{
	bool engine = false;
	int64_t before = sqlite3_total_changes(db->handle);
	enum sm_status status = add_names(result, stmt);
	if (status == SM_OK)
		status = step_all(db, stmt, max_rows, result, &engine);
	if (engine)
		return fail_handle(db, err, sql, len);
	if (status == SM_LIMIT)
		return fail_sql(err, status, "the result is larger than 256 MiB", sql, len);
	if (status != SM_OK)
		return fail_sql(err, status, "no memory for the result", sql, len);
	/* changes() keeps its value over statements that change nothing, such as CREATE TABLE. */
	result->changes = sqlite3_total_changes(db->handle) != before ? sqlite3_changes(db->handle) : 0;
	result->last_id = sqlite3_last_insert_rowid(db->handle);
	return SM_OK;
}

enum sm_status sm_sqlite_run(struct sm_sqlite *db, const char *sql, size_t len, const struct sm_sql_value *values,
                             size_t count, size_t max_rows, struct sm_sql_result *result, struct sm_error *err)
{
	struct sm_error inner;
	sqlite3_stmt *stmt = NULL;
	enum sm_status status = prepare(db, sql, len, &stmt, err);
	if (status != SM_OK)
		return status;
	status = bind_all(stmt, values, count, &inner);
	if (status == SM_OK)
		status = run_prepared(db, stmt, sql, len, max_rows, result, err);
	else
		fail_sql(err, status, inner.message, sql, len);
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return status;
}

static void end_reading(struct sm_sqlite *db)
{
	sqlite3_finalize(db->reading);
	db->reading = NULL;
}

enum sm_status sm_sqlite_read(struct sm_sqlite *db, const char *sql, size_t len, uint64_t *number, struct sm_error *err)
{
	end_reading(db);
	*number = ++db->readings;
	enum sm_status status = prepare_only(db, sql, len, &db->reading, err);
	if (status != SM_OK)
		return status;
	if (sqlite3_stmt_readonly(db->reading) && sqlite3_bind_parameter_count(db->reading) == 0)
		return SM_OK;
	end_reading(db);
	return fail_sql(err, SM_INVALID, "only a SELECT without parameters can be read bit by bit", sql, len);
}

/* At most max_rows further rows. */
static enum sm_status step_some(sqlite3_stmt *stmt, size_t max_rows, struct sm_sql_result *result, int *code)
{
	enum sm_status status = add_names(result, stmt);
	while (status == SM_OK && result->rows < max_rows && (*code = sqlite3_step(stmt)) == SQLITE_ROW) {
		for (int i = 0; i < result->columns && status == SM_OK; i++)
			status = add_cell(&result->cells, stmt, i);
		result->rows++;
	}
	return status;
}

enum sm_status sm_sqlite_read_next(struct sm_sqlite *db, uint64_t number, size_t max_rows, struct sm_sql_result *result,
                                   struct sm_error *err)
{
	int code = SQLITE_ROW;
	if (number != db->readings)
		return sm_fail(err, SM_CANCELLED, "another reading was begun on this connection");
	if (db->reading == NULL)
		return SM_OK;
	enum sm_status status = step_some(db->reading, max_rows, result, &code);
	if (status != SM_OK)
		sm_fail(err, status, status == SM_LIMIT ? "the rows are larger than 256 MiB" : "no memory for the rows");
	else if (code != SQLITE_ROW && code != SQLITE_DONE)
		status = sm_fail(err, status_of(sqlite3_extended_errcode(db->handle)), "%s", sqlite3_errmsg(db->handle));
	if (status != SM_OK || code == SQLITE_DONE)
		end_reading(db);
	return status;
}

enum sm_status sm_sqlite_script(struct sm_sqlite *db, const char *sql, size_t len, struct sm_error *err)
{
	enum sm_status status = SM_OK;
	if (len > INT32_MAX)
		return sm_fail(err, SM_LIMIT, "the script is too long");
	while (status == SM_OK && len > 0) {
		sqlite3_stmt *stmt = NULL;
		const char *tail = sql;
		int code = sqlite3_prepare_v2(db->handle, sql, (int)len, &stmt, &tail);
		if (code == SQLITE_OK && stmt == NULL && tail == sql)
			break; /* only blanks or a comment is left */
		while (code == SQLITE_OK && stmt != NULL && (code = sqlite3_step(stmt)) == SQLITE_ROW)
			code = SQLITE_OK;
		if (code != SQLITE_OK && code != SQLITE_DONE)
			status = fail_handle(db, err, sql, len);
		sqlite3_finalize(stmt);
		len -= (size_t)(tail - sql);
		sql = tail;
	}
	return status;
}
