/*
 * lua_task: what lua/sm/task.lua is built on: start and cancel a task, sleep, park and wake, signals, the end of the
 * program. Also the module sm.log.
 */
#include "clock.h"
#include "datetime.h"
#include "log.h"
#include "lua_libs.h"
#include "lua_result.h"
#include "lua_type.h"
#include "task_inner.h"

#include <lauxlib.h>
#include <limits.h>
#include <stdio.h>
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
#define SECONDS_MAX 1e9

struct park {
	struct sm_wait wait;
	struct sm_timer timer;
	struct sm_loop *loop;
	bool waiting, woken;
	bool gone; /* its task was killed: waking it would be lost */
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
	park->gone = true;
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
	if (!sm_can_wait(L))
		return luaL_error(L, "this call waits: it needs a task, and not a callback of a C function in it");
	park->wait = (struct sm_wait){.finish = park_finish, .cancel = park_cancel};
	park->waiting = true;
	if (seconds >= 0 && seconds < SECONDS_MAX) { /* longer is for ever */
		park->timer.fire = park_late;
		sm_timer_start(park->loop, &park->timer, sm_clock_mono_ns() + (int64_t)(seconds * 1e9));
	}
	return sm_wait_yield(L, &park->wait);
}

/* park:wake() -> false when its task was killed; the waiter goes on. Before a wait it is remembered once. */
static int l_park_wake(lua_State *L)
{
	struct park *park = luaL_checkudata(L, 1, PARK_TYPE);
	if (!park->woken && !park->gone) {
		park->woken = true;
		if (park->waiting)
			sm_wait_done(&park->wait);
	}
	lua_pushboolean(L, !park->gone);
	return 1;
}

/* park:woken() -> true when a wake-up came that the waiter has not seen (and, killed, will not see). */
static int l_park_woken(lua_State *L)
{
	lua_pushboolean(L, ((struct park *)luaL_checkudata(L, 1, PARK_TYPE))->woken);
	return 1;
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

static const char *const end_names[] = {"ok", "failed", "failed", "cancelled"};

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

static struct sm_limits check_limits(lua_State *L)
{
	struct sm_limits limits = {0};
	struct sm_task *parent = sm_task_current(L);
	if (lua_isboolean(L, 1)) {
		if (parent != NULL)
			limits = parent->limits;
		return limits;
	}
	if (!lua_isnoneornil(L, 1)) {
		lua_Number seconds = luaL_checknumber(L, 1);
		luaL_argcheck(L, seconds > 0 && seconds < 1e9, 1, "seconds expected");
		limits.deadline_ns = sm_clock_mono_ns() + (int64_t)(seconds * 1e9);
	}
	lua_Integer bytes = luaL_optinteger(L, 2, 0);
	luaL_argcheck(L, bytes >= 0, 2, "bytes expected");
	limits.memory_bytes = (size_t)bytes;
	return limits;
}

/*
 * start(seconds|nil|true, bytes|nil, on_end(how, ...)|nil, fn, ...) -> handle. Raw form of spawn; true instead of
 * seconds: with the limits of the running task.
 */
static int l_start(lua_State *L)
{
	struct sm_limits limits = check_limits(L);
	luaL_checktype(L, 4, LUA_TFUNCTION);
	struct handle *handle = lua_newuserdatauv(L, sizeof(*handle), 0);
	*handle = (struct handle){.L = sm_host_of(L)->L, .on_end = LUA_NOREF, .self = LUA_NOREF, .end = SM_TASK_FAILED};
	luaL_setmetatable(L, TASK_TYPE);
	if (!lua_isnil(L, 3)) {
		lua_pushvalue(L, 3);
		handle->on_end = luaL_ref(L, LUA_REGISTRYINDEX);
	}
	lua_pushvalue(L, -1);
	handle->self = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_replace(L, 3);
	handle->task = sm_task_start(L, lua_gettop(L) - 4, &limits, spawned_ended, handle, false);
	if (handle->task == NULL) {
		luaL_unref(L, LUA_REGISTRYINDEX, handle->on_end);
		luaL_unref(L, LUA_REGISTRYINDEX, handle->self);
		return luaL_error(L, "not enough memory for a task");
	}
	return 1; /* the handle: sm_task_start took the function and what lay above it */
}

/* handle:cancel(reason?): see sm_task_cancel. Nothing when it has ended. */
static int l_task_cancel(lua_State *L)
{
	struct handle *handle = luaL_checkudata(L, 1, TASK_TYPE);
	const char *reason = luaL_optstring(L, 2, NULL);
	if (handle->task != NULL)
		sm_task_cancel(handle->task, reason);
	return 0;
}

/* handle:status() -> "running", "ok", "failed" or "cancelled". */
static int l_task_status(lua_State *L)
{
	struct handle *handle = luaL_checkudata(L, 1, TASK_TYPE);
	lua_pushstring(L, handle->task != NULL ? "running" : end_names[handle->end]);
	return 1;
}

/* ---- the running task ---- */

/* id() -> number of the running task, or nil. */
static int l_id(lua_State *L)
{
	struct sm_task *task = sm_task_current(L);
	if (task == NULL)
		return 0;
	lua_pushinteger(L, (lua_Integer)sm_task_id(task));
	return 1;
}

/* context() -> the table that the running task owns; its children start with a copy. Outside a task: a new table. */
static int l_context(lua_State *L)
{
	struct sm_task *task = sm_task_current(L);
	if (task != NULL && task->context != LUA_NOREF) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, task->context);
		return 1;
	}
	lua_newtable(L);
	if (task != NULL) {
		lua_pushvalue(L, -1);
		task->context = luaL_ref(L, LUA_REGISTRYINDEX);
	}
	return 1;
}

