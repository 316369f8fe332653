#include "http.h"

#include "clock.h"

#include <curl/curl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define OWNER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
#define NS_PER_MS INT64_C(1000000)
#define QUEUE_HIGH (256u * 1024u)
#define QUEUE_LOW (64u * 1024u)
#define MAX_HEAD (256u * 1024u)
#define MAX_IDLE_CONNECTIONS 64L
#define SPARE_MAX 16

struct sm_http {
	struct sm_loop *loop;
	CURLM *multi;
	struct sm_timer timer;
	struct sm_http_call *calls;
	CURL *spare[SPARE_MAX]; /* handles to use again */
	size_t spare_count;
};

/* A descriptor that libcurl wants watched. */
struct socket_watch {
	struct sm_io io;
	struct sm_http *http;
};

struct sm_http_call {
	struct sm_http *http; /* NULL: the client is gone */
	struct sm_http_call *prev, *next;
	struct sm_http_options options;
	CURL *easy;
	struct curl_slist *fields;
	char *place;      /* method and masked URL, for messages */
	char *secrets[2]; /* query and user info of the URL: never in a message */
	bool has_type, has_body, uploads;
	bool started, ended, head_done;
	bool over;                     /* beyond max_bytes */
	bool recv_paused, send_paused; /* by us */
	bool write_ended;
	int status;
	const char *http_version; /* a constant */
	enum sm_status result;
	char *message;
	uint64_t received;
	struct sm_buf head; /* the answer's header lines */
	struct sm_buf body; /* the answer's body, or its unread part */
	size_t body_taken;
	struct sm_buf queue; /* the request's unsent body */
	size_t queue_sent;
	char error[CURL_ERROR_SIZE];
};

/* ---- the loop below libcurl ---- */

static void collect_ended(struct sm_http *http);
static void start_over(struct sm_http *http);

static void act(struct sm_http *http, curl_socket_t fd, int what)
{
	int running;
	CURLMcode code = curl_multi_socket_action(http->multi, fd, what, &running);

	collect_ended(http);
	if (code == CURLM_ABORTED_BY_CALLBACK)
		start_over(http);
}

static void socket_ready(struct sm_io *io, short revents)
{
	struct socket_watch *watch = OWNER_OF(io, struct socket_watch, io);
	int what = 0;

	if (revents & (POLLIN | POLLHUP | POLLERR))
		what |= CURL_CSELECT_IN;
	if (revents & POLLOUT)
		what |= CURL_CSELECT_OUT;
	if (revents & POLLERR)
		what |= CURL_CSELECT_ERR;
	act(watch->http, io->fd, what); /* may free watch */
}

static struct socket_watch *watch_new(struct sm_http *http, curl_socket_t fd, short events)
{
	struct socket_watch *watch = calloc(1, sizeof *watch);

	if (watch == NULL)
		return NULL;
	watch->http = http;
	watch->io.fd = fd;
	watch->io.events = events;
	watch->io.ready = socket_ready;
	if (sm_io_add(http->loop, &watch->io) != SM_OK) {
		free(watch);
		return NULL;
	}
	curl_multi_assign(http->multi, fd, watch);
	return watch;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *cls, void *assigned)
{
	struct sm_http *http = cls;
	struct socket_watch *watch = assigned;
	short events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (watch != NULL)
			sm_io_remove(http->loop, &watch->io);
		free(watch);
		return 0;
	}
	if (what & CURL_POLL_IN)
		events |= POLLIN;
	if (what & CURL_POLL_OUT)
		events |= POLLOUT;
	if (watch != NULL)
		sm_io_set(http->loop, &watch->io, events);
	else if (watch_new(http, fd, events) == NULL)
		return -1;
	return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *cls)
{
	struct sm_http *http = cls;

	(void)multi;
	if (timeout_ms < 0)
		sm_timer_stop(http->loop, &http->timer);
	else if (sm_timer_start(http->loop, &http->timer, sm_clock_mono_ns() + timeout_ms * NS_PER_MS) != SM_OK)
		return -1;
	return 0;
}

static void timer_fire(struct sm_timer *timer)
{
	act(OWNER_OF(timer, struct sm_http, timer), CURL_SOCKET_TIMEOUT, 0);
}

