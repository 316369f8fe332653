/*
 * sm.lambda: the Lambda Runtime API for Lua.
 *
 * serve() opens one connection (or several: concurrency) and asks each for the next event. An event starts a task with
 * a deadline and a memory cap; its result is posted, the collector runs, and the next event is asked for. See
 * lua/types/sm_lambda.lua for the functions that Lua gives, and docs/lambda.md for the rules.
 *
 * With one connection and nothing else on the loop the host waits inside of the read itself: an invocation then costs
 * four system calls, two writes and two reads.
 */
#include "lua_lambda_inner.h"
#include "lua_libs.h"
#include "lua_result.h"
#include "lua_type.h"
#include "task_inner.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_MAX 1024

/* ---- serving ---- */

static void free_lambda(struct lambda *lambda)
{
	for (unsigned i = 0; i < lambda->count; i++) {
		lambda_off(&lambda->slots[i]);
		lambda_drop_kept(&lambda->slots[i]);
		sm_api_free(lambda->slots[i].api);
	}
	free(lambda->slots);
	lambda->slots = NULL;
	lambda->count = 0;
}

/* The holder of the one struct lambda, kept in the registry until the state is closed. */
static int l_lambda_gc(lua_State *L)
{
	struct lambda *lambda = lua_touserdata(L, 1);
	struct sm_host *host = lambda->host;
	free_lambda(lambda);
	if (lambda->trace[0] != '\0' && getenv("_X_AMZN_TRACE_ID") != NULL)
		unsetenv("_X_AMZN_TRACE_ID"); /* the environment must not hold our bytes any longer */
	if (host->waiter == lambda) {
		host->waiter = NULL;
		host->wait_instead = NULL;
		host->turn_ends = NULL;
	}
	return 0;
}

static int take_function(lua_State *L, const char *name)
{
	if (lua_getfield(L, 1, name) != LUA_TFUNCTION)
		return luaL_error(L, "serve needs a function %s", name);
	return luaL_ref(L, LUA_REGISTRYINDEX);
}

static lua_Integer take_integer(lua_State *L, const char *name, lua_Integer default_value)
{
	lua_getfield(L, 1, name);
	lua_Integer value = luaL_optinteger(L, -1, default_value);
	lua_pop(L, 1);
	return value;
}

static void take_functions(lua_State *L, struct lambda *lambda)
{
	lambda->on_event = take_function(L, "on_event");
	lambda->on_failure = take_function(L, "on_failure");
	if (lua_getfield(L, 1, "on_problem") != LUA_TFUNCTION)
		luaL_error(L, "serve needs a function on_problem");
	lua_pushcclosure(L, lambda_l_problem, 1);
	lambda->on_problem = luaL_ref(L, LUA_REGISTRYINDEX);
}

static enum sm_status make_slots(struct lambda *lambda, unsigned count, const char *address, struct sm_error *err)
{
	lambda->slots = calloc(count, sizeof(*lambda->slots));
	if (lambda->slots == NULL)
		return sm_fail(err, SM_NOMEM, "not enough memory");
	for (; lambda->count < count; lambda->count++) {
		struct slot *slot = &lambda->slots[lambda->count];
		enum sm_status status = sm_api_new(address, &slot->api, err);
		if (status != SM_OK)
			return status;
		slot->lambda = lambda;
	}
	return SM_OK;
}

/*
 * serve{address, concurrency?, memory?, on_event, on_failure, on_problem} -> true | nil, message, code. Asks for events
 * from now on; returns at once. Once per process.
 */
static int l_serve(lua_State *L)
{
	struct sm_host *host = sm_host_of(L);
	struct sm_error err;
	luaL_checktype(L, 1, LUA_TTABLE);
	if (host->waiter != NULL)
		return luaL_error(L, "serve is called once");
	lua_getfield(L, 1, "address");
	const char *address = luaL_checkstring(L, -1);
	lua_Integer count = take_integer(L, "concurrency", 1), memory = take_integer(L, "memory", 0);
	luaL_argcheck(L, count >= 1 && count <= SLOTS_MAX && memory >= 0, 1, "concurrency or memory out of range");
	struct lambda *lambda = lua_newuserdatauv(L, sizeof(*lambda), 0);
	*lambda = (struct lambda){.host = host, .memory_bytes = (size_t)memory};
	memcpy(lambda->trace, "_X_AMZN_TRACE_ID=", sizeof("_X_AMZN_TRACE_ID="));
	luaL_setmetatable(L, LAMBDA_TYPE);
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, host);
	take_functions(L, lambda);
	enum sm_status status = make_slots(lambda, (unsigned)count, address, &err);
	if (status != SM_OK)
		return sm_push_error(L, &err);
	host->waiter = lambda;
	host->wait_instead = lambda_wait_in_read;
	host->turn_ends = lambda_turn_ends;
	lambda->on = lambda->count;
	for (unsigned i = 0; i < lambda->count; i++)
		lambda_next(&lambda->slots[i]);
	lua_pushboolean(L, 1);
	return 1;
}

