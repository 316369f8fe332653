/*
 * lua_duckdb_con: connections of sm.duckdb and the statements they run.
 *
 * Every call is a struct sm_duck_op (lua_duckdb_op.h); what a stream gives is in lua_duckdb_cursor.c.
 */
#include "lua_duckdb.h"

#include "lua_duckdb_op.h"
#include "lua_duckdb_value.h"
#include "lua_result.h"
#include "lua_type.h"

#include <stdlib.h>
#include <string.h>

#define CONNECTION "sm.duckdb.connection"
#define QUERY_ROWS_MAX 200000
#define SQL_MAX ((size_t)64 << 20)

/* ---- arguments ---- */

static struct sm_duck_link *check_connection(lua_State *L)
{
	struct sm_duck_link **handle = luaL_checkudata(L, 1, CONNECTION);

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
static bool copy_statement(lua_State *L, struct sm_duck_op *op, const char *sql, size_t len, size_t bytes)
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
	struct sm_duck_link *link = check_connection(L);
	size_t len, bytes;
	const char *sql = check_sql(L, &len);
	size_t count = check_parameters(L, &bytes);
	struct sm_duck_op *op;

	if (link->open != NULL)
		return refuse_open_cursor(L);
	op = sm_duck_op_new(link, run, push);
	if (op != NULL)
		op->count = count;
	if (op == NULL || !copy_statement(L, op, sql, len, bytes)) {
		if (op != NULL)
			sm_duck_op_free(&op->job);
		return sm_push_fail(L, SM_NOMEM, "no memory for a statement");
	}
	return sm_duck_op_start(L, op);
}

/* ---- query ---- */

static enum sm_status add_chunk(struct sm_duck_op *op, duck_chunk chunk)
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
	struct sm_duck_op *op = sm_duck_op_of_call(call);
	duck_chunk chunk = NULL;

	op->status = sm_duck_run(con, call, op->sql, op->values, op->count, true, &op->result, &op->err);
	while (op->status == SM_OK) {
		op->status = sm_duck_fetch(con, call, op->result, &chunk, &op->err);
		if (op->status != SM_OK || chunk == NULL)
			return;
		op->status = add_chunk(op, chunk);
	}
}

static bool make_views(struct sm_duck_op *op, const struct sm_duck_type *types, size_t count)
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

static void push_row(lua_State *L, struct sm_duck_op *op, uint64_t row)
{
	lua_createtable(L, (int)op->view_count, 1);
	for (size_t i = 0; i < op->view_count; i++) {
		sm_push_cell(L, &op->views[i], row, &op->text);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_pushinteger(L, (lua_Integer)op->view_count);
	lua_setfield(L, -2, "n");
}

static void push_rows(lua_State *L, struct sm_duck_op *op)
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
	struct sm_duck_op *op = sm_duck_op_of_job(job);
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
	struct sm_duck_op *op = sm_duck_op_of_call(call);

	op->status = sm_duck_run(con, call, op->sql, op->values, op->count, false, &op->result, &op->err);
}

static int exec_push(lua_State *L, struct sm_job *job)
{
	struct sm_duck_op *op = sm_duck_op_of_job(job);

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
	struct sm_duck_op *op = sm_duck_op_of_call(call);

	op->status = sm_duck_run_script(con, call, op->sql, &op->err);
}

static int script_push(lua_State *L, struct sm_job *job)
{
	struct sm_duck_op *op = sm_duck_op_of_job(job);

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
	struct sm_duck_op *op = sm_duck_op_of_call(call);

	op->status = sm_duck_run(con, call, op->sql, op->values, op->count, true, &op->result, &op->err);
}

static int stream_push(lua_State *L, struct sm_job *job)
{
	struct sm_duck_op *op = sm_duck_op_of_job(job);
	struct sm_duck_cursor **handle, *cursor;

	if (op->status != SM_OK)
		return sm_push_duck_error(L, &op->err, op->sql);
	handle = lua_newuserdatauv(L, sizeof *handle, 0);
	*handle = NULL;
	luaL_setmetatable(L, SM_DUCK_CURSOR);
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

/* ---- connection ---- */

/*
 * con:cancel(): the call under way, and those queued behind it, end with code "cancelled"; so does an open cursor.
 * From any task; does not wait.
 */
static int l_cancel(lua_State *L)
{
	struct sm_duck_link *link = check_connection(L);

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
	struct sm_duck_link *link = check_connection(L);
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
	struct sm_duck_link **handle = luaL_checkudata(L, 1, CONNECTION);
	struct sm_duck_link *link = *handle;

	*handle = NULL;
	if (link == NULL)
		return 0;
	sm_duck_con_close(link->con);
	sm_duck_link_unref(link);
	return 0;
}

int sm_push_duck_connection(lua_State *L, struct sm_duck_db *db)
{
	struct sm_duck_link **handle = lua_newuserdatauv(L, sizeof *handle, 0);
	struct sm_error err;
	struct sm_duck_link *link;

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

void sm_open_duck_connection(lua_State *L)
{
	sm_make_type(L, CONNECTION, connection_methods, connection_meta);
	sm_open_duck_cursor(L);
}
