/* SPDX-License-Identifier: ISC */
/* Reads names that clients wrote; dname.c has read them. */
#include "dnsd/sampler.h"

#include <string.h>

#include "dnsd/verdict.h"
#include "policy/match_dns.h"

void
sampler_init(struct sampler *sampler, uint64_t seed)
{
	memset(sampler, 0, sizeof(*sampler));
	sampler->random = seed | 1;
}

void
sampler_reset(struct sampler *sampler)
{
	memset(sampler->lists, 0, sizeof(sampler->lists));
	memset(&sampler->rest, 0, sizeof(sampler->rest));
	memset(&sampler->blocked, 0, sizeof(sampler->blocked));
}

/* Marsaglia's xorshift64: even, and no secret. */
static uint32_t
random_below(struct sampler *sampler, uint32_t limit)
{
	sampler->random ^= sampler->random << 13;
	sampler->random ^= sampler->random >> 7;
	sampler->random ^= sampler->random << 17;
	return (uint32_t)((sampler->random >> 32) * limit >> 32);
}

static int
run_takes(struct sampler *sampler, struct sampler_run *run, uint32_t one_in)
{
	if (one_in <= 1)
		return one_in == 1;
	if (run->left == 0) {
		run->left = one_in;
		run->pick = random_below(sampler, one_in) + 1;
	}
	return run->left-- == run->pick;
}

uint32_t
sampler_take(struct sampler *sampler, const struct image *image,
    const struct domain_index *index, const struct dns_record *record)
{
	const struct image_dns *dns = image_dns(image);
	struct sampler_run *run = &sampler->rest;
	uint32_t one_in = dns->log_rest, i;
	char name[LIMIT_DNS_NAME_BYTES];

	if (record->action == FLOW_ACTION_BLOCK) {
		run = &sampler->blocked;
		one_in = dns->log_blocked;
	} else if (image_dns_log_count(image) > 0) {
		i = policy_dns_log(image, index, name,
		    verdict_name(record->rest, record->name_bytes, name));
		if (i < image_dns_log_count(image)) {
			run = &sampler->lists[i];
			one_in = image_dns_log(image, i)->one_in;
		}
	}
	if (run_takes(sampler, run, one_in))
		return one_in;
	sampler->omitted++;
	return 0;
}

uint64_t
sampler_omitted(const struct sampler *sampler)
{
	return sampler->omitted;
}
