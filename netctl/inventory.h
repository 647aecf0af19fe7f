/* SPDX-License-Identifier: ISC */
/*
 * The ip rules with our protocol tags and the routes of our tables, as the
 * kernel lists them, beside what policy/routes.h says must be there.
 */
#ifndef NETCTL_INVENTORY_H
#define NETCTL_INVENTORY_H

#include <stdint.h>

#include "policy/image.h"

/* Every route of such a table is ours, or in the way. */
int inventory_has_table(uint32_t table);

/*
 * Adds what is missing, then removes what is surplus, until nothing differs;
 * what is ours holds all the while.  Sets *differed when anything was changed.
 * -1 when something could not be; the rest has been done, and it has been
 * logged.
 */
int inventory_repair(const struct image *, int *differed);

#endif
