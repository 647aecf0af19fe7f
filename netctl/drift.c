/* SPDX-License-Identifier: ISC */
/*
 * Owns the repairs that are due.  Believes of the kernel's events only that
 * something may differ; what does, it looks up.
 */
#include "netctl/drift.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "ipc/loop.h"
#include "netctl/capture.h"
#include "netctl/loopback.h"
#include "netctl/pace.h"
#include "netctl/watch.h"

#define GATHER_US 10000	 /* one command of somebody is several events */
#define AGAIN_US 1000000 /* after a repair that failed */

/* An interface that is captured, by its name. */
struct captured {
	char name[IFNAMSIZ];
	int index;    /* 0: it is not there */
	int is_known; /* that one is told of which has it, or none */
	int is_listed;
};

struct drift {
	const struct image *image;
	const struct render_local *local;
	struct drift_listener to;
	struct pace pace;
	unsigned int subjects; /* to be put right */
	struct event *repair;
	int64_t due_us;	       /* when that is, if it is pending */
	unsigned int loopback; /* a set of enum loopback_property */
	struct captured links[LIMIT_INTERFACES];
	struct watch *watch;
};

/* A repair that was to be tried again later can be due sooner. */
static void
schedule(struct drift *drift, int64_t delay_us)
{
	struct timeval delay = { .tv_sec = delay_us / 1000000,
		.tv_usec = delay_us % 1000000 };
	int64_t due_us = clock_mono_us() + delay_us;

	if (event_pending(drift->repair, EV_TIMEOUT, NULL) &&
	    drift->due_us <= due_us)
		return;
	drift->due_us = due_us;
	event_add(drift->repair, &delay);
}

static void
tell_repair(struct drift *drift, const struct capture_repair *repair)
{
	char message[160];

	(void)snprintf(message, sizeof(message),
	    "put back what somebody changed:%s%s%s",
	    repair->guard ? " the guard" : "",
	    repair->guard && repair->routing ? " and" : "",
	    repair->routing ? " routing rules or routes" : "");
	drift->to.tell(drift->to.ctx, SEVERITY_WARNING, "drift", message);
	if (pace_repaired(&drift->pace, clock_mono_us()))
		drift->to.tell(drift->to.ctx, SEVERITY_ALARM, "drift",
		    "somebody keeps changing what belongs to tpx: it is put "
		    "back once a second only");
}

static void
loopback_compare(struct drift *drift)
{
	static const struct {
		unsigned int property;
		const char *gone, *back;
	} properties[] = {
		{ LOOPBACK_UP, "lo is down: nothing can be relayed",
		    "lo is up again" },
		{ LOOPBACK_V4, "lo has lost 127.0.0.1", "lo has 127.0.0.1" },
		{ LOOPBACK_V6, "lo has lost ::1", "lo has ::1" },
	};
	unsigned int before = drift->loopback;
	size_t i;

	if (loopback_look(&drift->loopback) == -1) {
		log_warn("loopback");
		return;
	}
	for (i = 0; i < sizeof(properties) / sizeof(properties[0]); i++) {
		if (((before ^ drift->loopback) & properties[i].property) == 0)
			continue;
		if ((before & properties[i].property) != 0)
			drift->to.tell(drift->to.ctx, SEVERITY_WARNING,
			    "interface", properties[i].gone);
		else
			drift->to.tell(drift->to.ctx, SEVERITY_INFO,
			    "interface", properties[i].back);
	}
}

static void
on_repair(int fd, short what, void *arg)
{
	struct drift *drift = arg;
	unsigned int subjects = drift->subjects;
	struct capture_repair repair = { .busy = drift->to.busy,
		.ctx = drift->to.ctx };
	int result;

	(void)fd;
	(void)what;
	drift->subjects = 0;
	result = capture_repair(drift->image, drift->local, subjects, &repair);
	if ((subjects & (WATCH_LOOPBACK | WATCH_LOST)) != 0)
		loopback_compare(drift);
	if (result == -1) {
		drift->subjects = (subjects & WATCH_LOST) != 0
				      ? WATCH_ROUTING | WATCH_GUARD
				      : subjects;
		schedule(drift, AGAIN_US);
	}
	if ((subjects & WATCH_LOST) != 0)
		drift->to.tell(drift->to.ctx, SEVERITY_WARNING, "resync",
		    "nobody watched for a while: everything was compared");
	if (repair.guard || repair.routing)
		tell_repair(drift, &repair);
}

