/* The server against raw sockets: framing, limits, time-outs, back-pressure, clients that leave, stopping. */
#include "server.h"

#include "check.h"
#include "clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAIT_NS INT64_C(5000000000)
#define HOST "Host: x\r\n"

/* ---- a server whose answers depend on the path ---- */

static struct sm_loop *loop;
static struct sm_server *server;
static struct sm_request *hanging;
static int requests, gones, dones, drains, stops, last_complete;
static size_t written, body_bytes;
static char received[1 << 20];

static void answer_text(struct sm_request *request, const char *text)
{
	sm_answer_bytes(request, 200, text, strlen(text));
	sm_answer_header(request, "Content-Type", 12, "text/plain", 10, NULL);
	sm_answer_send(request);
}

static void write_all(struct sm_request *request)
{
	static char block[65536];

	while (written < 64u * 1024 * 1024) {
		enum sm_status status = sm_answer_write(request, block, sizeof block);

		if (status == SM_OK || status == SM_CONFLICT)
			written += sizeof block;
		if (status != SM_OK)
			return;
	}
	sm_answer_end(request, true);
}

static void read_some(struct sm_request *request)
{
	const char *data;
	size_t len;
	enum sm_status status;

	while ((status = sm_request_read(request, 4096, &data, &len)) == SM_OK && len > 0)
		body_bytes += len;
	if (status == SM_OK)
		answer_text(request, "read it all");
	else if (status == SM_LIMIT)
		answer_text(request, "too much");
}

static void on_request(void *owner, struct sm_request *request)
{
	const char *path = sm_request_path(request);
	size_t len;

	(void)owner;
	requests++;
	sm_request_body(request, &len);
	if (strcmp(path, "/hang") == 0) {
		hanging = request;
	} else if (strcmp(path, "/flood") == 0) {
		written = 0;
		sm_answer_stream(request, 200, NULL);
		sm_answer_send(request);
		write_all(request);
	} else if (strcmp(path, "/empty-stream") == 0) {
		sm_answer_stream(request, 201, NULL);
		sm_answer_header(request, "X-Kept", 6, "yes", 3, NULL);
		sm_answer_send(request);
		sm_answer_end(request, true);
	} else if (strcmp(path, "/broken-stream") == 0) {
		sm_answer_stream(request, 200, NULL);
		sm_answer_send(request);
		sm_answer_write(request, "half", 4);
		sm_answer_end(request, false);
	} else if (strcmp(path, "/read") == 0) {
		read_some(request);
	} else {
		char text[64];

		snprintf(text, sizeof text, "%s got %zu", path, len);
		answer_text(request, text);
	}
}

static void on_gone(void *owner, struct sm_request *request)
{
	(void)owner;
	(void)request;
	gones++;
}

static void on_drain(void *owner, struct sm_request *request)
{
	(void)owner;
	drains++;
	write_all(request);
}

static void on_data(void *owner, struct sm_request *request)
{
	(void)owner;
	read_some(request);
}

static void on_done(void *owner, struct sm_request *request, bool complete)
{
	(void)owner;
	dones++;
	last_complete = complete;
	if (request == hanging)
		hanging = NULL;
}

static void on_stopped(void *owner)
{
	(void)owner;
	stops++;
}

static void begin(bool stream_bodies)
{
	struct sm_server_config config = {.host = "127.0.0.1",
	                                  .max_header_bytes = 4096,
	                                  .max_body_bytes = 100000,
	                                  .header_timeout_ns = 300000000,
	                                  .idle_timeout_ns = 400000000,
	                                  .max_connections = 20,
	                                  .stream_bodies = stream_bodies,
	                                  .user_bytes = 8,
	                                  .on_request = on_request,
	                                  .on_gone = on_gone,
	                                  .on_drain = on_drain,
	                                  .on_data = on_data,
	                                  .on_done = on_done};
	struct sm_error err;

	requests = gones = dones = drains = stops = 0;
	last_complete = -1;
	written = body_bytes = 0;
	hanging = NULL;
	loop = sm_loop_new(1);
	CHECK(sm_server_start(loop, &config, &server, &err) == SM_OK);
}

