/* SPDX-License-Identifier: ISC */
/* The parts of the capture table that the rules decide. */
#ifndef POLICY_RENDER_RULE_H
#define POLICY_RENDER_RULE_H

#include "policy/image.h"
#include "policy/text.h"

/* A set for each table and family that is not empty. */
void render_tables(const struct image *, struct text *);

/* Chains that tell whether a blocked flow is known, and refuse it. */
void render_refusals(struct text *);

/* verdict_tcp, verdict_udp and a chain for each rule that blocks. */
void render_verdicts(const struct image *, struct text *);

/* The same chains for a pause: everything passes. */
void render_verdicts_pass(struct text *);

#endif
