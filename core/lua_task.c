/*
 * lua_task: the module sm.task, thin form: spawn, join, parallel, sleep, queue, and the end of the program.
 * What needs no C (parallel, mutex, semaphore) is in lua/lib/task_extra.lua.
 */
#include "lua_libs.h"
#include "lua_result.h"
#include "clock.h"
#include "log.h"
#include "task_inner.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

/* ---- sleep ---- */

struct nap {
	struct sm_wait wait;
	struct sm_timer timer;
	struct sm_loop *loop;
};

static int nap_finish(lua_State *L, struct sm_wait *wait)
{
	(void)L;
	free(wait);
	return 0;
}

static void nap_cancel(struct sm_wait *wait)
{
	struct nap *nap = (struct nap *)wait;
	sm_timer_stop(nap->loop, &nap->timer);
	free(nap);
}

static void nap_over(struct sm_timer *timer)
{
	sm_wait_done(&((struct nap *)((char *)timer - offsetof(struct nap, timer)))->wait);
}

/* sleep(seconds): waits; other tasks go on. */
static int l_sleep(lua_State *L)
{
	lua_Number seconds = luaL_checknumber(L, 1);
	luaL_argcheck(L, seconds >= 0 && seconds < 1e9, 1, "seconds expected");
	struct nap *nap = calloc(1, sizeof(*nap));
	if (nap == NULL)
		return luaL_error(L, "not enough memory");
	nap->wait.finish = nap_finish;
	nap->wait.cancel = nap_cancel;
	nap->loop = sm_loop_of(L);
	nap->timer.fire = nap_over;
	if (sm_timer_start(nap->loop, &nap->timer, sm_clock_mono_ns() + (int64_t)(seconds * 1e9)) != SM_OK) {
		free(nap);
		return luaL_error(L, "not enough memory");
	}
	return sm_wait_yield(L, &nap->wait);
}

/* ---- parking: the one primitive that queue, join, mutex and semaphore are made of ---- */

#define PARK_TYPE "sm.park"

struct park {
	struct sm_wait wait;
	struct sm_timer timer;
	struct sm_loop *loop;
	bool waiting, woken;
};

static int park_finish(lua_State *L, struct sm_wait *wait)
{
	struct park *park = (struct park *)wait;
	park->waiting = false;
	sm_timer_stop(park->loop, &park->timer);
	lua_pushboolean(L, park->woken);
	park->woken = false;
	return 1;
}

static void park_cancel(struct sm_wait *wait)
{
	struct park *park = (struct park *)wait;
	park->waiting = false;
	sm_timer_stop(park->loop, &park->timer);
}

static void park_late(struct sm_timer *timer)
{
	sm_wait_done(&((struct park *)((char *)timer - offsetof(struct park, timer)))->wait);
}

static int l_park_new(lua_State *L)
{
	struct park *park = lua_newuserdatauv(L, sizeof(*park), 0);
	memset(park, 0, sizeof(*park));
	park->loop = sm_loop_of(L);
	luaL_setmetatable(L, PARK_TYPE);
	return 1;
}

/* park:wait(seconds?) -> true when woken, false when the time was up. */
static int l_park_wait(lua_State *L)
{
	struct park *park = luaL_checkudata(L, 1, PARK_TYPE);
	lua_Number seconds = luaL_optnumber(L, 2, -1);
	lua_settop(L, 1); /* keeps the userdata on the stack while the task waits */
	if (park->woken) {
		park->woken = false;
		lua_pushboolean(L, 1);
		return 1;
	}
	if (park->waiting)
		return luaL_error(L, "two tasks wait on one place");
	park->wait = (struct sm_wait){.finish = park_finish, .cancel = park_cancel};
	park->waiting = true;
	if (seconds >= 0) {
		park->timer.fire = park_late;
		sm_timer_start(park->loop, &park->timer, sm_clock_mono_ns() + (int64_t)(seconds * 1e9));
	}
	return sm_wait_yield(L, &park->wait);
}

/* park:wake(): the waiter goes on; before a wait it is remembered once. */
static int l_park_wake(lua_State *L)
{
	struct park *park = luaL_checkudata(L, 1, PARK_TYPE);
	if (!park->woken) {
		park->woken = true;
		if (park->waiting)
			sm_wait_done(&park->wait);
	}
	return 0;
}

/* ---- spawn ---- */

#define TASK_TYPE "sm.task"

struct handle {
	struct sm_task *task; /* NULL when it has ended */
	enum sm_task_end end;
	lua_State *L;
	int on_end; /* reference of the function(end, results...) */
	int self;   /* reference of the handle while the task lives */
};

static const char *const end_names[] = {"ok", "failed", "limit", "cancelled"};