static bool make_multi(struct sm_http *http)
{
	http->multi = curl_multi_init();
	if (http->multi == NULL)
		return false;
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, MAX_IDLE_CONNECTIONS);
	return true;
}

struct sm_http *sm_http_new(struct sm_loop *loop)
{
	static bool initialised;
	struct sm_http *http;

	if (!initialised && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return NULL;
	initialised = true;
	http = calloc(1, sizeof *http);
	if (http == NULL)
		return NULL;
	http->loop = loop;
	http->timer.fire = timer_fire;
	if (!make_multi(http)) {
		free(http);
		return NULL;
	}
	return http;
}

/* ---- how a call ends ---- */

static enum sm_status status_of(const struct sm_http_call *call, CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return SM_OK;
	case CURLE_OPERATION_TIMEDOUT:
		return SM_TIMEOUT;
	case CURLE_OUT_OF_MEMORY:
		return SM_NOMEM;
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return SM_INVALID;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
		return SM_REFUSED;
	case CURLE_TOO_MANY_REDIRECTS:
		return SM_LIMIT;
	case CURLE_WRITE_ERROR:
		return call->over ? SM_LIMIT : SM_NOMEM;
	default:
		return SM_IO;
	}
}

static void mask(char *text, const char *secret)
{
	size_t len = secret != NULL ? strlen(secret) : 0;

	if (len == 0)
		return;
	for (char *at = strstr(text, secret); at != NULL; at = strstr(at, secret))
		memset(at, '*', len);
}

static void call_fail(struct sm_http_call *call, enum sm_status result, const char *text)
{
	size_t size = strlen(call->place) + strlen(text) + 3;

	call->result = result;
	call->message = malloc(size);
	if (call->message == NULL)
		return;
	snprintf(call->message, size, "%s: %s", call->place, text);
	mask(call->message + strlen(call->place), call->secrets[0]);
	mask(call->message + strlen(call->place), call->secrets[1]);
}

static void give_easy_back(struct sm_http_call *call)
{
	struct sm_http *http = call->http;

	if (call->easy == NULL)
		return;
	if (call->started)
		curl_multi_remove_handle(http->multi, call->easy);
	if (http->spare_count < SPARE_MAX) {
		curl_easy_reset(call->easy);
		http->spare[http->spare_count++] = call->easy;
	} else {
		curl_easy_cleanup(call->easy);
	}
	call->easy = NULL;
}

static void call_end(struct sm_http_call *call, CURLcode code)
{
	char text[128];

	call->ended = true;
	call->head_done = call->head_done || code == CURLE_OK;
	if (call->over) {
		snprintf(text, sizeof text, "the answer is larger than %llu bytes",
		         (unsigned long long)call->options.max_bytes);
		call_fail(call, SM_LIMIT, text);
	} else if (code != CURLE_OK) {
		call_fail(call, status_of(call, code), call->error[0] != '\0' ? call->error : curl_easy_strerror(code));
	}
}

static void collect_ended(struct sm_http *http)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
		struct sm_http_call *call = NULL;
		CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
		call_end(call, code);
		give_easy_back(call);
		call->options.on_change(call->options.owner);
	}
}

/*
 * A watch or a timer could not be had: libcurl gives everything up for good. All calls end, and a new multi handle
 * serves the next ones; without memory even for that the next start fails.
 */
static void start_over(struct sm_http *http)
{
	for (struct sm_http_call *call = http->calls; call != NULL; call = call->next) {
		if (call->ended || !call->started)
			continue;
		call_end(call, CURLE_OUT_OF_MEMORY);
		give_easy_back(call);
		call->options.on_change(call->options.owner);
	}
	curl_multi_cleanup(http->multi);
	sm_timer_stop(http->loop, &http->timer);
	make_multi(http);
}

static void call_unlink(struct sm_http_call *call)
{
	if (call->http == NULL)
		return;
	if (call->prev != NULL)
		call->prev->next = call->next;
	else
		call->http->calls = call->next;
	if (call->next != NULL)
		call->next->prev = call->prev;
	call->http = NULL;
}

