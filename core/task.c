#include "task.h"

#include "clock.h"
#include "task_inner.h"

#include <lauxlib.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum wait_state { WAIT_NEW, WAIT_PENDING, WAIT_DONE };

#define SPARE_MAX 256           /* coroutines kept for the next tasks */
#define GRACE_MAX_NS 2000000000 /* for __close functions after a kill */
#define GRACE_MIN_NS 20000000

static const char wait_mark; /* its address marks a yield of the host, as against one of a script */
static const char kill_mark; /* its address is the error value of a kill; raising it allocates nothing */

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
	struct sm_host *host = sm_host_of(L);
	int top = host->chain_depth - 1;
	return host->current != NULL && host->chain[top] == L && host->chain_waits[top] && lua_isyieldable(L);
}

/* ---- what runs now ---- */

void sm_chain_push(lua_State *L, lua_State *co, bool can_wait)
{
	struct sm_host *host = sm_host_of(L);
	int depth = host->chain_depth;
	if (depth == SM_CHAIN_MAX)
		luaL_error(L, "C stack overflow (coroutines nested too deeply)");
	host->chain[depth] = co;
	host->chain_waits[depth] = can_wait && (depth == host->chain_base || host->chain_waits[depth - 1]);
	atomic_signal_fence(memory_order_seq_cst); /* the watchdog reads depth, then the entries below it */
	host->chain_depth = depth + 1;
	if (host->current != NULL &&
	    (host->current->hard || (host->current->kill != SM_KILL_NONE && !host->current->raised)))
		sm_task_strike(host);
}

void sm_chain_pop(lua_State *L)
{
	sm_host_of(L)->chain_depth--;
}

bool sm_is_host_wait(lua_State *co)
{
	return lua_status(co) == LUA_YIELD && lua_gettop(co) > 0 && lua_touserdata(co, -1) == (const void *)&wait_mark;
}

void sm_push_host_wait(lua_State *L)
{
	lua_pushlightuserdata(L, (void *)&wait_mark);
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
	sm_loop_hurry(task->host->loop); /* a post or timer at the start of a turn must not sleep before the task runs */
}

/* ---- ending by force ---- */

bool sm_is_kill_mark(lua_State *L, int index)
{
	return lua_touserdata(L, index) == (const void *)&kill_mark;
}

bool sm_task_passes(lua_State *L, lua_State *where)
{
	struct sm_task *task = sm_host_of(L)->current;
	return task != NULL && task->kill != SM_KILL_NONE && (!task->raised || task->hard || sm_is_kill_mark(where, -1));
}

static int64_t grace_of(const struct sm_task *task)
{
	if (task->limits.grace_ns != 0)
		return task->limits.grace_ns;
	if (task->kill != SM_KILL_TIME)
		return GRACE_MAX_NS;
	int64_t grace = (task->limits.deadline_ns - task->started_ns) / 4;
	return grace < GRACE_MIN_NS ? GRACE_MIN_NS : grace > GRACE_MAX_NS ? GRACE_MAX_NS : grace;
}

static void set_hooks(struct sm_host *host, lua_Hook hook)
{
	for (int i = host->chain_base; i < host->chain_depth; i++)
		lua_sethook(host->chain[i], hook, hook != NULL ? LUA_MASKCOUNT : 0, hook != NULL);
}

int sm_task_raise(lua_State *L)
{
	struct sm_host *host = sm_host_of(L);
	struct sm_task *task = host->current;
	if (!task->raised) {
		sm_task_note_place(host, task);
		task->grace_ns = sm_clock_mono_ns() + grace_of(task);
		task->raised = true;
		sm_timer_stop(host->loop, &task->deadline); /* the next wait starts it for the grace */
		sm_watchdog_on(host);
	}
	if (!task->hard)
		set_hooks(host, NULL);
	lua_pushlightuserdata(L, (void *)&kill_mark);
	return lua_error(L);
}

