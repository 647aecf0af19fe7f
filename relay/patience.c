/* SPDX-License-Identifier: ISC */
/* A queue in order of deadline: whoever begins to wait is the last. */
#include "relay/patience.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

#include "common/clock.h"

struct patience {
	TAILQ_HEAD(, patience_wait) queue;
	int64_t limit_us;
	patience_fn *due;
	struct event *timer;
};

/* Not armed by who is first: the first may have left, that is no harm. */
static void
timer_start(struct patience *patience, int64_t now_us)
{
	const struct patience_wait *first = TAILQ_FIRST(&patience->queue);
	struct timeval delay = { 0 };

	if (first == NULL || event_pending(patience->timer, EV_TIMEOUT, NULL))
		return;
	if (first->due_us > now_us) {
		delay.tv_sec = (first->due_us - now_us) / 1000000;
		delay.tv_usec = (first->due_us - now_us) % 1000000;
	}
	event_add(patience->timer, &delay);
}

static void
on_timer(int fd, short what, void *arg)
{
	struct patience *patience = arg;
	int64_t now_us = clock_mono_us();
	struct patience_wait *wait;

	(void)fd;
	(void)what;
	while ((wait = TAILQ_FIRST(&patience->queue)) != NULL &&
	       wait->due_us <= now_us) {
		patience_end(patience, wait);
		patience->due(wait);
	}
	timer_start(patience, now_us);
}

struct patience *
patience_new(struct event_base *base, int64_t limit_us, patience_fn *due)
{
	struct patience *patience = calloc(1, sizeof(*patience));

	if (patience == NULL)
		return NULL;
	TAILQ_INIT(&patience->queue);
	patience->limit_us = limit_us;
	patience->due = due;
	patience->timer = event_new(base, -1, 0, on_timer, patience);
	if (patience->timer == NULL) {
		free(patience);
		errno = ENOMEM;
		return NULL;
	}
	return patience;
}

void
patience_begin(struct patience *patience, struct patience_wait *wait)
{
	int64_t now_us;

	if (patience_waits(wait))
		return;
	now_us = clock_mono_us();
	wait->due_us = now_us + patience->limit_us;
	TAILQ_INSERT_TAIL(&patience->queue, wait, entry);
	timer_start(patience, now_us);
}

int
patience_waits(const struct patience_wait *wait)
{
	return wait->due_us != 0;
}

void
patience_end(struct patience *patience, struct patience_wait *wait)
{
	if (!patience_waits(wait))
		return;
	TAILQ_REMOVE(&patience->queue, wait, entry);
	wait->due_us = 0;
}