void sm_http_call_free(struct sm_http_call *call)
{
	if (call == NULL)
		return;
	if (call->http != NULL)
		give_easy_back(call);
	call_unlink(call);
	curl_slist_free_all(call->fields);
	sm_buf_free(&call->head);
	sm_buf_free(&call->body);
	sm_buf_free(&call->queue);
	free(call->secrets[0]);
	free(call->secrets[1]);
	free(call->place);
	free(call->message);
	free(call);
}

void sm_http_free(struct sm_http *http)
{
	if (http == NULL)
		return;
	while (http->calls != NULL) {
		struct sm_http_call *call = http->calls;

		give_easy_back(call);
		if (!call->ended)
			call_fail(call, SM_CLOSED, "the client was closed");
		call->ended = true;
		call_unlink(call);
	}
	while (http->spare_count > 0)
		curl_easy_cleanup(http->spare[--http->spare_count]);
	curl_multi_cleanup(http->multi);
	sm_timer_stop(http->loop, &http->timer);
	free(http);
}

/* ---- what libcurl tells us ---- */

static bool is_redirect(const struct sm_http_call *call)
{
	return call->options.max_redirects > 0 && call->status >= 300 && call->status < 400 && call->status != 304;
}

static const char *version_text(CURL *easy)
{
	long version = 0;

	curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version);
	switch (version) {
	case CURL_HTTP_VERSION_1_0:
		return "1.0";
	case CURL_HTTP_VERSION_2_0:
		return "2";
	case CURL_HTTP_VERSION_3:
		return "3";
	default:
		return "1.1";
	}
}

static size_t on_header(char *line, size_t one, size_t len, void *cls)
{
	struct sm_http_call *call = cls;
	long status = 0;

	(void)one;
	if (call->head_done)
		return len; /* a trailer */
	if (len > 5 && strncmp(line, "HTTP/", 5) == 0) {
		sm_buf_reset(&call->head);
		return len;
	}
	if (len > 2 || (len > 0 && line[0] != '\r' && line[0] != '\n'))
		return sm_buf_add(&call->head, line, len) == SM_OK ? len : 0;
	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	call->status = (int)status;
	call->http_version = version_text(call->easy);
	if (status >= 200 && !is_redirect(call)) {
		call->head_done = true;
		call->options.on_change(call->options.owner);
	}
	return len;
}

/* Forgets the taken first bytes of a buffer that is read while it is written, so that it does not creep. */
static void compact(struct sm_buf *buf, size_t *taken)
{
	if (*taken < QUEUE_HIGH)
		return;
	memmove(buf->data, buf->data + *taken, buf->len - *taken);
	buf->len -= *taken;
	*taken = 0;
}

static size_t on_bytes(char *bytes, size_t one, size_t len, void *cls)
{
	struct sm_http_call *call = cls;

	(void)one;
	if (is_redirect(call) && !call->head_done) {
		call->head_done = true; /* a redirect that libcurl does not follow has a body for us */
		call->options.on_change(call->options.owner);
	}
	if (call->options.stream && call->body.len - call->body_taken >= QUEUE_HIGH) {
		call->recv_paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	call->received += len;
	if (call->options.max_bytes > 0 && call->received > call->options.max_bytes) {
		call->over = true;
		return 0;
	}
	compact(&call->body, &call->body_taken);
	if (sm_buf_add(&call->body, bytes, len) != SM_OK)
		return 0;
	if (call->options.stream)
		call->options.on_change(call->options.owner);
	return len;
}

static size_t on_send(char *bytes, size_t one, size_t max, void *cls)
{
	struct sm_http_call *call = cls;
	size_t ready = call->queue.len - call->queue_sent;
	bool was_full = !sm_http_room(call);

	max *= one;
	if (ready == 0 && call->write_ended)
		return 0;
	if (ready == 0) {
		call->send_paused = true;
		return CURL_READFUNC_PAUSE;
	}
	if (ready > max)
		ready = max;
	memcpy(bytes, call->queue.data + call->queue_sent, ready);
	call->queue_sent += ready;
	if (call->queue_sent == call->queue.len) {
		sm_buf_reset(&call->queue);
		call->queue_sent = 0;
	}
	if (was_full && sm_http_room(call))
		call->options.on_change(call->options.owner);
	return ready;
}

/* ---- making a call ---- */

static bool is_token(const char *text, size_t len)
{
	static const char allowed[] = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

	return len > 0 && strspn(text, allowed) == len;
}

static bool is_plain(const char *text, size_t len, unsigned char lowest)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if ((c < lowest && c != '\t') || c == 0x7f || (c == '\t' && lowest > 0x20))
			return false;
	}
	return true;
}

