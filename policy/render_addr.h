/* SPDX-License-Identifier: ISC */
/*
 * Addresses in the kernel's words, and the sets that tables are.
 *
 * A set with ranges is a tree, in which the kernel takes long to put many
 * elements: what a big table has of single addresses is a hash of its own.
 */
#ifndef POLICY_RENDER_ADDR_H
#define POLICY_RENDER_ADDR_H

#include <stdint.h>

#include "policy/image.h"
#include "policy/text.h"

struct addr_family {
	int v6;
	const char *keyword;
	const char *type;
};

#define ADDR_FAMILIES 2
extern const struct addr_family addr_families[ADDR_FAMILIES];

#define ADDR_ANY UINT32_MAX /* in place of the number of a set */

/* What is asked for an address to be in a set: one of them has to be so. */
enum addr_part { ADDR_PART_RANGES, ADDR_PART_SINGLES, ADDR_PARTS };

/*
 * Whether a set has that part.  That of ADDR_ANY are RANGES, and it is in every
 * family.
 */
int addr_has_part(const struct image *, const struct addr_family *,
    uint32_t ref, enum addr_part);

/* "ip saddr @t_bad_4 ", or nothing for ADDR_ANY.  field: saddr or daddr. */
void render_addr(const struct image *, const struct addr_family *,
    const char *field, uint32_t ref, enum addr_part, struct text *);

/* Every table, or those that exclusions name. */
enum addr_tables { ADDR_TABLES_ALL, ADDR_TABLES_EXCLUDED };

/*
 * A set for each table, family and part that is not empty.  later: those of
 * single addresses are empty, render_elements() fills them.
 */
void
render_tables(const struct image *, enum addr_tables, int later, struct text *);

/*
 * Commands, a line each, that fill the sets of that table of nftables: each may
 * be a transaction of its own.
 */
void render_elements(
    const struct image *, enum addr_tables, const char *table, struct text *);

#endif
