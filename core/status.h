/*
 * status: how pure C units report failure.
 *
 * A function that can fail returns enum sm_status and writes one sentence for
 * people into a caller's struct sm_error. Units below Lua never print, never
 * exit and never include lua.h; the bindings turn a status into
 * "nil, message, code" (see lua_result.h).
 */
#ifndef SM_STATUS_H
#define SM_STATUS_H

#include <stddef.h>

enum sm_status {
	SM_OK = 0,
	SM_NOMEM,     /* out of memory, or a buffer reached its maximum */
	SM_INVALID,   /* the input is malformed */
	SM_NOTFOUND,  /* no such file, table, handle */
	SM_EXISTS,    /* there already */
	SM_REFUSED,   /* not allowed: policy, permission, certificate */
	SM_CONFLICT,  /* somebody else was first: lock, version */
	SM_TIMEOUT,   /* a deadline passed */
	SM_CANCELLED, /* the task that asked is gone */
	SM_LIMIT,     /* a cap of this host was reached */
	SM_CLOSED,    /* the peer or the handle is closed */
	SM_IO,        /* the operating system or the network failed */
	SM_ENGINE,    /* DuckDB or SQLite refused the statement */
	SM_INTERNAL   /* our own mistake */
};

#define SM_ERROR_MAX 1024

struct sm_error {
	enum sm_status status;
	char message[SM_ERROR_MAX];
};

/* The stable lower-case word for a status ("not_found"), for Lua and logs. */
const char *sm_status_name(enum sm_status status);

/*
 * Fills err (may be NULL) with a formatted sentence, cut at SM_ERROR_MAX - 1
 * bytes on a UTF-8 border, and returns status.
 */
enum sm_status sm_fail(struct sm_error *err, enum sm_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
