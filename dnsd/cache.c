/* SPDX-License-Identifier: ISC */
/*
 * Entries lie one behind the other in a ring that is written round and round;
 * positions only grow, so that one tells whether its bytes are still there. The
 * index has sets of few ways.  An entry that is asked for again when it is
 * about to be overwritten is copied to the front: what is used stays, what
 * nobody wants goes, and a flood of new names only makes the ring turn faster.
 */
#include "dnsd/cache.h"

#include <sys/mman.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WAYS 8
#define UNIT 8		/* entries begin at multiples of it */
#define PER_ENTRY 128	/* bytes of the ring for each place of the index */
#define ENTRY_MAX 16384 /* longer answers are not kept */
#define RING_MIN (8 * ENTRY_MAX)

struct entry {
	uint32_t bytes; /* of all, a multiple of UNIT */
	uint32_t stored_s;
	uint32_t rest_s; /* see cache_rest() */
	uint16_t qtype;
	uint8_t kind; /* enum cache_kind, and CD */
	uint8_t name_bytes;
	struct answer answer; /* its pointers are made when it is found */
	uint8_t rest[];	      /* TTL places, name, body, summary */
};

/* at: the entry's position and 1, in units; 0: none. */
struct place {
	uint32_t tag;
	uint32_t at_low;
	uint32_t at_high;
};

struct set {
	struct place places[WAYS];
};

struct cache {
	struct siphash_key key;
	struct set *sets;
	size_t set_mask;
	uint8_t *ring;
	size_t bytes;
	uint64_t head; /* position, in bytes, where the next entry begins */
	uint32_t stale_s;
};

