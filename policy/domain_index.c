/* SPDX-License-Identifier: ISC */
/* Checking and searching a domain index that a stranger may have made.  Pure.
 */
#include "policy/domain_index.h"

#include <errno.h>
#include <string.h>

#include "policy/domain_layout.h"

static const struct domain_set *
sets_of(const struct domain_index *index)
{
	return (const void *)(index + 1);
}

static const struct domain_group *
groups_of(const struct domain_index *index)
{
	return (const void *)(sets_of(index) + index->sets);
}

static const char *
records_of(const struct domain_index *index)
{
	return (const void *)(groups_of(index) + index->groups);
}

static uint16_t
record_set(const char *record)
{
	uint16_t number;

	memcpy(&number, record + 1, sizeof(number));
	return number;
}

static const char *
check_head(const struct domain_index *index, size_t len)
{
	uint64_t bytes;

	if ((uintptr_t)index % sizeof(uint64_t) != 0)
		return "not aligned";
	if (len < sizeof(*index) || len > LIMIT_INDEX_BYTES)
		return "bad length";
	if (index->magic != DOMAIN_MAGIC)
		return "not a domain index";
	if (index->version != DOMAIN_VERSION)
		return "another version";
	bytes = sizeof(*index) + index->sets * sizeof(struct domain_set) +
		index->groups * (uint64_t)sizeof(struct domain_group) +
		index->record_bytes;
	if (index->bytes != len || bytes != len)
		return "its length is not the one it tells";
	if (index->id == 0 || index->lists > LIMIT_DOMAIN_LISTS ||
	    index->names > LIMIT_DOMAIN_NAMES || index->sets == 0 ||
	    index->sets > DOMAIN_SETS_MAX || index->groups == 0)
		return "a number out of range";
	return NULL;
}

/* No list beyond the last is in a set; the first set is empty. */
static const char *
check_sets(const struct domain_index *index)
{
	const struct domain_set *sets = sets_of(index);
	uint32_t i, list;

	for (i = 0; i < index->sets; i++)
		for (list = i == 0 ? 0 : index->lists;
		     list < LIMIT_DOMAIN_LISTS; list++)
			if (domain_set_has(&sets[i], list))
				return "a list that there is not";
	return NULL;
}

struct walk {
	const struct domain_index *index;
	uint32_t at; /* the next byte of the records */
	uint32_t names;
	uint64_t hash; /* of the name before */
};

/* One record of a group, whose home is added to homes. */
static const char *
check_record(struct walk *walk, uint32_t group, uint32_t *homes)
{
	const struct domain_index *index = walk->index;
	const char *record = records_of(index) + walk->at;
	uint32_t left = index->record_bytes - walk->at, home;
	uint8_t len = (uint8_t)record[0];
	uint64_t hash;

	if (left < DOMAIN_RECORD_BYTES || len > left - DOMAIN_RECORD_BYTES ||
	    len > DOMAIN_TEXT_MAX)
		return "a name is not where it must be";
	if (record_set(record) >= index->sets)
		return "a set that there is not";
	hash = domain_hash(index->keys, record + DOMAIN_RECORD_BYTES, len);
	home = domain_home(hash, index->groups);
	if (home / DOMAIN_GROUP_HOMES != group || hash < walk->hash)
		return "a name is not at home";
	*homes |= 1U << home % DOMAIN_GROUP_HOMES;
	walk->hash = hash;
	walk->at += DOMAIN_RECORD_BYTES + len;
	walk->names++;
	return NULL;
}

/* A group that has homes: its records and the byte behind them. */
static const char *
check_group(struct walk *walk, uint32_t i)
{
	const struct domain_index *index = walk->index;
	const struct domain_group *group = &groups_of(index)[i];
	uint32_t homes = 0, first = walk->names;
	const char *why;

	if (group->record != walk->at)
		return "a name is not where it must be";
	for (;;) {
		if (walk->at == index->record_bytes)
			return "a group has no end";
		if (records_of(index)[walk->at] == 0)
			break;
		if (walk->names - first == DOMAIN_GROUP_NAMES)
			return "too many names in a group";
		why = check_record(walk, i, &homes);
		if (why != NULL)
			return why;
	}
	walk->at++;
	return homes == group->homes ? NULL : "homes of no name";
}

static const char *
check_groups(const struct domain_index *index)
{
	const struct domain_group *groups = groups_of(index);
	struct walk walk = { .index = index };
	const char *why;
	uint32_t i;

	for (i = 0; i < index->groups; i++) {
		if (groups[i].homes == 0 && groups[i].record != 0)
			return "an empty group with a name";
		if (groups[i].homes == 0)
			continue;
		why = check_group(&walk, i);
		if (why != NULL)
			return why;
	}
	if (walk.names != index->names || walk.at != index->record_bytes)
		return "bytes that no group refers to";
	return NULL;
}

