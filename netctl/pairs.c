/* SPDX-License-Identifier: ISC */
/* Addresses are what a dnsd says.  A region is searched from end to end. */
#include "netctl/pairs.h"

#include <sys/random.h>

#include <stdlib.h>
#include <string.h>

#include "common/hash.h"

struct pairs {
	uint64_t seed;
	struct pair pair[PAIRS_REGIONS * PAIRS_OF_REGION];
};

struct pairs *
pairs_new(void)
{
	struct pairs *pairs = calloc(1, sizeof(*pairs));

	if (pairs == NULL)
		return NULL;
	if (getrandom(&pairs->seed, sizeof(pairs->seed), 0) !=
	    sizeof(pairs->seed)) {
		free(pairs);
		return NULL;
	}
	return pairs;
}

static int
is_same(const struct pair *one, const struct pair *other)
{
	return one->rule == other->rule &&
	       addr_compare(&one->server, &other->server) == 0 &&
	       addr_compare(&one->client, &other->client) == 0;
}

enum pairs_place
pairs_put(struct pairs *pairs, const struct pair *pair, uint32_t now_s,
    uint32_t *place)
{
	struct addr client = addr_client(&pair->client);
	uint32_t first =
	    (uint32_t)(hash_bytes(pairs->seed, &client, sizeof(client)) %
		       PAIRS_REGIONS) *
	    PAIRS_OF_REGION;
	uint32_t i, unused = PAIRS_OF_REGION;
	struct pair *at = &pairs->pair[first];

	for (i = 0; i < PAIRS_OF_REGION; i++) {
		if (at[i].until_s <= now_s)
			unused = i;
		else if (is_same(&at[i], pair))
			break;
	}
	if (i < PAIRS_OF_REGION && at[i].until_s >= pair->until_s)
		return PAIRS_KNOWN;
	if (i == PAIRS_OF_REGION)
		i = unused;
	if (i == PAIRS_OF_REGION)
		return PAIRS_FULL;
	at[i] = *pair;
	*place = first + i;
	return PAIRS_NEW;
}

void
pairs_drop(struct pairs *pairs, uint32_t place)
{
	pairs->pair[place].until_s = 0;
}

void
pairs_clear(struct pairs *pairs)
{
	memset(pairs->pair, 0, sizeof(pairs->pair));
}
