/*
 * server_inner: what server.c, server_request.c and server_answer.c share. Nobody else includes it.
 */
#ifndef SM_SERVER_INNER_H
#define SM_SERVER_INNER_H

#include "server.h"

#include <microhttpd.h>

#define SERVER_MAX_HEADERS 128
#define SERVER_ANSWER_HEADER_MAX                                                                                       \
	(4u * 1024u) /* bytes; fits the connection's memory beside the largest request header */
#define SERVER_INLINE_TARGET 512
#define SERVER_QUEUE_HIGH (256u * 1024u) /* bytes of an answer or a streamed body waiting in memory */
#define SERVER_QUEUE_LOW (64u * 1024u)

/* What a connection is doing; decides which time-out applies. */
enum phase {
	PHASE_NEW,     /* accepted, no request line yet */
	PHASE_HEADER,  /* request line read */
	PHASE_BODY,    /* header read, body coming */
	PHASE_RUNNING, /* the owner works */
	PHASE_WRITING, /* the answer goes out */
	PHASE_IDLE,    /* between requests */
	PHASE_LINGER   /* refused by hand; what still comes is thrown away for a moment */
};

struct conn {
	struct sm_server *server;
	struct conn *prev, *next;
	struct MHD_Connection *mhd;
	struct sm_request *request;
	struct sm_io watch; /* sees the client leave while libmicrohttpd does not look */
	bool watching;
	bool cut; /* shut down by us */
	int fd;
	enum phase phase;
	int64_t since_ns; /* of the phase or of its last progress */
	uint64_t acked;   /* bytes of the answer the client has confirmed */
	char peer[48];
};

struct sm_server {
	struct sm_loop *loop;
	struct sm_server_config config;
	struct MHD_Daemon *daemon;
	struct sm_io io; /* the epoll descriptor of libmicrohttpd */
	struct sm_prepare prepare;
	struct sm_timer sweep;
	struct sm_timer drain;
	struct sm_post stopped_post;
	void (*stopped)(void *owner);
	int64_t sweep_ns;
	unsigned port;
	bool running;  /* inside MHD_run */
	bool kick;     /* something was resumed */
	bool draining; /* accepts no more */
	bool silent;   /* being freed: the owner is not called */
	bool closed;   /* daemon gone; lives on for held requests */
	size_t refs;   /* the owner's and one per request */
	uint64_t numbers;
	size_t conn_count;
	struct conn *conns;
	struct sm_request *spare; /* requests kept for reuse */
	size_t spare_count;
};

enum state {
	REQUEST_NEW,     /* only the target is known */
	REQUEST_BODY,    /* collecting the body */
	REQUEST_RUNNING, /* on_request was called */
	REQUEST_READY,   /* the answer is complete up to its body */
	REQUEST_QUEUED,  /* libmicrohttpd has the answer */
	REQUEST_REFUSED  /* answered by hand */
};

struct sm_request {
	struct sm_server *server;
	struct conn *conn;        /* NULL once the connection has moved on */
	struct sm_request *spare; /* list of reuse */
	size_t refs;
	enum state state;
	bool suspended;
	bool started; /* on_request was called, on_done is owed */
	bool gone;    /* the client left */
	bool told_gone;
	bool head_only; /* HEAD */
	bool body_ended;
	bool body_waits; /* sm_request_read said wait */
	bool body_over;  /* streamed body beyond the limit */
	uint64_t number;
	uint64_t body_seen; /* bytes */
	const char *method, *version;
	char *target; /* path, NUL, query */
	char *query;
	char inline_target[SERVER_INLINE_TARGET];
	struct sm_header headers[SERVER_MAX_HEADERS];
	size_t header_count;
	char *kept; /* copy of method and headers once the connection moved on while held */
	struct sm_buf body;
	size_t body_taken;
	/* the answer */
	struct MHD_Response *response;
	unsigned status;
	size_t header_bytes;
	bool streamed;
	bool stream_ended, stream_ok, stream_waits;
	struct sm_buf queue;
	size_t queue_sent;
};

/* server.c */
struct conn *server_conn_of(struct MHD_Connection *mhd);
void server_conn_phase(struct conn *conn, enum phase phase);
/* Writes a small JSON answer past libmicrohttpd, which is only reading now, and closes our side. */
void server_conn_refuse(struct conn *conn, int status, const char *code, const char *message);
void server_suspend(struct sm_request *request);
void server_resume(struct sm_request *request);
void server_release(struct sm_server *server);
/*
 * To be called before libmicrohttpd is told to break a connection off. 0.9.75 forgets some of these until something
 * else makes it look; connections with a time-out of their own are looked at in every run.
 */
void server_break_off(struct sm_server *server, struct MHD_Connection *mhd);
uint64_t server_acked(int fd);
/* Formats {"error":{...}}; text is cut at size. Returns its length. */
size_t server_error_json(char *text, size_t size, const char *code, const char *message);

/* server_request.c: callbacks of libmicrohttpd */
void *server_on_target(void *cls, const char *target, struct MHD_Connection *mhd);
enum MHD_Result server_on_access(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                                 const char *version, const char *upload, size_t *upload_size, void **context);
void server_on_completed(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode code);
void server_request_gone(struct sm_request *request);
void server_free_spare(struct sm_server *server);
/* A name of RFC 9110: of a header, a method. */
bool server_is_token(const char *text, size_t len);
/* Forgets the taken first bytes of a buffer that is read while it is written, so that it does not creep. */
void server_compact(struct sm_buf *buf, size_t *taken);

/* server_answer.c */
enum MHD_Result server_answer_queue(struct sm_request *request);
enum MHD_Result server_answer_refuse(struct sm_request *request, int status, const char *code, const char *message);
void server_answer_reset(struct sm_request *request);

#endif
