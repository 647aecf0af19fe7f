/* SPDX-License-Identifier: ISC */
/*
 * The sockets where clients come in, which only a capability can make:
 * transparent, so that they serve any address, and each shared by a port that
 * all relays have.
 */
#ifndef NETCTL_LISTENER_H
#define NETCTL_LISTENER_H

#include <stdint.h>

/*
 * Of a family (AF_INET, AF_INET6) and protocol (IPPROTO_TCP, IPPROTO_UDP), on
 * the loopback address.  *port is 0 for any free one, then the same for the
 * other relays.  Returns the descriptor, or -1 with errno.
 */
int listener_open(int family, int proto, uint16_t *port);

/* The same; what it sends itself, by UDP, has the mark.  0: none. */
int listener_open_marked(int family, int proto, uint16_t *port, uint32_t mark);

/*
 * The same on 127.0.0.1 for what is neither transparent nor shared: nobody else
 * gets the port while the socket is open.
 */
int listener_open_plain(int proto, uint16_t *port);

#define LISTENER_PORTS 4 /* of relays, and as many of DNS */
#define LISTENER_TRIES 16

/*
 * Ports that are free for both protocols, no two the same: by turns of IPv4 and
 * of IPv6.  -1 with errno.
 */
int listener_ports(uint16_t *const ports[LISTENER_PORTS]);

#endif
