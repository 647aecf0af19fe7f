/* SPDX-License-Identifier: ISC */
/* Reads the tables of dnsds, which can be anything but no bad name. */
#include "relay/names.h"

#include "common/clock.h"
#include "policy/bindings.h"

static const struct binding *
look_up(
    const struct addr *client, const struct addr *server, const char *wanted)
{
	return bindings_find(
	    client, server, wanted, (uint32_t)(clock_mono_us() / 1000000));
}

void
names_find(struct flow_start *start)
{
	const struct binding *found;

	if (start->host != NULL)
		return;
	found = look_up(&start->src, &start->dst, NULL);
	if (found->verdict == BINDING_UNKNOWN)
		return;
	start->host = found->name;
	start->aliases = found->aliases;
	start->by_dns = 1;
}

const char *
names_aliases(const struct flow_start *start, const char *host)
{
	if (start->aliases != NULL)
		return start->aliases;
	return look_up(&start->src, &start->dst, host)->aliases;
}

enum flow_agreement
names_compare(
    const struct addr *client, const struct addr *server, const char *host)
{
	static const enum flow_agreement agreements[] = {
		[BINDING_UNKNOWN] = FLOW_AGREEMENT_UNKNOWN,
		[BINDING_AGREES] = FLOW_AGREEMENT_YES,
		[BINDING_DISAGREES] = FLOW_AGREEMENT_NO,
	};

	return agreements[look_up(client, server, host)->verdict];
}
