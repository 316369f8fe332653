/*
 * http_trust: whose certificates a TLS connection believes, and how it begins.
 *
 * The five roots that AWS signs its endpoints with are compiled in: reading them takes 0.3 ms, a whole bundle 4 to 25.
 * Private to the HTTP client.
 */
#ifndef SM_HTTP_TRUST_H
#define SM_HTTP_TRUST_H

#include <curl/curl.h>
#include <stdbool.h>

/* ca_file: NULL means the machine's. SM_NOMEM is CURLE_OUT_OF_MEMORY. */
CURLcode sm_http_trust(CURL *easy, bool amazon_roots, const char *ca_file);
/* Before libcurl's first use. */
void sm_http_trust_init(void);
/* Does what the first connection would do before it writes: algorithms, roots, a TLS context. */
bool sm_http_trust_warm(void);

#endif
