/*
 * See duckdb.h: the database and the threads. Statements and results are in duckdb_result.c.
 *
 * Who frees what: a connection lives until its last reference is gone; its
 * thread holds one. The engine's own connection is made and dropped on that
 * thread. The database is closed by whoever sees the last connection go.
 */
#include "duckdb_private.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define ENGINE_NICE 10

static atomic_flag open_once = ATOMIC_FLAG_INIT;

/* ---- threads ---- */

/* Linux keeps the priority per thread, and the engine's workers inherit it from the thread that makes them. */
static void be_nice(void)
{
	setpriority(PRIO_PROCESS, 0, ENGINE_NICE);
}

/* Signals belong to the loop's thread. */
static int start_thread(pthread_t *thread, void *(*body)(void *), void *argument)
{
	sigset_t all, before;
	int code;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	code = pthread_create(thread, NULL, body, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return code;
}

struct errand {
	enum sm_status (*run)(void *argument);
	void *argument;
	enum sm_status status;
};

static void *run_errand(void *argument)
{
	struct errand *errand = argument;

	be_nice();
	errand->status = errand->run(errand->argument);
	return NULL;
}

/* Runs a function on a thread with the engine's priority and waits for it. */
static enum sm_status on_nice_thread(enum sm_status (*run)(void *argument), void *argument, struct sm_error *err)
{
	struct errand errand = {run, argument, SM_INTERNAL};
	pthread_t thread;
	int code = start_thread(&thread, run_errand, &errand);

	if (code != 0)
		return sm_fail(err, SM_IO, "no thread for the engine: %s", strerror(code));
	pthread_join(thread, NULL);
	return errand.status;
}

/* ---- opening ---- */

struct opening {
	const struct sm_duck_setting *settings;
	size_t count;
	struct sm_duck_db *db;
	struct sm_duck_error *err;
};

/* Nothing leaves the machine and nothing is loaded behind our back; errors carry positions; 7 / 2 is 3 as in Trino. */
static const struct sm_duck_setting own_settings[] = {
    {"autoinstall_known_extensions", "false"},
    {"autoload_known_extensions", "false"},
    {"allow_community_extensions", "false"},
    {"allow_persistent_secrets", "false"},
    {"errors_as_json", "true"},
    {"integer_division", "true"},
};

static enum sm_status set_all(const struct sm_duckdb_api *api, duck_config config, const struct sm_duck_setting *list,
                              size_t count, struct sm_error *err)
{
	for (size_t i = 0; i < count; i++)
		if (api->set_config(config, list[i].name, list[i].value) != DUCK_SUCCESS)
			return sm_fail(err, SM_INVALID, "the engine has no setting '%s'", list[i].name);
	return SM_OK;
}

static enum sm_status open_database(const struct sm_duckdb_api *api, duck_config config, struct opening *o)
{
	char *message = NULL;
	int code = api->open_ext(NULL, &o->db->raw, config, &message);

	if (code != DUCK_SUCCESS)
		sm_duck_explain(o->err, message != NULL ? message : "the engine did not open");
	api->free(message);
	return code == DUCK_SUCCESS ? SM_OK : o->err->base.status;
}

static enum sm_status open_here(void *argument)
{
	struct opening *o = argument;
	const struct sm_duckdb_api *api = o->db->api;
	duck_config config = NULL;
	enum sm_status status;

	if (api->create_config(&config) != DUCK_SUCCESS)
		return sm_fail(&o->err->base, SM_NOMEM, "no memory for the engine's settings");
	status = set_all(api, config, own_settings, sizeof own_settings / sizeof *own_settings, &o->err->base);
	if (status == SM_OK)
		status = set_all(api, config, o->settings, o->count, &o->err->base);
	if (status == SM_OK)
		status = open_database(api, config, o);
	api->destroy_config(&config);
	if (status == SM_OK)
		status = sm_duck_admin(o->db, "SET GLOBAL TimeZone = 'UTC'", o->err);
	return status;
}

static void free_db(struct sm_duck_db *db)
{
	if (db->raw != NULL)
		db->api->close(&db->raw);
	pthread_mutex_destroy(&db->mutex);
	pthread_cond_destroy(&db->gone);
	free(db);
	atomic_flag_clear(&open_once);
}

static struct sm_duck_db *new_db(const struct sm_duckdb_api *api)
{
	struct sm_duck_db *db = calloc(1, sizeof *db);
	pthread_condattr_t attributes;

	if (db == NULL)
		return NULL;
	db->api = api;
	pthread_mutex_init(&db->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&db->gone, &attributes);
	pthread_condattr_destroy(&attributes);
	return db;
}

enum sm_status sm_duck_open(const struct sm_duck_setting *settings, size_t count, struct sm_duck_db **out,
                            struct sm_duck_error *err)
{
	const struct sm_duckdb_api *api = sm_duckdb_api();
	struct opening o = {settings, count, NULL, err};
	enum sm_status status;

	*out = NULL;
	sm_duck_error_clear(err);
	if (api == NULL)
		return sm_fail(&err->base, SM_NOTFOUND, "engine unavailable: the library is not loaded");
	if (atomic_flag_test_and_set(&open_once))
		return sm_fail(&err->base, SM_EXISTS, "this process has a database open already; there is one per process");
	o.db = new_db(api);
	if (o.db == NULL) {
		atomic_flag_clear(&open_once);
		return sm_fail(&err->base, SM_NOMEM, "no memory for the database");
	}
	status = on_nice_thread(open_here, &o, &err->base);
	if (status == SM_OK)
		*out = o.db;
	else
		free_db(o.db);
	return status;
}

/* ---- closing ---- */

static void deadline_in(struct timespec *at, int ms)
{
	clock_gettime(CLOCK_MONOTONIC, at);
	at->tv_sec += ms / 1000;
	at->tv_nsec += (long)(ms % 1000) * 1000000;
	if (at->tv_nsec >= 1000000000) {
		at->tv_nsec -= 1000000000;
		at->tv_sec++;
	}
}

static enum sm_status close_here(void *argument)
{
	free_db(argument);
	return SM_OK;
}

bool sm_duck_close(struct sm_duck_db *db, int wait_ms)
{
	struct timespec until;
	bool empty;
	int code = 0;

	deadline_in(&until, wait_ms);
	pthread_mutex_lock(&db->mutex);
	db->closed = true;
	for (struct sm_duck_con *con = db->first; con != NULL; con = con->sibling)
		sm_duck_con_close(con);
	while (db->first != NULL && code != ETIMEDOUT)
		code = pthread_cond_timedwait(&db->gone, &db->mutex, &until);
	empty = db->first == NULL;
	db->orphaned = !empty;
	pthread_mutex_unlock(&db->mutex);
	if (empty)
		close_here(db);
	return empty;
}

/* Called by a connection's thread at its very end. */
static void leave_db(struct sm_duck_con *con)
{
	struct sm_duck_db *db = con->db;
	struct sm_duck_con **link = &db->first;
	bool last;

	pthread_mutex_lock(&db->mutex);
	while (*link != con)
		link = &(*link)->sibling;
	*link = con->sibling;
	last = db->first == NULL && db->orphaned;
	pthread_cond_broadcast(&db->gone);
	pthread_mutex_unlock(&db->mutex);
	if (last)
		free_db(db);
}

/* ---- statements of our own ---- */

struct raw_errand {
	struct sm_duck_db *db;
	enum sm_status (*fn)(const struct sm_duckdb_api *api, duck_connection raw, struct sm_error *err);
	const char *sql;
	struct sm_duck_error *err;
};

static enum sm_status with_raw_here(void *argument)
{
	struct raw_errand *e = argument;
	const struct sm_duckdb_api *api = e->db->api;
	duck_connection raw = NULL;
	enum sm_status status;

	if (api->connect(e->db->raw, &raw) != DUCK_SUCCESS)
		return sm_fail(&e->err->base, SM_ENGINE, "the engine gives no connection");
	if (e->fn != NULL)
		status = e->fn(api, raw, &e->err->base);
	else
		status = sm_duck_script_raw(api, raw, e->sql, NULL, e->err);
	api->disconnect(&raw);
	return status;
}

enum sm_status sm_duck_admin(struct sm_duck_db *db, const char *sql, struct sm_duck_error *err)
{
	struct raw_errand e = {db, NULL, sql, err};

	sm_duck_error_clear(err);
	return on_nice_thread(with_raw_here, &e, &err->base);
}

enum sm_status sm_duck_with_raw(struct sm_duck_db *db,
                                enum sm_status (*fn)(const struct sm_duckdb_api *api, duck_connection raw,
                                                     struct sm_error *err),
                                struct sm_duck_error *err)
{
	struct raw_errand e = {db, fn, NULL, err};

	sm_duck_error_clear(err);
	return on_nice_thread(with_raw_here, &e, &err->base);
}

static void add_literal(struct sm_buf *sql, const char *text)
{
	sm_buf_addc(sql, '\'');
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			sm_buf_addc(sql, '\'');
		sm_buf_addc(sql, *text);
	}
	sm_buf_addc(sql, '\'');
}

