#include "runtime_api.h"

#include "buf.h"
#include "number_text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#define API_PATH "/2018-06-01/runtime/"
#define AGENT "User-Agent: sewing-machine-lambda\r\n"
#define HEAD_MAX ((size_t)1 << 20)   /* bytes of an answer's status line and headers */
#define EVENT_MAX ((size_t)64 << 20) /* bytes of an answer's body */
#define READ_SIZE 16384u             /* room made before a read: a usual event comes in one */
#define KEEP_SIZE ((size_t)1 << 20)  /* a larger buffer is given back */
#define SOCKET_SECONDS 10            /* to connect, send or read; a wait for the next event is simply taken up again */
#define CAUSE_MAX 65536u             /* bytes of the X-Ray cause that are worth a header */

enum part { PART_HEAD, PART_LENGTH, PART_CLOSE, PART_SIZE, PART_DATA, PART_DATA_END, PART_TRAILER };

struct sm_api {
	int fd;
	char host[256], port[16], authority[280];
	/* what goes out: head, then body, then tail; sent counts over all three */
	struct sm_buf head;
	const char *body;
	char *own_body;                 /* when body is a copy */
	size_t body_len, tail_at, sent; /* the tail is the end of head, from tail_at on */
	bool streaming;
	/* what comes in: the head, then the body without its chunk sizes */
	struct sm_buf in;
	enum part part;
	size_t at;       /* what is parsed of in */
	size_t body_at;  /* where the body begins */
	size_t body_end; /* and ends, as far as it is known */
	uint64_t need;   /* bytes that are still to come of the body or chunk */
	int status;
	bool close_after, timed_out;
	bool answered; /* the answer came before everything was sent */
	struct {
		size_t at, len;
	} headers[SM_API_HEADERS];
	struct sm_error err;
};

/* ---- address and connection ---- */

static enum sm_status parse_address(struct sm_api *api, const char *address, struct sm_error *err)
{
	const char *colon = strrchr(address, ':');
	size_t len = colon != NULL ? (size_t)(colon - address) : 0;
	const char *host = address;
	if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
	}
	if (len == 0 || len >= sizeof(api->host) || colon[1] == '\0' || strlen(colon + 1) >= sizeof(api->port) ||
	    strspn(colon + 1, "0123456789") != strlen(colon + 1) || strpbrk(address, " /\r\n") != NULL)
		return sm_fail(err, SM_INVALID, "AWS_LAMBDA_RUNTIME_API must be host:port, not '%s'", address);
	memcpy(api->host, host, len);
	api->host[len] = '\0';
	snprintf(api->port, sizeof(api->port), "%s", colon + 1);
	snprintf(api->authority, sizeof(api->authority), "%s", address);
	return SM_OK;
}

enum sm_status sm_api_new(const char *address, struct sm_api **result, struct sm_error *err)
{
	struct sm_api *api = calloc(1, sizeof(*api));
	if (api == NULL)
		return sm_fail(err, SM_NOMEM, "not enough memory");
	api->fd = -1;
	sm_buf_init(&api->head, HEAD_MAX + CAUSE_MAX);
	sm_buf_init(&api->in, HEAD_MAX + EVENT_MAX);
	enum sm_status status = parse_address(api, address, err);
	if (status != SM_OK) {
		free(api);
		return status;
	}
	*result = api;
	return SM_OK;
}

void sm_api_close(struct sm_api *api)
{
	if (api->fd >= 0)
		close(api->fd);
	api->fd = -1;
	api->streaming = false;
}

static void forget_body(struct sm_api *api)
{
	free(api->own_body);
	api->own_body = NULL;
	api->body = NULL;
	api->body_len = api->sent = 0;
}

void sm_api_free(struct sm_api *api)
{
	if (api == NULL)
		return;
	sm_api_close(api);
	forget_body(api);
	sm_buf_free(&api->head);
	sm_buf_free(&api->in);
	free(api);
}

