/*
 * floor.c - the smallest useful AWS Lambda custom runtime: an echo bootstrap
 * over one raw TCP socket.  It is the physical limit that lambda_bench
 * compares every other runtime with: one process, one thread, one connection,
 * no heap, one write per request, no JSON parsing.
 *
 *   cc -O2 -static -o floor floor.c
 *
 * FLOOR_STREAM=1 answers in response-streaming mode (chunked with trailers).
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define BUFSZ (8u << 20) /* > the 6 MB event limit; bss, so paid for only when touched */
static char buf[BUFSZ];
static size_t have; /* bytes in buf */
static int fd;

static void die(const char *why)
{
	if (write(2, why, strlen(why)) < 0) { /* nothing left to do */
	}
	_exit(1);
}

static void send_all(struct iovec *v, int n)
{
	while (n) {
		ssize_t w = writev(fd, v, n);
		if (w < 0)
			die("floor: write failed\n");
		while (n && (size_t)w >= v->iov_len) {
			w -= v->iov_len;
			v++;
			n--;
		}
		if (n) {
			v->iov_base = (char *)v->iov_base + w;
			v->iov_len -= w;
		}
	}
}

/* Reads one response; returns the body offset, sets *len and *id. */
static size_t read_response(size_t *len, char **id)
{
	char *end = NULL;
	size_t body, need = 0;
	have = 0;
	for (;;) {
		ssize_t r = recv(fd, buf + have, BUFSZ - have - 1, 0);
		if (r <= 0)
			die("floor: connection closed\n");
		have += r;
		if (!end) {
			buf[have] = 0;
			end = strstr(buf, "\r\n\r\n");
			if (!end)
				continue;
			*id = NULL;
			for (char *p = buf; p < end;) {
				p = strstr(p, "\r\n") + 2;
				if (!strncasecmp(p, "Content-Length:", 15))
					need = strtoul(p + 15, NULL, 10);
				else if (!strncasecmp(p, "Lambda-Runtime-Aws-Request-Id:", 30)) {
					*id = p + 30;
					while (**id == ' ')
						++*id;
				}
				if (p >= end)
					break;
			}
		}
		body = end + 4 - buf;
		if (body + need > BUFSZ - 1)
			die("floor: event too large\n");
		if (have >= body + need)
			break;
	}
	if (strncmp(buf + 9, "20", 2))
		die("floor: not a 2xx answer\n");
	*len = need;
	return body;
}

static char *put(char *p, const char *s)
{
	size_t n = strlen(s);
	memcpy(p, s, n);
	return p + n;
}

static char *putnum(char *p, size_t v, unsigned base)
{
	char t[24], *q = t + sizeof t;
	do {
		*--q = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	memcpy(p, q, t + sizeof t - q);
	return p + (t + sizeof t - q);
}

int main(void)
{
	const char *api = getenv("AWS_LAMBDA_RUNTIME_API"), *colon;
	int stream = getenv("FLOOR_STREAM") != NULL;
	char host[64], next[256], head[512];
	struct sockaddr_in a = {.sin_family = AF_INET};
	if (!api || !(colon = strchr(api, ':')) || (size_t)(colon - api) >= sizeof host)
		die("floor: bad AWS_LAMBDA_RUNTIME_API\n");
	memcpy(host, api, colon - api);
	host[colon - api] = 0;
	if (inet_pton(AF_INET, host, &a.sin_addr) != 1)
		die("floor: host must be an IPv4 address\n");
	a.sin_port = htons((unsigned short)atoi(colon + 1));
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&a, sizeof a))
		die("floor: cannot connect\n");
	int one = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	char *e = put(next, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: ");
	e = put(e, api);
	e = put(e, "\r\n\r\n");
	for (;;) {
		struct iovec v[3] = {{next, (size_t)(e - next)}};
		size_t len, body;
		char *id;
		send_all(v, 1);
		body = read_response(&len, &id);
		if (!id)
			die("floor: no request id\n");
		char *p = put(head, "POST /2018-06-01/runtime/invocation/");
		size_t idn = strcspn(id, "\r ");
		if (idn > 128)
			die("floor: request id too long\n");
		memcpy(p, id, idn);
		p = put(p + idn, "/response HTTP/1.1\r\nHost: ");
		p = put(p, api);
		if (stream) {
			p = put(p, "\r\nContent-Type: application/json\r\nLambda-Runtime-Function-Response-Mode: streaming"
			           "\r\nTransfer-Encoding: chunked"
			           "\r\nTrailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n");
			p = putnum(p, len, 16);
			p = put(p, "\r\n");
			v[2].iov_base = "\r\n0\r\n\r\n";
			v[2].iov_len = 7;
		} else {
			p = put(p, "\r\nContent-Type: application/json\r\nContent-Length: ");
			p = putnum(p, len, 10);
			p = put(p, "\r\n\r\n");
		}
		v[0].iov_base = head;
		v[0].iov_len = (size_t)(p - head);
		v[1].iov_base = buf + body;
		v[1].iov_len = len;
		send_all(v, stream ? 3 : 2);
		read_response(&len, &id);
	}
}
