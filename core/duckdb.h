/*
 * duckdb: the one database of the process, its connections, and their threads.
 *
 * Each connection has a thread of its own; calls are queued to it and run one
 * after the other. Engine threads, the engine's own pool included, run at nice
 * +10, so that the event loop is served first. Everything here is plain
 * blocking C for that thread; it knows no Lua and no loop: a call says through
 * a function pointer that it is done, and the binding wakes its loop there.
 */
#ifndef SM_DUCKDB_H
#define SM_DUCKDB_H

#include "render.h"

#include <stdatomic.h>

struct sm_duck_db;
struct sm_duck_con;
struct sm_duck_result;

/* An error of the engine with what it knows about the place. */
struct sm_duck_error {
	struct sm_error base;
	char kind[48];    /* "Parser", "Binder", "Catalog", "Conversion", ...; "" when the engine was not the cause */
	int64_t position; /* byte offset in the statement, from 0; -1: unknown */
};

void sm_duck_error_clear(struct sm_duck_error *err);

/* ---- the database ---- */

struct sm_duck_setting {
	const char *name;
	const char *value;
};

/*
 * Opens the only database, in memory; SM_EXISTS while another is open. The library must be loaded. Settings come on
 * top of ours (no extension loading, UTC, integer division, errors with positions). Blocks (10 ms).
 */
enum sm_status sm_duck_open(const struct sm_duck_setting *settings, size_t count, struct sm_duck_db **out,
                            struct sm_duck_error *err);
/*
 * Closes every connection (their running calls are cancelled) and waits up to wait_ms for their threads; the last of
 * them closes the database if it takes longer. True when all is gone. The handle must not be used again.
 */
bool sm_duck_close(struct sm_duck_db *db, int wait_ms);
/* Runs trusted statements on a connection of their own. Blocks. */
enum sm_status sm_duck_admin(struct sm_duck_db *db, const char *sql, struct sm_duck_error *err);
/* Calls fn with a raw connection, for registrations. Blocks. */
enum sm_status sm_duck_with_raw(struct sm_duck_db *db,
                                enum sm_status (*fn)(const struct sm_duckdb_api *api, duck_connection raw,
                                                     struct sm_error *err),
                                struct sm_duck_error *err);
/*
 * Only files below these directories can be reached from now on, no extension can be loaded, no setting changed.
 * Cannot be undone while the database is open.
 */
enum sm_status sm_duck_lock_down(struct sm_duck_db *db, const char *const *directories, size_t count,
                                 struct sm_duck_error *err);

/* ---- connections and calls ---- */

struct sm_duck_call {
	/* On the connection's thread. */
	void (*run)(struct sm_duck_con *con, struct sm_duck_call *call);
	/* On the connection's thread, after run; the call may be gone when it returns. */
	void (*done)(struct sm_duck_call *call);
	atomic_bool cancelled;     /* set by sm_duck_cancel and sm_duck_cancel_call */
	struct sm_duck_call *next; /* private */
};

/* Makes a connection and its thread; the engine is asked on that thread, by the first call. SM_CLOSED after
 * sm_duck_close. */
enum sm_status sm_duck_connect(struct sm_duck_db *db, struct sm_duck_con **out, struct sm_error *err);
/* References: the creator holds one, each user of a connection from another thread takes its own. */
void sm_duck_con_ref(struct sm_duck_con *con);
void sm_duck_con_unref(struct sm_duck_con *con);
/* No more calls; queued and running ones are cancelled but still reach done. Does not wait. Harmless twice. */
void sm_duck_con_close(struct sm_duck_con *con);
/* Queues a call; FIFO. SM_CLOSED when the connection is closed (run and done are not called then). */
enum sm_status sm_duck_submit(struct sm_duck_con *con, struct sm_duck_call *call);
/* Runs a call and waits for it. For callers outside the loop. done is not called. */
enum sm_status sm_duck_submit_wait(struct sm_duck_con *con, struct sm_duck_call *call);
/* Any thread: cancels what is queued and running, or one call of it. */
void sm_duck_cancel(struct sm_duck_con *con);
void sm_duck_cancel_call(struct sm_duck_con *con, struct sm_duck_call *call);
/* Any thread: false when nothing measurable runs. */
bool sm_duck_progress(struct sm_duck_con *con, struct duck_progress *progress);

/* ---- for run functions, on the connection's thread ---- */

enum sm_duck_kind { SM_DUCK_NULL, SM_DUCK_BOOLEAN, SM_DUCK_INTEGER, SM_DUCK_DOUBLE, SM_DUCK_TEXT };
struct sm_duck_value {
	enum sm_duck_kind kind;
	union {
		bool boolean;
		int64_t integer;
		double real;
		struct {
			const char *bytes;
			size_t len;
		} text;
	} as;
};

/* sql: exactly one statement, NUL behind it. streaming: rows are made as they are fetched. */
enum sm_status sm_duck_run(struct sm_duck_con *con, struct sm_duck_call *call, const char *sql,
                           const struct sm_duck_value *values, size_t count, bool streaming,
                           struct sm_duck_result **out, struct sm_duck_error *err);
/* Any number of trusted statements. */
enum sm_status sm_duck_run_script(struct sm_duck_con *con, struct sm_duck_call *call, const char *sql,
                                  struct sm_duck_error *err);
void sm_duck_result_free(struct sm_duck_result *result);
const struct sm_duck_type *sm_duck_result_types(const struct sm_duck_result *result, size_t *count);
/* Rows a DML statement changed; 0 for others. */
int64_t sm_duck_result_changed(const struct sm_duck_result *result);
/* The next chunk, owned by the caller; *out NULL at the end. */
enum sm_status sm_duck_fetch(struct sm_duck_con *con, struct sm_duck_call *call, struct sm_duck_result *result,
                             duck_chunk *out, struct sm_duck_error *err);
/* Fills out up to its maximum; *rows is how many; 0 rows: the end. */
enum sm_status sm_duck_render(struct sm_duck_con *con, struct sm_duck_call *call, struct sm_duck_result *result,
                              enum sm_format format, struct sm_buf *out, uint64_t *rows, struct sm_duck_error *err);

#endif
