/* SPDX-License-Identifier: ISC */
/* Policy routing and sysctls as data.  Pure. */
#include "policy/routes.h"

#include <inttypes.h>
#include <sys/socket.h>

#include "policy/mark.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const struct route_rule route_rules[] = {
	{ AF_INET, ROUTES_PRIORITY, ROUTES_TABLE, ROUTES_PROTOCOL, MARK_OURS },
	{ AF_INET6, ROUTES_PRIORITY, ROUTES_TABLE, ROUTES_PROTOCOL, MARK_OURS },
};
const size_t route_rule_count = COUNT(route_rules);

const struct route_local route_locals[] = {
	{ AF_INET, ROUTES_TABLE, ROUTES_PROTOCOL },
	{ AF_INET6, ROUTES_TABLE, ROUTES_PROTOCOL },
};
const size_t route_local_count = COUNT(route_locals);

/* The rows of passed flows take bytes, packets and times from conntrack. */
const struct route_sysctl route_sysctls[] = {
	{ "net/netfilter/nf_conntrack_acct", "1" },
	{ "net/netfilter/nf_conntrack_timestamp", "1" },
};
const size_t route_sysctl_count = COUNT(route_sysctls);

static const char *
ip_command(int family)
{
	return family == AF_INET6 ? "ip -6" : "ip -4";
}

void
render_routes(const struct image *image, struct text *text)
{
	uint32_t mask = image_settings(image)->mark_mask;
	size_t i;

	for (i = 0; i < route_local_count; i++)
		text_printf(text,
		    "%s route add local default dev lo table %" PRIu32
		    " proto %u\n",
		    ip_command(route_locals[i].family), route_locals[i].table,
		    route_locals[i].protocol);
	for (i = 0; i < route_rule_count; i++)
		text_printf(text,
		    "%s rule add fwmark 0x%08" PRIx32 "/0x%08" PRIx32
		    " lookup %" PRIu32 " priority %" PRIu32 " protocol %u\n",
		    ip_command(route_rules[i].family),
		    mark_value(mask, route_rules[i].mark), mask,
		    route_rules[i].table, route_rules[i].priority,
		    route_rules[i].protocol);
	if (!image_has_pass(image))
		return;
	for (i = 0; i < route_sysctl_count; i++)
		text_printf(text, "sysctl -w %s=%s\n", route_sysctls[i].name,
		    route_sysctls[i].value);
}