bool sm_api_is_open(const struct sm_api *api)
{
	return api->fd >= 0;
}

int sm_api_fd(const struct sm_api *api)
{
	return api->fd;
}

static void set_time_limit(int fd, int seconds)
{
	struct timeval limit = {.tv_sec = seconds};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static enum sm_status connect_to(struct sm_api *api, const struct sockaddr *place, socklen_t len, struct sm_error *err)
{
	int one = 1;
	int fd = socket(place->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return sm_fail(err, SM_IO, "no socket for the Runtime API: %s", strerror(errno));
	set_time_limit(fd, SOCKET_SECONDS);
	if (connect(fd, place, len) != 0) {
		enum sm_status status = sm_fail(err, SM_IO, "cannot connect to the Runtime API at %s: %s", api->authority,
		                                strerror(errno == EINPROGRESS ? ETIMEDOUT : errno));
		close(fd);
		return status;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	api->fd = fd;
	return SM_OK;
}

/* A name instead of an address: only outside of Lambda. */
static enum sm_status look_up_and_connect(struct sm_api *api, struct sm_error *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *places = NULL;
	int failed = getaddrinfo(api->host, api->port, &hints, &places);
	if (failed != 0)
		return sm_fail(err, SM_IO, "the Runtime API's address '%s' is not known: %s", api->authority,
		               gai_strerror(failed));
	enum sm_status status = SM_IO;
	for (struct addrinfo *place = places; place != NULL && status != SM_OK; place = place->ai_next)
		status = connect_to(api, place->ai_addr, place->ai_addrlen, err);
	freeaddrinfo(places);
	return status;
}

enum sm_status sm_api_open(struct sm_api *api, struct sm_error *err)
{
	struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(api->port))};
	if (api->fd >= 0)
		return SM_OK;
	if (inet_pton(AF_INET, api->host, &place.sin_addr) == 1)
		return connect_to(api, (const struct sockaddr *)&place, sizeof(place), err);
	return look_up_and_connect(api, err);
}

static enum sm_api_step give_up(struct sm_api *api, enum sm_status status, const char *what)
{
	sm_fail(&api->err, status, "%s", what);
	sm_api_close(api);
	return SM_API_FAILED;
}

const char *sm_api_error_text(const struct sm_api *api)
{
	return api->err.message;
}

/* ---- requests ---- */

static void forget_answer(struct sm_api *api)
{
	if (api->in.cap > KEEP_SIZE)
		sm_buf_free(&api->in);
	sm_buf_reset(&api->in);
	api->part = PART_HEAD;
	api->at = api->body_at = api->body_end = 0;
	api->status = 0;
	api->close_after = api->answered = false;
	memset(api->headers, 0, sizeof(api->headers));
}

/* The request line, host and agent. Further headers and the empty line are the caller's. */
static enum sm_status begin(struct sm_api *api, const char *method, const char *path, const char *id, const char *end)
{
	struct sm_buf *head = &api->head;
	forget_answer(api);
	forget_body(api);
	sm_buf_reset(head);
	api->streaming = false;
	enum sm_status status = sm_buf_reserve(head, 768); /* a usual head; the appends below then do not fail */
	const char *const parts[] = {method, " ", path, id, end, " HTTP/1.1\r\nHost: ", api->authority, "\r\n" AGENT};
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && status == SM_OK; i++)
		status = sm_buf_adds(head, parts[i]);
	return status;
}

static enum sm_status finish(struct sm_api *api, enum sm_status status, const char *body, size_t len)
{
	char digits[SM_INT64_TEXT_MAX];
	if (status == SM_OK && body != NULL) {
		status = sm_buf_adds(&api->head, "Content-Length: ");
		if (status == SM_OK)
			status = sm_buf_add(&api->head, digits, (size_t)(sm_text_uint64(digits, len) - digits));
		if (status == SM_OK)
			status = sm_buf_adds(&api->head, "\r\n");
	}
	if (status == SM_OK)
		status = sm_buf_adds(&api->head, "\r\n");
	api->body = body;
	api->body_len = len;
	api->tail_at = api->head.len;
	return status;
}

