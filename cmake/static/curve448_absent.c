/*
 * Curve 448 is left out of the release's OpenSSL (35 KB of the package): its algorithms are taken out of the provider's
 * lists, so nothing asks for them. These stand where the shared code of both curves refers to it, and refuse.
 */
#include "crypto/ecx.h"
#include <string.h>

int ossl_x448(uint8_t out_shared_key[56], const uint8_t private_key[56], const uint8_t peer_public_value[56])
{
	return 0;
}

void ossl_x448_public_from_private(uint8_t out_public_value[56], const uint8_t private_key[56])
{
	memset(out_public_value, 0, 56);
}

int ossl_ed448_public_from_private(OSSL_LIB_CTX *ctx, uint8_t out_public_key[57], const uint8_t private_key[57], const char *propq)
{
	return 0;
}

int ossl_ed448_sign(OSSL_LIB_CTX *ctx, uint8_t *out_sig, const uint8_t *message, size_t message_len, const uint8_t public_key[57],
                    const uint8_t private_key[57], const uint8_t *context, size_t context_len, const uint8_t phflag, const char *propq)
{
	return 0;
}

int ossl_ed448_verify(OSSL_LIB_CTX *ctx, const uint8_t *message, size_t message_len, const uint8_t signature[114],
                      const uint8_t public_key[57], const uint8_t *context, size_t context_len, const uint8_t phflag, const char *propq)
{
	return 0;
}

int ossl_ed448_pubkey_verify(const uint8_t *pub, size_t pub_len)
{
	return 0;
}
