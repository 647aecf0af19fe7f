/* SPDX-License-Identifier: ISC */
#include "flowlog/event.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"

void
event_make(struct msg_event *event, enum event_severity severity,
    const char *kind, const char *actor, const char *format, ...)
{
	va_list args;

	memset(event, 0, sizeof(*event));
	event->time_us = clock_real_us();
	event->severity = severity;
	(void)snprintf(
	    event->process, sizeof(event->process), "%s", EVENT_PROCESS);
	(void)snprintf(event->kind, sizeof(event->kind), "%s", kind);
	(void)snprintf(event->actor, sizeof(event->actor), "%s", actor);
	va_start(args, format);
	(void)vsnprintf(event->message, sizeof(event->message), format, args);
	va_end(args);
}
