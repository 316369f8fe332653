/*
 * sigv4: AWS Signature Version 4 and its asymmetric variant 4a; canonical requests, signatures, presigned queries, and
 * the signature chains of chunked bodies.
 *
 * Pure text work on the caller's request: no clock, no network, no Lua. A signer keeps buffers and the derived keys of
 * the last few days and regions, so it is used from one thread and wiped when freed. Texts are bytes with a length.
 */
#ifndef SM_SIGV4_H
#define SM_SIGV4_H

#include "buf.h"
#include "crypto.h"
#include "sha256.h"

#define SM_SIGV4_KEYS 4
#define SM_SIGV4_SIGNATURE 160 /* hexadecimal digits of the longest signature (a DER pair), with NUL */
#define SM_SIGV4_DATE 17       /* "20150830T123600Z" with NUL */

struct sm_sigv4_pair {
	struct sm_bytes name, value;
};

/* Who signs, for what, when. */
struct sm_sigv4_scope {
	struct sm_bytes access_key, secret_key;
	struct sm_bytes session_token; /* empty: none */
	struct sm_bytes region;        /* with v4a: the region set, as text */
	struct sm_bytes service;
	int64_t time; /* seconds since 1970 */
	bool v4a;
};

struct sm_sigv4_request {
	struct sm_sigv4_scope scope;
	struct sm_bytes method;
	struct sm_bytes path; /* as it is sent: encoded once */
	/* Raw names and values; sorted here. */
	const struct sm_sigv4_pair *query;
	size_t query_count;
	/* As they are sent, names in any case, repeated ones in their order. What must not be signed is left out here. */
	const struct sm_sigv4_pair *headers;
	size_t header_count;
	struct sm_bytes payload_hash;
	int64_t expires;    /* of a presigned query, in seconds */
	bool double_encode; /* of the path: every service but S3 */
	bool normalize;     /* "." and ".." and "//" taken out of the path: every service but S3 */
	bool omit_token;    /* the session token is sent but not signed */
	bool sign_hash;     /* adds x-amz-content-sha256 */
};

struct sm_sigv4_key {
	struct sm_hmac hmac;
	char of[512]; /* secret, date, region, service */
	size_t of_len;
};

struct sm_sigv4 {
	struct sm_buf entries, text; /* sorting */
	struct sm_buf signed_headers;
	struct sm_buf canonical, to_sign;
	struct sm_buf out; /* the Authorization value, or the presigned query */
	char date[SM_SIGV4_DATE];
	char signature[SM_SIGV4_SIGNATURE];
	struct sm_sigv4_key keys[SM_SIGV4_KEYS];
	unsigned next_key;
	void *v4a_key; /* of sigv4a.c */
	struct sm_buf v4a_of;
	bool failed; /* a buffer could not grow */
};

void sm_sigv4_init(struct sm_sigv4 *signer);
/* Wipes the keys. */
void sm_sigv4_free(struct sm_sigv4 *signer);

/* Header form: signer->out is the Authorization value, signer->date that of X-Amz-Date. */
enum sm_status sm_sigv4_sign(struct sm_sigv4 *signer, const struct sm_sigv4_request *request, struct sm_error *err);
/* Query form: signer->out is the whole query, signature last. */
enum sm_status sm_sigv4_presign(struct sm_sigv4 *signer, const struct sm_sigv4_request *request, struct sm_error *err);

enum sm_sigv4_part { SM_SIGV4_CHUNK, SM_SIGV4_TRAILER };

/* The next signature of a chunked body's chain, from the one before it (64 digits, replaced). */
enum sm_status sm_sigv4_next(struct sm_sigv4 *signer, const struct sm_sigv4_scope *scope, enum sm_sigv4_part part,
                             struct sm_bytes bytes, char signature[SM_SHA256_HEX], struct sm_error *err);

/* Everything but A-Z a-z 0-9 - . _ ~ (and "/" if kept) as %XX. */
enum sm_status sm_sigv4_encode(struct sm_buf *out, struct sm_bytes text, bool keep_slash);

/* sigv4a.c: signs signer->to_sign with the key of scope; signer->signature is the DER pair in hexadecimal. */
enum sm_status sm_sigv4a_sign(struct sm_sigv4 *signer, const struct sm_sigv4_scope *scope, struct sm_error *err);
void sm_sigv4a_forget(struct sm_sigv4 *signer);

#endif
