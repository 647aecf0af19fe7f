/* SPDX-License-Identifier: ISC */
#include "policy/render_owner.h"

#include <inttypes.h>
#include <string.h>

#include "policy/owner_class.h"

static void
put_range(uint32_t n, uint32_t first, uint32_t last, struct text *text)
{
	text_printf(text, "%s%" PRIu32, n > 0 ? ", " : "", first);
	if (last != first)
		text_printf(text, "-%" PRIu32, last);
}

static void
put_span(const struct image *image, const char *field, struct image_span span,
    struct text *text)
{
	const struct uid_range *ids = image_owners(image, span);
	uint32_t i;

	if (span.count == 0)
		return;
	text_printf(text, "meta %s %s", field, span.count > 1 ? "{ " : "");
	for (i = 0; i < span.count; i++)
		put_range(i, ids[i].first, ids[i].last, text);
	text_puts(text, span.count > 1 ? " } " : " ");
}

void
render_owner(
    const struct image *image, const struct image_rule *rule, struct text *text)
{
	put_span(image, "skuid", rule->users, text);
	put_span(image, "skgid", rule->groups, text);
}

int
render_has_owners(const struct image *image)
{
	uint32_t i;

	for (i = 0; i < image_rule_count(image); i++)
		if (image_has_owner(image_rule(image, i)))
			return image_settings(image)->local != LOCAL_NONE;
	return 0;
}

int
render_excludes_owners(const struct image *image)
{
	uint32_t i;

	for (i = 0; i < image_exclusion_count(image); i++)
		if (image_has_owner(image_exclusion(image, i)))
			return 1;
	return 0;
}

/* Nothing for class 0: whoever comes there is in no list. */
static void
put_class(const char *field, const struct owner_ids *ids, uint32_t class,
    struct text *text)
{
	uint32_t n = 0;
	size_t i;

	if (class == 0)
		return;
	text_printf(text, "meta %s { ", field);
	for (i = 0; i < ids->count; i++)
		if (ids->ranges[i].class == class)
			put_range(n++, ids->ranges[i].first,
			    ids->ranges[i].last, text);
	text_puts(text, " } ");
}

static void
put_marks(const struct owner_classes *owners, struct text *text)
{
	uint32_t class;
	uint8_t mark;

	for (class = 0; class < owners->classes; class ++) {
		mark = owner_class_mark(owners, class);
		text_printf(text,
		    "\tchain owner_%" PRIu32 " {\n\t\tip ttl set %u\n"
		    "\t\tip6 hoplimit set %u\n\t}\n",
		    class, mark, mark);
	}
}

void
render_owners(const struct image *image, struct text *text)
{
	struct owner_classes owners = { 0 };
	uint32_t user, group;

	if (owner_classes_make(&owners, image) == -1) {
		text->failed = 1;
		return;
	}
	put_marks(&owners, text);
	text_puts(text, "\tchain owner {\n");
	/* Those who are in two lists before those who are in one. */
	for (user = owners.users.classes; user-- > 0;)
		for (group = owners.groups.classes; group-- > 0;) {
			text_puts(text, "\t\t");
			put_class("skuid", &owners.users, user, text);
			put_class("skgid", &owners.groups, group, text);
			text_printf(text, "goto owner_%" PRIu32 "\n",
			    user * owners.groups.classes + group);
		}
	text_puts(text, "\t}\n");
	owner_classes_release(&owners);
}
