/* SPDX-License-Identifier: ISC */
/*
 * Datagrams of a client that wait until there is a way to its server: few of
 * each flow, and of few flows.  What finds no room is lost, as on any way.
 */
#ifndef RELAY_UDP_HOLD_H
#define RELAY_UDP_HOLD_H

#include "relay/udp_packet.h"

#define UDP_HOLD_PACKETS 16   /* of a flow */
#define UDP_HOLD_BYTES 65536U /* of a flow: the longest datagram has room */
#define UDP_HOLD_MOST 256     /* flows of a relay that hold some */

struct udp_hold;

/* Copies what has room, from the first on; *hold is NULL at first. */
void udp_hold_add(struct udp_hold **hold, const struct udp_packet *, int n);

/* What is held, in its order: how many.  They go with the hold. */
int udp_hold_packets(const struct udp_hold *, const struct udp_packet **);

void udp_hold_free(struct udp_hold *); /* NULL is fine */

#endif
