/* SPDX-License-Identifier: ISC */
/*
 * Looks for the name of one flow of UDP in what its client sends.
 *
 * For the log alone it is looked for as udp_sniff.h does.  A flow that its name
 * decides is watched: whenever it turns out to be QUIC, its hello is read to
 * the end, and one that cannot be read might have any name.  So is that of each
 * further connection that begins in the flow.
 */
#ifndef RELAY_UDP_WATCH_H
#define RELAY_UDP_WATCH_H

#include "relay/udp_sniff.h"

enum udp_watch_state {
	UDP_WATCH_OVER,
	UDP_WATCH_LOG,	   /* a name is looked for, for the log */
	UDP_WATCH_QUIET,   /* no QUIC so far */
	UDP_WATCH_READING, /* without place: it was lost */
	UDP_WATCH_NAMED,   /* until another connection begins */
};

struct udp_watch {
	struct udp_sniffs *sniffs;
	struct udp_sniff *place;
	struct quic_id known; /* the connection that was read last */
	enum udp_watch_state state;
};

/*
 * Begins with the first packet of a flow; the watch must stay where it is until
 * udp_watch_end() or udp_watch_move().
 */
void udp_watch_log(
    struct udp_watch *, struct udp_sniffs *, const struct udp_packet *first);

/* The same for a flow that its name decides. */
void udp_watch_strictly(struct udp_watch *, struct udp_sniffs *);

/*
 * What the client has sent next.  MORE: there is nothing to say.  FOUND and
 * NONE, with what name says, are final for a connection.
 */
enum sniff_status udp_watch_read(struct udp_watch *, const struct udp_packet *,
    int n, struct sniff_name *name);

/* to goes on in the place of from, which is over. */
void udp_watch_move(struct udp_watch *to, struct udp_watch *from);

void udp_watch_end(struct udp_watch *);

#endif
