#include "lua_duckdb_op.h"

#include "lua_result.h"

#include <stdlib.h>

#define OWNER(type, member, pointer) ((type *)((char *)(pointer)-offsetof(type, member)))
#define CELL_MAX ((size_t)256 << 20)

/* ---- lifetimes ---- */

void sm_duck_link_unref(struct sm_duck_link *link)
{
	if (atomic_fetch_sub(&link->references, 1) != 1)
		return;
	sm_duck_con_unref(link->con);
	free(link);
}

static void free_cursor(struct sm_duck_cursor *cursor)
{
	sm_duck_result_free(cursor->result);
	sm_duck_link_unref(cursor->link);
	free(cursor);
}

static void farewell_run(struct sm_duck_con *con, struct sm_duck_call *call)
{
	(void)con;
	(void)call;
}

static void farewell_done(struct sm_duck_call *call)
{
	free_cursor(OWNER(struct sm_duck_cursor, farewell, call));
}

void sm_duck_cursor_unref(struct sm_duck_cursor *cursor)
{
	if (atomic_fetch_sub(&cursor->references, 1) != 1)
		return;
	cursor->farewell.run = farewell_run;
	cursor->farewell.done = farewell_done;
	if (sm_duck_submit(cursor->link->con, &cursor->farewell) != SM_OK)
		free_cursor(cursor);
}

/* ---- one call ---- */

void sm_duck_op_free(struct sm_job *job)
{
	struct sm_duck_op *op = sm_duck_op_of_job(job);
	const struct sm_duckdb_api *api = sm_duckdb_api();

	for (size_t i = 0; i < op->view_count; i++)
		sm_view_free(&op->views[i]);
	for (size_t i = 0; i < op->chunk_count; i++)
		api->destroy_data_chunk(&op->chunks[i]);
	sm_duck_result_free(op->result);
	if (op->cursor != NULL)
		sm_duck_cursor_unref(op->cursor);
	sm_buf_free(&op->text);
	free(op->views);
	free(op->chunks);
	free(op->values);
	free(op->sql);
	sm_duck_link_unref(op->link);
	free(op);
}

static int op_finish(lua_State *L, struct sm_wait *wait)
{
	return sm_job_deliver(L, &OWNER(struct sm_duck_op, wait, wait)->job);
}

/* Loop thread: the answer has come. */
static void op_posted(struct sm_post *post)
{
	struct sm_duck_op *op = OWNER(struct sm_duck_op, post, post);

	if (op->abandoned)
		sm_duck_op_free(&op->job);
	else
		sm_wait_done(&op->wait);
}

/* Connection's thread: the answer is there. */
static void op_done(struct sm_duck_call *call)
{
	struct sm_duck_op *op = sm_duck_op_of_call(call);

	if (atomic_exchange(&op->state, SM_DUCK_OP_POSTED) == SM_DUCK_OP_ABANDONED)
		sm_duck_op_free(&op->job);
	else
		sm_loop_post(op->loop, &op->post);
}

/* Loop thread: the task has gone. The op may be freed by the other thread as soon as the state says so. */
static void op_cancel(struct sm_wait *wait)
{
	struct sm_duck_op *op = OWNER(struct sm_duck_op, wait, wait);
	struct sm_duck_con *con = op->link->con;
	struct sm_duck_call *call = &op->call;

	op->abandoned = true;
	sm_duck_con_ref(con);
	if (atomic_exchange(&op->state, SM_DUCK_OP_ABANDONED) == SM_DUCK_OP_RUNNING)
		sm_duck_cancel_call(con, call);
	sm_duck_con_unref(con);
}

struct sm_duck_op *sm_duck_op_new(struct sm_duck_link *link, void (*run)(struct sm_duck_con *, struct sm_duck_call *),
                                  int (*push)(lua_State *, struct sm_job *))
{
	struct sm_duck_op *op = calloc(1, sizeof *op);

	if (op == NULL)
		return NULL;
	op->call.run = run;
	op->call.done = op_done;
	op->job.push = push;
	op->job.free = sm_duck_op_free;
	op->wait.finish = op_finish;
	op->wait.cancel = op_cancel;
	op->post.run = op_posted;
	op->link = link;
	atomic_fetch_add(&link->references, 1);
	sm_duck_error_clear(&op->err);
	sm_buf_init(&op->text, CELL_MAX);
	return op;
}

int sm_duck_op_start(lua_State *L, struct sm_duck_op *op)
{
	enum sm_status status;

	if (!sm_can_wait(L)) {
		status = sm_duck_submit_wait(op->link->con, &op->call);
		if (status == SM_OK)
			return sm_job_deliver(L, &op->job);
	} else {
		op->loop = sm_loop_of(L);
		status = sm_duck_submit(op->link->con, &op->call);
		if (status == SM_OK)
			return sm_wait_yield(L, &op->wait);
	}
	sm_duck_op_free(&op->job);
	return sm_push_fail(L, status, "the connection is closed");
}
