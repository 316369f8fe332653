#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* ---- environment ---- */

static size_t count_of(char *const *list)
{
	size_t count = 0;
	while (list != NULL && list[count] != NULL)
		count++;
	return count;
}

static bool is_replaced(const char *entry, const char *const *add)
{
	size_t name = strcspn(entry, "=") + 1;
	for (; add != NULL && *add != NULL; add++)
		if (strncmp(entry, *add, name) == 0)
			return true;
	return false;
}

char **sm_process_environment(const char *const *add)
{
	size_t count = 0;
	char **env = calloc(count_of(environ) + count_of((char *const *)add) + 1, sizeof(*env));
	if (env == NULL)
		return NULL;
	for (char **entry = environ; entry != NULL && *entry != NULL; entry++)
		if (!is_replaced(*entry, add))
			env[count++] = *entry;
	for (; add != NULL && *add != NULL; add++)
		env[count++] = (char *)*add;
	return env;
}

/* ---- the child: only what is safe between fork and exec ---- */

/* Descriptors that a library opened without close-on-exec do not reach the program. */
static void close_from(int first)
{
#ifdef SYS_close_range
	if (syscall(SYS_close_range, (unsigned)first, ~0u, 0u) == 0)
		return;
#endif
	long last = sysconf(_SC_OPEN_MAX);
	for (int fd = first; fd < (last > 0 && last < 65536 ? last : 65536); fd++)
		close(fd);
}

static void default_signals(void)
{
	static const int changed[] = {SIGPIPE, SIGTERM, SIGINT, SIGALRM, SIGPROF, SIGCHLD};
	sigset_t none;
	for (size_t i = 0; i < sizeof(changed) / sizeof(*changed); i++)
		signal(changed[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void be_child(const char *command, char **env, int in, int out, int err)
{
	char *argv[] = {"sh", "-c", (char *)command, NULL};
	setpgid(0, 0);
	default_signals();
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
		_exit(127);
	close_from(3);
	execve("/bin/sh", argv, env);
	_exit(127);
}

/* ---- the parent ---- */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* A descriptor above the standard three: the child's dup2 must not hit another one of these. */
static int lift(int fd)
{
	if (fd < 0 || fd > 2)
		return fd;
	int high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	int saved = errno;
	close(fd);
	errno = saved;
	return high;
}

static enum sm_status open_pipe(int ends[2], struct sm_error *err)
{
	if (pipe2(ends, O_CLOEXEC) != 0) {
		ends[0] = ends[1] = -1;
		return sm_fail(err, SM_IO, "start a program: %s", strerror(errno));
	}
	for (int i = 0; i < 2; i++)
		ends[i] = lift(ends[i]);
	if (ends[0] < 0 || ends[1] < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0)
		return sm_fail(err, SM_IO, "start a program: %s", strerror(errno));
	return SM_OK;
}

static int open_watch(pid_t pid)
{
#ifdef SYS_pidfd_open
	return (int)syscall(SYS_pidfd_open, pid, 0);
#else
	(void)pid;
	return -1;
#endif
}

static enum sm_status spawn(struct sm_process *process, const char *command, char **env, int in, int out, int err_fd,
                            struct sm_error *err)
{
	pid_t pid = fork();
	if (pid < 0)
		return sm_fail(err, SM_IO, "start a program: %s", strerror(errno));
	if (pid == 0)
		be_child(command, env, in, out, err_fd);
	setpgid(pid, pid); /* both do it, so that whoever kills the group finds it */
	process->pid = pid;
	process->watch = open_watch(pid);
	return SM_OK;
}

enum sm_status sm_process_start(struct sm_process *process, const char *command, char **env, size_t max_bytes,
                                struct sm_error *err)
{
	int out[2] = {-1, -1}, errs[2] = {-1, -1}, in = -1;
	enum sm_status status;
	*process = (struct sm_process){.out = -1, .err = -1, .watch = -1};
	sm_buf_init(&process->stdout_text, max_bytes);
	sm_buf_init(&process->stderr_text, SM_PROCESS_STDERR_MAX);
	status = open_pipe(out, err);
	if (status == SM_OK)
		status = open_pipe(errs, err);
	if (status != SM_OK)
		goto done;
	in = lift(open("/dev/null", O_RDONLY | O_CLOEXEC));
	if (in < 0) {
		status = sm_fail(err, SM_IO, "start a program: %s", strerror(errno));
		goto done;
	}
	status = spawn(process, command, env, in, out[1], errs[1], err);
	if (status == SM_OK) {
		process->out = out[0];
		process->err = errs[0];
		out[0] = errs[0] = -1;
	}
done:
	close_fd(&in);
	for (int i = 0; i < 2; i++) {
		close_fd(&out[i]);
		close_fd(&errs[i]);
	}
	return status;
}

static enum sm_status keep(struct sm_process *process, bool is_err, const char *bytes, size_t len, struct sm_error *err)
{
	if (!is_err) {
		enum sm_status status = sm_buf_add(&process->stdout_text, bytes, len);
		if (status == SM_LIMIT)
			return sm_fail(err, SM_LIMIT, "the program printed more than %zu bytes", process->stdout_text.max);
		return status == SM_OK ? SM_OK : sm_fail(err, status, "no memory for what the program printed");
	}
	size_t room = process->stderr_text.max - process->stderr_text.len;
	if (sm_buf_add(&process->stderr_text, bytes, len < room ? len : room) == SM_NOMEM)
		return sm_fail(err, SM_NOMEM, "no memory for what the program printed");
	return SM_OK;
}

enum sm_status sm_process_read(struct sm_process *process, int *fd, struct sm_error *err)
{
	char bytes[8192];
	bool is_err = fd == &process->err;
	while (*fd >= 0) {
		ssize_t got = read(*fd, bytes, sizeof(bytes));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return SM_OK;
		if (got <= 0) {
			close_fd(fd);
			return SM_OK;
		}
		enum sm_status status = keep(process, is_err, bytes, (size_t)got, err);
		if (status != SM_OK)
			return status;
	}
	return SM_OK;
}

static void set_end(struct sm_process *process, int how)
{
	process->pid = 0;
	process->signal = WIFSIGNALED(how) ? WTERMSIG(how) : 0;
	process->code = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + process->signal;
}

bool sm_process_ended(struct sm_process *process)
{
	int how = 0;
	if (process->pid == 0)
		return true;
	pid_t got = waitpid(process->pid, &how, WNOHANG);
	if (got == 0 || (got < 0 && errno == EINTR))
		return false;
	set_end(process, how);
	return true;
}

void sm_process_close(struct sm_process *process)
{
	int how;
	if (process->pid > 0) {
		kill(-process->pid, SIGKILL);
		kill(process->pid, SIGKILL);                                 /* the group may not exist yet */
		while (waitpid(process->pid, &how, 0) < 0 && errno == EINTR) /* a killed shell ends at once */
			;
		process->pid = 0;
	}
	close_fd(&process->out);
	close_fd(&process->err);
	close_fd(&process->watch);
	sm_buf_free(&process->stdout_text);
	sm_buf_free(&process->stderr_text);
}
