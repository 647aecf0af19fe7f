/* SPDX-License-Identifier: ISC */
#include "ctl/leak/account.h"

static int
is_captured(const struct image *image, uint32_t ours, uint32_t uid)
{
	const struct uid_range *ranges;
	uint32_t i, count;

	if (uid == ours)
		return 0;
	if (image_settings(image)->local == LOCAL_HOST)
		return 1;
	ranges = image_users(image, &count);
	for (i = 0; i < count; i++)
		if (ranges[i].first <= uid && uid <= ranges[i].last)
			return 1;
	ranges = image_groups(image, &count);
	return count > 0 && ranges[0].first == ACCOUNT_GID;
}

/* The nearest to the edge of a range that is not tpx's own uid, or -1. */
static int64_t
edge(const struct uid_range *range, uint32_t ours, int at_end)
{
	uint32_t uid = at_end ? range->last : range->first;

	if (uid != ours)
		return uid;
	if (range->first == range->last)
		return -1;
	return at_end ? uid - 1 : uid + 1;
}

static int64_t
first_of(const struct uid_range *ranges, uint32_t count, uint32_t ours)
{
	int64_t uid = edge(&ranges[0], ours, 0);

	return uid == -1 && count > 1 ? edge(&ranges[1], ours, 0) : uid;
}

static int64_t
last_of(const struct uid_range *ranges, uint32_t count, uint32_t ours)
{
	int64_t uid = edge(&ranges[count - 1], ours, 1);

	return uid == -1 && count > 1 ? edge(&ranges[count - 2], ours, 1) : uid;
}

/* The number behind a range, which no other range has, else one before it. */
static int64_t
outside(const struct image *image, uint32_t ours)
{
	const struct uid_range *ranges;
	uint32_t count, i;
	int64_t uid;

	ranges = image_users(image, &count);
	for (i = count; i-- > 0;) {
		uid = (int64_t)ranges[i].last + 1;
		if (uid == ours)
			uid++;
		if (uid < UINT32_MAX &&
		    !is_captured(image, ours, (uint32_t)uid))
			return uid;
	}
	for (uid = (int64_t)ranges[0].first - 1; uid >= 0; uid--)
		if (uid != ours)
			return uid;
	return -1;
}

static size_t
take(const struct image *image, uint32_t ours, int64_t uid,
    struct account users[ACCOUNT_MOST], size_t n)
{
	size_t i;

	if (uid == -1 || uid == ours)
		return n;
	for (i = 0; i < n; i++)
		if (users[i].uid == uid)
			return n;
	users[n].uid = (uint32_t)uid;
	users[n].is_captured = is_captured(image, ours, users[n].uid);
	return n + 1;
}

size_t
account_choose(const struct image *image, uint32_t ours,
    struct account users[ACCOUNT_MOST])
{
	const struct uid_range *ranges;
	uint32_t count;
	size_t n = 0;

	ranges = image_users(image, &count);
	if (count == 0) {
		n = take(image, ours, 0, users, n);
		return take(image, ours,
		    ours == ACCOUNT_NOBODY ? ACCOUNT_NOBODY - 1
					   : ACCOUNT_NOBODY,
		    users, n);
	}
	n = take(image, ours, first_of(ranges, count, ours), users, n);
	n = take(image, ours, last_of(ranges, count, ours), users, n);
	n = take(image, ours, 0, users, n);
	return take(image, ours, outside(image, ours), users, n);
}
