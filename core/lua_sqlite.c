/*
 * sm.sqlite: SQLite files for scripts.
 *
 * Each connection has a thread of its own (lua_sqlite_op.h); a statement lets only the calling task wait. A transaction
 * belongs to one task: calls of other tasks on the same connection queue behind it, first come first served. Inside a
 * transaction the task may use tx or the connection itself; both mean the transaction. When a task ends, however it
 * ends, its open transaction is rolled back.
 *
 * Failures of the world: "exists" (a unique key is taken), "invalid" (another constraint, wrong number of values),
 * "conflict" (another process holds the file longer than busy_ms), "engine" (the SQL is wrong), "closed", "cancelled",
 * "refused" (read-only), "limit", "io".
 */
#include "lua_result.h"
#include "lua_sqlite_op.h"
#include "lua_type.h"

#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DB_TYPE "sm.sqlite.db"
#define TX_TYPE "sm.sqlite.tx"
#define BLOB_TYPE "sm.sqlite.blob"
#define BUSY_MS_DEFAULT 5000
#define VALUES_MAX 32766 /* SQLite's own limit */

struct db {
	struct sm_sql_conn *conn;
};

struct tx {
	struct sm_sql_conn *conn; /* NULL once over */
	uint64_t id;
	struct sm_sql_op *undo; /* the rollback, made beforehand so that it cannot fail for memory */
};

/* ---- arguments ---- */

static struct sm_sql_conn *check_db(lua_State *L)
{
	struct db *db = luaL_checkudata(L, 1, DB_TYPE);
	if (db->conn == NULL)
		luaL_argerror(L, 1, "the database is closed");
	return db->conn;
}

static struct tx *check_tx(lua_State *L)
{
	struct tx *tx = luaL_checkudata(L, 1, TX_TYPE);
	if (tx->conn == NULL)
		luaL_argerror(L, 1, "the transaction is over");
	return tx;
}

/* Sets value from the Lua value at index; returns the bytes it borrows. Raises for what SQLite has no type for. */
static size_t check_value(lua_State *L, int index, int arg, struct sm_sql_value *value)
{
	value->type = SM_SQL_NULL;
	switch (lua_type(L, index)) {
	case LUA_TNIL:
		break;
	case LUA_TBOOLEAN:
		value->type = SM_SQL_INTEGER;
		value->integer = lua_toboolean(L, index);
		break;
	case LUA_TNUMBER:
		value->type = lua_isinteger(L, index) ? SM_SQL_INTEGER : SM_SQL_REAL;
		value->integer = lua_tointeger(L, index);
		value->real = lua_tonumber(L, index);
		luaL_argcheck(L, !isnan(value->real), arg, "NaN is not stored");
		break;
	case LUA_TSTRING:
		value->type = SM_SQL_TEXT;
		value->bytes = lua_tolstring(L, index, &value->len);
		return value->len;
	default:
		if (luaL_testudata(L, index, BLOB_TYPE) == NULL)
			luaL_argerror(L, arg, "nil, boolean, number, string or sqlite.blob expected");
		lua_getiuservalue(L, index, 1);
		value->bytes = lua_tolstring(L, -1, &value->len); /* the blob object keeps it alive */
		value->type = SM_SQL_BLOB;
		lua_pop(L, 1);
		return value->len;
	}
	return 0;
}

/* Copies count values and their bytes into one block owned by op. */
static enum sm_status take_values(struct sm_sql_op *op, const struct sm_sql_value *values, size_t count, size_t bytes)
{
	op->values = malloc(count * sizeof(*values) + bytes + 1);
	if (op->values == NULL)
		return SM_NOMEM;
	char *at = (char *)(op->values + count);
	for (size_t i = 0; i < count; i++) {
		struct sm_sql_value *value = &op->values[i];
		*value = values[i];
		if (value->len > 0)
			value->bytes = memcpy(at, value->bytes, value->len);
		else
			value->bytes = at; /* an empty text is not NULL */
		at += value->len;
		if (value->name != NULL) {
			size_t size = strlen(value->name) + 1;
			value->name = memcpy(at, value->name, size);
			at += size;
		}
	}
	op->count = count;
	return SM_OK;
}

