/* Making a request: what may go on the wire, and the options libcurl gets. */
#include "http_call.h"
#include "http_trust.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_HEAD (256u * 1024u)

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

static bool set_limits(struct sm_http_call *call)
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
	if (options->fresh)
		curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	if (options->direct)
		curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	return sm_http_trust(easy, options->amazon_roots, options->ca_file) == CURLE_OK;
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
	if (!set_limits(made))
		goto fail;
	set_version(made);
	sm_http_receive(made);
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

enum sm_status sm_http_start(struct sm_http_call *call, struct sm_error *err)
{
	enum sm_status status = SM_OK;

	/* libcurl would wait for "100 Continue", and would call any body a form. */
	if (call->has_body || call->uploads)
		status = add_field(call, "Expect:", err);
	if (status == SM_OK && call->has_body && !call->has_type)
		status = add_field(call, "Content-Type:", err);
	if (status != SM_OK)
		return status;
	curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->fields);
	if (sm_http_watch_idle(call) != SM_OK || sm_http_run(call) != SM_OK)
		return sm_fail(err, SM_NOMEM, "not enough memory for a request");
	return SM_OK;
}
