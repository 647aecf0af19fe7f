/* SPDX-License-Identifier: ISC */
/*
 * The server_name of a TLS ClientHello: RFC 8446, 4.1.2 and 5.1; RFC 6066, 3;
 * encrypted_client_hello: RFC 9849.
 */
#ifndef RELAY_SNIFF_TLS_H
#define RELAY_SNIFF_TLS_H

#include "relay/sniff.h"

#define SNIFF_TLS_FIRST 22 /* the first byte of a record of handshake */

/*
 * A stream of TLS records; the hello may be cut into any number of them, and
 * its length without their heads is what counts.  Refused as no TLS: the hello
 * of SSL 2, which has no records.
 */
enum sniff_status sniff_tls(struct sniff_course *, const uint8_t *bytes,
    size_t len, struct sniff_name *name);

/* The handshake message itself, as QUIC carries it without records. */
enum sniff_status sniff_hello(const uint8_t *bytes, size_t len,
    enum flow_host_source source, struct sniff_name *name);

#endif
