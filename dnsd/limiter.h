/* SPDX-License-Identifier: ISC */
/*
 * How often a client may do something: a bucket for each, in fixed memory.
 * Clients never share one.  When there is no bucket left, the fullest of a few
 * is taken away, whose client has lost least by that.  A client is what
 * addr_client() says.
 */
#ifndef DNSD_LIMITER_H
#define DNSD_LIMITER_H

#include <stdint.h>

#include "common/addr.h"
#include "dnsd/siphash.h"

/*
 * Of what a /64 of IPv6 may do, the part that one address of it has: whoever
 * has them all gains nothing, and one that floods leaves its neighbours some.
 */
#define LIMITER_HOST_PART 2

struct limiter;

/* NULL with ENOMEM. */
struct limiter *limiter_new(const struct siphash_key *);

/* Times a second, and as many at once; 0: no limit. */
void limiter_set_rate(struct limiter *, uint32_t rate);

/*
 * 1 when the client may do it, which counts; else 0.  now_us is of a clock that
 * never goes back.
 */
int limiter_take(struct limiter *, const struct addr *, int64_t now_us);

void limiter_free(struct limiter *);

#endif
