/*
 * render: rows of a result as text, straight from the engine's column vectors.
 *
 * Three formats:
 *   rows    one JSON array per line; each cell is Athena's text of the value, or null
 *   csv     Athena's CSV: every value in quotes, NULL empty, one header line
 *   ndjson  one JSON object per line, numbers as numbers, nested values nested
 * The output is valid UTF-8 in the JSON formats whatever the engine holds.
 * Works on views (typed pointers to columns), so that it needs no engine in
 * tests; knows no thread and no Lua.
 */
#ifndef SM_RENDER_H
#define SM_RENDER_H

#include "buf.h"
#include "duckdb_type.h"

enum sm_format { SM_FORMAT_ROWS, SM_FORMAT_CSV, SM_FORMAT_NDJSON };

/* One column, or one nested part of it, of the current chunk. */
struct sm_view {
	const struct sm_duck_type *type;
	const void *data;
	const uint64_t *valid; /* one bit per row; NULL: no NULLs */
	struct sm_view *children;
};

/* Binds the tree of views to a column of a chunk. */
void sm_view_bind(const struct sm_duckdb_api *api, struct sm_view *view, duck_vector vector);
enum sm_status sm_view_init(struct sm_view *view, const struct sm_duck_type *type, struct sm_error *err);
void sm_view_free(struct sm_view *view);
static inline bool sm_view_is_null(const struct sm_view *view, uint64_t row)
{
	return view->valid != NULL && (view->valid[row / 64] >> (row % 64) & 1) == 0;
}

struct sm_render;

/* "rows", "csv" or "ndjson". */
bool sm_format_named(const char *name, enum sm_format *format);
/* types: borrowed, must outlive the renderer. */
enum sm_status sm_render_new(enum sm_format format, const struct sm_duck_type *types, size_t count,
                             struct sm_render **out, struct sm_error *err);
void sm_render_free(struct sm_render *render);
struct sm_view *sm_render_views(struct sm_render *render);
void sm_render_bind(struct sm_render *render, const struct sm_duckdb_api *api, duck_chunk chunk);
/*
 * Appends rows *row to end - 1 of the bound chunk to out and advances *row. Stops before the row that would pass the
 * maximum of out. A single row that does not fit into an empty out is SM_LIMIT.
 */
enum sm_status sm_render_rows(struct sm_render *render, uint64_t *row, uint64_t end, struct sm_buf *out,
                              struct sm_error *err);
/* Appends the header line of "csv"; the other formats have none. */
enum sm_status sm_render_header(enum sm_format format, const struct sm_duck_type *types, size_t count,
                                struct sm_buf *out);
/* Appends Athena's text of one value (not NULL), e.g. "[1, 2]". */
enum sm_status sm_render_value(const struct sm_view *view, uint64_t row, struct sm_buf *out);

#endif
