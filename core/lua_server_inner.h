/*
 * lua_server_inner: what lua_server.c, lua_server_request.c and lua_server_answer.c share. Nobody else includes it.
 */
#ifndef SM_LUA_SERVER_INNER_H
#define SM_LUA_SERVER_INNER_H

#include "server.h"
#include "task.h"

#include <lua.h>

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

/* What the binding keeps in each sm_request. */
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

/* lua_server.c */
void server_unref(lua_State *L, int *ref);
/* A request table knows its handle; the call is NULL once the request has ended. */
lua_Integer server_handle_of(const struct call *call);
struct call *server_find_call(const struct listener *listener, lua_Integer handle);
/* The listener that the running C function carries as its first upvalue. */
struct listener *server_upvalue_listener(lua_State *L);

/* lua_server_request.c */
/* Pushes a new request table and files it under the call's slot. */
void server_push_request(lua_State *L, const struct call *call);
/* __index of request tables. */
int server_request_index(lua_State *L);
/* Suspends the task until the server has room or data for this request. */
int server_wait_for(lua_State *L, struct call *call, enum waiting waiting);
/* Pushes nil, "closed", "closed". */
int server_give_closed(lua_State *L);

/* lua_server_answer.c */
/* The answer table is at the top. Sends it, and runs its body when that is a function. */
int server_give_answer(lua_State *L, struct call *call);

#endif
