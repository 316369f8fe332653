/*
 * checksum: the integrity values of AWS requests and answers, in one piece or piece by piece.
 *
 * CRCs with tables, eight bytes a step; hashes by OpenSSL's low-level functions, which start no provider. The state is
 * the caller's memory, needs no end, and nothing can fail. The value is the big-endian bytes that travel as base64.
 */
#ifndef SM_CHECKSUM_H
#define SM_CHECKSUM_H

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/md5.h>
#include <openssl/sha.h>
#include <stddef.h>
#include <stdint.h>

enum sm_checksum {
	SM_SUM_CRC32,
	SM_SUM_CRC32C,
	SM_SUM_CRC64NVME,
	SM_SUM_MD5,
	SM_SUM_SHA1,
	SM_SUM_SHA256,
	SM_SUM_SHA512
};

#define SM_CHECKSUM_MAX 64 /* bytes of the longest value */

struct sm_checksum_state {
	enum sm_checksum kind;
	union {
		uint32_t crc32;
		uint64_t crc64;
		MD5_CTX md5;
		SHA_CTX sha1;
		SHA256_CTX sha256;
		SHA512_CTX sha512;
	} of;
};

void sm_checksum_start(struct sm_checksum_state *state, enum sm_checksum kind);
void sm_checksum_add(struct sm_checksum_state *state, const void *data, size_t len);
/* Returns the number of bytes. The state is used up. */
size_t sm_checksum_end(struct sm_checksum_state *state, unsigned char out[SM_CHECKSUM_MAX]);
/* CRC-32 of zip, gzip and PNG. */
uint32_t sm_checksum_crc32(const void *data, size_t len);

#endif
