/*
 * lua_lambda_stream: answers that are sent in pieces.
 *
 * A piece is borrowed until the system has taken it, and the task waits so long: a slow reader slows the script down
 * and costs no memory.
 */
#include "clock.h"
#include "crypto.h"
#include "lua_lambda_inner.h"
#include "lua_result.h"

#include <poll.h>
#include <stdlib.h>

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

/* As write_finish, for a task that wrote when the answer was ended by another one. */
static int write_overtaken(lua_State *L, struct sm_wait *wait)
{
	(void)wait;
	return sm_push_fail(L, SM_CLOSED, "the answer has ended");
}

static void nothing(struct sm_wait *wait)
{
	(void)wait;
}

/* Nobody waits for the piece any longer: the connection keeps its rest, so that the end of the stream can follow. */
static void leave_piece(struct slot *slot)
{
	lambda_io_off(slot);
	slot->writing = false;
	if (sm_api_own_body(slot->api) != SM_OK)
		sm_api_close(slot->api);
}

static void write_cancel(struct sm_wait *wait)
{
	struct slot *slot = SLOT_OF_WAIT(wait);
	if (slot->writing)
		leave_piece(slot);
}

static void write_ready(struct sm_io *io, short revents)
{
	(void)revents;
	struct slot *slot = (struct slot *)((char *)io - offsetof(struct slot, io));
	if (sm_api_send(slot->api, false) == SM_API_MORE)
		return;
	lambda_io_off(slot);
	slot->writing = false;
	sm_wait_done(&slot->wait);
}

/* Sends what is queued; the task waits while the reader is slow, so nothing piles up here. */
static int send_piece(lua_State *L, struct slot *slot)
{
	if (sm_api_send(slot->api, false) != SM_API_MORE)
		return write_result(L, slot);
	if (!lambda_listen(slot, write_ready))
		return sm_push_fail(L, SM_NOMEM, "not enough memory");
	slot->wait = (struct sm_wait){.finish = write_finish, .cancel = write_cancel};
	slot->writing = true;
	return sm_wait_yield(L, &slot->wait);
}

/* A task of the script's own that still writes: it learns that the answer has ended, and lends its bytes no longer. */
static void stop_writer(struct slot *slot)
{
	if (!slot->writing)
		return;
	leave_piece(slot);
	slot->wait.finish = write_overtaken;
	slot->wait.cancel = nothing;
	sm_wait_done(&slot->wait);
}

void lambda_finish_stream(struct slot *slot, const struct post *error)
{
	size_t len = error != NULL ? error->len : 0;
	char *coded = error != NULL ? malloc(len / 3 * 4 + 8) : NULL;
	if (coded != NULL)
		coded[sm_crypto_base64(error->body, len, false, coded)] = '\0';
	slot->state = SLOT_POST;
	slot->fresh = true; /* what has been sent is not kept: no second try */
	slot->post_ns = POST_NS + (slot->deadline_ns > sm_clock_mono_ns() ? slot->deadline_ns - sm_clock_mono_ns() : 0);
	slot->streaming = false;
	stop_writer(slot);
	if (!sm_api_is_open(slot->api))
		lambda_post_failed(slot, "the stream was cut");
	else if (sm_api_stream_end(slot->api, error != NULL ? error->type : NULL, coded) != SM_OK)
		lambda_post_failed(slot, "not enough memory");
	else
		lambda_turn(slot, false);
	free(coded);
}

/* start_stream(content_type) -> true | nil, message, code. The answer begins; write sends its pieces. */
int lambda_l_start_stream(lua_State *L)
{
	struct slot *slot = lambda_check_running(L);
	const char *type = luaL_checkstring(L, 2);
	if (slot->streaming)
		return luaL_error(L, "the answer has begun already");
	if (!lambda_ensure_open(slot) || sm_api_stream(slot->api, slot->id, type) != SM_OK)
		return sm_push_fail(L, SM_IO, "no connection to the Runtime API");
	slot->streaming = true;
	return send_piece(L, slot);
}

/* write(bytes) -> true | nil, message, code. Waits while the reader is slow. */
int lambda_l_write(lua_State *L)
{
	struct slot *slot = lambda_check_running(L);
	size_t len;
	const char *bytes = luaL_checklstring(L, 2, &len);
	if (!slot->streaming)
		return luaL_error(L, "write needs start_stream first");
	if (slot->writing)
		return luaL_error(L, "another task writes a piece of this answer; one at a time can");
	if (len == 0 || !sm_api_is_open(slot->api))
		return write_result(L, slot);
	if (sm_api_wants(slot->api) == POLLOUT)
		return sm_push_fail(L, SM_CLOSED, "the piece before was left half sent, because its task has ended");
	lua_settop(L, 2); /* the bytes stay here while the task waits */
	if (sm_api_chunk(slot->api, bytes, len) != SM_OK)
		return sm_push_fail(L, SM_NOMEM, "not enough memory");
	return send_piece(L, slot);
}
