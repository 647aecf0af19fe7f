/* SPDX-License-Identifier: ISC */
/*
 * Rounds: all sentinels are sent, and whatever reaches the server is judged by
 * the stage of that moment.
 */
#ifndef CTL_LEAK_TRIAL_H
#define CTL_LEAK_TRIAL_H

#include "ctl/leak/sentinel.h"

#define TRIAL_LEAKS 64	     /* that are kept to be shown */
#define TRIAL_LEAK_BYTES 128 /* of each */

struct trial_leak {
	int64_t at_us; /* CLOCK_REALTIME */
	const char *phase;
	enum judge_stage stage;		 /* of the phase */
	const struct sentinel *sentinel; /* NULL: of none, but from a client */
	struct packet_seen seen;
	uint64_t count; /* of the sentinel, in the phase; this is the first */
	size_t len;
	size_t kept;
	uint8_t bytes[TRIAL_LEAK_BYTES];
};

struct trial {
	struct site site;
	const struct image *image;
	struct sentinel_list sentinels;
	enum judge_stage stage;
	const char *phase;
	uint32_t round;
	uint64_t sent;	 /* sentinels, in this phase */
	uint64_t leaked; /* packets, in all phases */
	uint64_t unsent; /* sentinels that nobody stopped, in all phases */
	uint64_t lost;	 /* by devices, before tpx was there */
	struct trial_leak leaks[TRIAL_LEAKS];
	size_t nleaks;
	int own_silent; /* the gateway's own are not sent: nothing holds them */
	int epoll;
};

/* 0 and a trial without anything of tpx in it, or -1, explained. */
int trial_new(struct trial *, const struct image *);

/* Sends all sentinels, hears what comes of it, and ends their streams. */
void trial_round(struct trial *);

/* Hears what comes until then (clock_mono_us()). */
void trial_wait(struct trial *, int64_t until_us);

/* What comes from now on is another stage's; forgets who has arrived. */
void trial_enter(struct trial *, enum judge_stage);

/* 1 when it should arrive now, in the one way or the other. */
int trial_expects(const struct trial *, const struct sentinel *);

/*
 * How many questions for ways past DNS were not denied since trial_enter(), of
 * those that have to be while tpx is armed; each is a leak when is_last is 1.
 */
uint32_t trial_answered(struct trial *, int is_last);

/* How many should arrive and how many of them did, since trial_enter(). */
struct trial_count {
	uint32_t expected;
	uint32_t seen;
};
struct trial_count trial_count(const struct trial *);

/* 0, or -1 when sentinels or packets were lost: then nothing is proven. */
int trial_check(const struct trial *);

#endif
