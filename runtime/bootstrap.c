/*
 * bootstrap: the custom runtime of AWS Lambda.
 *
 * Runs lua/entry/lambda.lua, which loads the handler that _HANDLER names and then serves events, until the platform
 * ends the process or the Runtime API is gone. Takes its settings from the environment, as the platform gives them.
 */
#include "bundle.h"
#include "log.h"
#include "lua_bundle.h"
#include "lua_lambda.h"

#include <lauxlib.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENTRY_FILE "entry/lambda.lua"
#define ENTRY "lua/" ENTRY_FILE

struct run {
	struct sm_host *host;
	const char *address;
	bool ended;
};

/* The task that loads the handler has ended: events are being served, or the platform has been told why not. */
static void started(void *owner, enum sm_task_end end, lua_State *co, int count)
{
	struct run *run = owner;
	run->ended = true;
	sm_host_collect(run->host); /* the first event is asked for by now */
	if (end != SM_TASK_OK) {
		const char *message = count > 0 ? sm_error_field(co, -1, "message") : NULL;
		message = message != NULL ? message : "the runtime's own script failed";
		sm_log_plain("bootstrap: %s", message);
		if (end != SM_TASK_CANCELLED)
			sm_lambda_init_error(run->address, "Runtime.InitError", message);
	}
}

static bool is_over(void *arg)
{
	const struct run *run = arg;
	return run->ended && !sm_lambda_serves(run->host);
}

static bool holds_entry(const char *folder)
{
	char path[PATH_MAX + sizeof(ENTRY) + 1];
	return snprintf(path, sizeof(path), "%s/" ENTRY, folder) < (int)sizeof(path) && access(path, R_OK) == 0;
}

/* A program that carries its Lua needs no lua/ in the function's folder. */
static bool take_task_root(char *root)
{
	const char *given = getenv("LAMBDA_TASK_ROOT");
	if (sm_bundle_own()->count == 0)
		return false;
	if (given != NULL && given[0] == '/' && strlen(given) < PATH_MAX) { /* as the platform gives it */
		strcpy(root, given);
		return true;
	}
	return realpath(given != NULL && given[0] != '\0' ? given : ".", root) != NULL;
}

/* The function's own folder, else $SEWING_ROOT, else the nearest folder at or above the program. */
static bool find_root(char *root)
{
	if (take_task_root(root))
		return true;
	const char *const given[] = {getenv("LAMBDA_TASK_ROOT"), getenv("SEWING_ROOT")};
	for (size_t i = 0; i < 2; i++)
		if (given[i] != NULL && given[i][0] != '\0' && realpath(given[i], root) != NULL && holds_entry(root))
			return true;
	ssize_t len = readlink("/proc/self/exe", root, PATH_MAX - 1);
	if (len < 0)
		return false;
	root[len] = '\0';
	for (int up = 0; up < 4; up++) {
		memmove(root, dirname(root), strlen(root) + 1);
		if (holds_entry(root))
			return true;
	}
	return false;
}

static int fail(const struct run *run, const char *message)
{
	sm_log_plain("bootstrap: %s", message);
	sm_lambda_init_error(run->address, "Runtime.InitError", message);
	return 1;
}

static int serve(struct run *run)
{
	struct sm_host *host = run->host;
	sm_close_doors(host->L);
	if (sm_host_signals(host) != SM_OK)
		return fail(run, "signals cannot be watched");
	if (!sm_bundle_load(host->L, ENTRY_FILE))
		return fail(run, lua_tostring(host->L, -1));
	lua_pushstring(host->L, run->address);
	sm_task_start(host->L, 1, NULL, started, run, false);
	sm_host_run(host, is_over, run);
	return host->exiting ? host->exit_code : 1; /* without its Runtime API the process is of no use */
}

int main(void)
{
	char root[PATH_MAX];
	struct run run = {.address = getenv("AWS_LAMBDA_RUNTIME_API")};
	signal(SIGPIPE, SIG_IGN);
	if (run.address == NULL) {
		sm_log_plain("bootstrap: AWS_LAMBDA_RUNTIME_API is not set. AWS Lambda or its emulator starts this program; "
		             "on your own machine use ./sewing serve or ./sewing invoke");
		return 1;
	}
	if (!find_root(root))
		return fail(&run, "no " ENTRY " in LAMBDA_TASK_ROOT, SEWING_ROOT or beside the program");
	run.host = sm_host_new(root);
	if (run.host == NULL)
		return fail(&run, "not enough memory");
	sm_host_keep(run.host);
	int code = serve(&run);
	sm_host_free(run.host);
	return code;
}
