/*
 * buf: a growing byte buffer with a mandatory maximum.
 *
 * Every reply, row page or log line that grows does so here, so that a peer
 * that sends without end meets a limit and not the end of memory.
 * Relies on libc only.
 */
#ifndef SM_BUF_H
#define SM_BUF_H

#include "status.h"

struct sm_buf {
	char *data; /* always followed by a NUL that does not count */
	size_t len;
	size_t cap;
	size_t max; /* bytes; growth beyond it is SM_LIMIT */
};

/* Starts empty; allocates nothing. max > 0, in bytes. */
void sm_buf_init(struct sm_buf *buf, size_t max);
/* Frees the bytes and starts empty again with the same maximum. */
void sm_buf_free(struct sm_buf *buf);
/* Forgets the content, keeps the memory. */
void sm_buf_reset(struct sm_buf *buf);
/* Makes room for extra more bytes. SM_LIMIT beyond max, SM_NOMEM without memory; content untouched then. */
enum sm_status sm_buf_reserve(struct sm_buf *buf, size_t extra);
enum sm_status sm_buf_add(struct sm_buf *buf, const void *bytes, size_t len);
enum sm_status sm_buf_addc(struct sm_buf *buf, char c);
enum sm_status sm_buf_adds(struct sm_buf *buf, const char *text);
enum sm_status sm_buf_addf(struct sm_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Gives the bytes to the caller (who frees them) and starts empty. */
char *sm_buf_take(struct sm_buf *buf, size_t *len);

#endif
