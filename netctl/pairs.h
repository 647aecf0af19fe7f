/* SPDX-License-Identifier: ISC */
/*
 * What of rules with `by dns' the kernel's sets hold now: which client may pass
 * to which server, and until when.  A fixed amount of memory, and so a bound on
 * the sets.
 *
 * Clients share it by regions that they cannot choose: who has asked for too
 * much leaves those of other regions theirs.
 */
#ifndef NETCTL_PAIRS_H
#define NETCTL_PAIRS_H

#include <stdint.h>

#include "common/addr.h"

#define PAIRS_REGIONS 64
#define PAIRS_OF_REGION 1024

struct pairs;

struct pair {
	struct addr client;
	struct addr server;
	uint32_t until_s; /* CLOCK_MONOTONIC */
	uint16_t rule;
};

/* NULL with errno; reads random bytes. */
struct pairs *pairs_new(void);

enum pairs_place {
	PAIRS_FULL,  /* there is no room among its client's */
	PAIRS_KNOWN, /* it is there, for as long or longer */
	PAIRS_NEW,   /* it is put in, or for longer than it was */
};

/* place: what pairs_drop() takes, with PAIRS_NEW. */
enum pairs_place
pairs_put(struct pairs *, const struct pair *, uint32_t now_s, uint32_t *place);

/* The kernel has it not, after all. */
void pairs_drop(struct pairs *, uint32_t place);

/* The sets are others, and empty. */
void pairs_clear(struct pairs *);

#endif
