/* SPDX-License-Identifier: ISC */
/* A hashed wheel: a timer waits in the list of its second, modulo the size. */
#include "relay/idle.h"

#include <event2/event.h>
#include <stdlib.h>

#include "common/clock.h"

#define WHEEL_SECONDS 512
#define SECOND_US 1000000

LIST_HEAD(idle_list, idle_timer);

struct idle_wheel {
	struct idle_list second[WHEEL_SECONDS];
	int64_t now_s; /* the last second that was looked at */
	idle_fn *due;
	struct event *tick;
};

static void
second_expire(struct idle_wheel *wheel, struct idle_list *list)
{
	struct idle_timer *timer, *next;

	for (timer = LIST_FIRST(list); timer != NULL; timer = next) {
		next = LIST_NEXT(timer, entry);
		if (timer->due_s > wheel->now_s)
			continue;
		LIST_REMOVE(timer, entry);
		wheel->due(timer);
	}
}

static void
on_tick(int fd, short what, void *arg)
{
	struct idle_wheel *wheel = arg;
	int64_t now_s = clock_mono_us() / SECOND_US;

	(void)fd;
	(void)what;
	/* After a long stop every list is due once, not once a second. */
	if (now_s - wheel->now_s > WHEEL_SECONDS)
		wheel->now_s = now_s - WHEEL_SECONDS;
	while (wheel->now_s < now_s) {
		wheel->now_s++;
		second_expire(
		    wheel, &wheel->second[wheel->now_s % WHEEL_SECONDS]);
	}
}

struct idle_wheel *
idle_wheel_new(struct event_base *base, idle_fn *due)
{
	static const struct timeval second = { .tv_sec = 1 };
	struct idle_wheel *wheel = calloc(1, sizeof(*wheel));

	if (wheel == NULL)
		return NULL;
	wheel->now_s = clock_mono_us() / SECOND_US;
	wheel->due = due;
	wheel->tick = event_new(base, -1, EV_PERSIST, on_tick, wheel);
	if (wheel->tick == NULL || event_add(wheel->tick, &second) == -1) {
		free(wheel);
		return NULL;
	}
	return wheel;
}

void
idle_set(struct idle_wheel *wheel, struct idle_timer *timer, int64_t due_us)
{
	timer->due_s = due_us / SECOND_US + 1;
	if (timer->due_s <= wheel->now_s)
		timer->due_s = wheel->now_s + 1;
	LIST_INSERT_HEAD(
	    &wheel->second[timer->due_s % WHEEL_SECONDS], timer, entry);
}

void
idle_cancel(struct idle_timer *timer)
{
	LIST_REMOVE(timer, entry);
}
