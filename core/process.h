/*
 * process: runs a program of the machine's shell and collects what it prints.
 *
 * The caller drives it: it polls out, err and watch, calls sm_process_read when one of the first two is readable, and
 * sm_process_ended when watch is (without a watch: from time to time). The child has a process group of its own, no
 * input, none of our descriptors and no blocked signals. Knows nothing of Lua nor of the loop.
 */
#ifndef SM_PROCESS_H
#define SM_PROCESS_H

#include "buf.h"

#include <stdbool.h>
#include <sys/types.h>

struct sm_process {
	pid_t pid;    /* 0: not running, or reaped */
	int out, err; /* non-blocking; -1 once closed by the child */
	int watch;    /* readable when the child has ended; -1 when the kernel cannot tell */
	int code;     /* exit code, once ended */
	int signal;   /* that ended it, or 0 */
	struct sm_buf stdout_text, stderr_text;
};

/* Of stderr only so much is kept; the rest is read and dropped. */
#define SM_PROCESS_STDERR_MAX 4096

/* The variables of this process and those of add ("NAME=value", list ended by NULL, may be NULL), which win. */
char **sm_process_environment(const char *const *add);
/*
 * Starts `/bin/sh -c command`. env as sm_process_environment gives it (borrowed); max_bytes: of what it prints. On
 * failure nothing is left to close.
 */
enum sm_status sm_process_start(struct sm_process *process, const char *command, char **env, size_t max_bytes,
                                struct sm_error *err);
/* Takes what is there, from out or err. SM_LIMIT: more than max_bytes. */
enum sm_status sm_process_read(struct sm_process *process, int *fd, struct sm_error *err);
/* True when the child has ended: it is reaped then, code and signal are set. */
bool sm_process_ended(struct sm_process *process);
/* Kills the child with its whole group, if it runs; closes and frees everything. Harmless twice. */
void sm_process_close(struct sm_process *process);

#endif
