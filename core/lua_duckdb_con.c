/*
 * lua_duckdb_con: connections and cursors of sm.duckdb.
 *
 * Every call is a struct op. It is made on the loop's thread, runs on the
 * connection's thread and is delivered on the loop's thread again. When its
 * task goes away meanwhile, the engine is interrupted and the thread frees the
 * op itself, without the loop: the loop may be gone by then.
 */
#include "lua_duckdb.h"

#include "lua_duckdb_value.h"
#include "lua_job.h"
#include "lua_result.h"
#include "lua_type.h"

#include <lauxlib.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTION "sm.duckdb.connection"
#define CURSOR "sm.duckdb.cursor"
#define OWNER(type, member, pointer) ((type *)((char *)(pointer)-offsetof(type, member)))

#define QUERY_ROWS_MAX 200000
#define SQL_MAX ((size_t)64 << 20)
#define PIECE_DEFAULT ((lua_Integer)1 << 20)
#define PIECE_MAX ((lua_Integer)1 << 30)
#define CELL_MAX ((size_t)256 << 20)

/* Shared by a connection's handle and its cursor. */
struct link {
	atomic_int references;
	struct sm_duck_con *con;
	struct cursor *open; /* loop thread only: the cursor whose rows are still coming */
};

struct cursor {
	atomic_int references; /* the handle, and the render under way */
	struct link *link;
	struct sm_duck_result *result;
	bool cancelled;               /* loop thread only */
	struct sm_duck_call farewell; /* frees the cursor on the connection's thread */
};

/* ---- lifetimes ---- */

static void unref_link(struct link *link)
{
	if (atomic_fetch_sub(&link->references, 1) != 1)
		return;
	sm_duck_con_unref(link->con);
	free(link);
}

static void free_cursor(struct cursor *cursor)
{
	sm_duck_result_free(cursor->result);
	unref_link(cursor->link);
	free(cursor);
}

static void farewell_run(struct sm_duck_con *con, struct sm_duck_call *call)
{
	(void)con;
	(void)call;
}

static void farewell_done(struct sm_duck_call *call)
{
	free_cursor(OWNER(struct cursor, farewell, call));
}

/* A stream that has not ended can take the engine a moment to stop: that is its thread's work. */
static void unref_cursor(struct cursor *cursor)
{
	if (atomic_fetch_sub(&cursor->references, 1) != 1)
		return;
	cursor->farewell.run = farewell_run;
	cursor->farewell.done = farewell_done;
	if (sm_duck_submit(cursor->link->con, &cursor->farewell) != SM_OK)
		free_cursor(cursor);
}

/* ---- one call ---- */

enum op_state { OP_RUNNING, OP_POSTED, OP_ABANDONED };

struct op {
	struct sm_duck_call call;
	struct sm_job job; /* push and free only; the thread is the connection's */
	struct sm_wait wait;
	struct sm_post post;
	struct sm_loop *loop;
	atomic_int state; /* enum op_state */
	bool abandoned;   /* loop thread only */
	struct link *link;
	/* in */
	char *sql;
	struct sm_duck_value *values;
	size_t count;
	struct cursor *cursor; /* render */
	enum sm_format format;
	/* out */
	enum sm_status status;
	struct sm_duck_error err;
	struct sm_duck_result *result;
	duck_chunk *chunks;
	size_t chunk_count;
	uint64_t rows;
	struct sm_buf text;
	struct sm_view *views; /* while pushing */
	size_t view_count;
};

/* Any thread. */
static void op_free(struct sm_job *job)
{
	struct op *op = OWNER(struct op, job, job);
	const struct sm_duckdb_api *api = sm_duckdb_api();

	for (size_t i = 0; i < op->view_count; i++)
		sm_view_free(&op->views[i]);
	for (size_t i = 0; i < op->chunk_count; i++)
		api->destroy_data_chunk(&op->chunks[i]);
	sm_duck_result_free(op->result);
	if (op->cursor != NULL)
		unref_cursor(op->cursor);
	sm_buf_free(&op->text);
	free(op->views);
	free(op->chunks);
	free(op->values);
	free(op->sql);
	unref_link(op->link);
	free(op);
}

