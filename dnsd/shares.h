/* SPDX-License-Identifier: ISC */
/*
 * Who has how many of some places, and whether it may have one more.  A client
 * is what addr_client() says: of IPv6 a whole /64, whose addresses a host may
 * all have.  One address of it, a host here, has at most half of what the
 * client may have, or it would leave its neighbours nothing.  Fixed memory.
 */
#ifndef DNSD_SHARES_H
#define DNSD_SHARES_H

#include <stdint.h>

#include "common/addr.h"
#include "dnsd/siphash.h"

#define SHARES_HOST_PART 2 /* of a client's share, what one host may have */

struct shares;

/* Hashes with a key, by which clients and hosts are told apart. */
struct share_tags {
	uint64_t client;
	uint64_t host; /* 0: the client is one host */
};

struct share {
	uint64_t tag;
	uint32_t count;
	uint32_t turn, tries; /* for whoever has the places; 0 at first */
	struct share *next;
};

/* What goes with a place that is taken. */
struct share_hold {
	struct share *client;
	struct share *host; /* NULL: the client is one host */
};

struct share_tags shares_tags(const struct siphash_key *, const struct addr *);
struct share_tags shares_tags_of(const struct share_hold *);

/* places: how many are taken at most.  NULL with ENOMEM. */
struct shares *shares_new(uint32_t places);
void shares_free(struct shares *); /* NULL is fine */

/* How many the client has. */
uint32_t shares_count(const struct shares *, const struct share_tags *);

/* 1 when its client has less than so many, and its host less than its part. */
int
shares_allow(const struct shares *, const struct share_tags *, uint32_t most);

/* While there is a place, whatever shares_allow() says. */
void
shares_take(struct shares *, const struct share_tags *, struct share_hold *);
void shares_give(struct shares *, const struct share_hold *);

#endif
