/*
 * sm.http_core: one HTTP exchange for Lua; lua/sm/http.lua is what scripts require.
 *
 * The task that asks waits, nothing else does. The first exchange starts libcurl. An exchange that is cancelled,
 * closed or collected is aborted.
 */
#include "http.h"
#include "lua_libs.h"
#include "lua_result.h"
#include "lua_type.h"
#include "task.h"

#include <lauxlib.h>
#include <math.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#define CLIENT_TYPE "sm.http.client"
#define EXCHANGE_TYPE "sm.http.exchange"
#define DEFAULT_TIMEOUT 60.0 /* seconds */
#define DEFAULT_CONNECT_TIMEOUT 10.0
#define DEFAULT_MAX_BYTES (16.0 * 1024 * 1024)

struct client {
	struct sm_http *http;
};

enum waiting { WAIT_NONE, WAIT_ANSWER, WAIT_BYTES, WAIT_ROOM };

struct exchange {
	struct sm_http_call *call; /* NULL: closed */
	struct sm_wait wait;
	enum waiting waiting;
	size_t read_max;
	bool stream;
};

/* ---- waiting ---- */

static struct exchange *exchange_of(struct sm_wait *wait)
{
	return (struct exchange *)(void *)((char *)wait - offsetof(struct exchange, wait));
}

static void close_exchange(struct exchange *exchange)
{
	struct sm_http_call *call = exchange->call;

	exchange->call = NULL;
	sm_http_call_free(call);
}

static void wait_cancel(struct sm_wait *wait)
{
	struct exchange *exchange = exchange_of(wait);

	exchange->waiting = WAIT_NONE;
	close_exchange(exchange);
}

static bool is_ready(const struct exchange *exchange)
{
	const struct sm_http_call *call = exchange->call;

	switch (exchange->waiting) {
	case WAIT_ANSWER:
		return sm_http_ended(call) || (exchange->stream && sm_http_has_head(call));
	case WAIT_BYTES:
		return sm_http_readable(call);
	case WAIT_ROOM:
		return sm_http_ended(call) || sm_http_room(call);
	default:
		return false;
	}
}

static void on_change(void *owner)
{
	struct exchange *exchange = owner;

	if (exchange->call != NULL && is_ready(exchange))
		sm_wait_done(&exchange->wait);
}

static int wait_for(lua_State *L, struct exchange *exchange, enum waiting waiting,
                    int (*finish)(lua_State *L, struct sm_wait *wait))
{
	if (exchange->waiting != WAIT_NONE)
		return luaL_error(L, "another task waits on this exchange already");
	memset(&exchange->wait, 0, sizeof exchange->wait);
	exchange->wait.finish = finish;
	exchange->wait.cancel = wait_cancel;
	exchange->waiting = waiting;
	if (is_ready(exchange))
		sm_wait_done(&exchange->wait);
	return sm_wait_yield(L, &exchange->wait);
}

static struct exchange *check_exchange(lua_State *L, int index)
{
	return luaL_checkudata(L, index, EXCHANGE_TYPE);
}

static int give_closed(lua_State *L)
{
	return sm_push_fail(L, SM_CLOSED, "the exchange is closed");
}

/* ---- reading ---- */

static int read_finish(lua_State *L, struct sm_wait *wait);

static int give_bytes(lua_State *L, struct exchange *exchange)
{
	struct sm_error err;
	const char *data;
	size_t len;
	enum sm_status status = sm_http_read(exchange->call, exchange->read_max, &data, &len, &err);

	if (status == SM_CONFLICT)
		return wait_for(L, exchange, WAIT_BYTES, read_finish);
	if (status != SM_OK)
		return sm_push_error(L, &err);
	if (len > 0)
		lua_pushlstring(L, data, len);
	else
		lua_pushnil(L);
	return 1;
}

static int read_finish(lua_State *L, struct sm_wait *wait)
{
	struct exchange *exchange = exchange_of(wait);

	exchange->waiting = WAIT_NONE;
	return exchange->call != NULL ? give_bytes(L, exchange) : give_closed(L);
}

