/* SPDX-License-Identifier: ISC */
/*
 * A hash table of chains over an array without gaps.  Its keys are chosen by
 * clients, so the hash is seeded: whoever does not know the seed cannot choose
 * keys that meet.  How many entries a client and its network have is counted
 * by hashes of their addresses; two that meet there are judged as one.
 */
#include "relay/udp_table.h"

#include <sys/random.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/hash.h"

#define NONE UINT32_MAX
#define SHARES 4096U
#define SAMPLES 16

/*
 * Who has entries.  Whoever has a network's addresses for himself would be as
 * many clients with few entries each, and everybody else the one with most; so
 * a network counts too, as if it were some clients.
 */
enum group { GROUP_CLIENT, GROUP_NETWORK, GROUPS };

static const struct {
	unsigned int v4_bits, v6_bits;
	uint32_t clients;
} groups[GROUPS] = {
	[GROUP_CLIENT] = { ADDR_CLIENT_V4_BITS, ADDR_CLIENT_V6_BITS, 1 },
	[GROUP_NETWORK] = { 24, 48, 16 },
};

struct udp_table {
	struct udp_entry **entries;
	uint32_t count, most;
	uint32_t *buckets; /* a power of two of them, by place, or NONE */
	uint32_t mask;
	uint32_t shares[GROUPS][SHARES]; /* entries by who has them */
	uint64_t seed;
	uint64_t random;
};

static uint32_t *
bucket_of(const struct udp_table *table, const struct udp_key *key)
{
	return &table->buckets[hash_bytes(table->seed, key, sizeof(*key)) &
			       table->mask];
}

static uint32_t *
share_of(struct udp_table *table, enum group group, const struct udp_key *key)
{
	struct addr who = addr_network(
	    &key->client, groups[group].v4_bits, groups[group].v6_bits);

	return &table
		    ->shares[group][hash_bytes(table->seed, &who, sizeof(who)) %
				    SHARES];
}

static void
shares_add(struct udp_table *table, const struct udp_key *key, uint32_t count)
{
	unsigned int group;

	for (group = 0; group < GROUPS; group++)
		*share_of(table, group, key) += count;
}

struct udp_table *
udp_table_new(uint32_t most)
{
	struct udp_table *table = calloc(1, sizeof(*table));
	uint32_t buckets = 1;

	if (table == NULL)
		return NULL;
	while (buckets < most)
		buckets *= 2;
	table->entries = calloc(most, sizeof(struct udp_entry *));
	table->buckets = calloc(buckets, sizeof(*table->buckets));
	if (table->entries == NULL || table->buckets == NULL ||
	    getrandom(&table->seed, sizeof(table->seed), 0) !=
		sizeof(table->seed)) {
		free(table->entries);
		free(table->buckets);
		free(table);
		return NULL;
	}
	memset(table->buckets, 0xff, buckets * sizeof(*table->buckets));
	table->random = hash_mix(table->seed) | 1;
	table->mask = buckets - 1;
	table->most = most;
	return table;
}

struct udp_entry *
udp_table_find(const struct udp_table *table, const struct udp_key *key)
{
	uint32_t place = *bucket_of(table, key);

	while (place != NONE &&
	       memcmp(&table->entries[place]->key, key, sizeof(*key)) != 0)
		place = table->entries[place]->next;
	return place == NONE ? NULL : table->entries[place];
}

int
udp_table_add(struct udp_table *table, struct udp_entry *entry)
{
	uint32_t *bucket = bucket_of(table, &entry->key);

	if (table->count == table->most)
		return -1;
	entry->place = table->count++;
	table->entries[entry->place] = entry;
	entry->next = *bucket;
	*bucket = entry->place;
	shares_add(table, &entry->key, 1);
	return 0;
}

/* What names a place. */
static uint32_t *
link_to(struct udp_table *table, const struct udp_entry *entry)
{
	uint32_t *link = bucket_of(table, &entry->key);

	while (*link != entry->place)
		link = &table->entries[*link]->next;
	return link;
}

void
udp_table_remove(struct udp_table *table, struct udp_entry *entry)
{
	struct udp_entry *last = table->entries[table->count - 1];

	*link_to(table, entry) = entry->next;
	shares_add(table, &entry->key, UINT32_MAX);
	table->count--;
	if (last == entry)
		return;
	*link_to(table, last) = entry->place;
	last->place = entry->place;
	table->entries[last->place] = last;
}

uint32_t
udp_table_count(const struct udp_table *table)
{
	return table->count;
}

struct udp_entry *
udp_table_at(const struct udp_table *table, uint32_t i)
{
	return table->entries[i];
}

/* xorshift64: nothing depends on its being hard to guess. */
static uint32_t
random_below(struct udp_table *table, uint32_t limit)
{
	table->random ^= table->random << 13;
	table->random ^= table->random >> 7;
	table->random ^= table->random << 17;
	return (uint32_t)(table->random >> 32) % limit;
}

/* What an entry is judged by, the more important first. */
struct guilt {
	uint32_t share;	 /* of the client, or of its network if that is more */
	uint32_t client; /* its share alone */
	int64_t active_us;
};

static struct guilt
guilt_of(struct udp_table *table, const struct udp_entry *entry)
{
	struct guilt guilt = { .active_us = entry->active_us };
	unsigned int group;
	uint32_t share;

	for (group = 0; group < GROUPS; group++) {
		share = *share_of(table, group, &entry->key) /
			groups[group].clients;
		if (share > guilt.share)
			guilt.share = share;
	}
	guilt.client = *share_of(table, GROUP_CLIENT, &entry->key);
	return guilt;
}

static int
is_worse(const struct guilt *a, const struct guilt *b)
{
	if (a->share != b->share)
		return a->share > b->share;
	if (a->client != b->client)
		return a->client > b->client;
	return a->active_us < b->active_us;
}

struct udp_entry *
udp_table_victim(struct udp_table *table)
{
	struct udp_entry *victim = NULL, *entry;
	struct guilt most, guilt;
	int i;

	if (table->count == 0)
		return NULL;
	for (i = 0; i < SAMPLES; i++) {
		entry = table->entries[random_below(table, table->count)];
		guilt = guilt_of(table, entry);
		if (victim == NULL || is_worse(&guilt, &most)) {
			victim = entry;
			most = guilt;
		}
	}
	return victim;
}
