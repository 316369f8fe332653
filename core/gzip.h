/*
 * gzip: writes gzip files (RFC 1952), for request bodies of services that ask for it.
 *
 * One block with the fixed codes of DEFLATE (RFC 1951) over repetitions found by hashing: no tables to build, and form
 * or JSON text shrinks to a fifth or less. The same input gives the same bytes. Reading is not its task.
 */
#ifndef SM_GZIP_H
#define SM_GZIP_H

#include "buf.h"

/* Appends the gzip file of the bytes to out. SM_LIMIT when out may not grow so far; out is then incomplete. */
enum sm_status sm_gzip_write(const void *bytes, size_t len, struct sm_buf *out, struct sm_error *err);

#endif