/* remaining() -> seconds to the deadline of the running task, nil without one. */
static int l_remaining(lua_State *L)
{
	struct sm_task *task = sm_task_current(L);
	if (task == NULL || task->limits.deadline_ns == 0)
		return 0;
	lua_pushnumber(L, (double)(task->limits.deadline_ns - sm_clock_mono_ns()) / 1e9);
	return 1;
}

/*
 * set_deadline(seconds): from now on the running task has this long; 0 means for ever. For trusted code that knows its
 * work to be longer than usual. Nothing happens outside a task.
 */
static int l_set_deadline(lua_State *L)
{
	struct sm_task *task = sm_task_current(L);
	lua_Number seconds = luaL_checknumber(L, 1);
	luaL_argcheck(L, seconds >= 0 && seconds < 1e9, 1, "a number of seconds is needed");
	if (task != NULL)
		sm_task_set_deadline(task, seconds > 0 ? sm_clock_mono_ns() + (int64_t)(seconds * 1e9) : 0);
	return 0;
}

/* can_wait() -> true where a wait is possible. */
static int l_can_wait(lua_State *L)
{
	lua_pushboolean(L, sm_can_wait(L));
	return 1;
}

/* ---- the program ---- */

/* on_signal(fn|nil): fn("SIGTERM" or "SIGINT") runs as a task. Nil: such a signal ends the program again. */
static int l_on_signal(lua_State *L)
{
	struct sm_host *host = sm_host_of(L);
	if (!lua_isnoneornil(L, 1))
		luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_settop(L, 1);
	luaL_unref(L, LUA_REGISTRYINDEX, host->on_signal);
	host->on_signal = lua_isnil(L, 1) ? LUA_NOREF : luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

/* exit(code?): does not return. Every task is cancelled (__close functions run), then the program ends. */
static int l_exit(lua_State *L)
{
	struct sm_host *host = sm_host_of(L);
	host->exit_code = (int)luaL_optinteger(L, 1, 0);
	host->exiting = true;
	if (host->current == NULL)
		return 0;
	sm_task_cancel(host->current, "the program ends");
	return sm_task_raise(L);
}

/* ---- modules ---- */

/* Module sm.log: write(line): one line to standard error, with the others of this turn of the loop. */
static int l_log_write(lua_State *L)
{
	size_t len;
	const char *line = luaL_checklstring(L, 1, &len);
	sm_log_line(line, len);
	return 0;
}

/* frame(fd, type, line): one record with the platform's frame around it, written at once. */
static int l_log_frame(lua_State *L)
{
	lua_Integer fd = luaL_checkinteger(L, 1), type = luaL_checkinteger(L, 2);
	size_t len;
	const char *line = luaL_checklstring(L, 3, &len);
	luaL_argcheck(L, fd >= 0 && fd <= INT_MAX, 1, "a file descriptor expected");
	sm_log_frame((int)fd, (uint32_t)type, sm_clock_wall_ns() / 1000, line, len);
	return 0;
}

/*
 * access(method, path, status, seconds, bytes, request_id) -> text: the record of one answered request, written for
 * every one of them and therefore here. path is a JSON string, quotes included; method and id need no escapes.
 */
static int l_log_access(lua_State *L)
{
	static const char form[] =
	    "{\"time\":\"%s\",\"level\":\"info\",\"event\":\"request\",\"method\":\"%s\",\"path\":%s,\"status\":%d,"
	    "\"durationMs\":%lld.%03d,\"bytes\":%lld,\"requestId\":\"%s\"}";
	size_t method_len, path_len, id_len;
	const char *method = luaL_checklstring(L, 1, &method_len), *path = luaL_checklstring(L, 2, &path_len);
	int status = (int)luaL_checkinteger(L, 3);
	int64_t us = (int64_t)(luaL_checknumber(L, 4) * 1e6);
	long long bytes = luaL_checkinteger(L, 5);
	const char *id = luaL_checklstring(L, 6, &id_len);
	size_t size = sizeof form + SM_DATETIME_SIZE + 4 * 24 + method_len + path_len + id_len;
	char time[SM_DATETIME_SIZE];
	luaL_Buffer line;
	char *text = luaL_buffinitsize(L, &line, size);
	sm_datetime_format(sm_clock_wall_ns() / 1000, 3, time);
	int len =
	    snprintf(text, size, form, time, method, path, status, (long long)(us / 1000), (int)(us % 1000), bytes, id);
	luaL_pushresultsize(&line, (size_t)len);
	return 1;
}

int luaopen_sm_log(lua_State *L)
{
	static const luaL_Reg functions[] = {
	    {"write", l_log_write}, {"frame", l_log_frame}, {"access", l_log_access}, {NULL, NULL}};
	luaL_newlib(L, functions);
	return 1;
}

int luaopen_sm_task_core(lua_State *L)
{
	static const luaL_Reg functions[] = {{"sleep", l_sleep},
	                                     {"start", l_start},
	                                     {"park", l_park_new},
	                                     {"id", l_id},
	                                     {"context", l_context},
	                                     {"remaining", l_remaining},
	                                     {"set_deadline", l_set_deadline},
	                                     {"can_wait", l_can_wait},
	                                     {"on_signal", l_on_signal},
	                                     {"exit", l_exit},
	                                     {NULL, NULL}};
	static const luaL_Reg task_methods[] = {{"cancel", l_task_cancel}, {"status", l_task_status}, {NULL, NULL}};
	static const luaL_Reg park_methods[] = {
	    {"wait", l_park_wait}, {"wake", l_park_wake}, {"woken", l_park_woken}, {NULL, NULL}};
	sm_make_type(L, TASK_TYPE, task_methods, NULL);
	sm_make_type(L, PARK_TYPE, park_methods, NULL);
	luaL_newlib(L, functions);
	return 1;
}
