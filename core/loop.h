/*
 * loop: file descriptors, timers, posts from other threads, a worker pool.
 *
 * One loop per process, driven by the thread that owns the Lua state. Nothing
 * here knows Lua, HTTP or tasks. All functions are for the loop thread, except
 * sm_loop_post, which any thread may call. Uses poll(2) and a wake pipe.
 */
#ifndef SM_LOOP_H
#define SM_LOOP_H

#include "status.h"

#include <stdbool.h>
#include <stdint.h>

struct sm_loop;

/* threads: size of the worker pool (created on first sm_work_submit). */
struct sm_loop *sm_loop_new(unsigned threads);
/* Joins the workers (queued work is dropped with its done callback called with dropped = true). */
void sm_loop_free(struct sm_loop *loop);
/*
 * One turn: fires due timers, runs posts and prepare hooks, polls, dispatches.
 * Waits at most wait_ms (-1: until something happens).
 */
void sm_loop_turn(struct sm_loop *loop, int wait_ms);
/* The poll of this turn (or, from its last part, of the next) does not wait: something became ready outside the loop.
 */
void sm_loop_hurry(struct sm_loop *loop);
/*
 * True when nothing can happen on the loop but on count registered file descriptors: no timer, no post, no work, no
 * hook that wants a turn. Then a caller may wait in a system call of its own. Runs the prepare hooks.
 */
bool sm_loop_is_quiet(struct sm_loop *loop, size_t count);

/* ---- file descriptors; the struct is the caller's and must outlive the registration ---- */
struct sm_io {
	int fd;
	short events; /* POLLIN, POLLOUT, POLLRDHUP */
	void (*ready)(struct sm_io *io, short revents);
	size_t slot; /* private */
};
enum sm_status sm_io_add(struct sm_loop *loop, struct sm_io *io);
void sm_io_set(struct sm_loop *loop, struct sm_io *io, short events);
void sm_io_remove(struct sm_loop *loop, struct sm_io *io); /* harmless when not added */

/* ---- timers; one shot ---- */
struct sm_timer {
	int64_t due_ns; /* monotonic */
	void (*fire)(struct sm_timer *timer);
	size_t slot; /* private; 0 = not running */
};
enum sm_status sm_timer_start(struct sm_loop *loop, struct sm_timer *timer,
                              int64_t due_ns);                    /* restarts a running one */
void sm_timer_stop(struct sm_loop *loop, struct sm_timer *timer); /* harmless when not running */

/* ---- hooks called before each poll; *wait_ms may be lowered (libmicrohttpd and libcurl have timeouts of their own)
 * ---- */
struct sm_prepare {
	void (*run)(struct sm_prepare *prepare, int *wait_ms);
	struct sm_prepare *next; /* private */
};
void sm_prepare_add(struct sm_loop *loop, struct sm_prepare *prepare);
void sm_prepare_remove(struct sm_loop *loop, struct sm_prepare *prepare);

/* ---- from any thread: run this on the loop thread soon; FIFO ---- */
struct sm_post {
	void (*run)(struct sm_post *post);
	struct sm_post *next; /* private */
};
void sm_loop_post(struct sm_loop *loop, struct sm_post *post);

/* ---- worker pool: work() on a worker thread, then done() on the loop thread, always, exactly once ---- */
struct sm_work {
	void (*work)(struct sm_work *work);
	void (*done)(struct sm_work *work, bool dropped); /* dropped: the loop is going away, work() did not run */
	struct sm_post post;                              /* private */
	struct sm_work *next;                             /* private */
	struct sm_loop *loop;                             /* private */
};
enum sm_status sm_work_submit(struct sm_loop *loop, struct sm_work *work);

#endif
