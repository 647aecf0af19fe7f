/* SPDX-License-Identifier: ISC */
/*
 * HTTP/1.1 CONNECT (RFC 9110, 9.3.6; RFC 9112) with Basic authentication
 * (RFC 7617), the client's side.
 */
#ifndef RELAY_HTTP_CONNECT_H
#define RELAY_HTTP_CONNECT_H

#include <stddef.h>
#include <stdint.h>

#include "relay/answer.h"

#define HTTP_CONNECT_REQUEST_BYTES 2048
#define HTTP_CONNECT_HEAD_BYTES 8192 /* the longest head that is read */

/*
 * The request, without a NUL; returns its length.  The host must be made of
 * what a name is made of: this does not check it.
 */
size_t http_connect_write(const struct target *, const struct credential *,
    char buf[HTTP_CONNECT_REQUEST_BYTES]);

/*
 * A 2xx is good, and what stands behind its head is the flow's; 1xx are passed
 * over, and anything else is bad with its status.  So are bytes that begin as
 * no HTTP/1 answer does, and heads that are too long.
 */
enum answer_status
http_connect_read(const uint8_t *, size_t len, struct answer *);

#endif
