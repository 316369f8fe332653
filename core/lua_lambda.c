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
#include "lua_lambda.h"

#include "clock.h"
#include "crypto.h"
#include "log.h"
#include "lua_libs.h"
#include "lua_result.h"
#include "lua_type.h"
#include "runtime_api.h"
#include "task_inner.h"

#include <lauxlib.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALL_TYPE "sm.lambda.call"
#define LAMBDA_TYPE "sm.lambda"
#define ID_MAX 200
#define SLOTS_MAX 1024
#define TRACE_MAX 1024
#define MARGIN_SHARE 20 /* of the time of an invocation is kept back to answer in */
#define MARGIN_MIN_NS INT64_C(50000000)
#define MARGIN_MAX_NS INT64_C(1000000000)
#define FAILURE_NS INT64_C(2000000000) /* what the report of a failure may take */
#define TRIES_MAX 8                    /* requests for the next event that fail in a row */
#define RETRY_NS INT64_C(50000000)     /* before the second; doubled for each further one */
#define COLLECT_BYTES (256 * 1024)     /* garbage that is worth a collection between two events */
#define CREDIT_KIB (16 * 1024)         /* an invocation may allocate this much before the collector runs in it */

enum slot_state {
	SLOT_OFF,
	SLOT_NEXT, /* waits for an event */
	SLOT_RUN,  /* a task works on it */
	SLOT_POST, /* its answer is on the way, or the API's answer to that */
	SLOT_RETRY /* pauses before it asks again */
};

struct lambda;

/* An answer, or an error when type is set. */
struct post {
	const char *type, *cause, *body;
	size_t len;
};

struct slot {
	struct lambda *lambda;
	struct sm_api *api;
	struct sm_io io;
	struct sm_timer retry;
	enum slot_state state;
	uint64_t number; /* of the event, counted over all slots: tells a call that is over */
	unsigned tries;
	bool fresh;          /* the connection was opened for what is being sent: it cannot have died unseen */
	bool begun;          /* the task of the event has run */
	bool streaming;      /* the answer has begun */
	struct sm_wait wait; /* of the task that writes a piece of a streamed answer */
	char id[ID_MAX + 1];
	struct post kept; /* owned copy of an answer that is sent piece by piece */
};

struct lambda {
	struct sm_host *host;
	struct slot *slots;
	unsigned count, on; /* slots; those that are not off */
	uint64_t events;
	size_t memory_bytes;
	size_t bytes_after; /* of the Lua state, after the last collection */
	bool stopping;
	int on_event, on_failure, on_problem; /* references */
	char trace[sizeof("_X_AMZN_TRACE_ID=") + TRACE_MAX];
};

static void slot_next(struct slot *slot);
static void slot_again(struct slot *slot, const char *why);
static void slot_event(struct slot *slot);
static void slot_turn(struct slot *slot, bool block);

static struct lambda *lambda_of(const struct sm_host *host)
{
	return host->waiter;
}

/* ---- telling ---- */

/* Calls on_problem(message, request id). */
static void tell(struct slot *slot, const char *format, ...)
{
	char message[SM_ERROR_MAX + 256];
	lua_State *L = slot->lambda->host->L;
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	if (!lua_checkstack(L, 4) || slot->lambda->on_problem == LUA_NOREF) {
		sm_log_plain("bootstrap: %s", message);
		return;
	}
	lua_rawgeti(L, LUA_REGISTRYINDEX, slot->lambda->on_problem);
	lua_pushlightuserdata(L, message);
	lua_pushlightuserdata(L, slot->id);
	if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
		sm_log_plain("bootstrap: %s", message);
		lua_pop(L, 1);
	}
}

/* The function behind on_problem: gives it texts. */
static int l_problem(lua_State *L)
{
	const char *message = lua_touserdata(L, 1), *id = lua_touserdata(L, 2);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_pushstring(L, message);
	if (id[0] != '\0')
		lua_pushstring(L, id);
	else
		lua_pushnil(L);
	lua_call(L, 2, 0);
	return 0;
}

/* ---- slots on the loop ---- */

static struct sm_loop *loop_of(const struct slot *slot)
{
	return slot->lambda->host->loop;
}

