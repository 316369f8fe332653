#include "lua_sqlite_op.h"

#include "lua_result.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static uint64_t last_tx;

void sm_sql_conn_release(struct sm_sql_conn *conn)
{
	if (--conn->refs == 0)
		free(conn);
}

struct sm_sql_conn *sm_sql_conn_new(struct sm_loop *loop)
{
	struct sm_sql_conn *conn = calloc(1, sizeof(*conn));
	if (conn == NULL)
		return NULL;
	conn->worker = sm_sql_worker_new(loop);
	if (conn->worker == NULL) {
		free(conn);
		return NULL;
	}
	conn->refs = 1;
	return conn;
}

void sm_sql_op_free(struct sm_sql_op *op)
{
	if (op->kind == SM_SQL_OP_OPEN)
		sm_sql_conn_close(op->conn); /* no handle was made of it */
	free(op->sql);
	free(op->values);
	sm_sql_result_free(&op->result);
	sm_sql_conn_release(op->conn);
	free(op);
}

struct sm_sql_op *sm_sql_op_new(struct sm_sql_conn *conn, enum sm_sql_op_kind kind,
                                int (*give)(lua_State *, struct sm_sql_op *), const char *sql, size_t len)
{
	struct sm_sql_op *op = calloc(1, sizeof(*op));
	char *copy = malloc(len + 1);
	if (op == NULL || copy == NULL) {
		free(op);
		free(copy);
		return NULL;
	}
	memcpy(copy, sql, len);
	copy[len] = '\0';
	op->kind = kind;
	op->give = give;
	op->sql = copy;
	op->len = len;
	op->conn = conn;
	conn->refs++;
	sm_sql_result_init(&op->result);
	return op;
}

/* ---- on the connection's thread ---- */

static void op_run(struct sm_sql_request *request, struct sm_sqlite **db)
{
	struct sm_sql_op *op = (struct sm_sql_op *)request;
	if (op->kind == SM_SQL_OP_OPEN)
		op->status = sm_sqlite_open(op->sql, &op->options, db, &op->err);
	else if (*db == NULL)
		op->status = sm_fail(&op->err, SM_CLOSED, "the database is closed");
	else if (op->kind == SM_SQL_OP_ROLLBACK && !sm_sqlite_in_transaction(*db))
		op->status = SM_OK;
	/* SQLite ends a transaction by itself after some failures; what follows must not run outside it. */
	else if (op->tx != 0 && op->kind != SM_SQL_OP_BEGIN && !sm_sqlite_in_transaction(*db))
		op->status = sm_fail(&op->err, SM_CANCELLED, "the transaction was rolled back by an earlier failure");
	else if (op->kind == SM_SQL_OP_SCRIPT)
		op->status = sm_sqlite_script(*db, op->sql, op->len, &op->err);
	else if (op->kind == SM_SQL_OP_READ)
		op->status = sm_sqlite_read(*db, op->sql, op->len, &op->reading, &op->err);
	else if (op->kind == SM_SQL_OP_NEXT)
		op->status = sm_sqlite_read_next(*db, op->reading, op->max_rows, &op->result, &op->err);
	else if (op->kind == SM_SQL_OP_ROLLBACK)
		op->status = sm_sqlite_script(*db, "ROLLBACK", 8, &op->err);
	else
		op->status = sm_sqlite_run(*db, op->sql, op->len, op->values, op->count, op->max_rows, &op->result, &op->err);
	/* A statement that opened or ended a transaction by hand would break the queue of the tasks. */
	if (op->tx == 0 && *db != NULL && sm_sqlite_in_transaction(*db)) {
		sm_sqlite_script(*db, "ROLLBACK", 8, NULL);
		op->status = sm_fail(&op->err, SM_INVALID, "BEGIN is refused: use db:transaction()");
	}
}

/* ---- the queue of a connection (loop thread) ---- */

static void release_lock(struct sm_sql_conn *conn);
static void op_done(struct sm_sql_request *request);

static void dispatch(struct sm_sql_op *op)
{
	op->queued = false;
	if (op->kind == SM_SQL_OP_BEGIN) {
		op->tx = op->conn->holder = ++last_tx;
		op->conn->holder_task = op->task;
	}
	sm_sql_worker_submit(op->conn->worker, &op->request);
}

void sm_sql_roll_back(struct sm_sql_conn *conn, struct sm_sql_op *undo)
{
	conn->refs++;
	undo->kind = SM_SQL_OP_ROLLBACK;
	undo->abandoned = true;
	undo->request.run = op_run;
	undo->request.done = op_done;
	if (conn->worker != NULL)
		sm_sql_worker_submit(conn->worker, &undo->request);
	else
		sm_sql_op_free(undo);
	release_lock(conn);
	sm_sql_conn_release(conn);
}

static void release_lock(struct sm_sql_conn *conn)
{
	conn->holder = conn->holder_task = 0;
	while (conn->waiting != NULL && conn->holder == 0) {
		struct sm_sql_op *op = conn->waiting;
		conn->waiting = op->next;
		if (conn->waiting == NULL)
			conn->waiting_last = NULL;
		dispatch(op);
	}
}

