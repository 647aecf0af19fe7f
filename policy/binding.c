/* SPDX-License-Identifier: ISC */
/*
 * A hash table of fixed size.  A client's name goes to its bucket among all if
 * that has a place that nobody needs any more, else to the region of its
 * client, where what ends first makes room: so nobody takes away what others
 * have among all.  A slot's sequence is odd while it is written.
 */
#include "policy/binding.h"

#include <stdatomic.h>
#include <string.h>

#include "policy/name.h"

#define BUCKET_SLOTS 8
#define BUCKETS 4096
#define REGION_SLOTS 32
#define REGIONS 256
#define READ_TRIES 4

#define WORDS_BYTES (BINDING_NAME_BYTES + BINDING_ALIASES_BYTES)
#define CACHE_LINE 64

struct slot {
	_Alignas(CACHE_LINE) _Atomic uint32_t sequence;
	uint32_t until_s; /* 0: free */
	struct addr client;
	struct addr server;
	char words[WORDS_BYTES]; /* name, aliases, an empty one; then more */
};

struct bucket_head {
	_Alignas(CACHE_LINE) _Atomic uint16_t tags[BUCKET_SLOTS];
	uint32_t until_s[BUCKET_SLOTS];
};

struct region_head {
	_Alignas(CACHE_LINE) _Atomic uint16_t tags[REGION_SLOTS];
	uint32_t until_s[REGION_SLOTS];
};

/*
 * Tags, and times for who writes, stand by themselves, and words are as short
 * as they can be: a look-up touches few lines of the cache.
 */
struct binding_table {
	uint64_t seed[2];
	struct bucket_head bucket_heads[BUCKETS];
	struct region_head region_heads[REGIONS];
	struct slot buckets[BUCKETS][BUCKET_SLOTS];
	struct slot regions[REGIONS][REGION_SLOTS];
};

size_t
binding_table_bytes(void)
{
	return sizeof(struct binding_table);
}

void
binding_table_init(struct binding_table *table, const uint64_t seed[2])
{
	table->seed[0] = seed[0];
	table->seed[1] = seed[1] | 1;
}

/* Mixes eight bytes into a hash whose seed nobody outside knows. */
static uint64_t
mix(uint64_t hash, const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ (hash >> 29);
}

static uint64_t
hash_addr(uint64_t hash, uint64_t factor, const struct addr *addr)
{
	hash = mix(hash, addr->byte) * factor;
	hash = mix(hash ^ (hash >> 32), addr->byte + 8) * factor;
	return hash ^ (hash >> 32);
}

/* Where a client's names for an address can be, and their tag there. */
struct places {
	size_t bucket;
	size_t region;
	uint16_t tag;
};

static struct places
places_of(const struct binding_table *table, const struct addr *client,
    const struct addr *server)
{
	uint64_t hash = hash_addr(table->seed[0], table->seed[1], client);
	struct places places;

	places.region = (size_t)(hash % REGIONS);
	hash = hash_addr(hash, table->seed[1], server);
	places.bucket = (size_t)(hash % BUCKETS);
	places.tag = (uint16_t)(hash >> 48);
	return places;
}

/* What is to be learned. */
struct lesson {
	const struct addr *client;
	const struct addr *server;
	const char *name;
	const char *aliases;
	size_t name_bytes;    /* with its NUL */
	size_t aliases_bytes; /* of those that have room; no empty one */
	uint16_t tag;
};

