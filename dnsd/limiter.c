/* SPDX-License-Identifier: ISC */
/*
 * A bucket is one time: when it will be full again (a leaky bucket, in the form
 * of ITU-T I.371's GCRA).  Addresses are the kernel's word, and may be forged:
 * the hash that chooses the set has a key.
 */
#include "dnsd/limiter.h"

#include <stdlib.h>
#include <string.h>

#define SETS 2048
#define WAYS 4
#define SECOND_NS 1000000000LL

struct bucket {
	struct addr addr;
	int64_t full_ns;
};

struct limiter {
	struct siphash_key key;
	int64_t cost_ns; /* of one time; 0: there is no limit */
	struct bucket clients[SETS][WAYS];
	struct bucket hosts[SETS][WAYS]; /* of clients that have several */
};

struct limiter *
limiter_new(const struct siphash_key *key)
{
	struct limiter *limiter = calloc(1, sizeof(*limiter));

	if (limiter != NULL)
		limiter->key = *key;
	return limiter;
}

void
limiter_set_rate(struct limiter *limiter, uint32_t rate)
{
	limiter->cost_ns = rate == 0 ? 0 : SECOND_NS / rate;
}

static struct bucket *
bucket_of(const struct limiter *limiter, struct bucket sets[][WAYS],
    const struct addr *addr)
{
	struct bucket *set =
	    sets[siphash(&limiter->key, addr, sizeof(*addr)) % SETS];
	struct bucket *fullest = set;
	int i;

	for (i = 0; i < WAYS; i++) {
		if (memcmp(&set[i].addr, addr, sizeof(*addr)) == 0)
			return &set[i];
		if (set[i].full_ns < fullest->full_ns)
			fullest = &set[i];
	}
	fullest->addr = *addr;
	fullest->full_ns = 0;
	return fullest;
}

static int
take(struct bucket *bucket, int64_t cost_ns, int64_t now_ns)
{
	int64_t full_ns = bucket->full_ns < now_ns ? now_ns : bucket->full_ns;

	if (full_ns + cost_ns > now_ns + SECOND_NS)
		return 0;
	bucket->full_ns = full_ns + cost_ns;
	return 1;
}

/* One time a second is the least. */
static int64_t
host_cost_ns(const struct limiter *limiter)
{
	int64_t cost_ns = limiter->cost_ns * LIMITER_HOST_PART;

	return cost_ns < SECOND_NS ? cost_ns : SECOND_NS;
}

int
limiter_take(struct limiter *limiter, const struct addr *addr, int64_t now_us)
{
	struct addr client = addr_client(addr);
	int64_t now_ns = now_us * 1000;

	if (limiter->cost_ns == 0)
		return 1;
	if (!addr_is_v4(addr) && !take(bucket_of(limiter, limiter->hosts, addr),
				     host_cost_ns(limiter), now_ns))
		return 0;
	return take(bucket_of(limiter, limiter->clients, &client),
	    limiter->cost_ns, now_ns);
}

void
limiter_free(struct limiter *limiter)
{
	free(limiter);
}
