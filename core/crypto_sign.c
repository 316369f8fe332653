#include "crypto.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

#define P256_BYTES 32

/* struct sm_es256 is OpenSSL's key under another name: nobody outside needs its headers. */
static EVP_PKEY *pkey(const struct sm_es256 *key)
{
	return (EVP_PKEY *)key;
}

/* A key that asks for a password is refused instead of asked for at the terminal. */
static int no_password(char *out, int size, int writing, void *unused)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)unused;
	return -1;
}

static bool is_p256(EVP_PKEY *key)
{
	char group[32] = "";
	size_t len = 0;
	return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof(group), &len) == 1 &&
	       (strcmp(group, "prime256v1") == 0 || strcmp(group, "P-256") == 0);
}

enum sm_status sm_es256_open(struct sm_bytes pem, struct sm_es256 **key, struct sm_error *err)
{
	enum sm_status status = SM_OK;
	EVP_PKEY *made = NULL;
	BIO *bio = pem.len < 65536 ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
	if (bio != NULL)
		made = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	if (made == NULL || !is_p256(made)) {
		EVP_PKEY_free(made);
		made = NULL;
		status = sm_fail(err, SM_INVALID, "the key is no private key of P-256 in PEM");
	}
	BIO_free(bio);
	ERR_clear_error();
	*key = (struct sm_es256 *)made;
	return status;
}

void sm_es256_close(struct sm_es256 *key)
{
	EVP_PKEY_free(pkey(key));
}

static bool coordinate(EVP_PKEY *key, const char *name, unsigned char out[P256_BYTES])
{
	BIGNUM *number = NULL;
	bool ok = EVP_PKEY_get_bn_param(key, name, &number) == 1 && BN_bn2binpad(number, out, P256_BYTES) == P256_BYTES;
	BN_free(number);
	return ok;
}

enum sm_status sm_es256_public(const struct sm_es256 *key, unsigned char x[32], unsigned char y[32],
                               struct sm_error *err)
{
	bool ok = coordinate(pkey(key), OSSL_PKEY_PARAM_EC_PUB_X, x) && coordinate(pkey(key), OSSL_PKEY_PARAM_EC_PUB_Y, y);
	ERR_clear_error();
	return ok ? SM_OK : sm_fail(err, SM_INVALID, "the key has no public point");
}

/* The DER pair that OpenSSL makes, as two numbers of fixed length. */
static bool raw_pair(const unsigned char *der, size_t len, unsigned char out[2 * P256_BYTES])
{
	ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)len);
	bool ok = pair != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, P256_BYTES) == P256_BYTES &&
	          BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + P256_BYTES, P256_BYTES) == P256_BYTES;
	ECDSA_SIG_free(pair);
	return ok;
}

enum sm_status sm_es256_sign(const struct sm_es256 *key, struct sm_bytes data, unsigned char out[64],
                             struct sm_error *err)
{
	unsigned char der[128];
	size_t len = sizeof(der);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool ok = context != NULL && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, pkey(key)) == 1 &&
	          EVP_DigestSign(context, der, &len, data.data, data.len) == 1 && raw_pair(der, len, out);
	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return ok ? SM_OK : sm_fail(err, SM_INTERNAL, "the signature could not be made");
}
