/* SPDX-License-Identifier: ISC */
/*
 * Deadlines in whole seconds, for very many timers that are almost never due:
 * a wheel of lists.  Being active costs the owner nothing; when a deadline
 * comes up, the owner is asked and may name a later one.
 */
#ifndef RELAY_IDLE_H
#define RELAY_IDLE_H

#include <sys/queue.h>

#include <stdint.h>

struct event_base;
struct idle_wheel;

struct idle_timer {
	LIST_ENTRY(idle_timer) entry;
	int64_t due_s; /* CLOCK_MONOTONIC */
};

/* The deadline has come; the timer is out of the wheel. */
typedef void idle_fn(struct idle_timer *);

/* NULL with ENOMEM. */
struct idle_wheel *idle_wheel_new(struct event_base *, idle_fn *);

/* Not before due_us, and at most two seconds later. */
void idle_set(struct idle_wheel *, struct idle_timer *, int64_t due_us);

/* The timer must be set. */
void idle_cancel(struct idle_timer *);

#endif
