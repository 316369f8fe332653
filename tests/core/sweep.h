/*
 * sweep: runs a Lua script again and again while the 1st, 2nd, ... n-th allocation fails.
 *
 * The script calls disarm() when its work is done. Each run must end with success, nil + message, or an error; the
 * sanitizer build sees leaks. A test that includes this is linked with --wrap for malloc, calloc and realloc.
 */
#ifndef SM_SWEEP_H
#define SM_SWEEP_H

#include "../../core/vm.h"
#include "check.h"

#include <lauxlib.h>
#include <stdatomic.h>
#include <stdlib.h>

#define RUNS_MAX 4000

static atomic_int countdown; /* 0: nothing fails */
static atomic_bool failed_one;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);

/* Only the one allocation fails: what cleans up afterwards has memory again, as after a refused large request. */
static bool fails(void)
{
	if (atomic_load(&countdown) == 0 || atomic_fetch_sub(&countdown, 1) != 1)
		return false;
	atomic_store(&failed_one, true);
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
	return fails() ? NULL : __real_realloc(block, size);
}

static int l_arm(lua_State *L)
{
	atomic_store(&countdown, (int)luaL_checkinteger(L, 1));
	return 0;
}

static int l_disarm(lua_State *L)
{
	(void)L;
	atomic_store(&countdown, 0);
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
	atomic_store(&countdown, 0);
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
		atomic_store(&countdown, 0);
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
	lua_register(host->L, "arm", l_arm);
	lua_register(host->L, "disarm", l_disarm);
	struct outcome clean = run_once(host, script, 0, as_task);
	if (!clean.ok)
		printf("without failures: %s\n", clean.message);
	CHECK(clean.ok);
	do {
		atomic_store(&failed_one, false);
		struct outcome outcome = run_once(host, script, ++n, as_task);
		/* An allocation that fails may be made up for (a second try after a collection); otherwise it is told. */
		CHECK(outcome.ok || atomic_load(&failed_one));
		if (!outcome.ok && !atomic_load(&failed_one))
			printf("run %d: %s\n", n, outcome.message);
	} while (atomic_load(&failed_one) && n < RUNS_MAX && clean.ok);
	if (getenv("SM_VERBOSE") != NULL)
		printf("%d runs\n", n);
	CHECK(n > 20 && n < RUNS_MAX);
	CHECK(run_once(host, script, 0, as_task).ok); /* nothing is left broken */
	sm_host_free(host);
}

#endif
