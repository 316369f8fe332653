#include "crypto.h"

#include "files.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define FILE_STEP ((size_t)64 * 1024)
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 16384 /* larger ones only cost time */
#define P256_BYTES 32

static enum sm_status fail_openssl(struct sm_error *err, const char *what)
{
	char reason[160] = "unknown reason";
	unsigned long code = ERR_get_error();
	if (code != 0)
		ERR_error_string_n(code, reason, sizeof(reason));
	ERR_clear_error();
	return sm_fail(err, SM_INTERNAL, "%s: %s", what, reason);
}

/* ---- hashes ---- */

enum sm_status sm_crypto_hash_file(enum sm_checksum kind, const char *path, unsigned char out[SM_CHECKSUM_MAX],
                                   size_t *out_len, struct sm_error *err)
{
	int fd = -1;
	struct sm_buf buf;
	struct sm_checksum_state state;
	sm_buf_init(&buf, FILE_STEP * 2);
	sm_checksum_start(&state, kind);
	enum sm_status status = sm_files_open(path, "r", &fd, err);
	while (status == SM_OK) {
		sm_buf_reset(&buf);
		status = sm_files_read_at(fd, -1, FILE_STEP, &buf, err);
		if (status != SM_OK || buf.len == 0)
			break;
		sm_checksum_add(&state, buf.data, buf.len);
	}
	*out_len = sm_checksum_end(&state, out);
	if (fd >= 0)
		close(fd);
	sm_buf_free(&buf);
	return status;
}

enum sm_status sm_crypto_random(void *out, size_t len, struct sm_error *err)
{
	char *at = out;
	while (len > 0) {
		ssize_t got = getrandom(at, len, 0);
		if (got < 0 && errno != EINTR)
			return sm_fail(err, SM_IO, "the system gives no random bytes: %s", strerror(errno));
		if (got > 0) {
			at += got;
			len -= (size_t)got;
		}
	}
	return SM_OK;
}

enum sm_status sm_crypto_reseed(struct sm_error *err)
{
	return RAND_poll() == 1 ? SM_OK : fail_openssl(err, "fresh randomness");
}

bool sm_crypto_equal(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

/* ---- encodings ---- */

size_t sm_crypto_hex(const void *data, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = data;
	for (size_t i = 0; i < len; i++) {
		*out++ = digits[p[i] >> 4];
		*out++ = digits[p[i] & 15];
	}
	return len * 2;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum sm_status sm_crypto_unhex(const char *text, size_t len, char *out, size_t *out_len, struct sm_error *err)
{
	if (len % 2 != 0)
		return sm_fail(err, SM_INVALID, "hexadecimal text has an even number of digits");
	for (size_t i = 0; i < len; i += 2) {
		int high = hex_value(text[i]), low = hex_value(text[i + 1]);
		if (high < 0 || low < 0)
			return sm_fail(err, SM_INVALID, "no hexadecimal digit at byte %zu", i + (high < 0 ? 1 : 2));
		*out++ = (char)(high << 4 | low);
	}
	*out_len = len / 2;
	return SM_OK;
}

#define ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

size_t sm_crypto_base64(const void *data, size_t len, bool url, char *out)
{
	const char *alphabet = url ? ALPHABET "-_" : ALPHABET "+/";
	const unsigned char *p = data;
	char *at = out;
	for (; len > 0; p += 3) {
		size_t have = len < 3 ? len : 3;
		uint32_t bits = (uint32_t)p[0] << 16 | (have > 1 ? (uint32_t)p[1] << 8 : 0) | (have > 2 ? p[2] : 0u);
		char quad[4] = {alphabet[bits >> 18], alphabet[bits >> 12 & 63], have > 1 ? alphabet[bits >> 6 & 63] : '=',
		                have > 2 ? alphabet[bits & 63] : '='};
		size_t put = url ? have + 1 : 4;
		memcpy(at, quad, put);
		at += put;
		len -= have;
	}
	return (size_t)(at - out);
}

static int base64_value(char c, bool url)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == (url ? '-' : '+'))
		return 62;
	return c == (url ? '_' : '/') ? 63 : -1;
}

/* Two to four characters; returns 0 for a bad character or bits set that encoding leaves zero. */
static int base64_group(const char *text, size_t count, bool url, unsigned char bytes[3], size_t *bad)
{
	uint32_t bits = 0;
	for (size_t i = 0; i < 4; i++) {
		int value = i < count ? base64_value(text[i], url) : 0;
		*bad = i;
		if (value < 0)
			return 0;
		bits = bits << 6 | (uint32_t)value;
	}
	*bad = count - 1;
	bytes[0] = (unsigned char)(bits >> 16);
	bytes[1] = (unsigned char)(bits >> 8);
	bytes[2] = (unsigned char)bits;
	return count == 4 || (bits & (count == 3 ? 0xffu : 0xffffu)) == 0;
}

