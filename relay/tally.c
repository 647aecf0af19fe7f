/* SPDX-License-Identifier: ISC */
/*
 * Reads counts of other relays, which may be anything, and writes its own.  No
 * value of theirs leads outside of the memory.
 */
#include "relay/tally.h"

#include <stdatomic.h>
#include <string.h>

#include "common/hash.h"

int
tally_is_complete(const struct tally *tally)
{
	uint32_t i;

	for (i = 0; i < tally->workers; i++)
		if (tally->part[i] == NULL)
			return 0;
	return tally->own != NULL;
}

/* The first cell of a bucket. */
static size_t
bucket_of(uint64_t key)
{
	return key % TALLY_BUCKETS * TALLY_BUCKET_CELLS;
}

/* The own cell of the key, perhaps a new one; NULL: the bucket is full. */
static struct tally_cell *
cell_take(const struct tally *tally, uint64_t key)
{
	struct tally_cell *bucket = &tally->own->cell[bucket_of(key)];
	struct tally_cell *vacant = NULL;
	uint32_t i;

	for (i = 0; i < TALLY_BUCKET_CELLS; i++) {
		if (atomic_load(&bucket[i].count) == 0)
			vacant = vacant == NULL ? &bucket[i] : vacant;
		else if (atomic_load(&bucket[i].key) == key)
			return &bucket[i];
	}
	if (vacant != NULL)
		atomic_store(&vacant->key, key);
	return vacant;
}

/* A cell that becomes another key's meanwhile does not count. */
static uint64_t
part_count(const struct tally_part *part, uint64_t key)
{
	const struct tally_cell *bucket = &part->cell[bucket_of(key)];
	uint64_t count;
	uint32_t i;

	for (i = 0; i < TALLY_BUCKET_CELLS; i++) {
		if (atomic_load(&bucket[i].key) != key)
			continue;
		count = atomic_load(&bucket[i].count);
		if (count != 0 && atomic_load(&bucket[i].key) == key)
			return count;
	}
	return 0;
}

static uint64_t
sum(const struct tally *tally, uint64_t key)
{
	uint64_t total = 0, count;
	uint32_t i;

	for (i = 0; i < tally->workers; i++) {
		count = part_count(tally->part[i], key);
		/* No relay has so many: what is nonsense is no count. */
		if (count <= UINT32_MAX)
			total += count;
	}
	return total;
}

static void
cell_give_back(const struct tally *tally, uint32_t number)
{
	struct tally_cell *cell = &tally->own->cell[number - 1];

	if (atomic_load(&cell->count) > 0)
		atomic_fetch_sub(&cell->count, 1);
}

/* The number of the cell in which it counts now, or 0. */
static uint32_t
take_one(const struct tally *tally, uint64_t key, uint32_t most)
{
	struct tally_cell *cell = cell_take(tally, key);
	uint32_t number;

	if (cell == NULL)
		return 0;
	number = (uint32_t)(cell - tally->own->cell) + 1;
	atomic_fetch_add(&cell->count, 1);
	if (sum(tally, key) <= most)
		return number;
	cell_give_back(tally, number);
	return 0;
}

int
tally_take(const struct tally *tally, const char *rule,
    const struct rule_limits *limits, const struct addr *client,
    struct tally_share *share)
{
	struct addr one = addr_client(client);
	uint64_t key = hash_bytes(tally->seed, rule, strlen(rule));
	const uint64_t keys[LIMIT_SCOPES] = {
		[LIMIT_RULE] = key,
		[LIMIT_CLIENT] = hash_bytes(key, &one, sizeof(one)),
	};
	int scope;

	memset(share, 0, sizeof(*share));
	/* The client first: one at its limit takes nothing from the others. */
	for (scope = LIMIT_CLIENT; scope >= LIMIT_RULE; scope--) {
		if (limits->flows[scope] == 0)
			continue;
		share->cell[scope] =
		    take_one(tally, keys[scope], limits->flows[scope]);
		if (share->cell[scope] == 0) {
			tally_give_back(tally, share);
			return -1;
		}
	}
	return 0;
}

void
tally_give_back(const struct tally *tally, struct tally_share *share)
{
	size_t i;

	for (i = 0; i < LIMIT_SCOPES; i++) {
		if (share->cell[i] != 0)
			cell_give_back(tally, share->cell[i]);
		share->cell[i] = 0;
	}
}
