/* See render_out.h. */
#include "render_out.h"

void sm_out_open(struct out *o, struct sm_buf *buf)
{
	bool empty = buf->data == NULL;

	o->buf = buf;
	o->at = empty ? NULL : buf->data + buf->len;
	o->limit = empty ? NULL : buf->data + buf->cap;
	o->full = SM_OK;
}

void sm_out_close(struct out *o)
{
	if (o->at == NULL)
		return;
	o->buf->len = (size_t)(o->at - o->buf->data);
	if (o->at < o->limit)
		*o->at = '\0';
}

bool sm_out_grow(struct out *o, size_t n)
{
	enum sm_status why = o->full;

	if (why != SM_OK)
		return false;
	sm_out_close(o);
	why = sm_buf_reserve(o->buf, n + 1);
	sm_out_open(o, o->buf);
	o->full = why;
	return why == SM_OK;
}

/* True when no byte of the eight is a control, a quote, a backslash or beyond ASCII. */
static inline bool eight_plain(const char *bytes)
{
	const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
	uint64_t x, quote, slash;

	memcpy(&x, bytes, sizeof x);
	quote = x ^ ones * '"';
	slash = x ^ ones * '\\';
	return (((x - ones * 0x20) | x | (quote - ones) | (slash - ones)) & tops) == 0;
}

static inline bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* Length of the valid UTF-8 sequence at bytes (first byte >= 0x80), or 0. */
static size_t sequence(const unsigned char *b, size_t len)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t need;

	if (b[0] >= 0xc2 && b[0] <= 0xdf)
		need = 2;
	else if ((b[0] & 0xf0) == 0xe0)
		need = 3;
	else if (b[0] >= 0xf0 && b[0] <= 0xf4)
		need = 4;
	else
		return 0;
	if (b[0] == 0xe0)
		low = 0xa0;
	else if (b[0] == 0xed)
		high = 0x9f; /* no surrogates */
	else if (b[0] == 0xf0)
		low = 0x90;
	else if (b[0] == 0xf4)
		high = 0x8f;
	if (len < need || b[1] < low || b[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++)
		if ((b[i] & 0xc0) != 0x80)
			return 0;
	return need;
}

static void put_escape(struct out *o, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char letters[] = "btn?fr"; /* 8, 9, 10, 12, 13 */
	char code[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

	if (c == '"' || c == '\\') {
		code[1] = (char)c;
		put_bytes(o, code, 2);
	} else if (c >= 8 && c <= 13 && c != 11) {
		code[1] = letters[c - 8];
		put_bytes(o, code, 2);
	} else {
		put_bytes(o, code, 6);
	}
}

/* Copies a byte, or a character, that needs a second look; returns how many were taken. */
static size_t put_special(struct out *o, const char *bytes, size_t len)
{
	unsigned char c = (unsigned char)bytes[0];
	size_t n;

	if (c < 0x80) {
		put_escape(o, c);
		return 1;
	}
	n = sequence((const unsigned char *)bytes, len);
	if (n > 0) {
		put_bytes(o, bytes, n);
		return n;
	}
	PUT(o, "\xef\xbf\xbd"); /* U+FFFD */
	return 1;
}

void sm_out_json_bytes(struct out *o, const char *bytes, size_t len)
{
	size_t i = 0;

	while (i < len) {
		if (!room(o, len - i + 8))
			return;
		while (len - i >= 8 && eight_plain(bytes + i)) {
			memcpy(o->at, bytes + i, 8);
			o->at += 8;
			i += 8;
		}
		while (i < len && is_plain((unsigned char)bytes[i]))
			*o->at++ = bytes[i++];
		if (i < len && !is_plain((unsigned char)bytes[i]))
			i += put_special(o, bytes + i, len - i);
	}
}

void sm_out_csv_bytes(struct out *o, const char *bytes, size_t len)
{
	const char *end = bytes + len, *quote;

	while ((quote = memchr(bytes, '"', (size_t)(end - bytes))) != NULL) {
		put_bytes(o, bytes, (size_t)(quote - bytes) + 1);
		put_char(o, '"');
		bytes = quote + 1;
	}
	put_bytes(o, bytes, (size_t)(end - bytes));
}
