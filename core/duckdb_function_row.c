/* See duckdb_function_row.h. */
#include "duckdb_function_row.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX ((size_t)256 << 20)

struct sm_slice sm_fn_text(const struct sm_fn_row *r, unsigned argument)
{
	const union duck_string *s = (const union duck_string *)r->data[argument] + r->row;

	return (struct sm_slice){s->inlined.length <= DUCK_INLINE ? s->inlined.bytes : s->pointer.bytes, s->inlined.length};
}

void sm_fn_set_text(struct sm_fn_row *r, const char *bytes, size_t len)
{
	r->api->vector_assign_string_element_len(r->vector, r->row, bytes, len);
}

void sm_fn_set_null(struct sm_fn_row *r)
{
	if (r->validity == NULL) {
		r->api->vector_ensure_validity_writable(r->vector);
		r->validity = r->api->vector_get_validity(r->vector);
	}
	r->validity[r->row / 64] &= ~((uint64_t)1 << (r->row % 64));
}

void sm_fn_fail(struct sm_fn_row *r, const char *format, ...)
{
	char message[512];
	va_list list;

	if (r->failed)
		return;
	r->failed = true;
	va_start(list, format);
	vsnprintf(message, sizeof message, format, list);
	va_end(list);
	r->api->scalar_function_set_error(r->info, message);
}

static bool any_null(uint64_t *const *valid, size_t count, uint64_t row)
{
	for (size_t i = 0; i < count; i++)
		if (valid[i] != NULL && (valid[i][row / 64] >> (row % 64) & 1) == 0)
			return true;
	return false;
}

void sm_fn_run(duck_function_info info, duck_chunk input, duck_vector output)
{
	const struct sm_duckdb_api *api = sm_duckdb_api();
	const struct sm_fn *fn = api->scalar_function_get_extra_info(info);
	size_t count = strlen(fn->arguments);
	uint64_t *valid[SM_FN_ARGUMENTS] = {NULL}, size = api->data_chunk_get_size(input);
	struct sm_fn_row r = {.api = api, .info = info, .vector = output, .out = api->vector_get_data(output)};
	struct sm_buf text;

	sm_buf_init(&text, TEXT_MAX);
	r.text = &text;
	for (size_t i = 0; i < count; i++) {
		duck_vector vector = api->data_chunk_get_vector(input, i);
		r.data[i] = api->vector_get_data(vector);
		valid[i] = api->vector_get_validity(vector);
	}
	for (r.row = 0; r.row < size && !r.failed; r.row++) {
		if (any_null(valid, count, r.row)) {
			sm_fn_set_null(&r);
			continue;
		}
		sm_buf_reset(&text);
		fn->run(&r);
	}
	sm_buf_free(&text);
}