static void *
memory_new(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

struct cache *
cache_new(size_t bytes, const struct siphash_key *key)
{
	struct cache *cache = calloc(1, sizeof(*cache));
	size_t sets = 1;

	if (cache == NULL || bytes == 0)
		return cache;
	cache->key = *key;
	cache->bytes =
	    bytes < RING_MIN ? RING_MIN : bytes & ~(size_t)(UNIT - 1);
	while (sets * WAYS * PER_ENTRY < cache->bytes)
		sets *= 2;
	cache->set_mask = sets - 1;
	cache->ring = memory_new(cache->bytes);
	cache->sets = memory_new(sets * sizeof(struct set));
	if (cache->ring != NULL && cache->sets != NULL)
		return cache;
	cache_free(cache);
	errno = ENOMEM;
	return NULL;
}

void
cache_set_stale(struct cache *cache, uint32_t stale_s)
{
	cache->stale_s = stale_s;
}

static uint8_t
kind_of(const struct question *question, enum cache_kind kind)
{
	return (uint8_t)((unsigned int)kind << 1 |
			 (question->checking_disabled != 0));
}

static uint16_t
type_of(const struct question *question, enum cache_kind kind)
{
	return kind >= CACHE_NO_NAME ? 0 : question->qtype;
}

static uint64_t
hash(const struct cache *cache, const struct question *question, uint8_t kind,
    uint16_t qtype)
{
	struct siphash_key key = cache->key;

	key.half[0] ^= (uint64_t)qtype << 8 | kind;
	return siphash(&key, question->name, question->name_bytes);
}

static struct set *
set_of(const struct cache *cache, uint64_t hashed)
{
	return &cache->sets[hashed & cache->set_mask];
}

static uint64_t
place_at(const struct place *place)
{
	return ((uint64_t)place->at_high << 32 | place->at_low) * UNIT;
}

static void
place_set(struct place *place, uint32_t tag, uint64_t position)
{
	uint64_t at = position / UNIT;

	place->tag = tag;
	place->at_low = (uint32_t)at;
	place->at_high = (uint32_t)(at >> 32);
}

/* The entry of a place, or NULL when there is none any more. */
static struct entry *
entry_of(const struct cache *cache, const struct place *place)
{
	uint64_t at = place_at(place);

	/* Positions begin behind the ring's length, so 0 is always past. */
	if (at + cache->bytes < cache->head)
		return NULL;
	return (struct entry *)(void *)(cache->ring + at % cache->bytes);
}

static int
entry_is(const struct entry *entry, const struct question *question,
    uint8_t kind, uint16_t qtype)
{
	return entry->qtype == qtype && entry->kind == kind &&
	       entry->name_bytes == question->name_bytes &&
	       memcmp(entry->rest + 2UL * (entry->answer.answers +
					      entry->answer.authorities),
		   question->name, question->name_bytes) == 0;
}

static void
answer_of(const struct entry *entry, struct answer *answer)
{
	const uint8_t *at = entry->rest;

	*answer = entry->answer;
	answer->ttls = (const uint16_t *)(const void *)at;
	at += 2UL * (answer->answers + answer->authorities) + entry->name_bytes;
	answer->body = at;
	answer->summary = at + answer->body_bytes;
}

static struct place *
find(const struct cache *cache, const struct question *question,
    uint64_t hashed, uint8_t kind, uint16_t qtype)
{
	struct set *set = set_of(cache, hashed);
	const struct entry *entry;
	int i;

	for (i = 0; i < WAYS; i++) {
		if (set->places[i].tag != (uint32_t)(hashed >> 32))
			continue;
		entry = entry_of(cache, &set->places[i]);
		if (entry != NULL && entry_is(entry, question, kind, qtype))
			return &set->places[i];
	}
	return NULL;
}

/* Room for an entry, whose position is stored. */
static struct entry *
room(struct cache *cache, size_t bytes, uint64_t *position)
{
	size_t left;

	if (cache->head == 0)
		cache->head = 2 * cache->bytes;
	left = cache->bytes - cache->head % cache->bytes;
	if (left < bytes) /* the end of the ring stays empty */
		cache->head += left;
	*position = cache->head;
	cache->head += bytes;
	return (struct entry *)(void *)(cache->ring + *position % cache->bytes);
}

/* Copies what will soon be overwritten to where that takes longest. */
static struct entry *
renew(struct cache *cache, struct place *place, struct entry *entry)
{
	uint64_t position;
	struct entry *copy;

	if (cache->head - place_at(place) < cache->bytes / 2)
		return entry;
	copy = room(cache, entry->bytes, &position);
	memmove(copy, entry, entry->bytes);
	place_set(place, place->tag, position);
	return copy;
}

enum cache_state
cache_find(struct cache *cache, const struct question *question,
    enum cache_kind as, uint32_t now_s, struct cache_found *found)
{
	uint8_t kind = kind_of(question, as);
	uint16_t qtype = type_of(question, as);
	struct place *place;
	struct entry *entry;
	uint32_t age_s;

	if (cache->bytes == 0)
		return CACHE_MISS;
	place = find(
	    cache, question, hash(cache, question, kind, qtype), kind, qtype);
	if (place == NULL)
		return CACHE_MISS;
	entry = entry_of(cache, place);
	age_s = now_s - entry->stored_s;
	if (age_s >= entry->answer.ttl_s &&
	    age_s - entry->answer.ttl_s >= cache->stale_s)
		return CACHE_MISS;
	entry = renew(cache, place, entry);
	answer_of(entry, &found->answer);
	found->entry = entry;
	found->age.age_s = age_s;
	found->age.stale = age_s >= entry->answer.ttl_s;
	return found->age.stale ? CACHE_STALE : CACHE_FRESH;
}

/* The place for a new entry: its old one, a free one, or the oldest. */
static struct place *
choose(const struct cache *cache, const struct question *question,
    uint64_t hashed, uint8_t kind, uint16_t qtype)
{
	struct place *oldest, *old = find(cache, question, hashed, kind, qtype);
	struct set *set = set_of(cache, hashed);
	int i;

	if (old != NULL)
		return old;
	oldest = &set->places[0];
	for (i = 1; i < WAYS; i++)
		if (place_at(&set->places[i]) < place_at(oldest))
			oldest = &set->places[i];
	return oldest;
}

static void
entry_fill(struct entry *entry, const struct question *question,
    const struct answer *answer)
{
	size_t ttls = 2UL * (answer->answers + answer->authorities);
	uint8_t *at = entry->rest;

	entry->answer = *answer;
	entry->rest_s = 0;
	entry->name_bytes = question->name_bytes;
	if (ttls != 0)
		memcpy(at, answer->ttls, ttls);
	at += ttls;
	memcpy(at, question->name, question->name_bytes);
	at += question->name_bytes;
	if (answer->body_bytes != 0)
		memcpy(at, answer->body, answer->body_bytes);
	at += answer->body_bytes;
	if (answer->summary_bytes != 0)
		memcpy(at, answer->summary, answer->summary_bytes);
}

void
cache_put(struct cache *cache, const struct question *question,
    enum cache_kind as, const struct answer *answer, uint32_t now_s)
{
	uint8_t kind = kind_of(question, as);
	uint16_t qtype = type_of(question, as);
	uint64_t position, hashed;
	struct place *place;
	struct entry *entry;
	size_t bytes;

	bytes = sizeof(*entry) + question->name_bytes +
		2UL * (answer->answers + answer->authorities) +
		answer->body_bytes + answer->summary_bytes;
	bytes = (bytes + UNIT - 1) & ~(size_t)(UNIT - 1);
	if (cache->bytes == 0 || answer->ttl_s == 0 || bytes > ENTRY_MAX)
		return;
	hashed = hash(cache, question, kind, qtype);
	place = choose(cache, question, hashed, kind, qtype);
	entry = room(cache, bytes, &position);
	entry->bytes = (uint32_t)bytes;
	entry->stored_s = now_s;
	entry->qtype = qtype;
	entry->kind = kind;
	entry_fill(entry, question, answer);
	place_set(place, (uint32_t)(hashed >> 32), position);
}

void
cache_rest(struct cache_found *found, uint32_t until_s)
{
	((struct entry *)found->entry)->rest_s = until_s;
}

int
cache_is_resting(const struct cache_found *found, uint32_t now_s)
{
	return ((const struct entry *)found->entry)->rest_s > now_s;
}

void
cache_flush(struct cache *cache)
{
	if (cache->bytes != 0)
		memset(
		    cache->sets, 0, (cache->set_mask + 1) * sizeof(struct set));
}

void
cache_free(struct cache *cache)
{
	if (cache->ring != NULL)
		munmap(cache->ring, cache->bytes);
	if (cache->sets != NULL)
		munmap(cache->sets, (cache->set_mask + 1) * sizeof(struct set));
	free(cache);
}