static void io_off(struct slot *slot)
{
	sm_io_remove(loop_of(slot), &slot->io);
}

static void io_ready(struct sm_io *io, short revents)
{
	(void)revents;
	slot_turn((struct slot *)((char *)io - offsetof(struct slot, io)), false);
}

static bool listen_with(struct slot *slot, void (*ready)(struct sm_io *io, short revents))
{
	io_off(slot);
	slot->io = (struct sm_io){.fd = sm_api_fd(slot->api), .events = sm_api_wants(slot->api), .ready = ready};
	return sm_io_add(loop_of(slot), &slot->io) == SM_OK;
}

static bool io_on(struct slot *slot)
{
	return listen_with(slot, io_ready);
}

static void slot_off(struct slot *slot)
{
	if (slot->state == SLOT_OFF)
		return;
	io_off(slot);
	sm_timer_stop(loop_of(slot), &slot->retry);
	sm_api_close(slot->api);
	slot->state = SLOT_OFF;
	slot->lambda->on--;
}

/* True when nobody but this slot has anything to do: then it may wait in system calls of its own. */
static bool is_alone(const struct slot *slot, bool listens)
{
	const struct sm_host *host = slot->lambda->host;
	/* on the loop: the pipe of signals, and the slot itself when it listens */
	return slot->lambda->count == 1 && host->tasks == NULL && host->ready_head == NULL && !host->exiting &&
	       sm_loop_is_quiet(host->loop, listens ? 2 : 1);
}

/* ---- the collector ---- */

/* Between an answer and the next event, when it has something to do; during an invocation it has a credit. */
static void collect(struct lambda *lambda)
{
	struct sm_host *host = lambda->host;
	if (host->bytes < lambda->bytes_after + COLLECT_BYTES)
		return;
	lua_gc(host->L, LUA_GCSTEP, 0);
	lambda->bytes_after = host->bytes;
	lua_gc(host->L, LUA_GCSTEP, -CREDIT_KIB);
}

/* ---- posting ---- */

static void drop_kept(struct slot *slot)
{
	free((char *)slot->kept.type);
	free((char *)slot->kept.cause);
	free((char *)slot->kept.body);
	slot->kept = (struct post){NULL, NULL, NULL, 0};
}

static char *copy(const char *text)
{
	return text != NULL ? strdup(text) : NULL;
}

static bool keep(struct slot *slot, const struct post *post)
{
	char *body = malloc(post->len + 1);
	slot->kept = (struct post){copy(post->type), copy(post->cause), body, post->len};
	if (body == NULL || (post->type != NULL && slot->kept.type == NULL)) {
		drop_kept(slot);
		return false;
	}
	memcpy(body, post->body, post->len);
	return true;
}

static bool ensure_open(struct slot *slot)
{
	struct sm_error err;
	slot->fresh = !sm_api_is_open(slot->api);
	if (!slot->fresh || sm_api_open(slot->api, &err) == SM_OK)
		return true;
	if (slot->state != SLOT_NEXT)
		tell(slot, "%s", err.message);
	return false;
}

static bool queue(struct slot *slot, const struct post *post)
{
	if (!ensure_open(slot))
		return false;
	enum sm_status status = post->type != NULL
	                            ? sm_api_error(slot->api, slot->id, post->type, post->cause, post->body, post->len)
	                            : sm_api_answer(slot->api, slot->id, post->body, post->len);
	return status == SM_OK;
}

/* What is done while the API works on an answer that has been sent: the caller does not wait for it. */
static void tidy(struct lambda *lambda)
{
	sm_log_flush(); /* the sandbox may be frozen from the next request on */
	collect(lambda);
}

static void post_failed(struct slot *slot, const char *why)
{
	tell(slot, "the answer could not be posted: %s", why);
	drop_kept(slot);
	sm_api_close(slot->api);
	slot_next(slot);
}

/* The API has answered to an answer. */
static void posted(struct slot *slot)
{
	struct sm_api_text body = sm_api_body(slot->api);
	int status = sm_api_status(slot->api);
	if (status < 200 || status > 299)
		tell(slot, "the Runtime API refused the answer: %d %.*s", status, (int)(body.len > 500 ? 500 : body.len),
		     body.text);
	drop_kept(slot);
	slot_next(slot);
}

