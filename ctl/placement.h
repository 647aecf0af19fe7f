/* SPDX-License-Identifier: ISC */
/* Where a rule is decided, and why there. */
#ifndef CTL_PLACEMENT_H
#define CTL_PLACEMENT_H

#include <stdint.h>

#include "policy/image.h"

struct placement {
	const char *rule;
	const char *place;
	const char *why;
	const char *flows; /* "" or what its limits on them do */
	const char *rate;
	const char *unlogged; /* "" or that it has no rows */
};

/* Of a rule, or of the default for any other number. */
struct placement placement_of(const struct image *, uint32_t rule);

struct placement placement_of_exclusion(const struct image *, uint32_t i);

#endif
