/* SPDX-License-Identifier: ISC */
/*
 * Which rule decides a flow.  The answer is the one that the kernel gets from
 * the rules of render.c, packet by packet.
 */
#ifndef POLICY_MATCH_H
#define POLICY_MATCH_H

#include <stdint.h>

#include "common/addr.h"
#include "policy/image.h"

struct policy_query {
	uint8_t proto; /* IPPROTO_ */
	struct addr src;
	struct addr dst;
	uint16_t dport; /* host order */
};

struct policy_verdict {
	enum flow_action action;
	uint16_t rule;		       /* its index, or FLOW_RULE_DEFAULT */
	uint16_t upstream;	       /* its index, or UPSTREAM_NONE */
	const struct image_rule *item; /* NULL for the default */
};

/*
 * UDP that a rule or the default would relay through an upstream is blocked, as
 * that rule.  What is neither TCP nor UDP passes by default.
 */
struct policy_verdict
policy_match(const struct image *, const struct policy_query *);

/* 1 when an exclusion matches: then nothing captures it, whatever rules say. */
int policy_excluded(const struct image *, const struct policy_query *);

#endif