/* read(n = 64 KiB) -> up to n bytes | nil at the end | nil, message, code. Waits. Also as a method. */
static int l_read(lua_State *L)
{
	struct exchange *exchange = lua_touserdata(L, lua_upvalueindex(1));
	lua_Integer max = luaL_optinteger(L, lua_istable(L, 1) ? 2 : 1, 64 * 1024);

	luaL_argcheck(L, max > 0, 1, "a positive number of bytes is needed");
	if (exchange->call == NULL)
		return give_closed(L);
	exchange->read_max = (size_t)max;
	return give_bytes(L, exchange);
}

/* A task that waits on the exchange goes on and learns that it is closed. */
static void close_and_wake(struct exchange *exchange)
{
	close_exchange(exchange);
	if (exchange->waiting != WAIT_NONE)
		sm_wait_done(&exchange->wait);
}

/* close() aborts the exchange if it still runs. Harmless twice. */
static int l_close(lua_State *L)
{
	close_and_wake(lua_touserdata(L, lua_upvalueindex(1)));
	return 0;
}

/* ---- the answer ---- */

static void add_header(void *arg, const char *name, size_t name_len, const char *value, size_t value_len)
{
	lua_State *L = arg;
	luaL_Buffer buffer;
	char *lower = luaL_buffinitsize(L, &buffer, name_len);

	for (size_t i = 0; i < name_len; i++)
		lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + ('a' - 'A') : name[i]);
	luaL_pushresultsize(&buffer, name_len);
	lua_pushvalue(L, -1);
	if (lua_rawget(L, -3) == LUA_TNIL) {
		lua_pop(L, 1);
		lua_pushlstring(L, value, value_len);
	} else {
		lua_pushliteral(L, ", ");
		lua_pushlstring(L, value, value_len);
		lua_concat(L, 3);
	}
	lua_rawset(L, -3);
}

static void push_closure(lua_State *L, int self, const char *name, lua_CFunction function)
{
	lua_pushvalue(L, self);
	lua_pushcclosure(L, function, 1);
	lua_setfield(L, -2, name);
}

/* The exchange lies at index self. */
static int give_answer(lua_State *L, struct exchange *exchange, int self)
{
	struct sm_error err;
	const char *body;
	size_t len;

	if (sm_http_ended(exchange->call) && !(exchange->stream && sm_http_has_head(exchange->call)) &&
	    sm_http_result(exchange->call, &err) != SM_OK) {
		bool unsent = sm_http_unsent(exchange->call);

		close_exchange(exchange);
		sm_push_error(L, &err);
		lua_pushboolean(L, unsent);
		return 4;
	}
	lua_createtable(L, 0, 5);
	lua_pushinteger(L, sm_http_status(exchange->call));
	lua_setfield(L, -2, "status");
	lua_pushstring(L, sm_http_version_text(exchange->call));
	lua_setfield(L, -2, "version");
	lua_createtable(L, 0, 8);
	sm_http_each_header(exchange->call, add_header, L);
	lua_setfield(L, -2, "headers");
	if (exchange->stream) {
		push_closure(L, self, "read", l_read);
		push_closure(L, self, "close", l_close);
		return 1;
	}
	body = sm_http_bytes(exchange->call, &len);
	lua_pushlstring(L, body, len);
	lua_setfield(L, -2, "body");
	close_exchange(exchange);
	return 1;
}

/* The exchange is the value that l_wait or l_request left at index 1. */
static int answer_finish(lua_State *L, struct sm_wait *wait)
{
	struct exchange *exchange = exchange_of(wait);

	exchange->waiting = WAIT_NONE;
	if (exchange->call == NULL)
		return give_closed(L);
	return give_answer(L, exchange, 1);
}

/* exchange:wait() -> answer | nil, message, code. Until the answer is there, with stream until its header is. */
static int l_wait(lua_State *L)
{
	struct exchange *exchange = check_exchange(L, 1);

	lua_settop(L, 1);
	if (exchange->call == NULL)
		return give_closed(L);
	return wait_for(L, exchange, WAIT_ANSWER, answer_finish);
}

/* ---- sending ---- */

static int room_finish(lua_State *L, struct sm_wait *wait)
{
	struct exchange *exchange = exchange_of(wait);

	exchange->waiting = WAIT_NONE;
	if (exchange->call == NULL || sm_http_ended(exchange->call))
		return give_closed(L);
	lua_pushboolean(L, 1);
	return 1;
}

