/*
 * Allocation sweep over sm.lambda: the 1st, 2nd, ... n-th allocation fails while a host serves events. Each run goes on
 * or gives up, and never crashes; the sanitizer build sees leaks. The Runtime API is a child process without end.
 */
#include "../../core/lua_lambda.h"
#include "alloc_fail.h"
#include "check.h"
#include "clock.h"

#include <arpa/inet.h>
#include <lauxlib.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUNS_MAX 3000
#define RUN_NS INT64_C(20000000000)

/* ---- the Runtime API ---- */

static const char event[] =
    "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: one\r\nLambda-Runtime-Trace-Id: Root=1\r\n"
    "Lambda-Runtime-Cognito-Identity: {\"a\":1}\r\nContent-Length: 7\r\n\r\n[1,2,3]";
static const char accepted[] = "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}";

/* Answers the requests of one connection: an event for a GET, thanks for anything else. */
static void serve_connection(int fd)
{
	char bytes[65536];
	size_t len = 0;
	for (;;) {
		ssize_t count = recv(fd, bytes + len, sizeof(bytes) - 1 - len, 0);
		if (count <= 0)
			return;
		len += (size_t)count;
		bytes[len] = '\0';
		const char *head = strstr(bytes, "\r\n\r\n"), *length = strstr(bytes, "Content-Length: ");
		bool chunked = strstr(bytes, "chunked") != NULL;
		if (head == NULL || (chunked && strstr(head, "0\r\n\r\n") == NULL))
			continue;
		if (!chunked && length != NULL && len < (size_t)(head + 4 - bytes) + strtoul(length + 16, NULL, 10))
			continue;
		bool get = strncmp(bytes, "GET", 3) == 0;
		if (send(fd, get ? event : accepted, get ? sizeof(event) - 1 : sizeof(accepted) - 1, MSG_NOSIGNAL) < 0)
			return;
		len = 0;
	}
}

static pid_t start_api(char *address, size_t size)
{
	struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(place);
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	if (bind(listener, (struct sockaddr *)&place, len) != 0 || listen(listener, 64) != 0 ||
	    getsockname(listener, (struct sockaddr *)&place, &len) != 0)
		exit(1);
	snprintf(address, size, "127.0.0.1:%d", ntohs(place.sin_port));
	pid_t child = fork();
	if (child != 0) {
		close(listener);
		return child;
	}
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (fork() == 0) {
			serve_connection(fd);
			_exit(0);
		}
		close(fd);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

/* ---- the host ---- */

static const char script[] =
    "local address, count = ...\n"
    "local lambda = require 'sm.lambda'\n"
    "local events = 0\n"
    "assert(lambda.serve { address = address, concurrency = count, memory = 1 << 24,\n"
    "  on_event = function(text, context)\n"
    "    events = events + 1\n"
    "    if events >= 6 then lambda.stop() lambda.exit(0) end\n"
    "    if events == 2 then error 'two' end\n"
    "    if events == 3 then return nil, 'Type', '{}', '{}' end\n"
    "    if events == 4 then\n"
    "      if context:start_stream 'text/plain' then context:write 'some' context:write 'more' end\n"
    "      return true\n"
    "    end\n"
    "    return text .. context.request_id .. context.identity.a\n"
    "  end,\n"
    "  on_failure = function(err) return nil, 'Failed', tostring(err) end,\n"
    "  on_problem = function(message) return #message end })\n";

struct run {
	struct sm_host *host;
	int64_t until_ns;
};

static bool is_over(void *arg)
{
	const struct run *run = arg;
	return !sm_lambda_serves(run->host) || sm_clock_mono_ns() > run->until_ns;
}

/* True when the n-th allocation was reached, and failed. */
static bool run_once(const char *address, int connections, unsigned n)
{
	sm_alloc_plain = true;
	struct run run = {.host = sm_host_new("."), .until_ns = sm_clock_mono_ns() + RUN_NS};
	lua_State *L = run.host->L;
	CHECK(luaL_loadstring(L, script) == LUA_OK);
	lua_pushstring(L, address);
	lua_pushinteger(L, connections);
	alloc_fail_at(n);
	if (lua_pcall(L, 2, 0, 0) == LUA_OK)
		sm_host_run(run.host, is_over, &run);
	bool failed = alloc_fail_hit();
	CHECK(sm_clock_mono_ns() < run.until_ns);
	CHECK(n != 0 || run.host->exiting);
	sm_host_free(run.host);
	return failed;
}

static void sweep_with(int connections)
{
	char address[64];
	pid_t api = start_api(address, sizeof(address));
	unsigned n = 0;
	run_once(address, connections, 0);
	while (run_once(address, connections, ++n) && n < RUNS_MAX && !check_bad)
		;
	if (getenv("SM_VERBOSE") != NULL || check_bad)
		printf("%d connections: %u runs\n", connections, n);
	CHECK(n > 60 && n < RUNS_MAX);
	kill(api, SIGKILL);
	waitpid(api, NULL, 0);
}

TEST(one_connection)
{
	sweep_with(1);
}

TEST(three_connections)
{
	sweep_with(3);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	freopen("/dev/null", "w", stderr); /* what the host has to say without memory */
	RUN(one_connection);
	RUN(three_connections);
	return check_report();
}
