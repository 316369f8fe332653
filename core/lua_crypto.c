/*
 * sm.crypto: hashes, encodings, randomness, signatures. Bytes are Lua strings. Nothing waits, except sha256_file.
 *
 * Decoders and verify answer nil, message, code: "invalid" (malformed text or key), "refused" (the signature does not
 * fit).
 */
#include "crypto.h"
#include "lua_job.h"
#include "lua_result.h"
#include "sha256.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#define RANDOM_MAX (1 << 20)

static int push_hash(lua_State *L, enum sm_checksum kind)
{
	struct sm_checksum_state state;
	unsigned char out[SM_CHECKSUM_MAX];
	size_t len;
	const char *data = luaL_checklstring(L, 1, &len);
	sm_checksum_start(&state, kind);
	sm_checksum_add(&state, data, len);
	lua_pushlstring(L, (const char *)out, sm_checksum_end(&state, out));
	return 1;
}

/* md5(data) -> 16 bytes. For checksums that others ask for, never for security. */
static int l_md5(lua_State *L)
{
	return push_hash(L, SM_SUM_MD5);
}

/* sha1(data) -> 20 bytes. For checksums that others ask for, never for security. */
static int l_sha1(lua_State *L)
{
	return push_hash(L, SM_SUM_SHA1);
}

/* sha256(data) -> 32 bytes. */
static int l_sha256(lua_State *L)
{
	return push_hash(L, SM_SUM_SHA256);
}

/* sha512(data) -> 64 bytes. */
static int l_sha512(lua_State *L)
{
	return push_hash(L, SM_SUM_SHA512);
}

/* hmac_sha256(key, data) -> 32 bytes. */
static int l_hmac_sha256(lua_State *L)
{
	unsigned char out[SM_SHA256_BYTES];
	size_t key_len, len;
	const char *key = luaL_checklstring(L, 1, &key_len), *data = luaL_checklstring(L, 2, &len);
	sm_hmac_sha256(key, key_len, data, len, out);
	lua_pushlstring(L, (const char *)out, sizeof(out));
	return 1;
}

struct hash_job {
	struct sm_job job;
	enum sm_status status;
	struct sm_error err;
	unsigned char out[SM_CHECKSUM_MAX];
	size_t len;
	char path[];
};

static void hash_run(struct sm_job *job)
{
	struct hash_job *hash = (struct hash_job *)job;
	hash->status = sm_crypto_hash_file(SM_SUM_SHA256, hash->path, hash->out, &hash->len, &hash->err);
}

static int hash_push(lua_State *L, struct sm_job *job)
{
	struct hash_job *hash = (struct hash_job *)job;
	if (hash->status != SM_OK)
		return sm_push_error(L, &hash->err);
	lua_pushlstring(L, (const char *)hash->out, hash->len);
	return 1;
}

static void hash_free(struct sm_job *job)
{
	free(job);
}

/* sha256_file(path) -> 32 bytes | nil, message, code. Waits. */
static int l_sha256_file(lua_State *L)
{
	size_t len;
	const char *path = luaL_checklstring(L, 1, &len);
	luaL_argcheck(L, len > 0 && strlen(path) == len, 1, "a path is not empty and has no NUL byte");
	struct hash_job *hash = calloc(1, sizeof(*hash) + len + 1);
	if (hash == NULL)
		return sm_push_fail(L, SM_NOMEM, "no memory");
	memcpy(hash->path, path, len + 1);
	hash->job = (struct sm_job){.run = hash_run, .push = hash_push, .free = hash_free};
	return sm_job_start(L, &hash->job);
}

/* hex(data) -> lower-case text. */
static int l_hex(lua_State *L)
{
	size_t len;
	luaL_Buffer b;
	const char *data = luaL_checklstring(L, 1, &len);
	char *out = luaL_buffinitsize(L, &b, SM_HEX_SIZE(len));
	luaL_pushresultsize(&b, sm_crypto_hex(data, len, out));
	return 1;
}

/* unhex(text) -> bytes | nil, message, code. */
static int l_unhex(lua_State *L)
{
	struct sm_error err;
	size_t len, out_len;
	luaL_Buffer b;
	const char *text = luaL_checklstring(L, 1, &len);
	char *out = luaL_buffinitsize(L, &b, len / 2 + 1);
	if (sm_crypto_unhex(text, len, out, &out_len, &err) != SM_OK)
		return sm_push_error(L, &err);
	luaL_pushresultsize(&b, out_len);
	return 1;
}

