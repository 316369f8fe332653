#include "sqlite_worker.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>

struct sm_sql_worker {
	struct sm_loop *loop;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t arrived; /* a request, or the end */
	pthread_cond_t ran;     /* a request that somebody blocks for */
	struct sm_sql_request *first, *last;
	struct sm_sql_request *current; /* guarded by mutex, so that an interrupt hits the right statement */
	struct sm_sqlite *db;           /* set by the thread, under mutex */
	bool ending;
};

static void answer(struct sm_post *post)
{
	struct sm_sql_request *request = (struct sm_sql_request *)((char *)post - offsetof(struct sm_sql_request, post));
	request->done(request);
}

/* Waits for the next request; NULL at the end, when all are done. */
static struct sm_sql_request *take(struct sm_sql_worker *worker)
{
	pthread_mutex_lock(&worker->mutex);
	while (worker->first == NULL && !worker->ending)
		pthread_cond_wait(&worker->arrived, &worker->mutex);
	struct sm_sql_request *request = worker->first;
	if (request != NULL) {
		worker->first = request->next;
		if (worker->first == NULL)
			worker->last = NULL;
		worker->current = request;
	}
	pthread_mutex_unlock(&worker->mutex);
	return request;
}

static void *serve(void *arg)
{
	struct sm_sql_worker *worker = arg;
	struct sm_sql_request *request;
	struct sm_sqlite *db = NULL;
	while ((request = take(worker)) != NULL) {
		request->run(request, &db);
		pthread_mutex_lock(&worker->mutex);
		worker->current = NULL;
		worker->db = db;
		bool called = request->called;
		request->ran = true;
		if (called)
			pthread_cond_broadcast(&worker->ran);
		pthread_mutex_unlock(&worker->mutex);
		/* From here on a called request belongs to its caller again. */
		if (!called)
			sm_loop_post(worker->loop, &request->post);
	}
	sm_sqlite_close(db);
	return NULL;
}

/* Signals are for the loop thread. */
static int start_thread(struct sm_sql_worker *worker)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int code = pthread_create(&worker->thread, NULL, serve, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return code;
}

struct sm_sql_worker *sm_sql_worker_new(struct sm_loop *loop)
{
	struct sm_sql_worker *worker = calloc(1, sizeof(*worker));
	if (worker == NULL)
		return NULL;
	worker->loop = loop;
	pthread_mutex_init(&worker->mutex, NULL);
	pthread_cond_init(&worker->arrived, NULL);
	pthread_cond_init(&worker->ran, NULL);
	if (start_thread(worker) == 0)
		return worker;
	pthread_cond_destroy(&worker->ran);
	pthread_cond_destroy(&worker->arrived);
	pthread_mutex_destroy(&worker->mutex);
	free(worker);
	return NULL;
}

static void append(struct sm_sql_worker *worker, struct sm_sql_request *request, bool called)
{
	request->post.run = answer;
	request->next = NULL;
	request->called = called;
	request->ran = false;
	if (worker->last != NULL)
		worker->last->next = request;
	else
		worker->first = request;
	worker->last = request;
	pthread_cond_signal(&worker->arrived);
}

void sm_sql_worker_submit(struct sm_sql_worker *worker, struct sm_sql_request *request)
{
	pthread_mutex_lock(&worker->mutex);
	append(worker, request, false);
	pthread_mutex_unlock(&worker->mutex);
}

void sm_sql_worker_call(struct sm_sql_worker *worker, struct sm_sql_request *request)
{
	pthread_mutex_lock(&worker->mutex);
	append(worker, request, true);
	while (!request->ran)
		pthread_cond_wait(&worker->ran, &worker->mutex);
	pthread_mutex_unlock(&worker->mutex);
}

void sm_sql_worker_interrupt(struct sm_sql_worker *worker, struct sm_sql_request *request)
{
	pthread_mutex_lock(&worker->mutex);
	if (worker->current == request && worker->db != NULL)
		sm_sqlite_interrupt(worker->db);
	pthread_mutex_unlock(&worker->mutex);
}

void sm_sql_worker_free(struct sm_sql_worker *worker)
{
	pthread_mutex_lock(&worker->mutex);
	worker->ending = true;
	pthread_cond_signal(&worker->arrived);
	pthread_mutex_unlock(&worker->mutex);
	pthread_join(worker->thread, NULL);
	pthread_cond_destroy(&worker->ran);
	pthread_cond_destroy(&worker->arrived);
	pthread_mutex_destroy(&worker->mutex);
	free(worker);
}
