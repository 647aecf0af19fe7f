/* SPDX-License-Identifier: ISC */
/*
 * Internet addresses in one form: 16 bytes in network order, IPv4 as
 * v4-mapped IPv6 (RFC 4291, 2.5.5.2), and prefixes of them.
 */
#ifndef COMMON_ADDR_H
#define COMMON_ADDR_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDR_TEXT_BYTES 46     /* INET6_ADDRSTRLEN */
#define PREFIX_TEXT_BYTES 50   /* an address, a slash and three digits */
#define ENDPOINT_TEXT_BYTES 54 /* an address, brackets, colon and a port */

struct addr {
	uint8_t byte[16];
};

/* bits counts in the 128-bit form: an IPv4 /24 has 120. */
struct prefix {
	struct addr addr;
	uint8_t bits;
};

int addr_is_v4(const struct addr *);
int addr_is_loopback(const struct addr *); /* 127.0.0.0/8 or ::1 */
int addr_compare(const struct addr *, const struct addr *); /* as memcmp(3) */

/* 4 bytes in network order. */
void addr_from_v4(const uint8_t bytes[4], struct addr *);

/* -1 with EAFNOSUPPORT for families other than AF_INET and AF_INET6. */
int addr_from_sockaddr(const struct sockaddr *, struct addr *, uint16_t *port);

/*
 * Writes an IPv4 sockaddr for a v4-mapped address and an IPv6 one otherwise;
 * returns its length.
 */
socklen_t
addr_to_sockaddr(const struct addr *, uint16_t port, struct sockaddr_storage *);

/* RFC 5952 text, IPv4 dotted.  Returns buf. */
char *addr_format(const struct addr *, char buf[ADDR_TEXT_BYTES]);

/*
 * Reads "10.0.0.0/8", "fd00::/8", or an address alone.  -1 with EINVAL when it
 * is no address or prefix, -1 with ERANGE when bits beyond the prefix are set
 * (the masked prefix is stored then).  A v4-mapped address in IPv6 notation is
 * refused with EINVAL: which family it means is not clear.
 */
int prefix_parse(const char *text, struct prefix *);

/* "10.0.0.0/8"; a full-length prefix is written without its slash. */
char *prefix_format(const struct prefix *, char buf[PREFIX_TEXT_BYTES]);

/*
 * "10.0.0.9:1080" or "[fd00::9]:1080".  -1 with EINVAL when it is none, when
 * the port is 0, or when the address has a prefix or is v4-mapped.
 */
int endpoint_parse(const char *text, struct addr *, uint16_t *port);

/* As endpoint_parse() reads it.  Returns buf. */
char *endpoint_format(
    const struct addr *, uint16_t port, char buf[ENDPOINT_TEXT_BYTES]);

int prefix_contains(const struct prefix *, const struct addr *);

/* The address with so many bits of its own family's; the others are zero. */
struct addr
addr_network(const struct addr *, unsigned int v4_bits, unsigned int v6_bits);

/*
 * Whom limits and fairness take for one client: an address of IPv4, or a /64 of
 * IPv6, of which a host has as many addresses as it likes (RFC 8981).
 */
#define ADDR_CLIENT_V4_BITS 32
#define ADDR_CLIENT_V6_BITS 64
struct addr addr_client(const struct addr *);

#endif