static void finish(void)
{
	sm_server_free(server);
	sm_loop_free(loop);
}

/* ---- a client ---- */

static int client(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)sm_server_port(server))};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
	CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

/* Turns the loop and sends as the socket takes it. */
static void push(int fd, const char *bytes, size_t len)
{
	int64_t end_ns = sm_clock_mono_ns() + WAIT_NS;

	while (len > 0 && sm_clock_mono_ns() < end_ns) {
		ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);

		if (sent < 0 && errno != EAGAIN)
			return;
		bytes += sent > 0 ? sent : 0;
		len -= sent > 0 ? (size_t)sent : 0;
		sm_loop_turn(loop, 1);
	}
}

static void push_text(int fd, const char *text)
{
	push(fd, text, strlen(text));
}

/* Turns the loop and collects until the text has come, the server has closed (true), or time is over. */
static bool pull(int fd, const char *text)
{
	int64_t end_ns = sm_clock_mono_ns() + WAIT_NS;
	size_t len = 0;

	received[0] = '\0';
	while (sm_clock_mono_ns() < end_ns) {
		ssize_t got;

		sm_loop_turn(loop, 1);
		got = recv(fd, received + len, sizeof received - 1 - len, 0);
		if (got == 0 || (got < 0 && errno != EAGAIN))
			return true;
		if (got < 0)
			continue;
		len += (size_t)got;
		received[len] = '\0';
		if (text != NULL && strstr(received, text) != NULL)
			return false;
	}
	CHECK(!"time is over");
	return false;
}

static bool exchange(const char *request, const char *text)
{
	int fd = client();
	bool closed;

	push(fd, request, strlen(request));
	closed = pull(fd, text);
	close(fd);
	return closed;
}

static void turn_until(int *counter, int value)
{
	int64_t end_ns = sm_clock_mono_ns() + WAIT_NS;

	while (*counter < value && sm_clock_mono_ns() < end_ns)
		sm_loop_turn(loop, 5);
	CHECK(*counter >= value);
}

static bool begins(const char *text)
{
	return strncmp(received, text, strlen(text)) == 0;
}

static int count_of(const char *text)
{
	int count = 0;

	for (const char *at = received; (at = strstr(at, text)) != NULL; at++)
		count++;
	return count;
}

/* A refusal by the host: the status, the envelope, the end of the connection, and no call of the owner. */
static void check_refused(const char *request, const char *status, const char *code)
{
	char line[64], envelope[128];

	snprintf(line, sizeof line, "HTTP/1.1 %s ", status);
	snprintf(envelope, sizeof envelope, "{\"error\":{\"code\":\"%s\",\"message\":\"", code);
	CHECK(exchange(request, NULL));
	CHECK(begins(line));
	CHECK(strstr(received, envelope) != NULL);
	CHECK(requests == 0);
	if (check_bad)
		printf("request: %s\nanswer: %s\n", request, received);
}

/* Refused with this status by libmicrohttpd or by us, whichever looks first. */
static void check_status(const char *request, const char *status)
{
	char line[64];

	snprintf(line, sizeof line, "HTTP/1.1 %s ", status);
	CHECK(exchange(request, NULL));
	CHECK(begins(line));
	CHECK(requests == 0);
}

/* ---- tests ---- */

TEST(answers_and_keeps_the_connection)
{
	int fd;

	begin(false);
	fd = client();
	push_text(fd, "GET /a%20b?x=1&y HTTP/1.1\r\n" HOST "\r\n");
	CHECK(!pull(fd, "/a%20b got 0"));
	push_text(fd, "POST /c HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello");
	CHECK(!pull(fd, "/c got 5"));
	CHECK(begins("HTTP/1.1 200 OK\r\n"));
	CHECK(dones == 2 && last_complete == 1 && gones == 0);
	CHECK(sm_server_connections(server) == 1);
	close(fd);
	finish();
}

TEST(answers_pipelined_requests_in_order)
{
	begin(false);
	CHECK(exchange("GET /1 HTTP/1.1\r\n" HOST "\r\nPOST /2 HTTP/1.1\r\n" HOST
	               "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /3 HTTP/1.0\r\n\r\n",
	               NULL));
	CHECK(count_of("HTTP/1.1 200 OK") == 3);
	CHECK(strstr(received, "/1 got 0") < strstr(received, "/2 got 3"));
	CHECK(strstr(received, "/2 got 3") < strstr(received, "/3 got 0"));
	finish();
}

