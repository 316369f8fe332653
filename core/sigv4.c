/* Canonical requests and what is made of them. */
#include "sigv4.h"

#include "civil.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TEXT_MAX ((size_t)8 * 1024 * 1024) /* of a canonical request */
#define KEEP_MAX ((size_t)256 * 1024)      /* of a buffer between two requests */
#define EXPIRES_MAX 604800                 /* a week */
#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define BYTES(text) ((struct sm_bytes){text, strlen(text)})

/* A name and a value in signer->text, by their places there: the text may move while it grows. */
struct entry {
	size_t at, name_len, value_len;
	size_t order; /* where it stood */
};

void sm_sigv4_init(struct sm_sigv4 *signer)
{
	memset(signer, 0, sizeof(*signer));
	struct sm_buf *all[] = {&signer->entries, &signer->text, &signer->signed_headers, &signer->canonical,
	                        &signer->to_sign, &signer->out,  &signer->v4a_of};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		sm_buf_init(all[i], TEXT_MAX);
}

void sm_sigv4_free(struct sm_sigv4 *signer)
{
	sm_sigv4a_forget(signer);
	OPENSSL_cleanse(signer->keys, sizeof(signer->keys));
	sm_buf_free(&signer->entries);
	sm_buf_free(&signer->text);
	sm_buf_free(&signer->signed_headers);
	sm_buf_free(&signer->canonical);
	sm_buf_free(&signer->to_sign);
	sm_buf_free(&signer->out);
	sm_buf_free(&signer->v4a_of);
}

/* ---- text ---- */

static void put(struct sm_sigv4 *signer, struct sm_buf *buf, const void *data, size_t len)
{
	if (len > 0 && sm_buf_add(buf, data, len) != SM_OK)
		signer->failed = true;
}

static void put_text(struct sm_sigv4 *signer, struct sm_buf *buf, const char *text)
{
	put(signer, buf, text, strlen(text));
}

static bool is_unreserved(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
	       c == '_' || c == '~';
}

enum sm_status sm_sigv4_encode(struct sm_buf *out, struct sm_bytes text, bool keep_slash)
{
	static const char digits[] = "0123456789ABCDEF";
	const unsigned char *p = text.data;
	if (text.len > TEXT_MAX)
		return SM_LIMIT;
	enum sm_status status = sm_buf_reserve(out, text.len * 3 + 1);
	if (status != SM_OK)
		return status;
	char *at = out->data + out->len;
	for (size_t i = 0; i < text.len; i++) {
		if (is_unreserved(p[i]) || (keep_slash && p[i] == '/')) {
			*at++ = (char)p[i];
			continue;
		}
		*at++ = '%';
		*at++ = digits[p[i] >> 4];
		*at++ = digits[p[i] & 15];
	}
	*at = '\0';
	out->len = (size_t)(at - out->data);
	return SM_OK;
}

