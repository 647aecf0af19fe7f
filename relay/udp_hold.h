/* SPDX-License-Identifier: ISC */
/*
 * Datagrams of clients that wait until there is a way to their servers: few of
 * each flow, and of few flows.  When too many flows wait, one of the client
 * that has most of them loses what it has.  What finds no room is lost, as on
 * any way, and counted.
 */
#ifndef RELAY_UDP_HOLD_H
#define RELAY_UDP_HOLD_H

#include <stdint.h>

#include "relay/udp_packet.h"

#define UDP_HOLD_DATAGRAMS 16 /* of a flow */
#define UDP_HOLD_BYTES 65536U /* of a flow: the longest datagram has room */
#define UDP_HOLD_MOST 256     /* flows of a relay that hold some */

struct udp_hold;
struct udp_holds;

/* lost counts datagrams.  NULL with errno. */
struct udp_holds *udp_holds_new(_Atomic uint64_t *lost);

/*
 * Copies what has room, from the first on.  *hold is NULL at first, and again
 * when all of it was lost; it must stay where it is.
 */
void udp_hold_add(
    struct udp_holds *, struct udp_hold **hold, const struct udp_packet *, int);

/*
 * What is held, in its order: how many.  They go with the hold, which nobody
 * takes away any more.
 */
int udp_hold_packets(struct udp_hold *, const struct udp_packet **);

/* Its holder has NULL then.  NULL is fine. */
void udp_hold_free(struct udp_hold *);

#endif
