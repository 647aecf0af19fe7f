/* SPDX-License-Identifier: ISC */
/*
 * A DNS over TLS server on loopback, in the event loop of the test, with a
 * certificate that the test has made: it answers each query with the query, as
 * a response, in the manner that it is told.
 */
#ifndef TESTS_UNIT_DOT_FIXTURE_H
#define TESTS_UNIT_DOT_FIXTURE_H

#include <arpa/inet.h>
#include <sys/socket.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

enum fixture_manner {
	ANSWERS,
	ANSWERS_BACKWARDS, /* once it has three of them */
	ANSWERS_SERVFAIL,
	ANSWERS_OTHERS, /* another question */
	ANSWERS_IN_CAPITALS,
	LEAVES, /* when it is asked */
	IS_SILENT,
};

struct fixture_server {
	enum fixture_manner manner;
	SSL_CTX *context;
	struct event_base *base;
	struct event *event;
	int listener;
	uint16_t port;
	unsigned int connections;
	unsigned int queries;
	size_t query_bytes; /* of the last one */
	char meant[256];    /* by the last client (SNI) */
	char spoken[16];    /* by it (ALPN), if it is one protocol */
	struct bufferevent *last;
	unsigned int held_count;
	uint8_t held[3][2048];
	size_t held_len[3];
};

/* Of the next certificate. */
static enum {
	NO_FLAW,
	NAMED_BY_SUBJECT_ALONE,
	NAMED_IN_PART, /* d*.example.org */
	EXPIRED,
} fixture_flaw;

static X509 *
fixture_certificate(EVP_PKEY *key, const char *name)
{
	X509 *certificate = X509_new();
	X509_NAME *subject = X509_get_subject_name(certificate);
	char alternative[300];
	X509_EXTENSION *extension;

	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
	X509_gmtime_adj(X509_getm_notAfter(certificate),
	    fixture_flaw == EXPIRED ? -1 : 3600);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
	    (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(certificate, subject);
	X509_set_pubkey(certificate, key);
	if (fixture_flaw == NAMED_IN_PART)
		(void)snprintf(alternative, sizeof(alternative), "DNS:%c*%s",
		    name[0], strchr(name, '.'));
	else
		(void)snprintf(
		    alternative, sizeof(alternative), "DNS:%s", name);
	extension =
	    X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alternative);
	assert_non_null(extension);
	if (fixture_flaw != NAMED_BY_SUBJECT_ALONE)
		X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
	assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
	return certificate;
}

/* The certificate as text, which is its own authority; to free(3). */
static char *
fixture_identity(SSL_CTX *context, const char *name, size_t *len)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = fixture_certificate(key, name);
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes, *text;
	long length;

	assert_int_equal(SSL_CTX_use_certificate(context, certificate), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(context, key), 1);
	PEM_write_bio_X509(bio, certificate);
	length = BIO_get_mem_data(bio, &bytes);
	text = malloc((size_t)length);
	assert_non_null(text);
	memcpy(text, bytes, (size_t)length);
	*len = (size_t)length;
	BIO_free(bio);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return text;
}

static void
fixture_send(struct bufferevent *connection, uint8_t *message, size_t len)
{
	uint8_t head[2] = { (uint8_t)(len >> 8), (uint8_t)len };

	message[2] |= 0x80;
	bufferevent_write(connection, head, sizeof(head));
	bufferevent_write(connection, message, len);
}