static void put_encoded(struct sm_sigv4 *signer, struct sm_buf *buf, struct sm_bytes text, bool keep_slash)
{
	if (sm_sigv4_encode(buf, text, keep_slash) != SM_OK)
		signer->failed = true;
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Without blanks at both ends, runs of them inside as one space. */
static void put_squeezed(struct sm_sigv4 *signer, struct sm_buf *buf, struct sm_bytes value)
{
	const char *p = value.data, *end = p + value.len;
	for (bool first = true;; first = false) {
		while (p < end && is_blank(*p))
			p++;
		if (p == end)
			return;
		if (!first)
			put(signer, buf, " ", 1);
		const char *word = p;
		while (p < end && !is_blank(*p))
			p++;
		put(signer, buf, word, (size_t)(p - word));
	}
}

/* ---- the date ---- */

static enum sm_status put_date(struct sm_sigv4 *signer, int64_t time, struct sm_error *err)
{
	int64_t rest, days = sm_floor_div(time, 86400, &rest);
	if (time < 0 || days > 2932896) /* 9999-12-31 */
		return sm_fail(err, SM_INVALID, "the time of a signature lies in the years 1970 to 9999");
	struct sm_civil day = sm_civil_from_days(days);
	unsigned second = (unsigned)rest;
	char text[64];
	snprintf(text, sizeof(text), "%04u%02u%02uT%02u%02u%02uZ", (unsigned)day.year, day.month, day.day, second / 3600,
	         second / 60 % 60, second % 60);
	memcpy(signer->date, text, SM_SIGV4_DATE);
	return SM_OK;
}

/* "20150830/us-east-1/service/aws4_request"; 4a holds in every region and leaves it out. */
static void put_scope(struct sm_sigv4 *signer, struct sm_buf *buf, const struct sm_sigv4_scope *scope)
{
	put(signer, buf, signer->date, 8);
	if (!scope->v4a) {
		put(signer, buf, "/", 1);
		put(signer, buf, scope->region.data, scope->region.len);
	}
	put(signer, buf, "/", 1);
	put(signer, buf, scope->service.data, scope->service.len);
	put_text(signer, buf, "/aws4_request");
}

static const char *algorithm_of(const struct sm_sigv4_scope *scope)
{
	return scope->v4a ? "AWS4-ECDSA-P256-SHA256" : "AWS4-HMAC-SHA256";
}

/* ---- sorting ---- */

static int compare_bytes(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
	if (order != 0)
		return order;
	return a_len < b_len ? -1 : a_len > b_len;
}

static int by_name_then_value(const void *left, const void *right, void *in)
{
	const struct entry *a = left, *b = right;
	const char *text = in;
	int order = compare_bytes(text + a->at, a->name_len, text + b->at, b->name_len);
	if (order != 0)
		return order;
	return compare_bytes(text + a->at + a->name_len, a->value_len, text + b->at + b->name_len, b->value_len);
}

static int by_name_then_order(const void *left, const void *right, void *in)
{
	const struct entry *a = left, *b = right;
	const char *text = in;
	int order = compare_bytes(text + a->at, a->name_len, text + b->at, b->name_len);
	if (order != 0)
		return order;
	return a->order < b->order ? -1 : a->order > b->order;
}

static struct entry *entries_of(const struct sm_sigv4 *signer, size_t *count)
{
	*count = signer->entries.len / sizeof(struct entry);
	return (struct entry *)(void *)signer->entries.data;
}

/* Few entries nearly in order are the rule: no call of qsort_r (which may allocate) for them. */
static void sort_entries(struct sm_sigv4 *signer, int (*compare)(const void *, const void *, void *))
{
	size_t count;
	struct entry *all = entries_of(signer, &count);
	char *text = signer->text.data;
	if (count > 32) {
		qsort_r(all, count, sizeof(*all), compare, text);
		return;
	}
	for (size_t i = 1; i < count; i++) {
		struct entry one = all[i];
		size_t at = i;
		for (; at > 0 && compare(&all[at - 1], &one, text) > 0; at--)
			all[at] = all[at - 1];
		all[at] = one;
	}
}

static void end_entry(struct sm_sigv4 *signer, size_t at, size_t name_len)
{
	struct entry entry = {at, name_len, signer->text.len - at - name_len, signer->entries.len};
	put(signer, &signer->entries, &entry, sizeof(entry));
}

/* ---- the query ---- */

static void add_parameter(struct sm_sigv4 *signer, struct sm_bytes name, struct sm_bytes value)
{
	size_t at = signer->text.len;
	put_encoded(signer, &signer->text, name, false);
	size_t name_len = signer->text.len - at;
	put_encoded(signer, &signer->text, value, false);
	end_entry(signer, at, name_len);
}

static void start_entries(struct sm_sigv4 *signer)
{
	sm_buf_reset(&signer->entries);
	sm_buf_reset(&signer->text);
}

static void add_query(struct sm_sigv4 *signer, const struct sm_sigv4_request *request)
{
	for (size_t i = 0; i < request->query_count; i++)
		add_parameter(signer, request->query[i].name, request->query[i].value);
}

static void put_query(struct sm_sigv4 *signer, struct sm_buf *out)
{
	size_t count;
	sort_entries(signer, by_name_then_value);
	const struct entry *all = entries_of(signer, &count);
	for (size_t i = 0; i < count; i++) {
		const char *text = signer->text.data + all[i].at;
		if (i > 0)
			put(signer, out, "&", 1);
		put(signer, out, text, all[i].name_len);
		put(signer, out, "=", 1);
		put(signer, out, text + all[i].name_len, all[i].value_len);
	}
}

/* ---- the path ---- */

/* "/a/./b//../c/" -> "/a/c/": dot segments away and slashes single. */
static void put_normal_path(struct sm_sigv4 *signer, struct sm_buf *out, struct sm_bytes path)
{
	const char *p = path.data, *end = p + path.len;
	size_t start = out->len;
	while (p < end && !signer->failed) {
		const char *slash = memchr(p, '/', (size_t)(end - p));
		size_t len = (size_t)((slash != NULL ? slash : end) - p);
		if (len == 2 && memcmp(p, "..", 2) == 0) {
			while (out->len > start && out->data[--out->len] != '/')
				continue;
		} else if (len > 0 && !(len == 1 && *p == '.')) {
			put(signer, out, "/", 1);
			put(signer, out, p, len);
		}
		p += len + (slash != NULL ? 1 : 0);
	}
	if (out->len == start || ((const char *)path.data)[path.len - 1] == '/')
		put(signer, out, "/", 1);
}

static void put_path(struct sm_sigv4 *signer, const struct sm_sigv4_request *request)
{
	struct sm_bytes path = request->path;
	if (path.len == 0)
		path = BYTES("/");
	if (request->normalize) {
		sm_buf_reset(&signer->out); /* not in use yet */
		put_normal_path(signer, &signer->out, path);
		if (signer->failed)
			return;
		path = (struct sm_bytes){signer->out.data, signer->out.len};
	}
	if (request->double_encode)
		put_encoded(signer, &signer->canonical, path, true);
	else
		put(signer, &signer->canonical, path.data, path.len);
}

/* ---- the headers ---- */

static bool is_name(struct sm_bytes name, const char *text)
{
	return strlen(text) == name.len && strncasecmp(name.data, text, name.len) == 0;
}

/* Proxies and HTTP libraries change these on the way, or add them after signing; the rest is made here. */
static bool is_unsigned(const struct sm_sigv4_request *request, struct sm_bytes name, bool presign)
{
	static const char *const never[] = {
	    "authorization", "connection", "expect",     "keep-alive",        "te", "trailer",
	    "upgrade",       "user-agent", "x-amz-date", "transfer-encoding", NULL};
	for (int i = 0; never[i] != NULL; i++)
		if (is_name(name, never[i]))
			return true;
	if (is_name(name, "x-amzn-trace-id") || (name.len > 6 && strncasecmp(name.data, "proxy-", 6) == 0))
		return true;
	if (is_name(name, "x-amz-security-token"))
		return request->scope.session_token.len > 0 || presign || request->omit_token;
	if (is_name(name, "x-amz-content-sha256"))
		return request->sign_hash;
	return request->scope.v4a && is_name(name, "x-amz-region-set");
}

static void add_header(struct sm_sigv4 *signer, struct sm_bytes name, struct sm_bytes value)
{
	size_t at = signer->text.len;
	put(signer, &signer->text, name.data, name.len);
	for (size_t i = at; i < signer->text.len; i++)
		if (signer->text.data[i] >= 'A' && signer->text.data[i] <= 'Z')
			signer->text.data[i] |= 0x20;
	size_t name_len = signer->text.len - at;
	put_squeezed(signer, &signer->text, value);
	end_entry(signer, at, name_len);
}

static void add_headers(struct sm_sigv4 *signer, const struct sm_sigv4_request *request, bool presign)
{
	const struct sm_sigv4_scope *scope = &request->scope;
	for (size_t i = 0; i < request->header_count; i++)
		if (!is_unsigned(request, request->headers[i].name, presign))
			add_header(signer, request->headers[i].name, request->headers[i].value);
	if (presign)
		return;
	add_header(signer, BYTES("x-amz-date"), BYTES(signer->date));
	if (request->sign_hash)
		add_header(signer, BYTES("x-amz-content-sha256"), request->payload_hash);
	if (scope->session_token.len > 0 && !request->omit_token)
		add_header(signer, BYTES("x-amz-security-token"), scope->session_token);
	if (scope->v4a)
		add_header(signer, BYTES("x-amz-region-set"), scope->region);
}

static bool same_name(const struct sm_sigv4 *signer, const struct entry *a, const struct entry *b)
{
	return a->name_len == b->name_len && memcmp(signer->text.data + a->at, signer->text.data + b->at, a->name_len) == 0;
}

/* Sorted, each name once, values of repeated ones joined; leaves what put_headers writes. */
static void collect_headers(struct sm_sigv4 *signer, const struct sm_sigv4_request *request, bool presign)
{
	size_t count;
	start_entries(signer);
	sm_buf_reset(&signer->signed_headers);
	add_headers(signer, request, presign);
	if (signer->failed)
		return;
	sort_entries(signer, by_name_then_order);
	const struct entry *all = entries_of(signer, &count);
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && same_name(signer, &all[i - 1], &all[i]))
			continue;
		if (signer->signed_headers.len > 0)
			put(signer, &signer->signed_headers, ";", 1);
		put(signer, &signer->signed_headers, signer->text.data + all[i].at, all[i].name_len);
	}
}

