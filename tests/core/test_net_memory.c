/*
 * Allocation sweep over the server and the client: the 1st, 2nd, ... n-th allocation of ours fails while one asks the
 * other. Each exchange ends at once, well or with an error; the sanitizer build sees leaks. See alloc_fail.h.
 */
#include "alloc_fail.h"
#include "check.h"
#include "clock.h"
#include "http.h"
#include "server.h"

#include <signal.h>

#define RUNS_MAX 400
#define WAIT_NS INT64_C(3000000000)

static struct sm_loop *loop;

static void write_more(struct sm_request *request, bool ok)
{
	static char block[40000];

	for (int i = 0; i < 3 && ok; i++)
		ok = sm_answer_write(request, block, sizeof block) == SM_OK;
	sm_answer_end(request, ok);
}

static void on_request(void *owner, struct sm_request *request)
{
	struct sm_error err;

	(void)owner;
	if (sm_answer_stream(request, 200, &err) != SM_OK)
		sm_answer_bytes(request, 500, "", 0);
	sm_answer_header(request, "X", 1, "y", 1, &err);
	sm_answer_send(request);
	write_more(request, true);
}

static struct sm_server *start_server(void)
{
	struct sm_server_config config = {.host = "127.0.0.1",
	                                  .max_header_bytes = 4096,
	                                  .max_body_bytes = 100000,
	                                  .header_timeout_ns = WAIT_NS,
	                                  .idle_timeout_ns = WAIT_NS,
	                                  .max_connections = 4,
	                                  .on_request = on_request};
	struct sm_server *server = NULL;
	struct sm_error err;

	return sm_server_start(loop, &config, &server, &err) == SM_OK ? server : NULL;
}

static void on_change(void *owner)
{
	(void)owner;
}

static enum sm_status start_call(struct sm_http *http, unsigned port, struct sm_http_call **call, struct sm_error *err)
{
	char url[300];
	struct sm_http_options options = {.method = "POST", .url = url, .timeout_ms = 2000, .on_change = on_change};
	enum sm_status status;

	snprintf(url, sizeof url, "http://me:pw@127.0.0.1:%u/%0200d?query", port, 1);
	status = sm_http_call_new(http, &options, call, err);
	if (status == SM_OK)
		status = sm_http_header(*call, "X-Header", 8, "value", 5, err);
	if (status == SM_OK)
		status = sm_http_upload(*call, -1, err);
	if (status == SM_OK)
		status = sm_http_start(*call, err);
	if (status == SM_OK)
		status = sm_http_write(*call, "some bytes", 10);
	if (status == SM_OK)
		sm_http_write_end(*call);
	return status;
}

static enum sm_status exchange(struct sm_http *http, struct sm_server *server)
{
	int64_t end_ns = sm_clock_mono_ns() + WAIT_NS;
	struct sm_http_call *call = NULL;
	struct sm_error err = {.message = ""};
	enum sm_status status = start_call(http, sm_server_port(server), &call, &err);

	while (status == SM_OK && !sm_http_ended(call) && sm_clock_mono_ns() < end_ns)
		sm_loop_turn(loop, 20);
	if (status == SM_OK)
		status = sm_http_ended(call) ? sm_http_result(call, &err) : SM_TIMEOUT;
	if (status == SM_OK && sm_http_status(call) != 200)
		status = SM_IO;
	sm_http_call_free(call);
	return status;
}

/* One exchange with the n-th allocation failing, then one with memory. */
static enum sm_status run_once(unsigned n)
{
	enum sm_status status = SM_NOMEM;
	struct sm_server *server = NULL;
	struct sm_http *http = NULL;

	alloc_fail_at(n);
	loop = sm_loop_new(1);
	if (loop != NULL)
		server = start_server();
	if (server != NULL)
		http = sm_http_new(loop);
	if (http != NULL)
		status = exchange(http, server);
	alloc_fail_hit();
	if (http != NULL)
		CHECK(exchange(http, server) == SM_OK); /* nothing is left broken */
	sm_http_free(http);
	sm_server_free(server);
	sm_loop_free(loop);
	return status;
}

TEST(every_allocation_may_fail)
{
	unsigned n = 0;
	bool failed_one;

	CHECK(run_once(0) == SM_OK);
	do {
		enum sm_status status;

		status = run_once(++n);
		failed_one = alloc_fail_hit();
		CHECK(status != SM_TIMEOUT);
		CHECK(status == SM_OK || failed_one);
		if (check_bad) {
			printf("run %u: status %d\n", n, (int)status);
			break;
		}
	} while (failed_one && n < RUNS_MAX);
	CHECK(n > 15 && n < RUNS_MAX);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	RUN(every_allocation_may_fail);
	return check_report();
}
