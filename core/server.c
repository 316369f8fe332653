#include "server.h"

#include "clock.h"
#include "server_inner.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OWNER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
#define NS_PER_MS 1000000
#define NS_PER_S INT64_C(1000000000)
#define LINGER_NS (2 * NS_PER_S)
#define LISTEN_BACKLOG 1024

/* ---- connections ---- */

struct conn *server_conn_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info != NULL ? info->socket_context : NULL;
}

void server_conn_phase(struct conn *conn, enum phase phase)
{
	conn->phase = phase;
	conn->since_ns = sm_clock_mono_ns();
}

void server_break_off(struct sm_server *server, struct MHD_Connection *mhd)
{
	MHD_set_connection_option(mhd, MHD_CONNECTION_OPTION_TIMEOUT, 1u);
	server->kick = true;
}

uint64_t server_acked(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof info;

	memset(&info, 0, sizeof info);
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
		return 0;
	return info.tcpi_bytes_acked;
}

size_t server_error_json(char *text, size_t size, const char *code, const char *message)
{
	int len = snprintf(text, size, "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}", code, message);

	return (size_t)len < size ? (size_t)len : size - 1;
}

static const char *status_phrase(int status)
{
	switch (status) {
	case 408:
		return "Request Timeout";
	case 413:
		return "Content Too Large";
	default:
		return "Bad Request";
	}
}

void server_conn_refuse(struct conn *conn, int status, const char *code, const char *message)
{
	char body[512], text[1024];
	size_t body_len = server_error_json(body, sizeof body, code, message);
	int len = snprintf(text, sizeof text,
	                   "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
	                   "Connection: close\r\n\r\n%s",
	                   status, status_phrase(status), body_len, body);

	/* A socket that has no room for these few bytes belongs to a client that does not read. */
	if (send(conn->fd, text, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT) == len)
		shutdown(conn->fd, SHUT_WR);
	server_conn_phase(conn, PHASE_LINGER);
}

static void conn_cut(struct conn *conn)
{
	conn->cut = true;
	shutdown(conn->fd, SHUT_RDWR);
}

static void conn_watch_ready(struct sm_io *io, short revents)
{
	struct conn *conn = OWNER_OF(io, struct conn, watch);
	struct sm_request *request = conn->request;

	(void)revents;
	if (request == NULL || !request->suspended)
		return;
	server_request_gone(request);
	server_resume(request);
}

void server_suspend(struct sm_request *request)
{
	struct conn *conn = request->conn;

	if (request->suspended)
		return;
	request->suspended = true;
	MHD_suspend_connection(conn->mhd);
	conn->watch.fd = conn->fd;
	conn->watch.events = POLLRDHUP;
	conn->watch.ready = conn_watch_ready;
	conn->watching = sm_io_add(conn->server->loop, &conn->watch) == SM_OK;
}

static void conn_unwatch(struct conn *conn)
{
	if (!conn->watching)
		return;
	conn->watching = false;
	sm_io_remove(conn->server->loop, &conn->watch);
}

void server_resume(struct sm_request *request)
{
	if (!request->suspended)
		return;
	request->suspended = false;
	conn_unwatch(request->conn);
	request->conn->since_ns = sm_clock_mono_ns();
	MHD_resume_connection(request->conn->mhd);
	request->server->kick = true;
}

static void conn_peer(struct conn *conn)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *address = info != NULL ? info->client_addr : NULL;

	if (address == NULL)
		return;
	if (address->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, conn->peer,
		          sizeof conn->peer);
	else if (address->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, conn->peer,
		          sizeof conn->peer);
}

static void conn_opened(struct sm_server *server, struct MHD_Connection *mhd, void **context)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct conn *conn = calloc(1, sizeof *conn);

	*context = conn;
	if (conn == NULL || info == NULL)
		return;
	conn->server = server;
	conn->mhd = mhd;
	conn->fd = info->connect_fd;
	conn_peer(conn);
	server_conn_phase(conn, PHASE_NEW);
	conn->next = server->conns;
	if (conn->next != NULL)
		conn->next->prev = conn;
	server->conns = conn;
	if (server->conn_count++ == 0)
		sm_timer_start(server->loop, &server->sweep, conn->since_ns + server->sweep_ns);
}