static void put_headers(struct sm_sigv4 *signer, struct sm_buf *out)
{
	size_t count;
	const struct entry *all = entries_of(signer, &count);
	for (size_t i = 0; i < count; i++) {
		const char *text = signer->text.data + all[i].at;
		if (i > 0 && same_name(signer, &all[i - 1], &all[i])) {
			put(signer, out, ",", 1);
		} else {
			if (i > 0)
				put(signer, out, "\n", 1);
			put(signer, out, text, all[i].name_len);
			put(signer, out, ":", 1);
		}
		put(signer, out, text + all[i].name_len, all[i].value_len);
	}
	put(signer, out, "\n", 1);
}

/* ---- keys ---- */

static void step(const unsigned char *key, size_t key_len, struct sm_bytes data, unsigned char out[SM_SHA256_BYTES])
{
	sm_hmac_sha256(key, key_len, data.data, data.len, out);
}

static enum sm_status derive(const struct sm_sigv4 *signer, const struct sm_sigv4_scope *scope, struct sm_hmac *hmac,
                             struct sm_error *err)
{
	unsigned char first[260] = "AWS4", key[SM_SHA256_BYTES];
	if (scope->secret_key.len > sizeof(first) - 4)
		return sm_fail(err, SM_INVALID, "the secret key is too long");
	memcpy(first + 4, scope->secret_key.data, scope->secret_key.len);
	step(first, 4 + scope->secret_key.len, (struct sm_bytes){signer->date, 8}, key);
	step(key, sizeof(key), scope->region, key);
	step(key, sizeof(key), scope->service, key);
	step(key, sizeof(key), BYTES("aws4_request"), key);
	sm_hmac_key(hmac, key, sizeof(key));
	OPENSSL_cleanse(first, sizeof(first));
	OPENSSL_cleanse(key, sizeof(key));
	return SM_OK;
}