enum sm_status sm_api_get(struct sm_api *api, const char *path, const char *headers)
{
	enum sm_status status = begin(api, "GET", path, "", "");
	if (status == SM_OK)
		status = sm_buf_adds(&api->head, headers);
	return finish(api, status, NULL, 0);
}

enum sm_status sm_api_next(struct sm_api *api)
{
	return finish(api, begin(api, "GET", API_PATH "invocation/next", "", ""), NULL, 0);
}

enum sm_status sm_api_post(struct sm_api *api, const char *path, const char *headers, const char *body, size_t len)
{
	enum sm_status status = begin(api, "POST", path, "", "");
	if (status == SM_OK)
		status = sm_buf_adds(&api->head, headers);
	return finish(api, status, body, len);
}

#define JSON "Content-Type: application/json\r\n"

enum sm_status sm_api_answer(struct sm_api *api, const char *id, const char *body, size_t len)
{
	enum sm_status status = begin(api, "POST", API_PATH "invocation/", id, "/response");
	if (status == SM_OK)
		status = sm_buf_adds(&api->head, JSON);
	return finish(api, status, body, len);
}

/* A header's value: one line of visible bytes. */
static enum sm_status add_value(struct sm_buf *head, const char *name, const char *value)
{
	enum sm_status status = sm_buf_adds(head, name);
	if (status == SM_OK)
		status = sm_buf_adds(head, ": ");
	size_t from = head->len;
	if (status == SM_OK)
		status = sm_buf_adds(head, value);
	for (size_t i = from; i < head->len && status == SM_OK; i++)
		if ((unsigned char)head->data[i] < ' ' || head->data[i] == 0x7f)
			head->data[i] = ' ';
	return status == SM_OK ? sm_buf_adds(head, "\r\n") : status;
}

enum sm_status sm_api_error(struct sm_api *api, const char *id, const char *type, const char *cause, const char *body,
                            size_t len)
{
	bool own = strcmp(id, "init") == 0 || strcmp(id, "restore") == 0;
	enum sm_status status = begin(api, "POST", own ? API_PATH : API_PATH "invocation/", id, "/error");
	if (status == SM_OK)
		status = sm_buf_adds(&api->head, "Content-Type: application/vnd.aws.lambda.error+json\r\n");
	if (status == SM_OK)
		status = add_value(&api->head, "Lambda-Runtime-Function-Error-Type", type);
	if (status == SM_OK && cause != NULL && strlen(cause) <= CAUSE_MAX)
		status = add_value(&api->head, "Lambda-Runtime-Function-XRay-Error-Cause", cause);
	return finish(api, status, body, len);
}

/* ---- what is left to send ---- */

static size_t unsent(const struct sm_api *api)
{
	return api->head.len + api->body_len - api->sent;
}

/* The up to three pieces that are left. */
static int fill(const struct sm_api *api, struct iovec pieces[3])
{
	struct iovec all[3] = {{api->head.data, api->tail_at},
	                       {(void *)(uintptr_t)api->body, api->body_len},
	                       {api->head.data + api->tail_at, api->head.len - api->tail_at}};
	size_t skip = api->sent;
	int count = 0;
	for (int i = 0; i < 3; i++) {
		size_t gone = skip < all[i].iov_len ? skip : all[i].iov_len;
		skip -= gone;
		if (all[i].iov_len > gone)
			pieces[count++] = (struct iovec){(char *)all[i].iov_base + gone, all[i].iov_len - gone};
	}
	return count;
}

/* ---- reading ---- */

