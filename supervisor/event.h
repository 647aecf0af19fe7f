/* SPDX-License-Identifier: ISC */
/* Rows of the events view, made by the supervisor or passed on by it. */
#ifndef SUPERVISOR_EVENT_H
#define SUPERVISOR_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "schema/msg.h"

struct child;
struct tpxd;

/*
 * Logs and records that something happened to child, or to tpxd itself when
 * child is NULL.  Until the flow log has written a row, it is kept; what is
 * beyond a limit becomes one of its counted drops.
 */
void event_record(struct tpxd *, enum event_severity, const struct child *,
    const char *kind, const char *message);

/* Passes another process' event on. */
void event_pass(struct tpxd *, const struct msg_event *);

/* The flow log may have room again: sends it what waits. */
void event_flush(struct tpxd *);

/* There is a new flow log: sends it all that the one before has not written. */
void event_resend(struct tpxd *);

/* The flow log has written all up to that id. */
void event_done(struct tpxd *, uint32_t id);

/* How many the flow log has not got yet, or not written. */
size_t event_unsent(void);
size_t event_unwritten(void);

#endif
