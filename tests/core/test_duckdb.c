/* duckdb: the real engine below the binding. Without the library it says so and tests nothing. */
#include "../../core/clock.h"
#include "../../core/duckdb.h"

#include "check.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static struct sm_duck_db *db;
static struct sm_duck_con *con;

/* One statement, rendered whole. */
struct query {
	struct sm_duck_call call;
	const char *sql;
	const struct sm_duck_value *values;
	size_t count;
	enum sm_format format;
	bool streaming;
	size_t piece; /* bytes per piece */
	struct sm_buf text;
	uint64_t rows;
	int64_t changed;
	enum sm_status status;
	struct sm_duck_error err;
	/* for the asynchronous ones */
	pthread_mutex_t mutex;
	pthread_cond_t ready;
	bool finished;
};

static enum sm_status render_all(struct sm_duck_con *c, struct query *q, struct sm_duck_result *result)
{
	enum sm_status status;
	uint64_t rows;

	do {
		struct sm_buf piece;
		sm_buf_init(&piece, q->piece);
		status = sm_duck_render(c, &q->call, result, q->format, &piece, &rows, &q->err);
		CHECK(piece.len <= q->piece);
		sm_buf_add(&q->text, piece.data, piece.len);
		sm_buf_free(&piece);
		q->rows += rows;
	} while (status == SM_OK && rows > 0);
	return status;
}

static void run_query(struct sm_duck_con *c, struct sm_duck_call *call)
{
	struct query *q = (struct query *)call;
	struct sm_duck_result *result = NULL;

	q->status = sm_duck_run(c, call, q->sql, q->values, q->count, q->streaming, &result, &q->err);
	if (q->status == SM_OK) {
		q->changed = sm_duck_result_changed(result);
		q->status = render_all(c, q, result);
	}
	sm_duck_result_free(result);
}

static void query_finished(struct sm_duck_call *call)
{
	struct query *q = (struct query *)call;

	pthread_mutex_lock(&q->mutex);
	q->finished = true;
	pthread_cond_signal(&q->ready);
	pthread_mutex_unlock(&q->mutex);
}

static void query_init(struct query *q, const char *sql)
{
	memset(q, 0, sizeof *q);
	q->call.run = run_query;
	q->call.done = query_finished;
	q->sql = sql;
	q->format = SM_FORMAT_ROWS;
	q->piece = 1 << 20;
	sm_buf_init(&q->text, (size_t)1 << 30);
	pthread_mutex_init(&q->mutex, NULL);
	pthread_cond_init(&q->ready, NULL);
}

static void query_wait(struct query *q)
{
	pthread_mutex_lock(&q->mutex);
	while (!q->finished)
		pthread_cond_wait(&q->ready, &q->mutex);
	pthread_mutex_unlock(&q->mutex);
}

static const char *answer(struct query *q)
{
	q->call.run = run_query;
	if (sm_duck_submit_wait(con, &q->call) != SM_OK)
		return "(closed)";
	if (q->status != SM_OK)
		return q->err.base.message;
	return q->text.data != NULL ? q->text.data : "";
}

#define EXPECT(wanted_format, sql_text, wanted)                                                                        \
	do {                                                                                                               \
		struct query q_;                                                                                               \
		query_init(&q_, sql_text);                                                                                     \
		q_.format = wanted_format;                                                                                     \
		CHECK_STR(answer(&q_), wanted);                                                                                \
		sm_buf_free(&q_.text);                                                                                         \
	} while (0)
#define ROWS(sql_text, wanted) EXPECT(SM_FORMAT_ROWS, sql_text, wanted)
#define NDJSON(sql_text, wanted) EXPECT(SM_FORMAT_NDJSON, sql_text, wanted)
#define CSV(sql_text, wanted) EXPECT(SM_FORMAT_CSV, sql_text, wanted)

