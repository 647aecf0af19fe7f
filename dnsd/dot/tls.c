/* SPDX-License-Identifier: ISC */
/* The only file that knows what is demanded of a server. */
#include "dnsd/dot/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

struct tls {
	SSL_CTX *context;
	int session_index; /* of a connection's SSL_SESSION ** */
};

/* RFC 7858 registers this name for ALPN. */
static const unsigned char protocols[] = { 3, 'd', 'o', 't' };

static struct tls *
of_context(SSL_CTX *context)
{
	return SSL_CTX_get_app_data(context);
}

/* 1: the reference is taken over. */
static int
on_session(SSL *ssl, SSL_SESSION *session)
{
	const struct tls *tls = of_context(SSL_get_SSL_CTX(ssl));
	SSL_SESSION **kept = SSL_get_ex_data(ssl, tls->session_index);

	SSL_SESSION_free(*kept);
	*kept = session;
	return 1;
}

/* How many authorities the text has given. */
static int
authorities_add(SSL_CTX *context, const char *text, size_t len)
{
	X509_STORE *store = SSL_CTX_get_cert_store(context);
	BIO *bio = BIO_new_mem_buf(text, (int)len);
	X509 *authority;
	int count = 0;

	if (bio == NULL)
		return 0;
	while ((authority = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		count += X509_STORE_add_cert(store, authority);
		X509_free(authority);
	}
	BIO_free(bio);
	ERR_clear_error(); /* the end of the text is an error to OpenSSL */
	return count;
}

static int
authorities_system(SSL_CTX *context)
{
	X509_STORE *store = SSL_CTX_get_cert_store(context);
	const char *file = X509_get_default_cert_file();
	/* Debian keeps no file of OpenSSL's name, but this one. */
	static const char bundle[] = "/etc/ssl/certs/ca-certificates.crt";

	if (X509_STORE_load_file(store, file) == 1 ||
	    X509_STORE_load_file(store, bundle) == 1)
		return 1;
	ERR_clear_error();
	return 0;
}

static int
demand(SSL_CTX *context)
{
	if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_alpn_protos(context, protocols, sizeof(protocols)) != 0)
		return -1;
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION |
					 SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_session_cache_mode(
	    context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(context, on_session);
	return 0;
}

struct tls *
tls_new(const char *authorities, size_t len, const char **why)
{
	struct tls *tls = calloc(1, sizeof(*tls));

	*why = "out of memory";
	if (tls == NULL ||
	    OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1 ||
	    (tls->context = SSL_CTX_new(TLS_client_method())) == NULL ||
	    demand(tls->context) == -1)
		goto fail;
	SSL_CTX_set_app_data(tls->context, tls);
	tls->session_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	if (tls->session_index < 0)
		goto fail;
	*why = "no certificate authorities";
	if (authorities != NULL
		? authorities_add(tls->context, authorities, len) == 0
		: !authorities_system(tls->context))
		goto fail;
	return tls;
fail:
	tls_free(tls);
	return NULL;
}

void
tls_free(struct tls *tls)
{
	if (tls == NULL)
		return;
	SSL_CTX_free(tls->context);
	free(tls);
}

SSL *
tls_open(struct tls *tls, const char *name, SSL_SESSION **session)
{
	SSL *ssl = SSL_new(tls->context);

	if (ssl == NULL)
		return NULL;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
				   X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	if (SSL_set1_host(ssl, name) != 1 ||
	    SSL_set_tlsext_host_name(ssl, name) != 1 ||
	    SSL_set_ex_data(ssl, tls->session_index, session) != 1)
		goto fail;
	/* A session is for one connection, or they could be told to be one's.
	 */
	if (*session != NULL && SSL_set_session(ssl, *session) == 1) {
		SSL_SESSION_free(*session);
		*session = NULL;
	}
	return ssl;
fail:
	SSL_free(ssl);
	return NULL;
}

const char *
tls_why(const SSL *ssl, unsigned long error)
{
	long verdict = SSL_get_verify_result(ssl);
	const char *words = ERR_reason_error_string(error);

	if (verdict != X509_V_OK)
		return X509_verify_cert_error_string(verdict);
	return words != NULL ? words : "connection closed";
}
