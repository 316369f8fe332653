/*
 * task_inner: the task itself, shared by task.c, vm.c and watchdog.c only.
 */
#ifndef SM_TASK_INNER_H
#define SM_TASK_INNER_H

#include "vm.h"

#if LUA_VERSION_RELEASE_NUM < 50406
#define lua_closethread(L, from) lua_resetthread(L) /* its older form */
#endif

#define SM_CHAIN_MAX 64 /* coroutines of a script nested in one another */

enum sm_kill { SM_KILL_NONE, SM_KILL_CANCEL, SM_KILL_TIME, SM_KILL_MEMORY };

struct sm_task {
	struct sm_host *host;
	lua_State *co;
	int ref; /* keeps co alive */
	int nargs;
	uint64_t id;
	struct sm_limits limits;
	int64_t started_ns;
	size_t slice_bytes; /* of the state when this slice began */
	int64_t used_bytes; /* grown in earlier slices */
	struct sm_wait *wait;
	struct sm_wait *finished_wait; /* answered, not yet resumed */
	volatile enum sm_kill kill;
	char reason[128];
	struct sm_timer deadline;
	lua_State *chain[SM_CHAIN_MAX]; /* what runs now, outermost first */
	volatile int depth;
	sm_task_end_fn on_end;
	void *owner;
	bool ready;
	struct sm_task *next_ready;
};

void sm_task_resume(struct sm_task *task);
/* Resumes what is ready; false when nothing was. */
bool sm_tasks_run_ready(struct sm_host *host);
/* Makes the kill hook fire at the next instruction of everything the task runs. Async-signal-safe. */
void sm_task_strike(struct sm_task *task);
/* Replaces create, resume, wrap and yield of the coroutine library. */
void sm_open_coroutine(lua_State *L);
/* Sees to it that a deadline that passes while Lua runs is noticed. Cheap when it is on already. */
void sm_watchdog_on(struct sm_host *host);
void sm_watchdog_off(void);

#endif
