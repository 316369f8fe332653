/*
 * main: finds the lua/ folder, makes the host, runs one script as a task, and leaves with its exit code.
 *
 *   sewing ARGS...             lua/cli/main.lua
 *   sewing --lua FILE ARGS...  any trusted script
 *   sewing --busted ARGS...    busted on our own modules
 */
#include "log.h"
#include "vm.h"

#include <errno.h>
#include <lauxlib.h>
#include <libgen.h>
#include <limits.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct run {
	bool ended;
	int code;
};

static void ended(void *owner, enum sm_task_end end, lua_State *co, int count)
{
	struct run *run = owner;
	run->ended = true;
	if (end == SM_TASK_CANCELLED) { /* by sm.task.exit or a signal, which have set the code */
		run->code = 130;
	} else if (end != SM_TASK_OK) {
		int top = lua_gettop(co);
		run->code = 1;
		const char *traceback = sm_error_field(co, top, "traceback"), *message = sm_error_field(co, top, "message");
		sm_log_plain("sewing: %s\n%s", message != NULL ? message : "(no message)", traceback != NULL ? traceback : "");
	} else if (count > 0 && lua_isinteger(co, -count)) {
		run->code = (int)lua_tointeger(co, -count);
	}
}

static bool has_ended(void *arg)
{
	return ((struct run *)arg)->ended;
}

static bool holds_lua(const char *folder)
{
	char path[PATH_MAX];
	return snprintf(path, sizeof(path), "%s/lua", folder) < (int)sizeof(path) && access(path, R_OK) == 0;
}

/* $SEWING_ROOT, else the nearest folder at or above the program that holds lua/. */
static bool find_root(char *root)
{
	const char *given = getenv("SEWING_ROOT");
	if (given != NULL && given[0] != '\0')
		return realpath(given, root) != NULL && holds_lua(root);
	ssize_t len = readlink("/proc/self/exe", root, PATH_MAX - 1);
	if (len < 0)
		return false;
	root[len] = '\0';
	for (int up = 0; up < 4; up++) {
		memmove(root, dirname(root), strlen(root) + 1);
		if (holds_lua(root))
			return true;
	}
	return false;
}

static int l_main(lua_State *L)
{
	const char *file = lua_tostring(L, 1);
	if (luaL_loadfilex(L, file, "t") != LUA_OK)
		return lua_error(L);
	return 1;
}

/* Pushes the function to run and its arguments; the number of arguments, or -1 with the message on top. */
static int push_script(lua_State *L, const char *root, int argc, char **argv)
{
	char file[PATH_MAX + 32];
	int first = 1;
	bool busted = argc > 1 && strcmp(argv[1], "--busted") == 0;
	if (busted) {
		snprintf(file, sizeof(file), "%s/tests/support/busted.lua", root);
		first = 2;
	} else if (argc > 2 && strcmp(argv[1], "--lua") == 0) {
		snprintf(file, sizeof(file), "%s", argv[2]);
		first = 3;
	} else {
		snprintf(file, sizeof(file), "%s/lua/cli/main.lua", root);
	}
	if (first == 1) /* the other two are for developers */
		sm_close_doors(L);
	lua_createtable(L, argc - first, 1);
	lua_pushstring(L, file);
	lua_rawseti(L, -2, 0);
	for (int i = first; i < argc; i++) {
		lua_pushstring(L, argv[i]);
		lua_rawseti(L, -2, i - first + 1);
	}
	lua_setglobal(L, "arg");
	lua_pushcfunction(L, l_main);
	lua_pushstring(L, file);
	if (lua_pcall(L, 1, 1, 0) != LUA_OK)
		return -1;
	luaL_checkstack(L, argc, "too many arguments");
	for (int i = first; i < argc; i++)
		lua_pushstring(L, argv[i]);
	return argc - first;
}

int main(int argc, char **argv)
{
	char root[PATH_MAX];
	signal(SIGPIPE, SIG_IGN);
	if (!find_root(root)) {
		fprintf(stderr, "sewing: no lua/ folder beside the program; set SEWING_ROOT to the folder that holds it\n");
		return 1;
	}
	struct sm_host *host = sm_host_new(root);
	if (host == NULL) {
		fprintf(stderr, "sewing: not enough memory\n");
		return 1;
	}
	if (sm_host_signals(host) != SM_OK)
		sm_log_plain("sewing: signals cannot be watched");
	struct run run = {0};
	int nargs = push_script(host->L, root, argc, argv);
	if (nargs < 0) {
		sm_log_plain("sewing: %s", lua_tostring(host->L, -1));
		run.code = 1;
	} else {
		sm_task_start(host->L, nargs, NULL, ended, &run, false);
		sm_host_run(host, has_ended, &run);
	}
	int code = host->exiting ? host->exit_code : run.code;
	fflush(stdout);
	sm_host_free(host);
	return code;
}