static int push_base64(lua_State *L, bool url)
{
	size_t len;
	luaL_Buffer b;
	const char *data = luaL_checklstring(L, 1, &len);
	char *out = luaL_buffinitsize(L, &b, SM_BASE64_SIZE(len));
	luaL_pushresultsize(&b, sm_crypto_base64(data, len, url, out));
	return 1;
}

static int push_unbase64(lua_State *L, bool url)
{
	struct sm_error err;
	size_t len, out_len;
	luaL_Buffer b;
	const char *text = luaL_checklstring(L, 1, &len);
	char *out = luaL_buffinitsize(L, &b, len / 4 * 3 + 3);
	if (sm_crypto_unbase64(text, len, url, out, &out_len, &err) != SM_OK)
		return sm_push_error(L, &err);
	luaL_pushresultsize(&b, out_len);
	return 1;
}

/* base64(data) -> text with padding. */
static int l_base64(lua_State *L)
{
	return push_base64(L, false);
}

/* unbase64(text) -> bytes | nil, message, code. Strict: padding, no blanks, no stray bits. */
static int l_unbase64(lua_State *L)
{
	return push_unbase64(L, false);
}

/* base64url(data) -> text for URLs and tokens, without padding. */
static int l_base64url(lua_State *L)
{
	return push_base64(L, true);
}

/* unbase64url(text) -> bytes | nil, message, code. Strict: no padding, no stray bits. */
static int l_unbase64url(lua_State *L)
{
	return push_unbase64(L, true);
}

/* crc32(data) -> integer from 0 to 2^32 - 1. */
static int l_crc32(lua_State *L)
{
	size_t len;
	const char *data = luaL_checklstring(L, 1, &len);
	lua_pushinteger(L, (lua_Integer)sm_checksum_crc32(data, len));
	return 1;
}

/* random(n) -> n bytes fit for keys; n up to 1 MiB. */
static int l_random(lua_State *L)
{
	struct sm_error err;
	luaL_Buffer b;
	lua_Integer count = luaL_checkinteger(L, 1);
	luaL_argcheck(L, count >= 0 && count <= RANDOM_MAX, 1, "0 to 1048576 bytes");
	char *out = luaL_buffinitsize(L, &b, (size_t)count);
	if (sm_crypto_random(out, (size_t)count, &err) != SM_OK)
		return luaL_error(L, "%s", err.message);
	luaL_pushresultsize(&b, (size_t)count);
	return 1;
}

/* reseed(): fresh randomness from the system, after the process was restored from a snapshot. */
static int l_reseed(lua_State *L)
{
	struct sm_error err;
	if (sm_crypto_reseed(&err) != SM_OK)
		return luaL_error(L, "%s", err.message);
	return 0;
}

/* uuid() -> a random UUID (version 4) as 36 characters. */
static int l_uuid(lua_State *L)
{
	struct sm_error err;
	unsigned char bytes[16];
	char hex[32], text[36], *at = text;
	if (sm_crypto_random(bytes, sizeof(bytes), &err) != SM_OK)
		return luaL_error(L, "%s", err.message);
	bytes[6] = (bytes[6] & 0x0f) | 0x40;
	bytes[8] = (bytes[8] & 0x3f) | 0x80;
	sm_crypto_hex(bytes, sizeof(bytes), hex);
	for (int i = 0; i < 32; i++) {
		if (i == 8 || i == 12 || i == 16 || i == 20)
			*at++ = '-';
		*at++ = hex[i];
	}
	lua_pushlstring(L, text, sizeof(text));
	return 1;
}

/* equal(a, b) -> whether two strings are the same, in a time that does not tell where they differ. */
static int l_equal(lua_State *L)
{
	size_t a_len, b_len;
	const char *a = luaL_checklstring(L, 1, &a_len), *b = luaL_checklstring(L, 2, &b_len);
	lua_pushboolean(L, a_len == b_len && sm_crypto_equal(a, b, a_len));
	return 1;
}

/* Pushes the decoded field of the key at 2; false with nil, message, code pushed. */
static bool key_part(lua_State *L, const char *name, struct sm_bytes *part)
{
	struct sm_error err;
	size_t len;
	luaL_Buffer b;
	if (lua_getfield(L, 2, name) != LUA_TSTRING) {
		sm_push_fail(L, SM_INVALID, "the key has no \"%s\"", name);
		return false;
	}
	const char *text = lua_tolstring(L, -1, &len);
	char *out = luaL_buffinitsize(L, &b, len / 4 * 3 + 3);
	if (sm_crypto_unbase64(text, len, true, out, &part->len, &err) != SM_OK) {
		sm_push_fail(L, SM_INVALID, "\"%s\" of the key: %s", name, err.message);
		return false;
	}
	luaL_pushresultsize(&b, part->len);
	part->data = lua_tostring(L, -1);
	return true;
}