static void unqueue(struct sm_sql_op *op)
{
	struct sm_sql_conn *conn = op->conn;
	struct sm_sql_op **link = &conn->waiting, *before = NULL;
	while (*link != op) {
		before = *link;
		link = &before->next;
	}
	*link = op->next;
	if (conn->waiting_last == op)
		conn->waiting_last = before;
}

/* What an answer means for the lock. */
static void settle(struct sm_sql_op *op)
{
	struct sm_sql_conn *conn = op->conn;
	if (conn->holder == 0 || op->tx != conn->holder)
		return;
	if (op->kind == SM_SQL_OP_BEGIN && op->status != SM_OK)
		release_lock(conn);
}

static void op_done(struct sm_sql_request *request)
{
	struct sm_sql_op *op = (struct sm_sql_op *)request;
	op->finished = true;
	settle(op);
	if (!op->abandoned) {
		sm_wait_done(&op->wait);
		return;
	}
	/* A begin of which no handle was made: nobody else will end this transaction. */
	if (op->kind == SM_SQL_OP_BEGIN && op->status == SM_OK && op->tx != 0 && op->conn->holder == op->tx)
		sm_sql_roll_back(op->conn, op);
	else
		sm_sql_op_free(op);
}

static struct sm_sql_op *op_of(struct sm_wait *wait)
{
	return (struct sm_sql_op *)((char *)wait - offsetof(struct sm_sql_op, wait));
}

static int give_protected(lua_State *L)
{
	struct sm_sql_op *op = lua_touserdata(L, 1);
	lua_settop(L, 0);
	return op->status == SM_OK ? op->give(L, op) : sm_push_error(L, &op->err);
}

/* Pushing may raise for memory, so it runs protected; the op is freed either way. */
static int op_deliver(lua_State *L, struct sm_sql_op *op)
{
	int base = lua_gettop(L);
	lua_pushcfunction(L, give_protected);
	lua_pushlightuserdata(L, op);
	int status = lua_pcall(L, 1, LUA_MULTRET, 0);
	op->abandoned = true;
	op_done(&op->request);
	return status == LUA_OK ? lua_gettop(L) - base : lua_error(L);
}

static int op_finish(lua_State *L, struct sm_wait *wait)
{
	return op_deliver(L, op_of(wait));
}

static void op_cancel(struct sm_wait *wait)
{
	struct sm_sql_op *op = op_of(wait);
	op->abandoned = true;
	if (op->queued) {
		unqueue(op);
		sm_sql_op_free(op);
	} else if (op->finished) {
		op_done(&op->request);
	} else if (op->conn->worker != NULL && (op->kind == SM_SQL_OP_RUN || op->kind == SM_SQL_OP_NEXT)) {
		sm_sql_worker_interrupt(op->conn->worker, &op->request);
	}
}

uint64_t sm_sql_task_id(lua_State *L)
{
	struct sm_task *task = sm_task_current(L);
	return task != NULL ? sm_task_id(task) : 0;
}

int sm_sql_op_start(lua_State *L, struct sm_sql_op *op)
{
	if (op == NULL)
		return sm_push_fail(L, SM_NOMEM, "no memory");
	struct sm_sql_conn *conn = op->conn;
	bool can_wait = sm_can_wait(L);
	if (conn->worker == NULL) {
		sm_sql_op_free(op);
		return sm_push_fail(L, SM_CLOSED, "the database is closed");
	}
	op->request.run = op_run;
	op->request.done = op_done;
	op->wait.finish = op_finish;
	op->wait.cancel = op_cancel;
	op->task = sm_sql_task_id(L);
	if (op->tx == 0 && conn->holder != 0 && conn->holder_task == op->task && op->kind != SM_SQL_OP_BEGIN)
		op->tx = conn->holder;
	bool blocked = conn->holder != 0 && op->tx != conn->holder;
	if (!can_wait && blocked) {
		sm_sql_op_free(op);
		return sm_push_fail(L, SM_CONFLICT, "a transaction of another task is open");
	}
	if (!can_wait) {
		if (op->kind == SM_SQL_OP_BEGIN) {
			op->tx = conn->holder = ++last_tx;
			conn->holder_task = op->task;
		}
		sm_sql_worker_call(conn->worker, &op->request);
		op->finished = true;
		settle(op);
		return op_deliver(L, op);
	}
	if (blocked) {
		op->queued = true;
		if (conn->waiting_last != NULL)
			conn->waiting_last->next = op;
		else
			conn->waiting = op;
		conn->waiting_last = op;
	} else {
		dispatch(op);
	}
	return sm_wait_yield(L, &op->wait);
}

/* ---- closing ---- */

void sm_sql_conn_close(struct sm_sql_conn *conn)
{
	struct sm_sql_worker *worker = conn->worker;
	conn->worker = NULL;
	while (conn->waiting != NULL) {
		struct sm_sql_op *op = conn->waiting;
		conn->waiting = op->next;
		op->queued = false;
		op->finished = true;
		op->status = sm_fail(&op->err, SM_CLOSED, "the database was closed");
		sm_wait_done(&op->wait);
	}
	conn->waiting_last = NULL;
	conn->holder = conn->holder_task = 0;
	if (worker != NULL)
		sm_sql_worker_free(worker);
}
