/* lua_lambda_call: an event becomes a task, and the end of the task an answer. */
#include "clock.h"
#include "lua_lambda_inner.h"
#include "task_inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARGIN_SHARE 20 /* of the time of an invocation is kept back to answer in */
#define MARGIN_MIN_NS INT64_C(50000000)
#define MARGIN_MAX_NS INT64_C(1000000000)
#define FAILURE_NS INT64_C(1000000000) /* what the report of a failure may take, where the platform leaves so much */
#define TURN_NS INT64_C(1000000000)    /* what a task without a deadline may run before it waits */
#define DEADLINE_MAX_MS INT64_C(4102444800000) /* the year 2100: what lies behind it is no deadline */

/* ---- the context ---- */

/* What scripts know as the context. Its texts stay when the invocation is over. */
struct call {
	struct slot *slot;
	uint64_t number;
	int64_t deadline_ms; /* the platform's, since 1970; 0: none */
	int64_t stop_ns;     /* ours, monotonic: when the task is ended; 0: never */
	struct {
		unsigned at, len;
	} texts[SM_API_HEADERS];
	char bytes[];
};

static struct slot *slot_of(const struct call *call)
{
	return call->slot->number == call->number ? call->slot : NULL;
}

/* Pushes the context of the slot's event. */
static struct call *push_call(lua_State *L, struct slot *slot)
{
	size_t size = 0;
	struct sm_api_text texts[SM_API_HEADERS];
	for (int i = 0; i < SM_API_HEADERS; i++) {
		texts[i] = sm_api_get_header(slot->api, i);
		if (i == SM_API_REQUEST_ID) /* of an answer that has begun to be streamed no header is left */
			texts[i] = (struct sm_api_text){slot->id, strlen(slot->id)};
		size += texts[i].len + 1;
	}
	struct call *call = lua_newuserdatauv(L, sizeof(*call) + size, 0);
	call->slot = slot;
	call->number = slot->number;
	call->deadline_ms = sm_api_deadline_ms(slot->api);
	call->stop_ns = slot->deadline_ns;
	size_t at = 0;
	for (int i = 0; i < SM_API_HEADERS; i++) {
		call->texts[i].at = texts[i].text != NULL ? (unsigned)at + 1 : 0;
		call->texts[i].len = (unsigned)texts[i].len;
		if (texts[i].text != NULL)
			memcpy(call->bytes + at, texts[i].text, texts[i].len);
		at += texts[i].len;
	}
	luaL_setmetatable(L, CALL_TYPE);
	return call;
}

static const struct {
	const char *name;
	enum sm_api_header header;
	bool json;
} text_fields[] = {{"request_id", SM_API_REQUEST_ID, false},
                   {"function_arn", SM_API_ARN, false},
                   {"trace_id", SM_API_TRACE_ID, false},
                   {"tenant_id", SM_API_TENANT_ID, false},
                   {"client_context", SM_API_CLIENT_CONTEXT, true},
                   {"identity", SM_API_IDENTITY, true}};

#define TEXT_FIELDS (sizeof(text_fields) / sizeof(text_fields[0]))

/* remaining() -> seconds until the script is ended, never negative; nil without a time limit. */
static int l_remaining(lua_State *L)
{
	int64_t stop_ns = lua_tointeger(L, lua_upvalueindex(1));
	int64_t left_ns = stop_ns - sm_clock_mono_ns();
	if (stop_ns == 0)
		return 0;
	lua_pushnumber(L, left_ns > 0 ? (double)left_ns / 1e9 : 0);
	return 1;
}

/* Pushes one text of the context: as it is, or the value that the JSON in it stands for; nil when that is none. */
static void push_field(lua_State *L, const struct call *call, enum sm_api_header header, bool json)
{
	if (call->texts[header].at == 0) {
		lua_pushnil(L);
		return;
	}
	if (json) {
		lua_getglobal(L, "require");
		lua_pushliteral(L, "sm.json");
		lua_call(L, 1, 1);
		lua_getfield(L, -1, "decode");
	}
	lua_pushlstring(L, call->bytes + call->texts[header].at - 1, call->texts[header].len);
	if (json)
		lua_call(L, 1, 1);
}

/* context.NAME: request_id, function_arn, trace_id, tenant_id, deadline (seconds since 1970), remaining(), ... */
int lambda_l_call_index(lua_State *L)
{
	const struct call *call = luaL_checkudata(L, 1, CALL_TYPE);
	const char *name = luaL_checkstring(L, 2);
	for (size_t i = 0; i < TEXT_FIELDS; i++)
		if (strcmp(name, text_fields[i].name) == 0) {
			push_field(L, call, text_fields[i].header, text_fields[i].json);
			return 1;
		}
	if (strcmp(name, "deadline") == 0) {
		if (call->deadline_ms == 0)
			return 0;
		lua_pushnumber(L, (double)call->deadline_ms / 1e3);
	} else if (strcmp(name, "remaining") == 0) {
		lua_pushinteger(L, call->stop_ns);
		lua_pushcclosure(L, l_remaining, 1);
	} else {
		lua_pushvalue(L, 2);
		lua_rawget(L, lua_upvalueindex(1)); /* methods */
	}
	return 1;
}

