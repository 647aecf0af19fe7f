/* SPDX-License-Identifier: ISC */
/*
 * Pairs of addresses for sets of the capture table, many in one transaction.
 * It goes by the socket that owns the table, and not through libnftables, which
 * would have the kernel list every chain and set before it adds one element.
 */
#ifndef NETCTL_ELEMENTS_H
#define NETCTL_ELEMENTS_H

#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

#define ELEMENTS_MAX 128 /* of a transaction */

struct elements;

/* NULL with ENOMEM.  Empty. */
struct elements *elements_new(void);

size_t elements_count(const struct elements *);

/*
 * A pair of one family, for a set of that family, from now on for so long,
 * whether it is there or not.  At most ELEMENTS_MAX of them.
 */
void elements_add(struct elements *, const char *set, const struct addr *client,
    const struct addr *server, uint32_t timeout_s);

/* All or none; then it is empty again.  -1 with errno. */
int elements_run(struct elements *);

#endif
