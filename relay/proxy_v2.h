/* SPDX-License-Identifier: ISC */
/*
 * The header of the PROXY protocol, version 2, of a connection made for
 * somebody else (haproxy, doc/proxy-protocol.txt, 2.2).
 */
#ifndef RELAY_PROXY_V2_H
#define RELAY_PROXY_V2_H

#include <stddef.h>
#include <stdint.h>

#include "relay/answer.h"

#define PROXY_V2_BYTES (16 + 36 + 3 + TARGET_HOST_BYTES)

/*
 * The client and where it wanted to go, which must be of one family; the host
 * goes as PP2_TYPE_AUTHORITY when it is known.  Returns the length.
 */
size_t proxy_v2_write(const struct addr *client, uint16_t port,
    const struct target *, uint8_t buf[PROXY_V2_BYTES]);

#endif