static char *copy_part(const char *text, size_t len)
{
	char *copy = malloc(len + 1);

	if (copy == NULL)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

/* "GET https://host/path" without what may be secret. */
static bool describe(struct sm_http_call *call, const char *method, const char *url)
{
	const char *host = strstr(url, "://"), *rest, *at = NULL;
	size_t size = strlen(method) + strlen(url) + 8, scheme_len, rest_len;

	host = host != NULL ? host + 3 : url;
	scheme_len = (size_t)(host - url);
	rest = host + strcspn(host, "/?#");
	for (const char *c = host; c < rest; c++)
		if (*c == '@')
			at = c;
	if (at != NULL) {
		call->secrets[1] = copy_part(host, (size_t)(at - host));
		host = at + 1;
	}
	rest_len = strcspn(host, "?#");
	if (host[rest_len] != '\0' && host[rest_len + 1] != '\0')
		call->secrets[0] = copy_part(host + rest_len + 1, strlen(host + rest_len + 1));
	call->place = malloc(size);
	if (call->place == NULL)
		return false;
	snprintf(call->place, size, "%s %.*s%.*s%s", method, (int)scheme_len, url, (int)rest_len, host,
	         host[rest_len] != '\0' ? "?..." : "");
	return true;
}

static enum sm_status check_target(const struct sm_http_options *options, struct sm_error *err)
{
	if (!is_token(options->method, strlen(options->method)))
		return sm_fail(err, SM_INVALID, "the method is malformed");
	if (strncasecmp(options->url, "http://", 7) != 0 && strncasecmp(options->url, "https://", 8) != 0)
		return sm_fail(err, SM_INVALID, "the URL must begin with http:// or https://");
	if (!is_plain(options->url, strlen(options->url), 0x21))
		return sm_fail(err, SM_INVALID, "the URL has a space or control character");
	return SM_OK;
}

static struct sm_http_call *call_alloc(struct sm_http *http, const struct sm_http_options *options)
{
	struct sm_http_call *call = calloc(1, sizeof *call);

	if (call == NULL)
		return NULL;
	call->options = *options;
	sm_buf_init(&call->head, MAX_HEAD);
	sm_buf_init(&call->body, SIZE_MAX / 2);
	sm_buf_init(&call->queue, SIZE_MAX / 2);
	call->http = http;
	call->next = http->calls;
	if (call->next != NULL)
		call->next->prev = call;
	http->calls = call;
	call->easy = http->spare_count > 0 ? http->spare[--http->spare_count] : curl_easy_init();
	return call;
}

static void set_version(struct sm_http_call *call)
{
	static const long plain = CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE, tls = CURL_HTTP_VERSION_2TLS;
	bool is_tls = strncasecmp(call->options.url, "https:", 6) == 0;
	long version = tls;

	if (call->options.version == SM_HTTP_1_1)
		version = CURL_HTTP_VERSION_1_1;
	else if (call->options.version == SM_HTTP_2 && !is_tls)
		version = plain;
	curl_easy_setopt(call->easy, CURLOPT_HTTP_VERSION, version);
	if (call->options.version == SM_HTTP_2)
		curl_easy_setopt(call->easy, CURLOPT_PIPEWAIT, 1L);
}

static void set_limits(struct sm_http_call *call)
{
	const struct sm_http_options *options = &call->options;
	CURL *easy = call->easy;

	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L); /* keys of stores may hold ".." and are signed as they are */
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)options->timeout_ms);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)options->connect_timeout_ms);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, options->max_redirects > 0 ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)options->max_redirects);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, options->insecure ? 0L : 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, options->insecure ? 0L : 2L);
	if (options->ca_file != NULL)
		curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca_file);
}

static void set_callbacks(struct sm_http_call *call)
{
	CURL *easy = call->easy;

	curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
}

