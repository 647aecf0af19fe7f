/* SPDX-License-Identifier: ISC */
/*
 * Flows that their rule has no room for (max-flows): they are refused, see
 * denial.h.
 */
#ifndef RELAY_LIMIT_H
#define RELAY_LIMIT_H

#include "relay/record.h"
#include "relay/tally.h"

struct denials;
struct limit;

/* NULL without memory. */
struct limit *limit_new(struct denials *, const struct tally *);

/*
 * 0 when the rule that decided has room, with a share in start; -1: it has
 * none.  What has no limit has room.
 */
int limit_take(const struct limit *, struct flow_start *);

/* The same; a flow that is refused is accounted for. */
int limit_admit(const struct limit *, struct flow_start *);

#endif
