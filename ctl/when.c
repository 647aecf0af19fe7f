/* SPDX-License-Identifier: ISC */
#include "ctl/when.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

#define SECOND_US 1000000LL

static const struct unit {
	char letter;
	int64_t us;
} units[] = {
	{ 'd', 86400 * SECOND_US },
	{ 'h', 3600 * SECOND_US },
	{ 'm', 60 * SECOND_US },
	{ 's', SECOND_US },
};

#define UNITS (sizeof(units) / sizeof(units[0]))

char *
when_format(int64_t real_us, char buf[WHEN_BYTES])
{
	time_t seconds = (time_t)(real_us / SECOND_US);
	struct tm utc;
	size_t len;

	if (gmtime_r(&seconds, &utc) == NULL ||
	    (len = strftime(buf, WHEN_BYTES, "%Y-%m-%dT%H:%M:%S", &utc)) == 0)
		(void)snprintf(buf, WHEN_BYTES, "?");
	else
		(void)snprintf(buf + len, WHEN_BYTES - len, ".%03dZ",
		    (int)(real_us % SECOND_US / 1000));
	return buf;
}

char *
when_format_duration(int64_t us, char buf[WHEN_BYTES])
{
	size_t i;

	for (i = 0; i < UNITS - 1; i++) {
		if (us < units[i].us)
			continue;
		(void)snprintf(buf, WHEN_BYTES, "%" PRId64 "%c %" PRId64 "%c",
		    us / units[i].us, units[i].letter,
		    us % units[i].us / units[i + 1].us, units[i + 1].letter);
		return buf;
	}
	(void)snprintf(buf, WHEN_BYTES, "%.1fs", (double)us / SECOND_US);
	return buf;
}

int
when_parse_duration(const char *text, int64_t *us)
{
	int64_t count = 0;
	const char *at;
	size_t i;

	for (at = text; *at >= '0' && *at <= '9' && count < 1000000; at++)
		count = count * 10 + (*at - '0');
	for (i = 0; i < UNITS && at > text && *at != '\0'; i++) {
		if (*at != units[i].letter || at[1] != '\0')
			continue;
		*us = count * units[i].us;
		return 0;
	}
	errno = EINVAL;
	return -1;
}
