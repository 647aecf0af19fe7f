/* SPDX-License-Identifier: ISC */
/* The sets of rules with `by dns', see policy/told.h, in the kernel's words. */
#ifndef POLICY_RENDER_TOLD_H
#define POLICY_RENDER_TOLD_H

#include "policy/image.h"
#include "policy/render_addr.h"
#include "policy/text.h"

/* Empty ones, two for each such rule. */
void render_told_sets(const struct image *, struct text *);

/* What asks whether a packet's two addresses are in the set of that rule. */
void render_told(const struct image *, const struct addr_family *,
    uint32_t rule, struct text *);

#endif
