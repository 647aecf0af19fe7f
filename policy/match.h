/* SPDX-License-Identifier: ISC */
/*
 * Which rule decides a flow.  The answer is the one that the kernel gets from
 * the rules of render.c, packet by packet.
 */
#ifndef POLICY_MATCH_H
#define POLICY_MATCH_H

#include <stdint.h>

#include "common/addr.h"
#include "policy/domain_index.h"
#include "policy/image.h"

/* Whose socket of this host sends: what rules with users or groups ask. */
struct policy_owner {
	uint32_t uid;
	uint32_t gid;
};

struct policy_query {
	uint8_t proto; /* IPPROTO_ */
	struct addr src;
	struct addr dst;
	uint16_t dport; /* host order */
	/*
	 * Of the server, in lower case; "": it has none, and is not waited
	 * for; NULL: not known yet, as to the kernel.
	 */
	const char *host;
	const struct domain_index
	    *index; /* the image's own; not without host */
	/* NULL: no socket of this host, so that no such rule matches. */
	const struct policy_owner *owner;
};

struct policy_verdict {
	enum flow_action action;
	uint16_t rule;		       /* its index, or FLOW_RULE_DEFAULT */
	uint16_t upstream;	       /* its index, or UPSTREAM_NONE */
	const struct image_rule *item; /* NULL for the default */
	int needs_name; /* then it is relayed to find out, and decided again */
};

/*
 * A rule with domains matches what has a name in its list.  As long as the name
 * is not known, the first such rule whose other selectors match decides nothing
 * but that the name is needed: what comes behind it must not be believed.
 *
 * UDP that a rule or the default would relay through an upstream is blocked, as
 * that rule.  What is neither TCP nor UDP passes by default.
 */
struct policy_verdict
policy_match(const struct image *, const struct policy_query *);

/* 1 when an exclusion matches: then nothing captures it, whatever rules say. */
int policy_excluded(const struct image *, const struct policy_query *);

/* Whether a flow, of which host is ignored, is decided by its name. */
int policy_needs_name(const struct image *, const struct policy_query *);

/*
 * What the kernel does with what matches a rule: a rule with domains sends it
 * to the relay.  proto: RULE_TCP or RULE_UDP.
 */
unsigned int policy_kernel_action(
    const struct image *, const struct image_rule *, unsigned int proto);

#endif
