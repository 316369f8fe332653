#include "gzip.h"

#include "checksum.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW 32768u /* how far back a repetition may lie */
#define HASH_BITS 15
#define MATCH_MIN 3u
#define MATCH_MAX 258u
#define TRIES 48      /* earlier places looked at for one repetition */
#define LITERALS 256u /* the symbol that ends a block */

/* Base and extra bits of the symbols 257 to 285 (lengths) and 0 to 29 (distances). */
static const uint16_t length_base[29] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                         31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
static const uint8_t length_extra[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                         2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
static const uint16_t distance_base[30] = {1,    2,    3,    4,    5,    7,    9,    13,    17,    25,
                                           33,   49,   65,   97,   129,  193,  257,  385,   513,   769,
                                           1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
static const uint8_t distance_extra[30] = {0, 0, 0, 0, 1, 1, 2, 2,  3,  3,  4,  4,  5,  5,  6,
                                           6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13};

struct writer {
	struct sm_buf *out;
	enum sm_status status;
	uint32_t held; /* bits that do not fill a byte yet, the first in the lowest place */
	unsigned count;
	const unsigned char *bytes;
	size_t len;
	/* Positions plus one; 0 is none. The newest place of each hash, and of each place the one before. */
	uint32_t newest[1u << HASH_BITS], before[WINDOW];
};

static void put_bits(struct writer *w, uint32_t value, unsigned count)
{
	w->held |= value << w->count;
	for (w->count += count; w->count >= 8; w->count -= 8, w->held >>= 8)
		if (w->status == SM_OK)
			w->status = sm_buf_addc(w->out, (char)(w->held & 255));
}

/* Codes of symbols go out from their highest bit on. */
static void put_code(struct writer *w, uint32_t code, unsigned count)
{
	uint32_t turned = 0;
	for (unsigned i = 0; i < count; i++)
		turned |= (code >> i & 1) << (count - 1 - i);
	put_bits(w, turned, count);
}

/* The fixed code of a literal or length symbol. */
static void put_symbol(struct writer *w, uint32_t symbol)
{
	if (symbol < 144)
		put_code(w, 0x30 + symbol, 8);
	else if (symbol < 256)
		put_code(w, 0x190 + symbol - 144, 9);
	else if (symbol < 280)
		put_code(w, symbol - 256, 7);
	else
		put_code(w, 0xc0 + symbol - 280, 8);
}

static void put_match(struct writer *w, size_t length, size_t distance)
{
	unsigned symbol = 28;
	while (length_base[symbol] > length)
		symbol--;
	put_symbol(w, 257 + symbol);
	put_bits(w, (uint32_t)(length - length_base[symbol]), length_extra[symbol]);
	symbol = 29;
	while (distance_base[symbol] > distance)
		symbol--;
	put_code(w, symbol, 5);
	put_bits(w, (uint32_t)(distance - distance_base[symbol]), distance_extra[symbol]);
}

static uint32_t hash_at(const struct writer *w, size_t at)
{
	const unsigned char *p = w->bytes + at;
	uint32_t key = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
	return (key * 2654435761u) >> (32 - HASH_BITS);
}

static void remember(struct writer *w, size_t at)
{
	if (at + MATCH_MIN > w->len)
		return;
	uint32_t hash = hash_at(w, at);
	w->before[at % WINDOW] = w->newest[hash];
	w->newest[hash] = (uint32_t)at + 1;
}

static size_t same_bytes(const struct writer *w, size_t a, size_t b)
{
	size_t most = w->len - b < MATCH_MAX ? w->len - b : MATCH_MAX, n = 0;
	while (n < most && w->bytes[a + n] == w->bytes[b + n])
		n++;
	return n;
}

/* The longest repetition of what begins at `at`; 0 when there is none. */
static size_t find_match(const struct writer *w, size_t at, size_t *distance)
{
	size_t best = 0;
	if (at + MATCH_MIN > w->len)
		return 0;
	uint32_t place = w->newest[hash_at(w, at)];
	for (int tries = TRIES; place != 0 && tries > 0 && at - (place - 1) <= WINDOW - MATCH_MAX; tries--) {
		size_t length = same_bytes(w, place - 1, at);
		if (length > best) {
			best = length;
			*distance = at - (place - 1);
		}
		uint32_t next = w->before[(place - 1) % WINDOW];
		if (best == MATCH_MAX || next >= place)
			break;
		place = next;
	}
	return best >= MATCH_MIN ? best : 0;
}

static void put_block(struct writer *w)
{
	put_bits(w, 1, 1); /* the last block */
	put_bits(w, 1, 2); /* fixed codes */
	for (size_t at = 0; at < w->len && w->status == SM_OK;) {
		size_t distance = 0, length = find_match(w, at, &distance);
		if (length > 0)
			put_match(w, length, distance);
		else
			put_symbol(w, w->bytes[at]);
		for (size_t end = at + (length > 0 ? length : 1); at < end; at++)
			remember(w, at);
	}
	put_symbol(w, LITERALS);
	if (w->count > 0)
		put_bits(w, 0, 8 - w->count);
}

static void put_word(struct writer *w, uint32_t word)
{
	put_bits(w, word & 0xffff, 16);
	put_bits(w, word >> 16, 16);
}

enum sm_status sm_gzip_write(const void *bytes, size_t len, struct sm_buf *out, struct sm_error *err)
{
	/* Deflated, no name, no time, system unknown. */
	static const unsigned char head[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
	if (len >= UINT32_MAX)
		return sm_fail(err, SM_LIMIT, "too many bytes for gzip");
	struct writer *w = calloc(1, sizeof(*w));
	if (w == NULL)
		return sm_fail(err, SM_NOMEM, "no memory");
	w->out = out;
	w->bytes = bytes;
	w->len = len;
	w->status = sm_buf_add(out, head, sizeof(head));
	put_block(w);
	put_word(w, sm_checksum_crc32(bytes, len));
	put_word(w, (uint32_t)len);
	enum sm_status status = w->status;
	free(w);
	return status == SM_OK ? SM_OK : sm_fail(err, status, "no room for the compressed bytes");
}
