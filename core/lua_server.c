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
#include "server.h"
#include "task.h"

#include <lauxlib.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTENER_TYPE "sm.server.listener"
#define NS_PER_S 1e9
#define BORROW_BYTES (16u * 1024u) /* longer bodies are not copied but kept alive until they are sent */
#define FAILURE_SECONDS 5          /* what on_failure may take */
#define SLOT_BITS 20
#define MAX_SLOTS (1u << SLOT_BITS)

/* A task that waits in stop. */
struct stopper {
	struct sm_wait wait;
	struct stopper *next;
	bool cancelled;
};

/* One server. Anchored in the registry while it runs. */
struct listener {
	struct sm_server *server;                                      /* NULL: closed */
	lua_State *L;                                                  /* the main thread */
	int on_request, on_failure, serve, fail, meta, requests, self; /* registry references, 0: none */
	double deadline, memory;
	bool stream_bodies;
	struct call **slots; /* live calls; a request's handle is its number and its slot */
	size_t slot_count, slot_free;
	struct stopper *stoppers;
	size_t live; /* calls whose task has not ended; they keep the listener */
};

enum waiting { WAIT_NONE, WAIT_WRITE, WAIT_READ };

/* What this file keeps in each sm_request. */
struct call {
	struct listener *listener;
	struct sm_request *request;
	struct sm_task *task; /* NULL when none runs */
	struct sm_wait wait;
	enum waiting waiting;
	size_t read_max;
	size_t slot;
	int after; /* registry reference of the answer's after function, 0: none */
	unsigned starts;
	bool running, failing;
	bool over; /* on_done was called */
};

static lua_State *main_thread(lua_State *L)
{
	lua_State *main;

	lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
	main = lua_tothread(L, -1);
	lua_pop(L, 1);
	return main;
}

static void unref(lua_State *L, int *ref)
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
	unref(L, &listener->on_request);
	unref(L, &listener->on_failure);
	unref(L, &listener->serve);
	unref(L, &listener->fail);
	unref(L, &listener->meta);
	unref(L, &listener->requests);
	unref(L, &listener->self); /* last: the listener may be collected from here on */
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

static lua_Integer handle_of(const struct call *call)
{
	return (lua_Integer)(sm_request_number(call->request) << SLOT_BITS | call->slot);
}

static struct call *find_call(const struct listener *listener, lua_Integer handle)
{
	size_t slot = (size_t)handle & (MAX_SLOTS - 1);
	struct call *call = slot < listener->slot_count ? listener->slots[slot] : NULL;

	return call != NULL && handle_of(call) == handle ? call : NULL;
}

/* ---- the request table ---- */

static void push_lower(lua_State *L, const char *text, size_t len)
{
	char small[64], *lower = small;
	luaL_Buffer buffer;

	if (len > sizeof small)
		lower = luaL_buffinitsize(L, &buffer, len);
	for (size_t i = 0; i < len; i++)
		lower[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + ('a' - 'A') : text[i]);
	if (lower == small)
		lua_pushlstring(L, lower, len);
	else
		luaL_pushresultsize(&buffer, len);
}

/* table at the top: header[lower-case name] = value, repeated ones joined. */
static void set_header(lua_State *L, const struct sm_header *header)
{
	int table = lua_gettop(L);

	push_lower(L, header->name, header->name_len);
	lua_pushvalue(L, -1);
	if (lua_rawget(L, table) == LUA_TNIL) {
		lua_pop(L, 1);
		lua_pushlstring(L, header->value, header->value_len);
	} else {
		lua_pushstring(L, strcmp(lua_tostring(L, -2), "cookie") == 0 ? "; " : ", ");
		lua_pushlstring(L, header->value, header->value_len);
		lua_concat(L, 3);
	}
	lua_rawset(L, table);
}

static void push_headers(lua_State *L, const struct call *call)
{
	size_t count;
	const struct sm_header *headers = sm_request_headers(call->request, &count);

	lua_createtable(L, 0, (int)count);
	for (size_t i = 0; i < count; i++)
		set_header(L, &headers[i]);
}

