/* SPDX-License-Identifier: ISC */
/*
 * The bytes of a domain index: this header, sets, groups of homes, records.
 *
 * A look-up asks for a name and for all above it, most of which no list has,
 * and each step to another place in memory costs more than all its arithmetic.
 * So the groups, of four bytes a name, tell which there may be, and what a
 * group has lies together: of several names asked for all are fetched at once,
 * and all records after that.
 *
 * A name's home is its hash, scaled to the homes.  A group has the bits of the
 * homes that are taken, and where its first record is.  Records stand in the
 * order of their hashes, and behind those of a group is a byte of 0, so that
 * one walk checks everything.
 */
#ifndef POLICY_DOMAIN_LAYOUT_H
#define POLICY_DOMAIN_LAYOUT_H

#include "policy/domain_index.h"

#define DOMAIN_MAGIC 0x64787074U /* "tpxd" */
#define DOMAIN_VERSION 2U
#define DOMAIN_SETS_MAX 65536U

#define DOMAIN_GROUP_HOMES 32U
#define DOMAIN_NAME_HOMES 16U	/* as many for each name */
#define DOMAIN_GROUP_NAMES 128U /* most of a group; 2 are usual */

/* A name of a record: a wildcard's begins with the dot. */
#define DOMAIN_TEXT_MAX (LIMIT_DOMAIN_BYTES - 1 + 1)

struct domain_index {
	uint32_t magic;
	uint32_t version;
	uint64_t id;
	uint32_t bytes;
	uint32_t lists;
	uint32_t names;
	uint32_t sets;
	uint32_t groups;
	uint32_t record_bytes;
	uint64_t keys[DOMAIN_TEXT_MAX];
};

/* homes: a bit each.  record: offset in the records; 0 when no home is taken.
 */
struct domain_group {
	uint32_t homes;
	uint32_t record;
};

/* Before the text: its length, never 0, and the number of the set. */
#define DOMAIN_RECORD_BYTES 3U

/*
 * A key for each place in a name, from its end, times what is there.  Lists
 * come from strangers, who must not be able to make names that meet: whatever
 * two names they choose have the same hash by no more than one in 2^57 choices
 * of keys (multilinear hashing, Carter and Wegman 1979).
 */
static inline uint64_t
domain_hash(const uint64_t *keys, const char *text, size_t len)
{
	uint64_t hash = 0;
	size_t i;

	for (i = 0; i < len; i++)
		hash += keys[i] * (unsigned char)text[len - 1 - i];
	return hash;
}

/* LIMIT_INDEX_BYTES has less than 2^32 homes. */
static inline uint32_t
domain_home(uint64_t hash, uint32_t groups)
{
	return (uint32_t)((hash >> 32) * groups * DOMAIN_GROUP_HOMES >> 32);
}

#endif
