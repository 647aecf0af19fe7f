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
	uint8_t len;
	uint8_t below;
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
		.len = (uint8_t)len,
		.below = (uint8_t)below,
	};
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
	struct domain_slot *slots;
	struct domain_set *sets;
	struct text texts;
	uint32_t *known; /* number of a set and 1, by its hash */
	uint32_t next;	 /* slot */
};

#define KNOWN_SLOTS (2 * DOMAIN_SETS_MAX)

static int
output_init(struct output *out, uint64_t id, uint32_t lists)
{
	size_t count = out->builder->count;

	out->head = (struct domain_index){
		.magic = DOMAIN_MAGIC,
		.version = DOMAIN_VERSION,
		.id = id,
		.lists = lists,
		.homes = (uint32_t)(count + count * 3 / 4 + 1),
		.sets = 1,
	};
	/* The last name can be that far behind, and one slot is empty. */
	out->slots =
	    calloc(out->head.homes + DOMAIN_REACH + 2, sizeof(*out->slots));
	out->sets = calloc(DOMAIN_SETS_MAX, sizeof(*out->sets));
	out->known = calloc(KNOWN_SLOTS, sizeof(*out->known));
	return out->slots == NULL || out->sets == NULL || out->known == NULL
		   ? -1
		   : 0;
}

static void
output_free(struct output *out)
{
	free(out->slots);
	free(out->sets);
	free(out->known);
	text_free(&out->texts);
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
	i = (uint32_t)domain_hash(1, (const char *)set, sizeof(*set));
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
put_name(struct output *out, const struct domain_entry *entry,
    const struct domain_set *exact, const struct domain_set *below)
{
	uint32_t home = domain_home(entry->hash, out->head.homes);
	uint16_t numbers[2];
	char len = (char)entry->len;

	if (set_number(out, exact, &numbers[0]) == -1 ||
	    set_number(out, below, &numbers[1]) == -1)
		return -1;
	if (out->next < home)
		out->next = home;
	if (out->next - home > DOMAIN_REACH) {
		errno = EAGAIN;
		return -1;
	}
	out->slots[out->next++] = (struct domain_slot){
		.tag = (uint32_t)entry->hash,
		.text = (uint32_t)out->texts.len + 1,
	};
	text_append(&out->texts, (const char *)numbers, sizeof(numbers));
	text_append(&out->texts, &len, 1);
	text_append(
	    &out->texts, out->builder->names.bytes + entry->name, entry->len);
	out->head.names++;
	return text_check(&out->texts);
}

static int
put_names(struct output *out)
{
	const struct domain_entry *entries = out->builder->entries;
	size_t i, first, count = out->builder->count;

	for (first = 0; first < count; first = i) {
		struct domain_set exact = { 0 }, below = { 0 }, *set;

		for (i = first; i < count && is_same(out->builder,
						 &entries[first], &entries[i]);
		     i++) {
			set = entries[i].below ? &below : &exact;
			set->bits[entries[i].list / 64] |=
			    1ULL << entries[i].list % 64;
		}
		if (put_name(out, &entries[first], &exact, &below) == -1)
			return -1;
	}
	return 0;
}

static void *
put_together(struct output *out, size_t *len)
{
	struct domain_index *head = &out->head;
	size_t sets = head->sets * sizeof(*out->sets), slots;
	char *bytes;

	head->slots = (out->next > head->homes ? out->next : head->homes) + 1;
	head->text_bytes = (uint32_t)out->texts.len;
	slots = head->slots * sizeof(*out->slots);
	*len = sizeof(*head) + sets + slots + out->texts.len;
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
	memcpy(bytes + sizeof(*head) + sets, out->slots, slots);
	if (out->texts.len > 0)
		memcpy(bytes + sizeof(*head) + sets + slots, out->texts.bytes,
		    out->texts.len);
	return bytes;
}

int
domain_builder_finish(struct domain_builder *builder, uint64_t id,
    uint32_t lists, void **bytes, size_t *len)
{
	struct output out = { .builder = builder };
	size_t i;

	*bytes = NULL;
	*len = 0;
	for (i = 0; i < builder->count; i++) {
		struct domain_entry *entry = &builder->entries[i];

		entry->hash = domain_hash(
		    id, builder->names.bytes + entry->name, entry->len);
	}
	if (builder->count > 0)
		qsort_r(builder->entries, builder->count,
		    sizeof(*builder->entries), compare, builder);
	if (output_init(&out, id, lists) == 0 && put_names(&out) == 0)
		*bytes = put_together(&out, len);
	output_free(&out);
	return *bytes == NULL ? -1 : 0;
}
