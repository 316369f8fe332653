/*
 * sm.server: the local HTTP/1.1 server for Lua.
 *
 * Each request is a task. A handler that ends without waiting answers inside libmicrohttpd's own callback; one that
 * waits is answered when it ends. When the client leaves, its task is cancelled. See lua/types/sm_server.lua for the
 * shape of requests and answers.
 */
#include "clock.h"
#include "lua_libs.h"
#include "lua_result.h"
#include "lua_server_inner.h"

#include <lauxlib.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTENER_TYPE "sm.server.listener"
#define NS_PER_S 1e9
#define FAILURE_SECONDS 5 /* what on_failure may take */
#define SLOT_BITS 20
#define MAX_SLOTS (1u << SLOT_BITS)

static lua_State *main_thread(lua_State *L)
{
	lua_State *main;

	lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
	main = lua_tothread(L, -1);
	lua_pop(L, 1);
	return main;
}

void server_unref(lua_State *L, int *ref)
{
	if (*ref != 0)
		luaL_unref(L, LUA_REGISTRYINDEX, *ref);
	*ref = 0;
}

/* Lets go of everything once the server is closed and the last call has ended. */
static void settle(struct listener *listener)
{
	lua_State *L = listener->L;

	if (listener->server != NULL || listener->live > 0)
		return;
	server_unref(L, &listener->on_request);
	server_unref(L, &listener->on_failure);
	server_unref(L, &listener->serve);
	server_unref(L, &listener->fail);
	server_unref(L, &listener->meta);
	server_unref(L, &listener->requests);
	server_unref(L, &listener->self); /* last: the listener may be collected from here on */
}

/* ---- slots: how a request table finds its request, or learns that it is over ---- */

static bool grow_slots(struct listener *listener)
{
	size_t count = listener->slot_count > 0 ? 2 * listener->slot_count : 64;
	struct call **slots;

	if (count > MAX_SLOTS)
		return false;
	slots = realloc(listener->slots, count * sizeof(struct call *));
	if (slots == NULL)
		return false;
	memset(slots + listener->slot_count, 0, (count - listener->slot_count) * sizeof(struct call *));
	listener->slot_free = listener->slot_count;
	listener->slots = slots;
	listener->slot_count = count;
	return true;
}

static bool take_slot(struct listener *listener, struct call *call)
{
	size_t at = listener->slot_free;

	for (size_t tried = 0; tried < listener->slot_count; tried++, at++) {
		if (at >= listener->slot_count)
			at = 0;
		if (listener->slots[at] == NULL)
			goto found;
	}
	if (!grow_slots(listener))
		return false;
	at = listener->slot_free;
found:
	listener->slots[at] = call;
	listener->slot_free = at;
	call->slot = at;
	return true;
}

lua_Integer server_handle_of(const struct call *call)
{
	return (lua_Integer)(sm_request_number(call->request) << SLOT_BITS | call->slot);
}

struct call *server_find_call(const struct listener *listener, lua_Integer handle)
{
	size_t slot = (size_t)handle & (MAX_SLOTS - 1);
	struct call *call = slot < listener->slot_count ? listener->slots[slot] : NULL;

	return call != NULL && server_handle_of(call) == handle ? call : NULL;
}

struct listener *server_upvalue_listener(lua_State *L)
{
	return lua_touserdata(L, lua_upvalueindex(1));
}

/* ---- tasks ---- */

static int serve_k(lua_State *L, int status, lua_KContext context)
{
	(void)status;
	return server_give_answer(L, (struct call *)context);
}

/* The body of a request's task. Argument: the call. */
static int l_serve(lua_State *L)
{
	struct call *call = lua_touserdata(L, 1);

	lua_rawgeti(L, LUA_REGISTRYINDEX, call->listener->on_request);
	server_push_request(L, call);
	lua_callk(L, 1, 1, (lua_KContext)call, serve_k);
	return serve_k(L, LUA_OK, (lua_KContext)call);
}

static int fail_k(lua_State *L, int status, lua_KContext context)
{
	struct call *call = (struct call *)context;

	(void)status;
	/* An answer under way cannot be replaced; on_failure was called to tell the log. */
	return sm_answer_sent(call->request) ? 0 : server_give_answer(L, call);
}

/* The body of the task that explains a failed one. Arguments: the call, the error. */
static int l_fail(lua_State *L)
{
	struct call *call = lua_touserdata(L, 1);
	struct listener *listener = call->listener;

	lua_rawgeti(L, LUA_REGISTRYINDEX, listener->on_failure);
	lua_rawgeti(L, LUA_REGISTRYINDEX, listener->requests);
	lua_rawgeti(L, -1, (lua_Integer)call->slot + 1);
	lua_remove(L, -2);
	lua_pushvalue(L, 2);
	lua_callk(L, 2, 1, (lua_KContext)call, fail_k);
	return fail_k(L, LUA_OK, (lua_KContext)call);
}