enum sm_status sm_http_call_new(struct sm_http *http, const struct sm_http_options *options, struct sm_http_call **call,
                                struct sm_error *err)
{
	enum sm_status status = check_target(options, err);
	struct sm_http_call *made;

	if (status != SM_OK)
		return status;
	made = call_alloc(http, options);
	if (made == NULL || made->easy == NULL || !describe(made, options->method, options->url))
		goto fail;
	if (curl_easy_setopt(made->easy, CURLOPT_URL, options->url) != CURLE_OK)
		goto fail;
	set_limits(made);
	set_version(made);
	set_callbacks(made);
	made->options.url = made->options.ca_file = NULL; /* libcurl has copies */
	if (strcmp(options->method, "HEAD") == 0)
		curl_easy_setopt(made->easy, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(made->easy, CURLOPT_CUSTOMREQUEST, options->method);
	made->options.method = NULL;
	*call = made;
	return SM_OK;
fail:
	sm_http_call_free(made);
	return sm_fail(err, SM_NOMEM, "not enough memory for a request");
}

static bool is_ours(const char *name)
{
	return strcasecmp(name, "content-length") == 0 || strcasecmp(name, "transfer-encoding") == 0 ||
	       strcasecmp(name, "expect") == 0;
}

static enum sm_status add_field(struct sm_http_call *call, const char *line, struct sm_error *err)
{
	struct curl_slist *fields = curl_slist_append(call->fields, line);

	if (fields == NULL)
		return sm_fail(err, SM_NOMEM, "not enough memory for a header");
	call->fields = fields;
	return SM_OK;
}

enum sm_status sm_http_header(struct sm_http_call *call, const char *name, size_t name_len, const char *value,
                              size_t value_len, struct sm_error *err)
{
	size_t size = name_len + value_len + 3;
	enum sm_status status;
	char *line;

	if (!is_token(name, name_len))
		return sm_fail(err, SM_INVALID, "'%.64s' is not a header name", name);
	if (!is_plain(value, value_len, 0x20))
		return sm_fail(err, SM_INVALID, "the value of header %.64s has a control character", name);
	if (is_ours(name))
		return SM_OK;
	if (strcasecmp(name, "content-type") == 0)
		call->has_type = true;
	line = malloc(size);
	if (line == NULL)
		return sm_fail(err, SM_NOMEM, "not enough memory for a header");
	snprintf(line, size, value_len > 0 ? "%s: %s" : "%s;%s", name, value); /* "name;" is libcurl's empty value */
	status = add_field(call, line, err);
	free(line);
	return status;
}

enum sm_status sm_http_body(struct sm_http_call *call, const void *bytes, size_t len, struct sm_error *err)
{
	call->has_body = true;
	if (curl_easy_setopt(call->easy, CURLOPT_POST, 1L) != CURLE_OK ||
	    curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len) != CURLE_OK ||
	    curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, bytes) != CURLE_OK)
		return sm_fail(err, SM_NOMEM, "not enough memory for a request");
	return SM_OK;
}

enum sm_status sm_http_upload(struct sm_http_call *call, int64_t length, struct sm_error *err)
{
	call->uploads = true;
	if (curl_easy_setopt(call->easy, CURLOPT_UPLOAD, 1L) != CURLE_OK ||
	    curl_easy_setopt(call->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)(length < 0 ? -1 : length)) != CURLE_OK ||
	    curl_easy_setopt(call->easy, CURLOPT_READFUNCTION, on_send) != CURLE_OK ||
	    curl_easy_setopt(call->easy, CURLOPT_READDATA, call) != CURLE_OK)
		return sm_fail(err, SM_NOMEM, "not enough memory for a request");
	return SM_OK;
}

enum sm_status sm_http_start(struct sm_http_call *call, struct sm_error *err)
{
	enum sm_status status = SM_OK;
	CURLMcode code;

	/* libcurl would wait for "100 Continue", and would call any body a form. */
	if (call->has_body || call->uploads)
		status = add_field(call, "Expect:", err);
	if (status == SM_OK && call->has_body && !call->has_type)
		status = add_field(call, "Content-Type:", err);
	if (status != SM_OK)
		return status;
	curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->fields);
	if (call->http->multi == NULL && !make_multi(call->http))
		return sm_fail(err, SM_NOMEM, "not enough memory for a request");
	call->started = true;
	code = curl_multi_add_handle(call->http->multi, call->easy);
	if (code == CURLM_ABORTED_BY_CALLBACK)
		start_over(call->http);
	if (code != CURLM_OK)
		return sm_fail(err, SM_NOMEM, "not enough memory for a request");
	return SM_OK;
}

