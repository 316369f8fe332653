/*
 * runtime_api: one kept-alive connection to the Lambda Runtime API, spoken over a raw socket.
 *
 * A request is queued (sm_api_next, sm_api_answer, ...) and then moved by sm_api_turn, which sends what is left and
 * reads the answer. With block the calls of the system wait (one write and one read for a small exchange); without it
 * they do not, and the caller waits for sm_api_wants on its loop. Relies on libc only: neither libcurl nor OpenSSL is
 * touched. Knows no Lua, no loop and no handler.
 */
#ifndef SM_RUNTIME_API_H
#define SM_RUNTIME_API_H

#include "status.h"

#include <stdbool.h>
#include <stdint.h>

#define SM_API_ANSWER_MAX                                                                                              \
	((size_t)6 * 1024 * 1024) /* bytes of an answer that is not streamed: the platform's limit                         \
	                           */

struct sm_api;

/* Bytes inside the answer that was read last. */
struct sm_api_text {
	const char *text; /* not terminated; NULL when absent */
	size_t len;
};

enum sm_api_header {
	SM_API_REQUEST_ID,
	SM_API_DEADLINE_MS,
	SM_API_ARN,
	SM_API_TRACE_ID,
	SM_API_CLIENT_CONTEXT,
	SM_API_IDENTITY,
	SM_API_TENANT_ID,
	SM_API_EXTENSION_ID,
	SM_API_HEADERS
};

enum sm_api_step {
	SM_API_DONE,  /* the answer is there */
	SM_API_MORE,  /* wait for sm_api_wants, then sm_api_turn again */
	SM_API_FAILED /* sm_api_error_text says why; the connection is closed */
};

/* address: host:port as AWS_LAMBDA_RUNTIME_API has it. Nothing is connected yet. Caller frees with sm_api_free. */
enum sm_status sm_api_new(const char *address, struct sm_api **api, struct sm_error *err);
void sm_api_free(struct sm_api *api);
/* Connects, unless it is connected. Waits at most a few seconds. */
enum sm_status sm_api_open(struct sm_api *api, struct sm_error *err);
/* Closes the connection; the next request opens another. */
void sm_api_close(struct sm_api *api);
bool sm_api_is_open(const struct sm_api *api);
int sm_api_fd(const struct sm_api *api);
/* POLLIN or POLLOUT. */
short sm_api_wants(const struct sm_api *api);

/* ---- requests: what was read before is forgotten; bodies are borrowed until sm_api_turn says DONE or FAILED ---- */

enum sm_status sm_api_next(struct sm_api *api);
enum sm_status sm_api_answer(struct sm_api *api, const char *id, const char *body, size_t len);
/* id: of the invocation, or "init" or "restore". cause: X-Ray's JSON on one line, or NULL. */
enum sm_status sm_api_error(struct sm_api *api, const char *id, const char *type, const char *cause, const char *body,
                            size_t len);
/* Any other: path from the slash on, headers as lines that end with CRLF (or ""). */
enum sm_status sm_api_get(struct sm_api *api, const char *path, const char *headers);
enum sm_status sm_api_post(struct sm_api *api, const char *path, const char *headers, const char *body, size_t len);

/* ---- streaming: begin, then any number of chunks, then the end. Each is moved by sm_api_send ---- */

enum sm_status sm_api_stream(struct sm_api *api, const char *id, const char *content_type);
/* Borrows the bytes until sm_api_send is DONE. len > 0, because an empty chunk is the end. */
enum sm_status sm_api_chunk(struct sm_api *api, const char *bytes, size_t len);
/* type: NULL for a good end; else the trailers carry it and body (base64). Then sm_api_turn reads the API's answer. */
enum sm_status sm_api_stream_end(struct sm_api *api, const char *type, const char *body);
/* From here on the unsent rest of the body is the connection's own copy. */
enum sm_status sm_api_own_body(struct sm_api *api);
/* Sends only, reads nothing. FAILED also when the API has answered or closed already: it wants no more. */
enum sm_api_step sm_api_send(struct sm_api *api, bool block);

/* ---- moving it ---- */

enum sm_api_step sm_api_turn(struct sm_api *api, bool block);
/* After MORE of a blocking call: nothing moved within the socket's time limit. Else a signal ended the wait. */
bool sm_api_timed_out(const struct sm_api *api);

/* ---- the answer, valid until the next request ---- */

int sm_api_status(const struct sm_api *api);
struct sm_api_text sm_api_body(const struct sm_api *api);
struct sm_api_text sm_api_get_header(const struct sm_api *api, enum sm_api_header header);
/* Milliseconds since 1970, 0 when absent or no number. */
int64_t sm_api_deadline_ms(const struct sm_api *api);
const char *sm_api_error_text(const struct sm_api *api);

#endif
