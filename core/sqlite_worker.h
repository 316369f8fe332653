/*
 * sqlite_worker: the thread that owns one SQLite connection.
 *
 * Requests run one after the other in the order of their arrival; each answers on the loop thread. The struct of a
 * request is the caller's and must live until its answer.
 */
#ifndef SM_SQLITE_WORKER_H
#define SM_SQLITE_WORKER_H

#include "loop.h"
#include "sqlite.h"

struct sm_sql_worker;

struct sm_sql_request {
	/* On the thread. *db is NULL until a request has opened it; the thread closes it at the end. */
	void (*run)(struct sm_sql_request *request, struct sm_sqlite **db);
	/* On the loop thread, once; not for sm_sql_worker_call. */
	void (*done)(struct sm_sql_request *request);
	struct sm_post post;         /* private */
	struct sm_sql_request *next; /* private */
	bool called;                 /* private: somebody blocks until it has run */
	bool ran;                    /* private */
};

/* loop may be NULL when only sm_sql_worker_call is used. NULL: no memory or no thread. */
struct sm_sql_worker *sm_sql_worker_new(struct sm_loop *loop);
void sm_sql_worker_submit(struct sm_sql_worker *worker, struct sm_sql_request *request);
/* Runs the request behind those already submitted and blocks until it has run. */
void sm_sql_worker_call(struct sm_sql_worker *worker, struct sm_sql_request *request);
/* Interrupts the request if it is running; harmless otherwise. Another request is never hit. */
void sm_sql_worker_interrupt(struct sm_sql_worker *worker, struct sm_sql_request *request);
/* Runs what was submitted, closes the connection, joins the thread. Answers may still be under way on the loop. */
void sm_sql_worker_free(struct sm_sql_worker *worker);

#endif
