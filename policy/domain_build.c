/* SPDX-License-Identifier: ISC */
/* Sorts the names by their hashes and puts them down in that order. */
#include "policy/domain_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/domain_layout.h"

struct domain_entry {
	uint64_t hash;
	uint32_t name; /* offset in the builder's names */
	uint16_t list;
	uint8_t len; /* with a wildcard's dot */
};

int
domain_builder_add(struct domain_builder *builder, uint16_t list, int below,
    const char *name, size_t len)
{
	struct domain_entry *entries;
	size_t room;

	if (builder->count == LIMIT_DOMAIN_NAMES) {
		errno = EOVERFLOW;
		return -1;
	}
	if (builder->count == builder->room) {
		room = builder->room == 0 ? 64 : builder->room * 2;
		entries =
		    reallocarray(builder->entries, room, sizeof(*entries));
		if (entries == NULL)
			return -1;
		builder->entries = entries;
		builder->room = room;
	}
	builder->entries[builder->count++] = (struct domain_entry){
		.name = (uint32_t)builder->names.len,
		.list = list,
		.len = (uint8_t)(len + (below != 0)),
	};
	if (below)
		text_append(&builder->names, ".", 1);
	text_append(&builder->names, name, len);
	return text_check(&builder->names);
}

void
domain_builder_free(struct domain_builder *builder)
{
	free(builder->entries);
	text_free(&builder->names);
	memset(builder, 0, sizeof(*builder));
}

/* The same name: the same hash, and a collision is told from it. */
static int
is_same(const struct domain_builder *builder, const struct domain_entry *a,
    const struct domain_entry *b)
{
	return a->hash == b->hash && a->len == b->len &&
	       memcmp(builder->names.bytes + a->name,
		   builder->names.bytes + b->name, a->len) == 0;
}

static int
compare(const void *left, const void *right, void *arg)
{
	const struct domain_entry *a = left, *b = right;
	const struct domain_builder *builder = arg;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	if (a->len != b->len)
		return (int)a->len - (int)b->len;
	return memcmp(builder->names.bytes + a->name,
	    builder->names.bytes + b->name, a->len);
}

/* The index as it grows; sets are found again by a table of their own. */
struct output {
	const struct domain_builder *builder;
	struct domain_index head;
	struct domain_group *groups;
	struct domain_set *sets;
	struct text records;
	uint32_t *known; /* number of a set and 1, by its hash */
};

#define KNOWN_SLOTS (2 * DOMAIN_SETS_MAX)

/* Keys that one id leads to (splitmix64, Steele, Lea and Flood 2014). */
static void
keys_fill(uint64_t *keys, uint64_t id)
{
	uint64_t key;
	size_t i;

	for (i = 0; i < DOMAIN_TEXT_MAX; i++) {
		id += 0x9e3779b97f4a7c15ULL;
		key = (id ^ id >> 30) * 0xbf58476d1ce4e5b9ULL;
		key = (key ^ key >> 27) * 0x94d049bb133111ebULL;
		keys[i] = key ^ key >> 31;
	}
}

static int
output_init(struct output *out, uint64_t id, uint32_t lists)
{
	size_t homes = out->builder->count * DOMAIN_NAME_HOMES;

	out->head = (struct domain_index){
		.magic = DOMAIN_MAGIC,
		.version = DOMAIN_VERSION,
		.id = id,
		.lists = lists,
		.groups = (uint32_t)(homes / DOMAIN_GROUP_HOMES + 1),
		.sets = 1,
	};
	keys_fill(out->head.keys, id);
	out->groups = calloc(out->head.groups, sizeof(*out->groups));
	out->sets = calloc(DOMAIN_SETS_MAX, sizeof(*out->sets));
	out->known = calloc(KNOWN_SLOTS, sizeof(*out->known));
	return out->groups == NULL || out->sets == NULL || out->known == NULL
		   ? -1
		   : 0;
}

static void
output_free(struct output *out)
{
	free(out->groups);
	free(out->sets);
	free(out->known);
	text_free(&out->records);
}

/* The number of a set; the empty one's is 0. */
static int
set_number(struct output *out, const struct domain_set *set, uint16_t *number)
{
	static const struct domain_set empty;
	uint32_t i;

	*number = 0;
	if (memcmp(set, &empty, sizeof(empty)) == 0)
		return 0;
	i = (uint32_t)(domain_hash(
			   out->head.keys, (const char *)set, sizeof(*set)) >>
		       32);
	for (i %= KNOWN_SLOTS; out->known[i] != 0; i = (i + 1) % KNOWN_SLOTS) {
		*number = (uint16_t)(out->known[i] - 1);
		if (memcmp(&out->sets[*number], set, sizeof(*set)) == 0)
			return 0;
	}
	if (out->head.sets == DOMAIN_SETS_MAX) {
		errno = EOVERFLOW;
		return -1;
	}
	*number = (uint16_t)out->head.sets;
	out->sets[out->head.sets++] = *set;
	out->known[i] = out->head.sets;
	return 0;
}

