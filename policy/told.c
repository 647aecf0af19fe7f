/* SPDX-License-Identifier: ISC */
/* Reads addresses that hostile processes may have made up.  Pure. */
#include "policy/told.h"

#include <stddef.h>

#include "policy/match.h"

#define V4(a, b)                                                           \
	{                                                                  \
		{                                                          \
			0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, (a), (b) \
		}                                                          \
	}
#define V6(a, b)                 \
	{                        \
		{                \
			(a), (b) \
		}                \
	}

/* This host, its link, many hosts at once, nobody (RFC 6890, RFC 4291). */
static const struct prefix nobodys[] = {
	{ V4(0, 0), 96 + 8 },
	{ V4(127, 0), 96 + 8 },
	{ V4(169, 254), 96 + 16 },
	{ V4(224, 0), 96 + 3 },
	{ V6(0, 0), 127 },
	{ V6(0xfe, 0x80), 10 },
	{ V6(0xff, 0), 8 },
};

static int
is_hosts(const struct addr *addr)
{
	size_t i;

	for (i = 0; i < sizeof(nobodys) / sizeof(nobodys[0]); i++)
		if (prefix_contains(&nobodys[i], addr))
			return 0;
	return 1;
}

int
told_any(const struct image *image)
{
	uint32_t i;

	for (i = 0; i < image_rule_count(image); i++)
		if (image_rule(image, i)->by_dns)
			return 1;
	return 0;
}

int
told_fits(const struct image *image, const struct image_rule *rule,
    const struct addr *client, const struct addr *server)
{
	return rule != NULL && rule->by_dns &&
	       addr_is_v4(client) == addr_is_v4(server) && is_hosts(client) &&
	       is_hosts(server) && policy_between(image, rule, client, server);
}