static int op_finish(lua_State *L, struct sm_wait *wait)
{
	return sm_job_deliver(L, &OWNER(struct op, wait, wait)->job);
}

/* Loop thread: the answer has come. */
static void op_posted(struct sm_post *post)
{
	struct op *op = OWNER(struct op, post, post);

	if (op->abandoned)
		op_free(&op->job);
	else
		sm_wait_done(&op->wait);
}

/* Connection's thread: the answer is there. */
static void op_done(struct sm_duck_call *call)
{
	struct op *op = OWNER(struct op, call, call);

	if (atomic_exchange(&op->state, OP_POSTED) == OP_ABANDONED)
		op_free(&op->job);
	else
		sm_loop_post(op->loop, &op->post);
}

/* Loop thread: the task has gone. The op may be freed by the other thread as soon as the state says so. */
static void op_cancel(struct sm_wait *wait)
{
	struct op *op = OWNER(struct op, wait, wait);
	struct sm_duck_con *con = op->link->con;
	struct sm_duck_call *call = &op->call;

	op->abandoned = true;
	sm_duck_con_ref(con);
	if (atomic_exchange(&op->state, OP_ABANDONED) == OP_RUNNING)
		sm_duck_cancel_call(con, call);
	sm_duck_con_unref(con);
}

static struct op *new_op(struct link *link, void (*run)(struct sm_duck_con *, struct sm_duck_call *),
                         int (*push)(lua_State *, struct sm_job *))
{
	struct op *op = calloc(1, sizeof *op);

	if (op == NULL)
		return NULL;
	op->call.run = run;
	op->call.done = op_done;
	op->job.push = push;
	op->job.free = op_free;
	op->wait.finish = op_finish;
	op->wait.cancel = op_cancel;
	op->post.run = op_posted;
	op->link = link;
	atomic_fetch_add(&link->references, 1);
	sm_duck_error_clear(&op->err);
	sm_buf_init(&op->text, CELL_MAX);
	return op;
}

/* Takes the op. */
static int op_start(lua_State *L, struct op *op)
{
	enum sm_status status;

	if (!sm_can_wait(L)) {
		status = sm_duck_submit_wait(op->link->con, &op->call);
		if (status == SM_OK)
			return sm_job_deliver(L, &op->job);
	} else {
		op->loop = sm_loop_of(L);
		status = sm_duck_submit(op->link->con, &op->call);
		if (status == SM_OK)
			return sm_wait_yield(L, &op->wait);
	}
	op_free(&op->job);
	return sm_push_fail(L, status, "the connection is closed");
}

/* ---- arguments ---- */

static struct link *check_connection(lua_State *L)
{
	struct link **handle = luaL_checkudata(L, 1, CONNECTION);

	luaL_argcheck(L, *handle != NULL, 1, "the connection is closed");
	return *handle;
}

static const char *check_sql(lua_State *L, size_t *len)
{
	const char *sql = luaL_checklstring(L, 2, len);

	luaL_argcheck(L, strlen(sql) == *len, 2, "the statement holds a NUL byte");
	luaL_argcheck(L, *len <= SQL_MAX, 2, "the statement is too long");
	return sql;
}

/* Length of the parameter list at index 3: its field n, or up to the first nil. Raises when a value has no SQL type. */
static size_t check_parameters(lua_State *L, size_t *bytes)
{
	lua_Integer count;

	*bytes = 0;
	if (lua_isnoneornil(L, 3))
		return 0;
	luaL_checktype(L, 3, LUA_TTABLE);
	count = lua_getfield(L, 3, "n") == LUA_TNUMBER ? lua_tointeger(L, -1) : (lua_Integer)lua_rawlen(L, 3);
	lua_pop(L, 1);
	luaL_argcheck(L, count >= 0 && count <= 65535, 3, "too many parameters");
	for (lua_Integer i = 1; i <= count; i++) {
		int type = lua_rawgeti(L, 3, i);
		bool null = type == LUA_TNIL || (type == LUA_TLIGHTUSERDATA && lua_touserdata(L, -1) == NULL);
		if (!null && type != LUA_TBOOLEAN && type != LUA_TNUMBER && type != LUA_TSTRING)
			luaL_argerror(L, 3,
			              lua_pushfstring(L, "parameter %I is a %s; boolean, number, string or nil is wanted", i,
			                              luaL_typename(L, -1)));
		if (type == LUA_TSTRING)
			*bytes += lua_rawlen(L, -1);
		lua_pop(L, 1);
	}
	return (size_t)count;
}

