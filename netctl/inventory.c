/* SPDX-License-Identifier: ISC */
/*
 * Compares messages of the kernel with the requests that netctl/routing.h would
 * send, attribute by attribute, so that both always speak of the same.
 *
 * The kernel deletes the first rule that has what a request names, and that can
 * be one of ours in the place of a surplus one that names less.  So before that
 * ours of the same priority are added once more, behind it, and what is there
 * twice is surplus in the next round.
 */
#include "netctl/inventory.h"

#include <sys/socket.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "common/log.h"
#include "netctl/requests.h"
#include "netctl/routing.h"

#define ROUNDS 16
#define HEADER_BYTES sizeof(struct rtmsg) /* and of struct fib_rule_hdr */

_Static_assert(
    sizeof(struct rtmsg) == sizeof(struct fib_rule_hdr), "one header for both");

static const uint32_t tables[] = { ROUTES_TABLE, ROUTES_GUARD_TABLE };

#define TABLES (sizeof(tables) / sizeof(tables[0]))

struct inventory {
	struct requests wanted;
	unsigned char there[REQUESTS_LIMIT];
	struct requests twice; /* ours, and there already */
	struct requests strangers;
};

/* What the kernel tells of a rule or route beyond what was asked for. */
struct addition {
	uint16_t type; /* of the attribute */
	int any;
	uint32_t value;
};

static const struct addition rule_additions[] = {
	{ FRA_TABLE, 0, RT_TABLE_UNSPEC },
	{ FRA_SUPPRESS_PREFIXLEN, 0, UINT32_MAX },
	{ FRA_UNSPEC, 0, 0 },
};

static const struct addition route_additions[] = {
	{ RTA_PRIORITY, 0, 1024 }, /* IPv6: no other was asked for */
	{ RTA_OIF, 0, 1 },	   /* IPv6: a blackhole has loopback's */
	{ RTA_CACHEINFO, 1, 0 },
	{ RTA_PREF, 1, 0 },
	{ RTA_UNSPEC, 0, 0 },
};

int
inventory_has_table(uint32_t table)
{
	size_t i;

	for (i = 0; i < TABLES; i++)
		if (tables[i] == table)
			return 1;
	return 0;
}

static const struct nlattr *
attribute(const struct nlmsghdr *message, uint16_t type)
{
	const struct nlattr *found;

	mnl_attr_for_each(found, message,
	    HEADER_BYTES) if (mnl_attr_get_type(found) == type) return found;
	return NULL;
}

static uint32_t
attribute_u32(const struct nlmsghdr *message, uint16_t type)
{
	const struct nlattr *found = attribute(message, type);

	return found != NULL &&
		       mnl_attr_get_payload_len(found) == sizeof(uint32_t)
		   ? mnl_attr_get_u32(found)
		   : 0;
}

static int
is_addition(const struct nlattr *attribute, const struct addition *additions)
{
	const struct addition *addition;

	for (addition = additions; addition->type != 0; addition++)
		if (addition->type == mnl_attr_get_type(attribute) &&
		    (addition->any ||
			(mnl_attr_get_payload_len(attribute) ==
				sizeof(uint32_t) &&
			    mnl_attr_get_u32(attribute) == addition->value)))
			return 1;
	return 0;
}

static int
same_attribute(const struct nlattr *one, const struct nlattr *other)
{
	return one->nla_len == other->nla_len &&
	       memcmp(mnl_attr_get_payload(one), mnl_attr_get_payload(other),
		   mnl_attr_get_payload_len(one)) == 0;
}

static int
same_attributes(const struct nlmsghdr *found, const struct nlmsghdr *wanted,
    const struct addition *additions)
{
	const struct nlattr *one, *other;

	mnl_attr_for_each(one, wanted, HEADER_BYTES)
	{
		other = attribute(found, mnl_attr_get_type(one));
		if (other == NULL || !same_attribute(one, other))
			return 0;
	}
	mnl_attr_for_each(one, found,
	    HEADER_BYTES) if (attribute(wanted, mnl_attr_get_type(one)) ==
				  NULL &&
			      !is_addition(one, additions)) return 0;
	return 1;
}