int
domain_index_check(const void *bytes, size_t len, const char **why)
{
	static const char *(*const checks[])(
	    const struct domain_index *) = { check_sets, check_groups };
	size_t i;

	*why = check_head(bytes, len);
	for (i = 0; *why == NULL && i < sizeof(checks) / sizeof(checks[0]); i++)
		*why = checks[i](bytes);
	if (*why == NULL)
		return 0;
	errno = EINVAL;
	return -1;
}

uint64_t
domain_index_id(const struct domain_index *index)
{
	return index->id;
}

uint32_t
domain_index_lists(const struct domain_index *index)
{
	return index->lists;
}

static void
set_add(struct domain_set *set, const struct domain_set *more)
{
	size_t i;

	for (i = 0; i < sizeof(set->bits) / sizeof(set->bits[0]); i++)
		set->bits[i] |= more->bits[i];
}

/*
 * A name and those above it, from its end; of the latter, what begins with a
 * dot.
 */
struct suffixes {
	uint64_t hash[DOMAIN_TEXT_MAX];
	uint32_t place[DOMAIN_TEXT_MAX]; /* its home, then its record */
	uint8_t at[DOMAIN_TEXT_MAX];	 /* where it begins in the name */
	size_t count;
};

/* Without a branch for each byte, whose ways nobody could foresee. */
static void
suffixes_of(struct suffixes *suffixes, const uint64_t *keys, const char *name,
    size_t len)
{
	uint64_t hash = 0;
	size_t i, count = 0;

	for (i = 0; i < len; i++) {
		const char *at = &name[len - 1 - i];

		hash += keys[i] * (unsigned char)*at;
		suffixes->hash[count] = hash;
		suffixes->at[count] = (uint8_t)(at - name);
		count += *at == '.';
	}
	/* The name itself, unless it is one of those with a dot. */
	suffixes->count = count + (name[0] != '.');
}

#define LINE_BYTES 64 /* of the caches of most machines */

static void
suffixes_place(struct suffixes *suffixes, const struct domain_index *index)
{
	const struct domain_group *groups = groups_of(index);
	size_t i;

	for (i = 0; i < suffixes->count; i++) {
		suffixes->place[i] =
		    domain_home(suffixes->hash[i], index->groups);
		__builtin_prefetch(
		    &groups[suffixes->place[i] / DOMAIN_GROUP_HOMES]);
	}
}

/* Keeps those whose home is taken, and has their group's names fetched. */
static void
suffixes_keep(struct suffixes *suffixes, const struct domain_index *index)
{
	const struct domain_group *groups = groups_of(index), *group;
	size_t i, kept = 0;
	uintptr_t record;

	for (i = 0; i < suffixes->count; i++) {
		group = &groups[suffixes->place[i] / DOMAIN_GROUP_HOMES];
		if ((group->homes >> suffixes->place[i] % DOMAIN_GROUP_HOMES &
			1) == 0)
			continue;
		record = (uintptr_t)(records_of(index) + group->record);
		__builtin_prefetch((const void *)record);
		__builtin_prefetch((const void *)(record + LINE_BYTES));
		__builtin_prefetch((const void *)(record + 2 * LINE_BYTES));
		suffixes->place[kept] = group->record;
		suffixes->at[kept++] = suffixes->at[i];
	}
	suffixes->count = kept;
}

/* Adds the set of one name; record: the first of its group. */
static void
find_one(const struct domain_index *index, const char *record, const char *name,
    size_t len, struct domain_set *set)
{
	for (; record[0] != 0;
	     record += DOMAIN_RECORD_BYTES + (uint8_t)record[0]) {
		if ((uint8_t)record[0] != len ||
		    memcmp(record + DOMAIN_RECORD_BYTES, name, len) != 0)
			continue;
		set_add(set, &sets_of(index)[record_set(record)]);
		return;
	}
}

void
domain_index_find(const struct domain_index *index, const char *name,
    size_t len, struct domain_set *set)
{
	struct suffixes suffixes;
	size_t i;

	memset(set, 0, sizeof(*set));
	if (index == NULL || len == 0 || len >= LIMIT_DOMAIN_BYTES)
		return;
	suffixes_of(&suffixes, index->keys, name, len);
	suffixes_place(&suffixes, index);
	suffixes_keep(&suffixes, index);
	for (i = 0; i < suffixes.count; i++)
		find_one(index, records_of(index) + suffixes.place[i],
		    name + suffixes.at[i], len - suffixes.at[i], set);
}

void
domain_index_find_any(const struct domain_index *index, const char *name,
    const char *aliases, struct domain_set *set)
{
	struct domain_set more;
	size_t i;

	domain_index_find(index, name, strlen(name), set);
	for (; *aliases != '\0'; aliases += strlen(aliases) + 1) {
		domain_index_find(index, aliases, strlen(aliases), &more);
		for (i = 0; i < LIMIT_DOMAIN_LISTS / 64; i++)
			set->bits[i] |= more.bits[i];
	}
}
