/* SPDX-License-Identifier: ISC */
/*
 * Whose sockets began the flows of this host that have no row yet.  The kernel
 * tells it with a flow's first packet; the row comes at the flow's end.
 */
#ifndef FLOWLOG_OWNER_H
#define FLOWLOG_OWNER_H

#include <stdint.h>

#include "schema/flow.h"

/* The oldest is forgotten for one more than that: its row has no uid. */
#define OWNERS_MOST 32768U

struct owners;

struct owners *owners_new(void); /* NULL with errno */
void owners_free(struct owners *);

/* The addresses, ports and protocol of a record, and the uid that began it. */
void owners_add(struct owners *, const struct flow_record *, uint32_t gid);

/* The uid and *gid, or FLOW_UID_NONE; they are then forgotten. */
uint32_t
owners_take(struct owners *, const struct flow_record *, uint32_t *gid);

#endif
