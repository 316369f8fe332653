#include "http_trust.h"

#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of cmake/amazon-roots.pem. */
extern const char sm_amazon_roots[];

/* X25519 alone goes along with the first message: the post-quantum share before it costs 0.7 ms of a start. */
#define CURVES "X25519:P-256:P-384"

static X509_STORE *amazon; /* made by the first call that wants it, kept */

static bool add_roots(X509_STORE *store, BIO *pem)
{
	X509 *root;
	int count = 0;

	while ((root = PEM_read_bio_X509(pem, NULL, NULL, NULL)) != NULL) {
		count += X509_STORE_add_cert(store, root);
		X509_free(root);
	}
	return count == 5;
}

static X509_STORE *make_amazon(void)
{
	BIO *pem = BIO_new_mem_buf(sm_amazon_roots, -1);
	X509_STORE *store = X509_STORE_new();

	if (pem == NULL || store == NULL || !add_roots(store, pem)) {
		X509_STORE_free(store);
		store = NULL;
	}
	BIO_free(pem);
	return store;
}

/* libcurl shares no store of its own between connections unless it comes from a file. */
static CURLcode use_amazon(CURL *easy, void *ssl_ctx, void *arg)
{
	(void)easy;
	(void)arg;
	SSL_CTX_set1_cert_store(ssl_ctx, amazon);
	return CURLE_OK;
}

#if !SM_LOCAL
/* Where distributions keep all roots: Amazon Linux and Fedora, Debian, Alpine and the BSDs, SUSE. */
static const char *usual_place(void)
{
	static const char *const places[] = {"/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt",
	                                     "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem"};
	static const char *found;

	for (size_t i = 0; found == NULL && i < sizeof places / sizeof *places; i++)
		if (access(places[i], R_OK) == 0)
			found = places[i];
	return found;
}
#endif

/* NULL: as libcurl was built. */
static const char *default_file(void)
{
	const char *given = getenv("SM_CA_BUNDLE");

	if (given != NULL && given[0] != '\0')
		return given;
#if SM_LOCAL
	return NULL;
#else
	given = getenv("SSL_CERT_FILE");
	return given != NULL && given[0] != '\0' ? given : usual_place();
#endif
}

CURLcode sm_http_trust(CURL *easy, bool amazon_roots, const char *ca_file)
{
	CURLcode code = curl_easy_setopt(easy, CURLOPT_SSL_EC_CURVES, CURVES);

	if (code == CURLE_NOT_BUILT_IN || code == CURLE_UNKNOWN_OPTION)
		code = CURLE_OK;
	if (ca_file == NULL && !amazon_roots)
		ca_file = default_file();
	if (ca_file != NULL)
		return code != CURLE_OK ? code : curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
	if (!amazon_roots)
		return code;
	if (amazon == NULL && (amazon = make_amazon()) == NULL)
		return CURLE_OUT_OF_MEMORY;
	curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	return code != CURLE_OK ? code : curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, use_amazon);
}

void sm_http_trust_init(void)
{
#if !SM_LOCAL
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL); /* the machine's openssl.cnf is for the machine's OpenSSL */
#endif
}

bool sm_http_trust_warm(void)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	bool ready = context != NULL && (amazon != NULL || (amazon = make_amazon()) != NULL);

	SSL_CTX_free(context);
	return ready;
}
