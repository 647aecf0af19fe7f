/* SPDX-License-Identifier: ISC */
/*
 * How many flows a rule lets begin in a time (max-rate), in the kernel's words:
 * a flow beyond that is refused at its first packet.
 */
#ifndef POLICY_RENDER_LIMIT_H
#define POLICY_RENDER_LIMIT_H

#include "policy/image.h"
#include "policy/text.h"

/* Of the sets of clients, for each rule, family and way of capture. */
#define RENDER_CLIENTS_MAX 65536

/* 1 when the rule has a limit on the rate. */
int render_is_limited(const struct image_rule *);

/* What they have used up, in sets and limits whose names are RENDER_KEPT. */
void render_kept_limits(const struct image *, struct text *);

/* The chains "rate_N", "rate_local_N" and "over_N". */
void render_limits(const struct image *, struct text *);

/*
 * The chain "rule_N_TARGET", which goes to the chain TARGET with what is within
 * the limits of rule N.
 */
void render_limited(uint32_t rule, enum flow_capture capture,
    const char *target, struct text *);

#endif
