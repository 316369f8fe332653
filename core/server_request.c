/* The receiving half: targets, headers, bodies, and the life of a request. */
#include "server_inner.h"

#include "clock.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define SPARE_MAX 256
#define SPARE_BODY_MAX (64u * 1024u)

/* ---- memory ---- */

static struct sm_request *request_new(struct sm_server *server)
{
	struct sm_request *request = server->spare;

	if (request != NULL) {
		server->spare = request->spare;
		server->spare_count--;
	} else {
		request = malloc(sizeof *request + server->config.user_bytes);
		if (request == NULL)
			return NULL;
		sm_buf_init(&request->body, server->config.max_body_bytes);
		sm_buf_init(&request->queue, SIZE_MAX / 2);
	}
	return request;
}

/* Everything but the two buffers and the arrays, which need no clearing. */
static void request_clear(struct sm_request *request)
{
	struct sm_buf body = request->body, queue = request->queue;

	memset(request, 0, offsetof(struct sm_request, inline_target));
	memset(&request->header_count, 0, sizeof *request - offsetof(struct sm_request, header_count));
	request->body = body;
	request->queue = queue;
}

static void request_forget(struct sm_request *request)
{
	server_answer_reset(request);
	if (request->target != request->inline_target)
		free(request->target);
	free(request->kept);
	if (request->body.cap > SPARE_BODY_MAX)
		sm_buf_free(&request->body);
	if (request->queue.cap > SPARE_BODY_MAX)
		sm_buf_free(&request->queue);
	sm_buf_reset(&request->body);
	sm_buf_reset(&request->queue);
}

static void request_free(struct sm_request *request)
{
	sm_buf_free(&request->body);
	sm_buf_free(&request->queue);
	free(request);
}

void server_free_spare(struct sm_server *server)
{
	while (server->spare != NULL) {
		struct sm_request *request = server->spare;

		server->spare = request->spare;
		request_free(request);
	}
}

void sm_request_hold(struct sm_request *request)
{
	request->refs++;
}

void sm_request_drop(struct sm_request *request)
{
	struct sm_server *server = request->server;

	if (--request->refs > 0)
		return;
	request_forget(request);
	if (server->spare_count < SPARE_MAX) {
		request->spare = server->spare;
		server->spare = request;
		server->spare_count++;
	} else {
		request_free(request);
	}
	server_release(server);
}

/* ---- the target ---- */

/* "http://host/path" asks for "/path". */
static const char *strip_origin(const char *target)
{
	const char *rest = target;

	if (strncmp(target, "http://", 7) == 0)
		rest = target + 7;
	else if (strncmp(target, "https://", 8) == 0)
		rest = target + 8;
	if (rest == target)
		return target;
	rest += strcspn(rest, "/?");
	return *rest == '/' ? rest : "/";
}

static bool keep_target(struct sm_request *request, const char *target)
{
	size_t size = strlen(target) + 1;

	request->target = size <= sizeof request->inline_target ? request->inline_target : malloc(size);
	if (request->target == NULL)
		return false;
	memcpy(request->target, target, size);
	request->query = strchr(request->target, '?');
	if (request->query != NULL)
		*request->query++ = '\0';
	return true;
}

void *server_on_target(void *cls, const char *target, struct MHD_Connection *mhd)
{
	struct sm_server *server = cls;
	struct conn *conn = server_conn_of(mhd);
	struct sm_request *request = conn != NULL && conn->phase != PHASE_LINGER ? request_new(server) : NULL;

	if (request == NULL)
		return NULL;
	request_clear(request);
	memset(sm_request_user(request), 0, server->config.user_bytes);
	request->server = server;
	server->refs++;
	request->refs = 1;
	request->number = ++server->numbers;
	if (!keep_target(request, strip_origin(target != NULL ? target : ""))) {
		request->target = request->inline_target;
		sm_request_drop(request);
		return NULL;
	}
	request->conn = conn;
	conn->request = request;
	server_conn_phase(conn, PHASE_HEADER);
	return request;
}

/* ---- the header ---- */

bool server_is_token(const char *text, size_t len)
{
	static const char extra[] = "!#$%&'*+-.^_`|~";

	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && text[i] != '-' && memchr(extra, text[i], sizeof extra - 1) == NULL)
			return false;
	return true;
}

