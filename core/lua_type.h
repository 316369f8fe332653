/* lua_type: the metatable of a kind of handle, made the same way for every binding. */
#ifndef SM_LUA_TYPE_H
#define SM_LUA_TYPE_H

#include <lauxlib.h>

/* Makes the metatable of a userdata type: methods under __index, and meta (may be NULL) beside it. */
void sm_make_type(lua_State *L, const char *type, const luaL_Reg *methods, const luaL_Reg *meta);

#endif
