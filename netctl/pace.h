/* SPDX-License-Identifier: ISC */
/*
 * How fast to repair what others undo.  Pure.  Times are CLOCK_MONOTONIC in
 * microseconds.
 *
 * Five repairs within a minute are made at once.  Whoever undoes more than that
 * is no accident but a fight: it is told of, once a minute, and then a repair
 * waits until a second after the one before.
 */
#ifndef NETCTL_PACE_H
#define NETCTL_PACE_H

#include <stdint.h>

#define PACE_REPAIRS 5
#define PACE_WINDOW_US 60000000
#define PACE_SLOW_US 1000000

/* All zero is a good start. */
struct pace {
	int64_t repairs_us[PACE_REPAIRS + 1]; /* the last ones, a ring */
	unsigned int next;
	int64_t alarm_us; /* of the last alarm, 0: none yet */
};

/* How long a repair has to wait at this moment; 0: not at all. */
int64_t pace_delay_us(const struct pace *, int64_t now_us);

/* A repair was made.  1 when it is time to raise the alarm. */
int pace_repaired(struct pace *, int64_t now_us);

#endif
