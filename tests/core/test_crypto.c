/* crypto: encodings at their edges; the published vectors are in tests/lua/sm/crypto_spec.lua. */
#include "../../core/crypto.h"
#include "check.h"

#include <stdlib.h>

static int unbase64(const char *text, bool url)
{
	char out[64];
	size_t len = 99;
	return sm_crypto_unbase64(text, strlen(text), url, out, &len, NULL) == SM_OK ? (int)len : -1;
}

TEST(base64_never_writes_beyond_its_size)
{
	unsigned char data[64];
	for (size_t len = 0; len <= sizeof(data); len++)
		for (int url = 0; url < 2; url++) {
			char *text = malloc(SM_BASE64_SIZE(len) + 1), *back = malloc(len / 3 * 3 + 6);
			size_t back_len;
			sm_crypto_random(data, len, NULL);
			size_t text_len = sm_crypto_base64(data, len, url, text);
			CHECK(text_len <= SM_BASE64_SIZE(len));
			CHECK(sm_crypto_unbase64(text, text_len, url, back, &back_len, NULL) == SM_OK);
			CHECK(back_len == len && memcmp(back, data, len) == 0);
			free(text);
			free(back);
		}
}

TEST(base64_refuses_two_spellings_of_the_same_bytes)
{
	CHECK(unbase64("Zg==", false) == 1 && unbase64("Zh==", false) == -1);
	CHECK(unbase64("Zm8=", false) == 2 && unbase64("Zm9=", false) == -1);
	CHECK(unbase64("Zg", false) == -1 && unbase64("Zg", true) == 1 && unbase64("Zg==", true) == -1);
	CHECK(unbase64("-_-_", true) == 3 && unbase64("+/+/", true) == -1 && unbase64("-_-_", false) == -1);
}

TEST(hashes_a_file_that_is_larger_than_one_step)
{
	struct sm_error err;
	unsigned char out[SM_CHECKSUM_MAX];
	size_t len;
	CHECK(sm_crypto_hash_file(SM_SUM_SHA256, "/nonexistent", out, &len, &err) == SM_NOTFOUND);
	CHECK(sm_crypto_hash_file(SM_SUM_SHA256, "/proc/self/exe", out, &len, &err) == SM_OK);
	CHECK(len == 32);
}

int main(void)
{
	RUN(base64_never_writes_beyond_its_size);
	RUN(base64_refuses_two_spellings_of_the_same_bytes);
	RUN(hashes_a_file_that_is_larger_than_one_step);
	return check_report();
}