static const struct {
	const char *name;
	size_t len;
} header_names[SM_API_HEADERS] = {
#define HEADER(name)                                                                                                   \
	{                                                                                                                  \
		name, sizeof(name) - 1                                                                                         \
	}
    [SM_API_REQUEST_ID] = HEADER("Lambda-Runtime-Aws-Request-Id"),
    [SM_API_DEADLINE_MS] = HEADER("Lambda-Runtime-Deadline-Ms"),
    [SM_API_ARN] = HEADER("Lambda-Runtime-Invoked-Function-Arn"),
    [SM_API_TRACE_ID] = HEADER("Lambda-Runtime-Trace-Id"),
    [SM_API_CLIENT_CONTEXT] = HEADER("Lambda-Runtime-Client-Context"),
    [SM_API_IDENTITY] = HEADER("Lambda-Runtime-Cognito-Identity"),
    [SM_API_TENANT_ID] = HEADER("Lambda-Runtime-Aws-Tenant-Id"),
    [SM_API_EXTENSION_ID] = HEADER("Lambda-Extension-Identifier"),
#undef HEADER
};

static bool is_name(const char *line, size_t len, const char *name, size_t name_len)
{
	return len == name_len && strncasecmp(line, name, len) == 0;
}

static bool parse_length(const char *value, size_t len, uint64_t *number)
{
	*number = 0;
	if (len == 0 || len > 18)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (value[i] < '0' || value[i] > '9')
			return false;
		*number = *number * 10 + (uint64_t)(value[i] - '0');
	}
	return true;
}

/* One header; false when it cannot be understood and matters. */
static bool take_header(struct sm_api *api, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);
	if (colon == NULL)
		return false;
	size_t name_len = (size_t)(colon - line);
	const char *value = colon + 1, *end = line + len;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	size_t value_len = (size_t)(end - value);
	if (is_name(line, name_len, "Content-Length", 14)) {
		if (api->part != PART_SIZE)
			api->part = PART_LENGTH;
		return parse_length(value, value_len, &api->need);
	}
	if (is_name(line, name_len, "Transfer-Encoding", 17)) {
		api->part = PART_SIZE;
		return is_name(value, value_len, "chunked", 7);
	}
	if (is_name(line, name_len, "Connection", 10)) {
		api->close_after |= is_name(value, value_len, "close", 5);
		return true;
	}
	for (int i = 0; i < SM_API_HEADERS && name_len > 6 && (line[0] | 0x20) == 'l'; i++)
		if (is_name(line, name_len, header_names[i].name, header_names[i].len)) {
			api->headers[i].at = (size_t)(value - api->in.data);
			api->headers[i].len = value_len;
		}
	return true;
}

static bool take_status_line(struct sm_api *api, const char *line, size_t len)
{
	if (len < 12 || memcmp(line, "HTTP/1.", 7) != 0 || line[8] != ' ')
		return false;
	api->status = 0;
	for (int i = 9; i < 12; i++) {
		if (line[i] < '0' || line[i] > '9')
			return false;
		api->status = api->status * 10 + (line[i] - '0');
	}
	api->close_after = line[7] == '0';
	return true;
}

static bool take_head(struct sm_api *api, const char *end)
{
	const char *line = api->in.data + api->at;
	bool first = true;
	api->part = PART_CLOSE;
	while (line < end) {
		const char *stop = memchr(line, '\r', (size_t)(end - line) + 1);
		if (stop == NULL || stop[1] != '\n')
			return false;
		if (!(first ? take_status_line : take_header)(api, line, (size_t)(stop - line)))
			return false;
		first = false;
		line = stop + 2;
	}
	return !first;
}

