/* SPDX-License-Identifier: ISC */
/* Addresses that names of others may not lead to (DNS rebinding). */
#ifndef DNSD_PRIVATE_H
#define DNSD_PRIVATE_H

#include <stddef.h>
#include <stdint.h>

#define PRIVATE_ADDR_MAX 16

/*
 * What no name of others may lead to: this host, and networks that are not
 * the Internet's (RFC 6890), also where IPv6 carries them: as IPv4-compatible,
 * mapped or translated addresses, which nobody there has (RFC 4291, RFC 2765),
 * by NAT64 (RFC 6052, RFC 8215), and by 6to4 (RFC 3056).
 * Ends in NULL.
 */
extern const char *const private_networks[];

/* Whether an address, of 4 or 16 bytes in network order, is in one of them. */
int private_is(const uint8_t *addr, size_t bytes);

#endif