static void answer_fixed(struct call *call)
{
	static const char body[] = "{\"error\":{\"code\":\"InternalError\",\"message\":\"the request failed\"}}";

	if (sm_answer_bytes(call->request, 500, body, sizeof body - 1) != SM_OK)
		return;
	sm_answer_header(call->request, "Content-Type", 12, "application/json", 16, NULL);
	sm_answer_send(call->request);
}

static struct sm_limits request_limits(const struct listener *listener, double seconds)
{
	struct sm_limits limits = {.memory_bytes = (size_t)listener->memory};

	if (seconds > 0)
		limits.deadline_ns = sm_clock_mono_ns() + (int64_t)(seconds * NS_PER_S);
	return limits;
}

static void after_ended(void *owner, enum sm_task_end end, lua_State *co, int count)
{
	(void)owner;
	(void)end;
	(void)co;
	(void)count;
}

/* Starts the answer's after function, if it has one. */
static void run_after(struct call *call, bool complete)
{
	struct sm_limits limits = request_limits(call->listener, call->listener->deadline);
	lua_State *L = call->listener->L;

	if (call->after == 0 || !lua_checkstack(L, 4))
		return;
	lua_rawgeti(L, LUA_REGISTRYINDEX, call->after);
	server_unref(L, &call->after);
	lua_pushboolean(L, complete);
	sm_task_start(L, 1, &limits, after_ended, NULL, false);
}

static void forget_request(struct call *call)
{
	struct listener *listener = call->listener;
	lua_State *L = listener->L;

	listener->slots[call->slot] = NULL;
	lua_rawgeti(L, LUA_REGISTRYINDEX, listener->requests);
	lua_pushnil(L);
	lua_rawseti(L, -2, (lua_Integer)call->slot + 1);
	lua_pop(L, 1);
}

/* The last task of the call has ended. */
static void finish_call(struct call *call, bool ok)
{
	struct listener *listener = call->listener;

	if (!sm_answer_sent(call->request))
		answer_fixed(call);
	sm_answer_end(call->request, ok);
	forget_request(call);
	if (call->waiting != WAIT_NONE)
		sm_wait_done(&call->wait);
	if (call->over)
		run_after(call, false);
	sm_request_drop(call->request);
	listener->live--;
	settle(listener);
}

static void call_ended(void *owner, enum sm_task_end end, lua_State *co, int count);

/* The function and nargs arguments are on the main stack. */
static void start_task(struct call *call, int nargs, double seconds)
{
	struct sm_limits limits = request_limits(call->listener, seconds);
	unsigned mine = ++call->starts;
	struct sm_task *task;

	call->running = true;
	task = sm_task_start(call->listener->L, nargs, &limits, call_ended, call, true);
	if (call->starts != mine || !call->running)
		return; /* ended already */
	call->task = task;
	if (task == NULL) {
		call->running = false;
		finish_call(call, false);
	}
}

static void start_failure(struct call *call, lua_State *co, int count)
{
	lua_State *L = call->listener->L;

	call->failing = true;
	if (call->listener->on_failure == 0 || !lua_checkstack(L, 8) || !lua_checkstack(co, 2)) {
		finish_call(call, false);
		return;
	}
	lua_rawgeti(L, LUA_REGISTRYINDEX, call->listener->fail);
	lua_pushlightuserdata(L, call);
	if (count > 0)
		lua_pushvalue(co, -1);
	else
		lua_pushnil(co);
	lua_xmove(co, L, 1);
	start_task(call, 2, FAILURE_SECONDS);
}

static void call_ended(void *owner, enum sm_task_end end, lua_State *co, int count)
{
	struct call *call = owner;

	call->running = false;
	call->task = NULL;
	if (end == SM_TASK_OK) {
		finish_call(call, !call->failing || !sm_answer_sent(call->request));
		return;
	}
	sm_answer_end(call->request, false);
	if (call->failing || (end == SM_TASK_CANCELLED && sm_request_gone(call->request)))
		finish_call(call, false);
	else
		start_failure(call, co, count);
}

/* ---- what the server tells us ---- */

static void on_request(void *owner, struct sm_request *request)
{
	struct listener *listener = owner;
	struct call *call = sm_request_user(request);
	lua_State *L = listener->L;

	call->listener = listener;
	call->request = request;
	if (!lua_checkstack(L, 8) || !take_slot(listener, call)) {
		answer_fixed(call);
		return;
	}
	sm_request_hold(request);
	listener->live++;
	lua_rawgeti(L, LUA_REGISTRYINDEX, listener->serve);
	lua_pushlightuserdata(L, call);
	start_task(call, 1, listener->deadline);
}