/* The parts of parse: DONE goes on with the next part, MORE wants bytes. */
static enum sm_api_step parse_head(struct sm_api *api)
{
	char *from = api->in.data + api->at;
	char *end = memmem(from, api->in.len - api->at, "\r\n\r\n", 4);
	if (end == NULL)
		return api->in.len - api->at > HEAD_MAX ? give_up(api, SM_LIMIT, "the Runtime API sent too long a head")
		                                        : SM_API_MORE;
	if (!take_head(api, end + 2))
		return give_up(api, SM_INVALID, "the Runtime API sent a head that is not HTTP");
	api->at = (size_t)(end + 4 - api->in.data);
	if (api->status < 200) { /* 100 Continue and its like announce the real one */
		api->part = PART_HEAD;
		return SM_API_DONE;
	}
	if (api->part == PART_CLOSE && (api->status == 204 || api->status == 304)) {
		api->part = PART_LENGTH;
		api->need = 0;
	}
	api->body_at = api->body_end = api->at;
	if (api->part == PART_LENGTH && api->need > EVENT_MAX)
		return give_up(api, SM_LIMIT, "the Runtime API sent an event that is too large");
	return SM_API_DONE;
}

/* Takes n bytes at the parse position into the body: chunks are moved together. */
static void take_body(struct sm_api *api, size_t n)
{
	if (api->body_end != api->at)
		memmove(api->in.data + api->body_end, api->in.data + api->at, n);
	api->body_end += n;
	api->at += n;
}

static enum sm_api_step parse_chunk_size(struct sm_api *api)
{
	const char *line = api->in.data + api->at;
	size_t have = api->in.len - api->at;
	char *end = memmem(line, have, "\r\n", 2);
	if (end == NULL)
		return have > 1024 ? give_up(api, SM_INVALID, "the Runtime API sent a bad chunk") : SM_API_MORE;
	size_t digits = strspn(line, "0123456789abcdefABCDEF");
	if (digits == 0 || digits > 8 || (line + digits < end && strchr("; \t", line[digits]) == NULL))
		return give_up(api, SM_INVALID, "the Runtime API sent a bad chunk");
	api->need = strtoull(line, NULL, 16);
	api->at = (size_t)(end + 2 - api->in.data);
	api->part = api->need > 0 ? PART_DATA : PART_TRAILER;
	if (api->need + api->body_end > EVENT_MAX)
		return give_up(api, SM_LIMIT, "the Runtime API sent an event that is too large");
	return SM_API_DONE;
}

static enum sm_api_step parse_chunk(struct sm_api *api)
{
	size_t have = api->in.len - api->at, n = have < api->need ? have : (size_t)api->need;
	if (api->part == PART_DATA) {
		take_body(api, n);
		api->need -= n;
		if (api->need > 0)
			return SM_API_MORE;
		api->part = PART_DATA_END;
		return SM_API_DONE;
	}
	if (have < 2)
		return SM_API_MORE;
	if (memcmp(api->in.data + api->at, "\r\n", 2) != 0)
		return give_up(api, SM_INVALID, "the Runtime API sent a bad chunk");
	api->at += 2;
	api->part = PART_SIZE;
	return SM_API_DONE;
}

/* True once the empty line behind the trailers is there. */
static bool skip_trailers(struct sm_api *api)
{
	for (;;) {
		const char *line = api->in.data + api->at;
		const char *end = memmem(line, api->in.len - api->at, "\r\n", 2);
		if (end == NULL)
			return false;
		api->at += (size_t)(end - line) + 2;
		if (end == line)
			return true;
	}
}

/* DONE: the whole answer is there. */
static enum sm_api_step parse(struct sm_api *api)
{
	for (;;) {
		enum sm_api_step step = SM_API_DONE;
		switch (api->part) {
		case PART_HEAD:
			step = parse_head(api);
			break;
		case PART_LENGTH:
			if (api->in.len - api->body_at < api->need)
				return SM_API_MORE;
			take_body(api, (size_t)api->need);
			return SM_API_DONE;
		case PART_CLOSE:
			take_body(api, api->in.len - api->at);
			return SM_API_MORE;
		case PART_SIZE:
			step = parse_chunk_size(api);
			break;
		case PART_DATA:
		case PART_DATA_END:
			step = parse_chunk(api);
			break;
		case PART_TRAILER:
			return skip_trailers(api) ? SM_API_DONE : SM_API_MORE;
		}
		if (step != SM_API_DONE)
			return step;
	}
}