/* The scratch for n values lives in a userdata on the stack: checking may raise. */
static struct sm_sql_value *scratch(lua_State *L, size_t count)
{
	struct sm_sql_value *values = lua_newuserdatauv(L, (count + 1) * sizeof(*values), 0);
	memset(values, 0, (count + 1) * sizeof(*values));
	return values;
}

static struct sm_sql_value *named_values(lua_State *L, int table, size_t *count, size_t *bytes)
{
	*count = 0;
	for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1))
		++*count;
	struct sm_sql_value *values = scratch(L, *count);
	size_t i = 0;
	for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) {
		luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING, table, "names of parameters are strings");
		*bytes += check_value(L, lua_gettop(L), table, &values[i]);
		values[i].name = lua_tostring(L, -2);
		*bytes += strlen(values[i++].name) + 1;
	}
	if (i == 0) { /* all of them NULL: one nameless NULL says that they are named */
		values[0].name = "";
		*count = *bytes = 1;
	}
	return values;
}

static struct sm_sql_value *positional_values(lua_State *L, int first, size_t count, size_t *bytes)
{
	struct sm_sql_value *values = scratch(L, count);
	for (size_t i = 0; i < count; i++)
		*bytes += check_value(L, first + (int)i, first + (int)i, &values[i]);
	return values;
}

/* sql at 2, values from 3: one table of named values, or values by position. */
static int start_run(lua_State *L, struct sm_sql_conn *conn, uint64_t tx, size_t max_rows,
                     int (*give)(lua_State *, struct sm_sql_op *))
{
	size_t len, bytes = 0, count = (size_t)(lua_gettop(L) - 1);
	const char *sql = luaL_checklstring(L, 2, &len);
	count = count > 0 ? count - 1 : 0;
	luaL_argcheck(L, count <= VALUES_MAX, 3, "too many values");
	luaL_checkstack(L, 8, NULL);
	struct sm_sql_value *values =
	    count == 1 && lua_istable(L, 3) ? named_values(L, 3, &count, &bytes) : positional_values(L, 3, count, &bytes);
	struct sm_sql_op *op = sm_sql_op_new(conn, SM_SQL_OP_RUN, give, sql, len);
	if (op != NULL && take_values(op, values, count, bytes) != SM_OK) {
		sm_sql_op_free(op);
		op = NULL;
	}
	if (op != NULL) {
		op->max_rows = max_rows;
		op->tx = tx;
	}
	return sm_sql_op_start(L, op);
}

static int start_script(lua_State *L, struct sm_sql_conn *conn, uint64_t tx);

/* ---- results ---- */

static int give_true(lua_State *L, struct sm_sql_op *op)
{
	(void)op;
	lua_pushboolean(L, 1);
	return 1;
}

static int give_changes(lua_State *L, struct sm_sql_op *op)
{
	lua_pushinteger(L, (lua_Integer)op->result.changes);
	lua_pushinteger(L, (lua_Integer)op->result.last_id);
	return 2;
}

static void push_value(lua_State *L, const struct sm_sql_value *value)
{
	if (value->type == SM_SQL_INTEGER)
		lua_pushinteger(L, (lua_Integer)value->integer);
	else if (value->type == SM_SQL_REAL)
		lua_pushnumber(L, (lua_Number)value->real);
	else if (value->type == SM_SQL_TEXT)
		lua_pushlstring(L, value->bytes, value->len);
	else
		lua_pushnil(L);
}

/* Puts the column names on the stack once, so that each row only refers to them. */
static void push_names(lua_State *L, const struct sm_sql_result *result)
{
	const char *name = result->names.data;
	luaL_checkstack(L, result->columns + 8, "too many columns");
	for (int i = 0; i < result->columns; i++, name += strlen(name) + 1)
		lua_pushstring(L, name);
}

static void push_row(lua_State *L, const struct sm_sql_result *result, int names, size_t *offset)
{
	lua_createtable(L, 0, result->columns);
	for (int i = 0; i < result->columns; i++) {
		struct sm_sql_value value = sm_sql_cell(result, offset);
		lua_pushvalue(L, names + i);
		push_value(L, &value);
		lua_rawset(L, -3);
	}
}

static int give_rows(lua_State *L, struct sm_sql_op *op)
{
	const struct sm_sql_result *result = &op->result;
	size_t offset = 0;
	int names = lua_gettop(L) + 1;
	push_names(L, result);
	lua_createtable(L, result->rows < INT32_MAX ? (int)result->rows : 0, 0);
	for (size_t row = 0; row < result->rows; row++) {
		push_row(L, result, names, &offset);
		lua_rawseti(L, -2, (lua_Integer)row + 1);
	}
	return 1;
}