TEST(head_has_a_length_and_no_body)
{
	begin(false);
	CHECK(exchange("HEAD /abc HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", NULL));
	CHECK(strstr(received, "Content-Length: 10\r\n") != NULL);
	CHECK(strstr(received, "got") == NULL);
	finish();
}

TEST(says_100_continue_only_when_it_wants_the_body)
{
	begin(false);
	CHECK(!exchange("POST /a HTTP/1.1\r\n" HOST "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n", "\r\n\r\n"));
	CHECK(begins("HTTP/1.1 100 Continue"));
	check_refused("POST /a HTTP/1.1\r\n" HOST "Content-Length: 300000\r\nExpect: 100-continue\r\n\r\n", "413",
	              "PayloadTooLarge");
	finish();
}

/* Two readers that disagree about the end of a request let one client speak in the name of another. */
TEST(request_smuggling_is_refused)
{
	begin(false);
	check_refused("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400",
	              "BadRequest");
	check_refused("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", "400",
	              "BadRequest");
	check_refused("POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\nContent-Length: 30\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
	              "400", "BadRequest");
	check_status("POST / HTTP/1.1\r\n" HOST "Content-Length : 5\r\n\r\nhello", "400");
	check_status("POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\nhello", "400");
	check_status("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400");
	check_refused("POST / HTTP/1.1\r\n" HOST
	              "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
	              "400", "BadRequest");
	finish();
}

TEST(unknown_transfer_coding_is_refused)
{
	begin(false);
	CHECK(exchange("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", NULL));
	CHECK(begins("HTTP/1.1 501 ") || begins("HTTP/1.1 400 "));
	CHECK(requests == 0);
	finish();
}

TEST(malformed_requests_are_answered_400)
{
	begin(false);
	check_refused("GARBAGE\r\n\r\n", "400", "BadRequest");
	check_status("GET / HTTP/1.1\r\n" HOST "no colon here\r\n\r\n", "400");
	check_status("GET / HTTP/1.1\r\n\r\n", "400");
	check_status("GET / HTTP/1.1\r\n" HOST "Host: y\r\n\r\n", "400");
	check_status("GET / HTTP/1.1\r\n" HOST "X: a\001b\r\n\r\n", "400");
	finish();
}

TEST(a_large_header_is_answered_431)
{
	char *request = malloc(20000);
	size_t len;

	begin(false);
	len = (size_t)sprintf(request, "GET / HTTP/1.1\r\n" HOST "X: ");
	memset(request + len, 'a', 6000);
	strcpy(request + len + 6000, "\r\n\r\n");
	check_refused(request, "431", "HeadersTooLarge");
	len = (size_t)sprintf(request, "GET / HTTP/1.1\r\n" HOST);
	for (int i = 0; i < 150; i++)
		len += (size_t)sprintf(request + len, "X%d: 1\r\n", i);
	strcpy(request + len, "\r\n");
	check_refused(request, "431", "HeadersTooLarge");
	free(request);
	finish();
}

TEST(a_large_body_is_answered_413_before_it_is_read)
{
	int fd;

	begin(false);
	fd = client();
	push_text(fd, "POST / HTTP/1.1\r\n" HOST "Content-Length: 100001\r\n\r\n");
	CHECK(pull(fd, NULL));
	CHECK(begins("HTTP/1.1 413 "));
	close(fd);
	fd = client();
	push_text(fd, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 3; i++) {
		static char chunk[50000 + 8] = "c350\r\n";

		memset(chunk + 6, 'x', 50000);
		memcpy(chunk + 50006, "\r\n", 2);
		push(fd, chunk, sizeof chunk);
	}
	CHECK(pull(fd, NULL));
	CHECK(begins("HTTP/1.1 413 "));
	CHECK(strstr(received, "PayloadTooLarge") != NULL);
	CHECK(requests == 0);
	close(fd);
	finish();
}

