/*
 * task_inner: the task itself, shared by task.c, lua_protect.c, lua_coroutine.c, lua_task.c, vm.c and watchdog.c only.
 *
 * How a task is ended by force: its kill is set and a hook for every instruction is put on what it runs
 * (sm_task_strike). The hook raises the kill mark. pcall, xpcall and coroutine.* are ours and pass that mark on, so no
 * script keeps it. While it travels, __close functions run without the hook for a short grace; after that every
 * instruction raises.
 */
#ifndef SM_TASK_INNER_H
#define SM_TASK_INNER_H

#include "vm.h"

#include <signal.h>

#if LUA_VERSION_RELEASE_NUM < 50406
#define lua_closethread(L, from) lua_resetthread(L) /* its older form */
#endif

#define SM_MEMORY_GRACE ((size_t)1 << 20) /* bytes for __close functions when memory was the limit */

enum sm_kill { SM_KILL_NONE, SM_KILL_CANCEL, SM_KILL_TIME, SM_KILL_MEMORY };

/* Where a script stood when its task was killed; filled once. */
struct sm_place {
	char source[160];
	int line;
	char traceback[1600];
};

struct sm_task {
	struct sm_host *host;
	lua_State *co;
	int ref;     /* keeps co alive */
	int context; /* reference of the table of sm.task.context(), or LUA_NOREF */
	int nargs;
	uint64_t id;
	struct sm_limits limits;
	int64_t started_ns;
	int64_t used_bytes; /* grown in earlier slices */
	struct sm_wait *wait;
	volatile enum sm_kill kill;
	volatile bool raised;      /* the kill mark is on its way */
	volatile bool hard;        /* the grace is over */
	volatile int64_t grace_ns; /* until when __close functions may run */
	bool refused;              /* it was denied memory once, perhaps without need */
	bool failed;               /* the task's function ended with an error */
	bool interrupted;          /* its wait was cancelled */
	bool exposed;              /* a script holds the coroutine: not to be used again */
	bool ready;
	char *reason;           /* of the cancellation; NULL when there was no memory for it */
	struct sm_place *place; /* NULL when it never was killed, or no memory */
	struct sm_timer deadline;
	sm_task_end_fn on_end;
	void *owner;
	struct sm_task *next_ready;
	struct sm_task *next, *prev; /* all tasks, or the spare ones */
};

/* Runs a task until it waits or ends; true when it has ended (and is freed). */
bool sm_task_resume(struct sm_task *task);
/* Resumes what is ready; false when nothing was. */
bool sm_tasks_run_ready(struct sm_host *host);
/* Cancels all tasks and lets them end, one second at most. For the end of the program. */
void sm_tasks_end(struct sm_host *host);
/* Frees the structs of ended tasks, once the state is closed. */
void sm_tasks_free(struct sm_host *host);

/* Makes the kill hook fire at the next instruction of everything the task runs. Async-signal-safe. */
void sm_task_strike(struct sm_host *host);
/* Raises the kill of the running task in L. */
int sm_task_raise(lua_State *L);
/* True when the running task was killed and a long C loop should call sm_task_raise. Reads two flags. */
static inline bool sm_task_must_stop(lua_State *L)
{
	const struct sm_task *task = (*(struct sm_host **)lua_getextraspace(L))->current;
	return task != NULL && task->kill != SM_KILL_NONE && (!task->raised || task->hard);
}
/* True when the error value on top of L is a kill on its way, or a kill has been ordered and this error came first. */
bool sm_task_passes(lua_State *L, lua_State *where);
bool sm_is_kill_mark(lua_State *L, int index);
/* Remembers where the running task's script stands. Allocates nothing in the Lua state. */
void sm_task_note_place(struct sm_host *host, struct sm_task *task);
/* The best that is known when memory ended while a stack moved: where the function at index of L is defined. */
void sm_task_note_definition(lua_State *L, struct sm_task *task, int index);
/* A C function: takes the task as light userdata and gives the error table of its kill. May raise without memory. */
int sm_task_push_kill(lua_State *L);

/* What runs now. Push may raise in L. */
void sm_chain_push(lua_State *L, lua_State *co, bool can_wait);
void sm_chain_pop(lua_State *L);
/* A suspended coroutine (or task) that waits for the host, not for a script. */
bool sm_is_host_wait(lua_State *co);
void sm_push_host_wait(lua_State *L);

/* lua_protect.c: pcall, xpcall, load and its kin. lua_coroutine.c: the coroutine library. */
void sm_open_protect(lua_State *L);
void sm_open_coroutine(lua_State *L);
/* lua_string.c, lua_table.c: the functions of these libraries that loop in C. */
void sm_open_string(lua_State *L);
void sm_open_table(lua_State *L);

/* signals.c */
void sm_signals_off(struct sm_host *host);
/* True when a signal has come that the loop has not seen. */
bool sm_signals_waiting(void);

/* Sees to it that a deadline that passes while Lua runs is noticed. Cheap when it is on already. */
void sm_watchdog_on(struct sm_host *host);
void sm_watchdog_off(void);

#endif