/* exchange:write(chunk) -> true | nil, message, "closed" when the server has ended the exchange. Waits for room. */
static int l_write(lua_State *L)
{
	struct exchange *exchange = check_exchange(L, 1);
	size_t len;
	const char *chunk = luaL_checklstring(L, 2, &len);

	if (exchange->call == NULL)
		return give_closed(L);
	switch (sm_http_write(exchange->call, chunk, len)) {
	case SM_OK:
		lua_pushboolean(L, 1);
		return 1;
	case SM_CONFLICT:
		return wait_for(L, exchange, WAIT_ROOM, room_finish);
	case SM_NOMEM:
		return sm_push_fail(L, SM_NOMEM, "not enough memory for the chunk");
	default:
		return give_closed(L);
	}
}

/* exchange:finish() ends the request's body. */
static int l_finish(lua_State *L)
{
	struct exchange *exchange = check_exchange(L, 1);

	if (exchange->call != NULL)
		sm_http_write_end(exchange->call);
	return 0;
}

static int l_exchange_gc(lua_State *L)
{
	close_exchange(check_exchange(L, 1));
	return 0;
}

static int l_exchange_close(lua_State *L)
{
	close_and_wake(check_exchange(L, 1));
	return 0;
}

/* ---- options ---- */

static double number_option(lua_State *L, const char *name, double missing, double max)
{
	double value = missing;

	if (lua_getfield(L, 1, name) != LUA_TNIL) {
		if (lua_type(L, -1) != LUA_TNUMBER)
			luaL_error(L, "request: %s must be a number, not a %s", name, luaL_typename(L, -1));
		value = lua_tonumber(L, -1);
	}
	lua_pop(L, 1);
	if (isnan(value) || value < 0 || value > max)
		luaL_error(L, "request: %s is out of range", name);
	return value;
}

/* The string stays alive in the options table, which stays on the stack: a metamethod is not asked for another one. */
static const char *text_option(lua_State *L, const char *name, const char *missing)
{
	const char *text = missing;

	lua_pushstring(L, name);
	if (lua_rawget(L, 1) != LUA_TNIL) {
		if (lua_type(L, -1) != LUA_TSTRING)
			luaL_error(L, "request: %s must be a string, not a %s", name, luaL_typename(L, -1));
		text = lua_tostring(L, -1);
		if (strlen(text) != lua_rawlen(L, -1))
			luaL_error(L, "request: %s contains a NUL byte", name);
	}
	lua_pop(L, 1);
	if (text == NULL && strcmp(name, "ca_file") != 0)
		luaL_error(L, "request: %s is needed", name);
	return text;
}

static bool flag_option(lua_State *L, const char *name)
{
	bool value;

	lua_getfield(L, 1, name);
	value = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return value;
}

static enum sm_http_version version_option(lua_State *L)
{
	const char *text = text_option(L, "http", "");

	if (strcmp(text, "1.1") == 0)
		return SM_HTTP_1_1;
	if (strcmp(text, "2") == 0)
		return SM_HTTP_2;
	if (text[0] != '\0')
		luaL_error(L, "request: http must be \"1.1\" or \"2\"");
	return SM_HTTP_ANY;
}

/* ca = "amazon": the roots of AWS, for its endpoints. */
static bool roots_option(lua_State *L)
{
	const char *text = text_option(L, "ca", "");

	if (text[0] != '\0' && strcmp(text, "amazon") != 0)
		luaL_error(L, "request: ca must be \"amazon\"; a file goes into ca_file");
	return text[0] != '\0';
}

static void refuse_unknown_options(lua_State *L)
{
	static const char *const known[] = {
	    "method",  "url", "headers",  "body", "timeout",       "connect_timeout", "read_timeout", "max_bytes", "stream",
	    "ca_file", "ca",  "insecure", "http", "max_redirects", "direct",          "fresh",        NULL};

	sm_check_options(L, 1, known, "request");
}

