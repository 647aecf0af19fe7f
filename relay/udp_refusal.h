/* SPDX-License-Identifier: ISC */
/*
 * Tells a client of UDP that its server cannot be reached, in the way of IP: by
 * an ICMP error (RFC 1122, 4.1.3.3).  The kernel makes it, of a datagram with
 * the client's address that it rejects.
 */
#ifndef RELAY_UDP_REFUSAL_H
#define RELAY_UDP_REFUSAL_H

#include "relay/broker.h"

/*
 * error: ECONNREFUSED for the port, anything else for the host.  Nothing comes
 * of it when too many are under way, when the client is a socket of this host,
 * whose address cannot be had twice, or when this host has no route.
 */
void udp_refusal(struct broker *, const struct broker_flow *, int error);

#endif
