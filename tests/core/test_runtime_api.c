/*
 * The client of the Runtime API against canned answers: the test is the server, too. A request fits into the socket's
 * buffer, so both ends can live in one thread.
 */
#include "runtime_api.h"

#include "alloc_fail.h"
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int listener = -1, server = -1; /* server: the accepted end */
static char address[64];

static void listen_somewhere(void)
{
	struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(place);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&place, len) != 0 || listen(listener, 8) != 0 ||
	    getsockname(listener, (struct sockaddr *)&place, &len) != 0)
		exit(1);
	snprintf(address, sizeof(address), "127.0.0.1:%d", ntohs(place.sin_port));
}

static void hang_up(void)
{
	if (server >= 0)
		close(server);
	server = -1;
}

static struct sm_api *connected(void)
{
	struct sm_api *api = NULL;
	struct sm_error err;
	hang_up();
	if (sm_api_new(address, &api, &err) != SM_OK || sm_api_open(api, &err) != SM_OK) {
		printf("%s\n", err.message);
		exit(1);
	}
	int one = 1;
	server = accept(listener, NULL, NULL);
	setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return api;
}

static void say(const char *bytes, size_t len)
{
	if (send(server, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
		printf("the test could not write\n");
}

/* What the client has sent so far. */
static const char *heard(void)
{
	static char text[65536];
	ssize_t count = recv(server, text, sizeof(text) - 1, MSG_DONTWAIT);
	text[count > 0 ? count : 0] = '\0';
	return text;
}

static bool body_is(const struct sm_api *api, const char *text)
{
	struct sm_api_text body = sm_api_body(api);
	return body.len == strlen(text) && memcmp(body.text, text, body.len) == 0;
}

static bool header_is(const struct sm_api *api, enum sm_api_header header, const char *text)
{
	struct sm_api_text value = sm_api_get_header(api, header);
	return value.text != NULL && value.len == strlen(text) && memcmp(value.text, text, value.len) == 0;
}

#define EVENT                                                                                                          \
	"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: one\r\n"                      \
	"lambda-runtime-deadline-ms:  1700000000123 \r\nLambda-Runtime-Trace-Id: Root=1\r\n"

static const char plain[] = EVENT "Content-Length: 7\r\n\r\n{\"a\":1}";
static const char chunked[] =
    EVENT "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\n{\"a\r\n4\r\n\":1}\r\n0\r\nTrailer: x\r\n\r\n";
static const char after_continue[] = "HTTP/1.1 100 Continue\r\n\r\n" EVENT "Content-Length: 7\r\n\r\n{\"a\":1}";

TEST(requests_are_as_the_api_wants_them)
{
	struct sm_api *api = connected();
	char expected[1024];
	CHECK(sm_api_next(api) == SM_OK && sm_api_send(api, false) == SM_API_DONE);
	snprintf(
	    expected, sizeof(expected),
	    "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: %s\r\nUser-Agent: sewing-machine-lambda\r\n\r\n",
	    address);
	CHECK_STR(heard(), expected);
	CHECK(sm_api_answer(api, "id-1", "[1]", 3) == SM_OK && sm_api_send(api, false) == SM_API_DONE);
	const char *text = heard();
	CHECK(strncmp(text, "POST /2018-06-01/runtime/invocation/id-1/response HTTP/1.1\r\n", 60) == 0);
	CHECK(strstr(text, "\r\nContent-Length: 3\r\n\r\n[1]") != NULL);
	CHECK(sm_api_error(api, "init", "A\r\nEvil: b", "{}", "{}", 2) == SM_OK && sm_api_send(api, true) == SM_API_DONE);
	text = heard();
	CHECK(strncmp(text, "POST /2018-06-01/runtime/init/error HTTP/1.1\r\n", 46) == 0);
	CHECK(strstr(text, "\r\nLambda-Runtime-Function-Error-Type: A  Evil: b\r\n") != NULL);
	CHECK(strstr(text, "\r\nLambda-Runtime-Function-XRay-Error-Cause: {}\r\n") != NULL);
	sm_api_free(api);
}

TEST(an_answer_in_pieces_has_chunks_and_trailers)
{
	struct sm_api *api = connected();
	CHECK(sm_api_stream(api, "id-1", "text/plain") == SM_OK && sm_api_send(api, false) == SM_API_DONE);
	CHECK(strstr(heard(), "Transfer-Encoding: chunked\r\nTrailer: ") != NULL);
	CHECK(sm_api_chunk(api, "hello world, hello", 18) == SM_OK && sm_api_send(api, false) == SM_API_DONE);
	CHECK_STR(heard(), "12\r\nhello world, hello\r\n");
	CHECK(sm_api_chunk(api, "x", 1) == SM_OK && sm_api_own_body(api) == SM_OK); /* unsent: the end goes behind it */
	CHECK(sm_api_stream_end(api, "T", "Ym9keQ==") == SM_OK && sm_api_send(api, false) == SM_API_DONE);
	CHECK_STR(heard(), "1\r\nx\r\n0\r\nLambda-Runtime-Function-Error-Type: T\r\n"
	                   "Lambda-Runtime-Function-Error-Body: Ym9keQ==\r\n\r\n");
	say("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", 45);
	CHECK(sm_api_turn(api, true) == SM_API_DONE && sm_api_status(api) == 202);
	sm_api_free(api);
}

static void check_event(const struct sm_api *api)
{
	CHECK(sm_api_status(api) == 200);
	CHECK(body_is(api, "{\"a\":1}"));
	CHECK(header_is(api, SM_API_REQUEST_ID, "one"));
	CHECK(header_is(api, SM_API_TRACE_ID, "Root=1"));
	CHECK(sm_api_get_header(api, SM_API_TENANT_ID).text == NULL);
	CHECK(sm_api_deadline_ms(api) == 1700000000123);
}

/* Sends the first n bytes, lets the client read, then the rest. */
static void split_at(struct sm_api *api, const char *answer, size_t len, size_t n)
{
	CHECK(sm_api_next(api) == SM_OK && sm_api_send(api, false) == SM_API_DONE);
	heard();
	say(answer, n);
	enum sm_api_step step = sm_api_turn(api, false);
	CHECK(step == (n == len ? SM_API_DONE : SM_API_MORE));
	if (n < len) {
		CHECK(sm_api_wants(api) == POLLIN);
		say(answer + n, len - n);
		CHECK(sm_api_turn(api, true) == SM_API_DONE);
	}
	check_event(api);
	CHECK(sm_api_is_open(api));
}

TEST(an_event_may_be_cut_anywhere)
{
	struct sm_api *api = connected();
	const struct {
		const char *text;
		size_t len;
	} answers[] = {
	    {plain, sizeof(plain) - 1}, {chunked, sizeof(chunked) - 1}, {after_continue, sizeof(after_continue) - 1}};
	for (size_t i = 0; i < 3; i++)
		for (size_t n = 0; n <= answers[i].len; n++)
			split_at(api, answers[i].text, answers[i].len, n);
	sm_api_free(api);
}

TEST(an_answer_may_end_with_the_connection)
{
	static const char answer[] = "HTTP/1.0 200 OK\r\nLambda-Runtime-Aws-Request-Id: x\r\n\r\nuntil the end";
	struct sm_api *api = connected();
	CHECK(sm_api_next(api) == SM_OK);
	say(answer, sizeof(answer) - 1);
	hang_up();
	CHECK(sm_api_turn(api, true) == SM_API_DONE);
	CHECK(body_is(api, "until the end"));
	CHECK(!sm_api_is_open(api));
	CHECK(sm_api_turn(api, true) == SM_API_FAILED);
	sm_api_free(api);
}

TEST(a_connection_that_is_not_to_be_used_again_is_closed)
{
	static const char *const answers[] = {"HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
	                                      "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}and more"};
	for (size_t i = 0; i < 2; i++) {
		struct sm_api *api = connected();
		CHECK(sm_api_answer(api, "x", "1", 1) == SM_OK);
		say(answers[i], strlen(answers[i]));
		CHECK(sm_api_turn(api, true) == SM_API_DONE);
		CHECK(body_is(api, "{}"));
		CHECK(!sm_api_is_open(api));
		sm_api_free(api);
	}
}

TEST(a_refusal_that_comes_before_everything_was_read_is_seen)
{
	static char large[16 << 20];
	static const char refusal[] = "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno";
	struct sm_api *api = connected();
	CHECK(sm_api_answer(api, "x", large, sizeof(large)) == SM_OK);
	CHECK(sm_api_send(api, false) == SM_API_MORE);
	CHECK(sm_api_wants(api) == POLLOUT);
	say(refusal, sizeof(refusal) - 1);
	shutdown(server, SHUT_WR);
	enum sm_api_step step = SM_API_MORE;
	for (int i = 0; i < 100000 && step == SM_API_MORE; i++) {
		char eaten[65536];
		if (recv(server, eaten, sizeof(eaten), MSG_DONTWAIT) < 0 && i > 100)
			shutdown(server, SHUT_RDWR);
		step = sm_api_turn(api, false);
	}
	CHECK(step == SM_API_DONE ? sm_api_status(api) == 413 : step == SM_API_FAILED);
	sm_api_free(api);
}

/* Whatever arrives, the client ends with an answer, a failure or a wish for more, and never outside of its memory. */
TEST(garbage_is_survived)
{
	char bytes[sizeof(chunked)];
	srand(4711);
	for (int round = 0; round < 4000; round++) {
		const char *from = round % 2 == 0 ? plain : chunked;
		size_t len = round % 2 == 0 ? sizeof(plain) - 1 : sizeof(chunked) - 1;
		struct sm_api *api = connected();
		memcpy(bytes, from, len);
		for (int change = 0; change <= round % 4; change++)
			bytes[(size_t)rand() % len] = (char)(rand() % 3 == 0 ? rand() : "\r\n: 0f;-"[rand() % 8]);
		CHECK(sm_api_next(api) == SM_OK);
		say(bytes, len - (size_t)rand() % 3);
		hang_up();
		enum sm_api_step step = sm_api_turn(api, true);
		CHECK(step != SM_API_MORE);
		struct sm_api_text body = sm_api_body(api);
		CHECK(step != SM_API_DONE ||
		      (body.len < 4096 && (body.len == 0 || memchr(body.text, 7, body.len) != body.text - 1)));
		sm_api_free(api);
	}
}

TEST(addresses)
{
	static const char *const bad[] = {
	    "", "host", "host:", ":1", "host:x", "host:1\r\nEvil: y", "a b:1", "host:123456789012345678"};
	struct sm_error err;
	struct sm_api *api = NULL;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(sm_api_new(bad[i], &api, &err) == SM_INVALID && strstr(err.message, "host:port") != NULL);
	CHECK(sm_api_new("[::1]:1", &api, &err) == SM_OK);
	CHECK(sm_api_open(api, &err) == SM_IO && err.message[0] != '\0');
	sm_api_free(api);
	CHECK(sm_api_new("localhost:1", &api, &err) == SM_OK);
	CHECK(sm_api_open(api, &err) == SM_IO);
	sm_api_free(api);
}

static enum sm_status whole_exchange(void)
{
	struct sm_api *api = NULL;
	struct sm_error err;
	hang_up();
	enum sm_status status = sm_api_new(address, &api, &err);
	if (status == SM_OK)
		status = sm_api_open(api, &err);
	if (status != SM_OK)
		goto done;
	server = accept(listener, NULL, NULL);
	status = sm_api_next(api);
	if (status != SM_OK)
		goto done;
	say(chunked, sizeof(chunked) - 1);
	status = sm_api_turn(api, true) == SM_API_DONE ? SM_OK : SM_NOMEM;
	if (status == SM_OK)
		status = sm_api_error(api, "id", "Type", "{}", "{}", 2);
	if (status == SM_OK)
		status = sm_api_stream(api, "id", "text/plain");
	if (status == SM_OK)
		status = sm_api_chunk(api, "bytes", 5);
	if (status == SM_OK)
		status = sm_api_own_body(api);
	if (status == SM_OK)
		status = sm_api_stream_end(api, "T", "body");
done:
	sm_api_free(api);
	return status;
}

TEST(every_allocation_may_fail)
{
	enum sm_status status = SM_OK;
	SWEEP(status)
	{
		status = whole_exchange();
	}
	CHECK(status == SM_OK);
}

int main(void)
{
	listen_somewhere();
	RUN(requests_are_as_the_api_wants_them);
	RUN(an_answer_in_pieces_has_chunks_and_trailers);
	RUN(an_event_may_be_cut_anywhere);
	RUN(an_answer_may_end_with_the_connection);
	RUN(a_connection_that_is_not_to_be_used_again_is_closed);
	RUN(a_refusal_that_comes_before_everything_was_read_is_seen);
	RUN(garbage_is_survived);
	RUN(addresses);
	RUN(every_allocation_may_fail);
	return check_report();
}
