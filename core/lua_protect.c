/*
 * lua_protect: pcall, xpcall and load as scripts see them.
 *
 * They behave as Lua's own, with two differences: the end of a task (cancellation, a limit) passes through pcall,
 * xpcall and a chunk reader and cannot be caught, and chunks are text, never bytecode.
 */
#include "task_inner.h"

#include <lauxlib.h>

/* ---- pcall, xpcall ---- */

/* first: how many stack slots below are not results. */
static int protected_k(lua_State *L, int status, lua_KContext first)
{
	if (status == LUA_OK || status == LUA_YIELD)
		return lua_gettop(L) - (int)first;
	if (sm_task_passes(L, L))
		return sm_task_raise(L);
	lua_pushboolean(L, 0);
	lua_insert(L, -2);
	return 2;
}

static int l_pcall(lua_State *L)
{
	luaL_checkany(L, 1);
	lua_pushboolean(L, 1);
	lua_insert(L, 1);
	return protected_k(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, protected_k), 0);
}

/* A script's message handler never sees the end of its task: it would run where no hook can stop it. */
static int guarded_handler(lua_State *L)
{
	if (sm_is_kill_mark(L, 1))
		return 1;
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, 1);
	return 1;
}

static int l_xpcall(lua_State *L)
{
	int count = lua_gettop(L);
	luaL_checktype(L, 2, LUA_TFUNCTION);
	lua_pushvalue(L, 2);
	lua_pushcclosure(L, guarded_handler, 1);
	lua_replace(L, 2);
	lua_pushboolean(L, 1);
	lua_pushvalue(L, 1);
	lua_rotate(L, 3, 2);
	return protected_k(L, lua_pcallk(L, count - 2, LUA_MULTRET, 2, 2, protected_k), 2);
}

/* ---- load, loadfile, dofile: upvalue 1 is Lua's own ---- */

/* load(chunk, name?, mode?, env?): the mode is always "t". */
static int l_load(lua_State *L)
{
	int count = lua_gettop(L);
	luaL_checkany(L, 1);
	if (count < 3)
		lua_settop(L, count = 3);
	lua_pushliteral(L, "t");
	lua_replace(L, 3);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, count, LUA_MULTRET);
	if (lua_isnil(L, 1) && sm_task_passes(L, L)) /* raised in the reader function */
		return sm_task_raise(L);
	return lua_gettop(L);
}

/* loadfile(name?, mode?, env?): the mode is always "t". */
static int l_loadfile(lua_State *L)
{
	int count = lua_gettop(L);
	if (count < 2)
		lua_settop(L, count = 2);
	lua_pushliteral(L, "t");
	lua_replace(L, 2);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, count, LUA_MULTRET);
	return lua_gettop(L);
}

static int dofile_k(lua_State *L, int status, lua_KContext context)
{
	(void)status;
	(void)context;
	return lua_gettop(L) - 1;
}

static int l_dofile(lua_State *L)
{
	const char *name = luaL_optstring(L, 1, NULL);
	lua_settop(L, 1);
	if (luaL_loadfilex(L, name, "t") != LUA_OK)
		return lua_error(L);
	lua_callk(L, 0, LUA_MULTRET, 0, dofile_k);
	return dofile_k(L, 0, 0);
}

static void wrap_global(lua_State *L, const char *name, lua_CFunction function)
{
	lua_getglobal(L, name);
	lua_pushcclosure(L, function, 1);
	lua_setglobal(L, name);
}

void sm_open_protect(lua_State *L)
{
	lua_register(L, "pcall", l_pcall);
	lua_register(L, "xpcall", l_xpcall);
	lua_register(L, "dofile", l_dofile);
	wrap_global(L, "load", l_load);
	wrap_global(L, "loadfile", l_loadfile);
}