static void read_options(lua_State *L, struct sm_http_options *options)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	refuse_unknown_options(L);
	options->method = text_option(L, "method", "GET");
	options->url = text_option(L, "url", NULL);
	options->ca_file = text_option(L, "ca_file", NULL);
	options->amazon_roots = roots_option(L);
	options->version = version_option(L);
	options->insecure = flag_option(L, "insecure");
	options->direct = flag_option(L, "direct");
	options->fresh = flag_option(L, "fresh");
	options->stream = flag_option(L, "stream");
	options->timeout_ms = (int64_t)ceil(number_option(L, "timeout", DEFAULT_TIMEOUT, 1e9) * 1000);
	options->connect_timeout_ms =
	    (int64_t)ceil(number_option(L, "connect_timeout", DEFAULT_CONNECT_TIMEOUT, 1e9) * 1000);
	options->read_timeout_ms = (int64_t)ceil(number_option(L, "read_timeout", 0, 1e9) * 1000);
	options->max_bytes = (uint64_t)number_option(L, "max_bytes", options->stream ? 0 : DEFAULT_MAX_BYTES, 1e15);
	options->max_redirects = (unsigned)number_option(L, "max_redirects", 0, 50);
	options->on_change = on_change;
}

/* What a Content-Length header at the top says; a body that is a function is sent with it. */
static lua_Integer stated_length(lua_State *L)
{
	int is_integer;
	lua_Integer length = lua_tointegerx(L, -1, &is_integer);

	if (!is_integer || length < 0)
		luaL_error(L, "request: content-length must be a whole number of bytes");
	return length;
}

/* The name at -2, its value at -1. */
static enum sm_status add_field(lua_State *L, struct sm_http_call *call, struct sm_error *err, lua_Integer *length)
{
	size_t name_len, len;
	const char *name, *value;

	if (lua_type(L, -2) != LUA_TSTRING)
		luaL_error(L, "request: the name of a header is a %s, not a string", luaL_typename(L, -2));
	name = lua_tolstring(L, -2, &name_len);
	if (lua_type(L, -1) != LUA_TSTRING && !lua_isinteger(L, -1))
		luaL_error(L, "request: the value of header %s is a %s, not a string", name, luaL_typename(L, -1));
	lua_pushvalue(L, -1);
	value = lua_tolstring(L, -1, &len);
	if (strcasecmp(name, "content-length") == 0)
		*length = stated_length(L);
	lua_pop(L, 1);
	return sm_http_header(call, name, name_len, value, len, err);
}

static enum sm_status add_fields(lua_State *L, struct sm_http_call *call, struct sm_error *err, lua_Integer *length)
{
	enum sm_status status = SM_OK;

	if (lua_getfield(L, 1, "headers") != LUA_TNIL) {
		if (!lua_istable(L, -1))
			luaL_error(L, "request: headers must be a table, not a %s", luaL_typename(L, -1));
		for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
			status = add_field(L, call, err, length);
			if (status != SM_OK) {
				lua_pop(L, 2);
				break;
			}
		}
	}
	lua_pop(L, 1);
	return status;
}

/* A string body stays alive as the user value of the exchange at index 2. */
static enum sm_status add_body(lua_State *L, struct sm_http_call *call, struct sm_error *err, lua_Integer length)
{
	enum sm_status status = SM_OK;
	int type = lua_getfield(L, 1, "body");
	size_t len;
	const char *bytes;

	if (type == LUA_TSTRING) {
		lua_pushvalue(L, -1);
		lua_setiuservalue(L, 2, 1);
		bytes = lua_tolstring(L, -1, &len);
		status = sm_http_body(call, bytes, len, err);
	} else if (type == LUA_TFUNCTION) {
		status = sm_http_upload(call, length, err);
	} else if (type != LUA_TNIL) {
		luaL_error(L, "request: body must be a string or a function, not a %s", luaL_typename(L, -1));
	}
	lua_pop(L, 1);
	return status;
}

/* ---- starting ---- */

static int l_client_gc(lua_State *L)
{
	struct client *client = luaL_checkudata(L, 1, CLIENT_TYPE);
	struct sm_http *http = client->http;

	client->http = NULL;
	sm_http_free(http);
	return 0;
}

/* The one client of this state, in the registry; NULL without memory. */
static struct sm_http *the_client(lua_State *L)
{
	struct client *client;

