/* SPDX-License-Identifier: ISC */
/* Believes the kernel, which is the only sender (nlmsg_pid names who asked). */
#include "netctl/watch.h"

#include <sys/socket.h>

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/filter.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/loop.h"
#include "netctl/inventory.h"
#include "netctl/loopback.h"
#include "netctl/nft.h"
#include "netctl/routing.h"
#include "netctl/talk.h"
#include "policy/render.h"

#define BUFFER_BYTES 65536
#define READS_PER_EVENT 64
#define TABLE_NAME                                                 \
	1 /* NFTA_TABLE_NAME, NFTA_RULE_TABLE and so on: all are 1 \
	   */

struct watch {
	const struct watch_handler *handlers;
	void *ctx;
	mnl_cb_t on_message;
	struct mnl_socket *socket;
	struct event *readable;
	unsigned int subjects; /* touched by what is being read */
	int listing;	       /* interfaces */
	int anew;	       /* that list, as it lacks some */
};

static const int route_groups[] = { RTNLGRP_LINK, RTNLGRP_IPV4_RULE,
	RTNLGRP_IPV6_RULE, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
	RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, 0 };
static const int nft_groups[] = { NFNLGRP_NFTABLES, 0 };

/* The attribute of a message behind a header of that size, or NULL. */
static const struct nlattr *
attribute(const struct nlmsghdr *message, size_t header, uint16_t type)
{
	const struct nlattr *found;

	mnl_attr_for_each(found, message,
	    header) if (mnl_attr_get_type(found) == type) return found;
	return NULL;
}

static void
on_rule(struct watch *watch, const struct nlmsghdr *message)
{
	const struct nlattr *protocol =
	    attribute(message, sizeof(struct fib_rule_hdr), FRA_PROTOCOL);

	if (protocol != NULL && routing_is_ours(mnl_attr_get_u8(protocol)))
		watch->subjects |= WATCH_ROUTING;
}

static void
on_route(struct watch *watch, const struct nlmsghdr *message)
{
	const struct nlattr *table =
	    attribute(message, sizeof(struct rtmsg), RTA_TABLE);

	if (table != NULL && inventory_has_table(mnl_attr_get_u32(table)))
		watch->subjects |= WATCH_ROUTING;
}

/* A route through loopback goes with it, and is not told of. */
static void
on_index(struct watch *watch, int index)
{
	if (index == LOOPBACK_INDEX)
		watch->subjects |= WATCH_ROUTING | WATCH_LOOPBACK;
}

static void
on_address(struct watch *watch, const struct nlmsghdr *message)
{
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);

	on_index(watch, (int)header->ifa_index);
}

static void
on_link(struct watch *watch, const struct nlmsghdr *message)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *name =
	    attribute(message, sizeof(*header), IFLA_IFNAME);

	on_index(watch, header->ifi_index);
	if (message->nlmsg_type == RTM_DELLINK)
		watch->handlers->link(watch->ctx, header->ifi_index, NULL, 0);
	else if (name != NULL)
		watch->handlers->link(watch->ctx, header->ifi_index,
		    mnl_attr_get_str(name),
		    (message->nlmsg_flags & NLM_F_MULTI) != 0);
}

static int
on_route_message(const struct nlmsghdr *message, void *ctx)
{
	static const struct {
		uint16_t type;
		void (*handle)(struct watch *, const struct nlmsghdr *);
	} types[] = {
		{ RTM_NEWRULE, on_rule },
		{ RTM_DELRULE, on_rule },
		{ RTM_NEWROUTE, on_route },
		{ RTM_DELROUTE, on_route },
		{ RTM_NEWLINK, on_link },
		{ RTM_DELLINK, on_link },
		{ RTM_NEWADDR, on_address },
		{ RTM_DELADDR, on_address },
	};
	struct watch *watch = ctx;
	size_t i;

	if (message->nlmsg_pid == routing_portid())
		return MNL_CB_OK;
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].type == message->nlmsg_type)
			types[i].handle(watch, message);
	return MNL_CB_OK;
}

static int
on_nft_message(const struct nlmsghdr *message, void *ctx)
{
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *table;
	struct watch *watch = ctx;

	if (NFNL_SUBSYS_ID(message->nlmsg_type) != NFNL_SUBSYS_NFTABLES ||
	    NFNL_MSG_TYPE(message->nlmsg_type) == NFT_MSG_NEWGEN)
		return MNL_CB_OK;
	table = attribute(message, sizeof(*header), TABLE_NAME);
	if (table != NULL && header->nfgen_family == NFPROTO_INET &&
	    strcmp(mnl_attr_get_str(table), RENDER_GUARD_TABLE) == 0)
		watch->subjects |= WATCH_GUARD;
	return MNL_CB_OK;
}

