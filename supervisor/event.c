/* SPDX-License-Identifier: ISC */
/*
 * A bounded queue of events in front of the flow log.  Each is kept until it is
 * on disk, because a flow log that is killed forgets what it was handed.
 */
#include "supervisor/event.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "supervisor/tpxd.h"

#define KEPT_MOST 1024

/* A ring; the ids of what had no room are missing, and so the log counts it. */
static struct {
	uint32_t id;
	struct msg_event event;
} kept[KEPT_MOST];
static size_t head;
static size_t nkept;
static size_t nsent; /* of them, to the flow log that there is */
static uint32_t last_id;
static int full; /* ... and the log says so */

static void
event_keep(const struct msg_event *event)
{
	size_t at = (head + nkept) % KEPT_MOST;

	last_id++;
	if (nkept == KEPT_MOST) {
		if (!full)
			log_warnx("events are lost: the flow log is away");
		full = 1;
		return;
	}
	kept[at].id = last_id;
	kept[at].event = *event;
	nkept++;
}

void
event_pass(struct tpxd *tpxd, const struct msg_event *event)
{
	if (event->severity == SEVERITY_ALARM) {
		(void)snprintf(
		    tpxd->alarm, sizeof(tpxd->alarm), "%s", event->message);
		tpxd->alarm_us = clock_mono_us();
	}
	event_keep(event);
	event_flush(tpxd);
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
	struct child *flowlog = &tpxd->flowlog;
	size_t at;

	if (flowlog->channel == NULL || flowlog->state == CHILD_STARTING)
		return;
	for (; nsent < nkept; nsent++) {
		at = (head + nsent) % KEPT_MOST;
		if (IPC_SEND(flowlog->channel, MSG_EVENT, kept[at].id,
			&kept[at].event, -1) == -1)
			break;
	}
}

void
event_resend(struct tpxd *tpxd)
{
	nsent = 0;
	event_flush(tpxd);
}

void
event_done(struct tpxd *tpxd, uint32_t id)
{
	while (nsent > 0 && kept[head].id <= id) {
		head = (head + 1) % KEPT_MOST;
		nkept--;
		nsent--;
		full = 0;
	}
	/* What a full ring never came to stays untouched memory. */
	if (nkept == 0)
		head = 0;
	event_flush(tpxd);
}

size_t
event_unsent(void)
{
	return nkept - nsent;
}

size_t
event_unwritten(void)
{
	return nkept;
}
