#include "lua_result.h"

#include <lauxlib.h>
#include <stdarg.h>
#include <string.h>

int sm_push_error(lua_State *L, const struct sm_error *err)
{
	lua_pushnil(L);
	lua_pushstring(L, err->message);
	lua_pushstring(L, sm_status_name(err->status));
	return 3;
}

int sm_push_fail(lua_State *L, enum sm_status status, const char *format, ...)
{
	struct sm_error err = {.status = status};
	va_list args;
	va_start(args, format);
	lua_pushnil(L);
	lua_pushvfstring(L, format, args);
	va_end(args);
	lua_pushstring(L, sm_status_name(err.status));
	return 3;
}

void sm_check_options(lua_State *L, int table, const char *const *known, const char *call)
{
	for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) {
		const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
		int i = 0;

		while (known[i] != NULL && strcmp(known[i], name) != 0)
			i++;
		if (known[i] == NULL)
			luaL_error(L, "%s: there is no option '%s'", call, name);
	}
}