static bool is_text(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static bool name_is(const struct sm_header *header, const char *name, size_t len)
{
	return header->name_len == len && strncasecmp(header->name, name, len) == 0;
}

/* What the framing headers of a request say. */
struct framing {
	bool malformed, too_many;
	unsigned hosts, lengths, codings, expects;
	const struct sm_header *length, *coding;
};

static void note_framing(struct framing *framing, const struct sm_header *header)
{
	if (name_is(header, "host", 4)) {
		framing->hosts++;
	} else if (name_is(header, "content-length", 14)) {
		framing->lengths++;
		framing->length = header;
	} else if (name_is(header, "transfer-encoding", 17)) {
		framing->codings++;
		framing->coding = header;
	} else if (name_is(header, "expect", 6)) {
		framing->expects++;
	}
}

struct collect {
	struct sm_request *request;
	struct framing framing;
};

static enum MHD_Result collect_header(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_len,
                                      const char *value, size_t value_len)
{
	struct collect *collect = cls;
	struct sm_request *request = collect->request;
	struct sm_header *header;

	(void)kind;
	if (request->header_count == SERVER_MAX_HEADERS) {
		collect->framing.too_many = true;
		return MHD_NO;
	}
	header = &request->headers[request->header_count++];
	header->name = name;
	header->name_len = name_len;
	header->value = value != NULL ? value : "";
	header->value_len = value != NULL ? value_len : 0;
	if (!server_is_token(name, name_len) || !is_text(header->value, header->value_len))
		collect->framing.malformed = true;
	note_framing(&collect->framing, header);
	return MHD_YES;
}

static bool target_is_plain(const struct sm_request *request)
{
	for (const unsigned char *c = (const unsigned char *)request->target; *c != '\0'; c++)
		if (*c <= 0x20 || *c == 0x7f)
			return false;
	if (request->query == NULL)
		return request->target[0] != '\0';
	for (const unsigned char *c = (const unsigned char *)request->query; *c != '\0'; c++)
		if (*c <= 0x20 || *c == 0x7f)
			return false;
	return request->target[0] != '\0';
}

static bool is_digits(const struct sm_header *header)
{
	for (size_t i = 0; i < header->value_len; i++)
		if (!isdigit((unsigned char)header->value[i]))
			return false;
	return header->value_len > 0;
}

/*
 * Two readers that disagree about where a request ends let one client speak in the name of another: whatever is
 * ambiguous about the framing is refused. Returns what is wrong, or NULL.
 */
static const char *check_framing(const struct sm_request *request, const struct framing *framing)
{
	bool old = strcmp(request->version, "HTTP/1.0") == 0;

	if (framing->malformed)
		return "a header is malformed";
	if (!target_is_plain(request))
		return "the request target is malformed";
	if (framing->hosts > 1 || (framing->hosts == 0 && !old))
		return "exactly one Host header is needed";
	if (framing->lengths > 1)
		return "more than one Content-Length header";
	if (framing->lengths == 1 && !is_digits(framing->length))
		return "the Content-Length header is malformed";
	if (framing->codings > 0 && framing->lengths > 0)
		return "Content-Length and Transfer-Encoding exclude each other";
	if (framing->codings > 1 || (framing->codings == 1 && old))
		return "the Transfer-Encoding header is malformed";
	return NULL;
}

static bool is_chunked(const struct sm_header *coding)
{
	return coding->value_len == 7 && strncasecmp(coding->value, "chunked", 7) == 0;
}

static enum MHD_Result refuse_too_large(struct sm_request *request, bool expects)
{
	static const char code[] = "PayloadTooLarge", message[] = "the request body is larger than this server accepts";

	/* A client that waits for "100 Continue" has sent nothing yet. */
	if (expects)
		return server_answer_refuse(request, 413, code, message);
	request->state = REQUEST_REFUSED;
	server_conn_refuse(request->conn, 413, code, message);
	return MHD_YES;
}

static size_t header_bytes(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	return info != NULL ? info->header_size : 0;
}

static void start(struct sm_request *request)
{
	struct sm_server *server = request->server;

	request->state = REQUEST_RUNNING;
	request->started = true;
	server_conn_phase(request->conn, PHASE_RUNNING);
	server->config.on_request(server->config.owner, request);
}

static enum MHD_Result receive_header(struct sm_request *request, const char *method, const char *version)
{
	const struct sm_server_config *config = &request->server->config;
	struct MHD_Connection *mhd = request->conn->mhd;
	struct collect collect = {.request = request};
	const struct framing *framing = &collect.framing;
	const char *wrong;

	request->method = method;
	request->version = version;
	request->head_only = strcmp(method, "HEAD") == 0;
	MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, collect_header, &collect);
	if (framing->too_many || header_bytes(mhd) > config->max_header_bytes)
		return server_answer_refuse(request, 431, "HeadersTooLarge",
		                            "the request header is larger than this server accepts");
	wrong = check_framing(request, framing);
	if (wrong != NULL)
		return server_answer_refuse(request, 400, "BadRequest", wrong);
	if (framing->codings == 1 && !is_chunked(framing->coding))
		return server_answer_refuse(request, 501, "NotSupported", "only the transfer coding chunked is known");
	if (framing->lengths == 1 && strtoull(framing->length->value, NULL, 10) > config->max_body_bytes)
		return refuse_too_large(request, framing->expects > 0);
	request->state = REQUEST_BODY;
	server_conn_phase(request->conn, PHASE_BODY);
	if (config->stream_bodies)
		start(request);
	return MHD_YES;
}