static void kill_hook(lua_State *L, lua_Debug *ar)
{
	(void)ar;
	struct sm_task *task = sm_host_of(L)->current;
	if (task == NULL || task->kill == SM_KILL_NONE || (task->raised && !task->hard))
		lua_sethook(L, NULL, 0, 0);
	else
		sm_task_raise(L);
}

void sm_task_strike(struct sm_host *host)
{
	set_hooks(host, kill_hook);
}

static void interrupt_wait(struct sm_task *task)
{
	struct sm_wait *wait = task->wait;
	if (wait == NULL)
		return;
	task->wait = NULL;
	task->interrupted = true;
	wait->cancel(wait);
	make_ready(task);
}

/* Orders the end. What waits goes on at once, to raise; what runs is struck; the rest learns it when it is resumed. */
static void kill_task(struct sm_task *task, enum sm_kill kill)
{
	if (task->kill != SM_KILL_NONE)
		return;
	task->kill = kill;
	interrupt_wait(task);
	if (task->host->current == task)
		sm_task_strike(task->host);
}

void sm_task_cancel(struct sm_task *task, const char *reason)
{
	if (task->kill != SM_KILL_NONE)
		return;
	task->reason = reason != NULL ? strdup(reason) : NULL;
	kill_task(task, SM_KILL_CANCEL);
}

static void deadline_passed(struct sm_timer *timer)
{
	struct sm_task *task = (struct sm_task *)((char *)timer - offsetof(struct sm_task, deadline));
	if (task->kill == SM_KILL_NONE) {
		kill_task(task, SM_KILL_TIME);
	} else if (task->raised) {
		task->hard = true;
		interrupt_wait(task);
	}
}

/* ---- waiting ---- */

/* The timer is started at the first wait only: most requests end without one. */
static void start_deadline(struct sm_task *task)
{
	int64_t due = task->raised ? task->grace_ns : task->limits.deadline_ns;
	if (due != 0 && task->deadline.slot == 0) {
		task->deadline.fire = deadline_passed;
		sm_timer_start(task->host->loop, &task->deadline, due);
	}
}

void sm_task_set_deadline(struct sm_task *task, int64_t deadline_ns)
{
	if (task->kill != SM_KILL_NONE)
		return;
	sm_timer_stop(task->host->loop, &task->deadline); /* the next wait starts it */
	task->limits.deadline_ns = deadline_ns;
	if (deadline_ns != 0)
		sm_watchdog_on(task->host);
}

static int wait_k(lua_State *L, int status, lua_KContext context)
{
	(void)status;
	struct sm_task *task = sm_host_of(L)->current;
	struct sm_wait *wait = (struct sm_wait *)context;
	if (task->interrupted) {
		task->interrupted = false;
		return sm_task_raise(L);
	}
	if (task->kill != SM_KILL_NONE && !task->raised) { /* it had been answered when the kill came */
		wait->cancel(wait);
		return sm_task_raise(L);
	}
	return wait->finish(L, wait);
}

static int refuse_wait(lua_State *L, struct sm_wait *wait)
{
	bool in_task = sm_host_of(L)->current != NULL;
	wait->cancel(wait);
	return luaL_error(L, in_task ? "cannot wait inside a callback of a C function (sort, gsub, __gc)"
	                             : "this call waits: it needs a task");
}

int sm_wait_yield(lua_State *L, struct sm_wait *wait)
{
	struct sm_task *task = sm_host_of(L)->current;
	if (task != NULL && task->kill != SM_KILL_NONE && (!task->raised || task->hard)) {
		wait->cancel(wait);
		return sm_task_raise(L);
	}
	if (wait->state == WAIT_DONE)
		return wait->finish(L, wait);
	if (!sm_can_wait(L))
		return refuse_wait(L, wait);
	wait->task = task;
	wait->state = WAIT_PENDING;
	task->wait = wait;
	start_deadline(task);
	sm_push_host_wait(L);
	return lua_yieldk(L, 1, (lua_KContext)wait, wait_k);
}

