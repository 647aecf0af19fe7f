/* SPDX-License-Identifier: ISC */
/* Speaks rtnetlink; the kernel is its only peer. */
#include "netctl/routing.h"

#include <sys/socket.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <time.h>

#include "common/log.h"
#include "netctl/loopback.h"
#include "netctl/requests.h"
#include "netctl/talk.h"
#include "policy/mark.h"

static struct mnl_socket *rtnl;

/* What a dump found, as the requests that will remove it. */
struct sweep {
	int family;
	uint8_t protocol;
	struct requests requests;
};

void
routing_open(void)
{
	int strict = 1; /* the kernel chooses what a dump asks for */

	rtnl = talk_open(NETLINK_ROUTE);
	if (rtnl == NULL || mnl_socket_setsockopt(rtnl, NETLINK_GET_STRICT_CHK,
				&strict, sizeof(strict)) == -1)
		fatal("rtnetlink");
}

int
routing_talk(struct nlmsghdr *request, mnl_cb_t on_message, void *ctx)
{
	return talk(rtnl, request, on_message, ctx);
}

static struct nlmsghdr *
request_new(char *buffer, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	return request;
}

/* What goes on behind the rules of a part. */
struct visit {
	uint32_t mask;
	routing_fn *found;
	void *ctx;
};

static int
add(void *ctx, struct nlmsghdr *request)
{
	(void)ctx;
	request->nlmsg_flags |= NLM_F_EXCL;
	if (routing_talk(request, NULL, NULL) == 0 || errno == EEXIST)
		return 0;
	log_warn("ip rule or route");
	return -1;
}

static int
rule_visit(
    void *ctx, int family, const struct route_rule *rule, const char *interface)
{
	static const uint8_t actions[] = {
		[ROUTE_LOOKUP] = FR_ACT_TO_TBL,
		[ROUTE_GOTO] = FR_ACT_GOTO,
		[ROUTE_NOP] = FR_ACT_NOP,
	};
	_Alignas(8) char buffer[TALK_BUFFER_BYTES];
	struct nlmsghdr *request =
	    request_new(buffer, RTM_NEWRULE, NLM_F_CREATE);
	const struct visit *visit = ctx;
	struct fib_rule_hdr *header =
	    mnl_nlmsg_put_extra_header(request, sizeof(*header));

	header->family = (uint8_t)family;
	header->action = actions[rule->action];
	mnl_attr_put_u32(request, FRA_PRIORITY, rule->priority);
	mnl_attr_put_u8(request, FRA_PROTOCOL, rule->protocol);
	if (rule->action == ROUTE_LOOKUP)
		mnl_attr_put_u32(request, FRA_TABLE, rule->target);
	else if (rule->action == ROUTE_GOTO)
		mnl_attr_put_u32(request, FRA_GOTO, rule->target);
	if (rule->mark != 0) {
		mnl_attr_put_u32(
		    request, FRA_FWMARK, mark_value(visit->mask, rule->mark));
		mnl_attr_put_u32(
		    request, FRA_FWMASK, mark_value(visit->mask, rule->bits));
	}
	if (rule->from == ROUTE_FROM_FORWARDED) {
		header->flags = FIB_RULE_INVERT;
		interface = "lo";
	}
	if (interface != NULL)
		mnl_attr_put_strz(request, FRA_IIFNAME, interface);
	return visit->found(visit->ctx, request);
}

static int
default_visit(void *ctx, int family, const struct route_default *route)
{
	_Alignas(8) char buffer[TALK_BUFFER_BYTES];
	const struct visit *visit = ctx;
	struct nlmsghdr *request =
	    request_new(buffer, RTM_NEWROUTE, NLM_F_CREATE);
	struct rtmsg *header =
	    mnl_nlmsg_put_extra_header(request, sizeof(*header));

	header->rtm_family = (uint8_t)family;
	header->rtm_protocol = route->protocol;
	header->rtm_table = RT_TABLE_UNSPEC;
	header->rtm_type = route->is_local ? RTN_LOCAL : RTN_BLACKHOLE;
	header->rtm_scope = route->is_local ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
	mnl_attr_put_u32(request, RTA_TABLE, route->table);
	if (route->is_local)
		mnl_attr_put_u32(request, RTA_OIF, LOOPBACK_INDEX);
	return visit->found(visit->ctx, request);
}

