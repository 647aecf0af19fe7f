/* SPDX-License-Identifier: ISC */
/*
 * The bytes of a domain index: this header, sets, slots, names.
 *
 * Slots are a hash table with linear probing.  A name's home is the upper half
 * of its hash, scaled to the homes; names stand in the order of their hashes,
 * each in the first free slot from its home on, without wrapping around.  The
 * names' texts lie in that order too, so that one walk checks everything.
 */
#ifndef POLICY_DOMAIN_LAYOUT_H
#define POLICY_DOMAIN_LAYOUT_H

#include "policy/domain_index.h"

#define DOMAIN_MAGIC 0x64787074U /* "tpxd" */
#define DOMAIN_VERSION 1U
#define DOMAIN_SETS_MAX 65536U

/* A name is at most so many slots behind its home. */
#define DOMAIN_REACH 1024U

struct domain_index {
	uint32_t magic;
	uint32_t version;
	uint64_t id; /* and the seed of its hashes */
	uint32_t bytes;
	uint32_t lists;
	uint32_t names;
	uint32_t homes;
	uint32_t slots; /* homes, and room behind the last; one is empty */
	uint32_t sets;
	uint32_t text_bytes;
	uint32_t reserved;
};

/* tag: the lower half of the hash.  text: 0 for an empty slot, else its
 * record's offset in the texts and 1. */
struct domain_slot {
	uint32_t tag;
	uint32_t text;
};

/* A record: of what lists the name is, those of names below it, the name. */
#define DOMAIN_RECORD_BYTES 5U /* two set numbers and a length */

static inline uint64_t
domain_hash_step(uint64_t hash, char c)
{
	return (hash ^ (unsigned char)c) * 0x100000001b3ULL;
}

/* Of the steps from the name's end to its beginning. */
static inline uint64_t
domain_hash_end(uint64_t hash)
{
	hash ^= hash >> 32;
	hash *= 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 29;
}

static inline uint32_t
domain_home(uint64_t hash, uint32_t homes)
{
	return (uint32_t)((hash >> 32) * homes >> 32);
}

static inline uint64_t
domain_hash(uint64_t seed, const char *name, size_t len)
{
	uint64_t hash = seed;

	while (len > 0)
		hash = domain_hash_step(hash, name[--len]);
	return domain_hash_end(hash);
}

#endif