enum sm_status sm_crypto_unbase64(const char *text, size_t len, bool url, char *out, size_t *out_len,
                                  struct sm_error *err)
{
	size_t body = len;
	*out_len = 0;
	if (!url && len % 4 != 0)
		return sm_fail(err, SM_INVALID, "base64 comes in groups of four characters");
	for (int pads = 0; !url && body > 0 && pads < 2 && text[body - 1] == '='; pads++)
		body--;
	if (body % 4 == 1)
		return sm_fail(err, SM_INVALID, "base64 ends too early");
	for (size_t i = 0; i < body; i += 4) {
		unsigned char bytes[3];
		size_t bad, count = body - i < 4 ? body - i : 4;
		if (!base64_group(text + i, count, url, bytes, &bad))
			return sm_fail(err, SM_INVALID, "no base64 at byte %zu", i + bad + 1);
		memcpy(out + *out_len, bytes, count - 1);
		*out_len += count - 1;
	}
	return SM_OK;
}

/* ---- signatures ---- */

/* Makes a public key of the kind from parameters; takes neither. NULL: they make no key. */
static EVP_PKEY *make_key(const char *kind, OSSL_PARAM_BLD *builder)
{
	EVP_PKEY *key = NULL;
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
	if (params == NULL || context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
	    EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(context);
	OSSL_PARAM_free(params);
	return key;
}

static enum sm_status verify_sha256(EVP_PKEY *key, struct sm_bytes data, const unsigned char *signature, size_t len,
                                    struct sm_error *err)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	int fits = context != NULL && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
	           EVP_DigestVerify(context, signature, len, data.data, data.len) == 1;
	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return fits ? SM_OK : sm_fail(err, SM_REFUSED, "the signature does not fit");
}

enum sm_status sm_crypto_verify_rs256(struct sm_bytes n, struct sm_bytes e, struct sm_bytes data,
                                      struct sm_bytes signature, struct sm_error *err)
{
	enum sm_status status;
	EVP_PKEY *key = NULL;
	if (n.len > RSA_BITS_MAX / 8 + 1 || e.len > 8)
		return sm_fail(err, SM_INVALID, "the RSA key is too long");
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	BIGNUM *modulus = BN_bin2bn(n.data, (int)n.len, NULL), *exponent = BN_bin2bn(e.data, (int)e.len, NULL);
	if (builder == NULL || modulus == NULL || exponent == NULL) {
		status = sm_fail(err, SM_NOMEM, "no memory for the key");
		goto done;
	}
	if (BN_num_bits(modulus) < RSA_BITS_MIN || !BN_is_odd(modulus) || !BN_is_odd(exponent) || BN_is_one(exponent)) {
		status = sm_fail(err, SM_INVALID, "the RSA key is weak or malformed (2048 bits or more are needed)");
		goto done;
	}
	if (OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
	    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent) == 1)
		key = make_key("RSA", builder);
	status = key != NULL ? verify_sha256(key, data, signature.data, signature.len, err)
	                     : sm_fail(err, SM_INVALID, "the RSA key cannot be used");
done:
	EVP_PKEY_free(key);
	BN_free(modulus);
	BN_free(exponent);
	OSSL_PARAM_BLD_free(builder);
	ERR_clear_error();
	return status;
}

/* r || s becomes the DER form that OpenSSL takes; *der is freed with OPENSSL_free. Returns its length, or -1. */
static int signature_der(struct sm_bytes raw, unsigned char **der)
{
	int len = -1;
	const unsigned char *bytes = raw.data;
	ECDSA_SIG *pair = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(bytes, P256_BYTES, NULL), *s = BN_bin2bn(bytes + P256_BYTES, P256_BYTES, NULL);
	if (pair != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(pair, r, s) == 1) {
		r = s = NULL; /* pair owns them */
		len = i2d_ECDSA_SIG(pair, der);
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(pair);
	return len;
}

static EVP_PKEY *p256_key(struct sm_bytes x, struct sm_bytes y)
{
	unsigned char point[1 + 2 * P256_BYTES] = {4}; /* uncompressed */
	memcpy(point + 1, x.data, P256_BYTES);
	memcpy(point + 1 + P256_BYTES, y.data, P256_BYTES);
	EVP_PKEY *key = NULL;
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	if (builder != NULL && OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1 &&
	    OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) == 1)
		key = make_key("EC", builder);
	OSSL_PARAM_BLD_free(builder);
	return key;
}

enum sm_status sm_crypto_verify_es256(struct sm_bytes x, struct sm_bytes y, struct sm_bytes data,
                                      struct sm_bytes signature, struct sm_error *err)
{
	unsigned char *der = NULL;
	enum sm_status status;
	if (x.len != P256_BYTES || y.len != P256_BYTES)
		return sm_fail(err, SM_INVALID, "x and y of a P-256 key have 32 bytes each");
	if (signature.len != 2 * P256_BYTES)
		return sm_fail(err, SM_REFUSED, "an ES256 signature has 64 bytes");
	EVP_PKEY *key = p256_key(x, y);
	int len = key != NULL ? signature_der(signature, &der) : -1;
	if (key == NULL)
		status = sm_fail(err, SM_INVALID, "x and y are no point of P-256");
	else if (len < 0)
		status = sm_fail(err, SM_NOMEM, "no memory for the signature");
	else
		status = verify_sha256(key, data, der, (size_t)len, err);
	OPENSSL_free(der);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return status;
}
