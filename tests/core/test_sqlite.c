/* sqlite: the blocking calls below sm.sqlite, two processes, and a process that dies in the middle. */
#include "../../core/files.h"
#include "../../core/sqlite.h"
#include "check.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static char *base;
static char path[512];

static const struct sm_sqlite_options writable = {.busy_ms = 5000};

static struct sm_sqlite *must_open(void)
{
	struct sm_error err;
	struct sm_sqlite *db = NULL;
	if (sm_sqlite_open(path, &writable, &db, &err) != SM_OK)
		printf("open: %s\n", err.message);
	return db;
}

/* The first cell of the statement's answer as an integer; -1 when it fails. */
static int64_t number(struct sm_sqlite *db, const char *sql)
{
	struct sm_error err;
	struct sm_sql_result result;
	size_t offset = 0;
	int64_t value = -1;
	sm_sql_result_init(&result);
	if (sm_sqlite_run(db, sql, strlen(sql), NULL, 0, 0, &result, &err) != SM_OK)
		printf("%s: %s\n", sql, err.message);
	else
		value = result.rows > 0 ? sm_sql_cell(&result, &offset).integer : result.changes;
	sm_sql_result_free(&result);
	return value;
}

static enum sm_status run(struct sm_sqlite *db, const char *sql)
{
	struct sm_sql_result result;
	sm_sql_result_init(&result);
	enum sm_status status = sm_sqlite_run(db, sql, strlen(sql), NULL, 0, 0, &result, NULL);
	sm_sql_result_free(&result);
	return status;
}

TEST(gives_cells_in_order_with_their_types)
{
	struct sm_sqlite *db = must_open();
	struct sm_sql_result result;
	const char *sql = "SELECT 7 AS a, 2.5 AS b, 'x' || char(0) || 'y' AS c, NULL AS d, x'ff' AS e, '' AS f";
	size_t at = 0;
	sm_sql_result_init(&result);
	CHECK(sm_sqlite_run(db, sql, strlen(sql), NULL, 0, 0, &result, NULL) == SM_OK);
	CHECK(result.columns == 6 && result.rows == 1);
	CHECK_STR(result.names.data, "a");
	CHECK(sm_sql_cell(&result, &at).integer == 7);
	struct sm_sql_value real = sm_sql_cell(&result, &at);
	CHECK(real.type == SM_SQL_REAL && real.real == 2.5);
	struct sm_sql_value text = sm_sql_cell(&result, &at);
	CHECK(text.len == 3 && memcmp(text.bytes, "x\0y", 3) == 0);
	CHECK(sm_sql_cell(&result, &at).type == SM_SQL_NULL);
	CHECK(sm_sql_cell(&result, &at).len == 1);
	CHECK(sm_sql_cell(&result, &at).len == 0);
	CHECK(at == result.cells.len);
	sm_sql_result_free(&result);
	sm_sqlite_close(db);
}

TEST(keeps_prepared_statements_over_a_changed_schema)
{
	struct sm_sqlite *db = must_open();
	CHECK(run(db, "CREATE TABLE s (a)") == SM_OK);
	CHECK(run(db, "INSERT INTO s VALUES (1)") == SM_OK);
	CHECK(number(db, "SELECT count(*) FROM s") == 1);
	CHECK(run(db, "ALTER TABLE s ADD COLUMN b") == SM_OK);
	CHECK(run(db, "INSERT INTO s VALUES (1)") == SM_ENGINE);
	CHECK(number(db, "SELECT count(*) FROM s") == 1);
	for (int i = 0; i < 200; i++) { /* more than the cache holds */
		char sql[64];
		snprintf(sql, sizeof(sql), "SELECT %d + count(*) FROM s", i);
		CHECK(number(db, sql) == i + 1);
	}
	CHECK(run(db, "DROP TABLE s") == SM_OK);
	sm_sqlite_close(db);
}

TEST(runs_scripts_with_comments_and_stops_at_the_first_failure)
{
	struct sm_sqlite *db = must_open();
	struct sm_error err;
	const char *good = "-- first\nCREATE TABLE k (a);\nINSERT INTO k VALUES (1); /* last */ ;;\n-- end";
	const char *bad = "INSERT INTO k VALUES (2);\nINSERT INTO nowhere VALUES (3);\nINSERT INTO k VALUES (4)";
	CHECK(sm_sqlite_script(db, good, strlen(good), &err) == SM_OK);
	CHECK(sm_sqlite_script(db, bad, strlen(bad), &err) == SM_ENGINE);
	CHECK(strstr(err.message, "INSERT INTO nowhere") != NULL);
	CHECK(number(db, "SELECT count(*) FROM k") == 2);
	CHECK(sm_sqlite_script(db, "", 0, &err) == SM_OK);
	sm_sqlite_close(db);
}

