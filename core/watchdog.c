/*
 * watchdog: a ticking signal to the loop thread while Lua runs, so that a deadline stops a script that never waits.
 *
 * A permanent count hook would cost a tight loop 2 to 3 times its speed; a hook set by a signal costs nothing until it
 * is needed. The tick stops by itself when nothing that has a deadline was resumed for a tenth of a second.
 */
#include "clock.h"
#include "task_inner.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS 4000000
#define TURN_GRACE_NS 20000000 /* for __close functions of a task that ran too long without a wait */
#define IDLE_TICKS 25          /* without Lua running before the tick stops: a busy server sets it rarely */

static struct sm_host *volatile watched;
static volatile sig_atomic_t on, resumed, idle;
static bool made;
static timer_t ticker;

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static void set_tick(long ns)
{
	struct itimerspec spec = {.it_interval.tv_nsec = ns, .it_value.tv_nsec = ns};
	timer_settime(ticker, 0, &spec, NULL);
}

/* Nothing here but reads, writes of flags, the clock, timer_settime and lua_sethook: this is a signal handler. */
static void watch(struct sm_host *host, struct sm_task *task)
{
	if (task->kill == SM_KILL_NONE && task->limits.deadline_ns != 0 && sm_clock_mono_ns() >= task->limits.deadline_ns)
		task->kill = SM_KILL_TIME;
	if (task->kill == SM_KILL_NONE && task->limits.deadline_ns == 0 && host->turn_ns != 0 &&
	    sm_clock_mono_ns() >= host->turn_ns) {
		task->limits.deadline_ns = host->turn_ns; /* others wait for the thread: it had this turn and no more */
		task->limits.grace_ns = TURN_GRACE_NS;
		task->kill = SM_KILL_TIME;
	}
	if (task->raised && !task->hard && sm_clock_mono_ns() >= task->grace_ns)
		task->hard = true;
	if (task->kill != SM_KILL_NONE && (!task->raised || task->hard))
		sm_task_strike(host);
}

static void on_tick(int signal_number)
{
	(void)signal_number;
	int saved = errno;
	struct sm_host *host = watched;
	struct sm_task *task = host != NULL ? host->current : NULL;
	if (task != NULL)
		watch(host, task);
	idle = task != NULL || resumed ? 0 : idle + 1;
	resumed = 0;
	if (idle > IDLE_TICKS) {
		on = 0;
		set_tick(0);
	}
	errno = saved;
}

static bool make_ticker(void)
{
	struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
	sigemptyset(&action.sa_mask);
	sigaction(SIGRTMIN + 3, &action, NULL);
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 3};
	event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
	made = timer_create(CLOCK_MONOTONIC, &event, &ticker) == 0;
	return made;
}

void sm_watchdog_on(struct sm_host *host)
{
	watched = host;
	resumed = 1;
	if (on || (!made && !make_ticker()))
		return;
	on = 1;
	set_tick(TICK_NS);
}

void sm_watchdog_off(void)
{
	watched = NULL;
	if (made)
		timer_delete(ticker);
	made = false;
	on = 0;
}
