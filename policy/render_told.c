/* SPDX-License-Identifier: ISC */
/*
 * Names of sets have the generation in them: what was asked for by another
 * configuration's numbers finds no set.
 */
#include "policy/render_told.h"

#include "policy/told.h"

static void
put_name(const struct image *image, const struct addr_family *family,
    uint32_t rule, struct text *text)
{
	text_printf(text, TOLD_SET_FORMAT, image_settings(image)->generation,
	    rule, family->v6 ? 6 : 4);
}

void
render_told_sets(const struct image *image, struct text *text)
{
	uint32_t i;
	size_t f;

	for (i = 0; i < image_rule_count(image); i++)
		for (f = 0; f < ADDR_FAMILIES && image_rule(image, i)->by_dns;
		     f++) {
			text_puts(text, "\tset ");
			put_name(image, &addr_families[f], i, text);
			text_printf(text,
			    " {\n\t\ttype %s . %s\n\t\tsize %d\n"
			    "\t\tflags timeout\n\t}\n",
			    addr_families[f].type, addr_families[f].type,
			    TOLD_SET_SIZE);
		}
}

void
render_told(const struct image *image, const struct addr_family *family,
    uint32_t rule, struct text *text)
{
	text_printf(
	    text, "%s saddr . %s daddr @", family->keyword, family->keyword);
	put_name(image, family, rule, text);
	text_puts(text, " ");
}
