/* The answer table: what a handler gives. What must not go on the wire raises. */
#include "clock.h"
#include "lua_result.h"
#include "lua_server_inner.h"

#include <lauxlib.h>
#include <stdlib.h>

#define NS_PER_S 1e9
#define BORROW_BYTES (16u * 1024u) /* longer bodies are not copied but kept alive until they are sent */

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
	server_unref(L, &call->after);
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
	struct call *call = server_find_call(server_upvalue_listener(L), lua_tointeger(L, lua_upvalueindex(2)));

	if (call == NULL)
		return server_give_closed(L);
	switch (sm_answer_write(call->request, chunk, len)) {
	case SM_OK:
		lua_pushboolean(L, 1);
		return 1;
	case SM_CONFLICT:
		return server_wait_for(L, call, WAIT_WRITE);
	case SM_NOMEM:
		return sm_push_fail(L, SM_NOMEM, "not enough memory for the chunk");
	default:
		return server_give_closed(L);
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
	lua_pushinteger(L, server_handle_of(call));
	lua_pushcclosure(L, l_write, 2);
	lua_callk(L, 1, 0, (lua_KContext)call, stream_k);
	return stream_k(L, LUA_OK, (lua_KContext)call);
}

/* The answer table is at the top. Sends it, and runs its body when that is a function. */
int server_give_answer(lua_State *L, struct call *call)
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