/* A key that states its type must state the right one. */
static bool key_is(lua_State *L, const char *kind)
{
	bool right = lua_getfield(L, 2, "kty") == LUA_TNIL ||
	             (lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), kind) == 0);
	lua_pop(L, 1);
	return right;
}

/*
 * verify(alg, jwk, data, signature) -> true | nil, message, code ("refused": does not fit; "invalid": the key).
 * alg: "RS256" (jwk has n, e) or "ES256" (jwk has x, y); signature as raw bytes, for ES256 r || s.
 */
static int l_verify(lua_State *L)
{
	static const char *const algs[] = {"RS256", "ES256", NULL};
	struct sm_error err;
	struct sm_bytes data, signature, first, second;
	bool rsa = luaL_checkoption(L, 1, NULL, algs) == 0;
	luaL_checktype(L, 2, LUA_TTABLE);
	data.data = luaL_checklstring(L, 3, &data.len);
	signature.data = luaL_checklstring(L, 4, &signature.len);
	if (!key_is(L, rsa ? "RSA" : "EC"))
		return sm_push_fail(L, SM_INVALID, "the key is of another kind (kty) than %s needs", rsa ? "RS256" : "ES256");
	if (!key_part(L, rsa ? "n" : "x", &first) || !key_part(L, rsa ? "e" : "y", &second))
		return 3;
	enum sm_status status = rsa ? sm_crypto_verify_rs256(first, second, data, signature, &err)
	                            : sm_crypto_verify_es256(first, second, data, signature, &err);
	if (status != SM_OK)
		return sm_push_error(L, &err);
	lua_pushboolean(L, 1);
	return 1;
}

static void push_base64url(lua_State *L, const unsigned char *data, size_t len)
{
	char text[SM_BASE64_SIZE(32) + 1];
	lua_pushlstring(L, text, sm_crypto_base64(data, len, true, text));
}

/*
 * sign(alg, pem, data) -> signature, {kty, crv, x, y} | nil, message, code ("invalid": the key). alg: "ES256"; the
 * signature as r || s, with the public key that fits.
 */
static int l_sign(lua_State *L)
{
	static const char *const algs[] = {"ES256", NULL};
	unsigned char signature[64], x[32], y[32];
	struct sm_bytes pem, data;
	struct sm_es256 *key = NULL;
	struct sm_error err;
	luaL_checkoption(L, 1, NULL, algs);
	pem.data = luaL_checklstring(L, 2, &pem.len);
	data.data = luaL_checklstring(L, 3, &data.len);
	enum sm_status status = sm_es256_open(pem, &key, &err);
	if (status == SM_OK)
		status = sm_es256_sign(key, data, signature, &err);
	if (status == SM_OK)
		status = sm_es256_public(key, x, y, &err);
	sm_es256_close(key);
	if (status != SM_OK)
		return sm_push_error(L, &err);
	lua_pushlstring(L, (const char *)signature, sizeof(signature));
	lua_createtable(L, 0, 4);
	lua_pushliteral(L, "EC");
	lua_setfield(L, -2, "kty");
	lua_pushliteral(L, "P-256");
	lua_setfield(L, -2, "crv");
	push_base64url(L, x, sizeof(x));
	lua_setfield(L, -2, "x");
	push_base64url(L, y, sizeof(y));
	lua_setfield(L, -2, "y");
	return 2;
}

static const luaL_Reg functions[] = {
    {"md5", l_md5},
    {"sha1", l_sha1},
    {"sha256", l_sha256},
    {"sha512", l_sha512},
    {"hmac_sha256", l_hmac_sha256},
    {"sha256_file", l_sha256_file},
    {"hex", l_hex},
    {"unhex", l_unhex},
    {"base64", l_base64},
    {"unbase64", l_unbase64},
    {"base64url", l_base64url},
    {"unbase64url", l_unbase64url},
    {"crc32", l_crc32},
    {"random", l_random},
    {"reseed", l_reseed},
    {"uuid", l_uuid},
    {"equal", l_equal},
    {"verify", l_verify},
    {"sign", l_sign},
    {NULL, NULL},
};

int luaopen_sm_crypto(lua_State *L)
{
	luaL_newlib(L, functions);
	return 1;
}