/*
 * libmicrohttpd 0.9.75 closes without a word when it cannot read a request line. The client is still there and
 * nothing was ever answered here: say why.
 */
static void conn_explain(struct conn *conn)
{
	char byte;

	if (conn->phase != PHASE_NEW || conn->cut)
		return;
	if (recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
		return;
	server_conn_refuse(conn, 400, "BadRequest", "the request line is malformed");
}

static void conn_closed(struct sm_server *server, struct conn *conn)
{
	if (conn == NULL)
		return;
	conn_explain(conn);
	conn_unwatch(conn);
	if (conn->prev != NULL)
		conn->prev->next = conn->next;
	else
		server->conns = conn->next;
	if (conn->next != NULL)
		conn->next->prev = conn->prev;
	server->conn_count--;
	free(conn);
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
	struct sm_server *server = cls;

	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		conn_opened(server, mhd, context);
	else
		conn_closed(server, *context);
}

/* ---- time-outs ---- */

static void conn_late(struct conn *conn, const char *what)
{
	char message[128];

	snprintf(message, sizeof message, "the %s did not arrive in time", what);
	if (conn->request != NULL)
		conn->request->state = REQUEST_REFUSED;
	server_conn_refuse(conn, 408, "Timeout", message);
}

static void conn_check_progress(struct conn *conn, int64_t now_ns)
{
	uint64_t acked = server_acked(conn->fd);

	if (acked != conn->acked || (conn->request != NULL && conn->request->suspended)) {
		conn->acked = acked;
		conn->since_ns = now_ns;
		return;
	}
	if (now_ns - conn->since_ns > conn->server->config.idle_timeout_ns)
		conn_cut(conn);
}

static void conn_sweep(struct conn *conn, int64_t now_ns)
{
	const struct sm_server_config *config = &conn->server->config;
	int64_t waited_ns = now_ns - conn->since_ns;

	if (conn->cut)
		return;
	switch (conn->phase) {
	case PHASE_NEW:
		if (waited_ns > config->header_timeout_ns)
			conn_late(conn, "request");
		break;
	case PHASE_HEADER:
		if (waited_ns > config->header_timeout_ns)
			conn_late(conn, "header");
		break;
	case PHASE_BODY:
		if (waited_ns > config->idle_timeout_ns)
			conn_late(conn, "body");
		break;
	case PHASE_WRITING:
		conn_check_progress(conn, now_ns);
		break;
	case PHASE_IDLE:
		if (waited_ns > config->idle_timeout_ns)
			conn_cut(conn);
		break;
	case PHASE_LINGER:
		if (waited_ns > LINGER_NS)
			conn_cut(conn);
		break;
	case PHASE_RUNNING: /* the owner has its own deadline */
		break;
	}
}

static void sweep_fire(struct sm_timer *timer)
{
	struct sm_server *server = OWNER_OF(timer, struct sm_server, sweep);
	int64_t now_ns = sm_clock_mono_ns();

	for (struct conn *conn = server->conns; conn != NULL; conn = conn->next)
		conn_sweep(conn, now_ns);
	if (server->conn_count > 0)
		sm_timer_start(server->loop, timer, now_ns + server->sweep_ns);
}

/* ---- running libmicrohttpd on the loop ---- */

static void check_drained(struct sm_server *server);

static void server_run(struct sm_server *server)
{
	if (server->running || server->closed)
		return;
	server->running = true;
	server->kick = false;
	MHD_run(server->daemon);
	server->running = false;
	if (server->draining)
		check_drained(server);
}

static void epoll_ready(struct sm_io *io, short revents)
{
	(void)revents;
	server_run(OWNER_OF(io, struct sm_server, io));
}

static void prepare_run(struct sm_prepare *prepare, int *wait_ms)
{
	struct sm_server *server = OWNER_OF(prepare, struct sm_server, prepare);
	MHD_UNSIGNED_LONG_LONG timeout_ms;

	if (server->running || server->closed)
		return;
	if (server->kick || (MHD_get_timeout(server->daemon, &timeout_ms) == MHD_YES && timeout_ms == 0))
		server_run(server);
	if (server->closed)
		return;
	if (server->kick)
		*wait_ms = 0;
	else if (MHD_get_timeout(server->daemon, &timeout_ms) == MHD_YES &&
	         (*wait_ms < 0 || timeout_ms < (unsigned)*wait_ms))
		*wait_ms = (int)timeout_ms;
}

/* ---- start ---- */

static enum sm_status bind_error(struct sm_error *err, int saved_errno, const char *host, unsigned port)
{
	enum sm_status status = SM_IO;

	if (saved_errno == EADDRINUSE)
		status = SM_CONFLICT;
	else if (saved_errno == EACCES || saved_errno == EPERM)
		status = SM_REFUSED;
	return sm_fail(err, status, "cannot listen on %s port %u: %s", host, port, strerror(saved_errno));
}

static int listen_on(const struct addrinfo *info)
{
	int on = 1, saved_errno;
	int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, LISTEN_BACKLOG) == 0)
		return fd;
	saved_errno = errno;
	close(fd);
	errno = saved_errno;
	return -1;
}

