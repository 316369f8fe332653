/* lua_duckdb_cursor: rows of sm.duckdb that are made as they are rendered. See lua_duckdb_op.h for who holds them. */
#include "lua_duckdb.h"

#include "lua_duckdb_op.h"
#include "lua_duckdb_value.h"
#include "lua_result.h"
#include "lua_type.h"

#define PIECE_DEFAULT ((lua_Integer)1 << 20)
#define PIECE_MAX ((lua_Integer)1 << 30)

static struct sm_duck_cursor *check_cursor(lua_State *L)
{
	struct sm_duck_cursor **handle = luaL_checkudata(L, 1, SM_DUCK_CURSOR);

	luaL_argcheck(L, *handle != NULL, 1, "the cursor is closed");
	return *handle;
}

static enum sm_format check_format(lua_State *L, int index)
{
	enum sm_format format;

	if (!sm_format_named(luaL_checkstring(L, index), &format))
		luaL_argerror(L, index, "\"rows\", \"ndjson\" or \"csv\" is wanted");
	return format;
}

/* cursor:columns() -> list of columns as in con:query. */
static int l_columns(lua_State *L)
{
	struct sm_duck_cursor *cursor = check_cursor(L);
	size_t count;
	const struct sm_duck_type *types = sm_duck_result_types(cursor->result, &count);

	sm_push_columns(L, types, count);
	return 1;
}

/* cursor:header(format) -> text that comes before the rows: the names for "csv", "" for the others. */
static int l_header(lua_State *L)
{
	struct sm_duck_cursor *cursor = check_cursor(L);
	enum sm_format format = check_format(L, 2);
	size_t count;
	const struct sm_duck_type *types = sm_duck_result_types(cursor->result, &count);
	struct sm_buf *text = sm_push_text_buffer(L);

	if (sm_render_header(format, types, count, text) != SM_OK)
		return sm_push_fail(L, SM_LIMIT, "the header is too long");
	lua_pushlstring(L, text->data != NULL ? text->data : "", text->len);
	sm_buf_free(text);
	return 1;
}

static void render_run(struct sm_duck_con *con, struct sm_duck_call *call)
{
	struct sm_duck_op *op = sm_duck_op_of_call(call);

	op->status = sm_duck_render(con, call, op->cursor->result, op->format, &op->text, &op->rows, &op->err);
}

static int render_push(lua_State *L, struct sm_job *job)
{
	struct sm_duck_op *op = sm_duck_op_of_job(job);

	if ((op->status != SM_OK || op->rows == 0) && op->link->open == op->cursor)
		op->link->open = NULL;
	if (op->status != SM_OK)
		return sm_push_duck_error(L, &op->err, NULL);
	if (op->rows == 0) {
		lua_pushnil(L);
		return 1;
	}
	lua_pushlstring(L, op->text.data, op->text.len);
	lua_pushinteger(L, (lua_Integer)op->rows);
	return 2;
}

/*
 * cursor:render(format, max_bytes?) -> text, rows | nil at the end | nil, message, code, details
 * The next whole rows in at most max_bytes (1 MiB) as "rows", "ndjson" or "csv". Code "limit" when one row alone is
 * larger, "cancelled" after con:cancel. Waits.
 */
static int l_render(lua_State *L)
{
	struct sm_duck_cursor *cursor = check_cursor(L);
	enum sm_format format = check_format(L, 2);
	lua_Integer max = luaL_optinteger(L, 3, PIECE_DEFAULT);
	struct sm_duck_op *op;

	luaL_argcheck(L, max > 0 && max <= PIECE_MAX, 3, "between 1 byte and 1 GiB");
	if (cursor->cancelled)
		return sm_push_fail(L, SM_CANCELLED, "the query was cancelled");
	op = sm_duck_op_new(cursor->link, render_run, render_push);
	if (op == NULL)
		return sm_push_fail(L, SM_NOMEM, "no memory to render");
	op->cursor = cursor;
	atomic_fetch_add(&cursor->references, 1);
	op->format = format;
	sm_buf_init(&op->text, (size_t)max);
	return sm_duck_op_start(L, op);
}

/* cursor:close(): ends the statement. Harmless twice; does not wait. */
static int l_cursor_close(lua_State *L)
{
	struct sm_duck_cursor **handle = luaL_checkudata(L, 1, SM_DUCK_CURSOR);
	struct sm_duck_cursor *cursor = *handle;

	*handle = NULL;
	if (cursor == NULL)
		return 0;
	if (cursor->link->open == cursor) {
		cursor->link->open = NULL;
		sm_duck_cancel(cursor->link->con); /* a render under way has nobody to read it */
	}
	sm_duck_cursor_unref(cursor);
	return 0;
}

static const luaL_Reg cursor_methods[] = {
    {"columns", l_columns}, {"header", l_header}, {"render", l_render}, {"close", l_cursor_close}, {NULL, NULL},
};

static const luaL_Reg cursor_meta[] = {
    {"__gc", l_cursor_close},
    {"__close", l_cursor_close},
    {NULL, NULL},
};

void sm_open_duck_cursor(lua_State *L)
{
	sm_make_type(L, SM_DUCK_CURSOR, cursor_methods, cursor_meta);
}
