/*
 * The client against peers that nobody here wrote: openssl's server for TLS, nghttpd for HTTP/2; and against raw
 * sockets for answers that no good server gives. A tool that is missing is named.
 */
#include "http.h"

#include "check.h"
#include "clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_NS INT64_C(10000000000)

static struct sm_loop *loop;
static struct sm_http *http;
static int changes;
static char folder[64] = "/tmp/sm_http_XXXXXX";

static void on_change(void *owner)
{
	(void)owner;
	changes++;
}

static struct sm_http_options options_for(const char *url)
{
	struct sm_http_options options = {
	    .method = "GET", .url = url, .timeout_ms = 5000, .max_bytes = 1 << 20, .on_change = on_change};

	return options;
}

static void finish_call(struct sm_http_call *call)
{
	int64_t end_ns = sm_clock_mono_ns() + WAIT_NS;

	while (!sm_http_ended(call) && sm_clock_mono_ns() < end_ns)
		sm_loop_turn(loop, 20);
	CHECK(sm_http_ended(call));
}

/* The result of one whole request; the body's beginning in text. */
static enum sm_status ask(const struct sm_http_options *options, char *text, size_t size, struct sm_error *err)
{
	struct sm_http_call *call = NULL;
	enum sm_status status = sm_http_call_new(http, options, &call, err);
	const char *body;
	size_t len;

	text[0] = '\0';
	if (status != SM_OK)
		return status;
	CHECK(sm_http_start(call, err) == SM_OK);
	finish_call(call);
	status = sm_http_result(call, err);
	if (status == SM_OK) {
		body = sm_http_bytes(call, &len);
		snprintf(text, size, "%d %s %.*s", sm_http_status(call), sm_http_version_text(call),
		         (int)(len < 200 ? len : 200), body);
	}
	sm_http_call_free(call);
	return status;
}

/* ---- peers ---- */

static bool have(const char *tool)
{
	char command[128];

	snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", tool);
	if (system(command) == 0)
		return true;
	printf("pending: %s is not installed\n", tool);
	return false;
}

/* A listening socket on a free port. */
static int listener(unsigned *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
	CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 8) == 0);
	getsockname(fd, (struct sockaddr *)&address, &len);
	*port = ntohs(address.sin_port);
	return fd;
}

static unsigned free_port(void)
{
	unsigned port;
	int fd = listener(&port);

	close(fd);
	return port;
}

/* Waits until something accepts on the port. */
static void await_port(unsigned port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int64_t end_ns = sm_clock_mono_ns() + WAIT_NS;
	bool open = false;

	inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
	while (!open && sm_clock_mono_ns() < end_ns) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		open = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
		close(fd);
		if (!open)
			sm_loop_turn(loop, 10);
	}
	CHECK(open);
}