enum sm_status sm_duck_lock_down(struct sm_duck_db *db, const char *const *directories, size_t count,
                                 struct sm_duck_error *err)
{
	struct sm_buf sql;
	enum sm_status status;

	sm_duck_error_clear(err);
	sm_buf_init(&sql, 1 << 20);
	sm_buf_adds(&sql, "SET allowed_directories = [");
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			sm_buf_adds(&sql, ", ");
		add_literal(&sql, directories[i]);
	}
	status = sm_buf_adds(&sql, "]; SET enable_external_access = false; SET lock_configuration = true;");
	if (status == SM_OK)
		status = sm_duck_admin(db, sql.data, err);
	else
		sm_fail(&err->base, status, "the list of allowed directories is too long");
	sm_buf_free(&sql);
	return status;
}

/* ---- a connection's thread ---- */

static void run_call(struct sm_duck_con *con, struct sm_duck_call *call)
{
	/* done may free the call and wake the submitter: nothing of the call is touched after it. */
	call->run(con, call);
	pthread_mutex_lock(&con->mutex);
	con->current = NULL;
	pthread_mutex_unlock(&con->mutex);
	call->done(call);
}

/* The next call, or NULL when the connection is closed and nothing is left. */
static struct sm_duck_call *next_call(struct sm_duck_con *con)
{
	struct sm_duck_call *call;

