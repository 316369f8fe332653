/*
 * server: a local HTTP/1.1 server on the loop; libmicrohttpd does the protocol.
 *
 * The unit owns sockets, limits, time-outs and back-pressure. What a request
 * means is the owner's business: on_request is called when the whole request
 * is there (with stream_bodies: when its header is), and the owner answers at
 * once or later. Relies on loop, buf, clock and libmicrohttpd 0.9.75 or newer
 * in external epoll mode; must not know Lua, routes or tasks. Everything here
 * runs on the loop thread.
 *
 * Refusals of the host itself (400, 408, 413, 431, 501) are JSON,
 * {"error":{"code","message"}}, except where libmicrohttpd answers alone
 * (a header line without a colon, a header section beyond twice the limit).
 */
#ifndef SM_SERVER_H
#define SM_SERVER_H

#include "buf.h"
#include "loop.h"

struct sm_server;
struct sm_request;

struct sm_server_config {
	const char *host; /* address or name to bind; borrowed during start */
	unsigned port;    /* 0: any free one */
	size_t max_header_bytes;
	size_t max_body_bytes;
	int64_t header_timeout_ns; /* from accept or the request line to the end of the header */
	int64_t idle_timeout_ns;   /* between requests, and without progress of a body or an answer */
	unsigned max_connections;
	bool stream_bodies; /* on_request comes before the body; read it with sm_request_read */
	size_t user_bytes;  /* zeroed memory in every request for the owner: sm_request_user */
	void *owner;
	/* May answer before it returns. The request lives until on_done, longer while held. */
	void (*on_request)(void *owner, struct sm_request *request);
	/* The client left before the answer was complete: stop working. At most once, before on_done. */
	void (*on_gone)(void *owner, struct sm_request *request);
	/* Only for streamed answers: the queue has run low, write more. */
	void (*on_drain)(void *owner, struct sm_request *request);
	/* Only for streamed bodies: bytes, the end, or the loss of the client arrived after sm_request_read said wait. */
	void (*on_data)(void *owner, struct sm_request *request);
	/* After the last byte went to the socket (complete) or the connection was lost. Once per on_request. */
	void (*on_done)(void *owner, struct sm_request *request, bool complete);
};

/* SM_CONFLICT when the port is taken, SM_REFUSED when not permitted. config is copied. */
enum sm_status sm_server_start(struct sm_loop *loop, const struct sm_server_config *config, struct sm_server **server,
                               struct sm_error *err);
/* The port that is bound. */
unsigned sm_server_port(const struct sm_server *server);
/* Open connections, for tests and health. */
size_t sm_server_connections(const struct sm_server *server);
/*
 * Accepts no more, closes idle connections, lets running requests finish until drain_ns from now, then cuts the rest
 * (on_gone). stopped is called once, on the loop thread, never from within this call.
 */
void sm_server_stop(struct sm_server *server, int64_t drain_ns, void (*stopped)(void *owner));
/* Cuts everything at once, without calling the owner back. NULL is allowed. */
void sm_server_free(struct sm_server *server);

/* ---- the request; strings live as long as the request ---- */
struct sm_header {
	const char *name;
	size_t name_len;
	const char *value;
	size_t value_len;
};
const char *sm_request_method(const struct sm_request *request);
const char *sm_request_path(const struct sm_request *request);    /* raw, undecoded */
const char *sm_request_query(const struct sm_request *request);   /* raw; NULL without "?" */
const char *sm_request_version(const struct sm_request *request); /* "1.1" */
const char *sm_request_peer(const struct sm_request *request);    /* "127.0.0.1" */
const struct sm_header *sm_request_headers(const struct sm_request *request, size_t *count);
const char *sm_request_body(const struct sm_request *request, size_t *len);
uint64_t sm_request_number(const struct sm_request *request); /* 1, 2, 3, ... of this server */
void *sm_request_user(struct sm_request *request);
bool sm_request_gone(const struct sm_request *request);
/* Keeps the memory beyond on_done until the same number of drops. */
void sm_request_hold(struct sm_request *request);
void sm_request_drop(struct sm_request *request);

/*
 * Streamed body: gives up to max bytes at *data (valid until the next call of the loop). SM_OK with *len 0 is the
 * end, SM_CONFLICT: nothing yet, on_data will be called; SM_CLOSED: the client left; SM_LIMIT: more than
 * max_body_bytes.
 */
enum sm_status sm_request_read(struct sm_request *request, size_t max, const char **data, size_t *len);

/*
 * ---- the answer: one body, any headers, then send. A second body replaces what was built before, so a failing
 * owner can start again until sm_answer_send. SM_INVALID for what must not go on the wire. ----
 */
enum sm_status sm_answer_bytes(struct sm_request *request, int status, const void *bytes, size_t len);
/* len bytes that are kept by the owner until release(arg) is called (also on failure). */
enum sm_status sm_answer_borrow(struct sm_request *request, int status, const void *bytes, size_t len,
                                void (*release)(void *arg), void *arg);
/* length < 0: to the end of the file. */
enum sm_status sm_answer_file(struct sm_request *request, int status, const char *path, int64_t offset, int64_t length,
                              struct sm_error *err);
/* The body comes by sm_answer_write and ends with sm_answer_end. */
enum sm_status sm_answer_stream(struct sm_request *request, int status, struct sm_error *err);
/* Lengths, transfer coding and keep-alive are the host's: such headers are dropped silently. 8 KiB in all. */
enum sm_status sm_answer_header(struct sm_request *request, const char *name, size_t name_len, const char *value,
                                size_t value_len, struct sm_error *err);
void sm_answer_send(struct sm_request *request);
bool sm_answer_sent(const struct sm_request *request);
/* True when the answer may have no body (HEAD, 204, 304): the owner need not produce one. */
bool sm_answer_bodiless(const struct sm_request *request);

/*
 * Queues bytes of a streamed answer. SM_OK; SM_CONFLICT: taken, but wait for on_drain before writing more;
 * SM_CLOSED: the client left; SM_NOMEM.
 */
enum sm_status sm_answer_write(struct sm_request *request, const void *bytes, size_t len);
/* ok = false: the answer is broken off, so that the client notices. */
void sm_answer_end(struct sm_request *request, bool ok);

#endif