static pid_t run(const char *const *argv)
{
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		if (chdir(folder) == 0)
			execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void make_certificate(void)
{
	char command[512];

	snprintf(command, sizeof command,
	         "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out "
	         "cert.pem "
	         "-days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null && "
	         "echo 'hello over tls' > page",
	         folder);
	CHECK(system(command) == 0);
}

static pid_t tls_server(unsigned port, const char *version)
{
	char text[16];
	const char *argv[] = {"openssl", "s_server", "-accept", text,    "-key", "key.pem",
	                      "-cert",   "cert.pem", "-WWW",    version, NULL};

	snprintf(text, sizeof text, "%u", port);
	return run(argv);
}

/* Answers one connection with these bytes and closes; in a child, so that this process can turn its loop. */
static pid_t raw_server(unsigned *port, const char *answer)
{
	int fd = listener(port);
	pid_t pid = fork();

	if (pid == 0) {
		char request[65536];
		int peer = accept(fd, NULL, NULL);

		alarm(20);
		if (read(peer, request, sizeof request) > 0 && write(peer, answer, strlen(answer)) >= 0)
			shutdown(peer, SHUT_WR);
		while (read(peer, request, sizeof request) > 0)
			;
		_exit(0);
	}
	close(fd);
	return pid;
}

/* ---- tests ---- */

TEST(https_checks_the_certificate)
{
	char url[64] = "", ca[96], text[512];
	unsigned port = free_port();
	struct sm_http_options options = options_for(url);
	struct sm_error err;
	pid_t pid = tls_server(port, "-quiet");

	await_port(port);
	snprintf(url, sizeof url, "https://localhost:%u/page", port);
	snprintf(ca, sizeof ca, "%s/cert.pem", folder);
	CHECK(ask(&options, text, sizeof text, &err) == SM_REFUSED);
	CHECK(strstr(err.message, "certificate") != NULL);
	options.ca_file = ca;
	CHECK(ask(&options, text, sizeof text, &err) == SM_OK);
	CHECK(strstr(text, "hello over tls") != NULL);
	options.ca_file = NULL;
	options.insecure = true;
	CHECK(ask(&options, text, sizeof text, &err) == SM_OK);
	end(pid);
}

/* A proxy that nobody listens at: whoever asks it fails. */
TEST(direct_requests_pass_the_proxy_by)
{
	char url[64] = "", text[512];
	unsigned port;
	struct sm_http_options options = options_for(url);
	struct sm_error err;
	pid_t pid = raw_server(&port, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");

	snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	CHECK(ask(&options, text, sizeof text, &err) != SM_OK);
	options.direct = true;
	CHECK(ask(&options, text, sizeof text, &err) == SM_OK);
	CHECK(strstr(text, "hi") != NULL);
	unsetenv("http_proxy");
	end(pid);
}

TEST(a_certificate_for_another_name_is_refused)
{
	char url[64] = "", ca[96], text[512];
	unsigned port = free_port();
	struct sm_http_options options = options_for(url);
	struct sm_error err;
	pid_t pid = tls_server(port, "-quiet");

	await_port(port);
	snprintf(url, sizeof url, "https://127.0.0.2:%u/page", port);
	snprintf(ca, sizeof ca, "%s/cert.pem", folder);
	options.ca_file = ca;
	CHECK(ask(&options, text, sizeof text, &err) == SM_REFUSED);
	end(pid);
}

TEST(tls_below_1_2_is_refused)
{
	char url[64] = "", text[512];
	unsigned port = free_port();
	struct sm_http_options options = options_for(url);
	struct sm_error err;
	pid_t pid = tls_server(port, "-tls1_1");

	await_port(port);
	snprintf(url, sizeof url, "https://localhost:%u/page", port);
	options.insecure = true;
	CHECK(ask(&options, text, sizeof text, &err) == SM_IO);
	end(pid);
}

TEST(http_2_over_tls_and_in_clear)
{
	char port_text[16], url[64] = "", ca[96], text[512];
	unsigned port = free_port(), plain = free_port();
	const char *tls_argv[] = {"nghttpd", "-d", folder, port_text, "key.pem", "cert.pem", NULL};
	const char *plain_argv[] = {"nghttpd", "--no-tls", "-d", folder, port_text, NULL};
	struct sm_http_options options = options_for(url);
	struct sm_error err;
	pid_t pid, plain_pid;

	if (!have("nghttpd"))
		return;
	snprintf(port_text, sizeof port_text, "%u", port);
	pid = run(tls_argv);
	snprintf(port_text, sizeof port_text, "%u", plain);
	plain_pid = run(plain_argv);
	await_port(port);
	await_port(plain);
	snprintf(url, sizeof url, "https://localhost:%u/page", port);
	snprintf(ca, sizeof ca, "%s/cert.pem", folder);
	options.ca_file = ca;
	CHECK(ask(&options, text, sizeof text, &err) == SM_OK);
	CHECK_STR(text, "200 2 hello over tls\n");
	snprintf(url, sizeof url, "http://127.0.0.1:%u/page", plain);
	options.version = SM_HTTP_2;
	CHECK(ask(&options, text, sizeof text, &err) == SM_OK);
	CHECK_STR(text, "200 2 hello over tls\n");
	end(pid);
	end(plain_pid);
}

TEST(an_answer_cut_short_is_an_error)
{
	char url[64] = "", text[512];
	unsigned port;
	struct sm_http_options options = options_for(url);
	struct sm_error err;
	pid_t pid = raw_server(&port, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");

	snprintf(url, sizeof url, "http://127.0.0.1:%u/?secret=x", port);
	CHECK(ask(&options, text, sizeof text, &err) == SM_IO);
	CHECK(strstr(err.message, "secret") == NULL);
	end(pid);
}

TEST(rubbish_is_an_error)
{
	static const char *const answers[] = {"this is not HTTP at all\r\n\r\n",
	                                      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	                                      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"};

	for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
		char url[64] = "", text[512];
		unsigned port;
		struct sm_http_options options = options_for(url);
		struct sm_error err;
		pid_t pid = raw_server(&port, answers[i]);

		snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
		CHECK(ask(&options, text, sizeof text, &err) != SM_OK || i == 2); /* older libcurl takes the last length */
		end(pid);
	}
}

TEST(a_header_without_end_meets_a_limit)
{
	char *answer = malloc(600000), url[64] = "", text[512];
	unsigned port;
	struct sm_http_options options = options_for(url);
	struct sm_error err;
	size_t len = (size_t)sprintf(answer, "HTTP/1.1 200 OK\r\n");
	pid_t pid;

	while (len < 500000)
		len += (size_t)sprintf(answer + len, "X-Header: %0100d\r\n", 1);
	strcpy(answer + len, "\r\n");
	pid = raw_server(&port, answer);
	snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
	CHECK(ask(&options, text, sizeof text, &err) != SM_OK);
	end(pid);
	free(answer);
}

TEST(informational_answers_and_trailers_are_passed_over)
{
	char url[64] = "", text[512];
	unsigned port;
	struct sm_http_options options = options_for(url);
	struct sm_error err;
	pid_t pid = raw_server(&port, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: "
	                              "chunked\r\n\r\n2\r\nok\r\n0\r\nX-Trailer: 1\r\n\r\n");

	snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
	CHECK(ask(&options, text, sizeof text, &err) == SM_OK);
	CHECK_STR(text, "200 1.1 ok");
	end(pid);
}

static void count_header(void *arg, const char *name, size_t name_len, const char *value, size_t value_len)
{
	char *text = arg;

	snprintf(text + strlen(text), 200, "[%.*s=%.*s]", (int)name_len, name, (int)value_len, value);
}

TEST(header_lines_come_as_they_are_without_blanks)
{
	char url[64] = "", text[512] = "";
	unsigned port;
	struct sm_http_options options = options_for(url);
	struct sm_http_call *call = NULL;
	struct sm_error err;
	pid_t pid = raw_server(&port, "HTTP/1.1 204 Nothing\r\nA:b\r\nC:   d e \t\r\nEmpty:\r\nWith: a:b\r\n\r\n");

	snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
	CHECK(sm_http_call_new(http, &options, &call, &err) == SM_OK);
	CHECK(sm_http_start(call, &err) == SM_OK);
	finish_call(call);
	sm_http_each_header(call, count_header, text);
	CHECK_STR(text, "[A=b][C=d e][Empty=][With=a:b]");
	sm_http_call_free(call);
	end(pid);
}

TEST(freeing_aborts_what_runs)
{
	char url[64] = "";
	unsigned port;
	int fd = listener(&port); /* accepts nobody */
	struct sm_http_options options = options_for(url);
	struct sm_http_call *call = NULL, *other = NULL;
	struct sm_error err;
	struct sm_http *mine = sm_http_new(loop);

	snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
	CHECK(sm_http_call_new(mine, &options, &call, &err) == SM_OK);
	CHECK(sm_http_call_new(mine, &options, &other, &err) == SM_OK);
	CHECK(sm_http_start(call, &err) == SM_OK && sm_http_start(other, &err) == SM_OK);
	sm_loop_turn(loop, 10);
	sm_http_call_free(call);
	sm_http_free(mine);
	CHECK(sm_http_ended(other) && sm_http_result(other, &err) == SM_CLOSED);
	sm_http_call_free(other);
	close(fd);
}

TEST(secrets_are_masked_wherever_they_appear)
{
	static const char *const urls[] = {"http://me:pw@127.0.0.1:1/p?token", "http://me:pw@127.0.0.1:1?token",
	                                   "http://me:p@w@127.0.0.1:1/p#token"};

	for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
		char text[512];
		struct sm_http_options options = options_for(urls[i]);
		struct sm_error err = {.message = ""};

		CHECK(ask(&options, text, sizeof text, &err) != SM_OK);
		CHECK(strstr(err.message, "pw") == NULL && strstr(err.message, "p@w") == NULL);
		CHECK(strstr(err.message, "token") == NULL && strstr(err.message, "me:") == NULL);
	}
}

int main(void)
{
	char command[128];

	signal(SIGPIPE, SIG_IGN);
	unsetenv("http_proxy");
	unsetenv("https_proxy");
	unsetenv("HTTPS_PROXY");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	loop = sm_loop_new(1);
	http = sm_http_new(loop);
	if (loop == NULL || http == NULL || mkdtemp(folder) == NULL)
		return 1;
	if (have("openssl")) {
		make_certificate();
		RUN(https_checks_the_certificate);
		RUN(a_certificate_for_another_name_is_refused);
		RUN(tls_below_1_2_is_refused);
		RUN(http_2_over_tls_and_in_clear);
	}
	RUN(direct_requests_pass_the_proxy_by);
	RUN(an_answer_cut_short_is_an_error);
	RUN(rubbish_is_an_error);
	RUN(a_header_without_end_meets_a_limit);
	RUN(informational_answers_and_trailers_are_passed_over);
	RUN(header_lines_come_as_they_are_without_blanks);
	RUN(freeing_aborts_what_runs);
	RUN(secrets_are_masked_wherever_they_appear);
	sm_http_free(http);
	sm_loop_free(loop);
	snprintf(command, sizeof command, "rm -rf %s", folder);
	if (system(command) != 0)
		printf("%s is left\n", folder);
	return check_report();
}
