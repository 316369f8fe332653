/* checksum: known answers, and that pieces of any size give what the whole gives. */
#include "../../core/checksum.h"
#include "../../core/crypto.h"
#include "check.h"

#include <openssl/evp.h>

static void hex_of(enum sm_checksum kind, const void *data, size_t len, char out[2 * SM_CHECKSUM_MAX + 1])
{
	struct sm_checksum_state state;
	unsigned char bytes[SM_CHECKSUM_MAX];
	sm_checksum_start(&state, kind);
	sm_checksum_add(&state, data, len);
	out[sm_crypto_hex(bytes, sm_checksum_end(&state, bytes), out)] = '\0';
}

TEST(the_check_values_are_those_of_the_catalogues)
{
	char text[2 * SM_CHECKSUM_MAX + 1];
	hex_of(SM_SUM_CRC32, "123456789", 9, text);
	CHECK_STR(text, "cbf43926");
	hex_of(SM_SUM_CRC32C, "123456789", 9, text);
	CHECK_STR(text, "e3069283");
	hex_of(SM_SUM_CRC64NVME, "123456789", 9, text);
	CHECK_STR(text, "ae8b14860a799888");
	hex_of(SM_SUM_CRC64NVME, "", 0, text);
	CHECK_STR(text, "0000000000000000");
	CHECK(sm_checksum_crc32("123456789", 9) == 0xcbf43926u);
}

TEST(crcs_fit_the_definition_bit_by_bit)
{
	static const struct {
		enum sm_checksum kind;
		uint64_t polynomial;
		int digits;
	} all[] = {{SM_SUM_CRC32, 0xedb88320u, 8},
	           {SM_SUM_CRC32C, 0x82f63b78u, 8},
	           {SM_SUM_CRC64NVME, UINT64_C(0x9a6c9329ac4bc9b5), 16}};
	unsigned char data[100];
	char got[2 * SM_CHECKSUM_MAX + 1], want[32];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 37 + 11);
	for (int a = 0; a < 3; a++)
		for (size_t len = 0; len <= sizeof(data); len++) {
			uint64_t mask = all[a].digits == 8 ? UINT32_MAX : UINT64_MAX, crc = mask;
			for (size_t i = 0; i < len * 8; i++) {
				uint64_t bit = ((uint64_t)(data[i / 8] >> (i % 8)) & 1) ^ (crc & 1);
				crc = (crc >> 1) ^ (bit ? all[a].polynomial : 0);
			}
			snprintf(want, sizeof(want), "%0*llx", all[a].digits, (unsigned long long)(~crc & mask));
			hex_of(all[a].kind, data, len, got);
			CHECK_STR(got, want);
		}
}

TEST(hashes_fit_those_of_the_provider)
{
	static const enum sm_checksum kinds[] = {SM_SUM_MD5, SM_SUM_SHA1, SM_SUM_SHA256, SM_SUM_SHA512};
	const EVP_MD *hashes[] = {EVP_md5(), EVP_sha1(), EVP_sha256(), EVP_sha512()};
	unsigned char data[300], bytes[EVP_MAX_MD_SIZE];
	char got[2 * SM_CHECKSUM_MAX + 1], want[2 * EVP_MAX_MD_SIZE + 1];
	memset(data, 0x5a, sizeof(data));
	for (int a = 0; a < 4; a++)
		for (size_t len = 0; len < sizeof(data); len += 13) {
			unsigned size;
			CHECK(EVP_Digest(data, len, bytes, &size, hashes[a], NULL) == 1);
			want[sm_crypto_hex(bytes, size, want)] = '\0';
			hex_of(kinds[a], data, len, got);
			CHECK_STR(got, want);
		}
}

TEST(pieces_give_what_the_whole_gives)
{
	unsigned char data[257], bytes[SM_CHECKSUM_MAX];
	char whole[2 * SM_CHECKSUM_MAX + 1], pieces[2 * SM_CHECKSUM_MAX + 1];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 101);
	for (int kind = SM_SUM_CRC32; kind <= SM_SUM_SHA512; kind++)
		for (size_t step = 1; step < 40; step++) {
			struct sm_checksum_state state;
			sm_checksum_start(&state, (enum sm_checksum)kind);
			for (size_t at = 0; at < sizeof(data); at += step)
				sm_checksum_add(&state, data + at, sizeof(data) - at < step ? sizeof(data) - at : step);
			pieces[sm_crypto_hex(bytes, sm_checksum_end(&state, bytes), pieces)] = '\0';
			hex_of((enum sm_checksum)kind, data, sizeof(data), whole);
			CHECK_STR(pieces, whole);
		}
}

int main(void)
{
	RUN(the_check_values_are_those_of_the_catalogues);
	RUN(crcs_fit_the_definition_bit_by_bit);
	RUN(hashes_fit_those_of_the_provider);
	RUN(pieces_give_what_the_whole_gives);
	return check_report();
}
