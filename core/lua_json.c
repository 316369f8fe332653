/*
 * sm.json: lua-cjson (built from its pinned source with the patches in cmake/patches/lua-cjson) under our names.
 *
 * Whole numbers are Lua integers, others floats; both read back as they were (2.0 stays 2.0). A list is told from an
 * object: decoded lists carry a mark, json.array makes one, and only an empty table without mark is {}. Input is RFC
 * 8259 and UTF-8, nothing more; its nesting is at most 512 levels unless opts.max_depth says otherwise.
 */
#include "lua_libs.h"

#include <lauxlib.h>

/* Names shared with the patched lua-cjson. */
#define ARRAY_MARK "cjson.array"
#define RAW_TYPE "cjson.raw"

/*
 * array(t?) -> t, marked as a list: [] when empty. Without t a new one.
 * A table that has another metatable is refused.
 */
static int l_array(lua_State *L)
{
	if (lua_isnoneornil(L, 1)) {
		lua_settop(L, 0);
		lua_newtable(L);
	}
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	luaL_getmetatable(L, ARRAY_MARK);
	if (lua_getmetatable(L, 1) && !lua_rawequal(L, -1, 2))
		return luaL_argerror(L, 1, "the table has a metatable of its own");
	lua_settop(L, 2);
	lua_setmetatable(L, 1);
	return 1;
}

/* is_array(value) -> whether encode writes it as a list: a marked table, or one with a first item. */
static int l_is_array(lua_State *L)
{
	luaL_checkany(L, 1);
	int answer = 0;
	if (lua_istable(L, 1)) {
		answer = lua_rawlen(L, 1) > 0;
		if (!answer && lua_getmetatable(L, 1)) {
			luaL_getmetatable(L, ARRAY_MARK);
			answer = lua_rawequal(L, -1, -2);
		}
	}
	lua_pushboolean(L, answer);
	return 1;
}

/* raw(text) -> a value that encode writes as it is. The text must be JSON; nobody checks it. */
static int l_raw(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TSTRING);
	lua_newuserdatauv(L, 0, 1);
	luaL_setmetatable(L, RAW_TYPE);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	return 1;
}

static const luaL_Reg functions[] = {{"array", l_array}, {"is_array", l_is_array}, {"raw", l_raw}, {NULL, NULL}};

/*
 * decode(text, {max_depth}?) -> value | nil, message with byte, line and column.
 * encode(value, {sorted, pretty, max_depth}?) -> text | nil, message with the path of the value.
 * null: the value that stands for null.
 */
int luaopen_sm_json(lua_State *L)
{
	static const char *const taken[] = {"decode", "encode", "null"};
	luaL_newlib(L, functions);
	lua_pushcfunction(L, luaopen_cjson_safe);
	lua_call(L, 0, 1);
	for (int i = 0; i < 3; i++) {
		lua_getfield(L, -1, taken[i]);
		lua_setfield(L, -3, taken[i]);
	}
	lua_pop(L, 1);
	return 1;
}
