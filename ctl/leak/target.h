/* SPDX-License-Identifier: ISC */
/*
 * Addresses and ports that a policy speaks of, so that sentinels meet every
 * kind of decision: candidates, of which the first that is decided so is taken.
 * Pure.
 */
#ifndef CTL_LEAK_TARGET_H
#define CTL_LEAK_TARGET_H

#include <stddef.h>

#include "ctl/leak/judge.h"

#define TARGET_MOST 16 /* candidates of a kind: the first rules' */

struct target_list {
	struct addr at[TARGET_MOST];
	size_t count;
};

struct target_candidates {
	struct target_list src[2]; /* IPv4, IPv6 */
	struct target_list dst[2];
	uint16_t ports[TARGET_MOST];
	size_t nports;
};

struct target {
	struct addr src;
	struct addr dst;
	uint16_t dport;
};

/*
 * Destinations are addresses that rules and the first exclusions name, and one
 * for documentation; sources are own[] and, when from_rules is 1, addresses
 * that rules name as such.  No source is a destination.
 */
void target_collect(const struct image *, const struct addr own[2],
    int from_rules, struct target_candidates *);

/*
 * 1 and the first of a family that rules decide as wanted, or 0: so that what
 * is said of DNS before them is tried where they would not.  port 0: one of the
 * candidates.
 */
int target_find(const struct image *, const struct target_candidates *, int v6,
    uint8_t proto, uint16_t port, enum judge_class wanted, struct target *);

#endif