/* What a key depends on, each part with its length; 0: too long to be kept. */
static size_t key_name(const struct sm_sigv4 *signer, const struct sm_sigv4_scope *scope, char *out, size_t size)
{
	const struct sm_bytes parts[] = {scope->secret_key, {signer->date, 8}, scope->region, scope->service};
	size_t len = 0;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (parts[i].len > 255 || len + 1 + parts[i].len > size)
			return 0;
		out[len++] = (char)parts[i].len;
		memcpy(out + len, parts[i].data, parts[i].len);
		len += parts[i].len;
	}
	return len;
}

static enum sm_status key_of(struct sm_sigv4 *signer, const struct sm_sigv4_scope *scope, const struct sm_hmac **hmac,
                             struct sm_error *err)
{
	char of[sizeof(signer->keys[0].of)];
	size_t len = key_name(signer, scope, of, sizeof(of));
	struct sm_sigv4_key *key;
	for (int i = 0; i < SM_SIGV4_KEYS && len > 0; i++) {
		key = &signer->keys[i];
		if (key->of_len == len && memcmp(key->of, of, len) == 0) {
			*hmac = &key->hmac;
			return SM_OK;
		}
	}
	key = &signer->keys[signer->next_key];
	signer->next_key = (signer->next_key + 1) % SM_SIGV4_KEYS;
	OPENSSL_cleanse(key, sizeof(*key));
	enum sm_status status = derive(signer, scope, &key->hmac, err);
	if (status == SM_OK) {
		memcpy(key->of, of, len);
		key->of_len = len;
		*hmac = &key->hmac;
	}
	OPENSSL_cleanse(of, sizeof(of));
	return status;
}

/* ---- signing ---- */

static enum sm_status sign_text(struct sm_sigv4 *signer, const struct sm_sigv4_scope *scope, struct sm_error *err)
{
	const struct sm_hmac *hmac;
	unsigned char digest[SM_SHA256_BYTES];
	if (scope->v4a)
		return sm_sigv4a_sign(signer, scope, err);
	enum sm_status status = key_of(signer, scope, &hmac, err);
	if (status != SM_OK)
		return status;
	sm_hmac_of(hmac, signer->to_sign.data, signer->to_sign.len, digest);
	signer->signature[sm_crypto_hex(digest, sizeof(digest), signer->signature)] = '\0';
	return SM_OK;
}

