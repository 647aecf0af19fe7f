/* SPDX-License-Identifier: ISC */
/* Policy routing and sysctls as data.  Pure. */
#include "policy/routes.h"

#include <inttypes.h>
#include <sys/socket.h>

#include "common/array.h"
#include "policy/mark.h"

/* Before what VPNs and the like add, behind the table of local addresses. */
enum {
	PRIORITY_DELIVERY = 74,
	PRIORITY_PASS,
	PRIORITY_CAPTURED,
	PRIORITY_AFTER
};

static const struct route_rule rules[] = {
	{ ROUTE_DELIVERY, PRIORITY_DELIVERY, ROUTE_LOOKUP, ROUTES_TABLE,
	    ROUTES_PROTOCOL, MARK_OURS, MARK_BITS, ROUTE_FROM_ANY },
	{ ROUTE_GUARD, PRIORITY_AFTER, ROUTE_NOP, 0, ROUTES_GUARD_PROTOCOL, 0,
	    0, ROUTE_FROM_ANY },
	{ ROUTE_GUARD, PRIORITY_PASS, ROUTE_GOTO, PRIORITY_AFTER,
	    ROUTES_GUARD_PROTOCOL, MARK_LET, MARK_LET, ROUTE_FROM_ANY },
	{ ROUTE_GUARD, PRIORITY_CAPTURED, ROUTE_LOOKUP, ROUTES_GUARD_TABLE,
	    ROUTES_GUARD_PROTOCOL, 0, 0, ROUTE_FROM_CAPTURED },
	{ ROUTE_GUARD_ALL, PRIORITY_CAPTURED, ROUTE_LOOKUP, ROUTES_GUARD_TABLE,
	    ROUTES_GUARD_PROTOCOL, 0, 0, ROUTE_FROM_FORWARDED },
};

static const struct route_default defaults[] = {
	{ ROUTE_DELIVERY, ROUTES_TABLE, ROUTES_PROTOCOL, 1 },
	{ ROUTE_GUARD, ROUTES_GUARD_TABLE, ROUTES_GUARD_PROTOCOL, 0 },
	{ ROUTE_GUARD_ALL, ROUTES_GUARD_TABLE, ROUTES_GUARD_PROTOCOL, 0 },
};

static const int families[] = { AF_INET, AF_INET6 };

/* The rows of passed flows take bytes, packets and times from conntrack. */
const struct route_sysctl route_sysctls[] = {
	{ "net/netfilter/nf_conntrack_acct", "1" },
	{ "net/netfilter/nf_conntrack_timestamp", "1" },
};
const size_t route_sysctl_count = COUNT(route_sysctls);

static int
each_interface(const struct image *image, int family,
    const struct route_rule *rule, route_rule_fn *found, void *ctx)
{
	uint32_t i;

	if (rule->from != ROUTE_FROM_CAPTURED)
		return found(ctx, family, rule, NULL);
	for (i = 0; i < image_interface_count(image); i++)
		if (found(ctx, family, rule, image_interface(image, i)) == -1)
			return -1;
	return 0;
}

int
routes_each_rule(const struct image *image, enum route_part part,
    route_rule_fn *found, void *ctx)
{
	size_t i, family;

	for (family = 0; family < COUNT(families); family++)
		for (i = 0; i < COUNT(rules); i++)
			if (rules[i].part == part &&
			    each_interface(image, families[family], &rules[i],
				found, ctx) == -1)
				return -1;
	return 0;
}

int
routes_each_default(enum route_part part, route_default_fn *found, void *ctx)
{
	size_t i, family;

	for (family = 0; family < COUNT(families); family++)
		for (i = 0; i < COUNT(defaults); i++)
			if (defaults[i].part == part &&
			    found(ctx, families[family], &defaults[i]) == -1)
				return -1;
	return 0;
}

struct rendering {
	struct text *text;
	uint32_t mask;
};

static const char *
ip_command(int family)
{
	return family == AF_INET6 ? "ip -6" : "ip -4";
}

static int
render_rule(
    void *ctx, int family, const struct route_rule *rule, const char *interface)
{
	const struct rendering *to = ctx;

	text_printf(to->text, "%s rule add priority %" PRIu32 " protocol %u",
	    ip_command(family), rule->priority, rule->protocol);
	if (rule->mark != 0)
		text_printf(to->text, " fwmark 0x%08" PRIx32 "/0x%08" PRIx32,
		    mark_value(to->mask, rule->mark),
		    mark_value(to->mask, rule->bits));
	if (interface != NULL)
		text_printf(to->text, " iif %s", interface);
	if (rule->action == ROUTE_LOOKUP)
		text_printf(to->text, " lookup %" PRIu32 "\n", rule->target);
	else if (rule->action == ROUTE_GOTO)
		text_printf(to->text, " goto %" PRIu32 "\n", rule->target);
	else
		text_puts(to->text, " nop\n");
	return 0;
}

static int
render_default(void *ctx, int family, const struct route_default *route)
{
	const struct rendering *to = ctx;

	text_printf(to->text, "%s route add %s table %" PRIu32 " proto %u\n",
	    ip_command(family),
	    route->is_local ? "local default dev lo" : "blackhole default",
	    route->table, route->protocol);
	return 0;
}

void
render_routes(const struct image *image, struct text *text)
{
	struct rendering to = { text, image_settings(image)->mark_mask };
	size_t i;

	if (image_settings(image)->on_failure == ON_FAILURE_CLOSED) {
		(void)routes_each_default(ROUTE_GUARD, render_default, &to);
		(void)routes_each_rule(image, ROUTE_GUARD, render_rule, &to);
	}
	(void)routes_each_default(ROUTE_DELIVERY, render_default, &to);
	(void)routes_each_rule(image, ROUTE_DELIVERY, render_rule, &to);
	if (!image_has_pass(image))
		return;
	for (i = 0; i < route_sysctl_count; i++)
		text_printf(text, "sysctl -w %s=%s\n", route_sysctls[i].name,
		    route_sysctls[i].value);
}
