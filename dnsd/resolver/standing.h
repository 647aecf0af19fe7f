/* SPDX-License-Identifier: ISC */
/*
 * What is known of a server: how long its answers take, and whether it gives
 * any.  Times are of CLOCK_MONOTONIC, in microseconds.
 */
#ifndef DNSD_RESOLVER_STANDING_H
#define DNSD_RESOLVER_STANDING_H

#include <stdint.h>

#define STANDING_BAD 3		    /* in a row: it is put aside */
#define STANDING_ASIDE_US 1000000LL /* then it is tried again; it doubles */
#define STANDING_ASIDE_MOST_US 8000000LL
#define STANDING_TRY_US 10000000LL   /* one that others are better than */
#define STANDING_UNKNOWN_US 200000LL /* of one that has not answered yet */
#define STANDING_PATIENCE_LEAST_US 10000LL
#define STANDING_PATIENCE_MOST_US 400000LL

/* All zero: of one that was never asked. */
struct standing {
	int64_t usual_us; /* nine of ten answers took no longer; 0: none yet */
	int64_t try_us;	  /* when it is due to be tried besides others */
	int64_t aside_us; /* until it is tried the next time; 0: it is good */
	unsigned int bad; /* in a row */
};

/* It is asked now, for whatever reason. */
void standing_asked(struct standing *, int64_t now_us);

/* It has answered: it is good. */
void standing_answered(struct standing *, int64_t took_us);

/* Another one has answered what it failed to, or had more than its time for. */
void standing_failed(struct standing *, int64_t now_us);

/* How long to wait for it before another one is asked as well. */
int64_t standing_patience_us(const struct standing *);

/* Whether one is to be asked rather than the other. */
int standing_is_better(const struct standing *, const struct standing *);

/* Whether it is time to see what it does, besides who is asked anyway. */
int standing_is_due(const struct standing *, int64_t now_us);

#endif