static enum sm_api_step exchange(struct slot *slot, const struct post *post)
{
	if (!queue(slot, post))
		return SM_API_FAILED;
	enum sm_api_step step = sm_api_send(slot->api, true);
	if (step != SM_API_DONE)
		return step;
	tidy(slot->lambda);
	do
		step = sm_api_turn(slot->api, true);
	while (step == SM_API_MORE && !sm_api_timed_out(slot->api));
	return step;
}

/* Waits in the system calls themselves. A connection may have died while the sandbox was frozen: then once more. */
static void post_now(struct slot *slot, const struct post *post)
{
	enum sm_api_step step = exchange(slot, post);
	if (step == SM_API_FAILED && !slot->fresh)
		step = exchange(slot, post);
	if (step == SM_API_DONE)
		posted(slot);
	else
		post_failed(slot, step == SM_API_MORE ? "the Runtime API does not answer" : sm_api_error_text(slot->api));
}

static void post_kept(struct slot *slot)
{
	if (!queue(slot, &slot->kept))
		post_failed(slot, "no connection, or no memory");
	else
		slot_turn(slot, false);
}

static void slot_post(struct slot *slot, const struct post *post)
{
	slot->state = SLOT_POST;
	if (is_alone(slot, false))
		post_now(slot, post);
	else if (keep(slot, post))
		post_kept(slot);
	else
		post_failed(slot, "not enough memory");
}

/* ---- asking ---- */

static void retry(struct sm_timer *timer)
{
	slot_next((struct slot *)((char *)timer - offsetof(struct slot, retry)));
}

/* Asking has failed. A connection that died while nothing ran is opened again at once; anything else is given time. */
static void slot_again(struct slot *slot, const char *why)
{
	sm_api_close(slot->api);
	slot->tries++;
	if (slot->tries > 1)
		tell(slot, "the Runtime API gave no event: %s", why);
	if (slot->tries > TRIES_MAX) {
		slot_off(slot);
		return;
	}
	slot->state = SLOT_RETRY;
	slot->retry.fire = retry;
	int64_t pause_ns = slot->tries == 1 ? 0 : RETRY_NS << (slot->tries - 2);
	if (sm_timer_start(loop_of(slot), &slot->retry, sm_clock_mono_ns() + pause_ns) != SM_OK)
		slot_off(slot);
}

static void slot_next(struct slot *slot)
{
	slot->id[0] = '\0';
	slot->state = SLOT_NEXT;
	slot->number = 0;
	if (slot->lambda->stopping || slot->lambda->host->exiting)
		slot_off(slot);
	else if (!ensure_open(slot))
		slot_again(slot, "it cannot be reached");
	else if (sm_api_next(slot->api) != SM_OK)
		slot_again(slot, "not enough memory");
	else if (sm_api_send(slot->api, false) == SM_API_FAILED)
		slot_again(slot, sm_api_error_text(slot->api));
	else if (!io_on(slot))
		slot_off(slot);
}

static void answered(struct slot *slot)
{
	char why[64];
	int status = sm_api_status(slot->api);
	if (slot->state == SLOT_POST) {
		posted(slot);
	} else if (status == 200) {
		slot->tries = 0;
		slot_event(slot);
	} else {
		snprintf(why, sizeof(why), "it answered with status %d", status);
		slot_again(slot, why);
	}
}

static void failed(struct slot *slot)
{
	if (slot->state == SLOT_NEXT)
		slot_again(slot, sm_api_error_text(slot->api));
	else if (slot->kept.body != NULL && !slot->fresh)
		post_kept(slot);
	else
		post_failed(slot, sm_api_error_text(slot->api));
}

/* Moves what the slot sends and reads. */
static void slot_turn(struct slot *slot, bool block)
{
	enum sm_api_step step = sm_api_turn(slot->api, block);
	if (step == SM_API_MORE) {
		if (!io_on(slot))
			slot_off(slot);
		return;
	}
	io_off(slot);
	if (step == SM_API_DONE)
		answered(slot);
	else
		failed(slot);
}