/* The value on top of the stack; text is copied to *at. Does not raise. */
static struct sm_duck_value to_value(lua_State *L, char **at)
{
	struct sm_duck_value v = {.kind = SM_DUCK_NULL};

	switch (lua_type(L, -1)) {
	case LUA_TBOOLEAN:
		v.kind = SM_DUCK_BOOLEAN;
		v.as.boolean = lua_toboolean(L, -1);
		break;
	case LUA_TNUMBER:
		v.kind = lua_isinteger(L, -1) ? SM_DUCK_INTEGER : SM_DUCK_DOUBLE;
		if (v.kind == SM_DUCK_INTEGER)
			v.as.integer = lua_tointeger(L, -1);
		else
			v.as.real = lua_tonumber(L, -1);
		break;
	case LUA_TSTRING:
		v.kind = SM_DUCK_TEXT;
		v.as.text.len = lua_rawlen(L, -1);
		v.as.text.bytes = memcpy(*at, lua_tostring(L, -1), v.as.text.len);
		*at += v.as.text.len;
		break;
	default:
		break;
	}
	return v;
}

/* Statement and texts of the parameters share one allocation. */
static bool copy_statement(lua_State *L, struct op *op, const char *sql, size_t len, size_t bytes)
{
	char *at;

	op->sql = malloc(len + 1 + bytes);
	op->values = calloc(op->count + 1, sizeof *op->values);
	if (op->sql == NULL || op->values == NULL)
		return false;
	memcpy(op->sql, sql, len + 1);
	at = op->sql + len + 1;
	for (size_t i = 0; i < op->count; i++) {
		lua_rawgeti(L, 3, (lua_Integer)i + 1);
		op->values[i] = to_value(L, &at);
		lua_pop(L, 1);
	}
	return true;
}

/* While a cursor's rows are coming, another statement would end them. */
static int refuse_open_cursor(lua_State *L)
{
	return sm_push_fail(L, SM_CONFLICT, "a cursor of this connection is open; close it or use another connection");
}

/* con:call(sql, params?) for all kinds of calls. */
static int start_statement(lua_State *L, void (*run)(struct sm_duck_con *, struct sm_duck_call *),
                           int (*push)(lua_State *, struct sm_job *))
{
	struct link *link = check_connection(L);
	size_t len, bytes;
	const char *sql = check_sql(L, &len);
	size_t count = check_parameters(L, &bytes);
	struct op *op;

	if (link->open != NULL)
		return refuse_open_cursor(L);
	op = new_op(link, run, push);
	if (op != NULL)
		op->count = count;
	if (op == NULL || !copy_statement(L, op, sql, len, bytes)) {
		if (op != NULL)
			op_free(&op->job);
		return sm_push_fail(L, SM_NOMEM, "no memory for a statement");
	}
	return op_start(L, op);
}

/* ---- query ---- */

static enum sm_status add_chunk(struct op *op, duck_chunk chunk)
{
	duck_chunk *more = realloc(op->chunks, (op->chunk_count + 1) * sizeof *more);

	if (more == NULL) {
		sm_duckdb_api()->destroy_data_chunk(&chunk);
		return sm_fail(&op->err.base, SM_NOMEM, "no memory for a result");
	}
	op->chunks = more;
	op->chunks[op->chunk_count++] = chunk;
	op->rows += sm_duckdb_api()->data_chunk_get_size(chunk);
	if (op->rows > QUERY_ROWS_MAX)
		return sm_fail(&op->err.base, SM_LIMIT, "the result has more than %d rows; use stream", QUERY_ROWS_MAX);
	return SM_OK;
}

