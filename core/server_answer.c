/* The answering half: building a response, queueing it, streaming its body. */
#include "server_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define STREAM_BLOCK (32u * 1024u)
#define STREAM_KEEP (1024u * 1024u) /* an emptied queue larger than this gives its memory back */

static bool status_is_valid(int status)
{
	return status >= 200 && status <= 599;
}

void server_answer_reset(struct sm_request *request)
{
	if (request->response != NULL)
		MHD_destroy_response(request->response);
	request->response = NULL;
	request->streamed = false;
}

static enum sm_status take_response(struct sm_request *request, int status, struct MHD_Response *response)
{
	if (response == NULL)
		return SM_NOMEM;
	server_answer_reset(request);
	request->response = response;
	request->status = (unsigned)status;
	request->header_bytes = 0;
	return SM_OK;
}

bool sm_answer_bodiless(const struct sm_request *request)
{
	return request->head_only || request->status == 204 || request->status == 304;
}

/* A body that must not be sent is not even handed over, except for HEAD, which tells its length. */
static size_t allowed_len(int status, size_t len)
{
	return status == 204 || status == 304 ? 0 : len;
}

enum sm_status sm_answer_bytes(struct sm_request *request, int status, const void *bytes, size_t len)
{
	if (!status_is_valid(status) || sm_answer_sent(request))
		return SM_INVALID;
	len = allowed_len(status, len);
	/* libmicrohttpd only reads the bytes; its interface has no const. */
	return take_response(request, status,
	                     MHD_create_response_from_buffer(len,
	                                                     len > 0 ? (void *)(uintptr_t)bytes : (void *)(uintptr_t) "",
	                                                     len > 0 ? MHD_RESPMEM_MUST_COPY : MHD_RESPMEM_PERSISTENT));
}

enum sm_status sm_answer_borrow(struct sm_request *request, int status, const void *bytes, size_t len,
                                void (*release)(void *arg), void *arg)
{
	enum sm_status result = SM_INVALID;

	if (status_is_valid(status) && !sm_answer_sent(request)) {
		len = allowed_len(status, len);
		result = take_response(
		    request, status,
		    MHD_create_response_from_buffer_with_free_callback_cls(len, (void *)(uintptr_t)bytes, release, arg));
	}
	if (result != SM_OK)
		release(arg);
	return result;
}

static enum sm_status open_range(const char *path, int64_t *offset, int64_t *length, int *fd, struct sm_error *err)
{
	struct stat info;
	int saved_errno;

	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (*fd < 0 || fstat(*fd, &info) != 0) {
		saved_errno = errno;
		return sm_fail(err, saved_errno == ENOENT ? SM_NOTFOUND : SM_IO, "cannot send file: %s", strerror(saved_errno));
	}
	if (!S_ISREG(info.st_mode))
		return sm_fail(err, SM_INVALID, "cannot send file: not a regular file");
	if (*offset < 0 || *offset > info.st_size)
		return sm_fail(err, SM_INVALID, "offset %lld lies outside of the file", (long long)*offset);
	if (*length < 0)
		*length = info.st_size - *offset;
	if (*length > info.st_size - *offset)
		return sm_fail(err, SM_INVALID, "offset and length reach beyond the end of the file");
	return SM_OK;
}

enum sm_status sm_answer_file(struct sm_request *request, int status, const char *path, int64_t offset, int64_t length,
                              struct sm_error *err)
{
	int fd = -1;
	enum sm_status result;

	if (!status_is_valid(status) || sm_answer_sent(request))
		return sm_fail(err, SM_INVALID, "%d is not the status of an answer", status);
	if (status == 204 || status == 304)
		return sm_answer_bytes(request, status, "", 0);
	result = open_range(path, &offset, &length, &fd, err);
	if (result != SM_OK)
		goto fail;
	result =
	    take_response(request, status, MHD_create_response_from_fd_at_offset64((uint64_t)length, fd, (uint64_t)offset));
	if (result == SM_OK)
		return SM_OK; /* the response closes fd */
	sm_fail(err, result, "out of memory");
fail:
	if (fd >= 0)
		close(fd);
	return result;
}

/* ---- streams ---- */