int
routing_each(const struct image *image, enum route_part part, routing_fn *found,
    void *ctx)
{
	struct visit visit = { .found = found, .ctx = ctx };

	if (image != NULL)
		visit.mask = image_settings(image)->mark_mask;
	if (routes_each_default(part, default_visit, &visit) == -1 ||
	    routes_each_rule(image, part, rule_visit, &visit) == -1)
		return -1;
	return 0;
}

int
routing_apply(const struct image *image, enum route_part part)
{
	return routing_each(image, part, add, NULL);
}

int
routing_is_ours(uint8_t protocol)
{
	return protocol == ROUTES_PROTOCOL || protocol == ROUTES_GUARD_PROTOCOL;
}

unsigned int
routing_portid(void)
{
	return mnl_socket_get_portid(rtnl);
}

/* Turns a dumped object into the request that deletes it. */
static void
sweep_add(struct sweep *sweep, const struct nlmsghdr *found, uint16_t type)
{
	struct nlmsghdr *request = requests_add(&sweep->requests, found);

	if (request == NULL)
		return;
	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
}

static int
on_rule_attribute(const struct nlattr *attribute, void *ctx)
{
	uint8_t *protocol = ctx;

	if (mnl_attr_get_type(attribute) == FRA_PROTOCOL &&
	    mnl_attr_validate(attribute, MNL_TYPE_U8) == 0)
		*protocol = mnl_attr_get_u8(attribute);
	return MNL_CB_OK;
}

static int
on_rule(const struct nlmsghdr *found, void *ctx)
{
	const struct fib_rule_hdr *header = mnl_nlmsg_get_payload(found);
	struct sweep *sweep = ctx;
	uint8_t protocol = 0;

	mnl_attr_parse(found, sizeof(*header), on_rule_attribute, &protocol);
	if (header->family == sweep->family && protocol == sweep->protocol)
		sweep_add(sweep, found, RTM_DELRULE);
	return MNL_CB_OK;
}

static int
on_route(const struct nlmsghdr *found, void *ctx)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(found);
	struct sweep *sweep = ctx;

	if (header->rtm_family == sweep->family &&
	    header->rtm_protocol == sweep->protocol)
		sweep_add(sweep, found, RTM_DELROUTE);
	return MNL_CB_OK;
}

static int
sweep_find(struct sweep *sweep, uint16_t type, mnl_cb_t on_found)
{
	_Alignas(8) char buffer[TALK_BUFFER_BYTES];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct rtmsg *header;

	/* fib_rule_hdr and rtmsg have one size and begin with the family. */
	header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->rtm_family = (uint8_t)sweep->family;
	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	/* EINTR: something changed meanwhile; what was found stays found. */
	if (routing_talk(request, on_found, sweep) == -1 && errno != EINTR)
		return -1;
	return 0;
}

/* Backwards: what lets traffic through goes after what stops it. */
static int
sweep_remove(struct sweep *sweep)
{
	struct nlmsghdr *request;
	size_t i;

	for (i = sweep->requests.count; i > 0; i--) {
		request = requests_get(&sweep->requests, i - 1);
		if (routing_talk(request, NULL, NULL) == -1 &&
		    errno != ENOENT && errno != ESRCH)
			return -1;
	}
	return 0;
}

static const struct {
	int family;
	uint16_t type;
	mnl_cb_t on_found;
} sweeps[] = {
	{ AF_INET, RTM_GETRULE, on_rule },
	{ AF_INET6, RTM_GETRULE, on_rule },
	{ AF_INET, RTM_GETROUTE, on_route },
	{ AF_INET6, RTM_GETROUTE, on_route },
};

int
routing_sweep(enum route_part part)
{
	static struct sweep sweep;
	size_t i;

	sweep.protocol =
	    part == ROUTE_GUARD ? ROUTES_GUARD_PROTOCOL : ROUTES_PROTOCOL;
	for (i = 0; i < sizeof(sweeps) / sizeof(sweeps[0]); i++) {
		sweep.family = sweeps[i].family;
		requests_clear(&sweep.requests);
		if (sweep_find(&sweep, sweeps[i].type, sweeps[i].on_found) ==
			-1 ||
		    sweep_remove(&sweep) == -1) {
			log_warn("ip rules and routes of ours are left");
			return -1;
		}
	}
	return 0;
}
