/* SPDX-License-Identifier: ISC */
/* Pure. */
#include "policy/way.h"

#include <string.h>

#include "policy/name.h"

static const struct way {
	const char *open;
	const char *closed;
} ways[WAY_COUNT] = {
	[WAY_CANARY] = { "dns canary no", "dns canary yes" },
	[WAY_DDR] = { "dns ddr yes", "dns ddr no" },
	[WAY_PRIVATE_RELAY] = { "dns private-relay yes",
	    "dns private-relay no" },
	[WAY_ENCRYPTED] = { "dns encrypted yes", "dns encrypted no" },
};

/*
 * The canary is what Firefox asks before it takes DNS over HTTPS by itself;
 * resolver.arpa is RFC 9462, 4; and Apple asks networks to deny the other two.
 */
static const struct {
	const char *name;
	enum dns_way way;
} names[] = {
	{ "use-application-dns.net", WAY_CANARY },
	{ "resolver.arpa", WAY_DDR },
	{ "mask.icloud.com", WAY_PRIVATE_RELAY },
	{ "mask-h2.icloud.com", WAY_PRIVATE_RELAY },
};

const char *
way_text(enum dns_way way, int closed)
{
	return closed ? ways[way].closed : ways[way].open;
}

enum dns_way
way_of_name(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (name_is_within(name, len, names[i].name))
			return names[i].way;
	return WAY_COUNT;
}