static enum sm_status open_listener(const struct sm_server_config *config, int *fd, struct sm_error *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
	char port[16];
	int code;

	snprintf(port, sizeof port, "%u", config->port);
	code = getaddrinfo(config->host, port, &hints, &found);
	if (code != 0)
		return sm_fail(err, SM_NOTFOUND, "cannot listen on %s: %s", config->host, gai_strerror(code));
	*fd = -1;
	for (struct addrinfo *info = found; info != NULL && *fd < 0; info = info->ai_next)
		*fd = listen_on(info);
	code = errno;
	freeaddrinfo(found);
	return *fd < 0 ? bind_error(err, code, config->host, config->port) : SM_OK;
}

static unsigned bound_port(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address;
	socklen_t len = sizeof address;

	memset(&address, 0, sizeof address);
	if (getsockname(fd, &address.any, &len) != 0)
		return 0;
	return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

/* The path is wanted as it was sent. */
static size_t keep_escaped(void *cls, struct MHD_Connection *mhd, char *text)
{
	(void)cls;
	(void)mhd;
	return strlen(text);
}

static struct MHD_Daemon *start_daemon(struct sm_server *server, int fd)
{
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO;
	/*
	 * Room for a header beyond the limit (which we answer ourselves), its index, and the answer's header. Not more:
	 * libmicrohttpd clears all of it after every request. (Far more headers than SERVER_MAX_HEADERS do not fit: those
	 * get its own 431.)
	 */
	size_t pool = server->config.max_header_bytes > 8 * 1024 ? 2 * server->config.max_header_bytes : 16 * 1024;

#if MHD_VERSION >= 0x00097706
	flags |= MHD_USE_NO_THREAD_SAFETY;
#endif
	return MHD_start_daemon(
	    flags, 0, NULL, NULL, server_on_access, server, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
	    server->config.max_connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT, pool, MHD_OPTION_CONNECTION_TIMEOUT, 0u,
	    MHD_OPTION_NOTIFY_COMPLETED, server_on_completed, server, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
	    MHD_OPTION_URI_LOG_CALLBACK, server_on_target, server, MHD_OPTION_UNESCAPE_CALLBACK, keep_escaped, NULL,
	    MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
}

static int64_t sweep_interval(const struct sm_server_config *config)
{
	int64_t shortest =
	    config->header_timeout_ns < config->idle_timeout_ns ? config->header_timeout_ns : config->idle_timeout_ns;

	if (shortest / 4 > NS_PER_S)
		return NS_PER_S;
	return shortest / 4 < 20 * NS_PER_MS ? 20 * NS_PER_MS : shortest / 4;
}

static struct sm_server *server_new(struct sm_loop *loop, const struct sm_server_config *config)
{
	struct sm_server *server = calloc(1, sizeof *server);

	if (server == NULL)
		return NULL;
	server->loop = loop;
	server->config = *config;
	server->config.host = NULL;
	server->refs = 1;
	server->sweep_ns = sweep_interval(config);
	server->sweep.fire = sweep_fire;
	server->prepare.run = prepare_run;
	return server;
}

static enum sm_status server_watch(struct sm_server *server)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);

	server->io.fd = info->epoll_fd;
	server->io.events = POLLIN;
	server->io.ready = epoll_ready;
	if (sm_io_add(server->loop, &server->io) != SM_OK)
		return SM_NOMEM;
	sm_prepare_add(server->loop, &server->prepare);
	server->kick = true; /* libmicrohttpd watches the listening socket from its first run on */
	return SM_OK;
}