static int give_row(lua_State *L, struct sm_sql_op *op)
{
	size_t offset = 0;
	int names = lua_gettop(L) + 1;
	if (op->result.rows == 0) {
		lua_pushnil(L);
		return 1;
	}
	push_names(L, &op->result);
	push_row(L, &op->result, names, &offset);
	return 1;
}

/* ---- db and tx ---- */

/* db:exec(sql, ...) -> rows changed, last row id | nil, message, code. Values by position, or one table of named ones.
   Waits. */
static int db_exec(lua_State *L)
{
	return start_run(L, check_db(L), 0, 0, give_changes);
}

/* db:rows(sql, ...) -> {{column = value}, ...} | nil, message, code. NULL is an absent field. Waits. */
static int db_rows(lua_State *L)
{
	return start_run(L, check_db(L), 0, 0, give_rows);
}

/* db:row(sql, ...) -> {column = value} of the first row | nil when there is none | nil, message, code. Waits. */
static int db_row(lua_State *L)
{
	return start_run(L, check_db(L), 0, 1, give_row);
}

static int start_script(lua_State *L, struct sm_sql_conn *conn, uint64_t tx)
{
	size_t len;
	const char *sql = luaL_checklstring(L, 2, &len);
	struct sm_sql_op *op = sm_sql_op_new(conn, SM_SQL_OP_SCRIPT, give_true, sql, len);
	if (op != NULL)
		op->tx = tx;
	return sm_sql_op_start(L, op);
}

/* db:script(sql) -> true | nil, message, code. Several statements without values; stops at the first failure. Waits. */
static int db_script(lua_State *L)
{
	return start_script(L, check_db(L), 0);
}

static int tx_exec(lua_State *L)
{
	struct tx *tx = check_tx(L);
	return start_run(L, tx->conn, tx->id, 0, give_changes);
}

static int tx_rows(lua_State *L)
{
	struct tx *tx = check_tx(L);
	return start_run(L, tx->conn, tx->id, 0, give_rows);
}

static int tx_row(lua_State *L)
{
	struct tx *tx = check_tx(L);
	return start_run(L, tx->conn, tx->id, 1, give_row);
}

static int tx_script(lua_State *L)
{
	struct tx *tx = check_tx(L);
	return start_script(L, tx->conn, tx->id);
}

/* ---- reading bit by bit: these two are private to the function below ---- */

static int give_reading(lua_State *L, struct sm_sql_op *op)
{
	lua_pushinteger(L, (lua_Integer)op->reading);
	return 1;
}

static int give_next(lua_State *L, struct sm_sql_op *op)
{
	if (op->result.rows > 0)
		return give_rows(L, op);
	lua_pushnil(L);
	return 1;
}

static int l_read(lua_State *L)
{
	size_t len;
	struct sm_sql_conn *conn = check_db(L);
	const char *sql = luaL_checklstring(L, 2, &len);
	return sm_sql_op_start(L, sm_sql_op_new(conn, SM_SQL_OP_READ, give_reading, sql, len));
}

static int l_read_next(lua_State *L)
{
	struct sm_sql_conn *conn = check_db(L);
	lua_Integer reading = luaL_checkinteger(L, 2), max_rows = luaL_checkinteger(L, 3);
	luaL_argcheck(L, max_rows > 0, 3, "one row or more");
	struct sm_sql_op *op = sm_sql_op_new(conn, SM_SQL_OP_NEXT, give_next, "", 0);
	if (op != NULL) {
		op->reading = (uint64_t)reading;
		op->max_rows = (size_t)max_rows;
	}
	return sm_sql_op_start(L, op);
}

/*
 * db:reader(sql) -> next | nil, message, code; next(max_rows) -> rows | nil at the end | nil, message, code. Both wait.
 * The rows of one SELECT without values, of one moment, a few at a time in flat memory. A connection has one reader:
 * another one ends it ("cancelled"), as does closing. Until its end the file keeps what the reader still wants to see.
 */