static int
same_rule(const struct nlmsghdr *found, const struct nlmsghdr *wanted)
{
	const struct fib_rule_hdr *one = mnl_nlmsg_get_payload(found);
	const struct fib_rule_hdr *other = mnl_nlmsg_get_payload(wanted);

	return wanted->nlmsg_type == RTM_NEWRULE &&
	       one->family == other->family && one->action == other->action &&
	       one->dst_len == 0 && one->src_len == 0 && one->tos == 0 &&
	       (one->flags & FIB_RULE_INVERT) == 0 &&
	       same_attributes(found, wanted, rule_additions);
}

static int
same_route(const struct nlmsghdr *found, const struct nlmsghdr *wanted)
{
	const struct rtmsg *one = mnl_nlmsg_get_payload(found);
	const struct rtmsg *other = mnl_nlmsg_get_payload(wanted);

	return wanted->nlmsg_type == RTM_NEWROUTE &&
	       one->rtm_family == other->rtm_family &&
	       one->rtm_type == other->rtm_type &&
	       one->rtm_protocol == other->rtm_protocol &&
	       one->rtm_dst_len == 0 && one->rtm_src_len == 0 &&
	       one->rtm_tos == 0 &&
	       /* IPv6 knows no scopes. */
	       (one->rtm_scope == other->rtm_scope ||
		   one->rtm_family == AF_INET6) &&
	       same_attributes(found, wanted, route_additions);
}

/* No room: what is left out is found in the next round. */
static void
surplus(struct requests *requests, const struct nlmsghdr *found, uint16_t type)
{
	struct nlmsghdr *request = requests_add(requests, found);

	if (request == NULL)
		return;
	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
}

static int
on_rule(const struct nlmsghdr *found, void *ctx)
{
	struct inventory *inventory = ctx;
	const struct nlattr *protocol = attribute(found, FRA_PROTOCOL);
	size_t i;

	if (protocol == NULL || !routing_is_ours(mnl_attr_get_u8(protocol)))
		return MNL_CB_OK;
	for (i = 0; i < inventory->wanted.count; i++)
		if (same_rule(found, requests_get(&inventory->wanted, i)))
			break;
	if (i == inventory->wanted.count)
		surplus(&inventory->strangers, found, RTM_DELRULE);
	else if (inventory->there[i])
		surplus(&inventory->twice, found, RTM_DELRULE);
	else
		inventory->there[i] = 1;
	return MNL_CB_OK;
}

/* Where it leads by itself: a nexthop object is named beside that. */
static int
is_redundant(uint16_t type)
{
	return type == RTA_OIF || type == RTA_GATEWAY || type == RTA_VIA ||
	       type == RTA_MULTIPATH;
}

/* The route as a request may name it. */
static void
stranger_add(struct inventory *inventory, const struct nlmsghdr *found)
{
	_Alignas(8) static char buffer[ROUTING_BUFFER_BYTES];
	struct nlmsghdr *named = mnl_nlmsg_put_header(buffer);
	struct rtmsg *header = mnl_nlmsg_put_extra_header(named, HEADER_BYTES);
	int by_object = attribute(found, RTA_NH_ID) != NULL;
	const struct nlattr *part;

	memcpy(header, mnl_nlmsg_get_payload(found), HEADER_BYTES);
	header->rtm_flags = 0; /* the kernel's, of its state */
	mnl_attr_for_each(part, found,
	    HEADER_BYTES) if (!by_object ||
			      !is_redundant(mnl_attr_get_type(part)))
	    mnl_attr_put(named, mnl_attr_get_type(part),
		mnl_attr_get_payload_len(part), mnl_attr_get_payload(part));
	surplus(&inventory->strangers, named, RTM_DELROUTE);
}

static int
on_route(const struct nlmsghdr *found, void *ctx)
{
	struct inventory *inventory = ctx;
	size_t i;

	if (!inventory_has_table(attribute_u32(found, RTA_TABLE)))
		return MNL_CB_OK;
	for (i = 0; i < inventory->wanted.count; i++)
		if (!inventory->there[i] &&
		    same_route(found, requests_get(&inventory->wanted, i))) {
			inventory->there[i] = 1;
			return MNL_CB_OK;
		}
	stranger_add(inventory, found);
	return MNL_CB_OK;
}

static int
on_wanted(void *ctx, struct nlmsghdr *request)
{
	struct inventory *inventory = ctx;

	if (requests_add(&inventory->wanted, request) != NULL)
		return 0;
	errno = ENOSPC;
	return -1;
}

static int
wanted_list(struct inventory *inventory, const struct image *image)
{
	requests_clear(&inventory->wanted);
	if (image_settings(image)->on_failure == ON_FAILURE_CLOSED &&
	    routing_each(image, ROUTE_GUARD, on_wanted, inventory) == -1)
		return -1;
	return routing_each(image, ROUTE_DELIVERY, on_wanted, inventory);
}