static int invoke_k(lua_State *L, int status, lua_KContext context)
{
	(void)L;
	(void)status;
	(void)context;
	return 4;
}

/* The body of an invocation's task: on_event(text, context) -> answer | true | nil, type, body, cause. */
static int l_invoke(lua_State *L)
{
	struct slot *slot = lua_touserdata(L, 1);
	struct sm_api_text body = sm_api_body(slot->api);
	lua_settop(L, 0);
	lua_rawgeti(L, LUA_REGISTRYINDEX, slot->lambda->on_event);
	lua_pushlstring(L, body.text, body.len);
	push_call(L, slot);
	lua_callk(L, 2, 4, 0, invoke_k);
	return 4;
}

/* The body of the task that explains a failure: on_failure(err, text or nil, context) -> as on_event. */
static int l_explain(lua_State *L)
{
	struct slot *slot = lua_touserdata(L, 1);
	struct sm_api_text body = sm_api_body(slot->api);
	lua_rawgeti(L, LUA_REGISTRYINDEX, slot->lambda->on_failure);
	lua_pushvalue(L, 2);
	if (slot->streaming)
		lua_pushnil(L);
	else
		lua_pushlstring(L, body.text, body.len);
	push_call(L, slot);
	lua_callk(L, 3, 4, 0, invoke_k);
	return 4;
}

static const struct post last_words = {
    "Runtime.Unknown", NULL,
    "{\"errorType\":\"Runtime.Unknown\",\"errorMessage\":\"the invocation failed, and so did its report\"}",
    sizeof("{\"errorType\":\"Runtime.Unknown\",\"errorMessage\":\"the invocation failed, and so did its report\"}") -
        1};

static void give(struct slot *slot, const struct post *post)
{
	if (slot->streaming)
		lambda_finish_stream(slot, post->type != NULL ? post : NULL);
	else
		lambda_post(slot, post);
}

/* Posts what on_event or on_failure gave; false when that is no answer. */
static bool give_results(struct slot *slot, lua_State *co, int count)
{
	int first = lua_gettop(co) - count + 1;
	struct post post = {0};
	if (count < 4)
		return false;
	if (lua_type(co, first) == LUA_TSTRING) {
		post.body = lua_tolstring(co, first, &post.len);
	} else if (slot->streaming && lua_toboolean(co, first)) {
		post.body = "";
	} else if (lua_type(co, first + 1) == LUA_TSTRING && lua_type(co, first + 2) == LUA_TSTRING) {
		post.type = lua_tostring(co, first + 1);
		post.body = lua_tolstring(co, first + 2, &post.len);
		post.cause = lua_type(co, first + 3) == LUA_TSTRING ? lua_tostring(co, first + 3) : NULL;
	} else {
		return false;
	}
	give(slot, &post);
	return true;
}

static void explained(void *owner, enum sm_task_end end, lua_State *co, int count)
{
	struct slot *slot = owner;
	if (end != SM_TASK_OK || !give_results(slot, co, count))
		give(slot, &last_words);
}

/* A report that comes too late is none: it gets three quarters of what the platform leaves, and some to end in. */
static struct sm_limits limits_of_report(const struct slot *slot)
{
	int64_t now_ns = sm_clock_mono_ns(), left_ns = (slot->platform_ns - now_ns) * 3 / 4;
	if (slot->platform_ns == 0 || left_ns > FAILURE_NS)
		left_ns = FAILURE_NS;
	if (left_ns < 1000000)
		left_ns = 1000000;
	return (struct sm_limits){.deadline_ns = now_ns + left_ns, .grace_ns = left_ns / 8};
}

static void invoked(void *owner, enum sm_task_end end, lua_State *co, int count)
{
	struct slot *slot = owner;
	lua_State *L = slot->lambda->host->L;
	struct sm_limits limits = limits_of_report(slot);
	slot->begun = true;
	slot->task = NULL;
	if (end == SM_TASK_OK && give_results(slot, co, count))
		return;
	if (!lua_checkstack(L, 4)) {
		give(slot, &last_words);
		return;
	}
	lua_pushcfunction(L, l_explain);
	lua_pushlightuserdata(L, slot);
	if (count > 0)
		lua_xmove(co, L, 1);
	else
		lua_pushnil(L);
	if (sm_task_start(L, 2, &limits, explained, slot, false) == NULL)
		give(slot, &last_words); /* no memory for a task */
}

