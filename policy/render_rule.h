/* SPDX-License-Identifier: ISC */
/* The parts of a table that rules and exclusions decide. */
#ifndef POLICY_RENDER_RULE_H
#define POLICY_RENDER_RULE_H

#include "policy/image.h"
#include "policy/render.h"
#include "policy/text.h"

/* Gives a conntrack entry the timeouts "relayed_tcp" and the like. */
void render_timeout(const char *when, const char *name, struct text *);
/* The same with those of relayed flows of UDP. */
void render_udp_timeout(const struct image *, const char *when, struct text *);

/*
 * To the relays' listeners of both families, for protocols such as "6, 17",
 * and then the verdict.  A port that is 0 has none.
 */
void render_tproxy(uint16_t port4, uint16_t port6, const char *protocols,
    const char *verdict, struct text *);

/* Chains that tell whether a blocked flow is known, and refuse it. */
void render_refusals(struct text *);

/* A chain for each rule that blocks, and for ways past DNS. */
void render_blocks(const struct image *, struct text *);

/*
 * The chains that decide a flow: verdict_tcp and verdict_udp for what is
 * forwarded, verdict_local_tcp and verdict_local_udp for this host's own.  In a
 * pause everything passes.
 */
void render_verdicts(
    const struct image *, enum flow_capture, enum render_lease, struct text *);

/* Lines that give what is excluded that verdict, as "goto excluded". */
void
render_exclusions(const struct image *, const char *verdict, struct text *);

#endif
