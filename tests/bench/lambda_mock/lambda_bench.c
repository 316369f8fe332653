/*
 * lambda_bench.c - benchmark for AWS Lambda custom runtimes.
 *
 *   cc -O2 -o lambda_bench lambda_bench.c
 *   ./lambda_bench --cold 20 --warm 5000 --gen 1024 --gen 131072 --expect-echo \
 *       --subject floor=./floor --subject mine=./bootstrap
 *
 * It is a mock Lambda Runtime API on 127.0.0.1 (one port per subject) that
 * starts each bootstrap the way Lambda does and plays invocations to it, every
 * subject in turn, so that a change of machine load touches all of them alike.
 *
 * What it measures, per subject:
 *   cold    exec() -> first GET .../invocation/next received; then the first
 *           invocation; CPU time, page faults and memory at the first GET.
 *   warm    event written -> whole response received ("rtt"), event written ->
 *           next GET received ("cycle"), CPU time per invocation of the whole
 *           process tree, invocations per second, peak memory.
 *   stop    SIGTERM -> exit.
 *   exec    (--exec) a plain program, exec() -> exit, to price linking choices.
 * rtt runs from just before the write of the event: on one CPU the runtime can
 * preempt the writer and answer before write() returns, so the time taken after
 * the write is not safe.  It is reported too ("rtt_aw").
 *
 * What it checks: every response is for an outstanding request, arrives whole,
 * and (with --expect-echo) equals its event, which carries a fresh sequence
 * number each time: byte for byte, or as JSON regardless of key order and
 * white space.  Any failure is printed and makes the exit status 1.
 *
 * JSON lines go to stdout, the table to stderr.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAXSUBJ 64
#define MAXPAY 8
#define MAXPROC 64
#define MAXINF 256
#define MAXHEAD 65536
#define API "/2018-06-01/runtime/"

typedef int64_t ns_t;
typedef struct {
	char *p;
	size_t len, cap;
} Buf;

enum { S_HEAD, S_BODY, S_CSIZE, S_CDATA, S_CCRLF, S_TRAIL };

struct subject;
typedef struct conn {
	int fd, st, parked, closing;
	struct subject *s;
	struct conn *next;
	Buf in, body, out;
	size_t pos, outpos, need;
	/* current request */
	char method[8], path[256];
	int chunked, stream, expect;
	char errtype[128];
	ns_t t_first; /* first byte of the request body seen */
} Conn;

typedef struct {
	char id[48];
	int live, done, is_error, stream;
	ns_t t0, t1, t_first, t_resp;
	size_t off; /* where the event's body starts in event */
	Buf event, body;
} Inflight;

typedef struct {
	double *v;
	size_t n, cap;
} Vec;

typedef struct {
	Vec rtt, rtt_aw, cycle, ttfb;
	double cpu, wall; /* s */
	long exact, json, inv, utime, stime;
	long hwm, uss, pss; /* KiB at the end of this payload */
	int nproc, nthr;
} Warm;

typedef struct subject {
	const char *name;
	char **argv, **env;
	int nenv, lfd, port;
	pid_t pid;
	int dead, failed, status;
	Conn *conns;
	int nparked, init_error;
	long naccept, nunknown;
	ns_t t_exec, t_first_next, t_next;
	int exec_errno;
	char ua[96], first_error[512];
	long nerrors;
	Inflight inf[MAXINF];
	int ninf;
	Vec c_next, c_cpu, c_flt, c_majflt, c_first, c_total, c_rss, c_anon, c_file, c_maps, c_mapkib, c_conn;
	Warm w[MAXPAY];
	long warm_conns;
	double term_ms;
	int term_how; /* 0 not asked, 1 exit, 2 signal, 3 had to be killed */
	int wstat;
	int quiet, nprobe;
	char probe_failed[512];
	int exec_only; /* --exec: not a runtime, timed from exec() to exit */
} Subject;

typedef struct {
	const char *name;
	char *p;
	size_t len;
	size_t seqoff;
	int has_seq;
} Payload;

static Subject *subj;
static int nsubj, npay, ep;
static Payload pay[MAXPAY];
static int o_cold = 20, o_warm = 5000, o_warmup = 200, o_block = 250, o_conc = 1, o_spin, o_echo, o_timeout = 10000;
static int o_term = 1, o_probe, o_pin_s = -1, o_pin_c = -1, o_trace;
static const char *o_log, *o_handler = "function.handler", *o_root, *o_mem = "1024", *o_expect, *o_label = "";
static char *xenv[256];
static int nxenv;
static char *expect_p;
static size_t expect_len;
static uint64_t seqno;

/* ---- small helpers ---------------------------------------------------- */