TEST(a_slow_header_is_answered_408_even_when_it_drips)
{
	int fd, dripped = 0;
	int64_t end_ns;

	begin(false);
	fd = client();
	push_text(fd, "GET / HTTP/1.1\r\nX: ");
	end_ns = sm_clock_mono_ns() + WAIT_NS;
	while (recv(fd, received, 1, MSG_PEEK) < 0 && sm_clock_mono_ns() < end_ns) {
		if (dripped++ % 8 == 0 && dripped < 2000)
			send(fd, "a", 1, MSG_NOSIGNAL);
		sm_loop_turn(loop, 2);
	}
	CHECK(pull(fd, NULL));
	CHECK(begins("HTTP/1.1 408 "));
	CHECK(strstr(received, "\"code\":\"Timeout\"") != NULL);
	close(fd);
	finish();
}

TEST(a_stalled_body_is_answered_408)
{
	begin(false);
	check_refused("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhe", "408", "Timeout");
	finish();
}

TEST(an_idle_connection_is_closed_without_a_word)
{
	begin(false);
	CHECK(exchange("GET /x HTTP/1.1\r\n" HOST "\r\n", NULL));
	CHECK(count_of("HTTP/1.1") == 1);
	finish();
}

TEST(client_leaves_while_the_owner_works)
{
	int fd;

	begin(false);
	fd = client();
	push_text(fd, "GET /hang HTTP/1.1\r\n" HOST "\r\n");
	turn_until(&requests, 1);
	CHECK(gones == 0);
	close(fd);
	turn_until(&dones, 1);
	CHECK(gones == 1 && last_complete == 0 && hanging == NULL);
	CHECK(!exchange("GET /next HTTP/1.1\r\n" HOST "\r\n", "/next got 0"));
	finish();
}

TEST(an_answer_after_the_client_left_is_harmless)
{
	struct sm_request *request;
	size_t count;
	int fd;

	begin(false);
	fd = client();
	push_text(fd, "GET /hang HTTP/1.1\r\n" HOST "X-A: b\r\n\r\n");
	turn_until(&requests, 1);
	request = hanging;
	sm_request_hold(request);
	close(fd);
	turn_until(&dones, 1);
	CHECK_STR(sm_request_path(request), "/hang");
	CHECK_STR(sm_request_headers(request, &count)[1].value, "b");
	answer_text(request, "nobody hears this");
	sm_request_drop(request);
	finish();
}

TEST(client_leaves_a_stream_and_the_work_stops)
{
	int fd;

	begin(false);
	fd = client();
	push_text(fd, "GET /flood HTTP/1.1\r\n" HOST "\r\n");
	pull(fd, "\r\n\r\n");
	close(fd);
	turn_until(&dones, 1);
	CHECK(gones == 1 && last_complete == 0);
	CHECK(written < 64u * 1024 * 1024);
	finish();
}

TEST(slow_reader_does_not_grow_memory)
{
	int fd, small = 4096;

	begin(false);
	fd = client();
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	push_text(fd, "GET /flood HTTP/1.1\r\n" HOST "\r\n");
	for (int i = 0; i < 20; i++)
		sm_loop_turn(loop, 5);
	CHECK(written > 0 && written < 8u * 1024 * 1024); /* our queue and the kernel's, not the 64 MiB */
	turn_until(&gones, 1);                            /* no progress for idle_timeout: cut */
	close(fd);
	finish();
}

TEST(a_reading_client_gets_the_whole_flood)
{
	static char sink[1 << 16];
	int64_t end_ns = sm_clock_mono_ns() + 4 * WAIT_NS;
	size_t got = 0;
	int fd;

	begin(false);
	fd = client();
	push_text(fd, "GET /flood HTTP/1.0\r\n\r\n");
	while (sm_clock_mono_ns() < end_ns) {
		ssize_t some = recv(fd, sink, sizeof sink, 0);

		if (some == 0)
			break;
		if (some > 0)
			got += (size_t)some;
		else
			sm_loop_turn(loop, 1);
	}
	CHECK(got > 64u * 1024 * 1024 && got < 64u * 1024 * 1024 + 1000);
	CHECK(drains > 10 && last_complete == 1);
	close(fd);
	finish();
}

