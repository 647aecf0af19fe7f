/* SPDX-License-Identifier: ISC */
#include "netctl/tuple.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>

void
tuple_addr_get(int family, const uint32_t words[4], struct addr *addr)
{
	if (family == AF_INET6)
		memcpy(addr->byte, words, sizeof(addr->byte));
	else
		addr_from_v4((const uint8_t *)words, addr);
}

void
tuple_addr_put(const struct addr *addr, uint32_t words[4])
{
	if (addr_is_v4(addr))
		memcpy(words, addr->byte + 12, 4);
	else
		memcpy(words, addr->byte, sizeof(addr->byte));
}

struct tuple
tuple_reverse(const struct tuple *tuple)
{
	struct tuple back = { tuple->dst, tuple->src, tuple->dport,
		tuple->sport, tuple->proto };

	return back;
}

static void
addr_put(struct nlmsghdr *request, const struct addr *addr, uint16_t type4,
    uint16_t type6)
{
	if (addr_is_v4(addr))
		mnl_attr_put(request, type4, 4, addr->byte + 12);
	else
		mnl_attr_put(request, type6, sizeof(addr->byte), addr->byte);
}

void
tuple_put(struct nlmsghdr *request, uint16_t type, const struct tuple *tuple)
{
	struct nlattr *whole = mnl_attr_nest_start(request, type);
	struct nlattr *nest = mnl_attr_nest_start(request, CTA_TUPLE_IP);

	addr_put(request, &tuple->src, CTA_IP_V4_SRC, CTA_IP_V6_SRC);
	addr_put(request, &tuple->dst, CTA_IP_V4_DST, CTA_IP_V6_DST);
	mnl_attr_nest_end(request, nest);
	nest = mnl_attr_nest_start(request, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(request, CTA_PROTO_NUM, tuple->proto);
	mnl_attr_put_u16(request, CTA_PROTO_SRC_PORT, tuple->sport);
	mnl_attr_put_u16(request, CTA_PROTO_DST_PORT, tuple->dport);
	mnl_attr_nest_end(request, nest);
	mnl_attr_nest_end(request, whole);
}

struct nlmsghdr *
tuple_request(
    char *buffer, uint16_t type, uint16_t flags, const struct tuple *tuple)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *header;

	request->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->nfgen_family = addr_is_v4(&tuple->src) ? AF_INET : AF_INET6;
	header->version = NFNETLINK_V0;
	tuple_put(request, CTA_TUPLE_ORIG, tuple);
	return request;
}

int
tuple_mark(const struct nlmsghdr *message, void *ctx)
{
	const struct nlattr *attribute;
	uint32_t *mark = ctx;

	mnl_attr_for_each(attribute, message,
	    sizeof(struct nfgenmsg)) if (mnl_attr_get_type(attribute) ==
					 CTA_MARK) *mark =
	    ntohl(mnl_attr_get_u32(attribute));
	return MNL_CB_OK;
}
