/* SPDX-License-Identifier: ISC */
/*
 * Names that clients asked for before they began a flow: the tables of every
 * dnsd, one set of them in a process.  Another process writes them meanwhile
 * and nothing in them is believed, see policy/binding.h.  No look-up is a
 * system call.
 */
#ifndef RELAY_NAMES_H
#define RELAY_NAMES_H

#include <stdint.h>

#include "relay/record.h"

/*
 * Maps the table of that worker's dnsd, for reading, in the place of what was
 * there before.  -1 with errno: not a table.
 */
int names_add(uint64_t worker, int fd);

/*
 * Gives a flow that has no name yet the one that its client was told last for
 * this destination.  It lasts until the next call.
 */
void names_find(struct flow_start *);

/* Whether a name that the client sent is one of those. */
enum flow_agreement names_compare(
    const struct addr *client, const struct addr *server, const char *host);

#endif