static void on_gone(void *owner, struct sm_request *request)
{
	struct call *call = sm_request_user(request);

	(void)owner;
	if (call->task != NULL)
		sm_task_cancel(call->task, "the client left");
}

static void wake(void *owner, struct sm_request *request)
{
	struct call *call = sm_request_user(request);

	(void)owner;
	if (call->waiting != WAIT_NONE)
		sm_wait_done(&call->wait);
}

static void on_done(void *owner, struct sm_request *request, bool complete)
{
	struct call *call = sm_request_user(request);

	(void)owner;
	call->over = true;
	run_after(call, complete);
}

/* ---- stop ---- */

static void close_listener(struct listener *listener)
{
	struct sm_server *server = listener->server;

	listener->server = NULL;
	sm_server_free(server);
	settle(listener);
}

static void on_stopped(void *owner)
{
	struct listener *listener = owner;
	struct stopper *stopper = listener->stoppers;

	listener->stoppers = NULL;
	while (stopper != NULL) {
		struct stopper *next = stopper->next;

		if (stopper->cancelled)
			free(stopper);
		else
			sm_wait_done(&stopper->wait);
		stopper = next;
	}
	close_listener(listener);
}

static int stop_finish(lua_State *L, struct sm_wait *wait)
{
	free(wait);
	lua_pushboolean(L, 1);
	return 1;
}

static void stop_cancel(struct sm_wait *wait)
{
	((struct stopper *)(void *)wait)->cancelled = true; /* on_stopped frees it */
}

/*
 * stop(drain_seconds = 0) -> true: accepts no more, closes idle connections, lets requests finish until the time is
 * over, then cancels them. Waits until all is closed; outside a task it only begins.
 */
static int l_stop(lua_State *L)
{
	struct listener *listener = server_upvalue_listener(L);
	double seconds = luaL_optnumber(L, lua_istable(L, 1) ? 2 : 1, 0);
	struct stopper *stopper;

	luaL_argcheck(L, seconds >= 0 && seconds < 1e6, 1, "a number of seconds is needed");
	lua_pushboolean(L, 1);
	if (listener->server == NULL)
		return 1;
	sm_server_stop(listener->server, (int64_t)(seconds * NS_PER_S), on_stopped);
	if (!sm_can_wait(L))
		return 1;
	stopper = calloc(1, sizeof *stopper);
	if (stopper == NULL)
		return sm_push_fail(L, SM_NOMEM, "not enough memory");
	stopper->wait.finish = stop_finish;
	stopper->wait.cancel = stop_cancel;
	stopper->next = listener->stoppers;
	listener->stoppers = stopper;
	return sm_wait_yield(L, &stopper->wait);
}

/* connections() -> number of open connections. */
static int l_connections(lua_State *L)
{
	struct listener *listener = server_upvalue_listener(L);

	lua_pushinteger(L, listener->server != NULL ? (lua_Integer)sm_server_connections(listener->server) : 0);
	return 1;
}

static int l_gc(lua_State *L)
{
	struct listener *listener = luaL_checkudata(L, 1, LISTENER_TYPE);

	/* The program ends: tasks that still wait will not end by themselves. */
	for (size_t i = 0; i < listener->slot_count; i++)
		if (listener->slots[i] != NULL)
			sm_request_drop(listener->slots[i]->request);
	listener->live = 0;
	if (listener->L != NULL)
		close_listener(listener);
	free(listener->slots);
	listener->slots = NULL;
	listener->slot_count = 0;
	return 0;
}

/* ---- listen ---- */

static double number_field(lua_State *L, const char *name, double missing, double min, double max)
{
	double value = missing;

	if (lua_getfield(L, 1, name) != LUA_TNIL) {
		if (lua_type(L, -1) != LUA_TNUMBER)
			luaL_error(L, "listen: %s must be a number, not a %s", name, luaL_typename(L, -1));
		value = lua_tonumber(L, -1);
	}
	lua_pop(L, 1);
	if (isnan(value) || value < min || value > max)
		luaL_error(L, "listen: %s is out of range", name);
	return value;
}

static int function_field(lua_State *L, const char *name, bool needed)
{
	int type = lua_getfield(L, 1, name);

	if (type == LUA_TFUNCTION)
		return luaL_ref(L, LUA_REGISTRYINDEX);
	if (type != LUA_TNIL || needed)
		luaL_error(L, "listen: %s must be a function, not a %s", name, luaL_typename(L, -1));
	lua_pop(L, 1);
	return 0;
}

static int ref_function(lua_State *L, lua_CFunction function)
{
	lua_pushcfunction(L, function);
	return luaL_ref(L, LUA_REGISTRYINDEX);
}