static void query_run(struct sm_duck_con *con, struct sm_duck_call *call)
{
	struct op *op = OWNER(struct op, call, call);
	duck_chunk chunk = NULL;

	op->status = sm_duck_run(con, call, op->sql, op->values, op->count, true, &op->result, &op->err);
	while (op->status == SM_OK) {
		op->status = sm_duck_fetch(con, call, op->result, &chunk, &op->err);
		if (op->status != SM_OK || chunk == NULL)
			return;
		op->status = add_chunk(op, chunk);
	}
}

static bool make_views(struct op *op, const struct sm_duck_type *types, size_t count)
{
	op->views = calloc(count + 1, sizeof *op->views);
	if (op->views == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		op->view_count = i + 1;
		if (sm_view_init(&op->views[i], &types[i], NULL) != SM_OK)
			return false;
	}
	return true;
}

static void push_row(lua_State *L, struct op *op, uint64_t row)
{
	lua_createtable(L, (int)op->view_count, 1);
	for (size_t i = 0; i < op->view_count; i++) {
		sm_push_cell(L, &op->views[i], row, &op->text);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_pushinteger(L, (lua_Integer)op->view_count);
	lua_setfield(L, -2, "n");
}

static void push_rows(lua_State *L, struct op *op)
{
	const struct sm_duckdb_api *api = sm_duckdb_api();
	lua_Integer index = 0;

	lua_createtable(L, (int)op->rows, 0);
	for (size_t i = 0; i < op->chunk_count; i++) {
		uint64_t size = api->data_chunk_get_size(op->chunks[i]);
		for (size_t j = 0; j < op->view_count; j++)
			sm_view_bind(api, &op->views[j], api->data_chunk_get_vector(op->chunks[i], j));
		for (uint64_t row = 0; row < size; row++) {
			push_row(L, op, row);
			lua_rawseti(L, -2, ++index);
		}
	}
}

static int query_push(lua_State *L, struct sm_job *job)
{
	struct op *op = OWNER(struct op, job, job);
	const struct sm_duck_type *types;
	size_t count;

	if (op->status != SM_OK)
		return sm_push_duck_error(L, &op->err, op->sql);
	types = sm_duck_result_types(op->result, &count);
	if (!make_views(op, types, count))
		return sm_push_fail(L, SM_NOMEM, "no memory for a result");
	lua_createtable(L, 0, 3);
	sm_push_columns(L, types, count);
	lua_setfield(L, -2, "columns");
	push_rows(L, op);
	lua_setfield(L, -2, "rows");
	lua_pushinteger(L, sm_duck_result_changed(op->result));
	lua_setfield(L, -2, "changed");
	return 1;
}

/*
 * con:query(sql, params?) -> {columns, rows, changed} | nil, message, code, {kind, offset, line, column}
 * One statement; its whole result as Lua values, for small results (200,000 rows are the limit, code "limit").
 * params: list of booleans, numbers, strings, nil or json.null; n gives its length when there are nils.
 * columns: {name, type, athena_type, trino_type, precision, scale}. rows: lists with n; NULL is nil; integers up to 64
 * bits and floats are numbers; decimals, 128-bit integers, dates and times are text; BLOBs are bytes; lists, maps and
 * structs are tables. Codes: "engine" (the engine refused; kind says what), "refused", "limit", "cancelled", "invalid".
 * Waits.
 */
static int l_query(lua_State *L)
{
	return start_statement(L, query_run, query_push);
}

/* ---- exec ---- */

static void exec_run(struct sm_duck_con *con, struct sm_duck_call *call)
{
	struct op *op = OWNER(struct op, call, call);

	op->status = sm_duck_run(con, call, op->sql, op->values, op->count, false, &op->result, &op->err);
}

static int exec_push(lua_State *L, struct sm_job *job)
{
	struct op *op = OWNER(struct op, job, job);

	if (op->status != SM_OK)
		return sm_push_duck_error(L, &op->err, op->sql);
	lua_pushinteger(L, sm_duck_result_changed(op->result));
	return 1;
}

/*
 * con:exec(sql, params?) -> changed rows | nil, message, code, details
 * One statement, whose rows nobody wants. Waits.
 */
static int l_exec(lua_State *L)
{
	return start_statement(L, exec_run, exec_push);
}

static void script_run(struct sm_duck_con *con, struct sm_duck_call *call)
{
	struct op *op = OWNER(struct op, call, call);

	op->status = sm_duck_run_script(con, call, op->sql, &op->err);
}

static int script_push(lua_State *L, struct sm_job *job)
{
	struct op *op = OWNER(struct op, job, job);

	if (op->status != SM_OK)
		return sm_push_duck_error(L, &op->err, op->sql);
	lua_pushboolean(L, 1);
	return 1;
}

/*
 * con:exec_script(sql) -> true | nil, message, code, details
 * Several trusted statements, one after the other, stopping at the first failure. Waits.
 */
static int l_exec_script(lua_State *L)
{
	lua_settop(L, 2);
	return start_statement(L, script_run, script_push);
}

/* ---- stream ---- */

static void stream_run(struct sm_duck_con *con, struct sm_duck_call *call)
{
	struct op *op = OWNER(struct op, call, call);

	op->status = sm_duck_run(con, call, op->sql, op->values, op->count, true, &op->result, &op->err);
}

static int stream_push(lua_State *L, struct sm_job *job)
{
	struct op *op = OWNER(struct op, job, job);
	struct cursor **handle, *cursor;

	if (op->status != SM_OK)
		return sm_push_duck_error(L, &op->err, op->sql);
	handle = lua_newuserdatauv(L, sizeof *handle, 0);
	*handle = NULL;
	luaL_setmetatable(L, CURSOR);
	cursor = calloc(1, sizeof *cursor);
	if (cursor == NULL)
		return sm_push_fail(L, SM_NOMEM, "no memory for a cursor");
	atomic_store(&cursor->references, 1);
	cursor->link = op->link;
	atomic_fetch_add(&op->link->references, 1);
	cursor->result = op->result;
	op->result = NULL;
	op->link->open = cursor;
	*handle = cursor;
	return 1;
}

/*
 * con:stream(sql, params?) -> cursor | nil, message, code, details
 * One statement whose rows are made as they are rendered, in flat memory. The connection serves nothing else until the
 * cursor has ended or is closed. Waits until the first rows are near.
 */
static int l_stream(lua_State *L)
{
	return start_statement(L, stream_run, stream_push);
}

/* ---- cursor ---- */

static struct cursor *check_cursor(lua_State *L)
{
	struct cursor **handle = luaL_checkudata(L, 1, CURSOR);

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
	struct cursor *cursor = check_cursor(L);
	size_t count;
	const struct sm_duck_type *types = sm_duck_result_types(cursor->result, &count);

	sm_push_columns(L, types, count);
	return 1;
}

/* cursor:header(format) -> text that comes before the rows: the names for "csv", "" for the others. */
static int l_header(lua_State *L)
{
	struct cursor *cursor = check_cursor(L);
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
	struct op *op = OWNER(struct op, call, call);

	op->status = sm_duck_render(con, call, op->cursor->result, op->format, &op->text, &op->rows, &op->err);
}

static int render_push(lua_State *L, struct sm_job *job)
{
	struct op *op = OWNER(struct op, job, job);

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
	struct cursor *cursor = check_cursor(L);
	enum sm_format format = check_format(L, 2);
	lua_Integer max = luaL_optinteger(L, 3, PIECE_DEFAULT);
	struct op *op;

	luaL_argcheck(L, max > 0 && max <= PIECE_MAX, 3, "between 1 byte and 1 GiB");
	if (cursor->cancelled)
		return sm_push_fail(L, SM_CANCELLED, "the query was cancelled");
	op = new_op(cursor->link, render_run, render_push);
	if (op == NULL)
		return sm_push_fail(L, SM_NOMEM, "no memory to render");
	op->cursor = cursor;
	atomic_fetch_add(&cursor->references, 1);
	op->format = format;
	sm_buf_init(&op->text, (size_t)max);
	return op_start(L, op);
}

/* cursor:close(): ends the statement. Harmless twice; does not wait. */
static int l_cursor_close(lua_State *L)
{
	struct cursor **handle = luaL_checkudata(L, 1, CURSOR);
	struct cursor *cursor = *handle;

	*handle = NULL;
	if (cursor == NULL)
		return 0;
	if (cursor->link->open == cursor) {
		cursor->link->open = NULL;
		sm_duck_cancel(cursor->link->con); /* a render under way has nobody to read it */
	}
	unref_cursor(cursor);
	return 0;
}

/* ---- connection ---- */

/*
 * con:cancel(): the call under way, and those queued behind it, end with code "cancelled"; so does an open cursor.
 * From any task; does not wait.
 */
static int l_cancel(lua_State *L)
{
	struct link *link = check_connection(L);

	if (link->open != NULL)
		link->open->cancelled = true;
	sm_duck_cancel(link->con);
	return 0;
}

/*
 * con:progress() -> {percent=, rows=, total=} | nil
 * How far the running statement is, when the engine can tell. Does not wait.
 */
static int l_progress(lua_State *L)
{
	struct link *link = check_connection(L);
	struct duck_progress progress;

	if (!sm_duck_progress(link->con, &progress)) {
		lua_pushnil(L);
		return 1;
	}
	lua_createtable(L, 0, 3);
	lua_pushnumber(L, progress.percent);
	lua_setfield(L, -2, "percent");
	lua_pushinteger(L, (lua_Integer)progress.rows);
	lua_setfield(L, -2, "rows");
	lua_pushinteger(L, (lua_Integer)progress.total);
	lua_setfield(L, -2, "total");
	return 1;
}

/* con:close(): cancels what runs and ends the thread. Harmless twice; does not wait. */
static int l_connection_close(lua_State *L)
{
	struct link **handle = luaL_checkudata(L, 1, CONNECTION);
	struct link *link = *handle;

	*handle = NULL;
	if (link == NULL)
		return 0;
	sm_duck_con_close(link->con);
	unref_link(link);
	return 0;
}

int sm_push_duck_connection(lua_State *L, struct sm_duck_db *db)
{
	struct link **handle = lua_newuserdatauv(L, sizeof *handle, 0);
	struct sm_error err;
	struct link *link;

	*handle = NULL;
	luaL_setmetatable(L, CONNECTION);
	link = calloc(1, sizeof *link);
	if (link == NULL)
		return sm_push_fail(L, SM_NOMEM, "no memory for a connection");
	if (sm_duck_connect(db, &link->con, &err) != SM_OK) {
		free(link);
		return sm_push_error(L, &err);
	}
	atomic_store(&link->references, 1);
	*handle = link;
	return 1;
}

static const luaL_Reg connection_methods[] = {
    {"query", l_query},   {"exec", l_exec},         {"exec_script", l_exec_script}, {"stream", l_stream},
    {"cancel", l_cancel}, {"progress", l_progress}, {"close", l_connection_close},  {NULL, NULL},
};

static const luaL_Reg connection_meta[] = {
    {"__gc", l_connection_close},
    {"__close", l_connection_close},
    {NULL, NULL},
};

static const luaL_Reg cursor_methods[] = {
    {"columns", l_columns}, {"header", l_header}, {"render", l_render}, {"close", l_cursor_close}, {NULL, NULL},
};

static const luaL_Reg cursor_meta[] = {
    {"__gc", l_cursor_close},
    {"__close", l_cursor_close},
    {NULL, NULL},
};

void sm_open_duck_connection(lua_State *L)
{
	sm_make_type(L, CONNECTION, connection_methods, connection_meta);
	sm_make_type(L, CURSOR, cursor_methods, cursor_meta);
}
