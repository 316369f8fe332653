/* lua_libs: the openers of every sm.* module, in one list (lua_libs.c). */
#ifndef SM_LUA_LIBS_H
#define SM_LUA_LIBS_H

#include <lua.h>

int luaopen_sm_task_core(lua_State *L);
int luaopen_sm_log(lua_State *L);
int luaopen_sm_files(lua_State *L);
int luaopen_sm_sqlite(lua_State *L);
int luaopen_sm_server(lua_State *L);

#endif
