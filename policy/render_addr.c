/* SPDX-License-Identifier: ISC */
#include "policy/render_addr.h"

#include <arpa/inet.h>
#include <string.h>

#include "policy/render.h"

#define ELEMENTS_PER_LINE 4
#define ELEMENTS_PER_COMMAND 8192
/* A range of fewer addresses is so many single ones. */
#define SINGLES_OF_RANGE 8
#define SINGLES_MIN 2048 /* ranges of them that are worth a set */

const struct addr_family addr_families[ADDR_FAMILIES] = {
	{ 0, "ip", "ipv4_addr" },
	{ 1, "ip6", "ipv6_addr" },
};

static uint32_t
range_count(
    const struct image *image, const struct addr_family *family, uint32_t ref)
{
	uint32_t count;

	if (family->v6)
		image_ranges6(image, ref, &count);
	else
		image_ranges4(image, ref, &count);
	return count;
}

static void
store32(uint8_t *byte, uint32_t value)
{
	value = htonl(value);
	memcpy(byte, &value, sizeof(value));
}

/* The i-th range of a set in one form for both families. */
static void
range_at(const struct image *image, const struct addr_family *family,
    uint32_t ref, uint32_t i, struct addr *first, struct addr *last)
{
	static const struct addr mapped = { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	    0xff, 0xff } };
	const struct image_range6 *range6;
	const struct image_range4 *range4;
	uint32_t count;

	if (family->v6) {
		range6 = &image_ranges6(image, ref, &count)[i];
		memcpy(first->byte, range6->first, sizeof(first->byte));
		memcpy(last->byte, range6->last, sizeof(last->byte));
		return;
	}
	range4 = &image_ranges4(image, ref, &count)[i];
	*first = *last = mapped;
	store32(first->byte + 12, range4->first);
	store32(last->byte + 12, range4->last);
}

/* Bits of the prefix that the range is, or -1. */
static int
range_bits(const struct addr *first, const struct addr *last)
{
	int bit, bits = 0;

	while (bits < 128 && ((first->byte[bits / 8] ^ last->byte[bits / 8]) &
				 0x80 >> bits % 8) == 0)
		bits++;
	for (bit = bits; bit < 128; bit++)
		if ((first->byte[bit / 8] & 0x80 >> bit % 8) != 0 ||
		    (last->byte[bit / 8] & 0x80 >> bit % 8) == 0)
			return -1;
	return bits;
}

/* IPv6 text of its own, as the mapped block may be the end of a range. */
static void
addr_puts(const struct addr_family *family, const struct addr *addr,
    struct text *text)
{
	char buf[INET6_ADDRSTRLEN] = "";

	inet_ntop(family->v6 ? AF_INET6 : AF_INET,
	    addr->byte + (family->v6 ? 0 : 12), buf, sizeof(buf));
	text_puts(text, buf);
}

static void
render_range(const struct image *image, const struct addr_family *family,
    uint32_t ref, uint32_t i, struct text *text)
{
	struct addr first, last;
	int bits;

	range_at(image, family, ref, i, &first, &last);
	addr_puts(family, &first, text);
	bits = range_bits(&first, &last);
	if (bits == -1) {
		text_puts(text, "-");
		addr_puts(family, &last, text);
	} else if (bits < 128) {
		text_printf(text, "/%d", family->v6 ? bits : bits - 96);
	}
}

/* The text between two elements of a list. */
static const char *
separator(uint32_t i)
{
	if (i == 0)
		return "";
	return i % ELEMENTS_PER_LINE == 0 ? ",\n\t\t    " : ", ";
}

/* How many addresses a short range has; 0: it is long. */
static unsigned int
range_singles(const struct image *image, const struct addr_family *family,
    uint32_t ref, uint32_t i)
{
	struct addr first, last;
	unsigned int count;

	range_at(image, family, ref, i, &first, &last);
	if (memcmp(first.byte, last.byte, sizeof(first.byte) - 1) != 0)
		return 0;
	count = last.byte[15] - first.byte[15] + 1U;
	return count < SINGLES_OF_RANGE ? count : 0;
}

static void
render_ranges(const struct image *image, const struct addr_family *family,
    uint32_t ref, int long_only, struct text *text)
{
	uint32_t i, n = 0, count = range_count(image, family, ref);

	for (i = 0; i < count; i++) {
		if (long_only && range_singles(image, family, ref, i) > 0)
			continue;
		text_puts(text, separator(n++));
		render_range(image, family, ref, i, text);
	}
}

/* Whether a table has enough short ranges, and others besides. */
static int
is_split(const struct image *image, const struct addr_family *family,
    uint32_t ref, int *others)
{
	uint32_t i, count = range_count(image, family, ref), singles = 0;

	*others = 0;
	if (ref >= image_table_count(image) || count < SINGLES_MIN)
		return 0;
	for (i = 0; i < count && (singles < SINGLES_MIN || !*others); i++)
		if (range_singles(image, family, ref, i) > 0)
			singles++;
		else
			*others = 1;
	return singles >= SINGLES_MIN;
}

