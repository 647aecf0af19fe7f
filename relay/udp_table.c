/* SPDX-License-Identifier: ISC */
/*
 * A hash table of chains over an array without gaps.  Its keys are chosen by
 * clients, so the hash is seeded: whoever does not know the seed cannot choose
 * keys that meet.  How many entries a client has is counted by a hash of its
 * address; two clients that meet there are judged as one.
 */
#include "relay/udp_table.h"

#include <sys/random.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "relay/hash.h"

#define NONE UINT32_MAX
#define SHARES 4096U
#define SAMPLES 16

struct udp_table {
	struct udp_entry **entries;
	uint32_t count, most;
	uint32_t *buckets; /* a power of two of them, by place, or NONE */
	uint32_t mask;
	uint32_t shares[SHARES]; /* entries by their client */
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
share_of(struct udp_table *table, const struct udp_key *key)
{
	return &table->shares[hash_bytes(table->seed, &key->client,
				  sizeof(key->client)) %
			      SHARES];
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
	++*share_of(table, &entry->key);
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
	--*share_of(table, &entry->key);
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

struct udp_entry *
udp_table_victim(struct udp_table *table)
{
	struct udp_entry *victim = NULL, *entry;
	uint32_t most = 0, share;
	int i;

	if (table->count == 0)
		return NULL;
	for (i = 0; i < SAMPLES; i++) {
		entry = table->entries[random_below(table, table->count)];
		share = *share_of(table, &entry->key);
		if (victim == NULL || share > most ||
		    (share == most && entry->active_us < victim->active_us)) {
			victim = entry;
			most = share;
		}
	}
	return victim;
}