	pthread_mutex_lock(&con->mutex);
	while (con->head == NULL && !con->closed)
		pthread_cond_wait(&con->arrived, &con->mutex);
	call = con->head;
	if (call != NULL) {
		con->head = call->next;
		if (con->head == NULL)
			con->tail = NULL;
		con->current = call;
	}
	pthread_mutex_unlock(&con->mutex);
	return call;
}

static void drop_raw(struct sm_duck_con *con)
{
	duck_connection raw;

	pthread_mutex_lock(&con->mutex);
	raw = con->raw;
	con->raw = NULL;
	pthread_mutex_unlock(&con->mutex);
	if (raw == NULL)
		return;
	con->db->api->interrupt(raw); /* what a cancelled statement has left on the engine's threads */
	con->db->api->disconnect(&raw);
}

static void *serve(void *argument)
{
	struct sm_duck_con *con = argument;
	struct sm_duck_call *call;

	be_nice();
	while ((call = next_call(con)) != NULL)
		run_call(con, call);
	drop_raw(con);
	leave_db(con);
	sm_duck_con_unref(con);
	return NULL;
}

/* Progress is kept only for connections that asked for it; a PRAGMA works after the settings are locked. */
#define FIRST_STATEMENTS "PRAGMA enable_progress_bar; PRAGMA disable_print_progress_bar"

enum sm_status sm_duck_ready(struct sm_duck_con *con, struct sm_duck_error *err)
{
	const struct sm_duckdb_api *api = con->db->api;
	duck_connection raw = NULL;
	enum sm_status status;

	sm_duck_error_clear(err);
	if (con->raw != NULL)
		return SM_OK;
	if (api->connect(con->db->raw, &raw) != DUCK_SUCCESS)
		return sm_fail(&err->base, SM_ENGINE, "the engine gives no connection");
	status = sm_duck_script_raw(api, raw, FIRST_STATEMENTS, NULL, err);
	if (status != SM_OK) {
		api->disconnect(&raw);
		return status;
	}
	pthread_mutex_lock(&con->mutex);
	con->raw = raw;
	pthread_mutex_unlock(&con->mutex);
	return SM_OK;
}

/* ---- connections ---- */

static void free_con(struct sm_duck_con *con)
{
	pthread_mutex_destroy(&con->mutex);
	pthread_cond_destroy(&con->arrived);
	free(con);
}

void sm_duck_con_ref(struct sm_duck_con *con)
{
	atomic_fetch_add(&con->references, 1);
}

void sm_duck_con_unref(struct sm_duck_con *con)
{
	if (atomic_fetch_sub(&con->references, 1) == 1)
		free_con(con);
}

static enum sm_status join_db(struct sm_duck_db *db, struct sm_duck_con *con, struct sm_error *err)
{
	pthread_t thread;
	int code = 0;
	bool closed;

	pthread_mutex_lock(&db->mutex);
	closed = db->closed;
	if (!closed)
		code = start_thread(&thread, serve, con);
	if (!closed && code == 0) {
		con->sibling = db->first;
		db->first = con;
		pthread_detach(thread);
	}
	pthread_mutex_unlock(&db->mutex);
	if (closed)
		return sm_fail(err, SM_CLOSED, "the database is closed");
	return code == 0 ? SM_OK : sm_fail(err, SM_IO, "no thread for a connection: %s", strerror(code));
}

