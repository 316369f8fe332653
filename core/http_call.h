/*
 * http_call: what the three parts of the HTTP client share; private to them.
 *
 * http.c is the client on the loop and how calls end, http_call.c makes a request, http_data.c moves its bytes.
 */
#ifndef SM_HTTP_CALL_H
#define SM_HTTP_CALL_H

#include "http.h"

#include <curl/curl.h>

#define SM_HTTP_SPARE_MAX 16

struct sm_http {
	struct sm_loop *loop;
	CURLM *multi;
	struct sm_timer timer;
	struct sm_http_call *calls;
	CURL *spare[SM_HTTP_SPARE_MAX]; /* handles to use again */
	size_t spare_count;
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
	bool unsent;                   /* ended before a byte of the request left */
	bool recv_paused, send_paused; /* by us */
	bool write_ended;
	int status;
	const char *http_version; /* a constant */
	struct sm_timer idle;
	int64_t moved_ns; /* when bytes were last seen to have moved */
	curl_off_t moved; /* how many there were then, both ways */
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

/* http.c: hands the call to libcurl. SM_NOMEM. */
enum sm_status sm_http_run(struct sm_http_call *call);
/* http.c: ends the call when nothing moves for read_timeout_ms. SM_NOMEM. */
enum sm_status sm_http_watch_idle(struct sm_http_call *call);
/* http_data.c: says where the answer goes. */
void sm_http_receive(struct sm_http_call *call);

#endif