static void push_header_list(lua_State *L, const struct call *call)
{
	size_t count;
	const struct sm_header *headers = sm_request_headers(call->request, &count);

	lua_createtable(L, (int)count, 0);
	for (size_t i = 0; i < count; i++) {
		lua_createtable(L, 2, 0);
		lua_pushlstring(L, headers[i].name, headers[i].name_len);
		lua_rawseti(L, -2, 1);
		lua_pushlstring(L, headers[i].value, headers[i].value_len);
		lua_rawseti(L, -2, 2);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}

static struct listener *upvalue_listener(lua_State *L)
{
	return lua_touserdata(L, lua_upvalueindex(1));
}

static struct call *call_of_request(lua_State *L, int index)
{
	struct call *call = NULL;

	if (lua_rawgeti(L, index, 0) == LUA_TNUMBER)
		call = find_call(upvalue_listener(L), lua_tointeger(L, -1));
	lua_pop(L, 1);
	return call;
}

static int give_closed(lua_State *L)
{
	return sm_push_fail(L, SM_CLOSED, "closed");
}

static int wait_finish(lua_State *L, struct sm_wait *wait);
static void wait_cancel(struct sm_wait *wait);

/* Suspends the task until the server calls on_drain or on_data for this request. */
static int wait_for(lua_State *L, struct call *call, enum waiting waiting)
{
	if (call->waiting != WAIT_NONE)
		return luaL_error(L, "another task waits on this request already");
	if (!sm_can_wait(L))
		return luaL_error(L, "this call waits and needs a task");
	memset(&call->wait, 0, sizeof call->wait);
	call->wait.finish = wait_finish;
	call->wait.cancel = wait_cancel;
	call->waiting = waiting;
	sm_request_hold(call->request);
	return sm_wait_yield(L, &call->wait);
}

static int give_body(lua_State *L, struct call *call)
{
	const char *data;
	size_t len;

	switch (sm_request_read(call->request, call->read_max, &data, &len)) {
	case SM_OK:
		if (len > 0)
			lua_pushlstring(L, data, len);
		else
			lua_pushnil(L);
		return 1;
	case SM_CONFLICT:
		return wait_for(L, call, WAIT_READ);
	case SM_LIMIT:
		return sm_push_fail(L, SM_LIMIT, "the request body is larger than this server accepts");
	default:
		return give_closed(L);
	}
}

/*
 * req:read(n) -> up to n bytes (64 KiB when absent) | nil at the end | nil, message, "closed" | "limit". Waits. Only
 * with listen{stream_bodies = true}; otherwise req.body has it all.
 */
static int l_read(lua_State *L)
{
	lua_Integer max = luaL_optinteger(L, 2, 64 * 1024);
	struct call *call;

	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_argcheck(L, max > 0, 2, "a positive number of bytes is needed");
	call = call_of_request(L, 1);
	if (call == NULL)
		return give_closed(L);
	if (!call->listener->stream_bodies)
		return luaL_error(L, "this server reads bodies whole: see req.body");
	call->read_max = (size_t)max;
	return give_body(L, call);
}

static int wait_finish(lua_State *L, struct sm_wait *wait)
{
	struct call *call = (struct call *)(void *)((char *)wait - offsetof(struct call, wait));
	enum waiting waiting = call->waiting;
	bool gone = sm_request_gone(call->request);

	call->waiting = WAIT_NONE;
	sm_request_drop(call->request);
	if (gone)
		return give_closed(L);
	if (waiting == WAIT_READ)
		return give_body(L, call);
	lua_pushboolean(L, 1);
	return 1;
}

static void wait_cancel(struct sm_wait *wait)
{
	struct call *call = (struct call *)(void *)((char *)wait - offsetof(struct call, wait));

	call->waiting = WAIT_NONE;
	sm_request_drop(call->request);
}

static void push_id(lua_State *L, const struct call *call)
{
	lua_pushfstring(L, "%I", (LUAI_UACINT)sm_request_number(call->request));
}

/* Fields that few handlers look at are made when asked for. */
static int l_request_index(lua_State *L)
{
	struct call *call = call_of_request(L, 1);
	const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";

	if (call == NULL)
		return 0;
	if (strcmp(key, "headers") == 0) {
		push_headers(L, call);
	} else if (strcmp(key, "header_list") == 0) {
		push_header_list(L, call);
	} else if (strcmp(key, "peer") == 0) {
		lua_pushstring(L, sm_request_peer(call->request));
	} else if (strcmp(key, "id") == 0) {
		push_id(L, call);
	} else if (strcmp(key, "read") == 0) {
		lua_pushvalue(L, lua_upvalueindex(1));
		lua_pushcclosure(L, l_read, 1);
	} else {
		return 0;
	}
	lua_pushvalue(L, 2);
	lua_pushvalue(L, -2);
	lua_rawset(L, 1);
	return 1;
}

static void set_text(lua_State *L, const char *name, const char *text)
{
	lua_pushstring(L, text);
	lua_setfield(L, -2, name);
}

/* Pushes a new request table and files it under the call's slot. */
static void push_request(lua_State *L, const struct call *call)
{
	const struct listener *listener = call->listener;
	struct sm_request *request = call->request;
	const char *query = sm_request_query(request), *body;
	size_t len;

	lua_createtable(L, 0, 8);
	set_text(L, "method", sm_request_method(request));
	set_text(L, "path", sm_request_path(request));
	set_text(L, "version", sm_request_version(request));
	if (query != NULL)
		set_text(L, "query", query);
	if (!listener->stream_bodies) {
		body = sm_request_body(request, &len);
		lua_pushlstring(L, body, len);
		lua_setfield(L, -2, "body");
	}
	lua_pushinteger(L, handle_of(call));
	lua_rawseti(L, -2, 0);
	lua_rawgeti(L, LUA_REGISTRYINDEX, listener->meta);
	lua_setmetatable(L, -2);
	lua_rawgeti(L, LUA_REGISTRYINDEX, listener->requests);
	lua_pushvalue(L, -2);
	lua_rawseti(L, -2, (lua_Integer)call->slot + 1);
	lua_pop(L, 1);
}

/* ---- the answer table ---- */

static void check_status(lua_State *L, enum sm_status status, const struct sm_error *err)
{
	if (status == SM_NOMEM)
		luaL_error(L, "not enough memory for the answer");
	if (status != SM_OK)
		luaL_error(L, "%s", err->message);
}

static void add_header(lua_State *L, struct call *call, const char *name, size_t name_len)
{
	struct sm_error err;
	size_t len;
	const char *value;

	if (lua_type(L, -1) != LUA_TSTRING && !lua_isinteger(L, -1))
		luaL_error(L, "the value of header %s is a %s, not a string", name, luaL_typename(L, -1));
	value = lua_tolstring(L, -1, &len);
	check_status(L, sm_answer_header(call->request, name, name_len, value, len, &err), &err);
}

/* The value at the top: one, or a list of several. */
static void add_headers(lua_State *L, struct call *call, const char *name, size_t name_len)
{
	lua_Integer count;

	if (!lua_istable(L, -1)) {
		lua_pushvalue(L, -1); /* lua_tolstring may change it, and lua_next looks at the original */
		add_header(L, call, name, name_len);
		lua_pop(L, 1);
		return;
	}
	count = (lua_Integer)lua_rawlen(L, -1);
	for (lua_Integer i = 1; i <= count; i++) {
		lua_rawgeti(L, -1, i);
		add_header(L, call, name, name_len);
		lua_pop(L, 1);
	}
}

static void build_headers(lua_State *L, struct call *call, int answer)
{
	size_t len;
	const char *name;

	if (lua_getfield(L, answer, "headers") == LUA_TNIL) {
		lua_pop(L, 1);
		return;
	}
	if (!lua_istable(L, -1))
		luaL_error(L, "the headers of an answer are a %s, not a table", luaL_typename(L, -1));
	for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
		if (lua_type(L, -2) != LUA_TSTRING)
			luaL_error(L, "the name of a header is a %s, not a string", luaL_typename(L, -2));
		name = lua_tolstring(L, -2, &len);
		add_headers(L, call, name, len);
	}
	lua_pop(L, 1);
}

