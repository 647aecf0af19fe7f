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
struct sources;

/* NULL with ENOMEM. */
struct sources *sources_new(struct event_base *, struct batch *);
void sources_free(struct sources *);

/* Takes fd over; replaces the source of this kind.  -1 with errno, closed. */
int sources_open(struct sources *, enum ipc_source, int fd);

/*
 * Reading begins with the first image; next_id is the first id free for rows
 * of the kernel's flows.
 */
void sources_set_image(struct sources *, const struct image *);
void sources_set_next_id(struct sources *, uint64_t next_id);

/* Reads what is there already, before the end. */
void sources_drain(struct sources *);

/*
 * Whose socket began a flow of this host, as the kernel told with its first
 * packet; FLOW_UID_NONE when that is not known.  It is told once.
 */
uint32_t sources_uid(struct sources *, const struct flow_record *);

uint64_t sources_passed(const struct sources *);  /* flows begun */
uint64_t sources_blocked(const struct sources *); /* flows */

#endif
