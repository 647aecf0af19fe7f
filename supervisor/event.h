/* SPDX-License-Identifier: ISC */
/* Rows of the events view, made by the supervisor or passed on by it. */
#ifndef SUPERVISOR_EVENT_H
#define SUPERVISOR_EVENT_H

#include "schema/msg.h"

struct child;
struct tpxd;

/*
 * Logs and records that something happened to child, or to tpxd itself when
 * child is NULL.  While the flow log is away, rows wait, up to a limit.
 */
void event_record(struct tpxd *, enum event_severity, const struct child *,
    const char *kind, const char *message);

/* Passes another process' event on. */
void event_pass(struct tpxd *, const struct msg_event *);

/* The flow log is there: sends it what waited. */
void event_flush(struct tpxd *);

#endif
