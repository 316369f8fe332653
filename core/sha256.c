#include "sha256.h"

#include "crypto.h"

#include <openssl/crypto.h>
#include <string.h>

#define BLOCK 64

void sm_sha256(const void *data, size_t len, unsigned char out[SM_SHA256_BYTES])
{
	SHA256_CTX context;
	SHA256_Init(&context);
	SHA256_Update(&context, data, len);
	SHA256_Final(out, &context);
}

void sm_sha256_hex(const void *data, size_t len, char out[SM_SHA256_HEX])
{
	unsigned char digest[SM_SHA256_BYTES];
	sm_sha256(data, len, digest);
	sm_crypto_hex(digest, sizeof(digest), out);
}

static void start_padded(SHA256_CTX *context, const unsigned char key[BLOCK], unsigned char with)
{
	unsigned char block[BLOCK];
	for (size_t i = 0; i < BLOCK; i++)
		block[i] = key[i] ^ with;
	SHA256_Init(context);
	SHA256_Update(context, block, BLOCK);
	OPENSSL_cleanse(block, sizeof(block));
}

void sm_hmac_key(struct sm_hmac *hmac, const void *key, size_t len)
{
	unsigned char padded[BLOCK] = {0};
	if (len > BLOCK)
		sm_sha256(key, len, padded);
	else if (len > 0)
		memcpy(padded, key, len);
	start_padded(&hmac->inner, padded, 0x36);
	start_padded(&hmac->outer, padded, 0x5c);
	OPENSSL_cleanse(padded, sizeof(padded));
}

void sm_hmac_of(const struct sm_hmac *hmac, const void *data, size_t len, unsigned char out[SM_SHA256_BYTES])
{
	SHA256_CTX context = hmac->inner;
	SHA256_Update(&context, data, len);
	SHA256_Final(out, &context);
	context = hmac->outer;
	SHA256_Update(&context, out, SM_SHA256_BYTES);
	SHA256_Final(out, &context);
	OPENSSL_cleanse(&context, sizeof(context));
}

void sm_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, unsigned char out[SM_SHA256_BYTES])
{
	struct sm_hmac hmac;
	sm_hmac_key(&hmac, key, key_len);
	sm_hmac_of(&hmac, data, len, out);
	OPENSSL_cleanse(&hmac, sizeof(hmac));
}
