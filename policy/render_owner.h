/* SPDX-License-Identifier: ISC */
/* Users and groups in the kernel's words: whose socket sends a packet. */
#ifndef POLICY_RENDER_OWNER_H
#define POLICY_RENDER_OWNER_H

#include "policy/image.h"
#include "policy/text.h"

/* "meta skuid 33 meta skgid { 4, 1000-1999 } ", or nothing. */
void
render_owner(const struct image *, const struct image_rule *, struct text *);

/* Whether rules tell owners apart, so that relays have to know them. */
int render_has_owners(const struct image *);

/*
 * The chain "owner": it gives a packet its owner's mark (policy/owner_class.h).
 * Only where there are any.
 */
void render_owners(const struct image *, struct text *);

/* Whether what is excluded depends on its owner. */
int render_excludes_owners(const struct image *);

#endif
