#include "lua_type.h"

void sm_make_type(lua_State *L, const char *type, const luaL_Reg *methods, const luaL_Reg *meta)
{
	luaL_newmetatable(L, type);
	if (meta != NULL)
		luaL_setfuncs(L, meta, 0);
	lua_newtable(L);
	luaL_setfuncs(L, methods, 0);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
}