static void
slot_write(struct slot *slot, const struct lesson *lesson, uint32_t until_s)
{
	uint32_t sequence =
	    atomic_load_explicit(&slot->sequence, memory_order_relaxed) | 1;
	char *aliases = slot->words + lesson->name_bytes;

	atomic_store_explicit(&slot->sequence, sequence, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	slot->until_s = until_s;
	slot->client = *lesson->client;
	slot->server = *lesson->server;
	memcpy(slot->words, lesson->name, lesson->name_bytes);
	memcpy(aliases, lesson->aliases, lesson->aliases_bytes);
	aliases[lesson->aliases_bytes] = '\0';
	atomic_store_explicit(
	    &slot->sequence, sequence + 1, memory_order_release);
}

/* Ends the last word, whatever stands there. */
static void
words_end(char *words, size_t bytes)
{
	words[bytes - 2] = '\0';
	words[bytes - 1] = '\0';
}

/* A copy that was not written meanwhile: 1.  One that always is, is none. */
static int
slot_read(const struct slot *slot, struct slot *copy)
{
	uint32_t before, after;
	int i;

	for (i = 0; i < READ_TRIES; i++) {
		before =
		    atomic_load_explicit(&slot->sequence, memory_order_acquire);
		memcpy(copy, slot, sizeof(*copy));
		atomic_thread_fence(memory_order_acquire);
		after =
		    atomic_load_explicit(&slot->sequence, memory_order_relaxed);
		words_end(copy->words, sizeof(copy->words));
		if (before == after && (before & 1) == 0)
			return 1;
	}
	return 0;
}

static int
is_of(const struct slot *slot, const struct addr *client,
    const struct addr *server)
{
	return memcmp(&slot->server, server, sizeof(*server)) == 0 &&
	       memcmp(&slot->client, client, sizeof(*client)) == 0;
}

/* A bucket or a region. */
struct group {
	struct slot *slots;
	_Atomic uint16_t *tags;
	uint32_t *until_s;
	size_t count;
};

/* A place in a group.  count of the group: there is none. */
struct place {
	const struct group *group;
	size_t at;
	int is_same; /* that very name is there */
};

/* That of the very name, else one that nobody needs any more. */
static struct place
place_in(const struct group *group, const struct lesson *lesson, uint32_t now_s)
{
	struct place place = { group, group->count, 0 };
	size_t i;

	for (i = 0; i < group->count; i++) {
		if (group->until_s[i] <= now_s) {
			place.at = i;
			continue;
		}
		if (atomic_load_explicit(
			&group->tags[i], memory_order_relaxed) != lesson->tag ||
		    !is_of(&group->slots[i], lesson->client, lesson->server) ||
		    strcmp(group->slots[i].words, lesson->name) != 0)
			continue;
		place.at = i;
		place.is_same = 1;
		break;
	}
	return place;
}

static size_t
first_to_end(const struct group *group)
{
	size_t i, first = 0;

	for (i = 1; i < group->count; i++)
		if (group->until_s[i] < group->until_s[first])
			first = i;
	return first;
}

static struct place
choose(const struct group *bucket, const struct group *region,
    const struct lesson *lesson, uint32_t now_s)
{
	struct place among_all = place_in(bucket, lesson, now_s), own;

	if (among_all.is_same)
		return among_all;
	own = place_in(region, lesson, now_s);
	if (!own.is_same && among_all.at < bucket->count)
		return among_all;
	if (own.at == region->count)
		own.at = first_to_end(region);
	return own;
}

static void
place_take(
    const struct place *place, const struct lesson *lesson, uint32_t until_s)
{
	const struct group *group = place->group;

	slot_write(&group->slots[place->at], lesson, until_s);
	group->until_s[place->at] = until_s;
	atomic_store_explicit(
	    &group->tags[place->at], lesson->tag, memory_order_release);
}

/* Those of the list that have room before the empty one. */
static size_t
aliases_bytes(const char *aliases)
{
	size_t used = 0, len;

	while ((len = strlen(aliases + used) + 1) > 1 &&
	       used + len < BINDING_ALIASES_BYTES)
		used += len;
	return used;
}

/* What the place holds has the same aliases and does not end sooner. */
static int
is_known(
    const struct place *place, const struct lesson *lesson, uint32_t until_s)
{
	const struct group *group = place->group;
	const char *aliases;

	if (!place->is_same || group->until_s[place->at] < until_s)
		return 0;
	aliases = group->slots[place->at].words + lesson->name_bytes;
	return memcmp(aliases, lesson->aliases, lesson->aliases_bytes) == 0 &&
	       aliases[lesson->aliases_bytes] == '\0';
}

int
binding_learn(struct binding_table *table, const struct addr *client,
    const struct addr *server, const char *name, const char *aliases,
    uint32_t ttl_s, uint32_t now_s)
{
	struct places at = places_of(table, client, server);
	struct lesson lesson = { client, server, name, aliases,
		strlen(name) + 1, aliases_bytes(aliases), at.tag };
	const struct group bucket = { table->buckets[at.bucket],
		table->bucket_heads[at.bucket].tags,
		table->bucket_heads[at.bucket].until_s, BUCKET_SLOTS };
	const struct group region = { table->regions[at.region],
		table->region_heads[at.region].tags,
		table->region_heads[at.region].until_s, REGION_SLOTS };
	struct place place = choose(&bucket, &region, &lesson, now_s);
	uint32_t kept_s = place.group->until_s[place.at];
	uint32_t until_s =
	    now_s + BINDING_GRACE_S +
	    (ttl_s < BINDING_LIFE_MAX_S ? ttl_s : BINDING_LIFE_MAX_S);

	/* So it is when an answer is given again out of a cache. */
	if (is_known(&place, &lesson, until_s))
		return 0;
	if (!name_is_host(name, BINDING_NAME_BYTES))
		return 0;
	if (place.is_same && kept_s > until_s)
		until_s = kept_s;
	place_take(&place, &lesson, until_s);
	return 1;
}

/* Of a copy whose name is a host's; aliases end, whatever stands there. */
static void
words_copy(const struct slot *copy, char name[BINDING_NAME_BYTES],
    char aliases[BINDING_ALIASES_BYTES])
{
	size_t name_bytes = strlen(copy->words) + 1;

	memcpy(name, copy->words, name_bytes);
	memcpy(aliases, copy->words + name_bytes, BINDING_ALIASES_BYTES);
	words_end(aliases, BINDING_ALIASES_BYTES);
}

static void
look_at(const struct slot *slot, const struct addr *client,
    const struct addr *server, const char *wanted, uint32_t now_s,
    struct binding *found)
{
	struct slot copy;

	if (!is_of(slot, client, server) || !slot_read(slot, &copy) ||
	    !is_of(&copy, client, server) || copy.until_s <= now_s ||
	    !name_is_host(copy.words, BINDING_NAME_BYTES))
		return;
	if (found->verdict == BINDING_UNKNOWN)
		found->verdict = BINDING_DISAGREES;
	if (wanted != NULL && strcmp(copy.words, wanted) != 0)
		return;
	found->verdict = BINDING_AGREES;
	if (copy.until_s <= found->until_s)
		return;
	found->until_s = copy.until_s;
	words_copy(&copy, found->name, found->aliases);
}

void
binding_find(const struct binding_table *table, const struct addr *client,
    const struct addr *server, const char *wanted, uint32_t now_s,
    struct binding *found)
{
	struct places at = places_of(table, client, server);
	const _Atomic uint16_t *bucket = table->bucket_heads[at.bucket].tags;
	const _Atomic uint16_t *region = table->region_heads[at.region].tags;
	size_t i;

	for (i = 0; i < BUCKET_SLOTS; i++)
		if (atomic_load_explicit(&bucket[i], memory_order_acquire) ==
		    at.tag)
			look_at(&table->buckets[at.bucket][i], client, server,
			    wanted, now_s, found);
	for (i = 0; i < REGION_SLOTS; i++)
		if (atomic_load_explicit(&region[i], memory_order_acquire) ==
		    at.tag)
			look_at(&table->regions[at.region][i], client, server,
			    wanted, now_s, found);
}

/* The slot of that number, buckets first. */
static const struct slot *
slot_at(const struct binding_table *table, size_t at)
{
	size_t bucket_slots = (size_t)BUCKETS * BUCKET_SLOTS;

	return at < bucket_slots ? &table->buckets[0][0] + at
				 : &table->regions[0][0] + (at - bucket_slots);
}

int
binding_next(const struct binding_table *table, size_t *at, uint32_t now_s,
    struct binding_item *item)
{
	size_t count =
	    (size_t)BUCKETS * BUCKET_SLOTS + (size_t)REGIONS * REGION_SLOTS;
	const struct slot *slot;
	struct slot copy;

	while (*at < count) {
		slot = slot_at(table, (*at)++);
		if (slot->until_s <= now_s || !slot_read(slot, &copy) ||
		    copy.until_s <= now_s ||
		    !name_is_host(copy.words, BINDING_NAME_BYTES))
			continue;
		item->client = copy.client;
		item->server = copy.server;
		item->until_s = copy.until_s;
		words_copy(&copy, item->name, item->aliases);
		return 1;
	}
	return 0;
}
