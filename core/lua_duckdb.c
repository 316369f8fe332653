/*
 * lua_duckdb: the module sm.duckdb.
 *
 *     local db <close> = assert(duckdb.open{threads = 2, memory_limit = "1GB"})
 *     local con <close> = assert(db:connect())
 *     for _, row in ipairs(assert(con:query("SELECT 1, 'x'")).rows) do ... end
 *
 * A query runs on the thread of its connection; the task that asked waits, the
 * loop goes on. Cancelling the task interrupts the engine. Outside a task the
 * calls block. Queries and cursors are in lua_duckdb_con.c and lua_duckdb_cursor.c.
 */
#include "lua_duckdb.h"

#include "duckdb_functions.h"
#include "lua_duckdb_value.h"
#include "lua_job.h"
#include "lua_result.h"
#include "lua_type.h"
#include "memory_cap.h"

#include <lauxlib.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define DATABASE "sm.duckdb.database"
#define CLOSE_WAIT_MS 5000
#define SETTINGS_MAX 64
#define OWNER(type, member, pointer) ((type *)((char *)(pointer)-offsetof(type, member)))

/* A database handle and the jobs that use it. Loop thread only. */
struct database {
	struct sm_duck_db *db; /* NULL: closed */
	int users;             /* jobs on worker threads */
	bool orphaned;         /* the handle is gone: the last job closes */
};

/* ---- load ---- */

struct load_job {
	struct sm_job job;
	char *path; /* NULL: search */
	enum sm_status status;
	const struct sm_duckdb_api *api;
	struct sm_error err;
};

static void load_run(struct sm_job *job)
{
	struct load_job *load = OWNER(struct load_job, job, job);

	load->status = sm_duckdb_load(load->path, &load->api, &load->err);
}

static int load_push(lua_State *L, struct sm_job *job)
{
	struct load_job *load = OWNER(struct load_job, job, job);

	if (load->status != SM_OK)
		return sm_push_error(L, &load->err);
	lua_createtable(L, 0, 2);
	lua_pushstring(L, load->api->library_version());
	lua_setfield(L, -2, "version");
	lua_pushstring(L, load->api->path);
	lua_setfield(L, -2, "path");
	return 1;
}

static void load_free(struct sm_job *job)
{
	struct load_job *load = OWNER(struct load_job, job, job);

	free(load->path);
	free(load);
}

/*
 * load(path?) -> {version=, path=} | nil, message, code
 * Opens the engine's library: path, or $SM_DUCKDB_LIB, or lib/ beside the program, or the loader's search. Once per
 * process; later calls answer the same. Code "not_found" when there is none. Waits (15 ms).
 */
static int l_load(lua_State *L)
{
	const char *path = luaL_optstring(L, 1, NULL);
	struct load_job *load = calloc(1, sizeof *load);

	if (load == NULL)
		return sm_push_fail(L, SM_NOMEM, "no memory to load the engine");
	load->job.run = load_run;
	load->job.push = load_push;
	load->job.free = load_free;
	if (path != NULL)
		load->path = strdup(path);
	return sm_job_start(L, &load->job);
}

/* ---- open ---- */

struct open_job {
	struct sm_job job;
	struct sm_duck_setting settings[SETTINGS_MAX];
	size_t count;
	char *texts; /* what the settings point into */
	struct sm_duck_db *db;
	enum sm_status status;
	struct sm_duck_error err;
};

static void open_run(struct sm_job *job)
{
	struct open_job *o = OWNER(struct open_job, job, job);

	o->err.kind[0] = '\0';
	o->status = sm_duckdb_load(NULL, NULL, &o->err.base);
	if (o->status == SM_OK)
		o->status = sm_duck_open(o->settings, o->count, &o->db, &o->err);
}

