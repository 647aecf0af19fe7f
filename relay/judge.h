/* SPDX-License-Identifier: ISC */
/*
 * What a relay decides about flows: by the rules, by what it knows of their
 * names, and by the limits of rules.  The kernel has decided by the same rules;
 * it may have done so long ago.  Where it had to tell the owner of a flow and
 * has only told the one by the rules of before, those count.
 *
 * A name that the client sends counts before one that it was told by DNS: it
 * could have asked for another one at that address.
 */
#ifndef RELAY_JUDGE_H
#define RELAY_JUDGE_H

#include "relay/record.h"

struct denials;
struct limit;
struct regime;

/* What is in use where these point to, at the time of each call. */
struct judge {
	const struct regime *now;
	const struct regime *before; /* perhaps none */
	const struct limit *limit;
	struct denials *denials;
};

/*
 * All of these fill in the rest of start.  This is for a flow of TCP whose
 * client has said nothing yet; with needs_name it is to be decided again by
 * judge_named().
 */
enum flow_action judge_begun(const struct judge *, struct flow_start *);

/* It is known what its client sent first; start->host: the name in it. */
enum flow_action judge_named(const struct judge *, struct flow_start *);

/*
 * Whether a flow that was decided without a name is forbidden, now that it has
 * one; then the record says which rule it is.  It is too late for another way,
 * but not for none.
 */
int judge_forbids(
    const struct judge *, struct flow_entry *record, const char *host);

/*
 * OVER: the flow is refused, and accounted for; RESET: and its client is to be
 * told, at most as often as there are rows.  UNNAMED, only while start does not
 * say looked: it is to be decided again when it does.
 */
enum udp_decision { UDP_OVER, UDP_RESET, UDP_BEGIN, UDP_UNNAMED };

enum udp_decision judge_udp(const struct judge *, struct flow_start *);

#endif
