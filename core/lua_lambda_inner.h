/*
 * lua_lambda_inner: shared by the files of sm.lambda only.
 *
 * A slot is one connection to the Runtime API and the invocation on it. lua_lambda_slot.c moves its requests,
 * lua_lambda_call.c turns an event into a task and its end into an answer, lua_lambda_stream.c writes answers in
 * pieces, lua_lambda_request.c makes single requests outside of invocations.
 */
#ifndef SM_LUA_LAMBDA_INNER_H
#define SM_LUA_LAMBDA_INNER_H

#include "lua_lambda.h"
#include "runtime_api.h"

#include <lauxlib.h>

#define CALL_TYPE "sm.lambda.call"
#define LAMBDA_TYPE "sm.lambda"
#define CONNECTION_TYPE "sm.lambda.connection"
#define ID_MAX 200
#define TRACE_MAX 1024
#define POST_NS INT64_C(10000000000) /* the Runtime API may take this long for an answer */

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
	struct sm_timer timer; /* until the next try, or for an answer to be taken */
	struct sm_task *task;  /* that works on the event and waits */
	enum slot_state state;
	int64_t deadline_ns; /* of the running task */
	int64_t platform_ns; /* when the platform gives the invocation up, monotonic; 0: never */
	int64_t post_ns;     /* what the API may take for the answer */
	uint64_t number;     /* of the event, counted over all slots: tells a call that is over */
	unsigned tries;
	bool fresh;          /* the connection was opened for what is being sent: it cannot have died unseen */
	bool is_result;      /* what is posted; else an error */
	bool begun;          /* the task of the event has run */
	bool streaming;      /* the answer has begun */
	bool writing;        /* a task waits until its piece of a streamed answer is sent */
	struct sm_wait wait; /* that task's */
	char id[ID_MAX + 1];
	struct post kept; /* owned copy of an answer that is sent piece by piece */
};

struct lambda {
	struct sm_host *host;
	struct slot *slots;
	unsigned count, on; /* slots; those that are not off */
	uint64_t events;
	size_t memory_bytes;
	size_t bytes_after; /* of the Lua state, after the last collection; 0: none yet */
	size_t bytes_major; /* after the last that looked at everything */
	bool stopping;
	int on_event, on_failure, on_problem; /* references */
	char trace[sizeof("_X_AMZN_TRACE_ID=") + TRACE_MAX];
};

static inline struct lambda *lambda_of(const struct sm_host *host)
{
	return host->waiter;
}

static inline struct sm_loop *lambda_loop(const struct slot *slot)
{
	return slot->lambda->host->loop;
}

/* ---- lua_lambda_slot.c ---- */

/* Calls on_problem(message, request id). */
void lambda_tell(struct slot *slot, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The function behind on_problem, with the one of Lua as its upvalue: gives that texts. */
int lambda_l_problem(lua_State *L);
/* Asks for the next event, unless there shall be none. */
void lambda_next(struct slot *slot);
/* Asking has failed, or what came is no event. */
void lambda_again(struct slot *slot, const char *why);
/* Moves what the slot sends and reads; block: waits in the system calls. */
void lambda_turn(struct slot *slot, bool block);
/* Sends the answer (or error) for the slot's event; borrows the texts during the call. */
void lambda_post(struct slot *slot, const struct post *post);
/* The answer is given up, which is told, and the next event asked for. */
void lambda_post_failed(struct slot *slot, const char *why);
bool lambda_ensure_open(struct slot *slot);
void lambda_off(struct slot *slot);
void lambda_drop_kept(struct slot *slot);
bool lambda_listen(struct slot *slot, void (*ready)(struct sm_io *io, short revents));
void lambda_io_off(struct slot *slot);
/* wait_instead of the host: sleeps in the read of the only connection. */
bool lambda_wait_in_read(struct sm_host *host);

/* ---- lua_lambda_call.c ---- */

/* turn_ends of the host: background tasks neither keep an invocation from its answer nor the next one from its start.
 */
int64_t lambda_turn_ends(const struct sm_host *host, int64_t now_ns);

/* The slot has an event: starts its task. */
void lambda_event(struct slot *slot);
/* The slot of the context at index 1; raises when the invocation is over. */
struct slot *lambda_check_running(lua_State *L);
int lambda_l_call_index(lua_State *L);

/* ---- lua_lambda_stream.c ---- */

/* The end of a streamed answer, in good order (NULL) or with the error in its trailers. */
void lambda_finish_stream(struct slot *slot, const struct post *error);
int lambda_l_start_stream(lua_State *L);
int lambda_l_write(lua_State *L);

/* ---- lua_lambda_request.c ---- */

int lambda_l_connection_gc(lua_State *L);
int lambda_l_post_error(lua_State *L);
int lambda_l_request(lua_State *L);
int lambda_l_hold(lua_State *L);

#endif