static int
put_record(struct output *out, const struct domain_entry *entry,
    const struct domain_set *set)
{
	char len = (char)entry->len;
	uint16_t number;

	if (set_number(out, set, &number) == -1)
		return -1;
	text_append(&out->records, &len, 1);
	text_append(&out->records, (const char *)&number, sizeof(number));
	text_append(
	    &out->records, out->builder->names.bytes + entry->name, entry->len);
	out->head.names++;
	return 0;
}

/* A name, which entries from the first to before the end have. */
static int
put_name(struct output *out, const struct domain_entry *entry,
    const struct domain_entry *end)
{
	struct domain_set set = { 0 };
	const struct domain_entry *at;

	for (at = entry; at < end; at++)
		set.bits[at->list / 64] |= 1ULL << at->list % 64;
	return put_record(out, entry, &set);
}

static uint32_t
group_of(const struct output *out, const struct domain_entry *entry)
{
	return domain_home(entry->hash, out->head.groups) / DOMAIN_GROUP_HOMES;
}

/* Puts down the group of that entry, and returns what is behind its names. */
static const struct domain_entry *
put_group(struct output *out, const struct domain_entry *entry,
    const struct domain_entry *end)
{
	uint32_t number = group_of(out, entry), first = out->head.names;
	struct domain_group *group = &out->groups[number];
	const struct domain_entry *next;

	group->record = (uint32_t)out->records.len;
	for (; entry < end && group_of(out, entry) == number; entry = next) {
		next = entry + 1;
		while (next < end && is_same(out->builder, entry, next))
			next++;
		if (out->head.names - first == DOMAIN_GROUP_NAMES) {
			errno = EAGAIN;
			return NULL;
		}
		group->homes |= 1U
				<< domain_home(entry->hash, out->head.groups) %
				       DOMAIN_GROUP_HOMES;
		if (put_name(out, entry, next) == -1)
			return NULL;
	}
	text_append(&out->records, "", 1);
	return text_check(&out->records) == -1 ? NULL : entry;
}

static int
put_names(struct output *out)
{
	const struct domain_entry *entry = out->builder->entries;
	const struct domain_entry *end;

	if (out->builder->count == 0)
		return 0;
	end = entry + out->builder->count;
	while (entry != NULL && entry < end)
		entry = put_group(out, entry, end);
	return entry == end ? 0 : -1;
}

static void *
put_together(struct output *out, size_t *len)
{
	struct domain_index *head = &out->head;
	size_t sets = head->sets * sizeof(*out->sets);
	size_t groups = head->groups * sizeof(*out->groups);
	char *bytes;

	head->record_bytes = (uint32_t)out->records.len;
	*len = sizeof(*head) + sets + groups + out->records.len;
	if (*len > LIMIT_INDEX_BYTES) {
		errno = EOVERFLOW;
		return NULL;
	}
	head->bytes = (uint32_t)*len;
	bytes = malloc(*len);
	if (bytes == NULL)
		return NULL;
	memcpy(bytes, head, sizeof(*head));
	memcpy(bytes + sizeof(*head), out->sets, sets);
	memcpy(bytes + sizeof(*head) + sets, out->groups, groups);
	if (out->records.len > 0)
		memcpy(bytes + sizeof(*head) + sets + groups,
		    out->records.bytes, out->records.len);
	return bytes;
}

static void
sort(struct domain_builder *builder, const uint64_t *keys)
{
	struct domain_entry *entries = builder->entries;
	size_t i;

	for (i = 0; i < builder->count; i++)
		entries[i].hash = domain_hash(keys,
		    builder->names.bytes + entries[i].name, entries[i].len);
	if (builder->count > 0)
		qsort_r(entries, builder->count, sizeof(*entries), compare,
		    builder);
}

int
domain_builder_finish(struct domain_builder *builder, uint64_t id,
    uint32_t lists, void **bytes, size_t *len)
{
	struct output out = { .builder = builder };

	*bytes = NULL;
	*len = 0;
	if (output_init(&out, id, lists) == 0) {
		sort(builder, out.head.keys);
		if (put_names(&out) == 0)
			*bytes = put_together(&out, len);
	}
	output_free(&out);
	return *bytes == NULL ? -1 : 0;
}
