#include "task.h"

#include "clock.h"
#include "vm.h"

#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "task_inner.h"

enum wait_state { WAIT_NEW, WAIT_PENDING, WAIT_DONE };

static const char yield_mark; /* its address marks a yield of the host, as against one of a script */

struct sm_host *sm_host_of(lua_State *L)
{
	return *(struct sm_host **)lua_getextraspace(L);
}

struct sm_loop *sm_loop_of(lua_State *L)
{
	return sm_host_of(L)->loop;
}

struct sm_task *sm_task_current(lua_State *L)
{
	return sm_host_of(L)->current;
}

uint64_t sm_task_id(const struct sm_task *task)
{
	return task->id;
}

bool sm_can_wait(lua_State *L)
{
	return sm_host_of(L)->current != NULL && lua_isyieldable(L);
}

/* ---- becoming ready ---- */

static void make_ready(struct sm_task *task)
{
	if (task->ready)
		return;
	task->ready = true;
	task->next_ready = NULL;
	*task->host->ready_tail = task;
	task->host->ready_tail = &task->next_ready;
}

/* ---- ending by force: the kill is raised at the next instruction and at every one after it ---- */

/* Pushes the error table of a kill; where the script stood is found from L. */
static void push_kill(lua_State *L, struct sm_task *task)
{
	static const char *const limits[] = {[SM_KILL_TIME] = "time", [SM_KILL_MEMORY] = "memory"};
	char where[256] = "?", value[64];
	lua_Debug ar;
	for (int level = 0; lua_getstack(L, level, &ar); level++) {
		lua_getinfo(L, "Sl", &ar);
		if (ar.currentline > 0) {
			snprintf(where, sizeof(where), "%.200s:%d", ar.short_src, ar.currentline);
			break;
		}
	}
	lua_createtable(L, 0, 8);
	if (task->kill == SM_KILL_CANCEL) {
		lua_pushliteral(L, "cancelled");
		lua_setfield(L, -2, "code");
		lua_pushfstring(L, "cancelled: %s", task->reason);
		lua_setfield(L, -2, "message");
	} else {
		if (task->kill == SM_KILL_TIME)
			snprintf(value, sizeof(value), "%.3g s", (double)(task->limits.deadline_ns - task->started_ns) / 1e9);
		else
			snprintf(value, sizeof(value), "%.4g MiB", (double)task->limits.memory_bytes / (1024.0 * 1024.0));
		lua_pushliteral(L, "limit");
		lua_setfield(L, -2, "code");
		lua_pushstring(L, limits[task->kill]);
		lua_setfield(L, -2, "limit");
		lua_pushstring(L, value);
		lua_setfield(L, -2, "value");
		lua_pushfstring(L, "%s limit of %s reached at %s", limits[task->kill], value, where);
		lua_setfield(L, -2, "message");
	}
	lua_pushstring(L, where);
	lua_setfield(L, -2, "where");
	luaL_traceback(L, L, NULL, 0);
	lua_setfield(L, -2, "traceback");
}

static void kill_hook(lua_State *L, lua_Debug *ar)
{
	(void)ar;
	struct sm_task *task = sm_host_of(L)->current;
	if (task == NULL || task->kill == SM_KILL_NONE) {
		lua_sethook(L, NULL, 0, 0);
		return;
	}
	push_kill(L, task);
	lua_error(L);
}

/* Async-signal-safe: lua_sethook is what the manual allows from a signal handler. */
void sm_task_strike(struct sm_task *task)
{
	for (int i = 0; i < task->depth; i++)
		lua_sethook(task->chain[i], kill_hook, LUA_MASKCOUNT, 1);
}

static void kill_task(struct sm_task *task, enum sm_kill kill)
{
	if (task->kill == SM_KILL_NONE)
		task->kill = kill;
	if (task->wait != NULL) {
		struct sm_wait *wait = task->wait;
		task->wait = NULL;
		wait->cancel(wait);
		make_ready(task);
	}
	sm_task_strike(task);
}

void sm_task_cancel(struct sm_task *task, const char *reason)
{
	if (task->kill == SM_KILL_NONE)
		snprintf(task->reason, sizeof(task->reason), "%s", reason ? reason : "no longer needed");
	kill_task(task, SM_KILL_CANCEL);
}

static void deadline_passed(struct sm_timer *timer)
{
	kill_task((struct sm_task *)((char *)timer - offsetof(struct sm_task, deadline)), SM_KILL_TIME);
}

/* ---- waiting ---- */

static int wait_k(lua_State *L, int status, lua_KContext context)
{
	(void)status;
	struct sm_task *task = sm_host_of(L)->current;
	struct sm_wait *wait = (struct sm_wait *)context;
	if (task->kill != SM_KILL_NONE) {
		if (task->finished_wait == wait) { /* it had been answered when the kill came */
			task->finished_wait = NULL;
			wait->cancel(wait);
		}
		push_kill(L, task);
		return lua_error(L);
	}
	task->finished_wait = NULL;
	return wait->finish(L, wait);
}

