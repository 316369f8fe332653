/*
 * signals: SIGTERM and SIGINT on the loop.
 *
 * The handler writes the number to a pipe; the loop calls the function of sm.task.on_signal in a task of its own.
 * Without such a function the program ends with 128 + number. A second signal before the first was looked at (a script
 * that never waits) ends the process at once.
 *
 * A host that waits in a system call of its own (wait_instead of vm.h) instead of the loop's poll would miss a signal
 * that arrives just before that call. So from the signal on an alarm interrupts it every millisecond, until the loop
 * has seen the signal.
 */
#include "log.h"
#include "task_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <poll.h>
#include <sys/time.h>
#include <unistd.h>

#define ALARM_US 1000

static struct {
	struct sm_io io;
	struct sm_host *host;
	int pipe[2];
	volatile sig_atomic_t unseen;
	bool on;
} signals;

static void set_alarm(long us)
{
	struct itimerval every = {.it_interval.tv_usec = us, .it_value.tv_usec = us};
	setitimer(ITIMER_REAL, &every, NULL);
}

static void on_alarm(int number)
{
	(void)number;
}

static void on_signal(int number)
{
	int saved = errno;
	char byte = (char)number;
	if (signals.unseen++ > 0) {
		signal(number, SIG_DFL);
		raise(number);
	} else if (write(signals.pipe[1], &byte, 1) < 0) {
		_exit(128 + number);
	}
	if (signals.host != NULL && signals.host->wait_instead != NULL)
		set_alarm(ALARM_US);
	errno = saved;
}

bool sm_signals_waiting(void)
{
	return signals.unseen > 0;
}

static void handler_ended(void *owner, enum sm_task_end end, lua_State *co, int count)
{
	(void)owner;
	(void)count;
	const char *message = end == SM_TASK_FAILED ? sm_error_field(co, -1, "message") : NULL;
	if (message != NULL)
		sm_log_plain("sewing: the handler of a signal failed: %s", message);
}

static void deliver(struct sm_host *host, int number)
{
	lua_State *L = host->L;
	if (host->on_signal == LUA_NOREF) {
		host->exit_code = 128 + number;
		host->exiting = true;
		return;
	}
	if (!lua_checkstack(L, 4))
		return;
	lua_rawgeti(L, LUA_REGISTRYINDEX, host->on_signal);
	lua_pushstring(L, number == SIGTERM ? "SIGTERM" : "SIGINT");
	sm_task_start(L, 1, NULL, handler_ended, NULL, false);
}

static void pipe_ready(struct sm_io *io, short revents)
{
	(void)revents;
	char numbers[16];
	ssize_t count = read(io->fd, numbers, sizeof(numbers));
	signals.unseen = 0;
	if (signals.host->wait_instead != NULL)
		set_alarm(0);
	for (ssize_t i = 0; i < count; i++)
		deliver(signals.host, numbers[i]);
}

enum sm_status sm_host_signals(struct sm_host *host)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	if (pipe2(signals.pipe, O_NONBLOCK | O_CLOEXEC) != 0)
		return SM_IO;
	signals.host = host;
	signals.io = (struct sm_io){.fd = signals.pipe[0], .events = POLLIN, .ready = pipe_ready};
	enum sm_status status = sm_io_add(host->loop, &signals.io);
	if (status != SM_OK)
		return status;
	sigemptyset(&action.sa_mask);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	action = (struct sigaction){.sa_handler = on_alarm};
	sigaction(SIGALRM, &action, NULL);
	signals.on = true;
	return SM_OK;
}

void sm_signals_off(struct sm_host *host)
{
	if (!signals.on || signals.host != host)
		return;
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	sm_io_remove(host->loop, &signals.io);
	close(signals.pipe[0]);
	close(signals.pipe[1]);
	signals.on = false;
}
