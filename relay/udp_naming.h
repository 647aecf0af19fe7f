/* SPDX-License-Identifier: ISC */
/*
 * Flows of UDP that do not begin before it is known whether what their clients
 * send first has a name.  What begins as QUIC waits for the rest of its hello,
 * 200 ms at most; what has come of it is held.  When too many wait, one of the
 * client that has most of them does not wait any longer.
 */
#ifndef RELAY_UDP_NAMING_H
#define RELAY_UDP_NAMING_H

#include "relay/udp_table.h"
#include "relay/udp_watch.h"
#include "schema/flow.h"

#define UDP_NAMINGS 64 /* at a time: half of the places to read hellos in */

struct event_base;
struct udp_holds;
struct udp_namings;

/* What is known by now, until the callee returns. */
struct udp_named {
	struct udp_key key;
	enum flow_capture capture;
	uint8_t owner; /* of the first one, see struct flow_start */
	const struct sniff_name *name;	  /* NULL: no QUIC, or not all of it */
	struct udp_watch *watch;	  /* to go on with */
	const struct udp_packet *packets; /* from the first one on */
	int n;
};

/* It waits no longer.  Begins and ends none that waits. */
typedef void udp_named_fn(void *ctx, const struct udp_named *);

/* NULL with ENOMEM. */
struct udp_namings *udp_namings_new(
    struct event_base *, struct udp_holds *, udp_named_fn *, void *ctx);

/*
 * What a client sends who has no flow.  Ends in a call at once unless it begins
 * as QUIC and lacks something.
 */
void udp_namings_packets(struct udp_namings *, enum flow_capture,
    const struct udp_key *, const struct udp_packet *, int n);

/* Forgets all that wait. */
void udp_namings_end(struct udp_namings *);

#endif