/* The listener is at the top. */
static void prepare_listener(lua_State *L, struct listener *listener)
{
	int self = lua_gettop(L);

	listener->L = main_thread(L);
	listener->on_request = function_field(L, "on_request", true);
	listener->on_failure = function_field(L, "on_failure", false);
	listener->serve = ref_function(L, l_serve);
	listener->fail = ref_function(L, l_fail);
	lua_newtable(L);
	listener->requests = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_createtable(L, 0, 1);
	lua_pushvalue(L, self);
	lua_pushcclosure(L, server_request_index, 1);
	lua_setfield(L, -2, "__index");
	listener->meta = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_pushvalue(L, self);
	listener->self = luaL_ref(L, LUA_REGISTRYINDEX);
}

static void refuse_unknown_options(lua_State *L)
{
	static const char *const known[] = {"host",
	                                    "port",
	                                    "on_request",
	                                    "on_failure",
	                                    "max_header_bytes",
	                                    "max_body_bytes",
	                                    "header_timeout",
	                                    "idle_timeout",
	                                    "deadline",
	                                    "memory",
	                                    "max_connections",
	                                    "stream_bodies",
	                                    NULL};

	sm_check_options(L, 1, known, "listen");
}

static void read_config(lua_State *L, struct listener *listener, struct sm_server_config *config)
{
	lua_getfield(L, 1, "host");
	config->host = luaL_optstring(L, -1, "127.0.0.1"); /* stays on the stack */
	config->port = (unsigned)number_field(L, "port", 0, 0, 65535);
	config->max_header_bytes = (size_t)number_field(L, "max_header_bytes", 16 * 1024, 256, 1 << 20);
	config->max_body_bytes = (size_t)number_field(L, "max_body_bytes", 8 * 1024 * 1024, 0, 1e12);
	config->header_timeout_ns = (int64_t)(number_field(L, "header_timeout", 10, 0.01, 1e6) * NS_PER_S);
	config->idle_timeout_ns = (int64_t)(number_field(L, "idle_timeout", 60, 0.01, 1e6) * NS_PER_S);
	config->max_connections = (unsigned)number_field(L, "max_connections", 1024, 1, 1e6);
	listener->deadline = number_field(L, "deadline", 0, 0, 1e9);
	listener->memory = number_field(L, "memory", 0, 0, 1e15);
	lua_getfield(L, 1, "stream_bodies");
	config->stream_bodies = listener->stream_bodies = lua_toboolean(L, -1);
	lua_pop(L, 1);
	config->user_bytes = sizeof(struct call);
	config->owner = listener;
	config->on_request = on_request;
	config->on_gone = on_gone;
	config->on_drain = wake;
	config->on_data = wake;
	config->on_done = on_done;
}

static void push_method(lua_State *L, int self, const char *name, lua_CFunction function)
{
	lua_pushvalue(L, self);
	lua_pushcclosure(L, function, 1);
	lua_setfield(L, -2, name);
}

/*
 * listen{host, port, on_request, on_failure, ...} -> server {host, port, stop, connections} | nil, message, code
 * ("conflict": the port is taken, "refused": not permitted, "not_found": no such host). Does not wait.
 */
static int l_listen(lua_State *L)
{
	struct sm_server_config config = {0};
	struct sm_error err;
	struct listener *listener;
	int self;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	refuse_unknown_options(L);
	listener = lua_newuserdatauv(L, sizeof *listener, 0);
	memset(listener, 0, sizeof *listener);
	luaL_setmetatable(L, LISTENER_TYPE);
	self = lua_gettop(L);
	read_config(L, listener, &config);
	lua_pushvalue(L, self);
	prepare_listener(L, listener);
	if (sm_server_start(sm_loop_of(L), &config, &listener->server, &err) != SM_OK) {
		settle(listener);
		return sm_push_error(L, &err);
	}
	lua_createtable(L, 0, 4);
	lua_pushstring(L, config.host);
	lua_setfield(L, -2, "host");
	lua_pushinteger(L, (lua_Integer)sm_server_port(listener->server));
	lua_setfield(L, -2, "port");
	push_method(L, self, "stop", l_stop);
	push_method(L, self, "connections", l_connections);
	return 1;
}

int luaopen_sm_server(lua_State *L)
{
	static const luaL_Reg module[] = {{"listen", l_listen}, {NULL, NULL}};
	static const luaL_Reg meta[] = {{"__gc", l_gc}, {"__close", l_gc}, {NULL, NULL}};

	if (luaL_newmetatable(L, LISTENER_TYPE))
		luaL_setfuncs(L, meta, 0);
	lua_pop(L, 1);
	luaL_newlib(L, module);
	return 1;
}
