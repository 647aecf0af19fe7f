/* SPDX-License-Identifier: ISC */
/*
 * What every dnsd has told its clients, see policy/binding.h: a table for each
 * worker, which its dnsd writes, and all relays and the flow log read.  A table
 * is made when DNS is first wanted and then kept, so that names outlive both.
 */
#ifndef SUPERVISOR_NAMES_H
#define SUPERVISOR_NAMES_H

#include <stdint.h>

struct dnsd;
struct tpxd;
struct relay;

struct names {
	int fd;	    /* -1: not made yet */
	int reader; /* the same, cannot be mapped for writing */
	uint64_t seed[2];
};

/* Fatal without random bytes. */
void names_init(struct names *);

/* DNS is wanted: makes what is lacking and tells it to those who read. */
void names_begin(struct tpxd *);

/* A dnsd, or a relay, starts. */
void names_to_dnsd(const struct dnsd *);
void names_to_relay(struct tpxd *, struct relay *);

/* The flow log runs. */
void names_to_flowlog(struct tpxd *);

#endif
