/* The request table: what a handler is given. */
#include "lua_result.h"
#include "lua_server_inner.h"

#include <lauxlib.h>
#include <stddef.h>
#include <string.h>

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

static struct call *call_of_request(lua_State *L, int index)
{
	struct call *call = NULL;

	if (lua_rawgeti(L, index, 0) == LUA_TNUMBER)
		call = server_find_call(server_upvalue_listener(L), lua_tointeger(L, -1));
	lua_pop(L, 1);
	return call;
}

int server_give_closed(lua_State *L)
{
	return sm_push_fail(L, SM_CLOSED, "closed");
}

static int wait_finish(lua_State *L, struct sm_wait *wait);
static void wait_cancel(struct sm_wait *wait);

/* Suspends the task until the server calls on_drain or on_data for this request. */
int server_wait_for(lua_State *L, struct call *call, enum waiting waiting)
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
		return server_wait_for(L, call, WAIT_READ);
	case SM_LIMIT:
		return sm_push_fail(L, SM_LIMIT, "the request body is larger than this server accepts");
	default:
		return server_give_closed(L);
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
		return server_give_closed(L);
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
		return server_give_closed(L);
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
int server_request_index(lua_State *L)
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
void server_push_request(lua_State *L, const struct call *call)
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
	lua_pushinteger(L, server_handle_of(call));
	lua_rawseti(L, -2, 0);
	lua_rawgeti(L, LUA_REGISTRYINDEX, listener->meta);
	lua_setmetatable(L, -2);
	lua_rawgeti(L, LUA_REGISTRYINDEX, listener->requests);
	lua_pushvalue(L, -2);
	lua_rawseti(L, -2, (lua_Integer)call->slot + 1);
	lua_pop(L, 1);
}
