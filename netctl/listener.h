/* SPDX-License-Identifier: ISC */
/*
 * The listening sockets that only a capability can make: transparent, so that
 * they accept connections to any address, and shared by the relays' ports.
 */
#ifndef NETCTL_LISTENER_H
#define NETCTL_LISTENER_H

#include <stdint.h>

/*
 * A TCP listener on the loopback address of family 4 or 6.  *port is 0 for any
 * free one, then the same for the other relays.  Returns the descriptor, or -1
 * with errno.
 */
int listener_open(int family, uint16_t *port);

#endif
