#include "checksum.h"

#include <pthread.h>
#include <string.h>

/* Reflected polynomials. */
#define CRC32_IEEE 0xedb88320u
#define CRC32_CASTAGNOLI 0x82f63b78u
#define CRC64_NVME UINT64_C(0x9a6c9329ac4bc9b5)

static uint32_t crc32_tables[8][256], crc32c_tables[8][256];
static uint64_t crc64_tables[8][256];

/* Table t is for a byte that stands t bytes before the end of the eight. */
static void make_tables_32(uint32_t tables[8][256], uint32_t polynomial)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? polynomial : 0);
		tables[0][i] = crc;
	}
	for (uint32_t i = 0; i < 256; i++)
		for (int t = 1; t < 8; t++)
			tables[t][i] = (tables[t - 1][i] >> 8) ^ tables[0][tables[t - 1][i] & 0xff];
}

static void make_tables_64(uint64_t tables[8][256], uint64_t polynomial)
{
	for (uint64_t i = 0; i < 256; i++) {
		uint64_t crc = i;
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? polynomial : 0);
		tables[0][i] = crc;
	}
	for (uint64_t i = 0; i < 256; i++)
		for (int t = 1; t < 8; t++)
			tables[t][i] = (tables[t - 1][i] >> 8) ^ tables[0][tables[t - 1][i] & 0xff];
}

static void make_tables(void)
{
	make_tables_32(crc32_tables, CRC32_IEEE);
	make_tables_32(crc32c_tables, CRC32_CASTAGNOLI);
	make_tables_64(crc64_tables, CRC64_NVME);
}

/* Little endian, whatever the machine; the compilers make one load of it. */
static uint64_t load_64(const unsigned char *p)
{
	uint64_t value = 0;
	for (int i = 7; i >= 0; i--)
		value = value << 8 | p[i];
	return value;
}

static uint32_t crc_32(uint32_t tables[8][256], uint32_t crc, const unsigned char *p, size_t len)
{
	for (; len >= 8; len -= 8, p += 8) {
		uint64_t x = load_64(p) ^ crc;
		crc = tables[7][x & 0xff] ^ tables[6][x >> 8 & 0xff] ^ tables[5][x >> 16 & 0xff] ^ tables[4][x >> 24 & 0xff] ^
		      tables[3][x >> 32 & 0xff] ^ tables[2][x >> 40 & 0xff] ^ tables[1][x >> 48 & 0xff] ^ tables[0][x >> 56];
	}
	for (; len > 0; len--, p++)
		crc = (crc >> 8) ^ tables[0][(crc ^ *p) & 0xff];
	return crc;
}

static uint64_t crc_64(uint64_t crc, const unsigned char *p, size_t len)
{
	uint64_t(*tables)[256] = crc64_tables;
	for (; len >= 8; len -= 8, p += 8) {
		uint64_t x = load_64(p) ^ crc;
		crc = tables[7][x & 0xff] ^ tables[6][x >> 8 & 0xff] ^ tables[5][x >> 16 & 0xff] ^ tables[4][x >> 24 & 0xff] ^
		      tables[3][x >> 32 & 0xff] ^ tables[2][x >> 40 & 0xff] ^ tables[1][x >> 48 & 0xff] ^ tables[0][x >> 56];
	}
	for (; len > 0; len--, p++)
		crc = (crc >> 8) ^ tables[0][(crc ^ *p) & 0xff];
	return crc;
}

void sm_checksum_start(struct sm_checksum_state *state, enum sm_checksum kind)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, make_tables);
	state->kind = kind;
	switch (kind) {
	case SM_SUM_CRC32:
	case SM_SUM_CRC32C:
		state->of.crc32 = UINT32_MAX;
		break;
	case SM_SUM_CRC64NVME:
		state->of.crc64 = UINT64_MAX;
		break;
	case SM_SUM_MD5:
		MD5_Init(&state->of.md5);
		break;
	case SM_SUM_SHA1:
		SHA1_Init(&state->of.sha1);
		break;
	case SM_SUM_SHA256:
		SHA256_Init(&state->of.sha256);
		break;
	case SM_SUM_SHA512:
		SHA512_Init(&state->of.sha512);
		break;
	}
}

void sm_checksum_add(struct sm_checksum_state *state, const void *data, size_t len)
{
	switch (state->kind) {
	case SM_SUM_CRC32:
		state->of.crc32 = crc_32(crc32_tables, state->of.crc32, data, len);
		break;
	case SM_SUM_CRC32C:
		state->of.crc32 = crc_32(crc32c_tables, state->of.crc32, data, len);
		break;
	case SM_SUM_CRC64NVME:
		state->of.crc64 = crc_64(state->of.crc64, data, len);
		break;
	case SM_SUM_MD5:
		MD5_Update(&state->of.md5, data, len);
		break;
	case SM_SUM_SHA1:
		SHA1_Update(&state->of.sha1, data, len);
		break;
	case SM_SUM_SHA256:
		SHA256_Update(&state->of.sha256, data, len);
		break;
	case SM_SUM_SHA512:
		SHA512_Update(&state->of.sha512, data, len);
		break;
	}
}

static size_t put_big_endian(unsigned char *out, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		out[i] = (unsigned char)(value >> 8 * (size - 1 - i));
	return size;
}

size_t sm_checksum_end(struct sm_checksum_state *state, unsigned char out[SM_CHECKSUM_MAX])
{
	switch (state->kind) {
	case SM_SUM_CRC32:
	case SM_SUM_CRC32C:
		return put_big_endian(out, ~state->of.crc32, 4);
	case SM_SUM_CRC64NVME:
		return put_big_endian(out, ~state->of.crc64, 8);
	case SM_SUM_MD5:
		MD5_Final(out, &state->of.md5);
		return MD5_DIGEST_LENGTH;
	case SM_SUM_SHA1:
		SHA1_Final(out, &state->of.sha1);
		return SHA_DIGEST_LENGTH;
	case SM_SUM_SHA256:
		SHA256_Final(out, &state->of.sha256);
		return SHA256_DIGEST_LENGTH;
	default:
		SHA512_Final(out, &state->of.sha512);
		return SHA512_DIGEST_LENGTH;
	}
}

uint32_t sm_checksum_crc32(const void *data, size_t len)
{
	struct sm_checksum_state state;
	sm_checksum_start(&state, SM_SUM_CRC32);
	sm_checksum_add(&state, data, len);
	return ~state.of.crc32;
}
