/*
 * sweep: runs a Lua script again and again while the 1st, 2nd, ... n-th allocation fails.
 *
 * The script calls disarm() when its work is done. Each run must end with success, nil + message, or an error; the
 * sanitizer build sees leaks. The allocations fail by alloc_fail.h, so the test is linked with it (sm_sweep_test).
 */
#ifndef SM_SWEEP_H
#define SM_SWEEP_H

#include "../../core/vm.h"
#include "alloc_fail.h"
#include "check.h"

#include <lauxlib.h>
#include <stdlib.h>

#define RUNS_MAX 4000

static int l_arm(lua_State *L)
{
	alloc_fail_at((unsigned)luaL_checkinteger(L, 1));
	return 0;
}

static int l_disarm(lua_State *L)
{
	(void)L;
	alloc_fail_hit();
	return 0;
}

struct outcome {
	bool over, ok;
	char message[256];
};

static void keep(struct outcome *outcome, lua_State *L, int index)
{
	const char *text = NULL;
	if (lua_istable(L, index)) {
		lua_getfield(L, index, "message");
		text = lua_tostring(L, -1);
	} else {
		text = lua_tostring(L, index);
	}
	snprintf(outcome->message, sizeof(outcome->message), "%s", text != NULL ? text : "(no text)");
}

static void on_end(void *owner, enum sm_task_end end, lua_State *co, int count)
{
	struct outcome *outcome = owner;
	alloc_fail_hit();
	outcome->over = true;
	outcome->ok = end == SM_TASK_OK;
	if (!outcome->ok && count > 0)
		keep(outcome, co, lua_gettop(co));
}

static bool is_over(void *arg)
{
	return ((struct outcome *)arg)->over;
}

/* Runs "arm(n) script" once, as a task or directly. */
static struct outcome run_once(struct sm_host *host, const char *script, int n, bool as_task)
{
	struct outcome outcome = {0};
	lua_State *L = host->L;
	lua_pushfstring(L, "local N = %d arm(N)\n%s", n, script);
	if (luaL_loadstring(L, lua_tostring(L, -1)) != LUA_OK) {
		printf("%s\n", lua_tostring(L, -1));
		exit(1);
	}
	lua_remove(L, -2);
	if (as_task) {
		sm_task_start(L, 0, NULL, on_end, &outcome, false);
		sm_host_run(host, is_over, &outcome);
	} else {
		outcome.ok = lua_pcall(L, 0, 0, 0) == LUA_OK;
		alloc_fail_hit();
		if (!outcome.ok)
			keep(&outcome, L, -1);
	}
	lua_settop(L, 0);
	return outcome;
}

static void sweep(const char *script, bool as_task)
{
	sm_alloc_plain = true;
	struct sm_host *host = sm_host_new(".");
	int n = 0;
	bool failed_one;
	lua_register(host->L, "arm", l_arm);
	lua_register(host->L, "disarm", l_disarm);
	struct outcome clean = run_once(host, script, 0, as_task);
	if (!clean.ok)
		printf("without failures: %s\n", clean.message);
	CHECK(clean.ok);
	do {
		struct outcome outcome = run_once(host, script, ++n, as_task);
		failed_one = alloc_fail_hit();
		/* An allocation that fails may be made up for (a second try after a collection); otherwise it is told. */
		CHECK(outcome.ok || failed_one);
		if (!outcome.ok && !failed_one)
			printf("run %d: %s\n", n, outcome.message);
	} while (failed_one && n < RUNS_MAX && clean.ok);
	if (getenv("SM_VERBOSE") != NULL)
		printf("%d runs\n", n);
	CHECK(n > 20 && n < RUNS_MAX);
	CHECK(run_once(host, script, 0, as_task).ok); /* nothing is left broken */
	sm_host_free(host);
}

#endif
