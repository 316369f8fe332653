/* The host and its tasks: limits, reuse of coroutines, and all of it when memory runs out. */
#include "check.h"

#include "alloc_fail.h"
#include "vm.h"

#include <lauxlib.h>

struct ending {
	int count;
	enum sm_task_end end;
	char message[200];
};

static void ended(void *owner, enum sm_task_end end, lua_State *co, int count)
{
	struct ending *ending = owner;
	ending->count++;
	ending->end = end;
	ending->message[0] = '\0';
	if (end == SM_TASK_OK && count > 0 && lua_type(co, -count) == LUA_TSTRING)
		snprintf(ending->message, sizeof(ending->message), "%s", lua_tostring(co, -count));
	if (end != SM_TASK_OK && lua_istable(co, -1) && lua_getfield(co, -1, "message") == LUA_TSTRING)
		snprintf(ending->message, sizeof(ending->message), "%s", lua_tostring(co, -1));
}

static bool has_ended(void *arg)
{
	return ((struct ending *)arg)->count > 0;
}

/* Runs a chunk as a task to its end. */
static struct ending run(struct sm_host *host, const char *code, struct sm_limits limits)
{
	struct ending ending = {0};
	if (luaL_loadbufferx(host->L, code, strlen(code), "=chunk", "t") != LUA_OK) {
		lua_pop(host->L, 1);
		return ending;
	}
	if (sm_task_start(host->L, 0, &limits, ended, &ending, true) != NULL)
		sm_host_run(host, has_ended, &ending);
	return ending;
}

TEST(a_task_gives_its_results)
{
	struct sm_host *host = sm_host_new(SM_SOURCE);
	struct ending ending = run(host, "return 'here', 2", (struct sm_limits){0});
	CHECK(ending.count == 1 && ending.end == SM_TASK_OK);
	CHECK_STR(ending.message, "here");
	sm_host_free(host);
}

TEST(a_task_that_waits_goes_on)
{
	struct sm_host *host = sm_host_new(SM_SOURCE);
	struct ending ending = run(host, "require('sm.task').sleep(0.001) return 'awake'", (struct sm_limits){0});
	CHECK_STR(ending.message, "awake");
	sm_host_free(host);
}

TEST(an_error_carries_its_place)
{
	struct sm_host *host = sm_host_new(SM_SOURCE);
	struct ending ending = run(host, "\nerror('boom')", (struct sm_limits){0});
	CHECK(ending.end == SM_TASK_FAILED);
	CHECK_STR(ending.message, "chunk:2: boom");
	sm_host_free(host);
}

TEST(memory_is_capped)
{
	struct sm_host *host = sm_host_new(SM_SOURCE);
	struct ending ending =
	    run(host, "local s = 'x' while true do s = s .. s end", (struct sm_limits){.memory_bytes = 4 << 20});
	CHECK(ending.end == SM_TASK_LIMIT);
	CHECK_STR(ending.message, "memory limit of 4 MiB reached at chunk:1");
	sm_host_free(host);
}

TEST(coroutines_are_used_again)
{
	struct sm_host *host = sm_host_new(SM_SOURCE);
	run(host, "return 1", (struct sm_limits){0});
	lua_gc(host->L, LUA_GCCOLLECT);
	size_t before = host->bytes;
	for (int i = 0; i < 1000; i++)
		run(host, "return 1", (struct sm_limits){0});
	lua_gc(host->L, LUA_GCCOLLECT);
	CHECK(host->bytes < before + 4096);
	CHECK(host->spare_count == 1);
	sm_host_free(host);
}

TEST(the_program_ends_with_tasks_that_still_wait)
{
	struct sm_host *host = sm_host_new(SM_SOURCE);
	struct ending ending = {0};
	const char *code =
	    "local x <close> = setmetatable({}, {__close = function() closed = true end}) require('sm.task').sleep(1000)";
	CHECK(luaL_loadstring(host->L, code) == LUA_OK);
	CHECK(sm_task_start(host->L, 0, NULL, ended, &ending, true) != NULL);
	sm_host_free(host);
	CHECK(ending.count == 1 && ending.end == SM_TASK_CANCELLED);
}

/* Starting a task may fail; then nothing has changed and the next one works. */
TEST(a_task_without_memory_is_refused)
{
	struct sm_host *host = sm_host_new(SM_SOURCE);
	CHECK(luaL_loadstring(host->L, "return 'fine'") == LUA_OK);
	for (unsigned n = 1, hit = 1; hit; n++) { /* Lua collects garbage and tries again: success is fine here */
		struct ending ending = {0};
		lua_pushvalue(host->L, 1);
		alloc_fail_at(n);
		sm_task_start(host->L, 0, NULL, ended, &ending, true);
		hit = alloc_fail_hit();
		CHECK(ending.count <= 1 && lua_gettop(host->L) == 1);
		lua_gc(host->L, LUA_GCCOLLECT);
		if (!hit)
			CHECK_STR(ending.message, "fine");
	}
	CHECK(lua_gettop(host->L) == 1);
	sm_host_free(host);
}

int main(void)
{
	sm_alloc_plain = true; /* every allocation of Lua can be made to fail */
	RUN(a_task_gives_its_results);
	RUN(a_task_that_waits_goes_on);
	RUN(an_error_carries_its_place);
	RUN(memory_is_capped);
	RUN(coroutines_are_used_again);
	RUN(the_program_ends_with_tasks_that_still_wait);
	RUN(a_task_without_memory_is_refused);
	return check_report();
}
