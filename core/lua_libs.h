/* lua_libs: the openers of every sm.* module, in one list (lua_libs.c). */
#ifndef SM_LUA_LIBS_H
#define SM_LUA_LIBS_H

#include <lua.h>

int luaopen_sm_task_core(lua_State *L);
int luaopen_sm_log(lua_State *L);
int luaopen_sm_bundle(lua_State *L);
int luaopen_sm_duckdb(lua_State *L);
int luaopen_sm_files(lua_State *L);
int luaopen_sm_sqlite(lua_State *L);
int luaopen_sm_json(lua_State *L);
int luaopen_sm_checksum(lua_State *L);
int luaopen_sm_crypto(lua_State *L);
int luaopen_sm_time(lua_State *L);
int luaopen_sm_libs(lua_State *L);
int luaopen_sm_records(lua_State *L);
int luaopen_sm_process(lua_State *L);
int luaopen_sm_xml(lua_State *L);
int luaopen_sm_gzip(lua_State *L);
int luaopen_cjson(lua_State *L); /* the codec of sm.json under its own names */
int luaopen_cjson_safe(lua_State *L);
int luaopen_sm_http_core(lua_State *L);
int luaopen_sm_lambda(lua_State *L);
int luaopen_sm_server(lua_State *L);
int luaopen_sm_sigv4(lua_State *L);

#endif
