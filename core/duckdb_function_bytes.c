/* Native functions on bytes: checksums, digests and encodings that the engine lacks. See duckdb_function_row.h. */
#include "duckdb_function_row.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

static void give(struct sm_fn_row *r)
{
	sm_fn_set_text(r, r->text->data != NULL ? r->text->data : "", r->text->len);
}

/* ---- checksums ---- */

static void crc32(struct sm_fn_row *r)
{
	struct sm_slice s = sm_fn_text(r, 0);
	uint32_t crc = ~(uint32_t)0;

	for (size_t i = 0; i < s.len; i++) {
		crc ^= (unsigned char)s.bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1)));
	}
	((int64_t *)r->out)[r->row] = (int64_t)(uint32_t)~crc;
}

#define XX1 0x9e3779b185ebca87u
#define XX2 0xc2b2ae3d27d4eb4fu
#define XX3 0x165667b19e3779f9u
#define XX4 0x85ebca77c2b2ae63u
#define XX5 0x27d4eb2f165667c5u

static uint64_t rotate(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static uint64_t load64(const char *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof value);
	return value;
}

static uint64_t load32(const char *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof value);
	return value;
}

static uint64_t xx_round(uint64_t lane, uint64_t input)
{
	return rotate(lane + input * XX2, 31) * XX1;
}

/* The four lanes of the long part; moves *bytes behind it. */
static uint64_t xx_long(const char **bytes, const char *end)
{
	uint64_t lanes[4] = {XX1 + XX2, XX2, 0, 0 - XX1}, h;

	for (; end - *bytes >= 32; *bytes += 32)
		for (int i = 0; i < 4; i++)
			lanes[i] = xx_round(lanes[i], load64(*bytes + 8 * i));
	h = rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12) + rotate(lanes[3], 18);
	for (int i = 0; i < 4; i++)
		h = (h ^ xx_round(0, lanes[i])) * XX1 + XX4;
	return h;
}

static uint64_t xxhash(const char *bytes, size_t len)
{
	const char *end = bytes + len;
	uint64_t h = len >= 32 ? xx_long(&bytes, end) : XX5;

	h += len;
	for (; end - bytes >= 8; bytes += 8)
		h = rotate(h ^ xx_round(0, load64(bytes)), 27) * XX1 + XX4;
	if (end - bytes >= 4) {
		h = rotate(h ^ load32(bytes) * XX1, 23) * XX2 + XX3;
		bytes += 4;
	}
	for (; bytes < end; bytes++)
		h = rotate(h ^ (unsigned char)*bytes * XX5, 11) * XX1;
	h = (h ^ h >> 33) * XX2;
	h = (h ^ h >> 29) * XX3;
	return h ^ h >> 32;
}

static void give_big_endian(struct sm_fn_row *r, uint64_t value, unsigned size)
{
	char out[8] = {0};

	for (unsigned i = 0; i < size; i++)
		out[i] = (char)(value >> (8 * (size - 1 - i)));
	sm_fn_set_text(r, out, size);
}

static void xxhash64(struct sm_fn_row *r)
{
	struct sm_slice s = sm_fn_text(r, 0);

	give_big_endian(r, xxhash(s.bytes, s.len), 8);
}

/* ---- digests ---- */

static void digest(struct sm_fn_row *r, const EVP_MD *algorithm)
{
	struct sm_slice s = sm_fn_text(r, 0);
	unsigned char out[EVP_MAX_MD_SIZE];
	unsigned len;

	if (EVP_Digest(s.bytes, s.len, out, &len, algorithm, NULL) == 1)
		sm_fn_set_text(r, (char *)out, len);
	else
		sm_fn_fail(r, "the digest is not available");
}

static void hmac(struct sm_fn_row *r, const EVP_MD *algorithm)
{
	struct sm_slice s = sm_fn_text(r, 0), key = sm_fn_text(r, 1);
	unsigned char out[EVP_MAX_MD_SIZE];
	unsigned len;

	if (HMAC(algorithm, key.bytes, (int)key.len, (const unsigned char *)s.bytes, s.len, out, &len) != NULL)
		sm_fn_set_text(r, (char *)out, len);
	else
		sm_fn_fail(r, "the digest is not available");
}

