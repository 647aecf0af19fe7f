/* SPDX-License-Identifier: ISC */
/* Names of lists to a domain index.  Pure. */
#ifndef POLICY_DOMAIN_BUILD_H
#define POLICY_DOMAIN_BUILD_H

#include <stddef.h>
#include <stdint.h>

#include "policy/text.h"

struct domain_entry;

/* All zero is empty. */
struct domain_builder {
	struct domain_entry *entries;
	size_t count;
	size_t room;
	struct text names;
};

/*
 * Adds a name as name_domain() has made it; below: what is below it instead of
 * itself.  -1 with ENOMEM, or EOVERFLOW for more than LIMIT_DOMAIN_NAMES.
 */
int domain_builder_add(struct domain_builder *, uint16_t list, int below,
    const char *name, size_t len);

/*
 * id: chosen at random, not 0.  0 and bytes for free(3); -1 with ENOMEM,
 * EOVERFLOW when names stand in too many different sets of lists, or EAGAIN
 * when another id must be tried.  The order of the entries changes.
 */
int domain_builder_finish(struct domain_builder *, uint64_t id, uint32_t lists,
    void **bytes, size_t *len);

void domain_builder_free(struct domain_builder *);

#endif
