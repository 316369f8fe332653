/* The bytes of a call: header and body that arrive, a body that is sent, and both ends' back-pressure. */
#include "http_call.h"

#include <string.h>

#define QUEUE_HIGH (256u * 1024u)
#define QUEUE_LOW (64u * 1024u)

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

void sm_http_receive(struct sm_http_call *call)
{
	CURL *easy = call->easy;

	curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
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

bool sm_http_unsent(const struct sm_http_call *call)
{
	return call->ended && call->unsent;
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