struct kept_string {
	lua_State *L;
	int ref;
};

static void release_string(void *arg)
{
	struct kept_string *kept = arg;

	luaL_unref(kept->L, LUA_REGISTRYINDEX, kept->ref);
	free(kept);
}

static enum sm_status build_borrowed(lua_State *L, struct call *call, int status, const char *text, size_t len)
{
	struct kept_string *kept;
	int ref;

	lua_pushvalue(L, -1);
	ref = luaL_ref(L, LUA_REGISTRYINDEX);
	kept = malloc(sizeof *kept);
	if (kept == NULL) {
		luaL_unref(L, LUA_REGISTRYINDEX, ref);
		return SM_NOMEM;
	}
	kept->L = call->listener->L;
	kept->ref = ref;
	return sm_answer_borrow(call->request, status, text, len, release_string, kept);
}

/* The string at the top becomes the body. */
static void build_text(lua_State *L, struct call *call, int status)
{
	struct sm_error err = {.message = ""};
	size_t len;
	const char *text = lua_tolstring(L, -1, &len);
	enum sm_status result;

	if (len > BORROW_BYTES)
		result = build_borrowed(L, call, status, text, len);
	else
		result = sm_answer_bytes(call->request, status, text, len);
	if (result == SM_INVALID)
		luaL_error(L, "%d is not the status of an answer", status);
	check_status(L, result, &err);
}

