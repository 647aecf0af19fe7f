/* SPDX-License-Identifier: ISC */
/* The supervisor's side of the flow log. */
#ifndef SUPERVISOR_FLOWLOG_H
#define SUPERVISOR_FLOWLOG_H

#include <stdint.h>

struct tpxd;
struct worker;

/* Starts it for the first time. */
void flowlog_begin(struct tpxd *);

void flowlog_stop(struct tpxd *);

/* Connects a relay to it, when both are there; later if not. */
void flowlog_connect(struct tpxd *, struct worker *);

/* Hands over the arena of a dead relay; fd stays the caller's. */
void flowlog_arena(struct tpxd *, uint32_t worker, int fd);

#endif
