/* SPDX-License-Identifier: ISC */
/*
 * nft(8) transactions, as text for nft_run_cmd_from_buffer().  Each is all or
 * nothing.  Only numbers, addresses and checked names are written, never what
 * somebody typed.  Whether memory lasted is for text_check().
 */
#ifndef POLICY_RENDER_H
#define POLICY_RENDER_H

#include <stdint.h>

#include "policy/image.h"
#include "policy/text.h"

#define RENDER_TABLE "tpx"
#define RENDER_GUARD_TABLE "tpx_guard"
/* The same once more, while the guard is being replaced. */
#define RENDER_GUARD_BESIDE "tpx_guard_beside"
/* Timeouts of conntrack for relayed UDP: then seconds, and the family. */
#define RENDER_UDP_TIMEOUT "relayed_udp_"
/*
 * Begins the names of sets and limits that hold what clients have used up of a
 * rule's limits: they stay when the table is made anew with that rule.
 */
#define RENDER_KEPT "kept_"
/* Begins a command behind the capture table that fills one of its sets. */
#define RENDER_ADD_ELEMENT "add element inet " RENDER_TABLE " "
/* Groups of NFLOG; prefix "GENERATION.RULE", of limits with ".rate" behind */
#define RENDER_LOG_GROUP 74   /* flows that are blocked */
#define RENDER_OWNER_GROUP 75 /* of this host, the first packet of others */

/*
 * The relays on this host: their listeners on 127.0.0.1 and ::1, for what it
 * forwards and for its own sockets, the same of dnsd, that of tpx-dot on
 * 127.0.0.1, and their user.  A port 0: none, the family is not relayed.
 */
struct render_local {
	uint16_t port4;
	uint16_t port6;
	uint16_t local4;
	uint16_t local6;
	uint16_t dns4;
	uint16_t dns6;
	uint16_t dns_local4;
	uint16_t dns_local6;
	uint16_t dot;
	uint32_t uid;
};

/* Time that an element of the lease lives: two thirds of the lease. */
uint32_t render_lease_ms(const struct image *);

/*
 * What a live lease stands for.  PAUSE: whatever is captured gets the pass
 * mark, so that not even a guard stops it.
 */
enum render_lease { RENDER_NO_LEASE, RENDER_CAPTURE, RENDER_PAUSE };

/*
 * The whole capture table, and what fills its sets, for render_side.h to make
 * transactions of; its owner is the socket that sends them.  The lease is
 * empty; NO_LEASE: what a live one would capture.
 */
void render_capture(const struct image *, const struct render_local *,
    enum render_lease, struct text *);
/* The lease from now on, whether the last one is live, expired or none. */
void render_renew(const struct image *, struct text *);
/* Ends the lease, also one that has ended. */
void render_lapse(const struct image *, struct text *);
void render_remove_capture(struct text *); /* also when it is not there */

/*
 * Replaces the guard; it belongs to no socket.  For on-failure closed.  Of the
 * relays only the user counts.
 */
void
render_guard(const struct image *, const struct render_local *, struct text *);
/*
 * Against all forwarding, when no configuration says what is captured; beside
 * what a guard that stands already holds.
 */
void render_guard_all(struct text *);

/*
 * The guard in another table: a packet that comes while a transaction replaces
 * a chain with a hook may find the old one empty already and the new one not
 * yet filled, and has to get past this one.
 */
void render_guard_beside(
    const struct image *, const struct render_local *, struct text *);

/* Also when they are not there. */
void render_remove_guard(struct text *);
void render_remove_guard_beside(struct text *);

#endif
