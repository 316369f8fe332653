/*
 * lua_sqlite_op: one call of a script on an SQLite connection, from its start to its answer.
 *
 * A call runs on the connection's thread (sqlite_worker.h) while only its task waits. A transaction belongs to one
 * task; calls of the others queue behind it, first come first served. Private to the binding sm.sqlite: knows Lua
 * tasks, and nothing of the arguments and results of its functions.
 */
#ifndef SM_LUA_SQLITE_OP_H
#define SM_LUA_SQLITE_OP_H

#include "sqlite_worker.h"
#include "task.h"

#include <lua.h>

struct sm_sql_op;

struct sm_sql_conn {
	struct sm_sql_worker *worker; /* NULL once closed */
	int refs;                     /* the handle, and each op */
	uint64_t holder;              /* number of the open transaction; 0: none */
	uint64_t holder_task;         /* id of its task; 0: opened outside tasks */
	struct sm_sql_op *waiting, *waiting_last;
};

enum sm_sql_op_kind {
	SM_SQL_OP_OPEN,
	SM_SQL_OP_RUN,
	SM_SQL_OP_SCRIPT,
	SM_SQL_OP_READ,
	SM_SQL_OP_NEXT,
	SM_SQL_OP_BEGIN,
	SM_SQL_OP_COMMIT,
	SM_SQL_OP_ROLLBACK
};

/* One call. Copies what it needs, because its task may go away before the thread comes to it. */
struct sm_sql_op {
	struct sm_sql_request request;
	struct sm_wait wait;
	struct sm_sql_conn *conn;
	enum sm_sql_op_kind kind;
	int (*give)(lua_State *L, struct sm_sql_op *op);
	uint64_t tx;   /* the transaction it belongs to; 0: none */
	uint64_t task; /* of a begin */
	char *sql;     /* or the path of SM_SQL_OP_OPEN */
	size_t len;
	struct sm_sql_value *values; /* one block with the bytes behind */
	size_t count, max_rows;
	uint64_t reading; /* number of SM_SQL_OP_READ and _NEXT */
	struct sm_sqlite_options options;
	struct sm_sql_result result;
	enum sm_status status;
	struct sm_error err;
	struct sm_sql_op *next; /* in conn->waiting */
	bool queued;            /* waits behind a transaction */
	bool finished, abandoned;
};

/* One reference, the caller's. NULL: no memory or no thread. */
struct sm_sql_conn *sm_sql_conn_new(struct sm_loop *loop);
/* What waits behind a transaction is told so; the thread ends what it has, rolls back and closes. Harmless twice. */
void sm_sql_conn_close(struct sm_sql_conn *conn);
/* Gives a reference back. */
void sm_sql_conn_release(struct sm_sql_conn *conn);

/* give pushes the results once the call went well. sql is copied. NULL: no memory. */
struct sm_sql_op *sm_sql_op_new(struct sm_sql_conn *conn, enum sm_sql_op_kind kind,
                                int (*give)(lua_State *, struct sm_sql_op *), const char *sql, size_t len);
void sm_sql_op_free(struct sm_sql_op *op);
/* Takes op (NULL: no memory). Gives the results of op->give, at once or when the task goes on. */
int sm_sql_op_start(lua_State *L, struct sm_sql_op *op);
/* Takes undo, sends it as a rollback and forgets it; what comes later runs behind it anyway. */
void sm_sql_roll_back(struct sm_sql_conn *conn, struct sm_sql_op *undo);
/* The id of the running task; 0 outside tasks. */
uint64_t sm_sql_task_id(lua_State *L);

#endif
