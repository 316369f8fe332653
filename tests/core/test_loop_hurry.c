/* A turn whose first part makes something ready must not sleep in poll: it did, and every task stood still. */
#include "../../core/clock.h"
#include "../../core/loop.h"
#include "check.h"

static struct sm_loop *loop;
static bool late;

static void make_something_ready(struct sm_post *post)
{
	(void)post;
	sm_loop_hurry(loop);
}

static void too_late(struct sm_timer *timer)
{
	(void)timer;
	late = true;
}

TEST(a_post_at_the_start_of_a_turn_does_not_sleep)
{
	struct sm_post post = {.run = make_something_ready};
	struct sm_timer watch = {.fire = too_late};
	loop = sm_loop_new(1);
	sm_loop_post(loop, &post);
	CHECK(sm_timer_start(loop, &watch, sm_clock_mono_ns() + 2000000000) == SM_OK);
	sm_loop_turn(loop, -1);
	CHECK(!late);
	sm_loop_turn(loop, 0);
	CHECK(!late); /* the hurry is over, and nothing else was due */
	sm_timer_stop(loop, &watch);
	sm_loop_free(loop);
}

int main(void)
{
	RUN(a_post_at_the_start_of_a_turn_does_not_sleep);
	return check_report();
}