/* wait_instead of the host: sleeps in the read of the only connection. */
static bool wait_in_read(struct sm_host *host)
{
	struct lambda *lambda = lambda_of(host);
	struct slot *slot = &lambda->slots[0];
	if (slot->state != SLOT_NEXT || !is_alone(slot, true) || sm_signals_waiting())
		return false;
	slot_turn(slot, true);
	return true;
}

/* ---- a streamed answer ---- */

#define SLOT_OF_WAIT(pointer) ((struct slot *)((char *)(pointer)-offsetof(struct slot, wait)))

static int write_result(lua_State *L, struct slot *slot)
{
	if (!sm_api_is_open(slot->api))
		return sm_push_fail(L, SM_CLOSED, "%s", sm_api_error_text(slot->api));
	lua_pushboolean(L, 1);
	return 1;
}

static int write_finish(lua_State *L, struct sm_wait *wait)
{
	return write_result(L, SLOT_OF_WAIT(wait));
}

/* The task ends with half a chunk sent: its rest is kept, so that the end of the stream can follow it. */
static void write_cancel(struct sm_wait *wait)
{
	struct slot *slot = SLOT_OF_WAIT(wait);
	io_off(slot);
	if (sm_api_own_body(slot->api) != SM_OK)
		sm_api_close(slot->api);
}

static void write_ready(struct sm_io *io, short revents)
{
	(void)revents;
	struct slot *slot = (struct slot *)((char *)io - offsetof(struct slot, io));
	if (sm_api_send(slot->api, false) == SM_API_MORE)
		return;
	io_off(slot);
	sm_wait_done(&slot->wait);
}

/* Sends what is queued; the task waits while the reader is slow, so nothing piles up here. */
static int send_piece(lua_State *L, struct slot *slot)
{
	if (sm_api_send(slot->api, false) != SM_API_MORE)
		return write_result(L, slot);
	if (!listen_with(slot, write_ready))
		return sm_push_fail(L, SM_NOMEM, "not enough memory");
	slot->wait = (struct sm_wait){.finish = write_finish, .cancel = write_cancel};
	return sm_wait_yield(L, &slot->wait);
}

/* The end of the stream, in good order or with the error in its trailers. */
static void finish_stream(struct slot *slot, const struct post *error)
{
	size_t len = error != NULL ? error->len : 0;
	char *coded = error != NULL ? malloc(len / 3 * 4 + 8) : NULL;
	if (coded != NULL)
		coded[sm_crypto_base64(error->body, len, false, coded)] = '\0';
	slot->state = SLOT_POST;
	slot->fresh = true; /* what has been sent is not kept: no second try */
	slot->streaming = false;
	if (!sm_api_is_open(slot->api))
		post_failed(slot, "the stream was cut");
	else if (sm_api_stream_end(slot->api, error != NULL ? error->type : NULL, coded) != SM_OK)
		post_failed(slot, "not enough memory");
	else
		slot_turn(slot, false);
	free(coded);
}

/* ---- an invocation ---- */

/* What scripts know as the context. Its texts stay when the invocation is over. */
struct call {
	struct slot *slot;
	uint64_t number;
	int64_t deadline_ms;
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
		size += texts[i].len + 1;
	}
	struct call *call = lua_newuserdatauv(L, sizeof(*call) + size, 0);
	call->slot = slot;
	call->number = slot->number;
	call->deadline_ms = sm_api_deadline_ms(slot->api);
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
} text_fields[] = {{"request_id", SM_API_REQUEST_ID},  {"function_arn", SM_API_ARN},
                   {"trace_id", SM_API_TRACE_ID},      {"client_context_json", SM_API_CLIENT_CONTEXT},
                   {"identity_json", SM_API_IDENTITY}, {"tenant_id", SM_API_TENANT_ID}};

#define TEXT_FIELDS (sizeof(text_fields) / sizeof(text_fields[0]))

/* remaining() -> seconds until the platform ends the invocation, never negative. */
static int l_remaining(lua_State *L)
{
	int64_t left_ns = lua_tointeger(L, lua_upvalueindex(1)) * INT64_C(1000000) - sm_clock_wall_ns();
	lua_pushnumber(L, left_ns > 0 ? (double)left_ns / 1e9 : 0);
	return 1;
}

