/* SPDX-License-Identifier: ISC */
/*
 * Netlink sockets on which the kernel reports the flows that it decided by
 * itself.  They come from netctl, bound and joined; here they are only read.
 */
#ifndef FLOWLOG_SOURCE_H
#define FLOWLOG_SOURCE_H

#include <stdint.h>

#include "flowlog/batch.h"
#include "schema/msg.h"

struct event_base;
struct image;
struct ledger;
struct sources;

/* NULL with ENOMEM. */
struct sources *sources_new(struct event_base *, struct batch *);
void sources_free(struct sources *);

/* Takes fd over; replaces the source of this kind.  -1 with errno, closed. */
int sources_open(struct sources *, enum ipc_source, int fd);

/*
 * What is counted and not written yet is kept there; next_id is the first id
 * free for rows of the kernel's flows.  The ledger stays the caller's, and is
 * due before the image.
 */
void sources_set_ledger(struct sources *, struct ledger *, uint64_t next_id);

/* Reading begins with the first one, and with what the ledger holds. */
void sources_set_image(struct sources *, const struct image *);

/* Rows up to this origin's are on disk; NULL: all that the batch was given. */
void sources_done(struct sources *, const struct batch_origin *);

/* Reads what is there already, before the end. */
void sources_drain(struct sources *);

/*
 * Whose socket began a flow of this host, as the kernel told with its first
 * packet; FLOW_UID_NONE when that is not known.  It is told once.
 */
uint32_t sources_uid(struct sources *, const struct flow_record *);

uint64_t sources_passed(const struct sources *);  /* flows begun */
uint64_t sources_blocked(const struct sources *); /* flows */
/* Of those passed: that have ended, and whose rule gives them no row. */
uint64_t sources_unlogged(const struct sources *);

#endif
