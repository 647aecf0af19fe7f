/* SPDX-License-Identifier: ISC */
#include "policy/render_term.h"

#include <inttypes.h>

#include "policy/render_owner.h"

static uint32_t
mask_of(const struct image *image)
{
	return image_settings(image)->mark_mask;
}

void
term_interfaces(const struct image *image, struct text *text)
{
	uint32_t i, count = image_interface_count(image);

	text_puts(text, count > 1 ? "{ " : "");
	for (i = 0; i < count; i++)
		text_printf(text, "%s\"%s\"", i > 0 ? ", " : "",
		    image_interface(image, i));
	text_puts(text, count > 1 ? " }" : "");
}

static void
lead_ids(const char *field, const struct uid_range *ids, uint32_t count,
    const char *chain, struct text *text)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		text_printf(text, "\t\tmeta %s %" PRIu32, field, ids[i].first);
		if (ids[i].last != ids[i].first)
			text_printf(text, "-%" PRIu32, ids[i].last);
		text_printf(text, " goto %s\n", chain);
	}
}

void
term_users(const struct image *image, const char *chain, struct text *text)
{
	const struct uid_range *ids;
	uint32_t count;

	if (image_settings(image)->local != LOCAL_USERS)
		text_printf(text, "\t\tgoto %s\n", chain);
	ids = image_users(image, &count);
	lead_ids("skuid", ids, count, chain, text);
	ids = image_groups(image, &count);
	lead_ids("skgid", ids, count, chain, text);
}

static void
mark_compare(const struct image *image, const char *field, const char *how,
    uint32_t mark, struct text *text)
{
	text_printf(text, "%s & 0x%08" PRIx32 " %s 0x%08" PRIx32 " ", field,
	    mask_of(image), how, mark_value(mask_of(image), mark));
}

void
term_mark_is(const struct image *image, const char *field, uint32_t mark,
    struct text *text)
{
	mark_compare(image, field, "==", mark, text);
}

void
term_mark_is_not(const struct image *image, const char *field, uint32_t mark,
    struct text *text)
{
	mark_compare(image, field, "!=", mark, text);
}

void
term_mark_set(const struct image *image, const char *field, uint32_t mark,
    struct text *text)
{
	text_printf(text, "%s set %s & 0x%08" PRIx32 " | 0x%08" PRIx32 " ",
	    field, field, ~mask_of(image), mark_value(mask_of(image), mark));
}

void
term_answered(const struct image *image, const char *is, struct text *text)
{
	text_printf(text, "ct mark & 0x%08" PRIx32 " %s 0x%08" PRIx32 " ",
	    mark_value(mask_of(image), MARK_ANSWERED_BITS), is,
	    mark_value(mask_of(image), MARK_ANSWERED));
}

void
term_unmarked(const struct image *image, uint32_t uid, struct text *text)
{
	text_printf(text,
	    "\tchain unmarked {\n"
	    "\t\ttype filter hook output priority raw; policy accept;\n"
	    "\t\tmeta skuid %" PRIu32 " accept\n"
	    "\t\tmeta mark & 0x%08" PRIx32 " != 0x00000000 "
	    "meta mark set meta mark & 0x%08" PRIx32 "\n\t}\n",
	    uid, mask_of(image), ~mask_of(image));
}

void
term_looped(const struct image *image, struct text *text)
{
	text_printf(text,
	    "\t\toifname \"lo\" ct direction original "
	    "ct mark & 0x%08" PRIx32 " == 0x00000000 ",
	    mask_of(image));
	term_mark_set(image, "ct mark", MARK_LOOPED, text);
	text_puts(text, "\n\t\toifname \"lo\" accept\n"
			"\t\tct direction reply ");
	term_mark_is(image, "ct mark", MARK_LOOPED, text);
	text_puts(text, "counter drop\n");
}

void
term_unowned(struct text *text)
{
	text_puts(text, "\tchain unowned {\n"
			"\t\tmeta skuid >= 0 return\n\t\taccept\n\t}\n");
}

void
term_answers(const struct image *image, struct text *text)
{
	text_puts(text, "\t\toifname ");
	term_interfaces(image, text);
	text_puts(
	    text, " meta l4proto 6 fib saddr type != local jump unowned\n");
}

void
term_is_let(const struct image *image, struct text *text)
{
	uint32_t bit = mark_value(mask_of(image), MARK_LET);

	text_printf(
	    text, "meta mark & 0x%08" PRIx32 " == 0x%08" PRIx32 " ", bit, bit);
}

void
term_removal(const char *table, const char *flags, struct text *text)
{
	text_printf(text, "add table inet %s%s\ndelete table inet %s\n", table,
	    flags, table);
}

void
term_excluded_begin(const struct image *image, struct text *text)
{
	text_puts(text, "\t\tct state new fib saddr . iif oif exists ");
	term_mark_set(image, "ct mark", MARK_EXCLUDED, text);
	text_puts(text, "\n");
}

void
term_excluded_own(const struct image *image, struct text *text)
{
	if (!render_excludes_owners(image))
		return;
	text_puts(text, "\t\tct direction original ");
	term_mark_is(image, "ct mark", MARK_EXCLUDED, text);
	text_puts(text, "jump unowned\n");
}

void
term_strayed(const struct image *image, struct text *text)
{
	text_puts(text, "\tchain strayed {\n"
			"\t\ttype filter hook postrouting priority 300; "
			"policy accept;\n\t\toifname != \"lo\" ");
	term_mark_is(image, "meta mark", MARK_OURS, text);
	text_puts(text, "counter drop\n\t}\n");
}

int
term_blocks_others(const struct image *image)
{
	return image_settings(image)->other_protocols == OTHER_BLOCK;
}
