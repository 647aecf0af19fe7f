/* SPDX-License-Identifier: ISC */
/*
 * Which answers have rows, as dns log statements say: of each run of so many
 * questions that a statement is about, one at a place that nobody can foresee.
 * So as many rows come as it says, whatever rhythm clients ask in.
 */
#ifndef DNSD_SAMPLER_H
#define DNSD_SAMPLER_H

#include <stdint.h>

#include "schema/dns.h"
#include "schema/limits.h"

struct domain_index;
struct image;

struct sampler_run {
	uint32_t left; /* questions in it; 0: the next one begins another */
	uint32_t pick; /* has the row when so many are left */
};

/* Runs of the lists' statements, of what no list has, of what is blocked. */
struct sampler {
	uint64_t random; /* state of a generator; not 0 */
	uint64_t omitted;
	struct sampler_run lists[LIMIT_DNS_LOGS];
	struct sampler_run rest;
	struct sampler_run blocked;
};

/* seed: any number. */
void sampler_init(struct sampler *, uint64_t seed);

/* All runs begin anew: the statements are others. */
void sampler_reset(struct sampler *);

/* For how many questions the record's row stands; 0: there is to be none. */
uint32_t sampler_take(struct sampler *, const struct image *,
    const struct domain_index *, const struct dns_record *);

/* How many had no row. */
uint64_t sampler_omitted(const struct sampler *);

#endif