int sm_wait_yield(lua_State *L, struct sm_wait *wait)
{
	struct sm_task *task = sm_host_of(L)->current;
	if (wait->state == WAIT_DONE)
		return wait->finish(L, wait);
	if (task == NULL || !lua_isyieldable(L)) {
		wait->cancel(wait);
		return luaL_error(L, task == NULL ? "this call waits: it needs a task"
		                                  : "cannot wait inside a callback of a C function (sort, gsub)");
	}
	if (task->kill != SM_KILL_NONE) {
		wait->cancel(wait);
		push_kill(L, task);
		return lua_error(L);
	}
	wait->task = task;
	wait->state = WAIT_PENDING;
	task->wait = wait;
	lua_pushlightuserdata(L, (void *)&yield_mark);
	return lua_yieldk(L, 1, (lua_KContext)wait, wait_k);
}

void sm_wait_done(struct sm_wait *wait)
{
	bool pending = wait->state == WAIT_PENDING;
	wait->state = WAIT_DONE;
	if (!pending)
		return;
	struct sm_task *task = wait->task;
	task->wait = NULL;
	task->finished_wait = wait;
	make_ready(task);
}

/* ---- coroutines of scripts: a wait of the host passes through them ---- */

static bool is_host_yield(lua_State *co, int count)
{
	return count == 1 && lua_touserdata(co, -1) == (void *)&yield_mark;
}

static void chain_push(lua_State *L, lua_State *co)
{
	struct sm_task *task = sm_host_of(L)->current;
	if (task == NULL)
		return;
	if (task->depth == SM_CHAIN_MAX)
		luaL_error(L, "coroutines nested too deeply (limit %d)", SM_CHAIN_MAX);
	task->chain[task->depth++] = co;
	if (task->kill != SM_KILL_NONE)
		sm_task_strike(task);
}

static void chain_pop(lua_State *L)
{
	struct sm_task *task = sm_host_of(L)->current;
	if (task != NULL && task->depth > 0)
		task->depth--;
}

static int resume_k(lua_State *L, int status, lua_KContext wrap);

/* Resumes the coroutine at index 1 of L with count arguments that lie on it. wrap: raise instead of false, message. */
static int resume(lua_State *L, lua_State *co, int count, bool wrap)
{
	int results = 0;
	chain_push(L, co);
	int status = lua_resume(co, L, count, &results);
	chain_pop(L);
	if (status == LUA_YIELD && is_host_yield(co, results)) {
		lua_pop(co, 1);
		struct sm_task *task = sm_host_of(L)->current;
		if (!lua_isyieldable(L)) {
			struct sm_wait *wait = task->wait;
			task->wait = NULL;
			if (wait != NULL)
				wait->cancel(wait);
			return luaL_error(L, "cannot wait inside a callback of a C function (sort, gsub)");
		}
		lua_pushlightuserdata(L, (void *)&yield_mark);
		return lua_yieldk(L, 1, wrap, resume_k);
	}
	if (status == LUA_OK || status == LUA_YIELD) {
		if (!lua_checkstack(L, results + 1)) {
			lua_pop(co, results);
			return luaL_error(L, "too many results to resume");
		}
		if (!wrap)
			lua_pushboolean(L, 1);
		lua_xmove(co, L, results);
		return results + !wrap;
	}
	if (wrap) {
		if (lua_closethread(co, L) == LUA_OK)
			lua_pushliteral(co, "coroutine failed");
		lua_xmove(co, L, 1);
		return lua_error(L);
	}
	lua_pushboolean(L, 0);
	lua_xmove(co, L, 1);
	return 2;
}

static lua_State *coroutine_at(lua_State *L, int wrap)
{
	return wrap ? lua_tothread(L, lua_upvalueindex(1)) : lua_tothread(L, 1);
}

static int resume_k(lua_State *L, int status, lua_KContext wrap)
{
	(void)status;
	return resume(L, coroutine_at(L, (int)wrap), 0, wrap != 0);
}

static bool can_resume(lua_State *L, lua_State *co)
{
	if (lua_status(co) == LUA_YIELD)
		return true;
	lua_Debug ar;
	return lua_status(co) == LUA_OK && lua_getstack(co, 0, &ar) == 0 && lua_gettop(co) > 0 && co != L;
}

static int start_resume(lua_State *L, lua_State *co, int count, bool wrap)
{
	if (!can_resume(L, co)) {
		const char *message = lua_status(co) == LUA_OK && lua_gettop(co) > 0 ? "cannot resume non-suspended coroutine"
		                                                                     : "cannot resume dead coroutine";
		if (wrap)
			return luaL_error(L, "%s", message);
		lua_pushboolean(L, 0);
		lua_pushstring(L, message);
		return 2;
	}
	if (!lua_checkstack(co, count))
		return luaL_error(L, "too many arguments to resume");
	lua_xmove(L, co, count);
	return resume(L, co, count, wrap);
}