/* ---- the body ---- */

static enum MHD_Result collect_body(struct sm_request *request, const char *bytes, size_t *size)
{
	enum sm_status status = SM_LIMIT;

	request->body_seen += *size;
	if (request->body_seen <= request->server->config.max_body_bytes)
		status = sm_buf_add(&request->body, bytes, *size);
	*size = 0;
	request->conn->since_ns = sm_clock_mono_ns();
	if (status == SM_OK)
		return MHD_YES;
	if (status != SM_LIMIT)
		return MHD_NO;
	return refuse_too_large(request, false);
}

void server_compact(struct sm_buf *buf, size_t *taken)
{
	if (*taken < SERVER_QUEUE_HIGH)
		return;
	memmove(buf->data, buf->data + *taken, buf->len - *taken);
	buf->len -= *taken;
	*taken = 0;
}

static void tell_data(struct sm_request *request)
{
	struct sm_server *server = request->server;

	if (!request->body_waits)
		return;
	request->body_waits = false;
	if (!server->silent && server->config.on_data != NULL)
		server->config.on_data(server->config.owner, request);
}

static enum MHD_Result stream_body(struct sm_request *request, const char *bytes, size_t *size)
{
	if (request->body.len - request->body_taken >= SERVER_QUEUE_HIGH) {
		server_suspend(request); /* sm_request_read resumes it */
		return MHD_YES;
	}
	request->body_seen += *size;
	if (request->body_seen > request->server->config.max_body_bytes)
		request->body_over = true;
	server_compact(&request->body, &request->body_taken);
	if (!request->body_over && sm_buf_add(&request->body, bytes, *size) != SM_OK)
		return MHD_NO;
	*size = 0;
	request->conn->since_ns = sm_clock_mono_ns();
	tell_data(request);
	return MHD_YES;
}

enum sm_status sm_request_read(struct sm_request *request, size_t max, const char **data, size_t *len)
{
	size_t ready = request->body.len - request->body_taken;

	*data = request->body.data != NULL ? request->body.data + request->body_taken : "";
	*len = ready < max ? ready : max;
	if (*len > 0) {
		request->body_taken += *len;
		if (request->conn != NULL && request->suspended && request->state == REQUEST_RUNNING && !request->body_ended)
			server_resume(request);
		return SM_OK;
	}
	if (request->body_over)
		return SM_LIMIT;
	if (request->body_ended)
		return SM_OK;
	if (request->gone || request->conn == NULL)
		return SM_CLOSED;
	sm_buf_reset(&request->body);
	request->body_taken = 0;
	request->body_waits = true;
	return SM_CONFLICT;
}

static enum MHD_Result receive_body(struct sm_request *request, const char *bytes, size_t *size)
{
	switch (request->state) {
	case REQUEST_BODY:
		return collect_body(request, bytes, size);
	case REQUEST_RUNNING:
		if (!request->body_over)
			return stream_body(request, bytes, size);
		break;
	default: /* answered before the body was read: the rest is thrown away, up to the limit */
		request->body_seen += *size;
		if (request->body_seen > 2 * (uint64_t)request->server->config.max_body_bytes)
			return MHD_NO;
		break;
	}
	*size = 0;
	return MHD_YES;
}

static enum MHD_Result receive_end(struct sm_request *request)
{
	bool first = !request->body_ended;

