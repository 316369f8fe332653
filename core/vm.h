/*
 * vm: the host that owns the loop and the Lua state.
 *
 * Makes the state with its own allocator (which counts, and refuses a task
 * more than its cap), opens the libraries, finds the lua/ folder, and turns
 * errors into tables. Knows no route, table or use case.
 */
#ifndef SM_VM_H
#define SM_VM_H

#include "task.h"

struct sm_host {
	struct sm_loop *loop;
	lua_State *L; /* the main thread: runs no script itself, only starts tasks */
	char *root;   /* the folder that holds lua/ */
	struct sm_task *current;
	struct sm_task *ready_head, **ready_tail; /* to be resumed in this turn */
	size_t bytes;                             /* allocated by the Lua state now */
	uint64_t next_task_id;
	uint64_t last_ended;                      /* id of the task that ended last */
	size_t refused_size;                      /* the allocation refused last, 0 when one succeeded since */
	bool exiting;                             /* sm.task.exit was called */
	int exit_code;
};

/* root: the folder that holds lua/. NULL when there is no memory. */
struct sm_host *sm_host_new(const char *root);
/* Cancels what runs, closes the state, frees the loop. */
void sm_host_free(struct sm_host *host);

/*
 * Turns the loop until done() says so or sm.task.exit was called: resumes ready tasks, then polls.
 */
void sm_host_run(struct sm_host *host, bool (*done)(void *arg), void *arg);

/* A message handler for lua_pcall: makes the error table {message, traceback, source, line} (a table passes through). */
int sm_message_handler(lua_State *L);
/* Pushes the error table for the error value on top of L (replaced); co is where it was raised. */
void sm_push_error_table(lua_State *L, lua_State *co);

/* lua_libs.c: opens the standard libraries and every sm.* module (lazily, through package.preload). */
void sm_open_libs(lua_State *L);

#endif
