/* SPDX-License-Identifier: ISC */
/*
 * Names in the first datagrams of flows of UDP, if they are QUIC.  Datagrams
 * are looked at as they pass, and none is held.  Memory is fixed: flows look
 * for their names in so many places, and who needs one when all are taken gets
 * that of the flow whose name was found first or, when there is none, that has
 * looked for longest, which then has no name.
 */
#ifndef RELAY_UDP_SNIFF_H
#define RELAY_UDP_SNIFF_H

#include "relay/sniff_quic.h"

struct udp_packet;
struct udp_sniff;
struct udp_sniffs;

#define UDP_SNIFF_PLACES 128

/* NULL with ENOMEM. */
struct udp_sniffs *udp_sniffs_new(void);

/*
 * Whether a flow begins with this packet, or a connection within it that is not
 * the known one, of which *place has what was read, or NULL.  *place, which
 * must stay where it is until udp_sniff_end(), is then not NULL for as long as
 * there may be a name.
 */
int udp_sniff_begin(struct udp_sniffs *, struct udp_sniff **place,
    const struct udp_packet *, const struct quic_id *known);

/*
 * What the client has sent, from that packet on; *place is not NULL.  The name
 * is written for FOUND; it and NONE are final, and *place has what was read for
 * as long as nobody needs it more.  known is then that connection.
 */
enum sniff_status udp_sniff_read(struct udp_sniffs *, struct udp_sniff **place,
    const struct udp_packet *, int n, struct sniff_name *,
    struct quic_id *known);

/* *from may be NULL; *to stands for it from now on. */
void udp_sniff_move(struct udp_sniff **to, struct udp_sniff **from);

/* The flow ends; *place may be NULL. */
void udp_sniff_end(struct udp_sniffs *, struct udp_sniff **place);

#endif
