/* SPDX-License-Identifier: ISC */
/*
 * Short waits that all last equally long, so a queue is in order of deadline
 * and one timer does for all.
 */
#ifndef RELAY_PATIENCE_H
#define RELAY_PATIENCE_H

#include <sys/queue.h>

#include <stdint.h>

struct event_base;
struct patience;

/* Part of who waits; zeroed at first. */
struct patience_wait {
	TAILQ_ENTRY(patience_wait) entry;
	int64_t due_us; /* CLOCK_MONOTONIC; 0: it does not wait */
};

/* The time is up; the wait is over.  It may begin and end others, and itself.
 */
typedef void patience_fn(struct patience_wait *);

/* NULL with ENOMEM. */
struct patience *
patience_new(struct event_base *, int64_t limit_us, patience_fn *);

/* One that waits already goes on with that. */
void patience_begin(struct patience *, struct patience_wait *);

int patience_waits(const struct patience_wait *);

/* One that does not wait is fine. */
void patience_end(struct patience *, struct patience_wait *);

#endif