int
addr_has_part(const struct image *image, const struct addr_family *family,
    uint32_t ref, enum addr_part part)
{
	int others;

	if (ref == ADDR_ANY)
		return part == ADDR_PART_RANGES;
	if (range_count(image, family, ref) == 0)
		return 0;
	if (is_split(image, family, ref, &others))
		return part == ADDR_PART_SINGLES || others;
	return part == ADDR_PART_RANGES;
}

static void
set_name(const struct image *image, const struct addr_family *family,
    uint32_t ref, enum addr_part part, struct text *text)
{
	text_printf(text, "t_%s_%d%s", image_table(image, ref),
	    family->v6 ? 6 : 4, part == ADDR_PART_SINGLES ? "s" : "");
}

void
render_addr(const struct image *image, const struct addr_family *family,
    const char *field, uint32_t ref, enum addr_part part, struct text *text)
{
	if (ref == ADDR_ANY)
		return;
	text_printf(text, "%s %s ", family->keyword, field);
	if (ref < image_table_count(image)) {
		text_puts(text, "@");
		set_name(image, family, ref, part, text);
		text_puts(text, " ");
		return;
	}
	if (range_count(image, family, ref) > 1) {
		text_puts(text, "{ ");
		render_ranges(image, family, ref, 0, text);
		text_puts(text, " } ");
	} else {
		render_range(image, family, ref, 0, text);
		text_puts(text, " ");
	}
}

/* The single addresses of a range from the first one on. */
static void
render_singles(const struct addr_family *family, struct addr *first,
    unsigned int count, struct text *text)
{
	for (; count > 0; count--, first->byte[15]++) {
		addr_puts(family, first, text);
		text_puts(text, count > 1 ? ", " : "");
	}
}

/*
 * Those of a table, in lists of at most so many ranges, each of them a command
 * that adds to a set of that table of nftables, if there is one.
 */
static void
render_lists(const struct image *image, const struct addr_family *family,
    uint32_t ref, const char *table, uint32_t most, struct text *text)
{
	uint32_t i, n = 0, count = range_count(image, family, ref);
	struct addr first, last;
	unsigned int singles;

	for (i = 0; i < count; i++) {
		singles = range_singles(image, family, ref, i);
		if (singles == 0)
			continue;
		if (n > 0 && n % most == 0)
			text_puts(text, " }\n");
		if (n % most == 0 && table != NULL) {
			text_printf(text, RENDER_ADD_ELEMENT "%s ", table);
			set_name(image, family, ref, ADDR_PART_SINGLES, text);
		}
		text_puts(text, n++ % most == 0 ? " { " : ", ");
		range_at(image, family, ref, i, &first, &last);
		render_singles(family, &first, singles, text);
	}
	text_puts(text, n > 0 ? " }\n" : "");
}

static void
render_set(const struct image *image, const struct addr_family *family,
    uint32_t ref, enum addr_part part, int later, struct text *text)
{
	int others, split = is_split(image, family, ref, &others);

	text_puts(text, "\tset ");
	set_name(image, family, ref, part, text);
	text_printf(text, " {\n\t\ttype %s\n", family->type);
	if (part == ADDR_PART_RANGES) {
		text_puts(text, "\t\tflags interval\n\t\telements = { ");
		render_ranges(image, family, ref, split, text);
		text_puts(text, " }\n");
	} else if (!later) {
		text_puts(text, "\t\telements =");
		render_lists(image, family, ref, NULL, UINT32_MAX, text);
	}
	text_puts(text, "\t}\n");
}

static int
is_among(const struct image *image, struct image_span refs, uint32_t ref)
{
	uint32_t i;

	for (i = 0; i < refs.count; i++)
		if (image_ref(image, refs, i) == ref)
			return 1;
	return 0;
}

static int
is_wanted(const struct image *image, enum addr_tables which, uint32_t table)
{
	const struct image_rule *exclusion;
	uint32_t i;

	if (which == ADDR_TABLES_ALL)
		return 1;
	for (i = 0; i < image_exclusion_count(image); i++) {
		exclusion = image_exclusion(image, i);
		if (is_among(image, exclusion->from, table) ||
		    is_among(image, exclusion->to, table))
			return 1;
	}
	return 0;
}

static void
render_table(
    const struct image *image, uint32_t table, int later, struct text *text)
{
	enum addr_part part;
	size_t f;

	for (f = 0; f < ADDR_FAMILIES; f++)
		for (part = 0; part < ADDR_PARTS; part++)
			if (addr_has_part(
				image, &addr_families[f], table, part))
				render_set(image, &addr_families[f], table,
				    part, later, text);
}

void
render_tables(const struct image *image, enum addr_tables which, int later,
    struct text *text)
{
	uint32_t i;

	for (i = 0; i < image_table_count(image); i++)
		if (is_wanted(image, which, i))
			render_table(image, i, later, text);
}

void
render_elements(const struct image *image, enum addr_tables which,
    const char *table, struct text *text)
{
	uint32_t i;
	size_t f;

	for (i = 0; i < image_table_count(image); i++)
		for (f = 0; f < ADDR_FAMILIES; f++)
			if (is_wanted(image, which, i) &&
			    addr_has_part(
				image, &addr_families[f], i, ADDR_PART_SINGLES))
				render_lists(image, &addr_families[f], i, table,
				    ELEMENTS_PER_COMMAND, text);
}