TEST(says_conflict_while_another_process_writes)
{
	int ready[2], go[2];
	char byte;
	struct sm_sqlite *db = must_open();
	CHECK(run(db, "CREATE TABLE p (a)") == SM_OK);
	sm_sqlite_close(db);
	CHECK(pipe(ready) == 0 && pipe(go) == 0);
	pid_t child = fork();
	if (child == 0) {
		db = must_open();
		close(go[1]);
		if (run(db, "BEGIN IMMEDIATE") == SM_OK && run(db, "INSERT INTO p VALUES (1)") == SM_OK &&
		    write(ready[1], "y", 1) == 1)
			(void)!read(go[0], &byte, 1);
		run(db, "COMMIT");
		_exit(0);
	}
	struct sm_sqlite_options hasty = {.busy_ms = 30};
	CHECK(read(ready[0], &byte, 1) == 1);
	CHECK(sm_sqlite_open(path, &hasty, &db, NULL) == SM_OK);
	CHECK(run(db, "INSERT INTO p VALUES (2)") == SM_CONFLICT);
	CHECK(number(db, "SELECT count(*) FROM p") == 0); /* readers are not held up */
	close(go[1]);
	waitpid(child, NULL, 0);
	CHECK(run(db, "INSERT INTO p VALUES (2)") == SM_OK);
	CHECK(number(db, "SELECT count(*) FROM p") == 2);
	sm_sqlite_close(db);
	close(ready[0]), close(ready[1]), close(go[0]);
}

/* Writes pairs that must stay together until somebody kills it. */
static void write_pairs(int ready)
{
	struct sm_sqlite *db = must_open();
	for (int i = 0;; i++) {
		char one[96], two[96];
		snprintf(one, sizeof(one), "INSERT INTO pairs VALUES (%d, %d)", getpid(), i);
		snprintf(two, sizeof(two), "INSERT INTO pairs VALUES (%d, -%d)", getpid(), i);
		if (run(db, "BEGIN IMMEDIATE") != SM_OK || run(db, one) != SM_OK || run(db, two) != SM_OK ||
		    run(db, "COMMIT") != SM_OK)
			_exit(1);
		if (i == 3 && write(ready, "y", 1) != 1)
			_exit(1);
	}
}

TEST(a_killed_writer_leaves_whole_transactions_only)
{
	struct sm_sqlite *db = must_open();
	CHECK(run(db, "CREATE TABLE pairs (pid, n)") == SM_OK);
	sm_sqlite_close(db);
	for (int round = 0; round < 8; round++) {
		int ready[2];
		char byte;
		CHECK(pipe(ready) == 0);
		pid_t child = fork();
		if (child == 0)
			write_pairs(ready[1]);
		CHECK(read(ready[0], &byte, 1) == 1);
		usleep((unsigned)(round * 700)); /* another place in the transaction each round */
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		close(ready[0]), close(ready[1]);
		db = must_open();
		CHECK(number(db, "SELECT count(*) FROM pairs") >= 8 * (round + 1));
		CHECK(number(db, "SELECT count(*) % 2 FROM pairs") == 0);
		CHECK(number(db, "SELECT coalesce(sum(n), 0) FROM pairs") == 0);
		CHECK(number(db, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'") == 1);
		sm_sqlite_close(db);
	}
}

int main(void)
{
	if (sm_files_temp_dir(&base, NULL) != SM_OK)
		return 1;
	snprintf(path, sizeof(path), "%s/test.sqlite", base);
	RUN(gives_cells_in_order_with_their_types);
	RUN(keeps_prepared_statements_over_a_changed_schema);
	RUN(runs_scripts_with_comments_and_stops_at_the_first_failure);
	RUN(says_conflict_while_another_process_writes);
	RUN(a_killed_writer_leaves_whole_transactions_only);
	sm_files_remove_tree(base, NULL);
	free(base);
	return check_report();
}