TEST(plain_types_as_athena_text)
{
	ROWS("SELECT true, false, 1::TINYINT, -2::SMALLINT, 3, 4::BIGINT, NULL",
	     "[\"true\",\"false\",\"1\",\"-2\",\"3\",\"4\",null]\n");
	ROWS("SELECT 1.5::DOUBLE, 1e20::DOUBLE, 1e-7::DOUBLE, 'nan'::DOUBLE, 'inf'::DOUBLE, 1.1::FLOAT",
	     "[\"1.5\",\"1.0E20\",\"1.0E-7\",\"NaN\",\"Infinity\",\"1.1\"]\n");
	ROWS("SELECT 1.50::DECIMAL(4,2), -0.05::DECIMAL(18,2), 12345678901234567890.123::DECIMAL(38,3), 7::DECIMAL(9,0)",
	     "[\"1.50\",\"-0.05\",\"12345678901234567890.123\",\"7\"]\n");
	ROWS("SELECT 170141183460469231731687303715884105727::HUGEINT, 18446744073709551615::UBIGINT, 255::UTINYINT",
	     "[\"170141183460469231731687303715884105727\",\"18446744073709551615\",\"255\"]\n");
	ROWS("SELECT 'a\"b\\c' || chr(10) || chr(1) || 'é', ''", "[\"a\\\"b\\\\c\\n\\u0001é\",\"\"]\n");
	ROWS("SELECT '\\xDE\\xAD\\xBE\\xEF'::BLOB, ''::BLOB, '0101'::BIT", "[\"de ad be ef\",\"\",\"0101\"]\n");
	ROWS("SELECT '6f8ab7d5-3c6e-4bd0-8f4f-1f5b0e9a7c11'::UUID, 'b'::ENUM('a','b'), '{\"a\": 1}'::JSON",
	     "[\"6f8ab7d5-3c6e-4bd0-8f4f-1f5b0e9a7c11\",\"b\",\"{\\\"a\\\": 1}\"]\n");
}

TEST(dates_and_times_as_athena_text)
{
	ROWS("SELECT DATE '2026-10-10', DATE '0001-01-01', DATE '1969-12-31', DATE '10000-01-01'",
	     "[\"2026-10-10\",\"0001-01-01\",\"1969-12-31\",\"+10000-01-01\"]\n");
	ROWS("SELECT TIMESTAMP_S '2026-10-10 12:34:56', TIMESTAMP_MS '2026-10-10 12:34:56.123', TIMESTAMP '2026-10-10 "
	     "12:34:56.123',"
	     " TIMESTAMP_NS '2026-10-10 12:34:56.123456789', TIMESTAMP '1969-12-31 23:59:59.999999'",
	     "[\"2026-10-10 12:34:56\",\"2026-10-10 12:34:56.123\",\"2026-10-10 12:34:56.123000\",\"2026-10-10 "
	     "12:34:56.123456789\","
	     "\"1969-12-31 23:59:59.999999\"]\n");
	ROWS("SELECT TIMESTAMPTZ '2026-10-10 12:34:56.5+02', TIME '12:34:56.123', TIME '12:34:56.123456', TIMETZ "
	     "'12:34:56+05:30'",
	     "[\"2026-10-10 10:34:56.500 UTC\",\"12:34:56.123\",\"12:34:56.123456\",\"12:34:56.000+05:30\"]\n");
	ROWS("SELECT INTERVAL 1 DAY, INTERVAL '-90 minutes', INTERVAL 14 MONTHS, INTERVAL '-1 month', INTERVAL 0 DAY",
	     "[\"1 00:00:00.000\",\"-0 01:30:00.000\",\"1-2\",\"-0-1\",\"0 00:00:00.000\"]\n");
}

TEST(nested_values_as_athena_text)
{
	ROWS("SELECT [1, 2], [1, NULL], []::INT[], [1.5, 2]::DOUBLE[2], [[1], [2, 3]]",
	     "[\"[1, 2]\",\"[1, null]\",\"[]\",\"[1.5, 2.0]\",\"[[1], [2, 3]]\"]\n");
	ROWS("SELECT MAP {'k': 1, 'l': NULL}, {'a': 1, 'b': 'x'}, row(1, 'y'), {'s': 'quo\"te'}",
	     "[\"{k=1, l=null}\",\"{a=1, b=x}\",\"{field0=1, field1=y}\",\"{s=quo\\\"te}\"]\n");
	ROWS("SELECT union_value(n := 5), [DATE '2026-01-02'], [{'a': [true]}]",
	     "[\"5\",\"[2026-01-02]\",\"[{a=[true]}]\"]\n");
}