static void
on_touched(void *ctx, unsigned int subjects)
{
	struct drift *drift = ctx;
	int64_t delay_us = pace_delay_us(&drift->pace, clock_mono_us());

	drift->subjects |= subjects;
	schedule(drift, delay_us > GATHER_US ? delay_us : GATHER_US);
}

static void
tell_interface(struct drift *drift, enum event_severity severity,
    const struct captured *link, const char *what)
{
	char message[IFNAMSIZ + 64];

	(void)snprintf(message, sizeof(message), "%s %s", link->name, what);
	drift->to.tell(drift->to.ctx, severity, "interface", message);
}

static void
link_gone(struct drift *drift, struct captured *link)
{
	link->index = 0;
	tell_interface(drift, SEVERITY_WARNING, link, "is gone");
}

/* nftables and the routing rules follow names by themselves. */
static void
on_link(void *ctx, int index, const char *name, int is_listed)
{
	struct drift *drift = ctx;
	struct captured *link;
	uint32_t i;

	for (i = 0; i < image_interface_count(drift->image); i++) {
		link = &drift->links[i];
		if (name == NULL || strcmp(name, link->name) != 0) {
			if (link->index == index)
				link_gone(drift, link);
			continue;
		}
		link->is_listed |= is_listed;
		if (link->index == index)
			continue;
		link->index = index;
		if (link->is_known)
			tell_interface(drift, SEVERITY_INFO, link,
			    "is there, and captured");
	}
}

/* Nobody may have told that one is gone. */
static void
on_listed(void *ctx)
{
	struct drift *drift = ctx;
	struct captured *link;
	uint32_t i;

	for (i = 0; i < image_interface_count(drift->image); i++) {
		link = &drift->links[i];
		if (link->index != 0 && !link->is_listed)
			link_gone(drift, link);
		else if (link->index == 0 && !link->is_known)
			tell_interface(
			    drift, SEVERITY_WARNING, link, "is not there yet");
		link->is_known = 1;
		link->is_listed = 0;
	}
}

/* What is known of those that were captured before is still so. */
static void
links_set(struct drift *drift)
{
	struct captured before[LIMIT_INTERFACES];
	struct captured *link;
	uint32_t i, j;

	memcpy(before, drift->links, sizeof(before));
	memset(drift->links, 0, sizeof(drift->links));
	for (i = 0; i < image_interface_count(drift->image); i++) {
		link = &drift->links[i];
		(void)snprintf(link->name, sizeof(link->name), "%s",
		    image_interface(drift->image, i));
		for (j = 0; j < LIMIT_INTERFACES; j++)
			if (strcmp(before[j].name, link->name) == 0)
				*link = before[j];
	}
}

static const struct watch_handler handlers = {
	.touched = on_touched,
	.link = on_link,
	.listed = on_listed,
};

struct drift *
drift_new(struct event_base *base, const struct image *image,
    const struct render_local *local, int inherited,
    const struct drift_listener *listener)
{
	struct drift *drift = calloc(1, sizeof(*drift));

	if (drift == NULL)
		return NULL;
	drift->image = image;
	drift->local = local;
	drift->to = *listener;
	drift->loopback = LOOPBACK_ALL;
	links_set(drift);
	drift->repair = evtimer_new(base, on_repair, drift);
	if (drift->repair == NULL ||
	    event_priority_set(drift->repair, LOOP_MESSAGES) == -1 ||
	    (drift->watch = watch_open(base, &handlers, drift)) == NULL)
		return NULL;
	on_touched(
	    drift, inherited ? WATCH_LOST : WATCH_ROUTING | WATCH_LOOPBACK);
	return drift;
}

void
drift_set_image(struct drift *drift, const struct image *image)
{
	drift->image = image;
	links_set(drift);
	watch_list(drift->watch);
	/* What of it could not be put in place counts as changed by others. */
	on_touched(drift, WATCH_ROUTING);
}
