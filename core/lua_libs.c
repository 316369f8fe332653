#include "lua_libs.h"

#include "task_inner.h"
#include "vm.h"

#include <lauxlib.h>
#include <lualib.h>

#if SM_LOCAL
#define LOCAL(opener) opener
#else
#define LOCAL(opener) l_left_out

/* What needs the machine of a developer or an operator is not in the build for Lambda. */
static int l_left_out(lua_State *L)
{
	return luaL_error(L, "%s is not in the Lambda build", lua_tostring(L, 1));
}
#endif

/* What a script can require, and who makes it; opened when first required. */
static const luaL_Reg modules[] = {
    {"sm.task_core", luaopen_sm_task_core},
    {"sm.log", luaopen_sm_log},
    {"sm.duckdb", LOCAL(luaopen_sm_duckdb)},
    {"sm.files", luaopen_sm_files},
    {"sm.http_core", luaopen_sm_http_core},
    {"sm.lambda", luaopen_sm_lambda},
    {"sm.server", LOCAL(luaopen_sm_server)},
    {"sm.sqlite", LOCAL(luaopen_sm_sqlite)},
    {"sm.json", luaopen_sm_json},
    {"sm.crypto", luaopen_sm_crypto},
    {"sm.time", luaopen_sm_time},
    {"sm.records", luaopen_sm_records},
    {"sm.process", luaopen_sm_process},
    {"sm.xml", luaopen_sm_xml},
    {"sm.gzip", luaopen_sm_gzip},
    {"sm.sigv4", luaopen_sm_sigv4},
    {"sm.bundle", luaopen_sm_bundle},
    {"sm.checksum", luaopen_sm_checksum},
    {"sm.libs", luaopen_sm_libs},
    {"cjson", luaopen_cjson},
    {"cjson.safe", luaopen_cjson_safe},
    {NULL, NULL},
};

static void forget(lua_State *L, const char *table, const char *const *names)
{
	lua_getglobal(L, table);
	for (; *names != NULL; names++) {
		lua_pushnil(L);
		lua_setfield(L, -2, *names);
	}
	lua_pop(L, 1);
}

void sm_open_libs(lua_State *L)
{
	static const char *const os_names[] = {"execute", "exit", "setlocale", NULL};
	static const char *const io_names[] = {"popen", NULL};
	luaL_openlibs(L);
	forget(L, "os", os_names);
	forget(L, "io", io_names);
	sm_open_protect(L);
	sm_open_coroutine(L);
	sm_open_string(L);
	sm_open_table(L);
	luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
	luaL_setfuncs(L, modules, 0);
	lua_pop(L, 1);
}

void sm_close_doors(lua_State *L)
{
	static const char *const debug_names[] = {
	    "getregistry",  "sethook",     "setlocal",       "setmetatable", "setupvalue",
	    "setuservalue", "upvaluejoin", "setcstacklimit", "debug",        NULL};
	static const char *const package_names[] = {"loadlib", NULL};
	forget(L, "debug", debug_names);
	forget(L, "package", package_names);
	lua_getglobal(L, "package");
	lua_pushliteral(L, "");
	lua_setfield(L, -2, "cpath");
	lua_getfield(L, -1, "searchers");
	for (lua_Integer i = (lua_Integer)lua_rawlen(L, -1); i > 2; i--) { /* those that look for native libraries */
		lua_pushnil(L);
		lua_rawseti(L, -2, i);
	}
	lua_pop(L, 2);
}
