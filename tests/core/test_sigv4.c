/* sigv4, sha256: known answers below Lua, the key cache; the vectors are in tests/conformance. */
#include "../../core/sigv4.h"
#include "check.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#define TEXT(text) ((struct sm_bytes){text, sizeof(text) - 1})

static void hex(const unsigned char *bytes, char out[SM_SHA256_HEX + 1])
{
	out[sm_crypto_hex(bytes, SM_SHA256_BYTES, out)] = '\0';
}

TEST(hmac_fits_the_one_of_the_provider_for_keys_of_every_length)
{
	char key[200], a_text[65], b_text[65];
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (char)(i * 7 + 3);
	for (size_t len = 0; len <= sizeof(key); len++) {
		unsigned char a[32], b[32];
		sm_hmac_sha256(key, len, "message", 7, a);
		CHECK(HMAC(EVP_sha256(), key, (int)len, (const unsigned char *)"message", 7, b, NULL) != NULL);
		hex(a, a_text);
		hex(b, b_text);
		CHECK_STR(a_text, b_text);
	}
}

TEST(sha256_fits_the_one_of_the_provider)
{
	unsigned char data[300], a[32], b[EVP_MAX_MD_SIZE];
	unsigned b_len;
	memset(data, 0xa5, sizeof(data));
	for (size_t len = 0; len <= sizeof(data); len++) {
		sm_sha256(data, len, a);
		CHECK(EVP_Digest(data, len, b, &b_len, EVP_sha256(), NULL) == 1);
		CHECK(b_len == 32 && memcmp(a, b, 32) == 0);
	}
}

static struct sm_sigv4_request example(void)
{
	static const struct sm_sigv4_pair headers[] = {{{"Host", 4}, {"example.amazonaws.com", 21}}};
	return (struct sm_sigv4_request){.scope = {.access_key = TEXT("AKIDEXAMPLE"),
	                                           .secret_key = TEXT("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
	                                           .region = TEXT("us-east-1"),
	                                           .service = TEXT("service"),
	                                           .time = 1440938160},
	                                 .method = TEXT("GET"),
	                                 .path = TEXT("/"),
	                                 .headers = headers,
	                                 .header_count = 1,
	                                 .payload_hash =
	                                     TEXT("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
	                                 .expires = 60};
}

TEST(keys_are_kept_for_a_few_scopes_and_right_for_more)
{
	static const char *const regions[] = {"a", "b", "c", "d", "e", "f", "g"};
	struct sm_sigv4 signer;
	char first[7][SM_SIGV4_SIGNATURE];
	sm_sigv4_init(&signer);
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < 7; i++) {
			struct sm_sigv4_request request = example();
			request.scope.region = (struct sm_bytes){regions[i], 1};
			CHECK(sm_sigv4_sign(&signer, &request, NULL) == SM_OK);
			if (round == 0)
				memcpy(first[i], signer.signature, sizeof(first[i]));
			CHECK_STR(signer.signature, first[i]);
		}
	sm_sigv4_free(&signer);
}

TEST(parts_of_a_key_are_not_run_together)
{
	struct sm_sigv4 signer;
	char one[SM_SIGV4_SIGNATURE];
	struct sm_sigv4_request a = example(), b = example();
	a.scope.region = TEXT("ab");
	a.scope.service = TEXT("c");
	b.scope.region = TEXT("a");
	b.scope.service = TEXT("bc");
	sm_sigv4_init(&signer);
	CHECK(sm_sigv4_sign(&signer, &a, NULL) == SM_OK);
	memcpy(one, signer.signature, sizeof(one));
	CHECK(sm_sigv4_sign(&signer, &b, NULL) == SM_OK);
	CHECK(strcmp(one, signer.signature) != 0);
	sm_sigv4_free(&signer);
}

TEST(a_request_without_end_is_refused)
{
	struct sm_sigv4 signer;
	struct sm_error err;
	struct sm_sigv4_request request = example();
	size_t size = (size_t)9 * 1024 * 1024;
	char *path = malloc(size);
	memset(path, '/', size);
	request.path = (struct sm_bytes){path, size};
	request.double_encode = true;
	sm_sigv4_init(&signer);
	CHECK(sm_sigv4_sign(&signer, &request, &err) == SM_LIMIT);
	CHECK(sm_sigv4_presign(&signer, &request, &err) == SM_LIMIT);
	request.path = TEXT("/");
	CHECK(sm_sigv4_sign(&signer, &request, &err) == SM_OK);
	CHECK(signer.canonical.cap <= 256 * 1024 && signer.out.cap <= 256 * 1024);
	sm_sigv4_free(&signer);
	free(path);
}

int main(void)
{
	RUN(hmac_fits_the_one_of_the_provider_for_keys_of_every_length);
	RUN(sha256_fits_the_one_of_the_provider);
	RUN(keys_are_kept_for_a_few_scopes_and_right_for_more);
	RUN(parts_of_a_key_are_not_run_together);
	RUN(a_request_without_end_is_refused);
	return check_report();
}