/* The deadline is the platform's less what the answer, or the error that names the place, may need. */
static struct sm_limits limits_of(struct slot *slot)
{
	size_t memory = slot->lambda->memory_bytes, kept = slot->lambda->host->bytes;
	struct sm_limits limits = {.memory_bytes = memory > kept ? memory - kept : memory / 4};
	int64_t deadline_ms = sm_api_deadline_ms(slot->api);
	slot->platform_ns = 0;
	if (deadline_ms == 0 || deadline_ms > DEADLINE_MAX_MS)
		return limits;
	int64_t left_ns = deadline_ms * INT64_C(1000000) - sm_clock_wall_ns();
	slot->platform_ns = sm_clock_mono_ns() + left_ns;
	int64_t margin_ns = left_ns / MARGIN_SHARE;
	margin_ns = margin_ns < MARGIN_MIN_NS ? MARGIN_MIN_NS : margin_ns > MARGIN_MAX_NS ? MARGIN_MAX_NS : margin_ns;
	if (margin_ns > left_ns / 2)
		margin_ns = left_ns / 2;
	limits.deadline_ns = sm_clock_mono_ns() + (left_ns > 0 ? left_ns - margin_ns : 1);
	limits.grace_ns = margin_ns / 2 + 1;
	return limits;
}

int64_t lambda_turn_ends(const struct sm_host *host, int64_t now_ns)
{
	const struct lambda *lambda = lambda_of(host);
	int64_t ends_ns = now_ns + TURN_NS;
	for (unsigned i = 0; i < lambda->count; i++) {
		const struct slot *slot = &lambda->slots[i];
		if (slot->state == SLOT_RUN && slot->deadline_ns != 0 && slot->deadline_ns < ends_ns)
			ends_ns = slot->deadline_ns;
	}
	return ends_ns;
}

/* With several invocations at a time the variable would be another one's: then only the context has the trace id. */
static void set_trace(struct slot *slot)
{
	struct lambda *lambda = slot->lambda;
	struct sm_api_text trace = sm_api_get_header(slot->api, SM_API_TRACE_ID);
	char *value = lambda->trace + sizeof("_X_AMZN_TRACE_ID=") - 1;
	if (lambda->count > 1)
		return;
	if (trace.text == NULL || trace.len >= TRACE_MAX) {
		if (value[0] != '\0')
			unsetenv("_X_AMZN_TRACE_ID");
		value[0] = '\0';
		return;
	}
	bool there = value[0] != '\0';
	memcpy(value, trace.text, trace.len);
	value[trace.len] = '\0';
	if (!there)
		putenv(lambda->trace); /* the environment holds our bytes from here on: changing them changes it */
}

/* An id goes into a path and into logs. */
static bool take_id(struct slot *slot)
{
	struct sm_api_text id = sm_api_get_header(slot->api, SM_API_REQUEST_ID);
	if (id.text == NULL || id.len == 0 || id.len > ID_MAX)
		return false;
	for (size_t i = 0; i < id.len; i++)
		if (id.text[i] <= ' ' || id.text[i] >= 0x7f || id.text[i] == '/' || id.text[i] == '?' || id.text[i] == '"')
			return false;
	memcpy(slot->id, id.text, id.len);
	slot->id[id.len] = '\0';
	return true;
}

void lambda_event(struct slot *slot)
{
	struct sm_host *host = slot->lambda->host;
	struct sm_limits limits = limits_of(slot);
	if (!take_id(slot)) {
		lambda_tell(slot, "the Runtime API sent an event without a usable request id; it cannot be answered");
		lambda_again(slot, "an event without a usable request id");
		return;
	}
	slot->state = SLOT_RUN;
	slot->number = ++slot->lambda->events;
	slot->streaming = slot->begun = false;
	set_trace(slot);
	if (!lua_checkstack(host->L, 4)) {
		lambda_post(slot, &last_words);
		return;
	}
	lua_pushcfunction(host->L, l_invoke);
	lua_pushlightuserdata(host->L, slot);
	slot->deadline_ns = limits.deadline_ns;
	struct sm_task *task = sm_task_start(host->L, 1, &limits, invoked, slot, true);
	if (!slot->begun)
		slot->task = task;
	if (task == NULL && !slot->begun)
		lambda_post(slot, &last_words); /* no memory for a task */
}

struct slot *lambda_check_running(lua_State *L)
{
	struct slot *slot = slot_of(luaL_checkudata(L, 1, CALL_TYPE));
	if (slot == NULL || slot->state != SLOT_RUN)
		luaL_error(L, "the invocation is over");
	return slot;
}