static lua_Integer file_field(lua_State *L, int body, const char *name, lua_Integer missing)
{
	lua_Integer value = missing;
	int is_integer = 1;

	if (lua_getfield(L, body, name) != LUA_TNIL)
		value = lua_tointegerx(L, -1, &is_integer);
	if (!is_integer || (value < 0 && value != missing))
		luaL_error(L, "%s of a file body must be a whole number of bytes", name);
	lua_pop(L, 1);
	return value;
}

static void build_file(lua_State *L, struct call *call, int status, int body)
{
	struct sm_error err;
	lua_Integer offset = file_field(L, body, "offset", 0), length = file_field(L, body, "length", -1);

	lua_getfield(L, body, "file");
	if (lua_type(L, -1) != LUA_TSTRING)
		luaL_error(L, "the file of a body is a %s, not a path", luaL_typename(L, -1));
	check_status(L, sm_answer_file(call->request, status, lua_tostring(L, -1), offset, length, &err), &err);
	lua_pop(L, 1);
}

static void build_list(lua_State *L, struct call *call, int status, int body)
{
	lua_Integer count = (lua_Integer)lua_rawlen(L, body);
	luaL_Buffer buffer;

	luaL_buffinit(L, &buffer);
	for (lua_Integer i = 1; i <= count; i++) {
		if (lua_rawgeti(L, body, i) != LUA_TSTRING)
			luaL_error(L, "part %d of a body is a %s, not a string", (int)i, luaL_typename(L, -1));
		luaL_addvalue(&buffer);
	}
	luaL_pushresult(&buffer);
	build_text(L, call, status);
	lua_pop(L, 1);
}

static int answer_status(lua_State *L, int answer)
{
	lua_Integer status = 200;
	int is_integer = 1;

	if (lua_getfield(L, answer, "status") != LUA_TNIL)
		status = lua_isnumber(L, -1) && lua_type(L, -1) == LUA_TNUMBER ? lua_tointegerx(L, -1, &is_integer) : -1;
	lua_pop(L, 1);
	if (!is_integer || status < 200 || status > 599)
		luaL_error(L, "the status of an answer must be a number from 200 to 599");
	return (int)status;
}

/* Leaves the body at the top of the stack. */
static void build_body(lua_State *L, struct call *call, int status, int answer)
{
	struct sm_error err = {.message = ""};
	int type = lua_getfield(L, answer, "body"), body = lua_gettop(L);

	if (type == LUA_TSTRING) {
		build_text(L, call, status);
	} else if (type == LUA_TFUNCTION) {
		check_status(L, sm_answer_stream(call->request, status, &err), &err);
	} else if (type == LUA_TTABLE) {
		bool is_file = lua_getfield(L, body, "file") != LUA_TNIL;

		lua_pop(L, 1);
		if (is_file)
			build_file(L, call, status, body);
		else
			build_list(L, call, status, body);
	} else if (type == LUA_TNIL) {
		check_status(L, sm_answer_bytes(call->request, status, "", 0), &err);
	} else {
		luaL_error(L, "the body of an answer is a %s", luaL_typename(L, body));
	}
}

static void keep_after(lua_State *L, struct call *call, int answer)
{
	unref(L, &call->after);
	if (lua_getfield(L, answer, "after") == LUA_TFUNCTION)
		call->after = luaL_ref(L, LUA_REGISTRYINDEX);
	else
		lua_pop(L, 1);
}