/* The kernel makes one list at a time. */
void
watch_list(struct watch *watch)
{
	_Alignas(8) char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

	if (watch->listing) {
		watch->anew = 1;
		return;
	}
	request->nlmsg_type = RTM_GETLINK;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	(void)mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
	watch->listing =
	    mnl_socket_sendto(watch->socket, request, request->nlmsg_len) != -1;
}

/* One that was interrupted by a change lacks some. */
static void
on_datagram(struct watch *watch, const void *bytes, size_t len)
{
	int more = mnl_cb_run(bytes, len, 0, 0, watch->on_message, watch);

	if (more == MNL_CB_ERROR && errno == EINTR)
		watch->anew = 1;
	else if (more != MNL_CB_OK)
		watch->listing = 0;
	if (watch->anew && talk_has_end(bytes, len)) {
		watch->anew = watch->listing = 0;
		watch_list(watch);
	} else if (more == MNL_CB_STOP) {
		watch->handlers->listed(watch->ctx);
	}
}

static void
on_readable(int fd, short what, void *arg)
{
	_Alignas(8) static char buffer[BUFFER_BYTES];
	struct watch *watch = arg;
	ssize_t n;
	int reads;

	(void)fd;
	(void)what;
	watch->subjects = 0;
	for (reads = 0; reads < READS_PER_EVENT; reads++) {
		n = mnl_socket_recvfrom(watch->socket, buffer, sizeof(buffer));
		if (n == -1 && errno != ENOBUFS)
			break;
		if (n == -1)
			watch->subjects |= WATCH_LOST;
		else
			on_datagram(watch, buffer, (size_t)n);
	}
	if ((watch->subjects & WATCH_LOST) != 0 &&
	    watch->on_message == on_route_message)
		watch_list(watch);
	if (watch->subjects != 0)
		watch->handlers->touched(watch->ctx, watch->subjects);
}

/*
 * The kernel tells of each element of a set, and nobody reads while this
 * process waits for its own transaction: what that says would take the room of
 * what others do.  A datagram holds messages about one transaction alone.
 */
static int
ignore_own(struct mnl_socket *socket)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct nlmsghdr, nlmsg_pid)),
		/* it loads what it takes for the network's byte order */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(nft_portid()), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	return setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET,
	    SO_ATTACH_FILTER, &program, sizeof(program));
}

static struct watch *
watch_new(struct event_base *base, int bus, const int *groups,
    mnl_cb_t on_message, const struct watch_handler *handlers, void *ctx)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	int fd;

	if (watch == NULL)
		return NULL;
	watch->handlers = handlers;
	watch->ctx = ctx;
	watch->on_message = on_message;
	watch->socket = mnl_socket_open2(bus, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (watch->socket == NULL ||
	    (bus == NETLINK_NETFILTER && ignore_own(watch->socket) == -1) ||
	    mnl_socket_bind(watch->socket, 0, MNL_SOCKET_AUTOPID) == -1)
		return NULL;
	for (; *groups != 0; groups++)
		if (mnl_socket_setsockopt(watch->socket, NETLINK_ADD_MEMBERSHIP,
			(void *)(uintptr_t)groups, sizeof(*groups)) == -1)
			return NULL;
	fd = mnl_socket_get_fd(watch->socket);
	watch->readable =
	    event_new(base, fd, EV_READ | EV_PERSIST, on_readable, watch);
	if (watch->readable == NULL ||
	    event_priority_set(watch->readable, LOOP_MESSAGES) == -1 ||
	    event_add(watch->readable, NULL) == -1)
		return NULL;
	return watch;
}

struct watch *
watch_open(
    struct event_base *base, const struct watch_handler *handlers, void *ctx)
{
	struct watch *routes = watch_new(
	    base, NETLINK_ROUTE, route_groups, on_route_message, handlers, ctx);

	if (routes == NULL || watch_new(base, NETLINK_NETFILTER, nft_groups,
				  on_nft_message, handlers, ctx) == NULL)
		return NULL;
	watch_list(routes);
	return routes->listing ? routes : NULL;
}