static int open_push(lua_State *L, struct sm_job *job)
{
	struct open_job *o = OWNER(struct open_job, job, job);
	struct database **handle;

	if (o->status != SM_OK)
		return sm_push_duck_error(L, &o->err, NULL);
	handle = lua_newuserdatauv(L, sizeof *handle, 0);
	*handle = NULL;
	luaL_setmetatable(L, DATABASE);
	*handle = calloc(1, sizeof **handle);
	if (*handle == NULL)
		return sm_push_fail(L, SM_NOMEM, "no memory for a database");
	(*handle)->db = o->db;
	o->db = NULL;
	return 1;
}

static void open_free(struct sm_job *job)
{
	struct open_job *o = OWNER(struct open_job, job, job);

	if (o->db != NULL)
		sm_duck_close(o->db, CLOSE_WAIT_MS);
	free(o->texts);
	free(o);
}

/* Settings as a Lua table name -> text on top of the stack. Raises for what is no setting. */
static void gather_settings(lua_State *L)
{
	static const char *const direct[] = {"threads", "memory_limit", "temp_directory"};

	lua_newtable(L);
	for (size_t i = 0; i < sizeof direct / sizeof *direct; i++) {
		if (lua_getfield(L, 1, direct[i]) != LUA_TNIL) {
			luaL_argcheck(L, lua_isstring(L, -1), 1, "threads, memory_limit and temp_directory are numbers or strings");
			lua_pushstring(L, lua_tostring(L, -1));
			lua_setfield(L, -3, direct[i]);
		}
		lua_pop(L, 1);
	}
	if (lua_getfield(L, 1, "config") != LUA_TNIL) {
		luaL_argcheck(L, lua_istable(L, -1), 1, "config is a table");
		lua_pushnil(L);
		while (lua_next(L, -2) != 0) {
			luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING, 1, "config has names as keys");
			luaL_tolstring(L, -1, NULL);
			lua_pushvalue(L, -3);
			lua_insert(L, -2);
			lua_settable(L, -6);
			lua_pop(L, 1);
		}
	}
	lua_pop(L, 1);
}

/* Bytes and number of the settings in the table on top. */
static size_t measure_settings(lua_State *L, size_t *count)
{
	size_t bytes = 0;

	*count = 0;
	lua_pushnil(L);
	while (lua_next(L, -2) != 0) {
		bytes += lua_rawlen(L, -1) + lua_rawlen(L, -2) + 2;
		(*count)++;
		lua_pop(L, 1);
	}
	return bytes;
}

static const char *keep(char **at, const char *text)
{
	size_t len = strlen(text) + 1;
	char *copy = *at;

	memcpy(copy, text, len);
	*at += len;
	return copy;
}

/* Every value is a string already: nothing here raises. */
static void copy_settings(lua_State *L, struct open_job *o)
{
	char *at = o->texts;

	lua_pushnil(L);
	while (lua_next(L, -2) != 0) {
		o->settings[o->count].name = keep(&at, lua_tostring(L, -2));
		o->settings[o->count].value = keep(&at, lua_tostring(L, -1));
		o->count++;
		lua_pop(L, 1);
	}
}

/*
 * open{threads=, memory_limit="1GB", temp_directory=, config={name=value}} -> database | nil, message, code
 * The only database of the process, in memory. Loads the library when that has not happened. Code "exists" while
 * another is open, "not_found" without the library. Waits (10 ms).
 */
static int l_open(lua_State *L)
{
	struct open_job *o;
	size_t count, bytes;

	lua_settop(L, 1);
	if (lua_isnil(L, 1)) {
		lua_newtable(L);
		lua_replace(L, 1);
	}
	luaL_checktype(L, 1, LUA_TTABLE);
	gather_settings(L);
	bytes = measure_settings(L, &count);
	luaL_argcheck(L, count <= SETTINGS_MAX, 1, "too many settings");
	o = calloc(1, sizeof *o);
	if (o != NULL)
		o->texts = malloc(bytes + 1);
	if (o == NULL || o->texts == NULL) {
		free(o);
		return sm_push_fail(L, SM_NOMEM, "no memory for a database");
	}
	copy_settings(L, o);
	o->job.run = open_run;
	o->job.push = open_push;
	o->job.free = open_free;
	return sm_job_start(L, &o->job);
}

