/* SPDX-License-Identifier: ISC */
/*
 * The ends of names are looked up by their hash in a small table in which new
 * ones push out old ones.  Names are a hostile resolver's: their hashes may
 * well meet, so a few looks must do.
 */
#include "dnsd/writer.h"

#include <string.h>

#include "dnsd/dname.h"
#include "dnsd/wire.h"

#define LABELS_MAX 128
#define LOOKS_MAX 4
#define POINTER_REACH 0x4000

/* Where the labels of a name begin, and the hash of all from there on. */
struct labels {
	size_t count;
	uint8_t at[LABELS_MAX];
	uint32_t hash[LABELS_MAX];
};

static void
labels_read(const uint8_t *name, struct labels *labels)
{
	uint32_t hash = 0;
	size_t at = 0, i;

	labels->count = 0;
	while (name[at] != 0) {
		labels->at[labels->count++] = (uint8_t)at;
		at += 1U + name[at];
	}
	for (i = labels->count; i-- > 0;) {
		const uint8_t *label = name + labels->at[i];
		size_t j;

		for (j = 0; j <= label[0]; j++)
			hash = (hash ^ (label[j] | 0x20U)) * 0x01000193U;
		labels->hash[i] = hash;
	}
}

/* Whether the name at a place of the message is this one. */
static int
stands_at(const struct writer *writer, size_t at, const uint8_t *name)
{
	const uint8_t *there;

	for (;;) {
		there = writer->message + at;
		if (there[0] >= WIRE_POINTER) {
			at = wire_get16(there) & (POINTER_REACH - 1);
			continue;
		}
		if (there[0] != name[0] ||
		    !dname_equal(there + 1, name + 1, name[0]))
			return 0;
		if (name[0] == 0)
			return 1;
		at += 1U + there[0];
		name += 1U + name[0];
	}
}

static struct writer_suffix *
suffix_of(struct writer *writer, uint32_t hash)
{
	return &writer->suffixes[(hash ^ hash >> 16) % WRITER_SUFFIXES];
}

/* The first label from which on the name stands somewhere; count if none. */
static size_t
find(struct writer *writer, const uint8_t *name, const struct labels *labels,
    uint16_t *at)
{
	const struct writer_suffix *suffix;
	size_t i;
	int looks = 0;

	for (i = 0; i < labels->count && looks < LOOKS_MAX; i++) {
		suffix = suffix_of(writer, labels->hash[i]);
		if (suffix->at == 0 || suffix->hash != labels->hash[i])
			continue;
		if (stands_at(writer, suffix->at, name + labels->at[i])) {
			*at = suffix->at;
			return i;
		}
		looks++;
	}
	return labels->count;
}

int
writer_bytes(struct writer *writer, const void *bytes, size_t len)
{
	if (len > sizeof(writer->message) - writer->used)
		return -1;
	memcpy(writer->message + writer->used, bytes, len);
	writer->used += len;
	return 0;
}

/* The labels before the end-th can be pointed to from now on. */
static void
remember(
    struct writer *writer, size_t at, const struct labels *labels, size_t end)
{
	size_t i;

	for (i = 0; i < end && at + labels->at[i] < POINTER_REACH; i++)
		*suffix_of(writer, labels->hash[i]) = (struct writer_suffix){
			.hash = labels->hash[i],
			.at = (uint16_t)(at + labels->at[i]),
		};
}

int
writer_name(
    struct writer *writer, const uint8_t *name, size_t name_bytes, int compress)
{
	struct labels labels;
	uint8_t pointer[2];
	uint16_t to = 0;
	size_t end, at = writer->used;

	writer->names_bytes += name_bytes;
	if (writer->names_bytes > WRITER_NAMES_BYTES)
		return -1;
	labels_read(name, &labels);
	end = compress ? find(writer, name, &labels, &to) : labels.count;
	if (end == labels.count) {
		if (writer_bytes(writer, name, name_bytes) == -1)
			return -1;
	} else {
		wire_put16(pointer, WIRE_POINTER << 8 | to);
		if (writer_bytes(writer, name, labels.at[end]) == -1 ||
		    writer_bytes(writer, pointer, sizeof(pointer)) == -1)
			return -1;
	}
	remember(writer, at, &labels, end);
	return 0;
}

void
writer_begin(struct writer *writer, const uint8_t *name, size_t name_bytes)
{
	memset(writer->message, 0, WIRE_HEADER_BYTES);
	memset(writer->suffixes, 0, sizeof(writer->suffixes));
	writer->used = WIRE_HEADER_BYTES;
	writer->names_bytes = 0;
	(void)writer_name(writer, name, name_bytes, 0);
}
