/* SPDX-License-Identifier: ISC */
/* Pure. */
#include "policy/way.h"

#include <string.h>

#include "policy/name.h"
#include "schema/dns.h"

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

/*
 * _dns.NAME, or _PORT._dns.NAME, is how to reach a resolver whose name a client
 * knows already by DNS over HTTPS, TLS or QUIC (RFC 9461, RFC 9462, 5).
 */
static int
is_of_resolver(const char *name, size_t len)
{
	static const char service[] = "_dns.";
	size_t port = 1;

	if (len > 0 && name[0] == '_') {
		while (port < len && name[port] >= '0' && name[port] <= '9')
			port++;
		if (port > 1 && port < len && name[port] == '.') {
			name += port + 1;
			len -= port + 1;
		}
	}
	return len >= sizeof(service) - 1 &&
	       memcmp(name, service, sizeof(service) - 1) == 0;
}

enum dns_way
way_of_question(const char *name, size_t len, uint16_t type)
{
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (name_is_within(name, len, names[i].name))
			return names[i].way;
	return type == DNS_TYPE_SVCB && is_of_resolver(name, len) ? WAY_DDR
								  : WAY_COUNT;
}