static int
dump(struct inventory *inventory, int family, uint16_t type, uint32_t table,
    mnl_cb_t on_found)
{
	_Alignas(8) char buffer[64];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct rtmsg *header =
	    mnl_nlmsg_put_extra_header(request, sizeof(*header));

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header->rtm_family = (uint8_t)family;
	if (table != RT_TABLE_UNSPEC)
		mnl_attr_put_u32(request, RTA_TABLE, table);
	if (routing_talk(request, on_found, inventory) == 0)
		return 0;
	/* Changed meanwhile, which will be told; or a table without routes. */
	return errno == EINTR || errno == ENOENT ? 0 : -1;
}

static int
found_list(struct inventory *inventory)
{
	static const int families[] = { AF_INET, AF_INET6 };
	size_t i, table;

	memset(inventory->there, 0, sizeof(inventory->there));
	requests_clear(&inventory->twice);
	requests_clear(&inventory->strangers);
	for (i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		if (dump(inventory, families[i], RTM_GETRULE, RT_TABLE_UNSPEC,
			on_rule) == -1)
			return -1;
		for (table = 0; table < TABLES; table++)
			if (dump(inventory, families[i], RTM_GETROUTE,
				tables[table], on_route) == -1)
				return -1;
	}
	return 0;
}

/*
 * 0 also when what was to be removed is gone.  While loopback is down no route
 * can lead there, which netctl/loopback.h tells.
 */
static int
change(struct nlmsghdr *request)
{
	if (routing_talk(request, NULL, NULL) == 0 || errno == ENOENT ||
	    errno == ESRCH)
		return 0;
	if (errno != ENETDOWN)
		log_warn("ip rule or route");
	return -1;
}

/* The guard's come first, and do not need what the others do. */
static int
missing_add(struct inventory *inventory, int *differed)
{
	struct nlmsghdr *request;
	size_t i;
	int result = 0;

	for (i = 0; i < inventory->wanted.count; i++) {
		if (inventory->there[i])
			continue;
		request = requests_get(&inventory->wanted, i);
		if (request->nlmsg_type == RTM_NEWROUTE)
			request->nlmsg_flags |= NLM_F_REPLACE;
		if (change(request) == -1)
			result = -1;
		else
			*differed = 1;
	}
	return result;
}

/* What may be deleted in the place of a stranger is put behind it. */
static int
reinforce(struct inventory *inventory, const struct nlmsghdr *stranger)
{
	struct nlmsghdr *request;
	size_t i;
	int result = 0;

	if (stranger->nlmsg_type != RTM_DELRULE)
		return 0;
	for (i = 0; i < inventory->wanted.count; i++) {
		request = requests_get(&inventory->wanted, i);
		if (request->nlmsg_type == RTM_NEWRULE &&
		    attribute_u32(request, FRA_PRIORITY) ==
			attribute_u32(stranger, FRA_PRIORITY) &&
		    change(request) == -1)
			result = -1;
	}
	return result;
}

static int
surplus_remove(struct inventory *inventory, int *differed)
{
	struct nlmsghdr *request;
	size_t i;
	int result = 0;

	for (i = 0; i < inventory->twice.count; i++)
		if (change(requests_get(&inventory->twice, i)) == -1)
			result = -1;
	for (i = 0; i < inventory->strangers.count; i++) {
		request = requests_get(&inventory->strangers, i);
		if (reinforce(inventory, request) == -1 ||
		    change(request) == -1)
			result = -1;
	}
	if (inventory->twice.count + inventory->strangers.count > 0)
		*differed = 1;
	return result;
}

int
inventory_repair(const struct image *image, int *differed)
{
	static struct inventory inventory;
	int round, result, changed = 1;

	if (wanted_list(&inventory, image) == -1) {
		log_warn("ip rules and routes");
		return -1;
	}
	for (round = 0; round < ROUNDS && changed; round++) {
		if (found_list(&inventory) == -1) {
			log_warn("list of ip rules and routes");
			return -1;
		}
		changed = 0;
		result = missing_add(&inventory, &changed);
		if (surplus_remove(&inventory, &changed) == -1)
			result = -1;
		*differed |= changed;
		if (result == -1)
			return -1;
	}
	return changed ? -1 : 0;
}