static void die(const char *f, ...)
{
	va_list ap;
	va_start(ap, f);
	fprintf(stderr, "lambda_bench: ");
	vfprintf(stderr, f, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(2);
}

static ns_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (ns_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void *xmalloc(size_t n)
{
	void *p = calloc(1, n);
	if (!p)
		die("out of memory");
	return p;
}

static void need(Buf *b, size_t extra)
{
	if (b->len + extra <= b->cap)
		return;
	b->cap = (b->len + extra) * 2;
	if (!(b->p = realloc(b->p, b->cap)))
		die("out of memory");
}

static void add(Buf *b, const void *p, size_t n)
{
	need(b, n + 1);
	memcpy(b->p + b->len, p, n);
	b->len += n;
}

static void push(Vec *v, double x)
{
	if (v->n == v->cap) {
		v->cap = v->cap ? v->cap * 2 : 1024;
		if (!(v->v = realloc(v->v, v->cap * sizeof *v->v)))
			die("out of memory");
	}
	v->v[v->n++] = x;
}

static int cmpd(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static double pct(Vec *v, double p) /* nearest rank */
{
	if (!v->n)
		return 0;
	qsort(v->v, v->n, sizeof *v->v, cmpd);
	double r = p / 100.0 * (double)v->n;
	size_t i = (size_t)r + (r > (double)(size_t)r);
	return v->v[i ? i - 1 : 0];
}

static void fail(Subject *s, const char *f, ...)
{
	va_list ap;
	va_start(ap, f);
	char m[400];
	vsnprintf(m, sizeof m, f, ap);
	va_end(ap);
	if (s->quiet)
		return;
	if (!s->nerrors++)
		snprintf(s->first_error, sizeof s->first_error, "%s", m);
	if (s->nerrors <= 5)
		fprintf(stderr, "lambda_bench: %s: %s\n", s->name, m);
}

/* ---- JSON equality: an order-insensitive 64-bit hash ------------------ */

static uint64_t mix(uint64_t h, uint64_t x)
{
	h ^= x + 0x9e3779b97f4a7c15ull + (h << 6) + (h >> 2);
	h ^= h >> 31;
	h *= 0x7fb5d329728ea185ull;
	h ^= h >> 27;
	h *= 0x81dadef4bc2dd44dull;
	h ^= h >> 33;
	return h;
}

typedef struct {
	const unsigned char *p, *e;
	int bad, depth;
} Js;

static void jws(Js *j)
{
	while (j->p < j->e && (*j->p == ' ' || *j->p == '\n' || *j->p == '\t' || *j->p == '\r'))
		j->p++;
}

static unsigned jhex4(Js *j)
{
	unsigned v = 0;
	if (j->e - j->p < 4) {
		j->bad = 1;
		return 0;
	}
	for (int i = 0; i < 4; i++) {
		int c = *j->p++;
		if (!isxdigit(c)) {
			j->bad = 1;
			return 0;
		}
		v = v * 16 + (unsigned)(isdigit(c) ? c - '0' : (c | 32) - 'a' + 10);
	}
	return v;
}

static uint64_t jstr(Js *j) /* hash of the decoded UTF-8 bytes */
{
	uint64_t h = 0x1234;
	if (j->p >= j->e || *j->p++ != '"') {
		j->bad = 1;
		return 0;
	}
	while (j->p < j->e && *j->p != '"') {
		unsigned c = *j->p++;
		if (c != '\\') {
			h = (h ^ c) * 0x100000001b3ull;
			continue;
		}
		if (j->p >= j->e)
			break;
		c = *j->p++;
		if (c == 'u') {
			c = jhex4(j);
			if (c >= 0xd800 && c < 0xdc00 && j->e - j->p >= 6 && j->p[0] == '\\' && j->p[1] == 'u') {
				j->p += 2;
				c = 0x10000 + ((c - 0xd800) << 10) + (jhex4(j) - 0xdc00);
			}
			unsigned char u[4];
			int n = 0;
			if (c < 0x80)
				u[n++] = (unsigned char)c;
			else if (c < 0x800) {
				u[n++] = 0xc0 | c >> 6;
				u[n++] = 0x80 | (c & 63);
			} else if (c < 0x10000) {
				u[n++] = 0xe0 | c >> 12;
				u[n++] = 0x80 | (c >> 6 & 63);
				u[n++] = 0x80 | (c & 63);
			} else {
				u[n++] = 0xf0 | c >> 18;
				u[n++] = 0x80 | (c >> 12 & 63);
				u[n++] = 0x80 | (c >> 6 & 63);
				u[n++] = 0x80 | (c & 63);
			}
			for (int i = 0; i < n; i++)
				h = (h ^ u[i]) * 0x100000001b3ull;
			continue;
		}
		switch (c) {
		case 'b':
			c = 8;
			break;
		case 'f':
			c = 12;
			break;
		case 'n':
			c = 10;
			break;
		case 'r':
			c = 13;
			break;
		case 't':
			c = 9;
			break;
		case '"':
		case '\\':
		case '/':
			break;
		default:
			j->bad = 1;
		}
		h = (h ^ c) * 0x100000001b3ull;
	}
	if (j->p >= j->e)
		j->bad = 1;
	else
		j->p++;
	return mix(1, h);
}

static uint64_t jval(Js *j)
{
	uint64_t h;
	jws(j);
	if (j->bad || j->p >= j->e || ++j->depth > 200) {
		j->bad = 1;
		return 0;
	}
	int c = *j->p;
	if (c == '"')
		h = jstr(j);
	else if (c == '{' || c == '[') {
		h = (uint64_t)c;
		int first = 1, close = c == '{' ? '}' : ']';
		j->p++;
		for (;;) {
			jws(j);
			if (j->bad || j->p >= j->e) {
				j->bad = 1;
				break;
			}
			if (*j->p == close) {
				j->p++;
				break;
			}
			if (!first) {
				if (*j->p++ != ',') {
					j->bad = 1;
					break;
				}
				jws(j);
			}
			first = 0;
			if (c == '{') {
				uint64_t k = jstr(j);
				jws(j);
				if (j->bad || j->p >= j->e || *j->p++ != ':') {
					j->bad = 1;
					break;
				}
				h += mix(k, jval(j)); /* commutative: key order is free */
			} else
				h = mix(h, jval(j));
		}
		h = mix(2, h);
	} else {
		char t[64];
		size_t n = 0;
		while (j->p < j->e && n < sizeof t - 1 && (isalnum(*j->p) || strchr("+-.", *j->p)))
			t[n++] = (char)*j->p++;
		t[n] = 0;
		if (!strcmp(t, "true"))
			h = 11;
		else if (!strcmp(t, "false"))
			h = 12;
		else if (!strcmp(t, "null"))
			h = 13;
		else {
			char *end;
			double d = strtod(t, &end);
			if (!n || *end)
				j->bad = 1;
			if ((d >= 9007199254740992.0 || d <= -9007199254740992.0) && !strpbrk(t, ".eE")) {
				for (h = 5, end = t; *end; end++)
					h = mix(h, (unsigned char)*end); /* too big for a double: digit by digit */
			} else {
				d += 0.0; /* -0 is 0 */
				memcpy(&h, &d, 8);
				h = mix(3, h);
			}
		}
	}
	j->depth--;
	return h;
}

static int json_hash(const char *p, size_t n, uint64_t *h)
{
	Js j = {(const unsigned char *)p, (const unsigned char *)p + n, 0, 0};
	*h = jval(&j);
	jws(&j);
	return !j.bad && j.p == j.e;
}

/* ---- payloads --------------------------------------------------------- */

static void gen_payload(Payload *p, size_t size)
{
	Buf b = {0};
	char t[256];
	add(&b, t, (size_t)sprintf(t, "{\"seq\":\"0000000000000000\",\"none\":null,\"rows\":["));
	for (unsigned i = 0;; i++) {
		int n = sprintf(t,
		                "%s{\"id\":%u,\"name\":\"item-%05u\",\"price\":%u.%s,\"ok\":%s,\"tags\":[\"a%u\","
		                "\"caf\xc3\xa9\",\"q\\\"\\n\"],\"geo\":{\"lat\":%u.5,\"lon\":-%u.25}}",
		                i ? "," : "", 1000 + i * 7, i, 10 + i % 90, i & 1 ? "75" : "5", i % 3 ? "true" : "false",
		                i % 10, i % 90, i % 180);
		if (b.len + (size_t)n + 16 > size && i)
			break;
		add(&b, t, (size_t)n);
	}
	add(&b, "],\"pad\":\"", 9);
	while (b.len + 2 < size)
		add(&b, "x", 1);
	add(&b, "\"}", 2);
	p->p = b.p;
	p->len = b.len;
	snprintf(t, sizeof t, "gen%zu", size);
	p->name = strdup(t);
}

static char *slurp(const char *f, size_t *len)
{
	Buf b = {0};
	int fd = open(f, O_RDONLY);
	if (fd < 0)
		return NULL;
	for (;;) {
		need(&b, 65536);
		ssize_t r = read(fd, b.p + b.len, 65536);
		if (r <= 0)
			break;
		b.len += (size_t)r;
	}
	close(fd);
	need(&b, 1);
	b.p[b.len] = 0;
	*len = b.len;
	return b.p;
}

static void find_seq(Payload *p)
{
	char *m = memmem(p->p, p->len, "0000000000000000", 16);
	p->has_seq = m != NULL;
	p->seqoff = m ? (size_t)(m - p->p) : 0;
}

/* ---- /proc ------------------------------------------------------------ */

static int tree(pid_t root, pid_t *out) /* root and everything it started */
{
	int n = 0;
	DIR *d = opendir("/proc");
	struct dirent *e;
	if (!d)
		return 0;
	out[n++] = root;
	while ((e = readdir(d)) && n < MAXPROC) {
		if (!isdigit(e->d_name[0]))
			continue;
		pid_t p = atoi(e->d_name);
		if (p != root && p != getpid() && getsid(p) == root)
			out[n++] = p;
	}
	closedir(d);
	return n;
}

static double cpu_of(pid_t p) /* seconds, ns resolution */
{
	clockid_t c;
	struct timespec t;
	if (clock_getcpuclockid(p, &c) || clock_gettime(c, &t))
		return 0;
	return (double)t.tv_sec + t.tv_nsec / 1e9;
}

static double tree_cpu(pid_t root)
{
	pid_t p[MAXPROC];
	int n = tree(root, p);
	double t = 0;
	for (int i = 0; i < n; i++)
		t += cpu_of(p[i]);
	return t;
}

static size_t proc_file(pid_t p, const char *f, char *b, size_t n)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/%s", p, f);
	int fd = open(path, O_RDONLY);
	size_t len = 0;
	if (fd < 0) {
		b[0] = 0;
		return 0;
	}
	while (len < n - 1) {
		ssize_t r = read(fd, b + len, n - 1 - len);
		if (r <= 0)
			break;
		len += (size_t)r;
	}
	close(fd);
	b[len] = 0;
	return len;
}

static long field(const char *b, const char *key)
{
	const char *p = strstr(b, key);
	return p ? strtol(p + strlen(key), NULL, 10) : 0;
}

static void proc_stat(pid_t p, long *minflt, long *majflt, long *ut, long *st, int *nthr)
{
	char b[1024], *q;
	proc_file(p, "stat", b, sizeof b);
	*minflt = *majflt = *ut = *st = 0;
	if (!(q = strrchr(b, ')')))
		return;
	int n = 0;
	sscanf(q + 2, "%*c %*d %*d %*d %*d %*d %*u %ld %*u %ld %*u %ld %ld %*d %*d %*d %*d %d", minflt, majflt, ut, st, &n);
	if (nthr)
		*nthr = n;
}

static void tree_ticks(pid_t root, long *ut, long *st)
{
	pid_t p[MAXPROC];
	int n = tree(root, p);
	*ut = *st = 0;
	for (int i = 0; i < n; i++) {
		long a, b, u, s;
		proc_stat(p[i], &a, &b, &u, &s, NULL);
		*ut += u;
		*st += s;
	}
}

static void sys_cpu(double *busy)
{
	char b[512];
	unsigned long long u = 0, n = 0, s = 0, i = 0, w = 0, q = 0, sq = 0, stl = 0;
	int fd = open("/proc/stat", O_RDONLY);
	ssize_t r = fd < 0 ? 0 : read(fd, b, sizeof b - 1);
	if (fd >= 0)
		close(fd);
	b[r > 0 ? r : 0] = 0;
	sscanf(b, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &u, &n, &s, &i, &w, &q, &sq, &stl);
	*busy = (double)(u + n + s + q + sq + stl) / sysconf(_SC_CLK_TCK);
}

static double own_cpu(void) /* this process and the children it has reaped */
{
	struct rusage a, b;
	getrusage(RUSAGE_SELF, &a);
	getrusage(RUSAGE_CHILDREN, &b);
	return a.ru_utime.tv_sec + a.ru_stime.tv_sec + b.ru_utime.tv_sec + b.ru_stime.tv_sec +
	       (a.ru_utime.tv_usec + a.ru_stime.tv_usec + b.ru_utime.tv_usec + b.ru_stime.tv_usec) / 1e6;
}

/* Distinct files mapped by the process and their total size on disk. */
static void mapped_files(pid_t pid, int *n, double *kib)
{
	static char b[1 << 20];
	char *seen[512], *save, *l;
	int ns = 0;
	*kib = 0;
	proc_file(pid, "maps", b, sizeof b);
	for (l = strtok_r(b, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		char *f = strchr(l, '/');
		struct stat st;
		int i;
		if (!f)
			continue;
		for (i = 0; i < ns && strcmp(seen[i], f); i++)
			;
		if (i < ns || ns == 512)
			continue;
		seen[ns++] = f;
		if (!stat(f, &st) && S_ISREG(st.st_mode))
			*kib += st.st_size / 1024.0;
	}
	*n = ns;
}

/* ---- HTTP server ------------------------------------------------------ */

static ns_t t_read; /* when the bytes being parsed arrived */

static void conn_close(Conn *c)
{
	Subject *s = c->s;
	Conn **p;
	if (c->parked)
		s->nparked--;
	for (p = &s->conns; *p && *p != c; p = &(*p)->next)
		;
	if (*p)
		*p = c->next;
	close(c->fd);
	free(c->in.p);
	free(c->body.p);
	free(c->out.p);
	free(c);
}

static void want(Conn *c, int out)
{
	struct epoll_event ev = {.events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = c};
	epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev);
}

/* Sends at once; what the socket will not take waits for EPOLLOUT. */
static void conn_send(Conn *c, const char *p, size_t n)
{
	if (c->out.len == c->outpos) {
		c->out.len = c->outpos = 0;
		while (n) {
			ssize_t w = send(c->fd, p, n, MSG_NOSIGNAL);
			if (w < 0) {
				if (errno == EINTR)
					continue;
				if (errno != EAGAIN) {
					c->closing = 1;
					return;
				}
				break;
			}
			p += w;
			n -= (size_t)w;
		}
	}
	if (n) {
		add(&c->out, p, n);
		want(c, 1);
	}
}

static void reply(Conn *c, int code, const char *text, const char *body)
{
	char b[512];
	int n = snprintf(b, sizeof b, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
	                 code, text, strlen(body), body);
	conn_send(c, b, (size_t)n);
}

static Inflight *inf_find(Subject *s, const char *id, size_t n)
{
	for (int i = 0; i < MAXINF; i++)
		if (s->inf[i].live && strlen(s->inf[i].id) == n && !memcmp(s->inf[i].id, id, n))
			return &s->inf[i];
	return NULL;
}

static void handle(Conn *c, const char *body, size_t len)
{
	Subject *s = c->s;
	const char *p = c->path;
	if (o_trace)
		fprintf(stderr, "[%s] %s %s %zu\n", s->name, c->method, c->path, len);
	if (!strcmp(c->method, "GET") && !strcmp(p, API "invocation/next")) {
		c->parked = 1;
		s->nparked++;
		s->t_next = t_read;
		if (!s->t_first_next)
			s->t_first_next = t_read;
		return;
	}
	if (!strcmp(c->method, "POST") && !strncmp(p, API "invocation/", sizeof API "invocation/" - 1)) {
		const char *id = p + sizeof API "invocation/" - 1, *sl = strchr(id, '/');
		Inflight *f = sl ? inf_find(s, id, (size_t)(sl - id)) : NULL;
		int err = sl && !strcmp(sl, "/error");
		if (!sl || (!err && strcmp(sl, "/response"))) {
			reply(c, 404, "Not Found", "{}");
			fail(s, "unknown path %s", p);
			return;
		}
		if (!f || f->done) {
			reply(c, 400, "Bad Request", "{\"errorType\":\"InvalidRequestID\"}");
			fail(s, "answer for a request that is not outstanding: %s", p);
			return;
		}
		f->done = 1;
		f->is_error = err;
		f->stream = c->stream;
		f->t_first = c->t_first;
		f->t_resp = t_read;
		if (err && c->errtype[0])
			fail(s, "invocation error, type %s", c->errtype);
		reply(c, 202, "Accepted", "{\"status\":\"OK\"}\n");
		if (c->stream && !c->chunked)
			fail(s, "streaming mode without chunked encoding");
		if (c->errtype[0] && !err)
			fail(s, "streamed answer ends with error trailer %s", c->errtype);
		f->body.len = 0;
		add(&f->body, body, len);
		return;
	}
	if (!strcmp(c->method, "POST") && !strcmp(p, API "init/error")) {
		s->init_error = 1;
		reply(c, 202, "Accepted", "{\"status\":\"OK\"}\n");
		fail(s, "init error %s: %.*s", c->errtype, (int)(len > 200 ? 200 : len), body);
		return;
	}
	if (!strcmp(c->method, "GET") && !strcmp(p, API "restore/next")) {
		reply(c, 200, "OK", "");
		return;
	}
	s->nunknown++; /* e.g. the Extensions API: not offered here */
	if (o_trace)
		fprintf(stderr, "[%s] not served: %s %s\n", s->name, c->method, p);
	reply(c, 404, "Not Found", "{\"errorType\":\"NotFound\"}");
}

static int bad_request(Conn *c, const char *why)
{
	fail(c->s, "bad HTTP request: %s", why);
	reply(c, 400, "Bad Request", "{}");
	c->closing = 1;
	return 0;
}

/* Header line or trailer at l..e (no CRLF). */
static int header(Conn *c, const char *l, const char *e, int trailer)
{
	const char *v = memchr(l, ':', (size_t)(e - l));
	if (!v || v == l)
		return 0;
	size_t kn = (size_t)(v++ - l);
	while (v < e && (*v == ' ' || *v == '\t'))
		v++;
	while (e > v && (e[-1] == ' ' || e[-1] == '\t'))
		e--;
	size_t vn = (size_t)(e - v);
#define IS(k) (kn == sizeof k - 1 && !strncasecmp(l, k, kn))
#define VAL(x) (vn == sizeof x - 1 && !strncasecmp(v, x, vn))
	if (IS("Lambda-Runtime-Function-Error-Type"))
		snprintf(c->errtype, sizeof c->errtype, "%.*s", (int)vn, v);
	else if (trailer)
		return 1;
	else if (IS("Content-Length")) {
		char *end;
		c->need = strtoull(v, &end, 10);
		if (end != e || !vn || !isdigit((unsigned char)*v))
			return 0;
	} else if (IS("Transfer-Encoding"))
		c->chunked = VAL("chunked");
	else if (IS("Expect"))
		c->expect = VAL("100-continue");
	else if (IS("Connection"))
		c->closing |= VAL("close") ? 2 : 0;
	else if (IS("Lambda-Runtime-Function-Response-Mode"))
		c->stream = VAL("streaming");
	else if (IS("User-Agent") && !c->s->ua[0])
		snprintf(c->s->ua, sizeof c->s->ua, "%.*s", (int)vn, v);
	return 1;
#undef IS
#undef VAL
}

static int parse_head(Conn *c, char *b, char *end) /* end: the blank line's CRLF */
{
	char *l = memmem(b, (size_t)(end - b) + 2, "\r\n", 2), *sp, *sp2;
	c->chunked = c->stream = c->expect = 0;
	c->need = 0;
	c->errtype[0] = 0;
	c->t_first = 0;
	sp = memchr(b, ' ', (size_t)(l - b));
	sp2 = sp ? memchr(sp + 1, ' ', (size_t)(l - sp - 1)) : NULL;
	if (!sp2 || sp - b > 7 || sp2 - sp > 255 || l - sp2 != 9 || memcmp(sp2 + 1, "HTTP/1.1", 8))
		return bad_request(c, "request line");
	memcpy(c->method, b, (size_t)(sp - b));
	c->method[sp - b] = 0;
	memcpy(c->path, sp + 1, (size_t)(sp2 - sp - 1));
	c->path[sp2 - sp - 1] = 0;
	if (!strncmp(c->path, "http://", 7)) { /* absolute form is legal */
		char *q = strchr(c->path + 7, '/');
		memmove(c->path, q ? q : "/", strlen(q ? q : "/") + 1);
	}
	for (l += 2; l < end;) {
		char *e = memmem(l, (size_t)(end - l) + 2, "\r\n", 2);
		if (!header(c, l, e, 0))
			return bad_request(c, "header");
		l = e + 2;
	}
	return 1;
}

/* Consumes what is complete in c->in. */
static void conn_parse(Conn *c)
{
	while (!(c->closing & 1)) {
		char *b = c->in.p + c->pos, *e = c->in.p + c->in.len, *q;
		size_t n = (size_t)(e - b);
		switch (c->st) {
		case S_HEAD:
			if (!n) {
				c->in.len = c->pos = 0;
				return;
			}
			if (c->parked) {
				bad_request(c, "request while /next is pending");
				return;
			}
			q = memmem(b, n, "\r\n\r\n", 4);
			if (!q) {
				if (n > MAXHEAD)
					bad_request(c, "head too long");
				goto more;
			}
			if (!parse_head(c, b, q))
				return;
			c->pos += (size_t)(q + 4 - b);
			if (c->expect)
				conn_send(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
			c->body.len = 0;
			c->st = c->chunked ? S_CSIZE : S_BODY;
			break;
		case S_BODY:
			if (n && !c->t_first)
				c->t_first = t_read;
			if (n < c->need)
				goto more;
			handle(c, b, c->need);
			c->pos += c->need;
			c->st = S_HEAD;
			if (c->closing)
				return;
			break;
		case S_CSIZE:
			q = memmem(b, n, "\r\n", 2);
			if (!q)
				goto more;
			if (!isxdigit((unsigned char)*b)) {
				bad_request(c, "chunk size");
				return;
			}
			c->need = strtoull(b, NULL, 16);
			c->pos += (size_t)(q + 2 - b);
			c->st = c->need ? S_CDATA : S_TRAIL;
			break;
		case S_CDATA:
			if (n && !c->t_first)
				c->t_first = t_read;
			if (n > c->need)
				n = c->need;
			add(&c->body, b, n);
			c->pos += n;
			if (c->need -= n)
				goto more;
			c->st = S_CCRLF;
			break;
		case S_CCRLF:
			if (n < 2)
				goto more;
			if (memcmp(b, "\r\n", 2)) {
				bad_request(c, "chunk end");
				return;
			}
			c->pos += 2;
			c->st = S_CSIZE;
			break;
		case S_TRAIL:
			q = memmem(b, n, "\r\n", 2);
			if (!q)
				goto more;
			c->pos += (size_t)(q + 2 - b);
			if (q != b) {
				if (!header(c, b, q, 1)) {
					bad_request(c, "trailer");
					return;
				}
				break;
			}
			handle(c, c->body.p ? c->body.p : "", c->body.len);
			c->st = S_HEAD;
			if (c->closing)
				return;
			break;
		}
	}
	return;
more:
	if (c->pos && c->pos == c->in.len)
		c->in.len = c->pos = 0;
	else if (c->pos > 65536) {
		memmove(c->in.p, c->in.p + c->pos, c->in.len - c->pos);
		c->in.len -= c->pos;
		c->pos = 0;
	}
}

static void conn_event(Conn *c, uint32_t ev)
{
	if (ev & EPOLLOUT && c->out.len > c->outpos) {
		ssize_t w = send(c->fd, c->out.p + c->outpos, c->out.len - c->outpos, MSG_NOSIGNAL);
		if (w > 0)
			c->outpos += (size_t)w;
		if (c->outpos == c->out.len) {
			c->out.len = c->outpos = 0;
			want(c, 0);
			for (int i = 0; i < MAXINF; i++)
				if (c->s->inf[i].live && !c->s->inf[i].t1)
					c->s->inf[i].t1 = now();
		}
	}
	if (ev & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		need(&c->in, 262144);
		ssize_t r = recv(c->fd, c->in.p + c->in.len, c->in.cap - c->in.len - 1, 0);
		if (r < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (r <= 0) {
			conn_close(c);
			return;
		}
		t_read = now();
		c->in.len += (size_t)r;
		c->in.p[c->in.len] = 0;
		conn_parse(c);
		if (c->closing && !c->parked && c->out.len == c->outpos) {
			shutdown(c->fd, SHUT_WR);
			conn_close(c);
		}
	}
}

static void reap(Subject *s)
{
	int st;
	if (s->pid > 0 && !s->dead && waitpid(s->pid, &st, WNOHANG) == s->pid) {
		s->dead = 1;
		s->status = st;
	}
}

/* Waits for and handles one batch of events; 0 when nothing came in ms. */
static int pump(int ms)
{
	struct epoll_event ev[64];
	int n;
	if (o_spin) {
		ns_t end = now() + (ns_t)ms * 1000000;
		do
			n = epoll_wait(ep, ev, 64, 0);
		while (!n && now() < end);
	} else
		n = epoll_wait(ep, ev, 64, ms);
	for (int i = 0; i < n; i++) {
		uintptr_t u = (uintptr_t)ev[i].data.ptr;
		if (u & 1) { /* a listening socket */
			Subject *s = &subj[u >> 1];
			int fd = accept4(s->lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1, big = 4 << 20;
			if (fd < 0)
				continue;
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
			setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof big);
			Conn *c = xmalloc(sizeof *c);
			c->fd = fd;
			c->s = s;
			c->next = s->conns;
			s->conns = c;
			s->naccept++;
			struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
			epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
		} else
			conn_event(ev[i].data.ptr, ev[i].events);
		/* A handler may close only its own connection, so later entries stay valid. */
	}
	return n > 0;
}

/* ---- the subject's life ----------------------------------------------- */

static char *fmt(const char *f, ...)
{
	va_list ap;
	char *p;
	va_start(ap, f);
	if (vasprintf(&p, f, ap) < 0)
		die("out of memory");
	va_end(ap);
	return p;
}

static char **build_env(Subject *s)
{
	static char *e[512];
	static const char *fixed[] = {
	    "PATH=/usr/local/bin:/usr/bin:/bin:/opt/bin",
	    "LANG=en_US.UTF-8",
	    "TZ=:UTC",
	    "LAMBDA_RUNTIME_DIR=/var/runtime",
	    "AWS_LAMBDA_FUNCTION_NAME=bench",
	    "AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
	    "AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/bench",
	    "AWS_LAMBDA_LOG_STREAM_NAME=2024/01/01/[$LATEST]0123456789abcdef0123456789abcdef",
	    "AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
	    "AWS_REGION=us-east-1",
	    "AWS_DEFAULT_REGION=us-east-1",
	    "AWS_ACCESS_KEY_ID=AKIDEXAMPLE",
	    "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
	    "AWS_SESSION_TOKEN=EXAMPLETOKEN",
	    "AWS_XRAY_DAEMON_ADDRESS=127.0.0.1:2000",
	    "AWS_XRAY_CONTEXT_MISSING=LOG_ERROR",
	};
	int n = 0;
	for (int i = 0; e[i]; i++)
		free(e[i]);
	e[n++] = fmt("AWS_LAMBDA_RUNTIME_API=127.0.0.1:%d", s->port);
	e[n++] = fmt("_HANDLER=%s", o_handler);
	e[n++] = fmt("LAMBDA_TASK_ROOT=%s", o_root);
	e[n++] = fmt("AWS_LAMBDA_FUNCTION_MEMORY_SIZE=%s", o_mem);
	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
		e[n++] = fmt("%s", fixed[i]);
	char **all[2] = {xenv, s->env};
	int cnt[2] = {nxenv, s->nenv};
	for (int k = 0; k < 2; k++)
		for (int i = 0; i < cnt[k] && n < 510; i++) { /* later settings replace earlier ones */
			size_t kl = strcspn(all[k][i], "=") + 1;
			int j;
			for (j = 0; j < n && strncmp(e[j], all[k][i], kl); j++)
				;
			if (j < n)
				free(e[j]);
			else
				n++;
			e[j] = fmt("%s", all[k][i]);
		}
	e[n] = NULL;
	return e;
}

static void start(Subject *s)
{
	char **env = build_env(s);
	int out = open(o_log ? o_log : "/dev/null", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	s->dead = s->init_error = s->nparked = 0;
	s->t_first_next = s->t_next = 0;
	s->exec_errno = 0;
	for (int i = 0; i < MAXINF; i++)
		s->inf[i].live = 0;
	s->ninf = 0;
	/* vfork: the child starts from nothing, and writes the time into our memory. */
	volatile ns_t *t = &s->t_exec;
	volatile int *er = &s->exec_errno;
	pid_t p = vfork();
	if (p < 0)
		die("vfork: %s", strerror(errno));
	if (!p) {
		setsid();
		dup2(in, 0);
		dup2(out, 1);
		dup2(out, 2);
		if (o_pin_c >= 0) {
			cpu_set_t cs;
			CPU_ZERO(&cs);
			CPU_SET(o_pin_c, &cs);
			sched_setaffinity(0, sizeof cs, &cs);
		}
		*t = now();
		execvpe(s->argv[0], s->argv, env);
		*er = errno;
		_exit(127);
	}
	s->pid = p;
	close(in);
	close(out);
	if (s->exec_errno) {
		fail(s, "cannot exec %s: %s", s->argv[0], strerror(s->exec_errno));
		s->failed = 1;
	}
}

static void stop(Subject *s, int gentle)
{
	if (s->pid <= 0)
		return;
	pid_t p[MAXPROC];
	int n = tree(s->pid, p);
	if (gentle && !s->dead) {
		ns_t t = now();
		kill(s->pid, SIGTERM);
		while (!s->dead && now() - t < 500000000) {
			reap(s);
			if (!s->dead)
				pump(1);
		}
		s->term_ms = (now() - t) / 1e6;
		s->term_how = !s->dead ? 3 : WIFEXITED(s->status) ? 1 : 2;
		s->wstat = s->status;
	}
	for (int i = 1; i < n; i++)
		kill(p[i], SIGKILL);
	kill(s->pid, SIGKILL);
	if (!s->dead)
		waitpid(s->pid, &s->status, 0);
	s->dead = 1;
	while (s->conns)
		conn_close(s->conns);
	for (int fd; (fd = accept4(s->lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;)
		close(fd);
	s->nparked = 0;
	s->pid = 0;
}

/* Runs the server until cond() or death or the time limit; 0 on failure. */
static int await(Subject *s, int (*cond)(Subject *, void *), void *arg, const char *what)
{
	ns_t end = now() + (ns_t)o_timeout * 1000000;
	while (!cond(s, arg)) {
		if (!pump(20)) {
			reap(s);
			if (s->dead) {
				if (WIFSIGNALED(s->status))
					fail(s, "died of signal %d while waiting for %s", WTERMSIG(s->status), what);
				else
					fail(s, "exited with %d while waiting for %s", WEXITSTATUS(s->status), what);
				s->failed = 1;
				return 0;
			}
		}
		if (s->init_error) {
			s->failed = 1;
			return 0;
		}
		if (now() > end) {
			fail(s, "time limit of %d ms reached while waiting for %s", o_timeout, what);
			s->failed = 1;
			return 0;
		}
	}
	return 1;
}

static int c_parked(Subject *s, void *a)
{
	return s->nparked >= *(int *)a;
}
static int c_done(Subject *s, void *a)
{
	(void)s;
	return ((Inflight *)a)->done;
}

static Conn *parked(Subject *s)
{
	for (Conn *c = s->conns; c; c = c->next)
		if (c->parked)
			return c;
	return NULL;
}

static Inflight *dispatch(Subject *s, Payload *p)
{
	Conn *c = parked(s);
	Inflight *f = NULL;
	char head[1024], seq[24];
	struct timespec rt;
	for (int i = 0; i < MAXINF && !f; i++)
		if (!s->inf[i].live)
			f = &s->inf[i];
	if (!c || !f)
		die("internal: nothing to dispatch to");
	seqno++;
	clock_gettime(CLOCK_REALTIME, &rt);
	snprintf(f->id, sizeof f->id, "%08x-%04x-4%03x-8%03x-%012llx", (unsigned)(seqno * 2654435761u),
	         (unsigned)(seqno >> 16 & 0xffff), (unsigned)(seqno >> 4 & 0xfff), (unsigned)(seqno & 0xfff),
	         (unsigned long long)seqno);
	int n = snprintf(
	    head, sizeof head,
	    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: "
	    "%s\r\nLambda-Runtime-Deadline-Ms: %lld\r\n"
	    "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:123456789012:function:bench\r\n"
	    "Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1\r\n"
	    "Content-Length: %zu\r\n\r\n",
	    f->id, (long long)rt.tv_sec * 1000 + rt.tv_nsec / 1000000 + 30000, p->len);
	f->event.len = 0;
	add(&f->event, head, (size_t)n);
	add(&f->event, p->p, p->len);
	if (p->has_seq) {
		snprintf(seq, sizeof seq, "%016llx", (unsigned long long)seqno);
		memcpy(f->event.p + n + p->seqoff, seq, 16);
	}
	f->off = (size_t)n;
	f->live = 1;
	f->done = f->is_error = 0;
	f->t1 = f->t_resp = 0;
	s->ninf++;
	c->parked = 0;
	s->nparked--;
	f->t0 = now();
	conn_send(c, f->event.p, f->event.len);
	if (c->out.len == c->outpos)
		f->t1 = now();
	return f;
}

/* Frees the slot and says whether the answer was right. */
static int settle(Subject *s, Inflight *f, Warm *w)
{
	int ok = 1;
	uint64_t a, b;
	const char *want_p = o_expect ? expect_p : o_echo ? f->event.p + f->off : NULL;
	size_t want_n = o_expect ? expect_len : f->event.len - f->off;
	if (f->is_error) {
		fail(s, "invocation error: %.*s", (int)(f->body.len > 200 ? 200 : f->body.len), f->body.p);
		ok = 0;
	} else if (want_p) {
		if (f->body.len == want_n && !memcmp(f->body.p, want_p, want_n)) {
			if (w)
				w->exact++;
		} else if (json_hash(f->body.p, f->body.len, &a) && json_hash(want_p, want_n, &b) && a == b) {
			if (w)
				w->json++;
		} else {
			fail(s, "wrong answer (%zu bytes for an expected %zu): %.*s", f->body.len, want_n,
			     (int)(f->body.len > 120 ? 120 : f->body.len), f->body.p);
			ok = 0;
		}
	}
	f->live = 0;
	s->ninf--;
	return ok;
}

static int await_next(Subject *s)
{
	int one = 1;
	return await(s, c_parked, &one, "GET next");
}

/* A plain program: exec() -> exit. */
static void exec_once(Subject *s, int record)
{
	struct rusage ru;
	start(s);
	if (s->failed) {
		stop(s, 0);
		return;
	}
	if (wait4(s->pid, &s->status, 0, &ru) != s->pid)
		die("wait4: %s", strerror(errno));
	ns_t t = now();
	s->pid = 0;
	s->dead = 1;
	if (s->status)
		fail(s, "ended with status 0x%x", s->status);
	if (!record)
		return;
	push(&s->c_next, (t - s->t_exec) / 1e3);
	push(&s->c_cpu, (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1e6 + ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
	push(&s->c_flt, ru.ru_minflt);
	push(&s->c_majflt, ru.ru_majflt);
}

static void cold_once(Subject *s, int record)
{
	char b[8192];
	long minflt, majflt, ut, st;
	long acc = s->naccept;
	start(s);
	if (!s->failed && await_next(s)) {
		double cpu = tree_cpu(s->pid), kib, t_next = (s->t_first_next - s->t_exec) / 1e3;
		int nf;
		proc_stat(s->pid, &minflt, &majflt, &ut, &st, NULL);
		proc_file(s->pid, "status", b, sizeof b);
		mapped_files(s->pid, &nf, &kib);
		Inflight *f = dispatch(s, &pay[0]);
		if (await(s, c_done, f, "the first response")) {
			double first = (f->t_resp - f->t0) / 1e3;
			settle(s, f, NULL);
			if (record) {
				push(&s->c_next, t_next);
				push(&s->c_cpu, cpu * 1e6);
				push(&s->c_flt, minflt);
				push(&s->c_majflt, majflt);
				push(&s->c_first, first);
				push(&s->c_total, t_next + first);
				push(&s->c_rss, field(b, "VmRSS:"));
				push(&s->c_anon, field(b, "RssAnon:"));
				push(&s->c_file, field(b, "RssFile:"));
				push(&s->c_maps, nf);
				push(&s->c_mapkib, kib);
				push(&s->c_conn, s->naccept - acc);
			}
		}
	}
	stop(s, 0);
}

/* Events that are easy to get wrong, answered one each; only reported. */
static void probe(Subject *s)
{
	static char big[6291456];
	static const struct {
		const char *name, *json;
	} P[] = {{"empty-array", "{\"a\":[],\"b\":[[]]}"},
	         {"empty-object", "{\"a\":{},\"b\":[{}]}"},
	         {"top-array", "[1,[2,[3]],\"x\"]"},
	         {"top-string", "\"hello\""},
	         {"top-number", "42"},
	         {"top-null", "null"},
	         {"top-false", "false"},
	         {"nulls", "{\"a\":null,\"b\":[null,1,null]}"},
	         {"int-2^53+1", "{\"a\":9007199254740993}"},
	         {"int-2^63-1", "{\"a\":9223372036854775807}"},
	         {"float-17-digits", "{\"a\":0.30000000000000004,\"b\":1.7976931348623157e308,\"c\":5e-324}"},
	         {"float-exp", "[1e2,1E+2,-1.5e-7]"},
	         {"escapes", "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}"},
	         {"nul-in-string", "{\"a\":\"x\\u0000y\"}"},
	         {"surrogates", "{\"a\":\"\\ud83d\\ude00\"}"},
	         {"utf8", "{\"\xc3\xa9\":\"\xe6\xbc\xa2\xf0\x9f\x98\x80\"}"},
	         {"empty-key", "{\"\":1}"},
	         {"number-keys", "{\"1\":\"a\",\"2\":\"b\",\"10\":\"c\"}"},
	         {"spaces", " { \"a\" : [ 1 , 2 ] } "},
	         {"sparse-keys", "{\"1000000\":1}"},
	         {"depth-100", NULL},
	         {"string-6MiB", NULL}};
	int np = sizeof P / sizeof *P;
	s->quiet = 1;
	s->pid = 0;
	s->dead = 1;
	for (int i = 0; i < np; i++) {
		Payload p = {P[i].name, (char *)P[i].json, P[i].json ? strlen(P[i].json) : 0, 0, 0};
		int ok = 0;
		if (!strcmp(p.name, "depth-100")) {
			memset(big, '[', 100);
			big[100] = '1';
			memset(big + 101, ']', 100);
			p.p = big;
			p.len = 201;
		}
		if (!strcmp(p.name, "string-6MiB")) {
			memset(big, 'x', sizeof big);
			big[0] = big[sizeof big - 1] = '"';
			p.p = big;
			p.len = sizeof big;
		}
		if (s->dead) {
			s->pid = 0;
			start(s);
		}
		if (!s->failed && await_next(s)) {
			Inflight *f = dispatch(s, &p);
			if (await(s, c_done, f, "an answer"))
				ok = settle(s, f, NULL);
			else
				f->live = 0;
		}
		if (!ok) {
			size_t l = strlen(s->probe_failed);
			snprintf(s->probe_failed + l, sizeof s->probe_failed - l, "%s%s", l ? " " : "", p.name);
		} else
			s->nprobe++;
		if (s->failed || s->dead) {
			stop(s, 0);
			s->failed = 0;
			s->dead = 1;
		}
	}
	stop(s, 0);
	s->quiet = 0;
}

static int any_done(Subject *s, void *a)
{
	(void)a;
	for (int i = 0; i < MAXINF; i++)
		if (s->inf[i].live && s->inf[i].done)
			return 1;
	return 0;
}

static void block(Subject *s, Payload *p, int n, Warm *w)
{
	long ut0, st0, ut1, st1;
	if (!await_next(s))
		return;
	tree_ticks(s->pid, &ut0, &st0);
	double c0 = tree_cpu(s->pid);
	ns_t t0 = now();
	if (o_conc == 1) {
		for (int i = 0; i < n; i++) {
			Inflight *f = dispatch(s, p);
			if (!await(s, c_done, f, "a response") || !await_next(s))
				return;
			if (w) {
				push(&w->rtt, (f->t_resp - f->t0) / 1e3);
				push(&w->rtt_aw, (f->t_resp - f->t1) / 1e3);
				push(&w->cycle, (s->t_next - f->t0) / 1e3);
				if (f->stream)
					push(&w->ttfb, (f->t_first - f->t0) / 1e3);
			}
			settle(s, f, w);
		}
	} else {
		int sent = 0, got = 0;
		while (got < n) {
			while (sent < n && s->ninf < o_conc && s->nparked) {
				dispatch(s, p);
				sent++;
			}
			if (s->ninf ? !await(s, any_done, NULL, "a response") : !await_next(s))
				return;
			for (int i = 0; i < MAXINF; i++) {
				Inflight *f = &s->inf[i];
				if (!f->live || !f->done)
					continue;
				if (w) {
					push(&w->rtt, (f->t_resp - f->t0) / 1e3);
					push(&w->rtt_aw, (f->t_resp - f->t1) / 1e3);
				}
				settle(s, f, w);
				got++;
			}
		}
		if (!await_next(s))
			return;
	}
	if (w) {
		w->wall += (now() - t0) / 1e9;
		w->cpu += tree_cpu(s->pid) - c0;
		w->inv += n;
		tree_ticks(s->pid, &ut1, &st1);
		w->utime += ut1 - ut0;
		w->stime += st1 - st0;
	}
}

static void memory(Subject *s, Warm *w)
{
	pid_t p[MAXPROC];
	char b[8192];
	w->nproc = tree(s->pid, p);
	w->hwm = w->uss = w->pss = 0;
	w->nthr = 0;
	for (int i = 0; i < w->nproc; i++) {
		proc_file(p[i], "status", b, sizeof b);
		w->hwm += field(b, "VmHWM:");
		w->nthr += (int)field(b, "Threads:");
		proc_file(p[i], "smaps_rollup", b, sizeof b);
		w->pss += field(b, "\nPss:");
		w->uss += field(b, "Private_Clean:") + field(b, "Private_Dirty:");
	}
}

/* ---- output ----------------------------------------------------------- */

static void jputs(const char *s)
{
	putchar('"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else if ((unsigned char)*s < 32)
			printf("\\u%04x", *s);
		else
			putchar(*s);
	}
	putchar('"');
}

static void jvec(const char *k, Vec *v)
{
	printf("\"%s\":{\"min\":%.1f,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"max\":%.1f}", k, pct(v, 0), pct(v, 50),
	       pct(v, 90), pct(v, 99), pct(v, 100));
}

static void print_json(Subject *s, double bg)
{
	static const char *how[] = {"not asked", "exit", "signal", "ignored"};
	struct stat st;
	printf("{\"label\":");
	jputs(o_label);
	printf(",\"subject\":");
	jputs(s->name);
	printf(",\"ok\":%s,\"errors\":%ld,\"first_error\":", s->nerrors || s->failed ? "false" : "true", s->nerrors);
	jputs(s->first_error);
	printf(",\"user_agent\":");
	jputs(s->ua);
	printf(",\"exe_bytes\":%lld,\"background_cpu_pct\":%.1f", stat(s->argv[0], &st) ? -1LL : (long long)st.st_size, bg);
	if (s->exec_only) {
		printf(",\"exec\":{\"n\":%zu,", s->c_next.n);
		jvec("exit_us", &s->c_next);
		putchar(',');
		jvec("cpu_us", &s->c_cpu);
		printf(",\"minflt\":%.0f}}\n", pct(&s->c_flt, 50));
		fflush(stdout);
		return;
	}
	if (s->c_next.n) {
		printf(",\"cold\":{\"n\":%zu,", s->c_next.n);
		jvec("next_us", &s->c_next);
		putchar(',');
		jvec("cpu_us", &s->c_cpu);
		putchar(',');
		jvec("first_invoke_us", &s->c_first);
		putchar(',');
		jvec("total_us", &s->c_total);
		printf(",\"minflt\":%.0f,\"majflt\":%.0f,\"rss_kib\":%.0f,\"rss_anon_kib\":%.0f,\"rss_file_kib\":%.0f,\"mapped_"
		       "files\":%.0f,\"mapped_files_kib\":%.0f,\"connections\":%.0f}",
		       pct(&s->c_flt, 50), pct(&s->c_majflt, 50), pct(&s->c_rss, 50), pct(&s->c_anon, 50), pct(&s->c_file, 50),
		       pct(&s->c_maps, 50), pct(&s->c_mapkib, 50), pct(&s->c_conn, 50));
	}
	printf(",\"warm\":[");
	for (int i = 0; i < npay; i++) {
		Warm *w = &s->w[i];
		if (!w->inv)
			continue;
		printf("%s{\"payload\":", i && s->w[0].inv ? "," : "");
		jputs(pay[i].name);
		printf(",\"bytes\":%zu,\"n\":%ld,\"concurrency\":%d,", pay[i].len, w->inv, o_conc);
		jvec("rtt_us", &w->rtt);
		putchar(',');
		jvec("rtt_aw_us", &w->rtt_aw);
		putchar(',');
		jvec("cycle_us", &w->cycle);
		if (w->ttfb.n) {
			putchar(',');
			jvec("ttfb_us", &w->ttfb);
		}
		double tk = (double)(w->utime + w->stime);
		printf(",\"inv_per_s\":%.0f,\"cpu_us_per_inv\":%.2f,\"user_share\":%.2f,\"tick_cpu_us_per_inv\":%.1f,\"echo_"
		       "exact\":%ld,\"echo_json\":%ld,"
		       "\"hwm_kib\":%ld,\"pss_kib\":%ld,\"uss_kib\":%ld,\"processes\":%d,\"threads\":%d}",
		       w->inv / w->wall, w->cpu / w->inv * 1e6, tk > 0 ? w->utime / tk : 0.0,
		       tk / sysconf(_SC_CLK_TCK) / w->inv * 1e6, w->exact, w->json, w->hwm, w->pss, w->uss, w->nproc, w->nthr);
	}
	putchar(']');
	if (o_probe) {
		printf(",\"probe\":{\"passed\":%d,\"failed\":", s->nprobe);
		jputs(s->probe_failed);
		putchar('}');
	}
	printf(",\"warm_connections\":%ld,\"unserved_paths\":%ld,\"sigterm\":{\"how\":\"%s\",\"code\":%d,\"ms\":%.1f}}\n",
	       s->warm_conns, s->nunknown, how[s->term_how],
	       s->term_how == 1   ? WEXITSTATUS(s->wstat)
	       : s->term_how == 2 ? WTERMSIG(s->wstat)
	                          : 0,
	       s->term_ms);
	fflush(stdout);
}

static void print_table(double bg)
{
	Subject *f = &subj[0];
	for (int i = 0; i < nsubj; i++)
		if (!strcmp(subj[i].name, "floor"))
			f = &subj[i];
	fprintf(stderr, "\nbackground CPU %.1f%% of the machine; ratios (x) are to '%s'; * = exec to exit\n", bg, f->name);
	fprintf(stderr, "%-20s %10s %7s %9s %9s %9s %8s %8s %6s\n", "cold (median)", "next ms", "x", "cpu ms", "first ms",
	        "total ms", "rss KiB", "file KiB", "minflt");
	for (int i = 0; i < nsubj; i++) {
		Subject *s = &subj[i];
		if (!s->c_next.n)
			continue;
		fprintf(stderr, "%-20s %10.3f%c%7.2f %9.3f %9.3f %9.3f %8.0f %8.0f %6.0f\n", s->name, pct(&s->c_next, 50) / 1e3,
		        s->exec_only ? '*' : ' ', pct(&s->c_next, 50) / pct(&f->c_next, 50), pct(&s->c_cpu, 50) / 1e3,
		        pct(&s->c_first, 50) / 1e3, pct(&s->c_total, 50) / 1e3, pct(&s->c_rss, 50), pct(&s->c_mapkib, 50),
		        pct(&s->c_flt, 50));
	}
	for (int k = 0; k < npay; k++) {
		if (!f->w[k].inv)
			continue;
		fprintf(stderr, "\n%-20s %8s %6s %8s %8s %9s %9s %6s %8s %8s %8s  %s\n", pay[k].name, "p50 us", "x", "p90 us",
		        "p99 us", "cycle us", "cpu us", "x", "inv/s", "HWM KiB", "USS KiB", "echo");
		for (int i = 0; i < nsubj; i++) {
			Subject *s = &subj[i];
			Warm *w = &s->w[k], *fw = &f->w[k];
			if (!w->inv)
				continue;
			fprintf(stderr, "%-20s %8.1f %6.2f %8.1f %8.1f %9.1f %9.2f %6.2f %8.0f %8ld %8ld  %s%s\n", s->name,
			        pct(&w->rtt, 50), pct(&w->rtt, 50) / pct(&fw->rtt, 50), pct(&w->rtt, 90), pct(&w->rtt, 99),
			        pct(&w->cycle, 50), w->cpu / w->inv * 1e6, (w->cpu / w->inv) / (fw->cpu / fw->inv),
			        w->inv / w->wall, w->hwm, w->uss,
			        w->exact == w->inv             ? "exact"
			        : w->exact + w->json == w->inv ? "json"
			        : o_echo || o_expect           ? "WRONG"
			                                       : "-",
			        s->failed || s->nerrors ? " FAILED" : "");
		}
	}
	for (int i = 0; i < nsubj && o_probe; i++)
		if (!subj[i].exec_only)
			fprintf(stderr, "%s%-20s probes passed %d; failed: %s\n", i ? "" : "\n", subj[i].name, subj[i].nprobe,
			        subj[i].probe_failed);
	for (int i = 0; i < nsubj; i++)
		if (subj[i].failed || subj[i].nerrors)
			fprintf(stderr, "\nFAILED %s: %ld errors; first: %s\n", subj[i].name, subj[i].nerrors, subj[i].first_error);
}

/* ---- command line ----------------------------------------------------- */

/* Splits like a shell: spaces, '..' and ".." quotes, backslash. */
static char **split(char *s, int *n)
{
	char **v = xmalloc(sizeof *v * 256);
	*n = 0;
	for (;;) {
		while (*s == ' ' || *s == '\t')
			s++;
		if (!*s || *n == 254)
			break;
		char *o = v[(*n)++] = s, q = 0;
		for (; *s && (q || (*s != ' ' && *s != '\t')); s++) {
			if (q ? *s == q : *s == '\'' || *s == '"')
				q = q ? 0 : *s;
			else if (*s == '\\' && q != '\'' && s[1])
				*o++ = *++s;
			else
				*o++ = *s;
		}
		int end = !*s;
		*o = 0;
		if (end)
			break;
		s++;
	}
	v[*n] = NULL;
	return v;
}

static void add_subject(const char *spec, int exec_only)
{
	char *c = strdup(spec), *eq = strchr(c, '=');
	int n;
	if (!eq || eq == c)
		die("--subject needs NAME=COMMAND, got %s", spec);
	if (nsubj == MAXSUBJ)
		die("too many subjects");
	*eq = 0;
	Subject *s = &subj[nsubj];
	memset(s, 0, sizeof *s);
	s->name = c;
	s->exec_only = exec_only;
	char **v = split(eq + 1, &n);
	s->env = v;
	while (*v && strchr(*v, '=') && (isalpha((unsigned char)**v) || **v == '_') &&
	       strcspn(*v, "=") < strcspn(*v, "/")) {
		v++;
		s->nenv++;
	}
	if (!*v)
		die("subject %s has no command", s->name);
	s->argv = v;
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t l = sizeof a;
	s->lfd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->lfd < 0 || bind(s->lfd, (struct sockaddr *)&a, sizeof a) || listen(s->lfd, 64) ||
	    getsockname(s->lfd, (struct sockaddr *)&a, &l))
		die("listen: %s", strerror(errno));
	s->port = ntohs(a.sin_port);
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = (void *)((uintptr_t)nsubj << 1 | 1)};
	if (epoll_ctl(ep, EPOLL_CTL_ADD, s->lfd, &ev))
		die("epoll_ctl: %s", strerror(errno));
	nsubj++;
}

static void usage(void)
{
	fputs("usage: lambda_bench [options] --subject NAME='[VAR=VALUE ...] COMMAND ARG ...' ...\n"
	      "  --exec NAME=...   a plain program, timed from exec to exit (repeatable)\n"
	      "  --cold K          cold starts per subject (20)\n"
	      "  --warm N          measured invocations per subject and payload (5000)\n"
	      "  --warmup N        invocations before those, not measured (200)\n"
	      "  --block N         subjects take turns of N invocations (250)\n"
	      "  --payload FILE    event; 16 zero digits in it become a sequence number (repeatable)\n"
	      "  --gen BYTES       generated JSON event of that size (repeatable; default 1024)\n"
	      "  --expect-echo     the response must equal the event\n"
	      "  --expect FILE     the response must equal this file\n"
	      "  --probe           first try events that are easy to get wrong (use with --expect-echo)\n"
	      "  --concurrency C   keep up to C events outstanding (1)\n"
	      "  --env K=V | K     extra environment, or passed through (repeatable)\n"
	      "  --handler H, --task-root DIR, --memory MB\n"
	      "  --pin S,C         server on CPU S, subjects on CPU C\n"
	      "  --spin            server polls instead of sleeping\n"
	      "  --timeout MS      limit for any one wait (10000)\n"
	      "  --no-term         skip the SIGTERM check\n"
	      "  --log FILE        append the subjects' stdout and stderr there\n"
	      "  --label TEXT      put TEXT into the JSON lines\n"
	      "  --trace           print every request\n",
	      stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	char cwd[4096];
	signal(SIGPIPE, SIG_IGN);
	ep = epoll_create1(EPOLL_CLOEXEC);
	subj = xmalloc(sizeof *subj * MAXSUBJ);
	o_root = getcwd(cwd, sizeof cwd);
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i], *v = i + 1 < argc ? argv[i + 1] : NULL;
#define OPT(n) (!strcmp(a, n) && (v || (usage(), 0)) && ++i)
		if (OPT("--cold"))
			o_cold = atoi(v);
		else if (OPT("--warm"))
			o_warm = atoi(v);
		else if (OPT("--warmup"))
			o_warmup = atoi(v);
		else if (OPT("--block"))
			o_block = atoi(v);
		else if (OPT("--concurrency"))
			o_conc = atoi(v);
		else if (OPT("--timeout"))
			o_timeout = atoi(v);
		else if (OPT("--handler"))
			o_handler = v;
		else if (OPT("--task-root"))
			o_root = v;
		else if (OPT("--memory"))
			o_mem = v;
		else if (OPT("--log"))
			o_log = v;
		else if (OPT("--label"))
			o_label = v;
		else if (OPT("--pin")) {
			if (sscanf(v, "%d,%d", &o_pin_s, &o_pin_c) != 2)
				usage();
		} else if (OPT("--expect")) {
			o_expect = v;
			if (!(expect_p = slurp(v, &expect_len)))
				die("cannot read %s", v);
		} else if (OPT("--payload")) {
			if (npay == MAXPAY)
				die("too many payloads");
			Payload *p = &pay[npay++];
			p->name = strrchr(v, '/') ? strrchr(v, '/') + 1 : v;
			if (!(p->p = slurp(v, &p->len)))
				die("cannot read %s", v);
		} else if (OPT("--gen")) {
			if (npay == MAXPAY)
				die("too many payloads");
			gen_payload(&pay[npay++], strtoul(v, NULL, 10));
		} else if (OPT("--env")) {
			if (nxenv == 255)
				die("too many --env");
			if (strchr(v, '='))
				xenv[nxenv++] = strdup(v);
			else if (getenv(v))
				xenv[nxenv++] = fmt("%s=%s", v, getenv(v));
		} else if (OPT("--subject"))
			add_subject(v, 0);
		else if (OPT("--exec"))
			add_subject(v, 1);
		else if (!strcmp(a, "--expect-echo"))
			o_echo = 1;
		else if (!strcmp(a, "--spin"))
			o_spin = 1;
		else if (!strcmp(a, "--probe"))
			o_probe = 1;
		else if (!strcmp(a, "--no-term"))
			o_term = 0;
		else if (!strcmp(a, "--trace"))
			o_trace = 1;
		else
			usage();
	}
	if (!nsubj || o_conc < 1 || o_conc > MAXINF || o_block < 1)
		usage();
	if (!npay)
		gen_payload(&pay[npay++], 1024);
	for (int i = 0; i < npay; i++)
		find_seq(&pay[i]);
	if (o_pin_s >= 0) {
		cpu_set_t cs;
		CPU_ZERO(&cs);
		CPU_SET(o_pin_s, &cs);
		sched_setaffinity(0, sizeof cs, &cs);
	}

	double busy0, busy1, mine0 = own_cpu();
	ns_t w0 = now();
	sys_cpu(&busy0);

	for (int k = -1; k < o_cold; k++) /* round -1 fills the page cache */
		for (int i = 0; i < nsubj && o_cold; i++) {
			Subject *s = &subj[(i + k + 1) % nsubj];
			if (!s->failed)
				(s->exec_only ? exec_once : cold_once)(s, k >= 0);
		}

	for (int i = 0; i < nsubj && o_probe; i++)
		if (!subj[i].failed && !subj[i].exec_only)
			probe(&subj[i]);
	for (int i = 0; i < nsubj && o_warm; i++)
		if (!subj[i].failed && !subj[i].exec_only) {
			subj[i].naccept = 0;
			start(&subj[i]);
			if (!subj[i].failed)
				await_next(&subj[i]);
		}
	for (int p = 0; p < npay && o_warm; p++) {
		for (int i = 0; i < nsubj; i++)
			if (!subj[i].failed && !subj[i].exec_only && o_warmup)
				block(&subj[i], &pay[p], o_warmup, NULL);
		for (int done = 0, r = 0; done < o_warm; r++) {
			int n = o_warm - done < o_block ? o_warm - done : o_block;
			for (int i = 0; i < nsubj; i++) {
				Subject *s = &subj[(i + r) % nsubj];
				if (!s->failed && !s->exec_only)
					block(s, &pay[p], n, &s->w[p]);
			}
			done += n;
		}
		for (int i = 0; i < nsubj; i++)
			if (!subj[i].failed && !subj[i].exec_only)
				memory(&subj[i], &subj[i].w[p]);
	}
	for (int i = 0; i < nsubj && o_warm; i++) {
		subj[i].warm_conns = subj[i].naccept;
		stop(&subj[i], o_term);
	}

	sys_cpu(&busy1);
	double bg = (busy1 - busy0 - (own_cpu() - mine0)) / ((now() - w0) / 1e9) / sysconf(_SC_NPROCESSORS_ONLN) * 100;
	if (bg < 0)
		bg = 0;
	int bad = 0;
	for (int i = 0; i < nsubj; i++) {
		print_json(&subj[i], bg);
		bad |= subj[i].failed || subj[i].nerrors;
	}
	print_table(bg);
	return bad;
}
