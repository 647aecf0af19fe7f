/* SPDX-License-Identifier: ISC */
/*
 * Answers that may be given again, in memory of a fixed size.  Finding one
 * allocates and copies nothing.
 */
#ifndef DNSD_CACHE_H
#define DNSD_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "dnsd/answer.h"
#include "dnsd/front.h"
#include "dnsd/siphash.h"

struct cache;

/* Which answer: name, type and CD of the question, and this. */
enum cache_kind {
	CACHE_PLAIN,   /* for clients without DO */
	CACHE_DNSSEC,  /* for those with DO */
	CACHE_NO_NAME, /* no such name: of any type, without DO */
	CACHE_NO_NAME_DNSSEC,
};

enum cache_state { CACHE_MISS, CACHE_FRESH, CACHE_STALE };

struct cache_found {
	struct answer answer; /* points into the cache until something is put */
	struct answer_age age;
	void *entry;
};

/* NULL with errno.  bytes 0: a cache that keeps nothing. */
struct cache *cache_new(size_t bytes, const struct siphash_key *);

/* How long after their time answers are still found; 0: not. */
void cache_set_stale(struct cache *, uint32_t stale_s);

/* now_s is of a clock that never goes back.  On a miss *found is undefined. */
enum cache_state cache_find(struct cache *, const struct question *,
    enum cache_kind, uint32_t now_s, struct cache_found *found);

/* Replaces what was there.  What is too big or has no TTL is not kept. */
void cache_put(struct cache *, const struct question *, enum cache_kind,
    const struct answer *, uint32_t now_s);

/*
 * To look up again something stale was of no use: until then, nobody need try.
 * cache_is_resting() says whether that lasts.
 */
void cache_rest(struct cache_found *, uint32_t until_s);
int cache_is_resting(const struct cache_found *, uint32_t now_s);

void cache_flush(struct cache *);
void cache_free(struct cache *);

#endif
