#include "loop.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sm_loop {
	struct pollfd *polls; /* polls[0] is the wake pipe; polls[i] belongs to ios[i] */
	struct sm_io **ios;
	size_t io_count, io_cap;
	struct sm_timer **heap; /* heap[1] is the earliest */
	size_t timer_count, timer_cap;
	struct sm_prepare *prepares;
	int wake[2];
	pthread_mutex_t post_lock;
	struct sm_post *post_head, **post_tail;
	bool wake_sent;
	bool hurry; /* the next poll does not wait */
	/* the worker pool */
	pthread_mutex_t work_lock;
	pthread_cond_t work_there;
	struct sm_work *work_head, **work_tail;
	pthread_t *workers;
	unsigned worker_count, worker_max, workers_idle, queued;
	unsigned works; /* submitted, and not yet told done; loop thread only */
	bool closing;
};

/* ---- start and end ---- */

struct sm_loop *sm_loop_new(unsigned threads)
{
	struct sm_loop *loop = calloc(1, sizeof(*loop));
	if (loop == NULL)
		return NULL;
	loop->io_cap = 16;
	loop->polls = calloc(loop->io_cap, sizeof(*loop->polls));
	loop->ios = calloc(loop->io_cap, sizeof(*loop->ios));
	loop->workers = calloc(threads ? threads : 1, sizeof(*loop->workers));
	if (loop->polls == NULL || loop->ios == NULL || loop->workers == NULL ||
	    pipe2(loop->wake, O_NONBLOCK | O_CLOEXEC) != 0) {
		free(loop->polls);
		free(loop->ios);
		free(loop->workers);
		free(loop);
		return NULL;
	}
	loop->worker_max = threads ? threads : 1;
	loop->polls[0] = (struct pollfd){.fd = loop->wake[0], .events = POLLIN};
	loop->io_count = 1;
	loop->post_tail = &loop->post_head;
	loop->work_tail = &loop->work_head;
	pthread_mutex_init(&loop->post_lock, NULL);
	pthread_mutex_init(&loop->work_lock, NULL);
	pthread_cond_init(&loop->work_there, NULL);
	return loop;
}

static bool run_posts(struct sm_loop *loop);

static void join_workers(struct sm_loop *loop)
{
	pthread_mutex_lock(&loop->work_lock);
	loop->closing = true;
	struct sm_work *dropped = loop->work_head;
	loop->work_head = NULL;
	loop->work_tail = &loop->work_head;
	pthread_cond_broadcast(&loop->work_there);
	pthread_mutex_unlock(&loop->work_lock);
	for (unsigned i = 0; i < loop->worker_count; i++)
		pthread_join(loop->workers[i], NULL);
	while (dropped != NULL) {
		struct sm_work *work = dropped;
		dropped = work->next;
		work->done(work, true);
	}
}

void sm_loop_free(struct sm_loop *loop)
{
	if (loop == NULL)
		return;
	join_workers(loop);
	run_posts(loop);
	close(loop->wake[0]);
	close(loop->wake[1]);
	pthread_mutex_destroy(&loop->post_lock);
	pthread_mutex_destroy(&loop->work_lock);
	pthread_cond_destroy(&loop->work_there);
	free(loop->workers);
	free(loop->heap);
	free(loop->polls);
	free(loop->ios);
	free(loop);
}

/* ---- posts ---- */

void sm_loop_post(struct sm_loop *loop, struct sm_post *post)
{
	post->next = NULL;
	pthread_mutex_lock(&loop->post_lock);
	*loop->post_tail = post;
	loop->post_tail = &post->next;
	bool send = !loop->wake_sent;
	loop->wake_sent = true;
	pthread_mutex_unlock(&loop->post_lock);
	/* A full pipe wakes as well as one byte more would. */
	while (send && write(loop->wake[1], "", 1) < 0 && errno == EINTR)
		;
}

static void drain_wake_pipe(struct sm_loop *loop)
{
	char bytes[64];
	while (read(loop->wake[0], bytes, sizeof(bytes)) > 0)
		;
}

/* True when there was one. */
static bool run_posts(struct sm_loop *loop)
{
	pthread_mutex_lock(&loop->post_lock);
	struct sm_post *post = loop->post_head;
	loop->post_head = NULL;
	loop->post_tail = &loop->post_head;
	bool drain = loop->wake_sent;
	loop->wake_sent = false;
	if (drain)
		drain_wake_pipe(loop);
	pthread_mutex_unlock(&loop->post_lock);
	bool any = post != NULL;
	while (post != NULL) {
		struct sm_post *next = post->next; /* run() may free the post */
		post->run(post);
		post = next;
	}
	return any;
}