void sm_wait_done(struct sm_wait *wait)
{
	bool pending = wait->state == WAIT_PENDING;
	wait->state = WAIT_DONE;
	if (!pending)
		return;
	wait->task->wait = NULL;
	make_ready(wait->task);
}

/* ---- start ---- */

/* Protected: makes a coroutine, and a copy of the parent's context when there is one. (task) -> nothing */
static int prepare_task(lua_State *L)
{
	struct sm_task *task = lua_touserdata(L, 1);
	struct sm_task *parent = lua_touserdata(L, 2);
	if (task->co == NULL) {
		lua_State *co = lua_newthread(L);
		lua_sethook(co, NULL, 0, 0); /* a parent that is being killed must not hand its hook down */
		task->ref = luaL_ref(L, LUA_REGISTRYINDEX);
		task->co = co;
	}
	if (parent == NULL)
		return 0;
	lua_createtable(L, 0, 4);
	lua_rawgeti(L, LUA_REGISTRYINDEX, parent->context);
	for (lua_pushnil(L); lua_next(L, -2);) {
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		lua_rawset(L, 3);
	}
	lua_pop(L, 1);
	task->context = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

static bool prepare(struct sm_host *host, struct sm_task *task)
{
	struct sm_task *parent = host->current;
	if (parent != NULL && parent->context == LUA_NOREF)
		parent = NULL;
	if (task->co != NULL && parent == NULL)
		return true;
	size_t cap = host->cap;
	host->cap = SIZE_MAX; /* what the host needs for a task is not the parent's memory */
	bool ok = lua_checkstack(host->L, 4);
	if (ok) {
		lua_pushcfunction(host->L, prepare_task);
		lua_pushlightuserdata(host->L, task);
		lua_pushlightuserdata(host->L, parent);
		ok = lua_pcall(host->L, 2, 0, 0) == LUA_OK;
		if (!ok)
			lua_pop(host->L, 1);
	}
	host->cap = cap;
	return ok;
}

static struct sm_task *take_spare(struct sm_host *host)
{
	struct sm_task *task = host->spare;
	if (task == NULL) {
		task = calloc(1, sizeof(*task));
		if (task != NULL)
			task->ref = task->context = LUA_NOREF;
		return task;
	}
	host->spare = task->next;
	host->spare_count--;
	return task;
}

static void give_spare(struct sm_host *host, struct sm_task *task)
{
	lua_State *co = task->co;
	int ref = task->ref;
	if (co != NULL && (task->exposed || task->kill != SM_KILL_NONE || host->spare_count >= SPARE_MAX)) {
		luaL_unref(host->L, LUA_REGISTRYINDEX, ref);
		co = NULL;
		ref = LUA_NOREF;
	}
	free(task->reason);
	free(task->place);
	if (co == NULL) {
		free(task);
		return;
	}
	*task = (struct sm_task){.co = co, .ref = ref, .context = LUA_NOREF, .next = host->spare};
	host->spare = task;
	host->spare_count++;
}

#define BODY_FUNCTION 2 /* index of the task's function in task_body; the message handler is below it */

static int body_k(lua_State *L, int status, lua_KContext context)
{
	(void)context;
	struct sm_task *task = sm_host_of(L)->current;
	task->failed = status != LUA_OK && status != LUA_YIELD;
	if (task->failed && task->refused && task->place == NULL)
		sm_task_note_definition(L, task, BODY_FUNCTION);
	return lua_gettop(L) - BODY_FUNCTION;
}

/* What every task runs: its function, protected, so that __close functions of a failing one can still wait. */
static int task_body(lua_State *L)
{
	lua_pushvalue(L, 1); /* stays at BODY_FUNCTION */
	lua_insert(L, 1);
	lua_pushcfunction(L, sm_message_handler);
	lua_insert(L, 1);
	return body_k(L, lua_pcallk(L, lua_gettop(L) - BODY_FUNCTION - 1, LUA_MULTRET, 1, 0, body_k), 0);
}

static void link_task(struct sm_host *host, struct sm_task *task)
{
	task->prev = NULL;
	task->next = host->tasks;
	if (host->tasks != NULL)
		host->tasks->prev = task;
	host->tasks = task;
}

static void unlink_task(struct sm_host *host, struct sm_task *task)
{
	if (task->prev != NULL)
		task->prev->next = task->next;
	else
		host->tasks = task->next;
	if (task->next != NULL)
		task->next->prev = task->prev;
}

struct sm_task *sm_task_start(lua_State *L, int nargs, const struct sm_limits *limits, sm_task_end_fn on_end,
                              void *owner, bool run_now)
{
	struct sm_host *host = sm_host_of(L);
	struct sm_task *task = take_spare(host);
	if (task == NULL || !prepare(host, task) || !lua_checkstack(task->co, nargs + 4)) {
		if (task != NULL)
			give_spare(host, task);
		lua_pop(L, nargs + 1);
		return NULL;
	}
	task->host = host;
	task->id = ++host->next_task_id;
	task->on_end = on_end;
	task->owner = owner;
	if (limits != NULL)
		task->limits = *limits;
	if (task->limits.deadline_ns != 0)
		task->started_ns = sm_clock_mono_ns();
	lua_pushcfunction(task->co, task_body);
	lua_xmove(L, task->co, nargs + 1);
	task->nargs = nargs + 1;
	link_task(host, task);
	if (run_now && host->chain_depth < SM_CHAIN_MAX / 2)
		return sm_task_resume(task) ? NULL : task;
	make_ready(task);
	return task;
}

/* ---- end ---- */

/* Leaves one error value on the coroutine. Protected: without memory the value is Lua's own message. */
static void set_error(struct sm_task *task, enum sm_task_end end)
{
	lua_State *co = task->co;
	if (end == SM_TASK_FAILED) {
		lua_pushcfunction(co, sm_message_handler);
		lua_insert(co, -2);
	} else {
		lua_settop(co, 0);
		lua_pushcfunction(co, sm_task_push_kill);
		lua_pushlightuserdata(co, task);
	}
	lua_pcall(co, 1, 1, 0);
}

/* Something went wrong outside the protected part (C stack, memory): the coroutine is dead; its value is the error. */
static void revive(struct sm_task *task)
{
	lua_closethread(task->co, task->host->L);
	task->failed = task->exposed = true;
	if (lua_gettop(task->co) == 0)
		lua_pushnil(task->co);
}

/* Lua's buffers raise an ordinary error when memory is refused; it comes as text when there was none for a table. */
static bool is_memory_error(const struct sm_task *task)
{
	lua_State *co = task->co;
	if (!task->failed || !task->refused)
		return false;
	int top = lua_gettop(co);
	lua_pushvalue(co, -1);
	if (lua_istable(co, -1)) {
		lua_pushliteral(co, "message"); /* interned long ago; a raw access raises nothing */
		lua_rawget(co, -2);
	}
	bool found = lua_type(co, -1) == LUA_TSTRING && strstr(lua_tostring(co, -1), "not enough memory") != NULL;
	lua_settop(co, top);
	return found;
}

static enum sm_task_end end_of(struct sm_task *task)
{
	if (task->kill == SM_KILL_NONE && is_memory_error(task))
		task->kill = SM_KILL_MEMORY;
	if (!task->failed && !task->raised)
		return SM_TASK_OK;
	if (task->kill == SM_KILL_NONE)
		return SM_TASK_FAILED;
	return task->kill == SM_KILL_CANCEL ? SM_TASK_CANCELLED : SM_TASK_LIMIT;
}

static void end_task(struct sm_task *task, int status, int count)
{
	struct sm_host *host = task->host;
	if (status != LUA_OK)
		revive(task);
	enum sm_task_end end = end_of(task);
	if (task->kill != SM_KILL_NONE)
		lua_sethook(task->co, NULL, 0, 0);
	if (end != SM_TASK_OK) {
		set_error(task, end);
		count = 1;
	}
	sm_timer_stop(host->loop, &task->deadline);
	unlink_task(host, task);
	bool collect = task->kill == SM_KILL_MEMORY;
	if (task->on_end != NULL)
		task->on_end(task->owner, end, task->co, count);
	luaL_unref(host->L, LUA_REGISTRYINDEX, task->context);
	lua_settop(task->co, 0);
	give_spare(host, task);
	if (collect)
		lua_gc(host->L, LUA_GCCOLLECT);
}

/* ---- run ---- */

static size_t cap_of(const struct sm_host *host, const struct sm_task *task)
{
	if (task->limits.memory_bytes == 0)
		return SIZE_MAX;
	if (task->kill == SM_KILL_MEMORY)
		return host->bytes + SM_MEMORY_GRACE;
	int64_t left = (int64_t)task->limits.memory_bytes - task->used_bytes;
	return host->bytes + (left > 0 ? (size_t)left : 0);
}

/* One that has no deadline gives the thread back in time for those that have one. */
static void start_turn(struct sm_host *host, struct sm_task *task)
{
	host->turn_ns = 0;
	if (host->turn_ends == NULL || task->limits.deadline_ns != 0)
		return;
	task->started_ns = sm_clock_mono_ns();
	host->turn_ns = host->turn_ends(host, task->started_ns);
}

static int run_slice(struct sm_host *host, struct sm_task *task, int *count)
{
	int nargs = task->nargs;
	if (nargs == 0)
		lua_pop(task->co, 1); /* the mark of the wait */
	task->nargs = 0;
	size_t before = host->bytes;
	host->cap = cap_of(host, task);
	host->refused = 0;
	sm_chain_push(host->L, task->co, true);
	int64_t outer_turn_ns = host->turn_ns;
	start_turn(host, task);
	if (task->limits.deadline_ns != 0 || task->kill != SM_KILL_NONE || host->turn_ns != 0)
		sm_watchdog_on(host);
	int status = lua_resume(task->co, host->L, nargs > 0 ? nargs : 0, count);
	host->turn_ns = outer_turn_ns;
	sm_chain_pop(host->L);
	task->used_bytes += (int64_t)host->bytes - (int64_t)before;
	if (task->used_bytes < 0)
		task->used_bytes = 0; /* it freed what others had left */
	return status;
}

bool sm_task_resume(struct sm_task *task)
{
	struct sm_host *host = task->host;
	struct sm_task *outer = host->current;
	size_t outer_cap = host->cap;
	int outer_base = host->chain_base, count = 0;
	host->current = task;
	host->chain_base = host->chain_depth;
	int status = run_slice(host, task, &count);
	host->chain_base = outer_base;
	host->current = outer;
	host->cap = outer_cap;
	if (status == LUA_YIELD)
		return false;
	end_task(task, status, count);
	return true;
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

/* ---- the end of the program ---- */

void sm_tasks_end(struct sm_host *host)
{
	int64_t until = sm_clock_mono_ns() + 1000000000;
	for (struct sm_task *task = host->tasks; task != NULL; task = task->next)
		sm_task_cancel(task, "the program ends");
	while (host->tasks != NULL && sm_clock_mono_ns() < until) {
		bool busy = sm_tasks_run_ready(host);
		if (host->tasks != NULL)
			sm_loop_turn(host->loop, busy ? 0 : 50);
	}
	for (struct sm_task *task = host->tasks; task != NULL; task = task->next)
		if (task->wait != NULL)
			task->wait->cancel(task->wait);
}

static void free_list(struct sm_task *task)
{
	while (task != NULL) {
		struct sm_task *next = task->next;
		free(task->reason);
		free(task->place);
		free(task);
		task = next;
	}
}

void sm_tasks_free(struct sm_host *host)
{
	free_list(host->tasks);
	free_list(host->spare);
}
