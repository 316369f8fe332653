/* status, buf, log and loop; all that allocates also under an allocation sweep. */
#include "check.h"

#include "alloc_fail.h"
#include "buf.h"
#include "clock.h"
#include "loop.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- status ---- */

TEST(every_status_has_a_name)
{
	for (int status = SM_OK; status <= SM_INTERNAL; status++)
		CHECK(sm_status_name((enum sm_status)status)[0] != '\0');
	CHECK_STR(sm_status_name(SM_NOTFOUND), "not_found");
	CHECK_STR(sm_status_name((enum sm_status)99), "internal");
}

TEST(a_long_message_is_cut_on_a_character)
{
	char text[SM_ERROR_MAX * 2 + 1];
	struct sm_error err;
	for (size_t i = 0; i < sizeof(text) - 1; i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	text[sizeof(text) - 1] = '\0';
	CHECK(sm_fail(&err, SM_IO, "%s", text) == SM_IO);
	CHECK(strlen(err.message) == SM_ERROR_MAX - 2);
	CHECK((unsigned char)err.message[SM_ERROR_MAX - 3] == 0xa9);
	CHECK(sm_fail(NULL, SM_IO, "x") == SM_IO);
}

/* ---- buf ---- */

TEST(a_buffer_grows_up_to_its_maximum)
{
	struct sm_buf buf;
	sm_buf_init(&buf, 10);
	CHECK(sm_buf_adds(&buf, "12345") == SM_OK);
	CHECK(sm_buf_addf(&buf, "%d", 67890) == SM_OK);
	CHECK(sm_buf_addc(&buf, 'x') == SM_LIMIT);
	CHECK_STR(buf.data, "1234567890");
	size_t len;
	char *taken = sm_buf_take(&buf, &len);
	CHECK(len == 10 && buf.len == 0);
	free(taken);
	sm_buf_free(&buf);
}

TEST(a_buffer_without_memory_keeps_its_content)
{
	enum sm_status status = SM_OK;
	SWEEP(status)
	{
		struct sm_buf buf;
		sm_buf_init(&buf, 100000);
		status = sm_buf_adds(&buf, "start");
		for (int i = 0; i < 1000 && status == SM_OK; i++)
			status = sm_buf_addf(&buf, "%d,", i);
		if (buf.len > 0)
			CHECK(memcmp(buf.data, "start", 5) == 0);
		sm_buf_free(&buf);
	}
	CHECK(status == SM_OK);
}

/* ---- loop ---- */

struct counter {
	struct sm_timer timer;
	struct sm_post post;
	struct sm_work work;
	int order, *sequence;
	bool dropped;
};

#define OF(member, pointer) ((struct counter *)((char *)(pointer)-offsetof(struct counter, member)))

static void on_timer(struct sm_timer *timer)
{
	OF(timer, timer)->order = ++*OF(timer, timer)->sequence;
}

static void on_post(struct sm_post *post)
{
	OF(post, post)->order = ++*OF(post, post)->sequence;
}

static void on_work(struct sm_work *work)
{
	OF(work, work)->order = 1;
}

static void on_done(struct sm_work *work, bool dropped)
{
	OF(work, work)->dropped = dropped;
	++*OF(work, work)->sequence;
}

TEST(timers_fire_in_the_order_of_their_times)
{
	struct sm_loop *loop = sm_loop_new(1);
	struct counter c[50] = {0};
	int sequence = 0;
	int64_t now = sm_clock_mono_ns();
	for (int i = 0; i < 50; i++) {
		c[i].timer.fire = on_timer;
		c[i].sequence = &sequence;
		CHECK(sm_timer_start(loop, &c[i].timer, now - 1000 + (i * 37) % 50) == SM_OK);
	}
	sm_timer_stop(loop, &c[7].timer);
	sm_timer_stop(loop, &c[7].timer);
	sm_loop_turn(loop, 0);
	CHECK(sequence == 49 && c[7].order == 0);
	for (int i = 1; i < 50; i++)
		for (int j = 0; j < i; j++)
			if (i != 7 && j != 7)
				CHECK((c[i].order < c[j].order) == ((i * 37) % 50 < (j * 37) % 50));
	sm_loop_free(loop);
}

TEST(posts_run_in_order_and_wake_the_loop)
{
	struct sm_loop *loop = sm_loop_new(1);
	struct counter c[3] = {0};
	int sequence = 0;
	for (int i = 0; i < 3; i++) {
		c[i].post.run = on_post;
		c[i].sequence = &sequence;
		sm_loop_post(loop, &c[i].post);
	}
	sm_loop_turn(loop, -1);
	CHECK(c[0].order == 1 && c[1].order == 2 && c[2].order == 3);
	sm_loop_free(loop);
}

TEST(work_runs_elsewhere_and_is_done_here_once)
{
	struct sm_loop *loop = sm_loop_new(2);
	struct counter c[20] = {0};
	int done = 0;
	for (int i = 0; i < 20; i++) {
		c[i].work = (struct sm_work){.work = on_work, .done = on_done};
		c[i].sequence = &done;
		CHECK(sm_work_submit(loop, &c[i].work) == SM_OK);
	}
	while (done < 20)
		sm_loop_turn(loop, -1);
	for (int i = 0; i < 20; i++)
		CHECK(c[i].order == 1 && !c[i].dropped);
	sm_loop_free(loop);
	CHECK(done == 20);
}

static int ready_count;

static void on_ready(struct sm_io *io, short revents)
{
	char byte;
	CHECK(revents & POLLIN);
	CHECK(read(io->fd, &byte, 1) == 1);
	ready_count++;
}

TEST(descriptors_are_watched_until_removed)
{
	struct sm_loop *loop = sm_loop_new(1);
	int fds[40][2];
	struct sm_io ios[40];
	ready_count = 0;
	for (int i = 0; i < 40; i++) {
		CHECK(pipe(fds[i]) == 0);
		ios[i] = (struct sm_io){.fd = fds[i][0], .events = POLLIN, .ready = on_ready};
		CHECK(sm_io_add(loop, &ios[i]) == SM_OK);
		CHECK(write(fds[i][1], "x", 1) == 1);
	}
	sm_io_remove(loop, &ios[3]);
	sm_io_remove(loop, &ios[3]);
	sm_loop_turn(loop, 0);
	CHECK(ready_count == 39);
	for (int i = 0; i < 40; i++) {
		sm_io_remove(loop, &ios[i]);
		close(fds[i][0]);
		close(fds[i][1]);
	}
	sm_loop_free(loop);
}

TEST(a_loop_without_memory_says_so)
{
	enum sm_status status = SM_OK;
	SWEEP(status)
	{
		struct sm_loop *loop = sm_loop_new(1);
		struct counter c[40] = {0};
		int sequence = 0;
		status = loop == NULL ? SM_NOMEM : SM_OK;
		for (int i = 0; i < 40 && status == SM_OK; i++) {
			c[i].timer.fire = on_timer;
			c[i].sequence = &sequence;
			status = sm_timer_start(loop, &c[i].timer, 1);
		}
		sm_loop_free(loop);
	}
	CHECK(status == SM_OK);
}

int main(void)
{
	RUN(every_status_has_a_name);
	RUN(a_long_message_is_cut_on_a_character);
	RUN(a_buffer_grows_up_to_its_maximum);
	RUN(a_buffer_without_memory_keeps_its_content);
	RUN(timers_fire_in_the_order_of_their_times);
	RUN(posts_run_in_order_and_wake_the_loop);
	RUN(work_runs_elsewhere_and_is_done_here_once);
	RUN(descriptors_are_watched_until_removed);
	RUN(a_loop_without_memory_says_so);
	return check_report();
}
