#include "records.h"

#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void sm_records_init(struct sm_records *records)
{
	records->fd = -1;
	records->size = records->at = 0;
	records->held = 0;
}

enum sm_status sm_records_open(struct sm_records *records, const char *path, struct sm_error *err)
{
	struct stat st;
	enum sm_status status = sm_files_open(path, "r", &records->fd, err);
	if (status != SM_OK)
		return status;
	if (fstat(records->fd, &st) != 0)
		return sm_files_fail(err, errno, path);
	records->size = st.st_size > 0 ? (uint64_t)st.st_size : 0;
	return SM_OK;
}

void sm_records_close(struct sm_records *records)
{
	if (records->fd >= 0)
		close(records->fd);
	sm_records_init(records);
}

/* Holds the block with the byte at offset; false when it cannot be read, or the file has become shorter. */
static bool hold(struct sm_records *records, uint64_t offset)
{
	if (offset >= records->at && offset - records->at < records->held)
		return true;
	ssize_t got;
	records->at = offset - offset % SM_RECORDS_BLOCK;
	do
		got = pread(records->fd, records->block, SM_RECORDS_BLOCK, (off_t)records->at);
	while (got < 0 && errno == EINTR);
	records->held = got > 0 ? (size_t)got : 0;
	return offset - records->at < records->held;
}

static enum sm_status unreadable(struct sm_error *err)
{
	return sm_fail(err, SM_IO, "the file of records cannot be read, or was cut");
}

/* Start of the line with the byte at offset; not before floor. */
static bool line_start(struct sm_records *records, uint64_t floor, uint64_t offset, uint64_t *start)
{
	while (offset > floor) {
		if (!hold(records, offset - 1))
			return false;
		uint64_t from = records->at > floor ? records->at : floor;
		const char *first = records->block + (from - records->at);
		const char *end = memrchr(first, '\n', (size_t)(offset - from));
		if (end != NULL) {
			*start = records->at + (uint64_t)(end - records->block) + 1;
			return true;
		}
		offset = from;
	}
	*start = floor;
	return true;
}

/* The line after the one with the byte at offset. */
static bool next_line(struct sm_records *records, uint64_t offset, uint64_t *next)
{
	while (offset < records->size) {
		if (!hold(records, offset))
			return false;
		const char *from = records->block + (offset - records->at);
		const char *end = memchr(from, '\n', records->held - (size_t)(offset - records->at));
		if (end != NULL) {
			*next = records->at + (uint64_t)(end - records->block) + 1;
			return true;
		}
		offset = records->at + records->held;
	}
	*next = records->size;
	return true;
}

/* The byte at offset, or -1 at the end of a line's key or of the file; -2 when it cannot be read. */
static int key_byte(struct sm_records *records, uint64_t offset)
{
	if (offset >= records->size)
		return -1;
	if (!hold(records, offset))
		return -2;
	unsigned char c = (unsigned char)records->block[offset - records->at];
	return c == '\t' || c == '\n' ? -1 : c;
}

/* Order of the key at offset beside the given one, and where it ends when they are equal. */
static bool compare(struct sm_records *records, uint64_t offset, const char *key, size_t len, int *order, uint64_t *end)
{
	for (size_t i = 0;; i++) {
		int mine = key_byte(records, offset + i), theirs = i < len ? (unsigned char)key[i] : -1;
		if (mine == -2)
			return false;
		if (mine != theirs || mine == -1) {
			*order = mine - theirs;
			*end = offset + i;
			return true;
		}
	}
}

/* low and high are always starts of lines: what is before low is below the key, what is from high on is not. */
enum sm_status sm_records_lower(struct sm_records *records, const char *key, size_t len, uint64_t *offset,
                                struct sm_error *err)
{
	uint64_t low = 0, high = records->size, start, end;
	while (low < high) {
		int order;
		if (!line_start(records, low, low + (high - low) / 2, &start) ||
		    !compare(records, start, key, len, &order, &end))
			return unreadable(err);
		if (order >= 0)
			high = start;
		else if (!next_line(records, end, &low))
			return unreadable(err);
	}
	*offset = low;
	return SM_OK;
}

/* Appends the bytes up to the end of the line; skips a TAB in front. */
static enum sm_status add_value(struct sm_records *records, uint64_t offset, struct sm_buf *out, struct sm_error *err)
{
	bool first = true;
	while (offset < records->size) {
		if (!hold(records, offset))
			return unreadable(err);
		const char *from = records->block + (offset - records->at);
		size_t left = records->held - (size_t)(offset - records->at);
		if (first && *from == '\t') {
			offset++;
			first = false;
			continue;
		}
		const char *end = memchr(from, '\n', left);
		size_t count = end != NULL ? (size_t)(end - from) : left;
		enum sm_status status = sm_buf_add(out, from, count);
		if (status != SM_OK)
			return sm_fail(err, status, "no memory for a record");
		if (end != NULL)
			break;
		offset += count;
		first = false;
	}
	return SM_OK;
}

enum sm_status sm_records_get(struct sm_records *records, const char *key, size_t len, struct sm_buf *out,
                              struct sm_error *err)
{
	uint64_t start, end;
	int order;
	enum sm_status status = sm_records_lower(records, key, len, &start, err);
	if (status != SM_OK)
		return status;
	if (start >= records->size)
		return SM_NOTFOUND;
	if (!compare(records, start, key, len, &order, &end))
		return unreadable(err);
	return order == 0 ? add_value(records, end, out, err) : SM_NOTFOUND;
}

enum sm_status sm_records_next(struct sm_records *records, uint64_t *offset, struct sm_buf *out, struct sm_error *err)
{
	if (*offset >= records->size)
		return SM_NOTFOUND;
	for (int c; (c = key_byte(records, *offset)) != -1; ++*offset) {
		if (c == -2)
			return unreadable(err);
		enum sm_status status = sm_buf_addc(out, (char)c);
		if (status != SM_OK)
			return sm_fail(err, status, "no memory for a key");
	}
	return next_line(records, *offset, offset) ? SM_OK : unreadable(err);
}
