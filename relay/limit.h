/* SPDX-License-Identifier: ISC */
/*
 * Flows that their rule has no room for (max-flows): they are refused, with a
 * row each as long as these are not too many.
 */
#ifndef RELAY_LIMIT_H
#define RELAY_LIMIT_H

#include "policy/image.h"
#include "relay/record.h"
#include "relay/tally.h"

struct limit;

/* NULL without memory. */
struct limit *limit_new(struct journal *, const struct tally *);

/*
 * 0 when the rule has room, with a share in start; -1: it has none.  What has
 * no limit has room.
 */
int limit_take(const struct limit *, const struct image *, struct flow_start *);

/* The same; a flow that is refused is accounted for. */
int limit_admit(struct limit *, const struct image *, struct flow_start *);

#endif
