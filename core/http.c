/* The client: libcurl's descriptors and timer on the loop, and how calls end. */
#include "clock.h"
#include "http_call.h"
#include "http_trust.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OWNER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
#define NS_PER_MS INT64_C(1000000)
#define MAX_IDLE_CONNECTIONS 64L

/* A descriptor that libcurl wants watched. */
struct socket_watch {
	struct sm_io io;
	struct sm_http *http;
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

static bool initialise(void)
{
	static bool initialised;

	if (initialised)
		return true;
	sm_http_trust_init();
	initialised = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
	return initialised;
}

bool sm_http_warm(void)
{
	return initialise() && sm_http_trust_warm();
}

struct sm_http *sm_http_new(struct sm_loop *loop)
{
	struct sm_http *http;

	if (!initialise())
		return NULL;
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

	sm_timer_stop(http->loop, &call->idle);
	if (call->easy == NULL)
		return;
	if (call->started)
		curl_multi_remove_handle(http->multi, call->easy);
	if (http->spare_count < SM_HTTP_SPARE_MAX) {
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
	long sent = 0;

	curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &sent);
	call->unsent = sent == 0;
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

/* ---- silence ---- */

/* Bytes of both directions up to now. */
static curl_off_t count_moved(const struct sm_http_call *call)
{
	curl_off_t up = 0, down = 0;
	long head_up = 0, head_down = 0;

	curl_easy_getinfo(call->easy, CURLINFO_SIZE_UPLOAD_T, &up);
	curl_easy_getinfo(call->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
	curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &head_up);
	curl_easy_getinfo(call->easy, CURLINFO_HEADER_SIZE, &head_down);
	return up + down + head_up + head_down;
}

static void end_silent(struct sm_http_call *call)
{
	char text[96];

	snprintf(text, sizeof text, "nothing moved for %g seconds", (double)call->options.read_timeout_ms / 1000);
	call_end(call, CURLE_OPERATION_TIMEDOUT);
	free(call->message);
	call_fail(call, SM_TIMEOUT, text);
	give_easy_back(call);
	call->options.on_change(call->options.owner);
}

/* Looks four times in the allowed silence; while it is our turn to read or write, silence is ours. */
static void look_for_silence(struct sm_timer *timer)
{
	struct sm_http_call *call = OWNER_OF(timer, struct sm_http_call, idle);
	int64_t now = sm_clock_mono_ns(), limit = call->options.read_timeout_ms * NS_PER_MS;
	curl_off_t moved = count_moved(call);

	if (moved != call->moved || call->recv_paused || call->send_paused)
		call->moved_ns = now;
	call->moved = moved;
	if (now - call->moved_ns >= limit || sm_timer_start(call->http->loop, timer, now + limit / 4) != SM_OK)
		end_silent(call);
}

enum sm_status sm_http_watch_idle(struct sm_http_call *call)
{
	if (call->options.read_timeout_ms <= 0)
		return SM_OK;
	call->moved_ns = sm_clock_mono_ns();
	call->idle.fire = look_for_silence;
	return sm_timer_start(call->http->loop, &call->idle,
	                      call->moved_ns + call->options.read_timeout_ms * NS_PER_MS / 4);
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

enum sm_status sm_http_run(struct sm_http_call *call)
{
	CURLMcode code;

	if (call->http->multi == NULL && !make_multi(call->http))
		return SM_NOMEM;
	call->started = true;
	code = curl_multi_add_handle(call->http->multi, call->easy);
	if (code == CURLM_ABORTED_BY_CALLBACK)
		start_over(call->http);
	return code == CURLM_OK ? SM_OK : SM_NOMEM;
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