TEST(empty_streamed_body_keeps_status_and_headers)
{
	begin(false);
	CHECK(!exchange("GET /empty-stream HTTP/1.1\r\n" HOST "\r\n", "\r\n0\r\n\r\n"));
	CHECK(begins("HTTP/1.1 201 Created\r\n"));
	CHECK(strstr(received, "X-Kept: yes\r\n") != NULL);
	finish();
}

TEST(a_broken_stream_is_not_ended_properly)
{
	begin(false);
	CHECK(exchange("GET /broken-stream HTTP/1.1\r\n" HOST "\r\n", NULL));
	CHECK(strstr(received, "half") != NULL);
	CHECK(strstr(received, "\r\n0\r\n\r\n") == NULL);
	finish();
}

TEST(streamed_request_bodies_arrive_in_pieces)
{
	static char body[90000];
	int fd;

	begin(true);
	memset(body, 'b', sizeof body);
	fd = client();
	push_text(fd, "POST /read HTTP/1.1\r\n" HOST "Content-Length: 90000\r\n\r\n");
	turn_until(&requests, 1);
	CHECK(body_bytes == 0);
	push(fd, body, sizeof body);
	CHECK(!pull(fd, "read it all"));
	CHECK(body_bytes == sizeof body);
	push_text(fd, "POST /early HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc");
	CHECK(!pull(fd, "/early got 0"));
	close(fd);
	finish();
}

TEST(client_leaves_a_streamed_request_body)
{
	int fd;

	begin(true);
	fd = client();
	push_text(fd, "POST /read HTTP/1.1\r\n" HOST "Content-Length: 90000\r\n\r\nabc");
	turn_until(&requests, 1);
	close(fd);
	turn_until(&dones, 1);
	CHECK(gones == 1 && last_complete == 0);
	finish();
}

TEST(connections_beyond_the_limit_wait_and_are_served)
{
	int fds[20], late;

	begin(false);
	for (int i = 0; i < 20; i++) {
		fds[i] = client();
		push_text(fds[i], "GET /hang HTTP/1.1\r\n" HOST "\r\n");
	}
	turn_until(&requests, 20);
	late = client();
	push_text(late, "GET /late HTTP/1.1\r\n" HOST "\r\n");
	for (int i = 0; i < 20; i++)
		sm_loop_turn(loop, 2);
	CHECK(requests == 20 && sm_server_connections(server) == 20);
	close(fds[7]);
	CHECK(!pull(late, "/late got 0"));
	for (int i = 0; i < 20; i++)
		if (i != 7)
			close(fds[i]);
	close(late);
	finish();
}

TEST(a_taken_port_is_a_conflict)
{
	struct sm_server_config config = {.host = "127.0.0.1", .max_header_bytes = 4096, .max_connections = 1};
	struct sm_server *other;
	struct sm_error err;

	begin(false);
	config.port = sm_server_port(server);
	CHECK(sm_server_start(loop, &config, &other, &err) == SM_CONFLICT);
	CHECK(strstr(err.message, "Address already in use") != NULL);
	finish();
}

TEST(stopping_lets_a_running_request_finish)
{
	int fd, idle;

	begin(false);
	fd = client();
	idle = client();
	push_text(fd, "GET /hang HTTP/1.1\r\n" HOST "\r\n");
	turn_until(&requests, 1);
	sm_server_stop(server, WAIT_NS, on_stopped);
	CHECK(pull(idle, NULL));
	CHECK(stops == 0 && hanging != NULL);
	answer_text(hanging, "finished");
	CHECK(pull(fd, NULL));
	CHECK(strstr(received, "finished") != NULL);
	CHECK(strstr(received, "Connection: close\r\n") != NULL);
	turn_until(&stops, 1);
	CHECK(gones == 0 && last_complete == 1);
	close(fd);
	close(idle);
	finish();
}

TEST(stopping_cuts_what_outlasts_the_drain)
{
	int fd, stream;

	begin(false);
	fd = client();
	stream = client();
	push_text(fd, "GET /hang HTTP/1.1\r\n" HOST "\r\n");
	push_text(stream, "GET /flood HTTP/1.1\r\n" HOST "\r\n");
	turn_until(&requests, 2);
	sm_server_stop(server, 50000000, on_stopped);
	turn_until(&stops, 1);
	CHECK(gones == 2 && dones == 2);
	CHECK(stops == 1);
	close(fd);
	close(stream);
	finish();
}