static ssize_t stream_read(void *cls, uint64_t position, char *buffer, size_t max)
{
	struct sm_request *request = cls;
	struct sm_server *server = request->server;
	size_t ready = request->queue.len - request->queue_sent;

	(void)position;
	if (request->gone || (ready == 0 && request->stream_ended && !request->stream_ok)) {
		server_break_off(server, request->conn->mhd);
		return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	if (ready == 0 && request->stream_ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (ready == 0) {
		server_suspend(request);
		return 0;
	}
	if (ready > max)
		ready = max;
	memcpy(buffer, request->queue.data + request->queue_sent, ready);
	request->queue_sent += ready;
	if (request->queue_sent == request->queue.len) {
		request->queue_sent = 0;
		if (request->queue.cap > STREAM_KEEP)
			sm_buf_free(&request->queue);
		else
			sm_buf_reset(&request->queue);
	}
	if (request->stream_waits && request->queue.len - request->queue_sent <= SERVER_QUEUE_LOW) {
		request->stream_waits = false;
		if (!server->silent && server->config.on_drain != NULL)
			server->config.on_drain(server->config.owner, request);
	}
	return (ssize_t)ready;
}

enum sm_status sm_answer_stream(struct sm_request *request, int status, struct sm_error *err)
{
	enum sm_status result;

	if (!status_is_valid(status) || sm_answer_sent(request))
		return sm_fail(err, SM_INVALID, "%d is not the status of an answer", status);
	if (status == 204 || status == 304)
		return sm_answer_bytes(request, status, "", 0);
	result = take_response(
	    request, status, MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, stream_read, request, NULL));
	request->streamed = result == SM_OK;
	return result;
}

enum sm_status sm_answer_write(struct sm_request *request, const void *bytes, size_t len)
{
	if (request->gone || request->conn == NULL)
		return SM_CLOSED;
	if (!request->streamed || request->stream_ended)
		return SM_INVALID;
	if (len == 0)
		return SM_OK;
	server_compact(&request->queue, &request->queue_sent);
	if (sm_buf_add(&request->queue, bytes, len) != SM_OK)
		return SM_NOMEM;
	if (request->state == REQUEST_QUEUED)
		server_resume(request);
	if (request->queue.len - request->queue_sent <= SERVER_QUEUE_HIGH)
		return SM_OK;
	request->stream_waits = true;
	return SM_CONFLICT;
}

void sm_answer_end(struct sm_request *request, bool ok)
{
	if (request->stream_ended)
		return;
	request->stream_ended = true;
	request->stream_ok = ok;
	if (request->conn != NULL && request->state == REQUEST_QUEUED)
		server_resume(request);
}

/* ---- headers ---- */

static bool is_value(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	return true;
}

static bool is_ours(const char *name, size_t len)
{
	return (len == 14 && strcasecmp(name, "content-length") == 0) ||
	       (len == 17 && strcasecmp(name, "transfer-encoding") == 0) ||
	       (len == 10 && strcasecmp(name, "keep-alive") == 0);
}

enum sm_status sm_answer_header(struct sm_request *request, const char *name, size_t name_len, const char *value,
                                size_t value_len, struct sm_error *err)
{
	if (request->response == NULL || sm_answer_sent(request))
		return sm_fail(err, SM_INVALID, "the answer is not open for headers");
	if (!server_is_token(name, name_len))
		return sm_fail(err, SM_INVALID, "'%.64s' is not a header name", name);
	if (!is_value(value, value_len))
		return sm_fail(err, SM_INVALID, "the value of header %.64s has a control character", name);
	if (is_ours(name, name_len) || value_len == 0)
		return SM_OK;
	request->header_bytes += name_len + value_len + 4;
	if (request->header_bytes > SERVER_ANSWER_HEADER_MAX)
		return sm_fail(err, SM_INVALID, "the headers of the answer are larger than %u bytes", SERVER_ANSWER_HEADER_MAX);
	if (MHD_add_response_header(request->response, name, value) != MHD_YES)
		return sm_fail(err, SM_INVALID, "header %.64s cannot be sent", name);
	return SM_OK;
}

/* ---- sending ---- */

void sm_answer_send(struct sm_request *request)
{
	if (sm_answer_sent(request) || request->response == NULL)
		return;
	request->state = REQUEST_READY;
	if (request->conn != NULL)
		server_resume(request);
}

bool sm_answer_sent(const struct sm_request *request)
{
	return request->state == REQUEST_READY || request->state == REQUEST_QUEUED;
}

enum MHD_Result server_answer_queue(struct sm_request *request)
{
	struct conn *conn = request->conn;
	enum MHD_Result result;

	if (request->server->draining)
		MHD_add_response_header(request->response, "Connection", "close");
	server_conn_phase(conn, PHASE_WRITING);
	conn->acked = 0;
	request->state = REQUEST_QUEUED;
	result = MHD_queue_response(conn->mhd, request->status, request->response);
	MHD_destroy_response(request->response);
	request->response = NULL;
	return result;
}

enum MHD_Result server_answer_refuse(struct sm_request *request, int status, const char *code, const char *message)
{
	char text[512];
	size_t len = server_error_json(text, sizeof text, code, message);

	if (sm_answer_bytes(request, status, text, len) != SM_OK)
		return MHD_NO;
	MHD_add_response_header(request->response, "Content-Type", "application/json");
	MHD_add_response_header(request->response, "Connection", "close");
	return server_answer_queue(request);
}
