/* SPDX-License-Identifier: ISC */
#include "ctl/placement.h"

#include "schema/flow.h"

#define FIRST_PACKET \
	"decided at the first packet by addresses, protocol and port"
#define UNLOGGED "; its flows get no row"

#define OWNED                                                               \
	"; only what this host's own sockets send has a user and a group, " \
	"nothing that is forwarded"

#define TO_RELAY                                                             \
	"; what its other selectors match goes to the relay, which decides " \
	"by it and the rules behind it"
#define BY_NAME "by the name" TO_RELAY
#define BY_AGREEMENT                                                       \
	"by the name that the client sends and those that it was told by " \
	"DNS" TO_RELAY

#define BY_DNS                                                             \
	"between a client and an address that DNS here has told it for a " \
	"name of the list, until 30 seconds after the answer's time" TO_RELAY

#define LIMITED_RATE \
	"; beyond its rate a new flow is refused there, by a set of clients"
#define LIMITED_FLOWS                                                       \
	"; beyond its number of open flows the relays refuse, which count " \
	"them"

static void
placement_limits(const struct image_rule *rule, struct placement *placement)
{
	const struct rule_limits *limits = &rule->limits;
	size_t i;

	for (i = 0; i < LIMIT_SCOPES; i++) {
		if (limits->rate[i].count != 0)
			placement->rate = LIMITED_RATE;
		if (limits->flows[i] != 0)
			placement->flows = LIMITED_FLOWS;
	}
}

/* A flow's first packet shows all but its name. */
struct placement
placement_of(const struct image *image, uint32_t rule)
{
	static const char *const why[FLOW_ACTION_COUNT] = {
		[FLOW_ACTION_RELAY] = FIRST_PACKET "; goes to the relay",
		[FLOW_ACTION_PASS] =
		    FIRST_PACKET "; logged from connection tracking",
		[FLOW_ACTION_BLOCK] = FIRST_PACKET "; logged by nflog",
	};
	static const char *const unlogged[FLOW_ACTION_COUNT] = {
		[FLOW_ACTION_RELAY] = FIRST_PACKET "; goes to the relay",
		[FLOW_ACTION_PASS] = FIRST_PACKET,
		[FLOW_ACTION_BLOCK] = FIRST_PACKET,
	};
	const struct image_rule *item = image_rule(image, rule);
	unsigned int action =
	    item != NULL ? item->action : image_settings(image)->default_action;
	struct placement placement = { .rule = image_rule_text(image, rule),
		.place = "kernel",
		.why = why[action],
		.flows = "",
		.rate = "",
		.unlogged = "",
		.owned = "" };

	if (item != NULL)
		placement_limits(item, &placement);
	if (item != NULL && image_has_owner(item))
		placement.owned = OWNED;
	if (item != NULL && item->unlogged) {
		placement.why = unlogged[action];
		placement.unlogged = UNLOGGED;
	}
	if (item != NULL && image_rule_needs_name(item)) {
		placement.place = item->by_dns ? "kernel" : "relay";
		placement.why = item->by_dns	   ? BY_DNS
				: item->names != 0 ? BY_AGREEMENT
						   : BY_NAME;
	}
	return placement;
}

struct placement
placement_of_exclusion(const struct image *image, uint32_t i)
{
	struct placement placement = { .rule = image_exclusion_text(image, i),
		.place = "kernel",
		.why = "before every rule; as if nothing captured it, "
		       "not logged",
		.flows = "",
		.rate = "",
		.unlogged = "",
		.owned = "" };

	if (image_has_owner(image_exclusion(image, i)))
		placement.owned = OWNED;
	return placement;
}