/* ---- file descriptors ---- */

enum sm_status sm_io_add(struct sm_loop *loop, struct sm_io *io)
{
	if (loop->io_count == loop->io_cap) {
		size_t cap = loop->io_cap * 2;
		struct pollfd *polls = realloc(loop->polls, cap * sizeof(*polls));
		if (polls == NULL)
			return SM_NOMEM;
		loop->polls = polls;
		struct sm_io **ios = realloc(loop->ios, cap * sizeof(*ios));
		if (ios == NULL)
			return SM_NOMEM;
		loop->ios = ios;
		loop->io_cap = cap;
	}
	io->slot = loop->io_count++;
	loop->polls[io->slot] = (struct pollfd){.fd = io->fd, .events = io->events};
	loop->ios[io->slot] = io;
	return SM_OK;
}

void sm_io_set(struct sm_loop *loop, struct sm_io *io, short events)
{
	io->events = events;
	if (io->slot != 0)
		loop->polls[io->slot].events = events;
}

void sm_io_remove(struct sm_loop *loop, struct sm_io *io)
{
	if (io->slot == 0)
		return;
	size_t last = --loop->io_count;
	loop->polls[io->slot] = loop->polls[last];
	loop->ios[io->slot] = loop->ios[last];
	loop->ios[io->slot]->slot = io->slot;
	io->slot = 0;
}

/* ---- timers: a binary heap from index 1 ---- */

static void heap_set(struct sm_loop *loop, size_t at, struct sm_timer *timer)
{
	loop->heap[at] = timer;
	timer->slot = at;
}

static void heap_up(struct sm_loop *loop, size_t at)
{
	struct sm_timer *timer = loop->heap[at];
	while (at > 1 && loop->heap[at / 2]->due_ns > timer->due_ns) {
		heap_set(loop, at, loop->heap[at / 2]);
		at /= 2;
	}
	heap_set(loop, at, timer);
}

static void heap_down(struct sm_loop *loop, size_t at)
{
	struct sm_timer *timer = loop->heap[at];
	for (;;) {
		size_t child = at * 2;
		if (child > loop->timer_count)
			break;
		if (child < loop->timer_count && loop->heap[child + 1]->due_ns < loop->heap[child]->due_ns)
			child++;
		if (loop->heap[child]->due_ns >= timer->due_ns)
			break;
		heap_set(loop, at, loop->heap[child]);
		at = child;
	}
	heap_set(loop, at, timer);
}

enum sm_status sm_timer_start(struct sm_loop *loop, struct sm_timer *timer, int64_t due_ns)
{
	sm_timer_stop(loop, timer);
	if (loop->timer_count + 1 >= loop->timer_cap) {
		size_t cap = loop->timer_cap < 16 ? 16 : loop->timer_cap * 2;
		struct sm_timer **heap = realloc(loop->heap, cap * sizeof(*heap));
		if (heap == NULL)
			return SM_NOMEM;
		loop->heap = heap;
		loop->timer_cap = cap;
	}
	timer->due_ns = due_ns;
	heap_set(loop, ++loop->timer_count, timer);
	heap_up(loop, loop->timer_count);
	return SM_OK;
}

void sm_timer_stop(struct sm_loop *loop, struct sm_timer *timer)
{
	size_t at = timer->slot;
	if (at == 0)
		return;
	timer->slot = 0;
	struct sm_timer *last = loop->heap[loop->timer_count--];
	if (last == timer)
		return;
	heap_set(loop, at, last);
	heap_up(loop, at);
	heap_down(loop, last->slot);
}

/* True when one was due. */
static bool fire_timers(struct sm_loop *loop)
{
	bool any = false;
	if (loop->timer_count == 0)
		return false;
	int64_t now = sm_clock_mono_ns();
	while (loop->timer_count > 0 && loop->heap[1]->due_ns <= now) {
		struct sm_timer *timer = loop->heap[1];
		sm_timer_stop(loop, timer);
		timer->fire(timer);
		any = true;
	}
	return any;
}

static int timer_wait_ms(struct sm_loop *loop, int wait_ms)
{
	if (loop->timer_count == 0)
		return wait_ms;
	int64_t left = loop->heap[1]->due_ns - sm_clock_mono_ns();
	int64_t ms = left <= 0 ? 0 : (left + 999999) / 1000000;
	if (ms > INT_MAX)
		ms = INT_MAX;
	return wait_ms < 0 || ms < wait_ms ? (int)ms : wait_ms;
}

