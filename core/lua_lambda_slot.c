/* lua_lambda_slot: connections to the Runtime API: asking for events, posting answers, trying again. */
#include "clock.h"
#include "log.h"
#include "lua_lambda_inner.h"
#include "task_inner.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES_MAX 6                /* requests for the next event that fail in a row */
#define RETRY_NS INT64_C(50000000) /* before the second; doubled for each further one */
#define COLLECT_BYTES (256 * 1024) /* garbage that is worth a collection between two events */
#define CREDIT_KIB (16 * 1024)     /* an invocation may allocate this much before the collector runs in it */

/* ---- telling ---- */

void lambda_tell(struct slot *slot, const char *format, ...)
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

int lambda_l_problem(lua_State *L)
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

void lambda_io_off(struct slot *slot)
{
	sm_io_remove(lambda_loop(slot), &slot->io);
}

static void io_ready(struct sm_io *io, short revents)
{
	(void)revents;
	lambda_turn((struct slot *)((char *)io - offsetof(struct slot, io)), false);
}

bool lambda_listen(struct slot *slot, void (*ready)(struct sm_io *io, short revents))
{
	lambda_io_off(slot);
	slot->io = (struct sm_io){.fd = sm_api_fd(slot->api), .events = sm_api_wants(slot->api), .ready = ready};
	return sm_io_add(lambda_loop(slot), &slot->io) == SM_OK;
}

static bool io_on(struct slot *slot)
{
	return lambda_listen(slot, io_ready);
}

void lambda_off(struct slot *slot)
{
	if (slot->state == SLOT_OFF)
		return;
	lambda_io_off(slot);
	sm_timer_stop(lambda_loop(slot), &slot->timer);
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

/* Scripts keep most of what they may have. */
static bool is_nearly_full(const struct lambda *lambda)
{
	return lambda->memory_bytes != 0 && lambda->host->bytes > lambda->memory_bytes / 4 * 3;
}

/*
 * Between an answer and the next event, when it has something to do; during an invocation it has a credit. Young
 * objects are looked through; what got old and died meanwhile (an upvalue's former values do) needs a look at
 * everything, when the state has doubled.
 */
static void collect(struct lambda *lambda)
{
	struct sm_host *host = lambda->host;
	if (lambda->bytes_after != 0 && host->bytes < lambda->bytes_after + COLLECT_BYTES)
		return;
	lua_gc(host->L, LUA_GCSTEP, 0);
	if (host->bytes > 2 * lambda->bytes_major + COLLECT_BYTES || is_nearly_full(lambda)) {
		lua_gc(host->L, LUA_GCCOLLECT);
		lambda->bytes_major = host->bytes;
	}
	lambda->bytes_after = host->bytes;
	lua_gc(host->L, LUA_GCSTEP, -CREDIT_KIB);
}

/* ---- posting ---- */

void lambda_drop_kept(struct slot *slot)
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
	slot->kept = (struct post){copy(post->type), copy(post->cause), NULL, post->len};
	slot->kept.body = body;
	if (body == NULL || (post->type != NULL && slot->kept.type == NULL)) {
		lambda_drop_kept(slot);
		return false;
	}
	memcpy(body, post->body, post->len);
	return true;
}

bool lambda_ensure_open(struct slot *slot)
{
	struct sm_error err;
	slot->fresh = !sm_api_is_open(slot->api);
	if (!slot->fresh || sm_api_open(slot->api, &err) == SM_OK)
		return true;
	if (slot->state != SLOT_NEXT)
		lambda_tell(slot, "%s", err.message);
	return false;
}

static bool queue(struct slot *slot, const struct post *post)
{
	if (!lambda_ensure_open(slot))
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
	fflush(stdout);
	collect(lambda);
}

void lambda_post_failed(struct slot *slot, const char *why)
{
	lambda_tell(slot, "the answer could not be posted: %s", why);
	lambda_drop_kept(slot);
	sm_api_close(slot->api);
	lambda_next(slot);
}

static const char too_large[] = "{\"errorType\":\"Function.ResponseSizeTooLarge\",\"errorMessage\":"
                                "\"the platform refused the answer because it is too large\",\"stackTrace\":[]}";

/* The API has answered to an answer. */
static void posted(struct slot *slot)
{
	static const struct post error = {"Function.ResponseSizeTooLarge", NULL, too_large, sizeof(too_large) - 1};
	struct sm_api_text body = sm_api_body(slot->api);
	int status = sm_api_status(slot->api);
	if (status < 200 || status > 299)
		lambda_tell(slot, "the Runtime API refused the answer: %d %.*s", status, (int)(body.len > 500 ? 500 : body.len),
		            body.text);
	lambda_drop_kept(slot);
	if (status == 413 && slot->is_result)
		lambda_post(slot, &error);
	else
		lambda_next(slot);
}

/* A blocking call was interrupted, but not by a signal that wants to be looked at. */
static bool goes_on(const struct slot *slot, enum sm_api_step step)
{
	return step == SM_API_MORE && !sm_api_timed_out(slot->api) && !sm_signals_waiting();
}