enum sm_status sm_server_start(struct sm_loop *loop, const struct sm_server_config *config, struct sm_server **server,
                               struct sm_error *err)
{
	struct sm_server *made = NULL;
	int fd = -1;
	enum sm_status status = open_listener(config, &fd, err);

	if (status != SM_OK)
		return status;
	status = SM_NOMEM;
	made = server_new(loop, config);
	if (made == NULL)
		goto fail;
	made->port = bound_port(fd);
	made->daemon = start_daemon(made, fd);
	if (made->daemon == NULL)
		goto fail;
	fd = -1; /* libmicrohttpd's now */
	status = server_watch(made);
	if (status != SM_OK)
		goto fail;
	*server = made;
	return SM_OK;
fail:
	if (made != NULL && made->daemon != NULL)
		MHD_stop_daemon(made->daemon);
	free(made);
	if (fd >= 0)
		close(fd);
	return sm_fail(err, status, "cannot start the server: out of memory or descriptors");
}

unsigned sm_server_port(const struct sm_server *server)
{
	return server->port;
}

size_t sm_server_connections(const struct sm_server *server)
{
	return server->conn_count;
}

/* ---- stop ---- */

void server_release(struct sm_server *server)
{
	if (--server->refs > 0)
		return;
	server_free_spare(server);
	free(server);
}

static void server_close(struct sm_server *server)
{
	if (server->closed)
		return;
	server->closed = true;
	sm_prepare_remove(server->loop, &server->prepare);
	sm_io_remove(server->loop, &server->io);
	sm_timer_stop(server->loop, &server->drain);
	MHD_stop_daemon(server->daemon);
	sm_timer_stop(server->loop, &server->sweep);
	server->daemon = NULL;
}

static void stopped_run(struct sm_post *post)
{
	struct sm_server *server = OWNER_OF(post, struct sm_server, stopped_post);
	void (*stopped)(void *owner) = server->stopped;

	server->stopped = NULL;
	server_close(server);
	if (stopped != NULL && !server->silent)
		stopped(server->config.owner);
	server_release(server);
}

static void check_drained(struct sm_server *server)
{
	if (server->conn_count > 0 || server->stopped_post.run != NULL)
		return;
	server->stopped_post.run = stopped_run;
	server->refs++;
	sm_loop_post(server->loop, &server->stopped_post);
}

static void quiesce(struct sm_server *server)
{
	int fd = MHD_quiesce_daemon(server->daemon);

	if (fd >= 0)
		close(fd);
}

/* Ends every connection; requests that still run are told. */
static void cut_all(struct sm_server *server)
{
	for (struct conn *conn = server->conns; conn != NULL; conn = conn->next) {
		conn_cut(conn);
		if (conn->request != NULL && conn->request->suspended) {
			server_request_gone(conn->request);
			server_resume(conn->request);
		}
	}
	server->kick = true;
}

static void drain_fire(struct sm_timer *timer)
{
	cut_all(OWNER_OF(timer, struct sm_server, drain));
}

void sm_server_stop(struct sm_server *server, int64_t drain_ns, void (*stopped)(void *owner))
{
	if (server->draining || server->closed)
		return;
	server->draining = true;
	server->stopped = stopped;
	quiesce(server);
	for (struct conn *conn = server->conns; conn != NULL; conn = conn->next)
		if (conn->phase == PHASE_IDLE || conn->phase == PHASE_NEW)
			conn_cut(conn);
	server->drain.fire = drain_fire;
	sm_timer_start(server->loop, &server->drain, sm_clock_mono_ns() + drain_ns);
	check_drained(server);
}

void sm_server_free(struct sm_server *server)
{
	if (server == NULL)
		return;
	server->silent = true;
	if (!server->closed) {
		cut_all(server);
		server_run(server);
		server_close(server);
	}
	server_release(server);
}
