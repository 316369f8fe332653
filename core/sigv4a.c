/*
 * Version 4a: an ECDSA key on P-256, the same for every region, is derived from the secret key; signatures are
 * DER pairs and differ on each run.
 */
#include "sigv4.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <string.h>

#define KEY_BYTES SM_SHA256_BYTES
#define ACCESS_KEY_MAX 128
#define SECRET_MAX 256

/* The order of P-256 less 2, big endian. */
static const unsigned char order_less_two[KEY_BYTES] = {
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x4f};

/* One candidate: HMAC of counter, label and access key; false when it is too large and the next is to be tried. */
static bool candidate(const struct sm_hmac *hmac, struct sm_bytes access_key, unsigned char counter,
                      unsigned char key[KEY_BYTES])
{
	static const char label[] = "AWS4-ECDSA-P256-SHA256"; /* with its NUL */
	static const unsigned char one[4] = {0, 0, 0, 1}, bits[4] = {0, 0, 1, 0};
	unsigned char text[sizeof(one) + sizeof(label) + ACCESS_KEY_MAX + 1 + sizeof(bits)], *at = text;
	memcpy(at, one, sizeof(one));
	at += sizeof(one);
	memcpy(at, label, sizeof(label));
	at += sizeof(label);
	memcpy(at, access_key.data, access_key.len);
	at += access_key.len;
	*at++ = counter;
	memcpy(at, bits, sizeof(bits));
	at += sizeof(bits);
	sm_hmac_of(hmac, text, (size_t)(at - text), key);
	return memcmp(key, order_less_two, KEY_BYTES) <= 0;
}

/* The private number: the first candidate that fits, plus one. */
static enum sm_status derive(const struct sm_sigv4_scope *scope, unsigned char key[KEY_BYTES], struct sm_error *err)
{
	unsigned char secret[5 + SECRET_MAX] = "AWS4A";
	struct sm_hmac hmac;
	bool found = false;
	if (scope->access_key.len > ACCESS_KEY_MAX || scope->secret_key.len > SECRET_MAX)
		return sm_fail(err, SM_INVALID, "the access key or the secret key is too long");
	memcpy(secret + 5, scope->secret_key.data, scope->secret_key.len);
	sm_hmac_key(&hmac, secret, 5 + scope->secret_key.len);
	for (unsigned counter = 1; counter <= 254 && !found; counter++)
		found = candidate(&hmac, scope->access_key, (unsigned char)counter, key);
	for (int i = KEY_BYTES - 1; found && i >= 0 && ++key[i] == 0; i--)
		continue; /* carries */
	OPENSSL_cleanse(secret, sizeof(secret));
	OPENSSL_cleanse(&hmac, sizeof(hmac));
	return found ? SM_OK : sm_fail(err, SM_INVALID, "no signing key can be derived from these credentials");
}

static EVP_PKEY *make_key(const unsigned char bytes[KEY_BYTES])
{
	EVP_PKEY *key = NULL;
	OSSL_PARAM *params = NULL;
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	BIGNUM *number = BN_bin2bn(bytes, KEY_BYTES, NULL);
	if (builder != NULL && context != NULL && number != NULL &&
	    OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1 &&
	    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, number) == 1)
		params = OSSL_PARAM_BLD_to_param(builder);
	if (params == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
	    EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, params) != 1)
		key = NULL;
	OSSL_PARAM_free(params);
	BN_clear_free(number);
	EVP_PKEY_CTX_free(context);
	OSSL_PARAM_BLD_free(builder);
	return key;
}

void sm_sigv4a_forget(struct sm_sigv4 *signer)
{
	EVP_PKEY_free(signer->v4a_key);
	signer->v4a_key = NULL;
	if (signer->v4a_of.len > 0)
		OPENSSL_cleanse(signer->v4a_of.data, signer->v4a_of.len);
	sm_buf_reset(&signer->v4a_of);
}

static bool is_kept(const struct sm_sigv4 *signer, const struct sm_sigv4_scope *scope)
{
	struct sm_bytes access = scope->access_key, secret = scope->secret_key;
	return signer->v4a_key != NULL && signer->v4a_of.len == access.len + secret.len &&
	       memcmp(signer->v4a_of.data, access.data, access.len) == 0 &&
	       memcmp(signer->v4a_of.data + access.len, secret.data, secret.len) == 0;
}

/* The key of these credentials, kept until others come. */
static enum sm_status need_key(struct sm_sigv4 *signer, const struct sm_sigv4_scope *scope, struct sm_error *err)
{
	unsigned char bytes[KEY_BYTES];
	if (is_kept(signer, scope))
		return SM_OK;
	sm_sigv4a_forget(signer);
	enum sm_status status = derive(scope, bytes, err);
	if (status != SM_OK)
		return status;
	EVP_PKEY *key = make_key(bytes);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	ERR_clear_error();
	if (key == NULL)
		return sm_fail(err, SM_INTERNAL, "no signing key could be made");
	signer->v4a_key = key;
	if (sm_buf_add(&signer->v4a_of, scope->access_key.data, scope->access_key.len) != SM_OK ||
	    sm_buf_add(&signer->v4a_of, scope->secret_key.data, scope->secret_key.len) != SM_OK) {
		sm_sigv4a_forget(signer);
		return sm_fail(err, SM_NOMEM, "no memory for a signing key");
	}
	return SM_OK;
}

enum sm_status sm_sigv4a_sign(struct sm_sigv4 *signer, const struct sm_sigv4_scope *scope, struct sm_error *err)
{
	unsigned char der[SM_SIGV4_SIGNATURE / 2];
	size_t len = sizeof(der);
	enum sm_status status = need_key(signer, scope, err);
	if (status != SM_OK)
		return status;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	if (context == NULL || EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, signer->v4a_key) != 1 ||
	    EVP_DigestSign(context, der, &len, (const unsigned char *)signer->to_sign.data, signer->to_sign.len) != 1)
		status = sm_fail(err, SM_INTERNAL, "the signature could not be made");
	else
		signer->signature[sm_crypto_hex(der, len, signer->signature)] = '\0';
	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return status;
}
