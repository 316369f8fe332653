/*
 * lua_coroutine: the coroutine library as scripts see it.
 *
 * Behaves as Lua's own; besides, a wait of the host passes through a script's coroutines up to the task (the coroutine
 * then counts as "normal": nobody else can resume or close it), the end of a task passes through resume and wrap, and
 * what runs is known to the watchdog.
 */
#include "task_inner.h"

#include <lauxlib.h>

static int resume_k(lua_State *L, int status, lua_KContext wrap);

static lua_State *get_coroutine(lua_State *L)
{
	lua_State *co = lua_tothread(L, 1);
	luaL_argexpected(L, co, 1, "coroutine");
	return co;
}

/* Closes co where the watchdog sees it. Its error, if any, is left on co. */
static int close_coroutine(lua_State *L, lua_State *co)
{
	sm_chain_push(L, co, false);
	int status = lua_closethread(co, L);
	sm_chain_pop(L);
	return status;
}

/* co failed, or could not be resumed; the error is on top of co. */
static int resume_failed(lua_State *L, lua_State *co, bool wrap)
{
	int status = lua_status(co);
	bool died = status != LUA_OK && status != LUA_YIELD;
	if (sm_task_passes(L, co)) {
		if (died)
			close_coroutine(L, co);
		return sm_task_raise(L);
	}
	if (wrap && died) {
		status = close_coroutine(L, co);
		if (sm_task_passes(L, co))
			return sm_task_raise(L);
	}
	if (!wrap)
		lua_pushboolean(L, 0);
	lua_xmove(co, L, 1);
	if (!wrap)
		return 2;
	if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) { /* add where it was resumed */
		luaL_where(L, 1);
		lua_insert(L, -2);
		lua_concat(L, 2);
	}
	return lua_error(L);
}

/* count arguments lie on co. Where co stands on L's stack: index 1, or an upvalue for wrap. */
static int resume(lua_State *L, lua_State *co, int count, bool wrap)
{
	int results = 0;
	sm_chain_push(L, co, lua_isyieldable(L));
	int status = lua_resume(co, L, count, &results);
	sm_chain_pop(L);
	if (status == LUA_YIELD && sm_is_host_wait(co)) { /* the mark stays on co until it goes on */
		sm_push_host_wait(L);
		return lua_yieldk(L, 1, wrap, resume_k);
	}
	if (status != LUA_OK && status != LUA_YIELD)
		return resume_failed(L, co, wrap);
	if (!lua_checkstack(L, results + 1)) {
		lua_pop(co, results);
		lua_pushliteral(co, "too many results to resume");
		return resume_failed(L, co, wrap);
	}
	if (!wrap)
		lua_pushboolean(L, 1);
	lua_xmove(co, L, results);
	return results + !wrap;
}

static int resume_k(lua_State *L, int status, lua_KContext wrap)
{
	(void)status;
	lua_State *co = lua_tothread(L, wrap ? lua_upvalueindex(1) : 1);
	lua_pop(co, 1);
	return resume(L, co, 0, wrap != 0);
}

/* count arguments are on top of L. */
static int start_resume(lua_State *L, lua_State *co, int count, bool wrap)
{
	if (sm_is_host_wait(co) || !lua_checkstack(co, count + 1)) {
		const char *message =
		    sm_is_host_wait(co) ? "cannot resume non-suspended coroutine" : "too many arguments to resume";
		if (wrap)
			return luaL_error(L, "%s", message);
		lua_pushboolean(L, 0);
		lua_pushstring(L, message);
		return 2;
	}
	lua_xmove(L, co, count);
	return resume(L, co, count, wrap);
}

static int l_resume(lua_State *L)
{
	return start_resume(L, get_coroutine(L), lua_gettop(L) - 1, false);
}

static int l_wrapped(lua_State *L)
{
	return start_resume(L, lua_tothread(L, lua_upvalueindex(1)), lua_gettop(L), true);
}

static int l_create(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_State *co = lua_newthread(L);
	lua_pushvalue(L, 1);
	lua_xmove(L, co, 1);
	return 1;
}

static int l_wrap(lua_State *L)
{
	l_create(L);
	lua_pushcclosure(L, l_wrapped, 1);
	return 1;
}

static bool is_task(lua_State *L, lua_State *co)
{
	struct sm_task *task = sm_host_of(L)->current;
	return task != NULL && task->co == co;
}

static int l_yield(lua_State *L)
{
	if (is_task(L, L))
		return luaL_error(L, "attempt to yield from outside a coroutine");
	return lua_yield(L, lua_gettop(L));
}

static int l_isyieldable(lua_State *L)
{
	lua_State *co = lua_isthread(L, 1) ? lua_tothread(L, 1) : L;
	lua_pushboolean(L, lua_isyieldable(co) && !is_task(L, co));
	return 1;
}

static int l_running(lua_State *L)
{
	bool is_main = lua_pushthread(L) != 0;
	if (is_task(L, L)) {
		sm_host_of(L)->current->exposed = true;
		is_main = true;
	}
	lua_pushboolean(L, is_main);
	return 2;
}

static const char *status_name(lua_State *L, lua_State *co)
{
	lua_Debug ar;
	if (L == co)
		return "running";
	if (sm_is_host_wait(co))
		return "normal";
	switch (lua_status(co)) {
	case LUA_YIELD:
		return "suspended";
	case LUA_OK:
		if (lua_getstack(co, 0, &ar))
			return "normal";
		return lua_gettop(co) == 0 ? "dead" : "suspended";
	default:
		return "dead";
	}
}

static int l_status(lua_State *L)
{
	lua_pushstring(L, status_name(L, get_coroutine(L)));
	return 1;
}

static int l_close(lua_State *L)
{
	lua_State *co = get_coroutine(L);
	const char *status = status_name(L, co);
	if (status[0] != 's' && status[0] != 'd')
		return luaL_error(L, "cannot close a %s coroutine", status);
	if (close_coroutine(L, co) == LUA_OK) {
		lua_pushboolean(L, 1);
		return 1;
	}
	if (sm_task_passes(L, co))
		return sm_task_raise(L);
	lua_pushboolean(L, 0);
	lua_xmove(co, L, 1);
	return 2;
}

void sm_open_coroutine(lua_State *L)
{
	static const luaL_Reg functions[] = {{"create", l_create}, {"resume", l_resume},   {"wrap", l_wrap},
	                                     {"yield", l_yield},   {"status", l_status},   {"isyieldable", l_isyieldable},
	                                     {"close", l_close},   {"running", l_running}, {NULL, NULL}};
	luaL_newlib(L, functions);
	lua_pushvalue(L, -1);
	lua_setglobal(L, "coroutine");
	luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
	lua_insert(L, -2);
	lua_setfield(L, -2, "coroutine");
	lua_pop(L, 1);
}
