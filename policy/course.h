/* SPDX-License-Identifier: ISC */
/*
 * What becomes of a new flow while the lease lives: whether it is captured, by
 * whom it is decided, and by which rule.  The answer is the one that the kernel
 * gets from the chains of render.c and its kin for a flow's first packet, and
 * then a relay, or dnsd, from the same rules.
 */
#ifndef POLICY_COURSE_H
#define POLICY_COURSE_H

#include <stdint.h>

#include "policy/match.h"
#include "policy/match_dns.h"

struct course_query {
	/* host NULL: its name is not known; owner: of LOCAL, and only there */
	struct policy_query flow;
	enum flow_capture capture;
	const char *interface; /* FORWARDED: where it comes in */
	uint32_t own_uid;      /* of tpx */
	int is_here;	       /* its destination is local, broadcast, ... */
	uint16_t qtype;	       /* of a question that flow.host is asked for */
};

enum course_end {
	/* Not captured: it goes as if there were no tpx. */
	COURSE_INTERFACE, /* comes from another interface */
	COURSE_OWN,	  /* tpx's own */
	COURSE_USER,	  /* of other owners, or nothing local is captured */
	COURSE_HERE,	  /* for this host itself, or for many */
	COURSE_EXCLUDED,
	COURSE_OTHER_PASSES, /* neither TCP nor UDP */
	/* Captured. */
	COURSE_OTHER_BLOCKED,
	COURSE_UNSPECIFIED, /* to the address that no host has: dropped */
	COURSE_LINK_LOCAL,  /* UDP that nobody may forward: dropped */
	COURSE_WAY,	    /* past DNS, and closed: blocked */
	COURSE_DNS,	    /* dnsd answers, or tells whom it asked */
	COURSE_KERNEL,	    /* a rule decides, in the kernel */
	COURSE_RELAY,	    /* a rule decides, when the name is known */
	COURSE_TOLD,	    /* a rule passes it in the kernel, see told.h */
	COURSE_COUNT
};

#define COURSE_IS_CAPTURED(end) ((end) >= COURSE_OTHER_BLOCKED)

struct course {
	enum course_end end;
	uint32_t exclusion;	       /* of COURSE_EXCLUDED */
	struct policy_verdict verdict; /* of COURSE_KERNEL, RELAY, TOLD, WAY */
	struct dns_verdict dns;	       /* of COURSE_DNS with a name */
};

/*
 * COURSE_RELAY without a name has a verdict that needs one.  A relay does not
 * let go of a flow any more: what `pass' decides there is relayed.
 * COURSE_TOLD: if DNS has told the client that address for the name; else it is
 * relayed.
 */
struct course course_of(const struct image *, const struct course_query *);

#endif