TEST(csv_quotes_every_value_but_null)
{
	CSV("SELECT 1, NULL, '', 'a\"b', 'x' || chr(10) || 'y', [1, 2]", "\"1\",,\"\",\"a\"\"b\",\"x\ny\",\"[1, 2]\"\n");
}

TEST(ndjson_keeps_types)
{
	NDJSON("SELECT 1 AS a, 1.5::DOUBLE AS b, true AS c, 'x\"' AS \"d\"\"\", NULL AS e",
	       "{\"a\":1,\"b\":1.5,\"c\":true,\"d\\\"\":\"x\\\"\",\"e\":null}\n");
	NDJSON("SELECT 'nan'::DOUBLE AS n, '-inf'::FLOAT AS i, 1.50::DECIMAL(4,2) AS d, "
	       "170141183460469231731687303715884105727::HUGEINT AS h",
	       "{\"n\":null,\"i\":null,\"d\":1.50,\"h\":170141183460469231731687303715884105727}\n");
	NDJSON("SELECT DATE '2026-10-10' AS d, TIMESTAMP '2026-10-10 01:02:03' AS t, '\\x01'::BLOB AS b",
	       "{\"d\":\"2026-10-10\",\"t\":\"2026-10-10 01:02:03.000000\",\"b\":\"01\"}\n");
	NDJSON("SELECT [1, NULL] AS l, {'a': 1, 'b': ['x']} AS s, MAP {1: 'one'} AS m",
	       "{\"l\":[1,null],\"s\":{\"a\":1,\"b\":[\"x\"]},\"m\":{\"1\":\"one\"}}\n");
	NDJSON("SELECT '{\"a\":\n [1, 2e3, \"\\u00e9\"]}'::JSON AS j", "{\"j\":{\"a\":  [1, 2e3, \"\\u00e9\"]}}\n");
}

TEST(parameters_are_typed)
{
	struct sm_duck_value values[] = {
	    {.kind = SM_DUCK_NULL},
	    {.kind = SM_DUCK_BOOLEAN, .as.boolean = true},
	    {.kind = SM_DUCK_INTEGER, .as.integer = INT64_MIN},
	    {.kind = SM_DUCK_DOUBLE, .as.real = 0.1},
	    {.kind = SM_DUCK_TEXT, .as.text = {"it's", 4}},
	};
	struct query q;

	query_init(&q, "SELECT ?, ?, ?, ?, ?, typeof($2), typeof($3), typeof($4), typeof($5)");
	q.sql = "SELECT $1, $2, $3, $4, $5, typeof($2), typeof($3), typeof($4), typeof($5)";
	q.values = values;
	q.count = 5;
	CHECK_STR(
	    answer(&q),
	    "[null,\"true\",\"-9223372036854775808\",\"0.1\",\"it's\",\"BOOLEAN\",\"BIGINT\",\"DOUBLE\",\"VARCHAR\"]\n");
	q.count = 4;
	sm_buf_reset(&q.text);
	answer(&q);
	CHECK(q.status == SM_INVALID);
	sm_buf_free(&q.text);
}

static void check_error(const char *sql, enum sm_status status, const char *kind, int64_t position)
{
	struct query q;

	query_init(&q, sql);
	answer(&q);
	CHECK(q.status == status);
	CHECK_STR(q.err.kind, kind);
	CHECK(q.err.position == position);
	sm_buf_free(&q.text);
}

TEST(errors_tell_kind_and_position)
{
	check_error("SELEC 1", SM_ENGINE, "Parser", 0);
	check_error("SELECT\n  nix FROM (VALUES (1)) t(a)", SM_ENGINE, "Binder", 9);
	check_error("SELECT * FROM missing", SM_ENGINE, "Catalog", 14);
	check_error("SELECT 'x'::INT", SM_ENGINE, "Conversion", 10);
	check_error("SELECT CAST(s AS INT) FROM (SELECT 'x' || range AS s FROM range(10)) t", SM_ENGINE, "Conversion", 7);
	check_error("", SM_INVALID, "", -1);
	check_error("SELECT 1; SELECT 2", SM_INVALID, "", -1);
	check_error("SELECT error('ü \"q\"')", SM_ENGINE, "Invalid Input", -1);
}

