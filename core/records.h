/*
 * records: lookups in a text of sorted lines `key<TAB>value`.
 *
 * The lines are sorted by the bytes of their keys; a key has no TAB and no line end, a value no line end. Nothing is
 * parsed ahead: a lookup is a binary search over the bytes. Works on memory of the caller; relies on libc only.
 */
#ifndef SM_RECORDS_H
#define SM_RECORDS_H

#include <stdbool.h>
#include <stddef.h>

struct sm_record {
	const char *key;
	size_t key_len;
	const char *value;
	size_t value_len;
};

/* The record with this key; false when there is none. */
bool sm_records_find(const char *text, size_t len, const char *key, size_t key_len, struct sm_record *out);
/* Offset of the first line whose key is not below the given one; len when there is none. */
size_t sm_records_lower(const char *text, size_t len, const char *key, size_t key_len);
/* Reads the line that starts at offset; the offset of the next line. A line without TAB is all key. */
size_t sm_records_read(const char *text, size_t len, size_t offset, struct sm_record *out);

#endif
