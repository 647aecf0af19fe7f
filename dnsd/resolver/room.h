/* SPDX-License-Identifier: ISC */
/*
 * Places for questions that servers have not answered yet.  A server that is
 * silent holds them for seconds, and nothing gives one back before; so nobody
 * ever gets all: a dnsd, which may lie about its clients, may have so many
 * times what is left, and a client so much of what is left for its dnsd.
 * Whoever has more than others is stopped first, and something is left for who
 * has nothing.
 */
#ifndef DNSD_RESOLVER_ROOM_H
#define DNSD_RESOLVER_ROOM_H

#include <stdint.h>

#include "dnsd/shares.h"
#include "schema/dns.h"

#define ROOM_PLACES 2048
#define ROOM_CLIENT_PART 4 /* of what is left, that a client may have */
#define ROOM_DNSD_TIMES 2  /* what is left, that a dnsd may have */

struct room;

/* NULL with ENOMEM. */
struct room *room_new(const struct siphash_key *);
void room_free(struct room *); /* NULL is fine */

/*
 * Takes a place for a client of that dnsd: DNS_HELD_NOT, with *hold.  Tags are
 * dnsd's own: what one says of a client is no matter of another's.
 */
enum dns_held room_take(struct room *, uint32_t worker,
    const struct share_tags *, struct share_hold *hold);
void room_give(struct room *, uint32_t worker, const struct share_hold *);

#endif
