/* SPDX-License-Identifier: ISC */
/*
 * How often a client may do something: a bucket for each, in fixed memory.
 * Clients never share one.  When there is no bucket left, the fullest of a few
 * is taken away, whose client has lost least by that.
 */
#ifndef DNSD_LIMITER_H
#define DNSD_LIMITER_H

#include <stdint.h>

#include "common/addr.h"
#include "dnsd/siphash.h"

/* Of IPv6 clients, all of one /64 together may do so many times as much. */
#define LIMITER_NET_TIMES 8

struct limiter;

/* NULL with ENOMEM. */
struct limiter *limiter_new(const struct siphash_key *);

/* Times a second, and as many at once; 0: no limit. */
void limiter_set_rate(struct limiter *, uint32_t rate);

/*
 * 1 when the client may do it, which counts; else 0.  now_us is of a clock that
 * never goes back.
 */
int limiter_take(struct limiter *, const struct addr *client, int64_t now_us);

void limiter_free(struct limiter *);

#endif
