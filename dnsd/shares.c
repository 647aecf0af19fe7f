/* SPDX-License-Identifier: ISC */
/*
 * A hash table of counts, from a pool that has two for each place: who takes
 * one needs no more.  Tags are hashes already, whose key nobody outside knows,
 * so their low bits choose the bucket.
 */
#include "dnsd/shares.h"

#include <stdlib.h>

struct shares {
	uint32_t mask;
	struct share *unused;
	struct share **buckets;
	struct share pool[];
};

/* Never 0, which stands for nobody. */
static uint64_t
tag_of(const struct siphash_key *key, const struct addr *addr)
{
	return siphash(key, addr, sizeof(*addr)) | 1ULL << 63;
}

struct share_tags
shares_tags(const struct siphash_key *key, const struct addr *addr)
{
	/* The address of a whole /64 may be a host's as well. */
	struct siphash_key other = { { key->half[0], ~key->half[1] } };
	struct addr client = addr_client(addr);

	return (struct share_tags){ .client = tag_of(key, &client),
		.host = addr_is_v4(addr) ? 0 : tag_of(&other, addr) };
}

struct share_tags
shares_tags_of(const struct share_hold *hold)
{
	return (struct share_tags){ .client = hold->client->tag,
		.host = hold->host == NULL ? 0 : hold->host->tag };
}

struct shares *
shares_new(uint32_t places)
{
	uint32_t i, count = 2 * places, buckets = 1;
	struct shares *shares =
	    calloc(1, sizeof(*shares) + count * sizeof(shares->pool[0]));

	if (shares == NULL)
		return NULL;
	while (buckets < count)
		buckets *= 2;
	shares->mask = buckets - 1;
	shares->buckets = calloc(buckets, sizeof(struct share *));
	if (shares->buckets == NULL) {
		free(shares);
		return NULL;
	}
	for (i = count; i-- > 0;) {
		shares->pool[i].next = shares->unused;
		shares->unused = &shares->pool[i];
	}
	return shares;
}

void
shares_free(struct shares *shares)
{
	if (shares == NULL)
		return;
	free(shares->buckets);
	free(shares);
}

static struct share *
find(const struct shares *shares, uint64_t tag)
{
	struct share *share = shares->buckets[tag & shares->mask];

	while (share != NULL && share->tag != tag)
		share = share->next;
	return share;
}

static uint32_t
count_of(const struct shares *shares, uint64_t tag)
{
	const struct share *share = find(shares, tag);

	return share == NULL ? 0 : share->count;
}

uint32_t
shares_count(const struct shares *shares, const struct share_tags *tags)
{
	return count_of(shares, tags->client);
}

int
shares_allow(
    const struct shares *shares, const struct share_tags *tags, uint32_t most)
{
	return count_of(shares, tags->client) < most &&
	       (tags->host == 0 ||
		   count_of(shares, tags->host) <
		       (most + SHARES_HOST_PART - 1) / SHARES_HOST_PART);
}

static struct share *
take(struct shares *shares, uint64_t tag)
{
	struct share **bucket = &shares->buckets[tag & shares->mask];
	struct share *share = find(shares, tag);

	if (share == NULL) {
		share = shares->unused;
		shares->unused = share->next;
		*share = (struct share){ .tag = tag, .next = *bucket };
		*bucket = share;
	}
	share->count++;
	return share;
}

void
shares_take(struct shares *shares, const struct share_tags *tags,
    struct share_hold *hold)
{
	hold->client = take(shares, tags->client);
	hold->host = tags->host == 0 ? NULL : take(shares, tags->host);
}

static void
give(struct shares *shares, struct share *share)
{
	struct share **at = &shares->buckets[share->tag & shares->mask];

	if (--share->count > 0)
		return;
	while (*at != share)
		at = &(*at)->next;
	*at = share->next;
	share->next = shares->unused;
	shares->unused = share;
}

void
shares_give(struct shares *shares, const struct share_hold *hold)
{
	give(shares, hold->client);
	if (hold->host != NULL)
		give(shares, hold->host);
}