/* context.NAME: request_id, function_arn, trace_id, tenant_id, deadline (seconds since 1970), remaining(), ... */
static int l_call_index(lua_State *L)
{
	const struct call *call = luaL_checkudata(L, 1, CALL_TYPE);
	const char *name = luaL_checkstring(L, 2);
	for (size_t i = 0; i < TEXT_FIELDS; i++)
		if (strcmp(name, text_fields[i].name) == 0) {
			enum sm_api_header header = text_fields[i].header;
			if (call->texts[header].at == 0)
				return 0;
			lua_pushlstring(L, call->bytes + call->texts[header].at - 1, call->texts[header].len);
			return 1;
		}
	if (strcmp(name, "deadline") == 0) {
		if (call->deadline_ms == 0)
			return 0;
		lua_pushnumber(L, (double)call->deadline_ms / 1e3);
	} else if (strcmp(name, "remaining") == 0) {
		lua_pushinteger(L, call->deadline_ms);
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

static int l_explain(lua_State *L)
{
	struct slot *slot = lua_touserdata(L, 1);
	lua_rawgeti(L, LUA_REGISTRYINDEX, slot->lambda->on_failure);
	lua_pushvalue(L, 2);
	push_call(L, slot);
	lua_pushnil(L);
	lua_replace(L, 1);
	lua_callk(L, 2, 4, 0, invoke_k);
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
		finish_stream(slot, post->type != NULL ? post : NULL);
	else
		slot_post(slot, post);
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

static void invoked(void *owner, enum sm_task_end end, lua_State *co, int count)
{
	struct slot *slot = owner;
	lua_State *L = slot->lambda->host->L;
	struct sm_limits limits = {.deadline_ns = sm_clock_mono_ns() + FAILURE_NS};
	slot->begun = true;
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
	sm_task_start(L, 2, &limits, explained, slot, false);
}

/* The deadline is the platform's less what the answer, or the error that names the place, may need. */
static struct sm_limits limits_of(const struct slot *slot)
{
	struct sm_limits limits = {.memory_bytes = slot->lambda->memory_bytes};
	int64_t deadline_ms = sm_api_deadline_ms(slot->api);
	if (deadline_ms == 0)
		return limits;
	int64_t left_ns = deadline_ms * INT64_C(1000000) - sm_clock_wall_ns();
	int64_t margin_ns = left_ns / MARGIN_SHARE;
	margin_ns = margin_ns < MARGIN_MIN_NS ? MARGIN_MIN_NS : margin_ns > MARGIN_MAX_NS ? MARGIN_MAX_NS : margin_ns;
	if (margin_ns > left_ns / 2)
		margin_ns = left_ns / 2;
	limits.deadline_ns = sm_clock_mono_ns() + (left_ns > 0 ? left_ns - margin_ns : 1);
	return limits;
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

static void slot_event(struct slot *slot)
{
	struct sm_host *host = slot->lambda->host;
	struct sm_limits limits = limits_of(slot);
	if (!take_id(slot)) {
		slot_again(slot, "an event without a usable request id");
		return;
	}
	slot->state = SLOT_RUN;
	slot->number = ++slot->lambda->events;
	slot->streaming = slot->begun = false;
	set_trace(slot);
	if (!lua_checkstack(host->L, 4)) {
		slot_post(slot, &last_words);
		return;
	}
	lua_pushcfunction(host->L, l_invoke);
	lua_pushlightuserdata(host->L, slot);
	if (sm_task_start(host->L, 1, &limits, invoked, slot, true) == NULL && !slot->begun)
		slot_post(slot, &last_words); /* no memory for a task */
}

/* ---- methods of the context that answer in pieces ---- */

static struct slot *check_running(lua_State *L)
{
	struct slot *slot = slot_of(luaL_checkudata(L, 1, CALL_TYPE));
	if (slot == NULL || slot->state != SLOT_RUN)
		luaL_error(L, "the invocation is over");
	return slot;
}

/* start_stream(content_type) -> true | nil, message, code. The answer begins; write sends its pieces. */
static int l_start_stream(lua_State *L)
{
	struct slot *slot = check_running(L);
	const char *type = luaL_checkstring(L, 2);
	if (slot->streaming)
		return luaL_error(L, "the answer has begun already");
	if (!ensure_open(slot) || sm_api_stream(slot->api, slot->id, type) != SM_OK)
		return sm_push_fail(L, SM_IO, "no connection to the Runtime API");
	slot->streaming = true;
	return send_piece(L, slot);
}

/* write(bytes) -> true | nil, message, code. Waits while the reader is slow. */
static int l_write(lua_State *L)
{
	struct slot *slot = check_running(L);
	size_t len;
	const char *bytes = luaL_checklstring(L, 2, &len);
	if (!slot->streaming)
		return luaL_error(L, "write needs start_stream first");
	if (len == 0 || !sm_api_is_open(slot->api))
		return write_result(L, slot);
	lua_settop(L, 2); /* the bytes stay here while the task waits */
	if (sm_api_chunk(slot->api, bytes, len) != SM_OK)
		return sm_push_fail(L, SM_NOMEM, "not enough memory");
	return send_piece(L, slot);
}

/* ---- serving ---- */

static void free_lambda(struct lambda *lambda)
{
	for (unsigned i = 0; i < lambda->count; i++) {
		slot_off(&lambda->slots[i]);
		drop_kept(&lambda->slots[i]);
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
	lua_pushcclosure(L, l_problem, 1);
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
	host->wait_instead = wait_in_read;
	lambda->on = lambda->count;
	for (unsigned i = 0; i < lambda->count; i++)
		slot_next(&lambda->slots[i]);
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
			slot_off(&lambda->slots[i]);
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

/* request_id() -> of the only invocation; nil between two, and with several at a time. */
static int l_request_id(lua_State *L)
{
	const struct lambda *lambda = lambda_of(sm_host_of(L));
	if (lambda == NULL || lambda->count != 1 || lambda->slots[0].id[0] == '\0')
		return 0;
	lua_pushstring(L, lambda->slots[0].id);
	return 1;
}

bool sm_lambda_serves(const struct sm_host *host)
{
	const struct lambda *lambda = lambda_of(host);
	return lambda != NULL && (lambda->on > 0 || lambda->stopping);
}

/* ---- single requests, outside of invocations ---- */

#define CONNECTION_TYPE "sm.lambda.connection"

static int l_connection_gc(lua_State *L)
{
	struct sm_api **api = lua_touserdata(L, 1);
	sm_api_free(*api);
	*api = NULL;
	return 0;
}

/* patient: the API takes its time (restore/next); only a signal ends the wait then. */
static enum sm_api_step wait_for(struct sm_api *api, bool patient)
{
	enum sm_api_step step;
	do
		step = sm_api_turn(api, true);
	while (step == SM_API_MORE && !sm_signals_waiting() && (patient || !sm_api_timed_out(api)));
	return step;
}

static int push_answer(lua_State *L, const struct sm_api *api)
{
	struct sm_api_text body = sm_api_body(api), extension = sm_api_get_header(api, SM_API_EXTENSION_ID);
	lua_pushinteger(L, sm_api_status(api));
	lua_pushlstring(L, body.text, body.len);
	if (extension.text != NULL)
		lua_pushlstring(L, extension.text, extension.len);
	else
		lua_pushnil(L);
	return 3;
}

static int finish_request(lua_State *L, struct sm_api *api, enum sm_status status, bool patient)
{
	struct sm_error err = {.status = SM_NOMEM, .message = "not enough memory"};
	if (status != SM_OK || (status = sm_api_open(api, &err)) != SM_OK)
		return sm_push_error(L, &err);
	switch (wait_for(api, patient)) {
	case SM_API_DONE:
		return push_answer(L, api);
	case SM_API_FAILED:
		return sm_push_fail(L, SM_IO, "%s", sm_api_error_text(api));
	default:
		return sm_push_fail(L, SM_TIMEOUT, "the Runtime API does not answer");
	}
}

static struct sm_api *push_connection(lua_State *L, const char *address)
{
	struct sm_error err;
	struct sm_api **api = lua_newuserdatauv(L, sizeof(*api), 0);
	*api = NULL;
	luaL_setmetatable(L, CONNECTION_TYPE);
	if (sm_api_new(address, api, &err) != SM_OK)
		sm_push_error(L, &err);
	return *api;
}

/*
 * post_error(address, "init" | "restore", type, json, cause?) -> status, body | nil, message, code. Blocks: nothing
 * else runs in these phases.
 */
static int l_post_error(lua_State *L)
{
	const char *address = luaL_checkstring(L, 1), *phase = luaL_checkstring(L, 2), *type = luaL_checkstring(L, 3);
	size_t len;
	const char *body = luaL_checklstring(L, 4, &len), *cause = luaL_optstring(L, 5, NULL);
	luaL_argcheck(L, strcmp(phase, "init") == 0 || strcmp(phase, "restore") == 0, 2, "init or restore");
	struct sm_api *api = push_connection(L, address);
	if (api == NULL)
		return 3;
	return finish_request(L, api, sm_api_error(api, phase, type, cause, body, len), false);
}

/*
 * request(address, method, path, headers, body?) -> status, body, extension id | nil, message, code. headers: lines
 * that end with CRLF, or "". A GET has no time limit; blocks.
 */
static int l_request(lua_State *L)
{
	static const char *const methods[] = {"GET", "POST", NULL};
	const char *address = luaL_checkstring(L, 1), *path = luaL_checkstring(L, 3), *headers = luaL_checkstring(L, 4);
	bool get = luaL_checkoption(L, 2, NULL, methods) == 0;
	size_t len = 0;
	const char *body = luaL_optlstring(L, 5, "", &len);
	struct sm_api *api = push_connection(L, address);
	if (api == NULL)
		return 3;
	return finish_request(L, api, get ? sm_api_get(api, path, headers) : sm_api_post(api, path, headers, body, len),
	                      get);
}

void sm_lambda_init_error(const char *address, const char *type, const char *message)
{
	static const char form[] = "{\"errorType\":\"%s\",\"errorMessage\":\"%s\",\"stackTrace\":[]}";
	char body[2048], plain[1024];
	struct sm_api *api = NULL;
	size_t len = 0;
	for (; message[len] != '\0' && len < sizeof(plain) - 1;
	     len++) /* what JSON would have to escape is not worth it here */
		plain[len] = message[len] < ' ' || message[len] == '"' || message[len] == '\\' ? ' ' : message[len];
	plain[len] = '\0';
	int size = snprintf(body, sizeof(body), form, type, plain);
	if (sm_api_new(address, &api, NULL) == SM_OK && sm_api_open(api, NULL) == SM_OK &&
	    sm_api_error(api, "init", type, NULL, body, (size_t)size) == SM_OK)
		wait_for(api, false);
	sm_api_free(api);
}

/* ---- the module ---- */

static void make_call_type(lua_State *L)
{
	static const luaL_Reg methods[] = {{"start_stream", l_start_stream}, {"write", l_write}, {NULL, NULL}};
	sm_make_type(L, CALL_TYPE, methods, NULL);
	luaL_getmetatable(L, CALL_TYPE);
	luaL_newlib(L, methods);
	lua_pushcclosure(L, l_call_index, 1);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
}

static const luaL_Reg functions[] = {{"serve", l_serve},
                                     {"stop", l_stop},
                                     {"running", l_running},
                                     {"request_id", l_request_id},
                                     {"post_error", l_post_error},
                                     {"request", l_request},
                                     {NULL, NULL}};

int luaopen_sm_lambda(lua_State *L)
{
	static const luaL_Reg none[] = {{NULL, NULL}};
	static const luaL_Reg lambda_meta[] = {{"__gc", l_lambda_gc}, {NULL, NULL}};
	static const luaL_Reg connection_meta[] = {{"__gc", l_connection_gc}, {"__close", l_connection_gc}, {NULL, NULL}};
	make_call_type(L);
	sm_make_type(L, LAMBDA_TYPE, none, lambda_meta);
	sm_make_type(L, CONNECTION_TYPE, none, connection_meta);
	luaL_newlib(L, functions);
	lua_pushinteger(L, (lua_Integer)SM_API_ANSWER_MAX);
	lua_setfield(L, -2, "answer_max");
	return 1;
}