/* A giant of a request leaves no giant buffers behind. */
static void forget_giants(struct sm_sigv4 *signer)
{
	struct sm_buf *all[] = {&signer->entries,   &signer->text,    &signer->signed_headers,
	                        &signer->canonical, &signer->to_sign, &signer->out};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i]->cap > KEEP_MAX)
			sm_buf_free(all[i]);
}

static enum sm_status check_request(struct sm_sigv4 *signer, const struct sm_sigv4_request *request,
                                    struct sm_error *err)
{
	signer->failed = false;
	forget_giants(signer);
	if (request->path.len > 0 && *(const char *)request->path.data != '/')
		return sm_fail(err, SM_INVALID, "the path of a request starts with /");
	return put_date(signer, request->scope.time, err);
}

/* Method and path; the query follows. */
static void start_canonical(struct sm_sigv4 *signer, const struct sm_sigv4_request *request)
{
	sm_buf_reset(&signer->canonical);
	put(signer, &signer->canonical, request->method.data, request->method.len);
	put(signer, &signer->canonical, "\n", 1);
	put_path(signer, request);
	put(signer, &signer->canonical, "\n", 1);
}

static void end_canonical(struct sm_sigv4 *signer, const struct sm_sigv4_request *request)
{
	struct sm_buf *out = &signer->canonical;
	put(signer, out, "\n", 1);
	put_headers(signer, out);
	put(signer, out, "\n", 1);
	put(signer, out, signer->signed_headers.data, signer->signed_headers.len);
	put(signer, out, "\n", 1);
	put(signer, out, request->payload_hash.data, request->payload_hash.len);
}

static enum sm_status sign_canonical(struct sm_sigv4 *signer, const struct sm_sigv4_request *request,
                                     struct sm_error *err)
{
	char hash[SM_SHA256_HEX];
	struct sm_buf *out = &signer->to_sign;
	if (signer->failed)
		return sm_fail(err, SM_LIMIT, "the request is too long to be signed");
	sm_sha256_hex(signer->canonical.data, signer->canonical.len, hash);
	sm_buf_reset(out);
	put_text(signer, out, algorithm_of(&request->scope));
	put(signer, out, "\n", 1);
	put_text(signer, out, signer->date);
	put(signer, out, "\n", 1);
	put_scope(signer, out, &request->scope);
	put(signer, out, "\n", 1);
	put(signer, out, hash, sizeof(hash));
	if (signer->failed)
		return sm_fail(err, SM_NOMEM, "no memory for a signature");
	return sign_text(signer, &request->scope, err);
}

static void put_credential(struct sm_sigv4 *signer, struct sm_buf *out, const struct sm_sigv4_scope *scope)
{
	put(signer, out, scope->access_key.data, scope->access_key.len);
	put(signer, out, "/", 1);
	put_scope(signer, out, scope);
}

enum sm_status sm_sigv4_sign(struct sm_sigv4 *signer, const struct sm_sigv4_request *request, struct sm_error *err)
{
	enum sm_status status = check_request(signer, request, err);
	if (status != SM_OK)
		return status;
	start_canonical(signer, request);
	start_entries(signer);
	add_query(signer, request);
	if (!signer->failed)
		put_query(signer, &signer->canonical);
	collect_headers(signer, request, false);
	if (!signer->failed)
		end_canonical(signer, request);
	status = sign_canonical(signer, request, err);
	if (status != SM_OK)
		return status;
	sm_buf_reset(&signer->out);
	put_text(signer, &signer->out, algorithm_of(&request->scope));
	put_text(signer, &signer->out, " Credential=");
	put_credential(signer, &signer->out, &request->scope);
	put_text(signer, &signer->out, ", SignedHeaders=");
	put(signer, &signer->out, signer->signed_headers.data, signer->signed_headers.len);
	put_text(signer, &signer->out, ", Signature=");
	put_text(signer, &signer->out, signer->signature);
	return signer->failed ? sm_fail(err, SM_NOMEM, "no memory for a signature") : SM_OK;
}

/* ---- presigning ---- */

