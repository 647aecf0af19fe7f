/* SPDX-License-Identifier: ISC */
/* A bounded queue of events in front of the flow log. */
#include "supervisor/event.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "supervisor/tpxd.h"

#define WAITING_MOST 128

static struct msg_event waiting[WAITING_MOST];
static size_t nwaiting;
static size_t lost;

static int
event_send(struct tpxd *tpxd, const struct msg_event *event)
{
	struct child *flowlog = &tpxd->flowlog;

	if (flowlog->channel == NULL || flowlog->state == CHILD_STARTING)
		return -1;
	return IPC_SEND(flowlog->channel, MSG_EVENT, 0, event, -1);
}

void
event_pass(struct tpxd *tpxd, const struct msg_event *event)
{
	if (event->severity == SEVERITY_ALARM) {
		(void)snprintf(
		    tpxd->alarm, sizeof(tpxd->alarm), "%s", event->message);
		tpxd->alarm_us = clock_mono_us();
	}
	if (event_send(tpxd, event) == 0)
		return;
	if (nwaiting < WAITING_MOST)
		waiting[nwaiting++] = *event;
	else if (lost++ == 0)
		log_warnx("events are lost: the flow log is away");
}

static void
event_name(char *buffer, size_t size, const struct child *child)
{
	if (child == NULL)
		(void)snprintf(buffer, size, "tpxd");
	else if (child->index >= 0)
		(void)snprintf(
		    buffer, size, "%s[%d]", child->program, child->index);
	else
		(void)snprintf(buffer, size, "%s", child->program);
}

void
event_record(struct tpxd *tpxd, enum event_severity severity,
    const struct child *child, const char *kind, const char *message)
{
	struct msg_event event = { .time_us = clock_real_us(),
		.severity = severity };

	event_name(event.process, sizeof(event.process), child);
	(void)snprintf(event.kind, sizeof(event.kind), "%s", kind);
	(void)snprintf(event.actor, sizeof(event.actor), "tpxd");
	(void)snprintf(event.message, sizeof(event.message), "%s", message);
	if (severity >= SEVERITY_WARNING)
		log_warnx("%s: %s: %s", event.process, kind, message);
	else
		log_info("%s: %s: %s", event.process, kind, message);
	event_pass(tpxd, &event);
}

void
event_flush(struct tpxd *tpxd)
{
	size_t sent;

	for (sent = 0; sent < nwaiting; sent++)
		if (event_send(tpxd, &waiting[sent]) == -1)
			break;
	nwaiting -= sent;
	memmove(waiting, waiting + sent, nwaiting * sizeof(waiting[0]));
}
