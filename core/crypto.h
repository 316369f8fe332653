/*
 * crypto: encodings, randomness and signatures, on OpenSSL. Hashes: checksum.h and sha256.h.
 *
 * Pure calls without state; safe on any thread. OpenSSL starts itself at the first call that needs it. Keeps no keys.
 */
#ifndef SM_CRYPTO_H
#define SM_CRYPTO_H

#include "checksum.h"
#include "status.h"

#include <stdbool.h>
#include <stdint.h>

/* The checksum of a file, read piece by piece; blocks. */
enum sm_status sm_crypto_hash_file(enum sm_checksum kind, const char *path, unsigned char out[SM_CHECKSUM_MAX],
                                   size_t *out_len, struct sm_error *err);
/* The system's own, fit for keys; no state here that a copy of this process could share. */
enum sm_status sm_crypto_random(void *out, size_t len, struct sm_error *err);
/* Fresh randomness for OpenSSL (its TLS): this process continues from a copy whose twins know the old state. */
enum sm_status sm_crypto_reseed(struct sm_error *err);
/* Takes the same time wherever the bytes differ. */
bool sm_crypto_equal(const void *a, const void *b, size_t len);

/*
 * Encodings into the caller's memory; they return, or set, the number of bytes. The url forms use "-_" and no padding.
 * Decoding takes exactly what encoding gives (hexadecimal digits of either case).
 */
#define SM_HEX_SIZE(len) ((len)*2)
#define SM_BASE64_SIZE(len) (((len) + 2) / 3 * 4)
size_t sm_crypto_hex(const void *data, size_t len, char *out);
size_t sm_crypto_base64(const void *data, size_t len, bool url, char *out);
/* out: len / 2 bytes. */
enum sm_status sm_crypto_unhex(const char *text, size_t len, char *out, size_t *out_len, struct sm_error *err);
/* out: len / 4 * 3 + 3 bytes. */
enum sm_status sm_crypto_unbase64(const char *text, size_t len, bool url, char *out, size_t *out_len,
                                  struct sm_error *err);

struct sm_bytes {
	const void *data;
	size_t len;
};

/*
 * RS256: RSASSA-PKCS1-v1_5 with SHA-256, key from modulus n and exponent e (big endian). SM_INVALID: the key cannot be
 * used; SM_REFUSED: the signature does not fit.
 */
enum sm_status sm_crypto_verify_rs256(struct sm_bytes n, struct sm_bytes e, struct sm_bytes data,
                                      struct sm_bytes signature, struct sm_error *err);
/* ES256: ECDSA on P-256 with SHA-256; x, y, and the signature as r || s of 32 bytes each. */
enum sm_status sm_crypto_verify_es256(struct sm_bytes x, struct sm_bytes y, struct sm_bytes data,
                                      struct sm_bytes signature, struct sm_error *err);

/* A private key of P-256, opened from PEM. */
struct sm_es256;
/* SM_INVALID: no PEM, or another kind of key. Nothing of the text gets into the message. */
enum sm_status sm_es256_open(struct sm_bytes pem, struct sm_es256 **key, struct sm_error *err);
void sm_es256_close(struct sm_es256 *key); /* NULL is allowed */
/* The public point. */
enum sm_status sm_es256_public(const struct sm_es256 *key, unsigned char x[32], unsigned char y[32],
                               struct sm_error *err);
/* ECDSA with SHA-256: r || s. */
enum sm_status sm_es256_sign(const struct sm_es256 *key, struct sm_bytes data, unsigned char out[64],
                             struct sm_error *err);

#endif
