/*
 * lua_duckdb_op: one call of a script on an engine connection, and who holds what meanwhile.
 *
 * A call is made on the loop's thread, runs on the connection's thread and is delivered on the loop's thread again.
 * When its task goes away meanwhile, the engine is interrupted and the thread frees the call itself, without the loop:
 * the loop may be gone by then. Private to the binding sm.duckdb.
 */
#ifndef SM_LUA_DUCKDB_OP_H
#define SM_LUA_DUCKDB_OP_H

#include "duckdb.h"
#include "lua_job.h"

#include <stdatomic.h>
#include <stddef.h>

#define SM_DUCK_CURSOR "sm.duckdb.cursor"

/* Shared by a connection's handle and its cursor. */
struct sm_duck_link {
	atomic_int references;
	struct sm_duck_con *con;
	struct sm_duck_cursor *open; /* loop thread only: the cursor whose rows are still coming */
};

struct sm_duck_cursor {
	atomic_int references; /* the handle, and the render under way */
	struct sm_duck_link *link;
	struct sm_duck_result *result;
	bool cancelled;               /* loop thread only */
	struct sm_duck_call farewell; /* frees the cursor on the connection's thread */
};

enum sm_duck_op_state { SM_DUCK_OP_RUNNING, SM_DUCK_OP_POSTED, SM_DUCK_OP_ABANDONED };

struct sm_duck_op {
	struct sm_duck_call call;
	struct sm_job job; /* push and free only; the thread is the connection's */
	struct sm_wait wait;
	struct sm_post post;
	struct sm_loop *loop;
	atomic_int state; /* enum sm_duck_op_state */
	bool abandoned;   /* loop thread only */
	struct sm_duck_link *link;
	/* in */
	char *sql;
	struct sm_duck_value *values;
	size_t count;
	struct sm_duck_cursor *cursor; /* render */
	enum sm_format format;
	/* out */
	enum sm_status status;
	struct sm_duck_error err;
	struct sm_duck_result *result;
	duck_chunk *chunks;
	size_t chunk_count;
	uint64_t rows;
	struct sm_buf text;
	struct sm_view *views; /* while pushing */
	size_t view_count;
};

static inline struct sm_duck_op *sm_duck_op_of_call(struct sm_duck_call *call)
{
	return (struct sm_duck_op *)((char *)call - offsetof(struct sm_duck_op, call));
}

static inline struct sm_duck_op *sm_duck_op_of_job(struct sm_job *job)
{
	return (struct sm_duck_op *)((char *)job - offsetof(struct sm_duck_op, job));
}

/* Any thread. */
void sm_duck_link_unref(struct sm_duck_link *link);
/* A stream that has not ended can take the engine a moment to stop: that is its thread's work. Any thread. */
void sm_duck_cursor_unref(struct sm_duck_cursor *cursor);
/* run works on the connection's thread, push gives the results. Takes a reference to link. NULL: no memory. */
struct sm_duck_op *sm_duck_op_new(struct sm_duck_link *link, void (*run)(struct sm_duck_con *, struct sm_duck_call *),
                                  int (*push)(lua_State *, struct sm_job *));
/* Takes the op. Gives the results of push, at once or when the task goes on. */
int sm_duck_op_start(lua_State *L, struct sm_duck_op *op);
/* Any thread. job is that of an op. */
void sm_duck_op_free(struct sm_job *job);

#endif