static void
fixture_query(struct fixture_server *server, struct bufferevent *connection,
    uint8_t *message, size_t len)
{
	unsigned int i;

	server->queries++;
	server->query_bytes = len;
	switch (server->manner) {
	case ANSWERS_OTHERS:
		message[13] ^= 1;
		fixture_send(connection, message, len);
		break;
	case ANSWERS_IN_CAPITALS:
		message[13] &= (uint8_t)~0x20U;
		fixture_send(connection, message, len);
		break;
	case ANSWERS_SERVFAIL:
		message[3] = 2;
		fixture_send(connection, message, len);
		break;
	case ANSWERS:
		fixture_send(connection, message, len);
		break;
	case ANSWERS_BACKWARDS:
		i = server->held_count++;
		memcpy(server->held[i], message, len);
		server->held_len[i] = len;
		if (server->held_count < 3)
			break;
		while (server->held_count > 0) {
			i = --server->held_count;
			fixture_send(
			    connection, server->held[i], server->held_len[i]);
		}
		break;
	case LEAVES:
	case IS_SILENT:
		break;
	}
}

static void
fixture_read(struct bufferevent *connection, void *arg)
{
	struct evbuffer *input = bufferevent_get_input(connection);
	struct fixture_server *server = arg;
	uint8_t message[2048];
	size_t len;

	while (evbuffer_copyout(input, message, 2) == 2) {
		len = (size_t)message[0] << 8 | message[1];
		if (evbuffer_get_length(input) < 2 + len)
			return;
		evbuffer_drain(input, 2);
		evbuffer_remove(input, message, len);
		fixture_query(server, connection, message, len);
		if (server->manner == LEAVES) {
			bufferevent_free(connection);
			return;
		}
	}
}

static void
fixture_event(struct bufferevent *connection, short what, void *arg)
{
	struct fixture_server *server = arg;

	if ((what & BEV_EVENT_CONNECTED) != 0) {
		(void)snprintf(server->meant, sizeof(server->meant), "%s",
		    SSL_get_servername(bufferevent_openssl_get_ssl(connection),
			TLSEXT_NAMETYPE_host_name));
		server->connections++;
		server->last = connection;
		return;
	}
	if (server->last == connection)
		server->last = NULL;
	bufferevent_free(connection);
}

static int
fixture_protocol(SSL *ssl, const unsigned char **protocol, unsigned char *len,
    const unsigned char *offered, unsigned int offered_len, void *arg)
{
	struct fixture_server *server = arg;

	(void)ssl;
	*protocol = offered + 1;
	*len = offered[0];
	if (offered_len == 1U + *len && *len < sizeof(server->spoken))
		memcpy(server->spoken, *protocol, *len);
	return SSL_TLSEXT_ERR_OK;
}

static void
fixture_accept(int listener, short what, void *arg)
{
	struct fixture_server *server = arg;
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct bufferevent *connection;

	(void)what;
	assert_int_not_equal(fd, -1);
	connection = bufferevent_openssl_socket_new(server->base, fd,
	    SSL_new(server->context), BUFFEREVENT_SSL_ACCEPTING,
	    BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	bufferevent_setcb(
	    connection, fixture_read, NULL, fixture_event, server);
	bufferevent_enable(connection, EV_READ | EV_WRITE);
}

/* Returns the text of its authority; to free(3). */
static char *
fixture_server_start(struct fixture_server *server, struct event_base *base,
    const char *name, size_t *len)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t address_len = sizeof(address);
	char *authority;

	memset(server, 0, sizeof(*server));
	server->base = base;
	server->context = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_alpn_select_cb(server->context, fixture_protocol, server);
	authority = fixture_identity(server->context, name, len);
	server->listener =
	    socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server->listener, (struct sockaddr *)&address,
			     sizeof(address)),
	    0);
	assert_int_equal(listen(server->listener, 16), 0);
	getsockname(
	    server->listener, (struct sockaddr *)&address, &address_len);
	server->port = ntohs(address.sin_port);
	server->event = event_new(base, server->listener, EV_READ | EV_PERSIST,
	    fixture_accept, server);
	event_add(server->event, NULL);
	return authority;
}

static void
fixture_server_stop(struct fixture_server *server)
{
	if (server->last != NULL)
		bufferevent_free(server->last);
	event_free(server->event);
	close(server->listener);
	SSL_CTX_free(server->context);
}

#endif