static const char reader_source[] = "local read, read_next = ...\n"
                                    "return function(db, sql)\n"
                                    "  local reading, message, code = read(db, sql)\n"
                                    "  if not reading then return nil, message, code end\n"
                                    "  return function(max_rows) return read_next(db, reading, max_rows) end\n"
                                    "end\n";

/* ---- transactions: begin, commit and roll back are private to the function below ---- */

static int give_tx(lua_State *L, struct sm_sql_op *op)
{
	struct tx *tx = lua_newuserdatauv(L, sizeof(*tx), 0);
	memset(tx, 0, sizeof(*tx));
	luaL_setmetatable(L, TX_TYPE);
	struct sm_sql_op *undo = sm_sql_op_new(op->conn, SM_SQL_OP_ROLLBACK, NULL, "ROLLBACK", 8);
	if (undo == NULL)
		return sm_push_fail(L, SM_NOMEM, "no memory");
	undo->tx = op->tx;
	*tx = (struct tx){.conn = op->conn, .id = op->tx, .undo = undo};
	tx->conn->refs++;
	op->kind = SM_SQL_OP_RUN; /* the handle answers for the transaction from here on */
	return 1;
}

static int l_begin(lua_State *L)
{
	struct sm_sql_conn *conn = check_db(L);
	if (conn->holder != 0 && conn->holder_task == sm_sql_task_id(L))
		return luaL_error(L, "a transaction of this task is open already; transactions do not nest");
	return sm_sql_op_start(L, sm_sql_op_new(conn, SM_SQL_OP_BEGIN, give_tx, "BEGIN IMMEDIATE", 15));
}

/* Also __gc and __close of a transaction: rolls back what was not committed. Does not wait. */
static int l_rollback(lua_State *L)
{
	struct tx *tx = luaL_checkudata(L, 1, TX_TYPE);
	struct sm_sql_conn *conn = tx->conn;
	tx->conn = NULL;
	if (conn == NULL)
		return 0;
	if (conn->holder == tx->id)
		sm_sql_roll_back(conn, tx->undo);
	else
		sm_sql_op_free(tx->undo);
	sm_sql_conn_release(conn);
	return 0;
}

static int l_commit(lua_State *L)
{
	struct tx *tx = check_tx(L);
	struct sm_sql_op *op = sm_sql_op_new(tx->conn, SM_SQL_OP_COMMIT, give_true, "COMMIT", 6);
	if (op != NULL)
		op->tx = tx->id;
	return sm_sql_op_start(L, op);
}

/*
 * db:transaction(fn, ...) -> what fn(tx, ...) returns (true instead of nothing) | nil, message, code. Waits.
 * BEGIN IMMEDIATE; commits, unless fn raises or returns nil, err: then everything is undone.
 */
static const char transaction_source[] =
    "local begin, commit, rollback = ...\n"
    "local function settle(tx, first, ...)\n"
    "  if first == nil and (...) ~= nil then\n"
    "    rollback(tx)\n"
    "    return first, ...\n"
    "  end\n"
    "  local ok, message, code = commit(tx)\n"
    "  rollback(tx)\n" /* ends the handle; after a commit there is nothing left to undo */
    "  if not ok then return nil, message, code end\n"
    "  if first == nil then return true end\n"
    "  return first, ...\n"
    "end\n"
    "return function(db, fn, ...)\n"
    "  local tx <close>, message, code = begin(db)\n"
    "  if not tx then return nil, message, code end\n"
    "  return settle(tx, fn(tx, ...))\n"
    "end\n";

static int tx_nested(lua_State *L)
{
	return luaL_error(L, "transactions do not nest");
}

/* ---- opening and closing ---- */

/* db:close(), also __gc and __close. Statements under way finish first; harmless twice. */
static int db_close(lua_State *L)
{
	struct db *db = luaL_checkudata(L, 1, DB_TYPE);
	struct sm_sql_conn *conn = db->conn;
	db->conn = NULL;
	if (conn != NULL) {
		sm_sql_conn_close(conn);
		sm_sql_conn_release(conn);
	}
	lua_pushboolean(L, 1);
	return 1;
}

static int give_db(lua_State *L, struct sm_sql_op *op)
{
	struct db *db = lua_newuserdatauv(L, sizeof(*db), 0);
	db->conn = NULL;
	luaL_setmetatable(L, DB_TYPE);
	db->conn = op->conn;
	op->conn->refs++;
	op->kind = SM_SQL_OP_RUN; /* the handle closes the connection from here on */
	return 1;
}