/* ---- a database ---- */

static struct database *check_database(lua_State *L)
{
	struct database **handle = luaL_checkudata(L, 1, DATABASE);

	luaL_argcheck(L, *handle != NULL && (*handle)->db != NULL, 1, "the database is closed");
	return *handle;
}

/* A task of the database on a worker thread: register, lock down, close. */
struct database_job {
	struct sm_job job;
	struct database *database;
	enum sm_status (*act)(struct database_job *job);
	char **directories;
	size_t count;
	enum sm_status status;
	struct sm_duck_error err;
};

static void database_run(struct sm_job *job)
{
	struct database_job *d = OWNER(struct database_job, job, job);

	d->status = d->act(d);
}

static int database_push(lua_State *L, struct sm_job *job)
{
	struct database_job *d = OWNER(struct database_job, job, job);

	if (d->status != SM_OK)
		return sm_push_duck_error(L, &d->err, NULL);
	lua_pushboolean(L, 1);
	return 1;
}

static void release_database(struct database *database)
{
	if (database->users > 0) {
		database->orphaned = true;
		return;
	}
	if (database->db != NULL)
		sm_duck_close(database->db, CLOSE_WAIT_MS);
	free(database);
}

static void database_free(struct sm_job *job)
{
	struct database_job *d = OWNER(struct database_job, job, job);

	d->database->users--;
	if (d->database->orphaned)
		release_database(d->database);
	for (size_t i = 0; i < d->count; i++)
		free(d->directories[i]);
	free(d->directories);
	free(d);
}

static struct database_job *new_database_job(struct database *database, enum sm_status (*act)(struct database_job *))
{
	struct database_job *d = calloc(1, sizeof *d);

	if (d == NULL)
		return NULL;
	d->job.run = database_run;
	d->job.push = database_push;
	d->job.free = database_free;
	d->database = database;
	d->act = act;
	database->users++;
	return d;
}

static enum sm_status act_register(struct database_job *d)
{
	return sm_duck_with_raw(d->database->db, sm_duck_register_functions, &d->err);
}

/*
 * db:register_functions() -> true | nil, message, code
 * Adds the native functions of the Trino dialect; their names begin with trino_. Before lock_down or after. Waits.
 */
static int l_register_functions(lua_State *L)
{
	struct database_job *d = new_database_job(check_database(L), act_register);

	if (d == NULL)
		return sm_push_fail(L, SM_NOMEM, "no memory to register functions");
	return sm_job_start(L, &d->job);
}

static enum sm_status act_lock_down(struct database_job *d)
{
	return sm_duck_lock_down(d->database->db, (const char *const *)d->directories, d->count, &d->err);
}

/* The strings of the list on top of the stack; false without memory. */
static bool copy_directories(lua_State *L, struct database_job *d, size_t count)
{
	d->directories = calloc(count + 1, sizeof *d->directories);
	if (d->directories == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		lua_rawgeti(L, -1, (lua_Integer)i + 1);
		d->directories[i] = strdup(lua_tostring(L, -1));
		lua_pop(L, 1);
		if (d->directories[i] == NULL)
			return false;
		d->count = i + 1;
	}
	return true;
}

/*
 * db:lock_down{directories={...}} -> true | nil, message, code
 * From now on the engine reaches files below these directories only, loads nothing and refuses every SET. Cannot be
 * undone while the database is open. Waits.
 */
