/* duckdb_private: what duckdb.c and duckdb_result.c share. For nobody else. */
#ifndef SM_DUCKDB_PRIVATE_H
#define SM_DUCKDB_PRIVATE_H

#include "duckdb.h"

#include <pthread.h>

struct sm_duck_db {
	const struct sm_duckdb_api *api;
	duck_database raw;
	pthread_mutex_t mutex; /* guards what follows; taken before a connection's */
	pthread_cond_t gone;   /* a connection's thread has ended */
	struct sm_duck_con *first;
	bool closed;
	bool orphaned; /* the last connection closes the database */
};

struct sm_duck_con {
	struct sm_duck_db *db;
	atomic_int references;
	struct sm_duck_con *sibling; /* guarded by the database's mutex */
	pthread_mutex_t mutex;       /* guards what follows */
	pthread_cond_t arrived;
	struct sm_duck_call *head, *tail, *current;
	duck_connection raw; /* written by the thread only */
	bool closed;
};

/* Fills err from a text of the engine, plain or JSON. */
void sm_duck_explain(struct sm_duck_error *err, const char *text);
/* call: NULL for one that nobody cancels. */
enum sm_status sm_duck_script_raw(const struct sm_duckdb_api *api, duck_connection raw, const char *sql,
                                  const struct sm_duck_call *call, struct sm_duck_error *err);
/* Makes sure the engine's connection exists. */
enum sm_status sm_duck_ready(struct sm_duck_con *con, struct sm_duck_error *err);

#endif