	request->body_ended = true;
	if (request->state == REQUEST_REFUSED)
		return MHD_NO;
	if (request->state == REQUEST_BODY)
		start(request);
	else if (first)
		tell_data(request);
	if (request->gone)
		return MHD_NO;
	if (request->state == REQUEST_READY)
		return server_answer_queue(request);
	server_suspend(request);
	return MHD_YES;
}

static enum MHD_Result receive(struct sm_request *request, const char *method, const char *version, const char *upload,
                               size_t *upload_size)
{
	if (request == NULL || request->gone)
		return MHD_NO;
	if (request->state == REQUEST_NEW)
		return receive_header(request, method, version);
	if (*upload_size > 0)
		return receive_body(request, upload, upload_size);
	return receive_end(request);
}

enum MHD_Result server_on_access(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                                 const char *version, const char *upload, size_t *upload_size, void **context)
{
	enum MHD_Result result = receive(*context, method, version, upload, upload_size);

	(void)url;
	if (result == MHD_NO)
		server_break_off(cls, mhd);
	return result;
}

/* ---- the end ---- */

void server_request_gone(struct sm_request *request)
{
	struct sm_server *server = request->server;

	request->gone = true;
	if (!request->started || request->told_gone)
		return;
	request->told_gone = true;
	tell_data(request);
	if (!server->silent && server->config.on_gone != NULL)
		server->config.on_gone(server->config.owner, request);
}

static char *keep_text(char **at, const char *text, size_t len)
{
	char *copy = *at;

	memcpy(copy, text, len);
	copy[len] = '\0';
	*at += len + 1;
	return copy;
}

/* The connection's memory is about to be reused, but the owner still holds the request. */
static void keep_header(struct sm_request *request)
{
	size_t size = strlen(request->method) + strlen(request->version) + 2;
	char *at;

	for (size_t i = 0; i < request->header_count; i++)
		size += request->headers[i].name_len + request->headers[i].value_len + 2;
	at = request->kept = malloc(size);
	if (at == NULL) {
		request->header_count = 0;
		request->method = request->version = "";
		return;
	}
	request->method = keep_text(&at, request->method, strlen(request->method));
	request->version = keep_text(&at, request->version, strlen(request->version));
	for (size_t i = 0; i < request->header_count; i++) {
		struct sm_header *header = &request->headers[i];

		header->name = keep_text(&at, header->name, header->name_len);
		header->value = keep_text(&at, header->value, header->value_len);
	}
}

static void tell_done(struct sm_request *request, bool complete)
{
	struct sm_server *server = request->server;

	if (request->started && !server->silent && server->config.on_done != NULL)
		server->config.on_done(server->config.owner, request, complete);
}

void server_on_completed(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode code)
{
	struct sm_request *request = *context;
	bool complete = code == MHD_REQUEST_TERMINATED_COMPLETED_OK;
	struct conn *conn;

	(void)cls;
	(void)mhd;
	if (request == NULL)
		return;
	*context = NULL;
	conn = request->conn;
	if (conn != NULL) {
		conn->request = NULL;
		if (conn->phase != PHASE_LINGER)
			server_conn_phase(conn, PHASE_IDLE);
		if (request->server->draining && !conn->cut) {
			conn->cut = true;
			shutdown(conn->fd, SHUT_RD);
		}
	}
	if (!complete)
		server_request_gone(request);
	if (request->refs > 1 && request->method != NULL)
		keep_header(request);
	request->conn = NULL;
	tell_done(request, complete);
	sm_request_drop(request);
}

/* ---- reading it ---- */

const char *sm_request_method(const struct sm_request *request)
{
	return request->method;
}

const char *sm_request_path(const struct sm_request *request)
{
	return request->target;
}

const char *sm_request_query(const struct sm_request *request)
{
	return request->query;
}

const char *sm_request_version(const struct sm_request *request)
{
	const char *slash = strchr(request->version, '/');

	return slash != NULL ? slash + 1 : request->version;
}

const char *sm_request_peer(const struct sm_request *request)
{
	return request->conn != NULL ? request->conn->peer : "";
}

const struct sm_header *sm_request_headers(const struct sm_request *request, size_t *count)
{
	*count = request->header_count;
	return request->headers;
}

const char *sm_request_body(const struct sm_request *request, size_t *len)
{
	*len = request->body.len;
	return request->body.len > 0 ? request->body.data : "";
}

uint64_t sm_request_number(const struct sm_request *request)
{
	return request->number;
}

void *sm_request_user(struct sm_request *request)
{
	return request + 1;
}

bool sm_request_gone(const struct sm_request *request)
{
	return request->gone;
}
