#include "records.h"

#include <string.h>

size_t sm_records_read(const char *text, size_t len, size_t offset, struct sm_record *out)
{
	const char *line = text + offset;
	const char *end = memchr(line, '\n', len - offset);
	size_t line_len = end != NULL ? (size_t)(end - line) : len - offset;
	const char *tab = memchr(line, '\t', line_len);
	out->key = line;
	out->key_len = tab != NULL ? (size_t)(tab - line) : line_len;
	out->value = tab != NULL ? tab + 1 : line + line_len;
	out->value_len = line_len - (size_t)(out->value - line);
	return end != NULL ? offset + line_len + 1 : len;
}

static int compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
	if (order != 0)
		return order;
	return a_len < b_len ? -1 : a_len > b_len;
}

/* Start of the line that holds the byte at offset; not before floor. */
static size_t line_start(const char *text, size_t floor, size_t offset)
{
	const char *end = offset > floor ? memrchr(text + floor, '\n', offset - floor) : NULL;
	return end != NULL ? (size_t)(end - text) + 1 : floor;
}

/* low and high are always starts of lines: everything before low is below the key, everything from high on is not. */
size_t sm_records_lower(const char *text, size_t len, const char *key, size_t key_len)
{
	size_t low = 0, high = len;
	while (low < high) {
		struct sm_record record;
		size_t start = line_start(text, low, low + (high - low) / 2);
		size_t next = sm_records_read(text, len, start, &record);
		if (compare(record.key, record.key_len, key, key_len) < 0)
			low = next;
		else
			high = start;
	}
	return low;
}

bool sm_records_find(const char *text, size_t len, const char *key, size_t key_len, struct sm_record *out)
{
	size_t offset = sm_records_lower(text, len, key, key_len);
	if (offset >= len)
		return false;
	sm_records_read(text, len, offset, out);
	return compare(out->key, out->key_len, key, key_len) == 0;
}