enum sm_status sm_duck_connect(struct sm_duck_db *db, struct sm_duck_con **out, struct sm_error *err)
{
	struct sm_duck_con *con = calloc(1, sizeof *con);
	enum sm_status status;

	*out = NULL;
	if (con == NULL)
		return sm_fail(err, SM_NOMEM, "no memory for a connection");
	con->db = db;
	atomic_store(&con->references, 2); /* the thread's and the caller's */
	pthread_mutex_init(&con->mutex, NULL);
	pthread_cond_init(&con->arrived, NULL);
	status = join_db(db, con, err);
	if (status == SM_OK)
		*out = con;
	else
		free_con(con);
	return status;
}

/* With the mutex held. The flag is set first: run functions look at it after every step that resets the engine's. */
static void cancel_locked(struct sm_duck_con *con, const struct sm_duck_call *only)
{
	for (struct sm_duck_call *call = con->head; call != NULL; call = call->next)
		if (only == NULL || call == only)
			atomic_store(&call->cancelled, true);
	if (con->current != NULL && (only == NULL || con->current == only)) {
		atomic_store(&con->current->cancelled, true);
		if (con->raw != NULL)
			con->db->api->interrupt(con->raw);
	}
}

void sm_duck_con_close(struct sm_duck_con *con)
{
	pthread_mutex_lock(&con->mutex);
	if (!con->closed) {
		con->closed = true;
		cancel_locked(con, NULL);
		pthread_cond_signal(&con->arrived);
	}
	pthread_mutex_unlock(&con->mutex);
}

enum sm_status sm_duck_submit(struct sm_duck_con *con, struct sm_duck_call *call)
{
	bool closed;

	atomic_store(&call->cancelled, false);
	call->next = NULL;
	pthread_mutex_lock(&con->mutex);
	closed = con->closed;
	if (!closed) {
		if (con->tail != NULL)
			con->tail->next = call;
		else
			con->head = call;
		con->tail = call;
		pthread_cond_signal(&con->arrived);
	}
	pthread_mutex_unlock(&con->mutex);
	return closed ? SM_CLOSED : SM_OK;
}

/* A call that somebody blocks for. */
struct waited {
	struct sm_duck_call call;
	struct sm_duck_call *inner;
	pthread_mutex_t mutex;
	pthread_cond_t ready;
	bool finished;
};

static void run_waited(struct sm_duck_con *con, struct sm_duck_call *call)
{
	struct waited *w = (struct waited *)call;

	w->inner->run(con, w->inner);
}

static void done_waited(struct sm_duck_call *call)
{
	struct waited *w = (struct waited *)call;

	pthread_mutex_lock(&w->mutex);
	w->finished = true;
	pthread_cond_signal(&w->ready);
	pthread_mutex_unlock(&w->mutex);
}

enum sm_status sm_duck_submit_wait(struct sm_duck_con *con, struct sm_duck_call *call)
{
	struct waited w = {.call = {.run = run_waited, .done = done_waited}, .inner = call};
	enum sm_status status;

	atomic_store(&call->cancelled, false);
	pthread_mutex_init(&w.mutex, NULL);
	pthread_cond_init(&w.ready, NULL);
	status = sm_duck_submit(con, &w.call);
	pthread_mutex_lock(&w.mutex);
	while (status == SM_OK && !w.finished)
		pthread_cond_wait(&w.ready, &w.mutex);
	pthread_mutex_unlock(&w.mutex);
	pthread_mutex_destroy(&w.mutex);
	pthread_cond_destroy(&w.ready);
	return status;
}

void sm_duck_cancel(struct sm_duck_con *con)
{
	pthread_mutex_lock(&con->mutex);
	cancel_locked(con, NULL);
	pthread_mutex_unlock(&con->mutex);
}

void sm_duck_cancel_call(struct sm_duck_con *con, struct sm_duck_call *call)
{
	pthread_mutex_lock(&con->mutex);
	cancel_locked(con, call);
	pthread_mutex_unlock(&con->mutex);
}

bool sm_duck_progress(struct sm_duck_con *con, struct duck_progress *progress)
{
	bool known = false;

	pthread_mutex_lock(&con->mutex);
	if (con->raw != NULL && con->current != NULL) {
		*progress = con->db->api->query_progress(con->raw);
		known = progress->percent >= 0;
	}
	pthread_mutex_unlock(&con->mutex);
	return known;
}
