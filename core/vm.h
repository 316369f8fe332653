/*
 * vm: the host that owns the loop and the Lua state.
 *
 * Makes the state with its own allocator (which counts, and refuses a task
 * more than its cap), opens the libraries, finds the lua/ folder, and turns
 * errors into tables. Knows no route, table or use case.
 */
#ifndef SM_VM_H
#define SM_VM_H

#include "alloc.h"
#include "task.h"

/* Coroutines that run nested in one another; more than Lua's own C stack allows. */
#define SM_CHAIN_MAX 208

struct sm_host {
	struct sm_loop *loop;
	lua_State *L; /* the main thread: runs no script itself, only starts tasks */
	char *root;   /* the folder that holds lua/ */
	struct sm_task *current;
	struct sm_task *ready_head, **ready_tail; /* to be resumed in this turn */
	struct sm_prepare prepare;                /* no sleep while something is ready */
	struct sm_task *tasks;                    /* all that have not ended */
	struct sm_task *spare;                    /* ended ones whose coroutine can be used again */
	unsigned spare_count;
	/* what runs now: the coroutine of the task and those of the script nested in it */
	lua_State *volatile chain[SM_CHAIN_MAX];
	bool chain_waits[SM_CHAIN_MAX]; /* a wait can pass from here to the loop */
	volatile int chain_base, chain_depth;
	struct sm_alloc alloc;
	size_t bytes;     /* allocated by the Lua state now */
	size_t cap;       /* of bytes while the current task runs */
	unsigned refused; /* allocations refused in a row */
	uint64_t next_task_id;
	bool exiting; /* sm.task.exit was called, or a signal nobody handles came */
	int exit_code;
	int on_signal; /* reference of the function called with a signal's name; LUA_NOREF */
	/* NULL, or: waits in its own way instead of a turn of the loop and says true; false: the loop is to be turned. */
	bool (*wait_instead)(struct sm_host *host);
	void *waiter; /* of wait_instead */
	/* NULL, or: until when (monotonic) a task without a deadline may run before it waits. For hosts with callers. */
	int64_t (*turn_ends)(const struct sm_host *host, int64_t now_ns);
	volatile int64_t turn_ns; /* what it has said for the task that runs; 0: nothing */
};

/* root: the folder that holds lua/. NULL when there is no memory. */
struct sm_host *sm_host_new(const char *root);
/* Cancels what runs, closes the state, frees the loop. */
void sm_host_free(struct sm_host *host);

/*
 * Keeps garbage until sm_host_collect, for a start: what is loaded then stays, and looking through it again and again
 * is a third of the time.
 */
void sm_host_keep(struct sm_host *host);
void sm_host_collect(struct sm_host *host);

/*
 * Turns the loop until done() says so or sm.task.exit was called: resumes ready tasks, then polls.
 */
void sm_host_run(struct sm_host *host, bool (*done)(void *arg), void *arg);

/* From here on SIGTERM and SIGINT go to sm.task.on_signal; without a handler they end sm_host_run with 128 + number. */
enum sm_status sm_host_signals(struct sm_host *host);

/* A message handler for lua_pcall: makes the error table {message, traceback, source, line} (a table passes through).
 */
int sm_message_handler(lua_State *L);
/* Pushes the error table for the error value on top of L (replaced); co is where it was raised. */
void sm_push_error_table(lua_State *L, lua_State *co);
/* Gives the table on top of L the metatable of error tables (tostring gives the message). */
void sm_mark_error_table(lua_State *L);
/*
 * A text in the error table at index, NULL when there is none; it lies on the stack. Asks no metamethod: for errors of
 * scripts, where nothing is protected.
 */
const char *sm_error_field(lua_State *L, int index, const char *name);
/* The path of a chunk as people know it: below lua/, or as loaded. Borrows from source. */
const char *sm_source_name(const struct sm_host *host, const char *source);

/* lua_libs.c: opens the standard libraries and every sm.* module (lazily, through package.preload). */
void sm_open_libs(lua_State *L);
/* Takes away what reaches around the host (native libraries, the setters of debug). --lua and --busted run without
 * this. */
void sm_close_doors(lua_State *L);

#endif
