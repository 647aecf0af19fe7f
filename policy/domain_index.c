/* SPDX-License-Identifier: ISC */
/* Checking and searching a domain index that a stranger may have made.  Pure.
 */
#include "policy/domain_index.h"

#include <errno.h>
#include <string.h>

#include "policy/domain_layout.h"

#define LABELS_MAX 128 /* of a name, RFC 1035, 2.3.4, the root included */

static const struct domain_set *
sets_of(const struct domain_index *index)
{
	return (const void *)(index + 1);
}

static const struct domain_slot *
slots_of(const struct domain_index *index)
{
	return (const void *)(sets_of(index) + index->sets);
}

static const char *
texts_of(const struct domain_index *index)
{
	return (const void *)(slots_of(index) + index->slots);
}

static uint16_t
set_number(const char *at)
{
	uint16_t number;

	memcpy(&number, at, sizeof(number));
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
	if (index->reserved != 0)
		return "reserved bytes are not zero";
	bytes = sizeof(*index) + index->sets * sizeof(struct domain_set) +
		index->slots * (uint64_t)sizeof(struct domain_slot) +
		index->text_bytes;
	if (index->bytes != len || bytes != len)
		return "its length is not the one it tells";
	if (index->id == 0 || index->lists > LIMIT_DOMAIN_LISTS ||
	    index->names > LIMIT_DOMAIN_NAMES || index->sets == 0 ||
	    index->sets > DOMAIN_SETS_MAX || index->homes == 0 ||
	    index->slots <= index->homes)
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
	uint32_t text; /* where the next record begins */
	uint32_t names;
	uint32_t run;  /* the first slot since the last empty one */
	uint64_t hash; /* of the name before */
};

static const char *
check_slot(struct walk *walk, uint32_t i)
{
	const struct domain_index *index = walk->index;
	const struct domain_slot *slot = &slots_of(index)[i];
	const char *record = texts_of(index) + walk->text;
	uint32_t left = index->text_bytes - walk->text, home;
	uint8_t len;
	uint64_t hash;

	if (slot->text != walk->text + 1 || left < DOMAIN_RECORD_BYTES ||
	    (len = (uint8_t)record[4]) > left - DOMAIN_RECORD_BYTES)
		return "a name is not where it must be";
	if (set_number(record) >= index->sets ||
	    set_number(record + 2) >= index->sets)
		return "a set that there is not";
	hash = domain_hash(index->id, record + DOMAIN_RECORD_BYTES, len);
	home = domain_home(hash, index->homes);
	if (slot->tag != (uint32_t)hash || home > i || home < walk->run ||
	    i - home > DOMAIN_REACH || (walk->names > 0 && hash < walk->hash))
		return "a name is not in its slot";
	walk->hash = hash;
	walk->text += DOMAIN_RECORD_BYTES + len;
	walk->names++;
	return NULL;
}

static const char *
check_slots(const struct domain_index *index)
{
	const struct domain_slot *slots = slots_of(index);
	struct walk walk = { .index = index };
	const char *why;
	uint32_t i;

	for (i = 0; i < index->slots; i++) {
		if (slots[i].text == 0) {
			if (slots[i].tag != 0)
				return "an empty slot with a tag";
			walk.run = i + 1;
			continue;
		}
		why = check_slot(&walk, i);
		if (why != NULL)
			return why;
	}
	if (slots[index->slots - 1].text != 0)
		return "the last slot is not empty";
	if (walk.names != index->names || walk.text != index->text_bytes)
		return "bytes that no slot refers to";
	return NULL;
}

int
domain_index_check(const void *bytes, size_t len, const char **why)
{
	static const char *(*const checks[])(
	    const struct domain_index *) = { check_sets, check_slots };
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

uint32_t
domain_index_names(const struct domain_index *index)
{
	return index->names;
}

static void
set_add(struct domain_set *set, const struct domain_set *more)
{
	size_t i;

	for (i = 0; i < sizeof(set->bits) / sizeof(set->bits[0]); i++)
		set->bits[i] |= more->bits[i];
}

/* Adds the sets of one name; below: those of what is below it. */
static void
find_one(const struct domain_index *index, uint64_t hash, const char *name,
    size_t len, int below, struct domain_set *set)
{
	const struct domain_slot *slot =
	    slots_of(index) + domain_home(hash, index->homes);
	const char *record;

	for (; slot->text != 0; slot++) {
		if (slot->tag != (uint32_t)hash)
			continue;
		record = texts_of(index) + slot->text - 1;
		if ((uint8_t)record[4] != len ||
		    memcmp(record + DOMAIN_RECORD_BYTES, name, len) != 0)
			continue;
		set_add(
		    set, &sets_of(index)[set_number(record + (below ? 2 : 0))]);
		return;
	}
}

/* A name and those above it: where each begins, and its hash. */
struct suffixes {
	uint64_t hash[LABELS_MAX];
	uint8_t at[LABELS_MAX];
	size_t count;
};

/* Slots are fetched while the hashes are made: each is a cache miss. */
static void
suffix_add(struct suffixes *suffixes, const struct domain_index *index,
    uint64_t hash, size_t at)
{
	hash = domain_hash_end(hash);
	__builtin_prefetch(slots_of(index) + domain_home(hash, index->homes));
	suffixes->hash[suffixes->count] = hash;
	suffixes->at[suffixes->count++] = (uint8_t)at;
}

void
domain_index_find(const struct domain_index *index, const char *name,
    size_t len, struct domain_set *set)
{
	struct suffixes suffixes;
	uint64_t hash;
	size_t i;

	memset(set, 0, sizeof(*set));
	if (index == NULL || len == 0 || len >= LIMIT_DOMAIN_BYTES)
		return;
	suffixes.count = 0;
	hash = index->id;
	for (i = len; i > 0; i--) {
		if (name[i - 1] == '.' && suffixes.count < LABELS_MAX - 1)
			suffix_add(&suffixes, index, hash, i);
		hash = domain_hash_step(hash, name[i - 1]);
	}
	suffix_add(&suffixes, index, hash, 0);
	for (i = 0; i < suffixes.count; i++)
		find_one(index, suffixes.hash[i], name + suffixes.at[i],
		    len - suffixes.at[i], i + 1 < suffixes.count, set);
}