/*
 * write(chunk) -> true | nil, "closed", "closed" when the client left. Waits while more than 256 KiB are queued, so a
 * slow reader slows the writer.
 */
static int l_write(lua_State *L)
{
	size_t len;
	const char *chunk = luaL_checklstring(L, 1, &len);
	struct call *call = find_call(upvalue_listener(L), lua_tointeger(L, lua_upvalueindex(2)));

	if (call == NULL)
		return give_closed(L);
	switch (sm_answer_write(call->request, chunk, len)) {
	case SM_OK:
		lua_pushboolean(L, 1);
		return 1;
	case SM_CONFLICT:
		return wait_for(L, call, WAIT_WRITE);
	case SM_NOMEM:
		return sm_push_fail(L, SM_NOMEM, "not enough memory for the chunk");
	default:
		return give_closed(L);
	}
}

static int stream_k(lua_State *L, int status, lua_KContext context)
{
	struct call *call = (struct call *)context;

	(void)L;
	(void)status;
	sm_answer_end(call->request, true);
	return 0;
}

/* A streamed body may take longer than its request was given. */
static void extend_deadline(lua_State *L, int answer)
{
	double seconds;

	if (lua_getfield(L, answer, "deadline") != LUA_TNIL) {
		seconds = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;
		if (!(seconds >= 0 && seconds < 1e9))
			luaL_error(L, "the deadline of an answer must be a number of seconds");
		sm_task_set_deadline(sm_task_current(L), seconds > 0 ? sm_clock_mono_ns() + (int64_t)(seconds * NS_PER_S) : 0);
	}
	lua_pop(L, 1);
}

static int run_stream(lua_State *L, struct call *call)
{
	lua_rawgeti(L, LUA_REGISTRYINDEX, call->listener->self);
	lua_pushinteger(L, handle_of(call));
	lua_pushcclosure(L, l_write, 2);
	lua_callk(L, 1, 0, (lua_KContext)call, stream_k);
	return stream_k(L, LUA_OK, (lua_KContext)call);
}

/* The answer table is at the top. Sends it, and runs its body when that is a function. */
static int give_answer(lua_State *L, struct call *call)
{
	int answer = lua_gettop(L), status;

	if (!lua_istable(L, answer))
		return luaL_error(L, "a handler must return a table, not a %s", luaL_typename(L, answer));
	status = answer_status(L, answer);
	build_body(L, call, status, answer);
	build_headers(L, call, answer);
	keep_after(L, call, answer);
	if (lua_isfunction(L, -1))
		extend_deadline(L, answer);
	sm_answer_send(call->request);
	if (!lua_isfunction(L, -1))
		return 0;
	if (sm_answer_bodiless(call->request)) {
		sm_answer_end(call->request, true);
		return 0;
	}
	return run_stream(L, call);
}

/* ---- tasks ---- */

static int serve_k(lua_State *L, int status, lua_KContext context)
{
	(void)status;
	return give_answer(L, (struct call *)context);
}

/* The body of a request's task. Argument: the call. */
static int l_serve(lua_State *L)
{
	struct call *call = lua_touserdata(L, 1);

	lua_rawgeti(L, LUA_REGISTRYINDEX, call->listener->on_request);
	push_request(L, call);
	lua_callk(L, 1, 1, (lua_KContext)call, serve_k);
	return serve_k(L, LUA_OK, (lua_KContext)call);
}

static int fail_k(lua_State *L, int status, lua_KContext context)
{
	struct call *call = (struct call *)context;

	(void)status;
	/* An answer under way cannot be replaced; on_failure was called to tell the log. */
	return sm_answer_sent(call->request) ? 0 : give_answer(L, call);
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
	unref(L, &call->after);
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
	struct listener *listener = upvalue_listener(L);
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
	struct listener *listener = upvalue_listener(L);

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
	lua_pushcclosure(L, l_request_index, 1);
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

	for (lua_pushnil(L); lua_next(L, 1) != 0; lua_pop(L, 1)) {
		const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
		int i = 0;

		while (known[i] != NULL && strcmp(known[i], name) != 0)
			i++;
		if (known[i] == NULL)
			luaL_error(L, "listen: there is no option '%s'", name);
	}
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
