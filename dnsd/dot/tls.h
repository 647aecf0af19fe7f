/* SPDX-License-Identifier: ISC */
/*
 * TLS toward resolvers that are known by name (DNS over TLS, RFC 7858 and the
 * strict profile of RFC 8310): TLS 1.2 or later, a chain to a trusted
 * authority, and a certificate for that very name.  There is no way to ask for
 * less.
 */
#ifndef DNSD_DOT_TLS_H
#define DNSD_DOT_TLS_H

#include <openssl/ssl.h>
#include <stddef.h>

struct tls;

/*
 * authorities: PEM text (not a path) of those that are trusted; NULL: the
 * system's, which are read here, so before the sandbox is closed.  NULL with
 * why (static) when there are none, or without memory.
 */
struct tls *tls_new(const char *authorities, size_t len, const char **why);
void tls_free(struct tls *);

/*
 * A connection to a server of that name, not yet begun.  *session is what an
 * earlier one has left, or NULL; it is used for resumption (RFC 8446, 2.2), and
 * replaced by what the server gives; who calls keeps it and releases it with
 * SSL_SESSION_free(3).  session must live as long as the connection.
 */
SSL *tls_open(struct tls *, const char *name, SSL_SESSION **session);

/* Why a connection failed: the certificate's fault, else OpenSSL's words. */
const char *tls_why(const SSL *, unsigned long error);

#endif
