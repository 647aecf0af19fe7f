/* SPDX-License-Identifier: ISC */
/*
 * The open flows of all relays, counted by rule and by rule and client, for
 * limits on them.  A rule is known by its text, so that it keeps its count when
 * a configuration replaces another that has it too.
 *
 * A flow is counted before the limit is looked at, so that relays that take
 * flows at one moment never take more than the limit together; then it may be
 * that none of them takes the last one.
 */
#ifndef RELAY_TALLY_H
#define RELAY_TALLY_H

#include <stdint.h>

#include "common/addr.h"
#include "policy/rule.h"
#include "schema/limits.h"
#include "schema/tally.h"

struct tally {
	const struct tally_part *part[LIMIT_WORKERS]; /* of each relay */
	struct tally_part *own; /* one of them, which this relay writes */
	uint32_t workers;
	uint64_t seed; /* the same for all */
};

/* What a flow counts in: cells of the own part from 1 on; 0: nowhere. */
struct tally_share {
	uint32_t cell[LIMIT_SCOPES];
};

/* 1 when the own part is there and every other one. */
int tally_is_complete(const struct tally *);

/*
 * 0 and a share for tally_give_back(), or -1 when a limit is reached.  When the
 * bucket for a count is full, so that it cannot be kept, that is a limit too.
 */
int
tally_take(const struct tally *, const char *rule, const struct rule_limits *,
    const struct addr *client, struct tally_share *);

/* A share that is given back is empty, and giving that back does nothing. */
void tally_give_back(const struct tally *, struct tally_share *);

#endif