static int l_resume(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTHREAD);
	return start_resume(L, lua_tothread(L, 1), lua_gettop(L) - 1, false);
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

static int l_yield(lua_State *L)
{
	struct sm_task *task = sm_host_of(L)->current;
	if (task != NULL && task->co == L)
		return luaL_error(L, "attempt to yield from outside a coroutine");
	return lua_yield(L, lua_gettop(L));
}

void sm_open_coroutine(lua_State *L)
{
	static const luaL_Reg ours[] = {
		{"create", l_create}, {"resume", l_resume}, {"wrap", l_wrap}, {"yield", l_yield}, {NULL, NULL}};
	lua_getglobal(L, "coroutine");
	luaL_setfuncs(L, ours, 0);
	lua_pop(L, 1);
}

/* ---- start, run, end ---- */

struct sm_task *sm_task_start(lua_State *L, int nargs, const struct sm_limits *limits, sm_task_end_fn on_end, void *owner,
                              bool run_now)
{
	struct sm_host *host = sm_host_of(L);
	struct sm_task *task = calloc(1, sizeof(*task));
	if (task == NULL) {
		lua_pop(L, nargs + 1);
		return NULL;
	}
	task->host = host;
	task->id = ++host->next_task_id;
	task->on_end = on_end;
	task->owner = owner;
	task->started_ns = sm_clock_mono_ns();
	if (limits != NULL)
		task->limits = *limits;
	struct sm_task *parent = host->current;
	host->current = NULL; /* what the host needs for a task is not the parent's memory */
	task->co = lua_newthread(L);
	task->ref = luaL_ref(L, LUA_REGISTRYINDEX);
	host->current = parent;
	lua_sethook(task->co, NULL, 0, 0); /* a parent that is being killed must not hand its hook down */
	lua_xmove(L, task->co, nargs + 1);
	task->nargs = nargs;
	task->chain[0] = task->co;
	task->depth = 1;
	if (task->limits.deadline_ns != 0) {
		task->deadline.fire = deadline_passed;
		sm_timer_start(host->loop, &task->deadline, task->limits.deadline_ns);
	}
	if (run_now) {
		uint64_t id = task->id;
		sm_task_resume(task);
		return host->last_ended == id ? NULL : task;
	}
	make_ready(task);
	return task;
}

static void end_task(struct sm_task *task, int status, int count)
{
	struct sm_host *host = task->host;
	enum sm_task_end end = SM_TASK_OK;
	if (status != LUA_OK) {
		end = task->kill == SM_KILL_CANCEL ? SM_TASK_CANCELLED : task->kill != SM_KILL_NONE ? SM_TASK_LIMIT : SM_TASK_FAILED;
		lua_sethook(task->co, NULL, 0, 0);
		if (status == LUA_ERRMEM && task->kill == SM_KILL_NONE && task->limits.memory_bytes != 0) {
			task->kill = SM_KILL_MEMORY;
			end = SM_TASK_LIMIT;
		}
		if (task->kill != SM_KILL_NONE && !lua_istable(task->co, -1)) {
			lua_pop(task->co, 1);
			push_kill(task->co, task);
		} else {
			sm_push_error_table(task->co, task->co);
		}
		lua_State *keep = task->co;
		lua_State *box = lua_newthread(host->L);
		lua_xmove(keep, box, 1);
		lua_closethread(keep, host->L); /* runs pending to-be-closed variables */
		lua_settop(keep, 0);
		lua_xmove(box, keep, 1);
		lua_pop(host->L, 1);
		count = 1;
	}
	sm_timer_stop(host->loop, &task->deadline);
	host->last_ended = task->id;
	if (task->on_end != NULL)
		task->on_end(task->owner, end, task->co, count);
	luaL_unref(host->L, LUA_REGISTRYINDEX, task->ref);
	free(task);
}

void sm_task_resume(struct sm_task *task)
{
	struct sm_host *host = task->host;
	struct sm_task *before = host->current;
	int nargs = task->nargs, count = 0;
	task->nargs = 0;
	host->current = task;
	task->slice_bytes = host->bytes;
	if (task->kill != SM_KILL_NONE)
		sm_task_strike(task);
	sm_watchdog_on(host);
	int status = lua_resume(task->co, host->L, nargs, &count);
	task->used_bytes += (int64_t)host->bytes - (int64_t)task->slice_bytes;
	if (task->used_bytes < 0)
		task->used_bytes = 0;
	host->current = before;
	if (status == LUA_YIELD) {
		lua_pop(task->co, count);
		return;
	}
	end_task(task, status, count);
}

bool sm_tasks_run_ready(struct sm_host *host)
{
	struct sm_task *task = host->ready_head;
	if (task == NULL)
		return false;
	host->ready_head = NULL; /* what becomes ready from here on waits for the next round */
	host->ready_tail = &host->ready_head;
	while (task != NULL) {
		struct sm_task *next = task->next_ready;
		task->ready = false;
		sm_task_resume(task);
		task = next;
	}
	return true;
}
