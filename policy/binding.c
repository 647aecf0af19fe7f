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

struct slot {
	_Atomic uint32_t sequence;
	uint32_t until_s; /* 0: free */
	struct addr client;
	struct addr server;
	char name[BINDING_NAME_BYTES];
	char aliases[BINDING_ALIASES_BYTES];
};

/*
 * Tags, and times for who writes, stand by themselves: a look-up touches few
 * lines of the cache.
 */
struct binding_table {
	uint64_t seed[2];
	_Atomic uint16_t bucket_tags[BUCKETS][BUCKET_SLOTS];
	_Atomic uint16_t region_tags[REGIONS][REGION_SLOTS];
	uint32_t bucket_until_s[BUCKETS][BUCKET_SLOTS];
	uint32_t region_until_s[REGIONS][REGION_SLOTS];
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

static void
slot_write(struct slot *slot, const struct slot *from)
{
	uint32_t sequence =
	    atomic_load_explicit(&slot->sequence, memory_order_relaxed) | 1;

	atomic_store_explicit(&slot->sequence, sequence, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	slot->until_s = from->until_s;
	slot->client = from->client;
	slot->server = from->server;
	memcpy(slot->name, from->name, sizeof(slot->name));
	memcpy(slot->aliases, from->aliases, sizeof(slot->aliases));
	atomic_store_explicit(
	    &slot->sequence, sequence + 1, memory_order_release);
}

/* Ends the last name, whatever stands there. */
static void
aliases_end(char aliases[BINDING_ALIASES_BYTES])
{
	aliases[BINDING_ALIASES_BYTES - 2] = '\0';
	aliases[BINDING_ALIASES_BYTES - 1] = '\0';
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
		aliases_end(copy->aliases);
		if (before == after && (before & 1) == 0)
			return 1;
	}
	return 0;
}

static int
is_of(const struct slot *slot, const struct addr *client,
    const struct addr *server)
{
	return addr_compare(&slot->server, server) == 0 &&
	       addr_compare(&slot->client, client) == 0;
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

/* What is to be learned. */
struct lesson {
	const struct addr *client;
	const struct addr *server;
	const char *name;
	uint16_t tag;
	char aliases[BINDING_ALIASES_BYTES]; /* zero behind the last one */
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
		    strcmp(group->slots[i].name, lesson->name) != 0)
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
	struct slot slot = { .until_s = until_s,
		.client = *lesson->client,
		.server = *lesson->server };

	(void)strncpy(slot.name, lesson->name, sizeof(slot.name) - 1);
	memcpy(slot.aliases, lesson->aliases, sizeof(slot.aliases));
	slot_write(&group->slots[place->at], &slot);
	group->until_s[place->at] = until_s;
	atomic_store_explicit(
	    &group->tags[place->at], lesson->tag, memory_order_release);
}

static void
aliases_copy(char to[BINDING_ALIASES_BYTES], const char *from)
{
	size_t used = 0, len;

	memset(to, 0, BINDING_ALIASES_BYTES);
	while ((len = strlen(from) + 1) > 1) {
		if (used + len >= BINDING_ALIASES_BYTES)
			return;
		memcpy(to + used, from, len);
		used += len;
		from += len;
	}
}

/* What the place holds has the same aliases and does not end sooner. */
static int
is_known(
    const struct place *place, const struct lesson *lesson, uint32_t until_s)
{
	const struct group *group = place->group;

	return place->is_same && group->until_s[place->at] >= until_s &&
	       memcmp(group->slots[place->at].aliases, lesson->aliases,
		   sizeof(lesson->aliases)) == 0;
}

int
binding_learn(struct binding_table *table, const struct addr *client,
    const struct addr *server, const char *name, const char *aliases,
    uint32_t ttl_s, uint32_t now_s)
{
	struct places at = places_of(table, client, server);
	struct lesson lesson = { client, server, name, at.tag, "" };
	const struct group bucket = { table->buckets[at.bucket],
		table->bucket_tags[at.bucket], table->bucket_until_s[at.bucket],
		BUCKET_SLOTS };
	const struct group region = { table->regions[at.region],
		table->region_tags[at.region], table->region_until_s[at.region],
		REGION_SLOTS };
	struct place place = choose(&bucket, &region, &lesson, now_s);
	uint32_t *kept_s = &place.group->until_s[place.at];
	uint32_t until_s =
	    now_s + BINDING_GRACE_S +
	    (ttl_s < BINDING_LIFE_MAX_S ? ttl_s : BINDING_LIFE_MAX_S);

	aliases_copy(lesson.aliases, aliases);
	/* So it is when an answer is given again out of a cache. */
	if (is_known(&place, &lesson, until_s))
		return 0;
	if (!name_is_host(name, BINDING_NAME_BYTES))
		return 0;
	if (place.is_same && *kept_s > until_s)
		until_s = *kept_s;
	place_take(&place, &lesson, until_s);
	return 1;
}

static void
look_at(const struct slot *slot, const struct addr *client,
    const struct addr *server, const char *wanted, uint32_t now_s,
    struct binding *found)
{
	struct slot copy;

	if (!is_of(slot, client, server) || !slot_read(slot, &copy) ||
	    !is_of(&copy, client, server) || copy.until_s <= now_s ||
	    !name_is_host(copy.name, sizeof(copy.name)))
		return;
	if (found->verdict == BINDING_UNKNOWN)
		found->verdict = BINDING_DISAGREES;
	if (wanted != NULL && strcmp(copy.name, wanted) != 0)
		return;
	found->verdict = BINDING_AGREES;
	if (copy.until_s <= found->until_s)
		return;
	found->until_s = copy.until_s;
	memcpy(found->name, copy.name, sizeof(found->name));
	memcpy(found->aliases, copy.aliases, sizeof(found->aliases));
}

void
binding_find(const struct binding_table *table, const struct addr *client,
    const struct addr *server, const char *wanted, uint32_t now_s,
    struct binding *found)
{
	struct places at = places_of(table, client, server);
	const _Atomic uint16_t *bucket = table->bucket_tags[at.bucket];
	const _Atomic uint16_t *region = table->region_tags[at.region];
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
		    !name_is_host(copy.name, sizeof(copy.name)))
			continue;
		item->client = copy.client;
		item->server = copy.server;
		item->until_s = copy.until_s;
		memcpy(item->name, copy.name, sizeof(item->name));
		memcpy(item->aliases, copy.aliases, sizeof(item->aliases));
		return 1;
	}
	return 0;
}