/* ---- sending and receiving ---- */

static void unpause(struct sm_http_call *call)
{
	int bits = (call->recv_paused ? CURLPAUSE_RECV : 0) | (call->send_paused ? CURLPAUSE_SEND : 0);

	if (call->easy != NULL && !call->ended)
		curl_easy_pause(call->easy, bits);
}

bool sm_http_room(const struct sm_http_call *call)
{
	return call->queue.len - call->queue_sent <= QUEUE_LOW;
}

bool sm_http_readable(const struct sm_http_call *call)
{
	return call->ended || call->body.len > call->body_taken;
}

enum sm_status sm_http_write(struct sm_http_call *call, const void *bytes, size_t len)
{
	if (call->ended)
		return SM_CLOSED;
	compact(&call->queue, &call->queue_sent);
	if (sm_buf_add(&call->queue, bytes, len) != SM_OK)
		return SM_NOMEM;
	if (call->send_paused && len > 0) {
		call->send_paused = false;
		unpause(call);
	}
	return call->queue.len - call->queue_sent > QUEUE_HIGH ? SM_CONFLICT : SM_OK;
}

void sm_http_write_end(struct sm_http_call *call)
{
	call->write_ended = true;
	if (!call->send_paused)
		return;
	call->send_paused = false;
	unpause(call);
}

bool sm_http_has_head(const struct sm_http_call *call)
{
	return call->head_done;
}

bool sm_http_ended(const struct sm_http_call *call)
{
	return call->ended;
}

enum sm_status sm_http_result(const struct sm_http_call *call, struct sm_error *err)
{
	if (call->result == SM_OK)
		return SM_OK;
	return sm_fail(err, call->result, "%s", call->message != NULL ? call->message : "not enough memory");
}

int sm_http_status(const struct sm_http_call *call)
{
	return call->status;
}

static bool take(struct sm_http_call *call, size_t max, const char **data, size_t *len)
{
	size_t ready = call->body.len - call->body_taken;

	*data = ready > 0 ? call->body.data + call->body_taken : "";
	*len = ready < max ? ready : max;
	call->body_taken += *len;
	return *len > 0;
}

enum sm_status sm_http_read(struct sm_http_call *call, size_t max, const char **data, size_t *len, struct sm_error *err)
{
	if (take(call, max, data, len))
		return SM_OK;
	if (call->ended)
		return sm_http_result(call, err);
	sm_buf_reset(&call->body);
	call->body_taken = 0;
	if (call->recv_paused) {
		call->recv_paused = false;
		unpause(call); /* may hand over what libcurl kept */
	}
	return take(call, max, data, len) ? SM_OK : SM_CONFLICT;
}

const char *sm_http_bytes(const struct sm_http_call *call, size_t *len)
{
	*len = call->body.len;
	return call->body.len > 0 ? call->body.data : "";
}

void sm_http_each_header(const struct sm_http_call *call,
                         void (*each)(void *arg, const char *name, size_t name_len, const char *value,
                                      size_t value_len),
                         void *arg)
{
	const char *line = call->head.data, *end = line != NULL ? line + call->head.len : NULL;

	while (line != NULL && line < end) {
		const char *stop = memchr(line, '\n', (size_t)(end - line)), *colon, *value, *last;

		if (stop == NULL)
			stop = end;
		colon = memchr(line, ':', (size_t)(stop - line));
		if (colon != NULL) {
			last = stop;
			value = colon + 1;
			while (value < last && (*value == ' ' || *value == '\t'))
				value++;
			while (last > value && (last[-1] == '\r' || last[-1] == ' ' || last[-1] == '\t'))
				last--;
			each(arg, line, (size_t)(colon - line), value, (size_t)(last - value));
		}
		line = stop + 1;
	}
}

const char *sm_http_version_text(const struct sm_http_call *call)
{
	return call->http_version != NULL ? call->http_version : "1.1";
}