static int l_lock_down(lua_State *L)
{
	struct database *database = check_database(L);
	struct database_job *d;
	size_t count;

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_getfield(L, 2, "directories");
	luaL_argcheck(L, lua_istable(L, -1), 2, "directories is a list of strings");
	count = lua_rawlen(L, -1);
	for (size_t i = 1; i <= count; i++) {
		luaL_argcheck(L, lua_rawgeti(L, -1, (lua_Integer)i) == LUA_TSTRING, 2, "directories is a list of strings");
		lua_pop(L, 1);
	}
	d = new_database_job(database, act_lock_down);
	if (d == NULL)
		return sm_push_fail(L, SM_NOMEM, "no memory to lock the engine down");
	if (!copy_directories(L, d, count)) {
		d->job.free(&d->job);
		return sm_push_fail(L, SM_NOMEM, "no memory to lock the engine down");
	}
	return sm_job_start(L, &d->job);
}

/*
 * db:connect() -> connection | nil, message, code
 * A connection with a thread of its own. Does not wait.
 */
static int l_connect(lua_State *L)
{
	return sm_push_duck_connection(L, check_database(L)->db);
}

static enum sm_status act_close(struct database_job *d)
{
	struct sm_duck_db *db = d->database->db;

	d->database->db = NULL;
	if (!sm_duck_close(db, CLOSE_WAIT_MS))
		return sm_fail(&d->err.base, SM_TIMEOUT, "the engine is still ending a query");
	return SM_OK;
}

/*
 * db:close() -> true | nil, message, code
 * Cancels what runs, closes every connection and waits for the engine to end. Harmless twice. Code "conflict" while
 * another call of the database itself is under way.
 */
static int l_close(lua_State *L)
{
	struct database **handle = luaL_checkudata(L, 1, DATABASE);
	struct database_job *d;

	if (*handle == NULL || (*handle)->db == NULL) {
		lua_pushboolean(L, 1);
		return 1;
	}
	if ((*handle)->users > 0)
		return sm_push_fail(L, SM_CONFLICT, "the database is being changed by another task");
	d = new_database_job(*handle, act_close);
	if (d == NULL)
		return sm_push_fail(L, SM_NOMEM, "no memory to close the database");
	d->database->orphaned = true; /* the job frees it */
	*handle = NULL;
	return sm_job_start(L, &d->job);
}

/* Blocks until the engine's threads have ended, so that the program can leave. */
static int l_database_gc(lua_State *L)
{
	struct database **handle = luaL_checkudata(L, 1, DATABASE);
	struct database *database = *handle;

	*handle = NULL;
	if (database != NULL)
		release_database(database);
	return 0;
}

/*
 * cap_memory(bytes) -> true | nil, message, code
 * The process may grow by at most so many bytes from now on; what goes beyond is an error of the statement that wanted
 * it. A lower limit set before stays. Does not wait.
 */
static int l_cap_memory(lua_State *L)
{
	lua_Integer bytes = luaL_checkinteger(L, 1);
	struct sm_error err = {0};
	enum sm_status status;

	luaL_argcheck(L, bytes > 0, 1, "bytes must be positive");
	status = sm_memory_cap((uint64_t)bytes, &err);
	if (status != SM_OK)
		return sm_push_error(L, &err);
	lua_pushboolean(L, 1);
	return 1;
}

static const luaL_Reg module_functions[] = {
    {"cap_memory", l_cap_memory},
    {"load", l_load},
    {"open", l_open},
    {NULL, NULL},
};

static const luaL_Reg database_methods[] = {
    {"connect", l_connect},
    {"register_functions", l_register_functions},
    {"lock_down", l_lock_down},
    {"close", l_close},
    {NULL, NULL},
};

static const luaL_Reg database_meta[] = {
    {"__gc", l_database_gc},
    {"__close", l_database_gc},
    {NULL, NULL},
};

int luaopen_sm_duckdb(lua_State *L)
{
	sm_make_type(L, DATABASE, database_methods, database_meta);
	sm_open_duck_connection(L);
	luaL_newlib(L, module_functions);
	return 1;
}
