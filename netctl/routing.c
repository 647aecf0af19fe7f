/* SPDX-License-Identifier: ISC */
/* Speaks rtnetlink; the kernel is its only peer. */
#include "netctl/routing.h"

#include <sys/socket.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "policy/mark.h"

#define BUFFER_BYTES 32768 /* MNL_SOCKET_BUFFER_SIZE is no constant */
#define LOOPBACK_INDEX 1   /* in every network namespace */
#define SWEEP_LIMIT 256	   /* more left-overs than that are not ours */

static struct mnl_socket *rtnl;
static unsigned int sequence;

/* What a dump found, as the requests that will remove it. */
struct sweep {
	int family;
	uint8_t protocol;
	size_t count;
	size_t at[SWEEP_LIMIT]; /* where each request begins */
	size_t len;
	_Alignas(8) char requests[SWEEP_LIMIT * 128];
};

void
routing_open(void)
{
	rtnl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (rtnl == NULL || mnl_socket_bind(rtnl, 0, MNL_SOCKET_AUTOPID) == -1)
		fatal("rtnetlink");
}

static int
talk(struct nlmsghdr *request, mnl_cb_t on_message, void *ctx)
{
	char reply[BUFFER_BYTES];
	unsigned int port = mnl_socket_get_portid(rtnl);
	ssize_t n;
	int more = MNL_CB_OK;

	request->nlmsg_seq = ++sequence;
	if (mnl_socket_sendto(rtnl, request, request->nlmsg_len) == -1)
		return -1;
	while (more > MNL_CB_STOP) {
		n = mnl_socket_recvfrom(rtnl, reply, sizeof(reply));
		if (n == -1)
			return -1;
		more = mnl_cb_run(
		    reply, (size_t)n, sequence, port, on_message, ctx);
	}
	return more == MNL_CB_ERROR ? -1 : 0;
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
struct adding {
	uint32_t mask;
	uint16_t flags; /* NLM_F_EXCL or NLM_F_REPLACE */
	int added;
};

static int
add(struct adding *adding, struct nlmsghdr *request, const char *what)
{
	if (talk(request, NULL, NULL) == 0) {
		adding->added++;
		return 0;
	}
	if (errno == EEXIST)
		return 0;
	log_warn("%s", what);
	return -1;
}

static int
rule_add(
    void *ctx, int family, const struct route_rule *rule, const char *interface)
{
	static const uint8_t actions[] = {
		[ROUTE_LOOKUP] = FR_ACT_TO_TBL,
		[ROUTE_GOTO] = FR_ACT_GOTO,
		[ROUTE_NOP] = FR_ACT_NOP,
	};
	_Alignas(8) char buffer[BUFFER_BYTES];
	struct nlmsghdr *request =
	    request_new(buffer, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL);
	struct adding *adding = ctx;
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
		    request, FRA_FWMARK, mark_value(adding->mask, rule->mark));
		mnl_attr_put_u32(
		    request, FRA_FWMASK, mark_value(adding->mask, rule->bits));
	}
	if (interface != NULL)
		mnl_attr_put_strz(request, FRA_IIFNAME, interface);
	return add(adding, request, "ip rule");
}

static int
default_add(void *ctx, int family, const struct route_default *route)
{
	_Alignas(8) char buffer[BUFFER_BYTES];
	struct adding *adding = ctx;
	struct nlmsghdr *request =
	    request_new(buffer, RTM_NEWROUTE, NLM_F_CREATE | adding->flags);
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
	return add(adding, request, "ip route");
}

int
routing_apply(const struct image *image, enum route_part part)
{
	struct adding adding = { .mask = image_settings(image)->mark_mask,
		.flags = NLM_F_EXCL };

	if (routes_each_default(part, default_add, &adding) == -1 ||
	    routes_each_rule(image, part, rule_add, &adding) == -1)
		return -1;
	return adding.added;
}

int
routing_replace(enum route_part part)
{
	struct adding adding = { .flags = NLM_F_REPLACE };

	return routes_each_default(part, default_add, &adding);
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
	struct nlmsghdr *request;

	if (sweep->count == SWEEP_LIMIT ||
	    sweep->len + MNL_ALIGN(found->nlmsg_len) > sizeof(sweep->requests))
		return;
	sweep->at[sweep->count++] = sweep->len;
	request = (void *)(sweep->requests + sweep->len);
	memcpy(request, found, found->nlmsg_len);
	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	sweep->len += MNL_ALIGN(found->nlmsg_len);
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
	_Alignas(8) char buffer[BUFFER_BYTES];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct rtmsg *header;

	/* fib_rule_hdr and rtmsg have one size and begin with the family. */
	header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->rtm_family = (uint8_t)sweep->family;
	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	/* EINTR: something changed meanwhile; what was found stays found. */
	if (talk(request, on_found, sweep) == -1 && errno != EINTR)
		return -1;
	return 0;
}

/* Backwards: what lets traffic through goes after what stops it. */
static int
sweep_remove(struct sweep *sweep)
{
	struct nlmsghdr *request;

	while (sweep->count > 0) {
		request = (void *)(sweep->requests + sweep->at[--sweep->count]);
		if (talk(request, NULL, NULL) == -1 && errno != ENOENT &&
		    errno != ESRCH)
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
		sweep.len = sweep.count = 0;
		if (sweep_find(&sweep, sweeps[i].type, sweeps[i].on_found) ==
			-1 ||
		    sweep_remove(&sweep) == -1) {
			log_warn("ip rules and routes of ours are left");
			return -1;
		}
	}
	return 0;
}
