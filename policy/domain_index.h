/* SPDX-License-Identifier: ISC */
/*
 * The names of all lists of domains in one flat, position-independent block of
 * bytes, which processes share as a sealed memfd beside the policy image.
 *
 * A list has names and wildcards: "ads.example" is that name alone, and
 * "*.ads.example" is every name below it, however deep, but not itself.
 *
 * domain_index_check() must have accepted the bytes, and they must not change
 * afterwards, before a pointer to them is taken as a struct domain_index.
 */
#ifndef POLICY_DOMAIN_INDEX_H
#define POLICY_DOMAIN_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "schema/limits.h"

/* Lists, by the number that each has in the policy image. */
struct domain_set {
	uint64_t bits[LIMIT_DOMAIN_LISTS / 64];
};

struct domain_index; /* the block of bytes */

/*
 * 0 when every byte is in order, -1 with EINVAL and the reason (a static
 * string) otherwise.  bytes must be aligned to 8.  Takes some 50 ms for a
 * million names.
 */
int domain_index_check(const void *bytes, size_t len, const char **why);

/* What an image says to know which index is its own; never 0. */
uint64_t domain_index_id(const struct domain_index *);
uint32_t domain_index_lists(const struct domain_index *);

/*
 * The lists that a name is in; index NULL has none.  The name is in lower case,
 * without a final dot; what is no name of a host (see name.h) is in no list
 * but those of a wildcard above it.
 */
void domain_index_find(const struct domain_index *, const char *name,
    size_t len, struct domain_set *);

/* Those that the name is in, or one that is among its aliases, see binding.h.
 */
void domain_index_find_any(const struct domain_index *, const char *name,
    const char *aliases, struct domain_set *);

static inline int
domain_set_has(const struct domain_set *set, unsigned int list)
{
	return list < LIMIT_DOMAIN_LISTS &&
	       (set->bits[list / 64] >> list % 64 & 1) != 0;
}

#endif