static void add_presign_parameters(struct sm_sigv4 *signer, const struct sm_sigv4_request *request)
{
	const struct sm_sigv4_scope *scope = &request->scope;
	char expires[24];
	snprintf(expires, sizeof(expires), "%lld", (long long)request->expires);
	sm_buf_reset(&signer->to_sign); /* not in use yet */
	put_credential(signer, &signer->to_sign, scope);
	add_parameter(signer, BYTES("X-Amz-Algorithm"), BYTES(algorithm_of(scope)));
	add_parameter(signer, BYTES("X-Amz-Credential"), (struct sm_bytes){signer->to_sign.data, signer->to_sign.len});
	add_parameter(signer, BYTES("X-Amz-Date"), BYTES(signer->date));
	add_parameter(signer, BYTES("X-Amz-Expires"), BYTES(expires));
	add_parameter(signer, BYTES("X-Amz-SignedHeaders"),
	              (struct sm_bytes){signer->signed_headers.data, signer->signed_headers.len});
	if (scope->v4a)
		add_parameter(signer, BYTES("X-Amz-Region-Set"), scope->region);
	if (scope->session_token.len > 0 && !request->omit_token)
		add_parameter(signer, BYTES("X-Amz-Security-Token"), scope->session_token);
}

static void put_parameter(struct sm_sigv4 *signer, const char *name, struct sm_bytes value)
{
	put_text(signer, &signer->out, name);
	put_encoded(signer, &signer->out, value, false);
}

enum sm_status sm_sigv4_presign(struct sm_sigv4 *signer, const struct sm_sigv4_request *request, struct sm_error *err)
{
	enum sm_status status = check_request(signer, request, err);
	if (status != SM_OK)
		return status;
	if (request->expires < 1 || request->expires > EXPIRES_MAX)
		return sm_fail(err, SM_INVALID, "a presigned URL lives 1 to %d seconds", EXPIRES_MAX);
	start_canonical(signer, request);
	collect_headers(signer, request, true); /* for the list of their names */
	start_entries(signer);
	add_query(signer, request);
	add_presign_parameters(signer, request);
	sm_buf_reset(&signer->out);
	if (!signer->failed)
		put_query(signer, &signer->out);
	put(signer, &signer->canonical, signer->out.data, signer->out.len);
	collect_headers(signer, request, true);
	if (!signer->failed)
		end_canonical(signer, request);
	status = sign_canonical(signer, request, err);
	if (status != SM_OK)
		return status;
	if (request->scope.session_token.len > 0 && request->omit_token)
		put_parameter(signer, "&X-Amz-Security-Token=", request->scope.session_token);
	put_parameter(signer, "&X-Amz-Signature=", BYTES(signer->signature));
	return signer->failed ? sm_fail(err, SM_NOMEM, "no memory for a signature") : SM_OK;
}

/* ---- chains ---- */

enum sm_status sm_sigv4_next(struct sm_sigv4 *signer, const struct sm_sigv4_scope *scope, enum sm_sigv4_part part,
                             struct sm_bytes bytes, char signature[SM_SHA256_HEX], struct sm_error *err)
{
	char hash[SM_SHA256_HEX];
	struct sm_buf *out = &signer->to_sign;
	signer->failed = false;
	if (scope->v4a)
		return sm_fail(err, SM_INVALID, "chunks are signed with version 4 only");
	enum sm_status status = put_date(signer, scope->time, err);
	if (status != SM_OK)
		return status;
	sm_sha256_hex(bytes.data, bytes.len, hash);
	sm_buf_reset(out);
	put_text(signer, out, part == SM_SIGV4_CHUNK ? "AWS4-HMAC-SHA256-PAYLOAD\n" : "AWS4-HMAC-SHA256-TRAILER\n");
	put_text(signer, out, signer->date);
	put(signer, out, "\n", 1);
	put_scope(signer, out, scope);
	put(signer, out, "\n", 1);
	put(signer, out, signature, SM_SHA256_HEX);
	put_text(signer, out, part == SM_SIGV4_CHUNK ? "\n" EMPTY_HASH "\n" : "\n");
	put(signer, out, hash, sizeof(hash));
	if (signer->failed)
		return sm_fail(err, SM_NOMEM, "no memory for a signature");
	status = sign_text(signer, scope, err);
	if (status == SM_OK)
		memcpy(signature, signer->signature, SM_SHA256_HEX);
	return status;
}
