/*
 * sha256: SHA-256 and HMAC-SHA-256 without starting OpenSSL's providers.
 *
 * The low-level functions need no configuration and no provider (their start costs as much as a hundred signatures).
 * Pure calls on the caller's memory; no allocation, nothing can fail. A key state is secret: wipe it.
 */
#ifndef SM_SHA256_H
#define SM_SHA256_H

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
#include <stddef.h>

#define SM_SHA256_BYTES 32
#define SM_SHA256_HEX 64

/* An HMAC key with its first blocks worked in already; for many messages under one key. */
struct sm_hmac {
	SHA256_CTX inner, outer;
};

void sm_sha256(const void *data, size_t len, unsigned char out[SM_SHA256_BYTES]);
/* Lower-case digits, no NUL. */
void sm_sha256_hex(const void *data, size_t len, char out[SM_SHA256_HEX]);

void sm_hmac_key(struct sm_hmac *hmac, const void *key, size_t len);
/* Keeps the key. */
void sm_hmac_of(const struct sm_hmac *hmac, const void *data, size_t len, unsigned char out[SM_SHA256_BYTES]);
/* One message. */
void sm_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, unsigned char out[SM_SHA256_BYTES]);

#endif
