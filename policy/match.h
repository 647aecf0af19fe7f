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

#define POLICY_ID_UNKNOWN UINT32_MAX /* no list has it */

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
	const char *aliases; /* of host, as in struct binding; NULL: none */
	const struct domain_index
	    *index; /* the image's own; not without host */
	/*
	 * RULE_NAME_AGREES or another of them; 0: not known yet, as to the
	 * kernel.  Without host it may be known.
	 */
	unsigned int name;
	/* NULL: no socket of this host, so that no such rule matches. */
	const struct policy_owner *owner;
};

struct policy_verdict {
	enum flow_action action;
	uint16_t rule;	   /* its index, FLOW_RULE_DEFAULT, or DNS_RULE_WAY.. */
	uint16_t upstream; /* its index, or UPSTREAM_NONE */
	const struct image_rule *item; /* NULL when it is no rule's */
	int needs_name; /* then it is relayed to find out, and decided again */
};

/*
 * A rule with domains matches what has a name in its list, or an alias of it
 * that its client was told, one with names what
 * agrees so with what the client was told.  As long as that is not known, the
 * first such rule whose other selectors match decides nothing but that the name
 * is needed: what comes behind it must not be believed.
 *
 * Before all rules, a way past DNS that is closed is blocked by its port.
 *
 * UDP that a rule or the default would relay through an upstream is blocked, as
 * that rule.  What is neither TCP nor UDP passes by default.
 */
struct policy_verdict
policy_match(const struct image *, const struct policy_query *);

/* Whether a rule matches, or the first of its selectors that does not. */
enum policy_fit {
	POLICY_FITS,
	POLICY_OTHER_PROTOCOL,
	POLICY_OTHER_PORT,
	POLICY_OTHER_OWNER,
	POLICY_OTHER_SOURCE,
	POLICY_OTHER_DESTINATION,
	POLICY_OTHER_NAME,
	POLICY_OTHER_AGREEMENT, /* of the name with what DNS has told */
	POLICY_NEEDS_NAME, /* all others match, and the name is not known */
	POLICY_FIT_COUNT
};

/* By which policy_match() and policy_exclusion() go. */
enum policy_fit policy_fit(const struct image *, const struct image_rule *,
    const struct policy_query *);

/* 1 and the first exclusion that matches. */
int policy_exclusion(
    const struct image *, const struct policy_query *, uint32_t *i);

/* What rules and the default decide, as if no way past DNS were closed. */
struct policy_verdict
policy_match_rules(const struct image *, const struct policy_query *);

/* 1 when an exclusion matches: then nothing captures it, whatever rules say. */
int policy_excluded(const struct image *, const struct policy_query *);

/*
 * The rule that wants a flow's host or name first, which are ignored here; NULL
 * when they decide nothing about it.
 */
const struct image_rule *
policy_needs_name(const struct image *, const struct policy_query *);

/* Whether a rule's addresses are those of a flow between these two. */
int policy_between(const struct image *, const struct image_rule *,
    const struct addr *src, const struct addr *dst);

/*
 * What the kernel does with what matches a rule: one about names sends it to
 * the relay.  proto: RULE_TCP or RULE_UDP.
 */
unsigned int policy_kernel_action(
    const struct image *, const struct image_rule *, unsigned int proto);

#endif