static void spawned_ended(void *owner, enum sm_task_end end, lua_State *co, int count)
{
	struct handle *handle = owner;
	lua_State *L = handle->L;
	handle->task = NULL;
	handle->end = end;
	if (handle->on_end != LUA_NOREF && lua_checkstack(L, count + 4)) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, handle->on_end);
		lua_pushstring(L, end_names[end]);
		lua_xmove(co, L, count);
		if (lua_pcall(L, count + 1, 0, 0) != LUA_OK) {
			sm_log_plain("task end: %s", lua_tostring(L, -1));
			lua_pop(L, 1);
		}
	}
	luaL_unref(L, LUA_REGISTRYINDEX, handle->on_end);
	luaL_unref(L, LUA_REGISTRYINDEX, handle->self);
}

/* start(seconds|nil, bytes|nil, on_end(end, ...)|nil, fn, ...) -> handle. Raw form of spawn. */
static int l_start(lua_State *L)
{
	struct sm_limits limits = {0};
	if (!lua_isnoneornil(L, 1))
		limits.deadline_ns = sm_clock_mono_ns() + (int64_t)(luaL_checknumber(L, 1) * 1e9);
	limits.memory_bytes = (size_t)luaL_optinteger(L, 2, 0);
	luaL_checktype(L, 4, LUA_TFUNCTION);
	lua_State *main_state = sm_host_of(L)->L;
	struct handle *handle = lua_newuserdatauv(L, sizeof(*handle), 0);
	*handle = (struct handle){.L = main_state, .on_end = LUA_NOREF, .self = LUA_NOREF};
	luaL_setmetatable(L, TASK_TYPE);
	if (!lua_isnil(L, 3)) {
		lua_pushvalue(L, 3);
		handle->on_end = luaL_ref(L, LUA_REGISTRYINDEX);
	}
	lua_pushvalue(L, -1);
	handle->self = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_replace(L, 3);
	int nargs = lua_gettop(L) - 4;
	handle->task = sm_task_start(L, nargs, &limits, spawned_ended, handle, false);
	if (handle->task == NULL)
		return luaL_error(L, "not enough memory");
	lua_settop(L, 3);
	return 1;
}

static int l_task_cancel(lua_State *L)
{
	struct handle *handle = luaL_checkudata(L, 1, TASK_TYPE);
	if (handle->task != NULL)
		sm_task_cancel(handle->task, luaL_optstring(L, 2, NULL));
	return 0;
}

static int l_task_status(lua_State *L)
{
	struct handle *handle = luaL_checkudata(L, 1, TASK_TYPE);
	lua_pushstring(L, handle->task != NULL ? "running" : end_names[handle->end]);
	return 1;
}

/* id() -> number of the running task, or nil. */
static int l_id(lua_State *L)
{
	struct sm_task *task = sm_task_current(L);
	if (task == NULL)
		return 0;
	lua_pushinteger(L, (lua_Integer)sm_task_id(task));
	return 1;
}

/* remaining() -> seconds to the deadline, nil without one. */
static int l_remaining(lua_State *L)
{
	struct sm_task *task = sm_task_current(L);
	if (task == NULL || task->limits.deadline_ns == 0)
		return 0;
	lua_pushnumber(L, (double)(task->limits.deadline_ns - sm_clock_mono_ns()) / 1e9);
	return 1;
}

/* exit(code): the loop ends after this turn. */
static int l_exit(lua_State *L)
{
	struct sm_host *host = sm_host_of(L);
	host->exit_code = (int)luaL_optinteger(L, 1, 0);
	host->exiting = true;
	return 0;
}

/* Module sm.log: write(line). */
static int l_log_write(lua_State *L)
{
	size_t len;
	const char *line = luaL_checklstring(L, 1, &len);
	sm_log_line(line, len);
	return 0;
}

int luaopen_sm_log(lua_State *L)
{
	static const luaL_Reg functions[] = {{"write", l_log_write}, {NULL, NULL}};
	luaL_newlib(L, functions);
	return 1;
}

int luaopen_sm_task_core(lua_State *L)
{
	static const luaL_Reg functions[] = {{"sleep", l_sleep}, {"start", l_start}, {"park", l_park_new}, {"id", l_id},
	                                     {"remaining", l_remaining}, {"exit", l_exit}, {NULL, NULL}};
	static const luaL_Reg task_methods[] = {{"cancel", l_task_cancel}, {"status", l_task_status}, {NULL, NULL}};
	static const luaL_Reg park_methods[] = {{"wait", l_park_wait}, {"wake", l_park_wake}, {NULL, NULL}};
	luaL_newmetatable(L, TASK_TYPE);
	luaL_newlib(L, task_methods);
	lua_setfield(L, -2, "__index");
	luaL_newmetatable(L, PARK_TYPE);
	luaL_newlib(L, park_methods);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 2);
	luaL_newlib(L, functions);
	return 1;
}