	if (lua_getfield(L, LUA_REGISTRYINDEX, CLIENT_TYPE ".the") == LUA_TNIL) {
		lua_pop(L, 1);
		client = lua_newuserdatauv(L, sizeof *client, 0);
		client->http = NULL;
		luaL_setmetatable(L, CLIENT_TYPE);
		lua_pushvalue(L, -1);
		lua_setfield(L, LUA_REGISTRYINDEX, CLIENT_TYPE ".the");
	}
	client = lua_touserdata(L, -1);
	lua_pop(L, 1);
	if (client->http == NULL)
		client->http = sm_http_new(sm_loop_of(L));
	return client->http;
}

/*
 * forget(): the connections that are kept alive are closed, and exchanges under way end with "closed". After a restore
 * from a snapshot, when the other ends are long gone.
 */
static int l_forget(lua_State *L)
{
	struct client *client;

	if (lua_getfield(L, LUA_REGISTRYINDEX, CLIENT_TYPE ".the") == LUA_TNIL)
		return 0;
	client = lua_touserdata(L, -1);
	sm_http_free(client->http);
	client->http = NULL;
	return 0;
}

/* Options at index 1. Leaves the started exchange at index 2, or gives the failure. */
static enum sm_status start(lua_State *L, struct exchange **started, struct sm_error *err)
{
	struct sm_http_options options = {0};
	struct sm_http *http;
	struct exchange *exchange;
	lua_Integer length = -1;
	enum sm_status status;

	lua_settop(L, 1);
	read_options(L, &options);
	if (!sm_can_wait(L))
		luaL_error(L, "request waits: it needs a task");
	exchange = lua_newuserdatauv(L, sizeof *exchange, 1);
	memset(exchange, 0, sizeof *exchange);
	luaL_setmetatable(L, EXCHANGE_TYPE);
	exchange->stream = options.stream;
	options.owner = exchange;
	http = the_client(L);
	if (http == NULL)
		return sm_fail(err, SM_NOMEM, "not enough memory for libcurl");
	status = sm_http_call_new(http, &options, &exchange->call, err);
	if (status == SM_OK)
		status = add_fields(L, exchange->call, err, &length);
	if (status == SM_OK)
		status = add_body(L, exchange->call, err, length);
	if (status == SM_OK)
		status = sm_http_start(exchange->call, err);
	*started = exchange;
	return status;
}

/* start{...} -> exchange | nil, message, code. For bodies that come by exchange:write. */
static int l_start(lua_State *L)
{
	struct exchange *exchange = NULL;
	struct sm_error err;

	if (start(L, &exchange, &err) != SM_OK)
		return sm_push_error(L, &err);
	return 1;
}

/* request{...} -> answer | nil, message, code. Waits. For bodies that are strings. */
static int l_request(lua_State *L)
{
	struct exchange *exchange = NULL;
	struct sm_error err;

	if (start(L, &exchange, &err) != SM_OK)
		return sm_push_error(L, &err);
	lua_remove(L, 1);
	return wait_for(L, exchange, WAIT_ANSWER, answer_finish);
}

/* warm() -> true | nil, message, code. Does ahead of time what the first TLS connection needs. Blocks, 1 to 2 ms. */
static int l_warm(lua_State *L)
{
	if (!sm_http_warm())
		return sm_push_fail(L, SM_NOMEM, "TLS cannot be made ready");
	lua_pushboolean(L, 1);
	return 1;
}

int luaopen_sm_http_core(lua_State *L)
{
	static const luaL_Reg module[] = {
	    {"request", l_request}, {"start", l_start}, {"warm", l_warm}, {"forget", l_forget}, {NULL, NULL}};
	static const luaL_Reg methods[] = {
	    {"wait", l_wait}, {"write", l_write}, {"finish", l_finish}, {"close", l_exchange_close}, {NULL, NULL}};
	static const luaL_Reg meta[] = {{"__gc", l_exchange_gc}, {"__close", l_exchange_close}, {NULL, NULL}};

	if (luaL_newmetatable(L, CLIENT_TYPE)) {
		lua_pushcfunction(L, l_client_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_pop(L, 1);
	sm_make_type(L, EXCHANGE_TYPE, methods, meta);
	luaL_newlib(L, module);
	return 1;
}
