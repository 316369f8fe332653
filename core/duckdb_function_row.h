/* duckdb_function_row: what native functions see of the engine: one row at a time. Private to core/duckdb_function*.c.
 */
#ifndef SM_DUCKDB_FUNCTION_ROW_H
#define SM_DUCKDB_FUNCTION_ROW_H

#include "buf.h"
#include "duckdb_api.h"

#define SM_FN_ARGUMENTS 4

/* One row of the work. No argument is NULL. */
struct sm_fn_row {
	uint64_t row;
	const void *data[SM_FN_ARGUMENTS];
	void *out;
	struct sm_buf *text; /* empty; for building a text result */
	/* private */
	const struct sm_duckdb_api *api;
	duck_function_info info;
	duck_vector vector;
	uint64_t *validity;
	bool failed;
};

/* Codes: b t s i l h integers by width, f d, v varchar, x blob, D date, T timestamp, Z timestamp with time zone. */
struct sm_fn {
	const char *name;
	const char *arguments;
	char result;
	void (*run)(struct sm_fn_row *row);
};

/* The lists end with a NULL name; overloads stand together. */
extern const struct sm_fn sm_fn_text_list[], sm_fn_url_list[], sm_fn_time_list[], sm_fn_bytes_list[];

/* Bytes of a text argument, not ended by NUL. */
struct sm_slice {
	const char *bytes;
	size_t len;
};
struct sm_slice sm_fn_text(const struct sm_fn_row *r, unsigned argument);
void sm_fn_set_text(struct sm_fn_row *r, const char *bytes, size_t len);
void sm_fn_set_null(struct sm_fn_row *r);
/* Ends the statement with this message. */
void sm_fn_fail(struct sm_fn_row *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What the engine calls; the struct sm_fn is the function's extra information. */
void sm_fn_run(duck_function_info info, duck_chunk input, duck_vector output);

#endif
