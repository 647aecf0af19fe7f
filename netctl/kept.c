/* SPDX-License-Identifier: ISC */
/*
 * Asks the kernel for sockets (sock_diag(7)) and tells it of conntrack entries.
 * Without an entry of its own the next packet of an old connection would look
 * like the first of a new one, and one that this host begins.
 */
#include "netctl/kept.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "common/addr.h"
#include "netctl/talk.h"
#include "netctl/tuple.h"
#include "policy/mark.h"

#define TIMEOUT_S 432000 /* of an established connection, as the kernel's */

/* Also those whose one half has ended: the other may last. */
#define ENDED_HERE (1U << TCP_FIN_WAIT1 | 1U << TCP_FIN_WAIT2)
#define STATES (1U << TCP_ESTABLISHED | 1U << TCP_CLOSE_WAIT | ENDED_HERE)

struct kept {
	uint32_t mask;
	uint32_t tpx_uid;
	struct tuple *found; /* from this end to the other */
	size_t count, room;
	struct mnl_socket *conntrack;
};

static int
found_add(struct kept *kept, const struct tuple *tuple)
{
	struct tuple *larger;

	if (kept->count == kept->room) {
		kept->room = kept->room == 0 ? 256 : kept->room * 2;
		larger =
		    reallocarray(kept->found, kept->room, sizeof(*kept->found));
		if (larger == NULL)
			return -1;
		kept->found = larger;
	}
	kept->found[kept->count++] = *tuple;
	return 0;
}

/* Its program has heard all that it will. */
static int
is_closed(const struct inet_diag_msg *diag)
{
	return (1U << diag->idiag_state & ENDED_HERE) != 0 &&
	       diag->idiag_inode == 0;
}

static int
on_socket(const struct nlmsghdr *message, void *ctx)
{
	const struct inet_diag_msg *diag = mnl_nlmsg_get_payload(message);
	struct tuple tuple = {
		.sport = diag->id.idiag_sport,
		.dport = diag->id.idiag_dport,
		.proto = IPPROTO_TCP,
	};
	struct kept *kept = ctx;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*diag))
		return MNL_CB_ERROR;
	tuple_addr_get(diag->idiag_family, diag->id.idiag_src, &tuple.src);
	tuple_addr_get(diag->idiag_family, diag->id.idiag_dst, &tuple.dst);
	/* What is closed belongs to nobody, so it may as well be a relay's. */
	if (is_closed(diag) || diag->idiag_uid == kept->tpx_uid ||
	    addr_is_loopback(&tuple.src) || addr_is_loopback(&tuple.dst) ||
	    addr_compare(&tuple.src, &tuple.dst) == 0)
		return MNL_CB_OK;
	return found_add(kept, &tuple) == -1 ? MNL_CB_ERROR : MNL_CB_OK;
}

static int
sockets_find(struct kept *kept, struct mnl_socket *diag, int family)
{
	_Alignas(8) char buffer[TALK_BUFFER_BYTES];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct inet_diag_req_v2 *body;

	request->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	body = mnl_nlmsg_put_extra_header(request, sizeof(*body));
	body->sdiag_family = (uint8_t)family;
	body->sdiag_protocol = IPPROTO_TCP;
	body->idiag_states = STATES;
	/* EINTR: sockets came or went meanwhile; what was found stays found. */
	if (talk(diag, request, on_socket, kept) == -1 && errno != EINTR)
		return -1;
	return 0;
}

static void
put_mark(const struct kept *kept, struct nlmsghdr *request)
{
	mnl_attr_put_u32(
	    request, CTA_MARK, htonl(mark_value(kept->mask, MARK_KEPT)));
	mnl_attr_put_u32(request, CTA_MARK_MASK, htonl(kept->mask));
}

/* The kernel has seen nothing of it: it shall not judge by sequence numbers. */
static void
put_state(struct nlmsghdr *request)
{
	struct nf_ct_tcp_flags liberal = { IP_CT_TCP_FLAG_BE_LIBERAL,
		IP_CT_TCP_FLAG_BE_LIBERAL };
	struct nlattr *info, *tcp;

	mnl_attr_put_u32(request, CTA_STATUS,
	    htonl(IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED));
	mnl_attr_put_u32(request, CTA_TIMEOUT, htonl(TIMEOUT_S));
	info = mnl_attr_nest_start(request, CTA_PROTOINFO);
	tcp = mnl_attr_nest_start(request, CTA_PROTOINFO_TCP);
	mnl_attr_put_u8(
	    request, CTA_PROTOINFO_TCP_STATE, TCP_CONNTRACK_ESTABLISHED);
	mnl_attr_put(request, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, sizeof(liberal),
	    &liberal);
	mnl_attr_put(
	    request, CTA_PROTOINFO_TCP_FLAGS_REPLY, sizeof(liberal), &liberal);
	mnl_attr_nest_end(request, tcp);
	mnl_attr_nest_end(request, info);
}

static int
entry_make(struct kept *kept, const struct tuple *tuple)
{
	_Alignas(8) char buffer[TALK_BUFFER_BYTES];
	struct tuple back = tuple_reverse(tuple);
	struct nlmsghdr *request = tuple_request(
	    buffer, IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL, tuple);

	tuple_put(request, CTA_TUPLE_REPLY, &back);
	put_state(request);
	put_mark(kept, request);
	return talk(kept->conntrack, request, NULL, NULL);
}

static int
entry_mark(struct kept *kept, const struct tuple *tuple)
{
	_Alignas(8) char buffer[TALK_BUFFER_BYTES];
	struct nlmsghdr *request =
	    tuple_request(buffer, IPCTNL_MSG_CT_NEW, 0, tuple);

	put_mark(kept, request);
	return talk(kept->conntrack, request, NULL, NULL);
}

/* 1 when it was marked, 0 when it had a mark already, or -1. */
static int
keep(struct kept *kept, const struct tuple *tuple)
{
	_Alignas(8) char buffer[TALK_BUFFER_BYTES];
	struct nlmsghdr *request =
	    tuple_request(buffer, IPCTNL_MSG_CT_GET, 0, tuple);
	uint32_t mark = 0;

	if (talk(kept->conntrack, request, tuple_mark, &mark) == -1)
		return errno == ENOENT ? entry_make(kept, tuple) + 1 : -1;
	if ((mark & kept->mask) != 0)
		return 0;
	return entry_mark(kept, tuple) + 1;
}

static int
keep_all(struct kept *kept)
{
	size_t i;
	int marked = 0;

	/* One that ended meanwhile needs nothing. */
	for (i = 0; i < kept->count; i++)
		marked += keep(kept, &kept->found[i]) == 1;
	return marked;
}

int
kept_remember(const struct image *image, uint32_t tpx_uid)
{
	struct kept kept = { .mask = image_settings(image)->mark_mask,
		.tpx_uid = tpx_uid };
	struct mnl_socket *diag = talk_open(NETLINK_SOCK_DIAG);
	int result = -1;

	kept.conntrack = talk_open(NETLINK_NETFILTER);
	if (diag != NULL && kept.conntrack != NULL &&
	    sockets_find(&kept, diag, AF_INET) == 0 &&
	    sockets_find(&kept, diag, AF_INET6) == 0)
		result = keep_all(&kept);
	free(kept.found);
	if (kept.conntrack != NULL)
		mnl_socket_close(kept.conntrack);
	if (diag != NULL)
		mnl_socket_close(diag);
	return result;
}