TEST(changed_rows)
{
	struct query q;

	query_init(&q, "CREATE OR REPLACE TABLE changed AS SELECT range AS i FROM range(5)");
	answer(&q);
	CHECK(q.status == SM_OK && q.rows == 0);
	q.sql = "UPDATE changed SET i = i + 1 WHERE i < 3";
	answer(&q);
	CHECK(q.status == SM_OK && q.changed == 3 && q.rows == 0);
	sm_buf_free(&q.text);
}

TEST(pieces_hold_whole_rows_and_lose_none)
{
	struct query q;

	query_init(&q, "SELECT range, repeat('x', (range % 50)::INT) FROM range(20000)");
	q.streaming = true;
	q.piece = 100;
	answer(&q);
	CHECK(q.status == SM_OK && q.rows == 20000);
	CHECK(q.text.len > 0 && memcmp(q.text.data + q.text.len - 2, "]\n", 2) == 0);
	sm_buf_free(&q.text);
	query_init(&q, "SELECT repeat('x', 200)");
	q.piece = 100;
	answer(&q);
	CHECK(q.status == SM_LIMIT);
	sm_buf_free(&q.text);
}

/* An error in the middle of a stream must not look like its end. */
TEST(a_failing_stream_is_no_end)
{
	struct query q;

	query_init(&q, "SELECT CASE WHEN range = 900000 THEN error('late') ELSE range END FROM range(1000000)");
	q.streaming = true;
	answer(&q);
	CHECK(q.status == SM_ENGINE);
	CHECK(strstr(q.err.base.message, "late") != NULL);
	sm_buf_free(&q.text);
}

static void cancel_after(struct query *q, int64_t ms, bool one)
{
	int64_t start;

	CHECK(sm_duck_submit(con, &q->call) == SM_OK);
	usleep((useconds_t)ms * 1000);
	start = sm_clock_mono_ns();
	if (one)
		sm_duck_cancel_call(con, &q->call);
	else
		sm_duck_cancel(con);
	query_wait(q);
	CHECK(q->status == SM_CANCELLED);
	CHECK(sm_clock_mono_ns() - start < 200000000);
}

#define ENDLESS "SELECT sum(sin(a.range * b.range)) FROM range(1000000) a, range(1000000) b"

TEST(cancel_ends_a_query_within_200_ms)
{
	for (int64_t ms = 0; ms < 60; ms += 5) {
		struct query q;
		query_init(&q, ENDLESS);
		q.streaming = true;
		cancel_after(&q, ms, ms % 2 == 0);
		sm_buf_free(&q.text);
	}
	ROWS("SELECT 1", "[\"1\"]\n");
}

/* The engine forgot the cancel before all its threads had seen it; the next statement waited for their whole work. */
TEST(what_a_cancelled_query_left_holds_nobody_up)
{
	for (int i = 0; i < 20; i++) {
		struct query q;
		query_init(&q, ENDLESS);
		cancel_after(&q, 10, true);
		sm_buf_free(&q.text);
		ROWS("SELECT 1", "[\"1\"]\n");
	}
}

TEST(cancel_ends_rendering)
{
	struct query q;

	query_init(&q, "SELECT a.range, b.range FROM range(1000000) a, range(1000000) b");
	q.streaming = true;
	q.piece = 1000;
	cancel_after(&q, 50, false);
	CHECK(q.rows > 0);
	sm_buf_free(&q.text);
}

TEST(a_second_database_is_refused)
{
	struct sm_duck_db *second;
	struct sm_duck_error err;

	CHECK(sm_duck_open(NULL, 0, &second, &err) == SM_EXISTS);
	CHECK(second == NULL);
}

