/*
 * records: lookups in a file of sorted lines `key<TAB>value`.
 *
 * The lines are sorted by the bytes of their keys; a key has no TAB and no line end, a value no line end. Nothing is
 * read ahead and nothing is mapped: a lookup is a binary search that reads a few blocks, so a large file costs nothing
 * to open, and one that changes under us gives wrong records at worst. Relies on POSIX; knows no Lua.
 */
#ifndef SM_RECORDS_H
#define SM_RECORDS_H

#include "buf.h"

#include <stdbool.h>
#include <stdint.h>

#define SM_RECORDS_BLOCK 4096

struct sm_records {
	int fd; /* -1: closed */
	uint64_t size;
	uint64_t at; /* of the block that is held */
	size_t held; /* bytes */
	char block[SM_RECORDS_BLOCK];
};

/* Starts closed. */
void sm_records_init(struct sm_records *records);
enum sm_status sm_records_open(struct sm_records *records, const char *path, struct sm_error *err);
/* Harmless twice. */
void sm_records_close(struct sm_records *records);
/* Appends the value to out (caller frees); SM_NOTFOUND when there is no such key. */
enum sm_status sm_records_get(struct sm_records *records, const char *key, size_t len, struct sm_buf *out,
                              struct sm_error *err);
/* Sets *offset to the first line whose key is not below the given one; the file's size when there is none. */
enum sm_status sm_records_lower(struct sm_records *records, const char *key, size_t len, uint64_t *offset,
                                struct sm_error *err);
/* Appends the key of the line at *offset to out and moves *offset to the next line; SM_NOTFOUND at the end. */
enum sm_status sm_records_next(struct sm_records *records, uint64_t *offset, struct sm_buf *out, struct sm_error *err);

#endif