/* The peer has closed. An answer without a length ends so; anything else is cut off. */
static enum sm_api_step peer_closed(struct sm_api *api)
{
	if (api->part == PART_CLOSE && api->status != 0) {
		sm_api_close(api);
		return SM_API_DONE;
	}
	return give_up(api, SM_CLOSED, "the Runtime API closed the connection");
}

static enum sm_status make_room(struct sm_api *api)
{
	size_t want = READ_SIZE;
	if (api->part == PART_LENGTH && api->body_at + api->need > api->in.len)
		want = (size_t)(api->body_at + api->need - api->in.len);
	return sm_buf_reserve(&api->in, want);
}

/* One read. DONE: there is something new to parse. */
static enum sm_api_step read_more(struct sm_api *api, bool block)
{
	if (make_room(api) != SM_OK)
		return give_up(api, SM_NOMEM, "not enough memory for what the Runtime API sent");
	ssize_t count = recv(api->fd, api->in.data + api->in.len, api->in.cap - 1 - api->in.len, block ? 0 : MSG_DONTWAIT);
	if (count > 0) {
		api->in.len += (size_t)count;
		api->in.data[api->in.len] = '\0';
		return SM_API_DONE;
	}
	if (count == 0)
		return peer_closed(api);
	if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
		return give_up(api, SM_CLOSED, strerror(errno));
	api->timed_out = errno != EINTR;
	return SM_API_MORE;
}

static enum sm_api_step answer_complete(struct sm_api *api)
{
	/* Bytes behind the answer that nobody asked for: such a connection is not used again. */
	if (api->close_after || api->in.len > api->at)
		sm_api_close(api);
	return SM_API_DONE;
}

/* ---- sending and reading ---- */

/* The API may have answered (no, too large) and closed before it had read everything. */
static enum sm_api_step read_early_answer(struct sm_api *api, enum sm_status status, const char *why)
{
	enum sm_api_step step = SM_API_DONE;
	while (step == SM_API_DONE && api->fd >= 0) {
		step = read_more(api, false);
		if (step == SM_API_DONE && api->fd >= 0 && parse(api) == SM_API_DONE)
			break;
	}
	if (step != SM_API_DONE || api->status == 0)
		return give_up(api, status, why);
	api->answered = true;
	sm_api_close(api);
	return SM_API_DONE;
}

/* DONE: all is sent, or an answer is there already. */
static enum sm_api_step send_rest(struct sm_api *api, bool block)
{
	while (unsent(api) > 0) {
		struct iovec pieces[3];
		struct msghdr message = {.msg_iov = pieces};
		message.msg_iovlen = (size_t)fill(api, pieces);
		ssize_t count = sendmsg(api->fd, &message, MSG_NOSIGNAL | (block ? 0 : MSG_DONTWAIT));
		if (count >= 0) {
			api->sent += (size_t)count;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
			api->timed_out = errno != EINTR;
			return SM_API_MORE;
		} else {
			return read_early_answer(api, SM_CLOSED, strerror(errno));
		}
	}
	return SM_API_DONE;
}

enum sm_api_step sm_api_turn(struct sm_api *api, bool block)
{
	if (api->answered)
		return SM_API_DONE;
	if (api->fd < 0)
		return give_up(api, SM_CLOSED, "not connected to the Runtime API");
	enum sm_api_step step = send_rest(api, block);
	while (step == SM_API_DONE && !api->answered) {
		step = read_more(api, block);
		if (step != SM_API_DONE)
			return step;
		if (api->fd < 0) /* ended by the close */
			return SM_API_DONE;
		step = parse(api);
		if (step == SM_API_DONE)
			return answer_complete(api);
		if (step == SM_API_MORE)
			step = SM_API_DONE;
	}
	return step;
}