static bool flag(lua_State *L, int table, const char *name)
{
	bool value = lua_istable(L, table) && lua_getfield(L, table, name) != LUA_TNIL && lua_toboolean(L, -1);
	lua_settop(L, table);
	return value;
}

/*
 * open(path, {readonly=boolean, busy_ms=5000, relaxed_sync=boolean}?) -> db | nil, message, code. Waits.
 * Makes the file unless readonly. relaxed_sync: a power cut may lose the last commits, never the file.
 */
static int l_open(lua_State *L)
{
	size_t len;
	const char *path = luaL_checklstring(L, 1, &len);
	luaL_argcheck(L, strlen(path) == len && len > 0, 1, "a path is not empty and has no NUL byte");
	lua_settop(L, 2);
	if (!lua_isnil(L, 2))
		luaL_checktype(L, 2, LUA_TTABLE);
	struct sm_sqlite_options options = {flag(L, 2, "readonly"), flag(L, 2, "relaxed_sync"), BUSY_MS_DEFAULT};
	if (lua_istable(L, 2) && lua_getfield(L, 2, "busy_ms") != LUA_TNIL) {
		lua_Integer busy = luaL_checkinteger(L, -1);
		luaL_argcheck(L, busy >= 0 && busy <= INT32_MAX, 2, "busy_ms is 0 or more");
		options.busy_ms = (int)busy;
	}
	struct sm_sql_conn *conn = sm_sql_conn_new(sm_loop_of(L));
	if (conn == NULL)
		return sm_push_fail(L, SM_NOMEM, "no thread for the database");
	struct sm_sql_op *op = sm_sql_op_new(conn, SM_SQL_OP_OPEN, give_db, path, len);
	if (op == NULL)
		sm_sql_conn_close(conn);
	else
		op->options = options;
	sm_sql_conn_release(conn); /* the op holds it now */
	return sm_sql_op_start(L, op);
}

/* blob(bytes) -> a value that is stored as BLOB instead of TEXT. */
static int l_blob(lua_State *L)
{
	luaL_checkstring(L, 1);
	lua_newuserdatauv(L, 0, 1);
	luaL_setmetatable(L, BLOB_TYPE);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	return 1;
}

static const luaL_Reg functions[] = {{"open", l_open}, {"blob", l_blob}, {NULL, NULL}};
static const luaL_Reg db_methods[] = {{"exec", db_exec},     {"rows", db_rows},   {"row", db_row},
                                      {"script", db_script}, {"close", db_close}, {NULL, NULL}};
static const luaL_Reg db_meta[] = {{"__gc", db_close}, {"__close", db_close}, {NULL, NULL}};
static const luaL_Reg tx_methods[] = {{"exec", tx_exec},     {"rows", tx_rows},          {"row", tx_row},
                                      {"script", tx_script}, {"transaction", tx_nested}, {NULL, NULL}};
static const luaL_Reg tx_meta[] = {{"__gc", l_rollback}, {"__close", l_rollback}, {NULL, NULL}};

int luaopen_sm_sqlite(lua_State *L)
{
	static const luaL_Reg none[] = {{NULL, NULL}};
	sm_make_type(L, BLOB_TYPE, none, NULL);
	sm_make_type(L, TX_TYPE, tx_methods, tx_meta);
	sm_make_type(L, DB_TYPE, db_methods, db_meta);
	luaL_getmetatable(L, DB_TYPE);
	lua_getfield(L, -1, "__index");
	if (luaL_loadbufferx(L, reader_source, sizeof(reader_source) - 1, "=sm.sqlite", "t") != LUA_OK)
		return lua_error(L);
	lua_pushcfunction(L, l_read);
	lua_pushcfunction(L, l_read_next);
	lua_call(L, 2, 1);
	lua_setfield(L, -2, "reader");
	if (luaL_loadbufferx(L, transaction_source, sizeof(transaction_source) - 1, "=sm.sqlite", "t") != LUA_OK)
		return lua_error(L);
	lua_pushcfunction(L, l_begin);
	lua_pushcfunction(L, l_commit);
	lua_pushcfunction(L, l_rollback);
	lua_call(L, 3, 1);
	lua_setfield(L, -2, "transaction");
	luaL_newlib(L, functions);
	return 1;
}