/* stop(): no further event is asked for; connections that wait for one are closed. Invocations that run go on. */
static int l_stop(lua_State *L)
{
	struct lambda *lambda = lambda_of(sm_host_of(L));
	if (lambda == NULL)
		return 0;
	lambda->stopping = true;
	for (unsigned i = 0; i < lambda->count; i++)
		if (lambda->slots[i].state == SLOT_NEXT || lambda->slots[i].state == SLOT_RETRY)
			lambda_off(&lambda->slots[i]);
	return 0;
}

/* running() -> how many invocations have not been answered yet. */
static int l_running(lua_State *L)
{
	const struct lambda *lambda = lambda_of(sm_host_of(L));
	lua_Integer count = 0;
	for (unsigned i = 0; lambda != NULL && i < lambda->count; i++)
		count += lambda->slots[i].state == SLOT_RUN || lambda->slots[i].state == SLOT_POST;
	lua_pushinteger(L, count);
	return 1;
}

/* cancel(reason): invocations that wait are ended, and their callers told. */
static int l_cancel(lua_State *L)
{
	const char *reason = luaL_checkstring(L, 1);
	struct lambda *lambda = lambda_of(sm_host_of(L));
	for (unsigned i = 0; lambda != NULL && i < lambda->count; i++)
		if (lambda->slots[i].task != NULL && lambda->slots[i].task != sm_task_current(L))
			sm_task_cancel(lambda->slots[i].task, reason);
	return 0;
}

/*
 * on_signal(fn): fn("SIGTERM" or "SIGINT") runs as a task of its own. Without it such a signal ends the process.
 */
static int l_on_signal(lua_State *L)
{
	struct sm_host *host = sm_host_of(L);
	luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_settop(L, 1);
	luaL_unref(L, LUA_REGISTRYINDEX, host->on_signal);
	host->on_signal = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

/* exit(code): the process ends once this task has. */
static int l_exit(lua_State *L)
{
	struct sm_host *host = sm_host_of(L);
	host->exit_code = (int)luaL_checkinteger(L, 1);
	host->exiting = true;
	return 0;
}

bool sm_lambda_serves(const struct sm_host *host)
{
	const struct lambda *lambda = lambda_of(host);
	return lambda != NULL && (lambda->on > 0 || lambda->stopping);
}

/* ---- the module ---- */

static void make_call_type(lua_State *L)
{
	static const luaL_Reg methods[] = {
	    {"start_stream", lambda_l_start_stream}, {"write", lambda_l_write}, {NULL, NULL}};
	sm_make_type(L, CALL_TYPE, methods, NULL);
	luaL_getmetatable(L, CALL_TYPE);
	luaL_newlib(L, methods);
	lua_pushcclosure(L, lambda_l_call_index, 1);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
}

static const luaL_Reg functions[] = {{"serve", l_serve},
                                     {"stop", l_stop},
                                     {"running", l_running},
                                     {"cancel", l_cancel},
                                     {"on_signal", l_on_signal},
                                     {"exit", l_exit},
                                     {"hold", lambda_l_hold},
                                     {"post_error", lambda_l_post_error},
                                     {"request", lambda_l_request},
                                     {NULL, NULL}};

int luaopen_sm_lambda(lua_State *L)
{
	static const luaL_Reg none[] = {{NULL, NULL}};
	static const luaL_Reg lambda_meta[] = {{"__gc", l_lambda_gc}, {NULL, NULL}};
	static const luaL_Reg connection_meta[] = {
	    {"__gc", lambda_l_connection_gc}, {"__close", lambda_l_connection_gc}, {NULL, NULL}};
	make_call_type(L);
	sm_make_type(L, LAMBDA_TYPE, none, lambda_meta);
	sm_make_type(L, CONNECTION_TYPE, none, connection_meta);
	luaL_newlib(L, functions);
	lua_pushinteger(L, (lua_Integer)SM_API_ANSWER_MAX);
	lua_setfield(L, -2, "answer_max");
	return 1;
}
