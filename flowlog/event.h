/* SPDX-License-Identifier: ISC */
/* Events that the flow log itself has to tell. */
#ifndef FLOWLOG_EVENT_H
#define FLOWLOG_EVENT_H

#include "schema/msg.h"

#define EVENT_PROCESS "tpx-flowlog"

/* Fills all of it, with the present time; text that is too long is cut. */
void event_make(struct msg_event *, enum event_severity, const char *kind,
    const char *actor, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

#endif