bool sm_api_timed_out(const struct sm_api *api)
{
	return api->timed_out;
}

short sm_api_wants(const struct sm_api *api)
{
	return unsent(api) > 0 ? POLLOUT : POLLIN;
}

/* ---- the answer ---- */

int sm_api_status(const struct sm_api *api)
{
	return api->status;
}

struct sm_api_text sm_api_body(const struct sm_api *api)
{
	return (struct sm_api_text){api->in.data + api->body_at, api->body_end - api->body_at};
}

struct sm_api_text sm_api_get_header(const struct sm_api *api, enum sm_api_header header)
{
	if (api->headers[header].at == 0)
		return (struct sm_api_text){NULL, 0};
	return (struct sm_api_text){api->in.data + api->headers[header].at, api->headers[header].len};
}

int64_t sm_api_deadline_ms(const struct sm_api *api)
{
	struct sm_api_text text = sm_api_get_header(api, SM_API_DEADLINE_MS);
	uint64_t ms = 0;
	return text.text != NULL && parse_length(text.text, text.len, &ms) ? (int64_t)ms : 0;
}

/* ---- streaming ---- */

enum sm_status sm_api_stream(struct sm_api *api, const char *id, const char *content_type)
{
	enum sm_status status = begin(api, "POST", API_PATH "invocation/", id, "/response");
	if (status == SM_OK)
		status = add_value(&api->head, "Content-Type", content_type);
	if (status == SM_OK)
		status = sm_buf_adds(&api->head,
		                     "Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n"
		                     "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n");
	status = finish(api, status, NULL, 0);
	api->streaming = true;
	return status;
}

enum sm_status sm_api_chunk(struct sm_api *api, const char *bytes, size_t len)
{
	sm_buf_reset(&api->head);
	forget_body(api);
	enum sm_status status = sm_buf_addf(&api->head, "%zx\r\n", len);
	api->tail_at = api->head.len;
	if (status == SM_OK)
		status = sm_buf_adds(&api->head, "\r\n");
	if (status == SM_OK) {
		api->body = bytes;
		api->body_len = len;
	}
	return status;
}

enum sm_status sm_api_stream_end(struct sm_api *api, const char *type, const char *body)
{
	bool busy = unsent(api) > 0; /* then it goes behind the chunk on its way */
	if (!busy) {
		sm_buf_reset(&api->head);
		forget_body(api);
	}
	enum sm_status status = sm_buf_adds(&api->head, "0\r\n");
	if (status == SM_OK && type != NULL)
		status = add_value(&api->head, "Lambda-Runtime-Function-Error-Type", type);
	if (status == SM_OK && type != NULL && body != NULL)
		status = add_value(&api->head, "Lambda-Runtime-Function-Error-Body", body);
	if (status == SM_OK)
		status = sm_buf_adds(&api->head, "\r\n");
	if (!busy)
		api->tail_at = api->head.len;
	api->streaming = false;
	return status;
}

enum sm_status sm_api_own_body(struct sm_api *api)
{
	if (api->own_body != NULL || api->body_len == 0)
		return SM_OK;
	api->own_body = malloc(api->body_len);
	if (api->own_body == NULL)
		return SM_NOMEM;
	memcpy(api->own_body, api->body, api->body_len);
	api->body = api->own_body;
	return SM_OK;
}

enum sm_api_step sm_api_send(struct sm_api *api, bool block)
{
	char byte;
	if (api->fd < 0)
		return give_up(api, SM_CLOSED, "not connected to the Runtime API");
	enum sm_api_step step = send_rest(api, block);
	if (step == SM_API_FAILED || !api->streaming)
		return step;
	ssize_t early = step == SM_API_MORE ? recv(api->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) : -1;
	return early >= 0 ? give_up(api, SM_CLOSED, "the Runtime API ended the stream") : step;
}
