/* SPDX-License-Identifier: ISC */
/* Two ids are of one class when every rule's list has both or neither. */
#include "policy/owner_class.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NOBODY UINT32_MAX /* in no list */
#define GENERATION_BIT 0x80U

/* The lists of users, or of groups, of all rules. */
struct lists {
	const struct image *image;
	int groups;
};

static struct image_span
span_of(const struct lists *lists, uint32_t rule)
{
	const struct image_rule *item = image_rule(lists->image, rule);

	return lists->groups ? item->groups : item->users;
}

static int
has(const struct lists *lists, uint32_t rule, uint32_t id)
{
	struct image_span span = span_of(lists, rule);
	const struct uid_range *ids = image_owners(lists->image, span);
	uint32_t i;

	for (i = 0; i < span.count; i++)
		if (id >= ids[i].first && id <= ids[i].last)
			return 1;
	return 0;
}

static int
is_alike(const struct lists *lists, uint32_t a, uint32_t b)
{
	uint32_t i;

	for (i = 0; i < image_rule_count(lists->image); i++)
		if (has(lists, i, a) != has(lists, i, b))
			return 0;
	return 1;
}

static int
compare(const void *a, const void *b)
{
	uint32_t p = *(const uint32_t *)a, q = *(const uint32_t *)b;

	return p < q ? -1 : p > q;
}

/* Where something may change, sorted; NULL with ENOMEM. */
static uint32_t *
cuts_make(const struct lists *lists, size_t *count)
{
	const struct uid_range *ids;
	struct image_span span;
	size_t most = 0;
	uint32_t *cuts, rule, i;

	*count = 0;
	for (rule = 0; rule < image_rule_count(lists->image); rule++)
		most += span_of(lists, rule).count * 2U;
	cuts = calloc(most + 1, sizeof(*cuts));
	if (cuts == NULL)
		return NULL;
	for (rule = 0; rule < image_rule_count(lists->image); rule++) {
		span = span_of(lists, rule);
		ids = image_owners(lists->image, span);
		for (i = 0; i < span.count; i++) {
			cuts[(*count)++] = ids[i].first;
			cuts[(*count)++] = ids[i].last + 1;
		}
	}
	qsort(cuts, *count, sizeof(*cuts), compare);
	return cuts;
}

/* -1 with E2BIG */
static int
class_of(const struct lists *lists, struct owner_ids *ids, uint32_t id,
    uint32_t *class)
{
	for (*class = 0; *class < ids->classes; (*class)++)
		if (is_alike(lists, ids->example[*class], id))
			return 0;
	if (ids->classes == OWNER_CLASSES_MAX) {
		errno = E2BIG;
		return -1;
	}
	ids->example[ids->classes++] = id;
	return 0;
}

/* From one cut to the next all ids are alike. */
static int
ids_make(struct owner_ids *ids, const struct lists *lists)
{
	size_t i, count;
	uint32_t class, *cuts = cuts_make(lists, &count);
	int result = 0;

	ids->classes = 1;
	ids->example[0] = NOBODY;
	ids->ranges = calloc(count + 1, sizeof(*ids->ranges));
	if (cuts == NULL || ids->ranges == NULL)
		result = -1;
	for (i = 0; result == 0 && i + 1 < count; i++) {
		if (cuts[i] == cuts[i + 1])
			continue;
		result = class_of(lists, ids, cuts[i], &class);
		if (result == 0 && class > 0)
			ids->ranges[ids->count++] =
			    (struct owner_range){ cuts[i], cuts[i + 1] - 1,
				    class };
	}
	free(cuts);
	return result;
}

static int
is_asked(const struct image *image)
{
	uint32_t i;

	for (i = 0; i < image_rule_count(image); i++)
		if (image_has_owner(image_rule(image, i)))
			return 1;
	return 0;
}

int
owner_classes_make(struct owner_classes *owners, const struct image *image)
{
	const struct lists users = { image, 0 }, groups = { image, 1 };
	int saved;

	owner_classes_release(owners);
	owners->generation = image_settings(image)->generation;
	if (!is_asked(image))
		return 0;
	errno = ENOMEM;
	if (ids_make(&owners->users, &users) == 0 &&
	    ids_make(&owners->groups, &groups) == 0) {
		owners->classes =
		    owners->users.classes * owners->groups.classes;
		if (owners->classes <= OWNER_CLASSES_MAX)
			return 0;
		errno = E2BIG;
	}
	saved = errno;
	owner_classes_release(owners);
	errno = saved;
	return -1;
}

void
owner_classes_release(struct owner_classes *owners)
{
	free(owners->users.ranges);
	free(owners->groups.ranges);
	memset(owners, 0, sizeof(*owners));
}

int
owner_classes_fit(const struct image *image)
{
	struct owner_classes owners = { .classes = 0 };
	int result = owner_classes_make(&owners, image);

	owner_classes_release(&owners);
	return result == 0;
}

static uint8_t
generation_bit(const struct owner_classes *owners)
{
	return owners->generation % 2 != 0 ? GENERATION_BIT : 0;
}

uint8_t
owner_class_mark(const struct owner_classes *owners, uint32_t class)
{
	return (uint8_t)(generation_bit(owners) | (class + 1));
}

int
owner_class_find(const struct owner_classes *owners, uint8_t mark,
    struct policy_owner *owner)
{
	uint32_t class = (mark & ~GENERATION_BIT) - 1U;

	if ((mark & GENERATION_BIT) != generation_bit(owners) ||
	    class >= owners->classes)
		return -1;
	owner->uid = owners->users.example[class / owners->groups.classes];
	owner->gid = owners->groups.example[class % owners->groups.classes];
	return 0;
}