/* ---- prepare hooks ---- */

void sm_prepare_add(struct sm_loop *loop, struct sm_prepare *prepare)
{
	prepare->next = loop->prepares;
	loop->prepares = prepare;
}

void sm_prepare_remove(struct sm_loop *loop, struct sm_prepare *prepare)
{
	for (struct sm_prepare **at = &loop->prepares; *at != NULL; at = &(*at)->next)
		if (*at == prepare) {
			*at = prepare->next;
			return;
		}
}

/* ---- one turn ---- */

static void dispatch(struct sm_loop *loop)
{
	/* Backwards: a removal moves the last entry into the hole, which has been served by then. */
	for (size_t i = loop->io_count; i-- > 1;) {
		if (i >= loop->io_count)
			continue;
		short revents = loop->polls[i].revents;
		if (revents != 0) {
			loop->polls[i].revents = 0;
			loop->ios[i]->ready(loop->ios[i], revents);
		}
	}
}

void sm_loop_hurry(struct sm_loop *loop)
{
	loop->hurry = true;
}

bool sm_loop_is_quiet(struct sm_loop *loop, size_t count)
{
	int wait_ms = -1;
	struct sm_prepare *next;
	if (loop->hurry || loop->timer_count > 0 || loop->works > 0 || loop->io_count != count + 1 ||
	    __atomic_load_n(&loop->wake_sent, __ATOMIC_RELAXED))
		return false;
	for (struct sm_prepare *prepare = loop->prepares; prepare != NULL; prepare = next) {
		next = prepare->next;
		prepare->run(prepare, &wait_ms);
	}
	return wait_ms < 0 && !loop->hurry;
}

void sm_loop_turn(struct sm_loop *loop, int wait_ms)
{
	/* What happened here may be what the caller waits for: then the poll must not sleep. */
	if (fire_timers(loop) | run_posts(loop))
		wait_ms = 0;
	struct sm_prepare *next;
	for (struct sm_prepare *prepare = loop->prepares; prepare != NULL; prepare = next) {
		next = prepare->next;
		prepare->run(prepare, &wait_ms);
	}
	wait_ms = loop->hurry ? 0 : timer_wait_ms(loop, wait_ms);
	loop->hurry = false;
	if (poll(loop->polls, (nfds_t)loop->io_count, wait_ms) > 0)
		dispatch(loop);
	fire_timers(loop);
	run_posts(loop);
}

/* ---- workers ---- */

static void work_done(struct sm_post *post)
{
	struct sm_work *work = (struct sm_work *)((char *)post - offsetof(struct sm_work, post));
	work->loop->works--;
	work->done(work, false);
}

static void *worker_main(void *arg)
{
	struct sm_loop *loop = arg;
	pthread_mutex_lock(&loop->work_lock);
	for (;;) {
		while (loop->work_head == NULL && !loop->closing) {
			loop->workers_idle++;
			pthread_cond_wait(&loop->work_there, &loop->work_lock);
			loop->workers_idle--;
		}
		struct sm_work *work = loop->work_head;
		if (work == NULL)
			break;
		loop->work_head = work->next;
		loop->queued--;
		if (loop->work_head == NULL)
			loop->work_tail = &loop->work_head;
		pthread_mutex_unlock(&loop->work_lock);
		work->work(work);
		work->post.run = work_done;
		sm_loop_post(loop, &work->post);
		pthread_mutex_lock(&loop->work_lock);
	}
	pthread_mutex_unlock(&loop->work_lock);
	return NULL;
}

/* Signals are the loop thread's business: a worker takes none. */
static int start_worker(struct sm_loop *loop)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(&loop->workers[loop->worker_count], NULL, worker_main, loop);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!failed)
		loop->worker_count++;
	return failed;
}

enum sm_status sm_work_submit(struct sm_loop *loop, struct sm_work *work)
{
	enum sm_status status = SM_OK;
	work->next = NULL;
	work->loop = loop;
	pthread_mutex_lock(&loop->work_lock);
	if (loop->closing)
		status = SM_CLOSED;
	else if (loop->workers_idle <= loop->queued && loop->worker_count < loop->worker_max && start_worker(loop) != 0 &&
	         loop->worker_count == 0)
		status = SM_NOMEM;
	if (status == SM_OK) {
		*loop->work_tail = work;
		loop->queued++;
		loop->works++;
		loop->work_tail = &work->next;
		pthread_cond_signal(&loop->work_there);
	}
	pthread_mutex_unlock(&loop->work_lock);
	return status;
}