TEST(progress_moves)
{
	struct duck_progress progress = {0};
	struct query q;
	double seen = -1;

	query_init(&q, "CREATE OR REPLACE TABLE big AS SELECT range AS i, random() AS r FROM range(3000000)");
	answer(&q);
	q.sql = "SELECT count(*) FROM big WHERE sin(r) + cos(r) + tan(r) + ln(r + 1) + sqrt(r) + exp(r) + sin(i) + cos(i) "
	        "> 100";
	CHECK(sm_duck_submit(con, &q.call) == SM_OK);
	for (int i = 0; i < 2000 && seen <= 0; i++) {
		usleep(1000);
		if (sm_duck_progress(con, &progress))
			seen = progress.percent;
	}
	query_wait(&q);
	CHECK(q.status == SM_OK);
	CHECK(seen > 0 && seen <= 100);
	q.sql = "DROP TABLE big";
	answer(&q);
	sm_buf_free(&q.text);
}

TEST(the_sandbox_holds)
{
	const char *directories[] = {"/nonexistent/it's"};
	struct sm_duck_error err;

	CHECK(sm_duck_lock_down(db, directories, 1, &err) == SM_OK);
	check_error("SELECT * FROM read_text('/etc/passwd')", SM_REFUSED, "Permission", 14);
	check_error("COPY (SELECT 1) TO '/tmp/x.csv'", SM_REFUSED, "Permission", -1);
	check_error("ATTACH '/tmp/x.db'", SM_REFUSED, "Permission", -1);
	check_error("SET threads = 1", SM_REFUSED, "Invalid Input", -1);
	check_error("INSTALL httpfs", SM_REFUSED, "Permission", -1);
	check_error("LOAD httpfs", SM_REFUSED, "Permission", -1);
}

TEST(closing_cancels_what_runs)
{
	struct query q;

	query_init(&q, ENDLESS);
	CHECK(sm_duck_submit(con, &q.call) == SM_OK);
	sm_duck_con_close(con);
	query_wait(&q);
	CHECK(q.status == SM_CANCELLED);
	CHECK(sm_duck_submit(con, &q.call) == SM_CLOSED);
	sm_duck_con_unref(con);
}

TEST(connections_end_with_the_database)
{
	struct sm_duck_con *many[20];
	struct query q[20];
	struct sm_error err;

	for (int i = 0; i < 20; i++) {
		CHECK(sm_duck_connect(db, &many[i], &err) == SM_OK);
		query_init(&q[i], i % 2 == 0 ? "SELECT 7 / 2" : ENDLESS);
		CHECK(sm_duck_submit(many[i], &q[i].call) == SM_OK);
	}
	query_wait(&q[0]);
	CHECK_STR(q[0].text.data, "[\"3\"]\n");
	CHECK(sm_duck_close(db, 5000));
	for (int i = 0; i < 20; i++) {
		query_wait(&q[i]);
		CHECK(i % 2 == 0 || q[i].status == SM_CANCELLED);
		sm_buf_free(&q[i].text);
		sm_duck_con_unref(many[i]);
	}
}

int main(void)
{
	const struct sm_duck_setting settings[] = {{"threads", "2"}, {"memory_limit", "1GB"}};
	struct sm_duck_error err;
	struct sm_error why;

	if (sm_duckdb_load(NULL, NULL, &why) != SM_OK) {
		printf("pending: %s\n0 passed, 0 failed\n", why.message);
		return 0;
	}
	if (sm_duck_open(settings, 2, &db, &err) != SM_OK || sm_duck_connect(db, &con, &err.base) != SM_OK) {
		printf("cannot open: %s\n", err.base.message);
		return 1;
	}
	RUN(plain_types_as_athena_text);
	RUN(dates_and_times_as_athena_text);
	RUN(nested_values_as_athena_text);
	RUN(csv_quotes_every_value_but_null);
	RUN(ndjson_keeps_types);
	RUN(parameters_are_typed);
	RUN(errors_tell_kind_and_position);
	RUN(changed_rows);
	RUN(pieces_hold_whole_rows_and_lose_none);
	RUN(a_failing_stream_is_no_end);
	RUN(cancel_ends_a_query_within_200_ms);
	RUN(what_a_cancelled_query_left_holds_nobody_up);
	RUN(cancel_ends_rendering);
	RUN(a_second_database_is_refused);
	RUN(progress_moves);
	RUN(the_sandbox_holds);
	RUN(closing_cancels_what_runs);
	RUN(connections_end_with_the_database);
	return check_report();
}
