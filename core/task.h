/*
 * task: straight-line Lua on an event loop.
 *
 * A task is a coroutine with an id, a deadline, a memory cap and a log context.
 * A binding that has to wait suspends its task with sm_wait_yield and wakes it
 * with sm_wait_done. Waiting works at any depth: inside pcall, inside metamethods
 * and inside coroutines that a script made itself (coroutine.resume and
 * coroutine.wrap are ours: a host wait passes through them to the task).
 * It does not work below a C callback (string.gsub, table.sort comparators): that raises.
 *
 * How a binding waits:
 *
 *     struct op { struct sm_wait wait; struct sm_work work; ... };   // malloc'd by the binding
 *
 *     static int l_read(lua_State *L)
 *     {
 *         ... check arguments (may raise, nothing owned yet) ...
 *         struct op *op = calloc(...);           // no Lua call that may raise between here and sm_wait_yield
 *         op->wait.finish = read_finish;         // pushes the results, frees op
 *         op->wait.cancel = read_cancel;         // the task has gone: abort, or let done() free op later
 *         sm_work_submit(loop, &op->work);
 *         return sm_wait_yield(L, &op->wait);    // always "return sm_wait_yield(...)"
 *     }
 *
 * Exactly one of finish and cancel is called, exactly once. After cancel the wait must not be used again.
 * sm_wait_done may be called before sm_wait_yield (the answer was there at once): then nothing is suspended.
 */
#ifndef SM_TASK_H
#define SM_TASK_H

#include "loop.h"

#include <lua.h>

struct sm_task;
struct sm_host; /* the loop, the Lua state, the settings: see vm.h */

struct sm_wait {
	/*
	 * On the loop thread, on the task's coroutine, after sm_wait_done: pushes the results on L and returns their
	 * number. May raise. Owns and frees the operation.
	 */
	int (*finish)(lua_State *L, struct sm_wait *wait);
	/* On the loop thread: the task was cancelled or its deadline passed. Owns and frees the operation (perhaps later).
	 */
	void (*cancel)(struct sm_wait *wait);
	struct sm_task *task; /* private */
	struct sm_wait *next; /* private */
	int state;            /* private */
};

/* The host that L belongs to (kept in the extra space of the state). */
struct sm_host *sm_host_of(lua_State *L);
struct sm_loop *sm_loop_of(lua_State *L);
/* True when L runs inside a task and can yield here; else the binding must do its work at once, blocking. */
bool sm_can_wait(lua_State *L);

/* Suspends the current task until sm_wait_done. Use as "return sm_wait_yield(L, wait);". Raises outside a task. */
int sm_wait_yield(lua_State *L, struct sm_wait *wait);
/* Loop thread only. The task will be resumed in this turn of the loop; finish() is called then. */
void sm_wait_done(struct sm_wait *wait);

/* Limits of a task. 0 means none. */
struct sm_limits {
	int64_t deadline_ns; /* monotonic point in time */
	size_t memory_bytes; /* what this task may allocate and keep, approximately (see docs/limits.md) */
	int64_t grace_ns; /* how long __close functions may run after the deadline; 0: a share of the time the task had */
};

/* How a task ended. */
enum sm_task_end { SM_TASK_OK, SM_TASK_FAILED, SM_TASK_LIMIT, SM_TASK_CANCELLED };

/*
 * Starts a task: the function and nargs arguments on top of L are popped. Nothing runs before the next turn of the
 * loop, unless run_now. When it ends, on_end is called on the loop thread; the results, or one error value (a table
 * made by the host's message handler: message, traceback, source, line, limit), are on top of co, count of them.
 * Returns NULL when there is no memory.
 */
typedef void (*sm_task_end_fn)(void *owner, enum sm_task_end end, lua_State *co, int count);
struct sm_task *sm_task_start(lua_State *L, int nargs, const struct sm_limits *limits, sm_task_end_fn on_end,
                              void *owner, bool run_now);
/* Asks a task to end: its current wait is cancelled and an error "cancelled: reason" is raised in it that pcall cannot
 * swallow. */
void sm_task_cancel(struct sm_task *task, const char *reason);
/* Another deadline for the running task (monotonic, 0: none), for an answer that is streamed longer than it is made. */
void sm_task_set_deadline(struct sm_task *task, int64_t deadline_ns);
/* The running task, or NULL. */
struct sm_task *sm_task_current(lua_State *L);
/* A number unique in this process, for logs. */
uint64_t sm_task_id(const struct sm_task *task);

#endif
