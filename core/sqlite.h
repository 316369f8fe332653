/*
 * sqlite: one connection to an SQLite file, as plain blocking calls.
 *
 * A connection is used by one thread at a time (sm_sqlite_interrupt excepted). Prepared statements are kept by their
 * text. Relies on libsqlite3; knows no Lua and no loop.
 */
#ifndef SM_SQLITE_H
#define SM_SQLITE_H

#include "buf.h"

#include <stdbool.h>
#include <stdint.h>

struct sm_sqlite;

struct sm_sqlite_options {
	bool readonly;
	bool relaxed_sync; /* a power cut may lose the last commits (never the file); default: every commit is synced */
	int busy_ms;       /* how long to wait for another process' lock */
};

enum sm_sql_type { SM_SQL_NULL, SM_SQL_INTEGER, SM_SQL_REAL, SM_SQL_TEXT, SM_SQL_BLOB };

struct sm_sql_value {
	enum sm_sql_type type;
	int64_t integer;
	double real;
	const char *bytes; /* borrowed during the call */
	size_t len;
	const char *name; /* of a named parameter, without its mark; NULL: by position */
};

/* What a statement gave. Names and cells are read in order with the functions below. */
struct sm_sql_result {
	int columns;
	size_t rows;
	int64_t changes;     /* rows inserted, updated or deleted by this statement */
	int64_t last_id;     /* row id of the last insert of the connection */
	struct sm_buf names; /* NUL-terminated, one after the other */
	struct sm_buf cells; /* private encoding */
};

/* Largest result of one statement, in bytes. */
#define SM_SQL_RESULT_MAX ((size_t)256 << 20)

/* Opens (and makes) the file in WAL mode with foreign keys on. */
enum sm_status sm_sqlite_open(const char *path, const struct sm_sqlite_options *options, struct sm_sqlite **out,
                              struct sm_error *err);
/* Rolls back an open transaction. NULL is fine. */
void sm_sqlite_close(struct sm_sqlite *db);

/*
 * Runs exactly one statement with its parameters; keeps at most max_rows rows (0: all). err names the statement's
 * first line. SM_EXISTS: a unique key is taken; SM_INVALID: another constraint or a wrong parameter; SM_CONFLICT:
 * another connection holds the lock longer than busy_ms; SM_CANCELLED: interrupted; SM_ENGINE: the statement is wrong.
 */
enum sm_status sm_sqlite_run(struct sm_sqlite *db, const char *sql, size_t len, const struct sm_sql_value *values,
                             size_t count, size_t max_rows, struct sm_sql_result *result, struct sm_error *err);
/* Runs statements one after the other, without parameters and results; stops at the first failure. */
enum sm_status sm_sqlite_script(struct sm_sqlite *db, const char *sql, size_t len, struct sm_error *err);
/*
 * Begins to read the rows of one SELECT without parameters, as they are now, however many there are. A connection reads
 * one at a time: another one ends it. *number tells them apart.
 */
enum sm_status sm_sqlite_read(struct sm_sqlite *db, const char *sql, size_t len, uint64_t *number,
                              struct sm_error *err);
/* The next rows, at most max_rows; none at the end. SM_CANCELLED when another reading has been begun since. */
enum sm_status sm_sqlite_read_next(struct sm_sqlite *db, uint64_t number, size_t max_rows, struct sm_sql_result *result,
                                   struct sm_error *err);
bool sm_sqlite_in_transaction(struct sm_sqlite *db);
/* Any thread: the statement that runs now ends with SM_CANCELLED. */
void sm_sqlite_interrupt(struct sm_sqlite *db);

void sm_sql_result_init(struct sm_sql_result *result);
void sm_sql_result_free(struct sm_sql_result *result);
/* Reads the cell at *offset (0 first, row by row) and moves *offset on. bytes point into the result. */
struct sm_sql_value sm_sql_cell(const struct sm_sql_result *result, size_t *offset);

#endif