TEST(freeing_with_a_suspended_request_is_clean)
{
	int fd;

	begin(false);
	fd = client();
	push_text(fd, "GET /hang HTTP/1.1\r\n" HOST "\r\n");
	turn_until(&requests, 1);
	finish();
	CHECK(gones == 0 && dones == 0); /* the owner is not called any more */
	close(fd);
}

TEST(answers_that_must_not_go_on_the_wire_are_refused)
{
	static char large[8193];
	struct sm_error err;
	int fd;

	memset(large, 'a', sizeof large - 1);
	begin(false);
	fd = client();
	push_text(fd, "GET /hang HTTP/1.1\r\n" HOST "\r\n");
	turn_until(&requests, 1);
	CHECK(sm_answer_bytes(hanging, 99, "", 0) == SM_INVALID);
	CHECK(sm_answer_bytes(hanging, 100, "", 0) == SM_INVALID);
	CHECK(sm_answer_bytes(hanging, 200, "x", 1) == SM_OK);
	CHECK(sm_answer_header(hanging, "X", 1, "a\r\nSet-Cookie: b", 16, &err) == SM_INVALID);
	CHECK(sm_answer_header(hanging, "X Y", 3, "a", 1, &err) == SM_INVALID);
	CHECK(sm_answer_header(hanging, "X\r\nY", 4, "a", 1, &err) == SM_INVALID);
	CHECK(sm_answer_header(hanging, "X", 1, "a\0b", 3, &err) == SM_INVALID);
	CHECK(sm_answer_header(hanging, "X", 1, large, sizeof large - 1, &err) == SM_INVALID);
	CHECK(sm_answer_bytes(hanging, 200, "x", 1) == SM_OK);
	CHECK(sm_answer_header(hanging, "Content-Length", 14, "77", 2, &err) == SM_OK);
	CHECK(sm_answer_file(hanging, 200, "/nowhere/at/all", 0, -1, &err) == SM_NOTFOUND);
	CHECK(sm_answer_file(hanging, 200, "/", 0, -1, &err) == SM_INVALID);
	sm_answer_send(hanging);
	CHECK(!pull(fd, "\r\n\r\nx"));
	CHECK(strstr(received, "Content-Length: 1\r\n") != NULL);
	close(fd);
	finish();
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	RUN(answers_and_keeps_the_connection);
	RUN(answers_pipelined_requests_in_order);
	RUN(head_has_a_length_and_no_body);
	RUN(says_100_continue_only_when_it_wants_the_body);
	RUN(request_smuggling_is_refused);
	RUN(unknown_transfer_coding_is_refused);
	RUN(malformed_requests_are_answered_400);
	RUN(a_large_header_is_answered_431);
	RUN(a_large_body_is_answered_413_before_it_is_read);
	RUN(a_slow_header_is_answered_408_even_when_it_drips);
	RUN(a_stalled_body_is_answered_408);
	RUN(an_idle_connection_is_closed_without_a_word);
	RUN(client_leaves_while_the_owner_works);
	RUN(an_answer_after_the_client_left_is_harmless);
	RUN(client_leaves_a_stream_and_the_work_stops);
	RUN(slow_reader_does_not_grow_memory);
	RUN(a_reading_client_gets_the_whole_flood);
	RUN(empty_streamed_body_keeps_status_and_headers);
	RUN(a_broken_stream_is_not_ended_properly);
	RUN(streamed_request_bodies_arrive_in_pieces);
	RUN(client_leaves_a_streamed_request_body);
	RUN(connections_beyond_the_limit_wait_and_are_served);
	RUN(a_taken_port_is_a_conflict);
	RUN(stopping_lets_a_running_request_finish);
	RUN(stopping_cuts_what_outlasts_the_drain);
	RUN(freeing_with_a_suspended_request_is_clean);
	RUN(answers_that_must_not_go_on_the_wire_are_refused);
	return check_report();
}