#define DIGESTS(name)                                                                                                  \
	static void digest_##name(struct sm_fn_row *r)                                                                     \
	{                                                                                                                  \
		digest(r, EVP_##name());                                                                                       \
	}                                                                                                                  \
	static void hmac_##name(struct sm_fn_row *r)                                                                       \
	{                                                                                                                  \
		hmac(r, EVP_##name());                                                                                         \
	}

DIGESTS(md5)
DIGESTS(sha1)
DIGESTS(sha256)
DIGESTS(sha512)

/* ---- encodings ---- */

static const char alphabet32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
static const char alphabet64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* bits per character, characters per group */
static void encode(struct sm_fn_row *r, const char *alphabet, unsigned bits, unsigned group)
{
	struct sm_slice s = sm_fn_text(r, 0);
	uint32_t pool = 0;
	unsigned held = 0;

	for (size_t i = 0; i < s.len; i++) {
		pool = pool << 8 | (unsigned char)s.bytes[i];
		for (held += 8; held >= bits; held -= bits)
			sm_buf_addc(r->text, alphabet[pool >> (held - bits) & ((1u << bits) - 1)]);
	}
	if (held > 0)
		sm_buf_addc(r->text, alphabet[pool << (bits - held) & ((1u << bits) - 1)]);
	while (r->text->len % group != 0)
		sm_buf_addc(r->text, '=');
	give(r);
}

static void decode(struct sm_fn_row *r, const char *alphabet, unsigned bits)
{
	struct sm_slice s = sm_fn_text(r, 0);
	uint32_t pool = 0;
	unsigned held = 0;

	while (s.len > 0 && s.bytes[s.len - 1] == '=')
		s.len--;
	for (size_t i = 0; i < s.len; i++) {
		const char *at = s.bytes[i] != '\0' ? strchr(alphabet, s.bytes[i]) : NULL;
		if (at == NULL) {
			sm_fn_fail(r, "Illegal base%u character", bits == 5 ? 32u : 64u);
			return;
		}
		pool = pool << bits | (uint32_t)(at - alphabet);
		held += bits;
		if (held >= 8) {
			held -= 8;
			sm_buf_addc(r->text, (char)(pool >> held));
		}
	}
	give(r);
}

static void to_base32(struct sm_fn_row *r)
{
	encode(r, alphabet32, 5, 8);
}

static void from_base32(struct sm_fn_row *r)
{
	decode(r, alphabet32, 5);
}

static void to_base64url(struct sm_fn_row *r)
{
	encode(r, alphabet64, 6, 4);
}

static void from_base64url(struct sm_fn_row *r)
{
	decode(r, alphabet64, 6);
}

static bool take_big_endian(struct sm_fn_row *r, unsigned size, uint64_t *value)
{
	struct sm_slice s = sm_fn_text(r, 0);

	*value = 0;
	if (s.len != size) {
		sm_fn_fail(r, "expected %u-byte input, but got instead: %zu", size, s.len);
		return false;
	}
	for (size_t i = 0; i < size; i++)
		*value = *value << 8 | (unsigned char)s.bytes[i];
	return true;
}

static void to_big_endian_64(struct sm_fn_row *r)
{
	give_big_endian(r, ((const uint64_t *)r->data[0])[r->row], 8);
}

static void to_big_endian_32(struct sm_fn_row *r)
{
	give_big_endian(r, ((const uint32_t *)r->data[0])[r->row], 4);
}

static void from_big_endian_64(struct sm_fn_row *r)
{
	uint64_t value;

	if (take_big_endian(r, 8, &value))
		((uint64_t *)r->out)[r->row] = value;
}

static void from_big_endian_32(struct sm_fn_row *r)
{
	uint64_t value;

	if (take_big_endian(r, 4, &value))
		((uint32_t *)r->out)[r->row] = (uint32_t)value;
}

const struct sm_fn sm_fn_bytes_list[] = {
    {"trino_crc32", "x", 'l', crc32},
    {"trino_xxhash64", "x", 'x', xxhash64},
    {"trino_md5", "x", 'x', digest_md5},
    {"trino_sha1", "x", 'x', digest_sha1},
    {"trino_sha256", "x", 'x', digest_sha256},
    {"trino_sha512", "x", 'x', digest_sha512},
    {"trino_hmac_md5", "xx", 'x', hmac_md5},
    {"trino_hmac_sha1", "xx", 'x', hmac_sha1},
    {"trino_hmac_sha256", "xx", 'x', hmac_sha256},
    {"trino_hmac_sha512", "xx", 'x', hmac_sha512},
    {"trino_to_base32", "x", 'v', to_base32},
    {"trino_from_base32", "v", 'x', from_base32},
    {"trino_to_base64url", "x", 'v', to_base64url},
    {"trino_from_base64url", "v", 'x', from_base64url},
    {"trino_to_big_endian_64", "l", 'x', to_big_endian_64},
    {"trino_to_big_endian_32", "i", 'x', to_big_endian_32},
    {"trino_from_big_endian_64", "x", 'l', from_big_endian_64},
    {"trino_from_big_endian_32", "x", 'i', from_big_endian_32},
    /* IEEE 754 is the same bytes seen as a number. */
    {"trino_to_ieee754_64", "d", 'x', to_big_endian_64},
    {"trino_to_ieee754_32", "f", 'x', to_big_endian_32},
    {"trino_from_ieee754_64", "x", 'd', from_big_endian_64},
    {"trino_from_ieee754_32", "x", 'f', from_big_endian_32},
    {NULL, NULL, 0, NULL},
};
