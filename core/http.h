/*
 * http: requests to other servers on the loop; libcurl does the protocols.
 *
 * One client holds the connections that are kept alive. libcurl and OpenSSL are
 * initialised by the first sm_http_new. Memory is bounded: a whole answer by
 * max_bytes, a streamed one by back-pressure in both directions. Messages never
 * contain user names, passwords or query strings of URLs. Relies on loop, buf,
 * clock and libcurl 7.85 or newer; must not know Lua, tasks or retries.
 * Everything here runs on the loop thread.
 */
#ifndef SM_HTTP_H
#define SM_HTTP_H

#include "buf.h"
#include "loop.h"

struct sm_http;
struct sm_http_call;

enum sm_http_version { SM_HTTP_ANY, SM_HTTP_1_1, SM_HTTP_2 };

struct sm_http_options {
	const char *method;
	const char *url;
	const char *ca_file; /* NULL: the system's */
	bool amazon_roots;   /* instead of the system's, those of AWS; a ca_file goes before */
	enum sm_http_version version;
	bool insecure;              /* does not check certificates */
	bool fresh;                 /* on a connection of its own, so that libcurl never sends it twice */
	bool direct;                /* no proxy, whatever the environment says */
	bool stream;                /* the body is read with sm_http_read */
	int64_t timeout_ms;         /* of everything; 0: none */
	int64_t connect_timeout_ms; /* 0: libcurl's, five minutes */
	int64_t read_timeout_ms;    /* without a byte that moves, while it is the server's turn; 0: none */
	uint64_t max_bytes;         /* of the answer's body; 0: none */
	unsigned max_redirects;     /* 0: a redirect is an answer like any other */
	/* The state has changed: the header is there, bytes or room or the end. Borrows owner. */
	void (*on_change)(void *owner);
	void *owner;
};

/* Does ahead of time what the first TLS connection needs: 1.5 ms then, not later. */
bool sm_http_warm(void);
/* NULL without memory. */
struct sm_http *sm_http_new(struct sm_loop *loop);
/* Aborts what runs; calls stay valid, ended with SM_CLOSED. NULL is allowed. */
void sm_http_free(struct sm_http *http);

/* options are copied. SM_INVALID for a method or URL that must not go on the wire. */
enum sm_status sm_http_call_new(struct sm_http *http, const struct sm_http_options *options, struct sm_http_call **call,
                                struct sm_error *err);
/* Before start. SM_INVALID for control characters. Lengths and transfer coding are set by the body. */
enum sm_status sm_http_header(struct sm_http_call *call, const char *name, size_t name_len, const char *value,
                              size_t value_len, struct sm_error *err);
/* Before start: the whole body, borrowed until the call is freed. */
enum sm_status sm_http_body(struct sm_http_call *call, const void *bytes, size_t len, struct sm_error *err);
/* Before start: the body comes by sm_http_write. length < 0: unknown. */
enum sm_status sm_http_upload(struct sm_http_call *call, int64_t length, struct sm_error *err);
/* on_change may be called from the next turn of the loop on. */
enum sm_status sm_http_start(struct sm_http_call *call, struct sm_error *err);
/* Aborts it if it runs; on_change is not called any more. NULL is allowed. */
void sm_http_call_free(struct sm_http_call *call);

/* SM_OK; SM_CONFLICT: taken, but wait until sm_http_room; SM_CLOSED: the exchange is over, see sm_http_result. */
enum sm_status sm_http_write(struct sm_http_call *call, const void *bytes, size_t len);
void sm_http_write_end(struct sm_http_call *call);
/* sm_http_read has something to say. */
bool sm_http_readable(const struct sm_http_call *call);
bool sm_http_room(const struct sm_http_call *call);

/* Status and header are there. */
bool sm_http_has_head(const struct sm_http_call *call);
/* The exchange has ended, well or not. */
bool sm_http_ended(const struct sm_http_call *call);
/* After the end: SM_OK, or what went wrong. */
enum sm_status sm_http_result(const struct sm_http_call *call, struct sm_error *err);
/* A failed exchange: nothing of the request has left, so the server cannot have acted on it. */
bool sm_http_unsent(const struct sm_http_call *call);
int sm_http_status(const struct sm_http_call *call);
const char *sm_http_version_text(const struct sm_http_call *call); /* "1.1", "2" */
/* Calls each(arg) for every header line of the answer, names as they came. */
void sm_http_each_header(const struct sm_http_call *call,
                         void (*each)(void *arg, const char *name, size_t name_len, const char *value,
                                      size_t value_len),
                         void *arg);
/* The whole body, once ended. */
const char *sm_http_bytes(const struct sm_http_call *call, size_t *len);
/*
 * Streamed body: up to max bytes at *data, valid until the loop turns. SM_OK with *len 0 is the end, SM_CONFLICT:
 * nothing yet; anything else is the failure of the exchange.
 */
enum sm_status sm_http_read(struct sm_http_call *call, size_t max, const char **data, size_t *len,
                            struct sm_error *err);

#endif
