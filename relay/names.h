/* SPDX-License-Identifier: ISC */
/* Names that clients asked for before they began a flow, see bindings.h. */
#ifndef RELAY_NAMES_H
#define RELAY_NAMES_H

#include "relay/record.h"

/*
 * Gives a flow that has no name yet the one that its client was told last for
 * this destination.  It lasts until the next call.
 */
void names_find(struct flow_start *);

/*
 * What the name that decides about a flow stands for, by what its client was
 * told, as in struct binding.  It lasts as long.
 */
const char *names_aliases(const struct flow_start *, const char *host);

/* Whether a name that the client sent is one of those. */
enum flow_agreement names_compare(
    const struct addr *client, const struct addr *server, const char *host);

#endif