static enum sm_api_step exchange(struct slot *slot, const struct post *post)
{
	enum sm_api_step step;
	if (!queue(slot, post))
		return SM_API_FAILED;
	do
		step = sm_api_send(slot->api, true);
	while (goes_on(slot, step));
	if (step != SM_API_DONE)
		return step;
	tidy(slot->lambda);
	do
		step = sm_api_turn(slot->api, true);
	while (goes_on(slot, step));
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
	else if (step == SM_API_FAILED)
		lambda_post_failed(slot, sm_api_error_text(slot->api));
	else if (sm_api_timed_out(slot->api) || sm_api_own_body(slot->api) != SM_OK)
		lambda_post_failed(slot, "the Runtime API does not answer");
	else
		lambda_turn(slot, false); /* SIGTERM: the loop must see it */
}

static void post_kept(struct slot *slot)
{
	tidy(slot->lambda);
	if (!queue(slot, &slot->kept))
		lambda_post_failed(slot, "no connection, or no memory");
	else
		lambda_turn(slot, false);
}

void lambda_post(struct slot *slot, const struct post *post)
{
	slot->state = SLOT_POST;
	slot->is_result = post->type == NULL;
	slot->post_ns = POST_NS;
	if (is_alone(slot, false))
		post_now(slot, post);
	else if (keep(slot, post))
		post_kept(slot);
	else
		lambda_post_failed(slot, "not enough memory");
}

/* ---- asking ---- */

static void retry(struct sm_timer *timer)
{
	lambda_next((struct slot *)((char *)timer - offsetof(struct slot, timer)));
}

/* Asking has failed. A connection that died while nothing ran is opened again at once; anything else is given time. */
void lambda_again(struct slot *slot, const char *why)
{
	sm_api_close(slot->api);
	slot->tries++;
	if (slot->tries > 1)
		lambda_tell(slot, "the Runtime API gave no event: %s", why);
	if (slot->tries > TRIES_MAX) {
		lambda_off(slot);
		return;
	}
	slot->state = SLOT_RETRY;
	slot->timer.fire = retry;
	int64_t pause_ns = slot->tries == 1 ? 0 : RETRY_NS << (slot->tries - 2);
	if (sm_timer_start(lambda_loop(slot), &slot->timer, sm_clock_mono_ns() + pause_ns) != SM_OK)
		lambda_off(slot);
}

void lambda_next(struct slot *slot)
{
	slot->id[0] = '\0';
	slot->state = SLOT_NEXT;
	slot->number = 0;
	if (is_nearly_full(slot->lambda)) {
		lambda_tell(slot, "scripts keep %zu MiB: this process ends, so that the platform starts a fresh one",
		            slot->lambda->host->bytes >> 20);
		lambda_off(slot);
	} else if (slot->lambda->stopping || slot->lambda->host->exiting)
		lambda_off(slot);
	else if (!lambda_ensure_open(slot))
		lambda_again(slot, "it cannot be reached");
	else if (sm_api_next(slot->api) != SM_OK)
		lambda_again(slot, "not enough memory");
	else if (sm_api_send(slot->api, false) == SM_API_FAILED)
		lambda_again(slot, sm_api_error_text(slot->api));
	else if (!io_on(slot))
		lambda_off(slot);
}

static void answered(struct slot *slot)
{
	char why[64];
	int status = sm_api_status(slot->api);
	if (slot->state == SLOT_POST) {
		posted(slot);
	} else if (status == 200) {
		slot->tries = 0;
		lambda_event(slot);
	} else {
		snprintf(why, sizeof(why), "it answered with status %d", status);
		lambda_again(slot, why);
	}
}

static void failed(struct slot *slot)
{
	if (slot->state == SLOT_NEXT)
		lambda_again(slot, sm_api_error_text(slot->api));
	else if (slot->kept.body != NULL && !slot->fresh)
		post_kept(slot);
	else
		lambda_post_failed(slot, sm_api_error_text(slot->api));
}

static void post_late(struct sm_timer *timer)
{
	struct slot *slot = (struct slot *)((char *)timer - offsetof(struct slot, timer));
	lambda_io_off(slot);
	lambda_post_failed(slot, "the Runtime API does not answer");
}

/* What is sent piece by piece, or read later, waits on the loop; an answer not for ever. */
static void go_on_later(struct slot *slot)
{
	bool ok = io_on(slot);
	if (ok && slot->state == SLOT_POST && slot->timer.slot == 0) {
		slot->timer.fire = post_late;
		ok = sm_timer_start(lambda_loop(slot), &slot->timer, sm_clock_mono_ns() + slot->post_ns) == SM_OK;
	}
	if (!ok)
		lambda_off(slot);
}

void lambda_turn(struct slot *slot, bool block)
{
	enum sm_api_step step = sm_api_turn(slot->api, block);
	if (step == SM_API_MORE) {
		go_on_later(slot);
		return;
	}
	lambda_io_off(slot);
	sm_timer_stop(lambda_loop(slot), &slot->timer);
	if (step == SM_API_DONE)
		answered(slot);
	else
		failed(slot);
}

bool lambda_wait_in_read(struct sm_host *host)
{
	struct lambda *lambda = lambda_of(host);
	struct slot *slot = &lambda->slots[0];
	if (slot->state != SLOT_NEXT || !is_alone(slot, true) || sm_signals_waiting())
		return false;
	lambda_turn(slot, true);
	return true;
}
