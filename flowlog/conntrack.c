/* SPDX-License-Identifier: ISC */
/* Reads netlink messages of the kernel; every attribute is checked.  Pure. */
#include "flowlog/conntrack.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <string.h>

#include "flowlog/netlink.h"
#include "policy/image.h"
#include "policy/mark.h"
#include "policy/match.h"

static int
parse_addresses(const struct nlattr *nest, struct conntrack_event *event)
{
	struct netlink_attributes ip;
	uint8_t src[4], dst[4];

	if (netlink_parse_nested(nest, &ip) == -1)
		return -1;
	if (netlink_copy(ip.of[CTA_IP_V4_SRC], src, sizeof(src)) == 0 &&
	    netlink_copy(ip.of[CTA_IP_V4_DST], dst, sizeof(dst)) == 0) {
		addr_from_v4(src, &event->src);
		addr_from_v4(dst, &event->dst);
		return 0;
	}
	if (netlink_copy(ip.of[CTA_IP_V6_SRC], event->src.byte, 16) == -1)
		return -1;
	return netlink_copy(ip.of[CTA_IP_V6_DST], event->dst.byte, 16);
}

static int
parse_tuple(const struct nlattr *nest, struct conntrack_event *event)
{
	struct netlink_attributes tuple, proto;

	if (netlink_parse_nested(nest, &tuple) == -1 ||
	    parse_addresses(tuple.of[CTA_TUPLE_IP], event) == -1 ||
	    netlink_parse_nested(tuple.of[CTA_TUPLE_PROTO], &proto) == -1)
		return -1;
	if (netlink_copy(proto.of[CTA_PROTO_NUM], &event->proto, 1) == -1)
		return -1;
	event->sport = netlink_be16(proto.of[CTA_PROTO_SRC_PORT]);
	event->dport = netlink_be16(proto.of[CTA_PROTO_DST_PORT]);
	return 0;
}

/* Counters and times are there only when accounting is on. */
static void
parse_counters(const struct nlattr *nest, uint64_t *packets, uint64_t *bytes)
{
	struct netlink_attributes counters;

	if (netlink_parse_nested(nest, &counters) == -1)
		return;
	*packets = netlink_be64(counters.of[CTA_COUNTERS_PACKETS]);
	*bytes = netlink_be64(counters.of[CTA_COUNTERS_BYTES]);
}

static void
parse_times(const struct nlattr *nest, struct conntrack_event *event)
{
	struct netlink_attributes times;

	if (netlink_parse_nested(nest, &times) == -1)
		return;
	event->start_us =
	    (int64_t)(netlink_be64(times.of[CTA_TIMESTAMP_START]) / 1000);
	event->stop_us =
	    (int64_t)(netlink_be64(times.of[CTA_TIMESTAMP_STOP]) / 1000);
}

static enum conntrack_kind
kind_of(const struct nlmsghdr *header)
{
	unsigned int type = NFNL_MSG_TYPE(header->nlmsg_type);

	if (type == IPCTNL_MSG_CT_DELETE)
		return CONNTRACK_DESTROY;
	/* Without the flag it is a change of one that is known. */
	if (type == IPCTNL_MSG_CT_NEW && (header->nlmsg_flags & NLM_F_CREATE))
		return CONNTRACK_NEW;
	return CONNTRACK_OTHER;
}

int
conntrack_parse(const struct nlmsghdr *header, struct conntrack_event *event)
{
	struct netlink_attributes found;

	memset(event, 0, sizeof(*event));
	if (NFNL_SUBSYS_ID(header->nlmsg_type) != NFNL_SUBSYS_CTNETLINK) {
		errno = ENOMSG;
		return -1;
	}
	if (netlink_parse(header, &found) == -1)
		return -1;
	event->kind = kind_of(header);
	if (event->kind == CONNTRACK_OTHER)
		return 0;
	if (parse_tuple(found.of[CTA_TUPLE_ORIG], event) == -1)
		return -1;
	event->mark = netlink_be32(found.of[CTA_MARK]);
	parse_counters(
	    found.of[CTA_COUNTERS_ORIG], &event->up_packets, &event->up_bytes);
	parse_counters(found.of[CTA_COUNTERS_REPLY], &event->down_packets,
	    &event->down_bytes);
	parse_times(found.of[CTA_TIMESTAMP], event);
	return 0;
}

static int
mark_is(const struct conntrack_event *event, const struct image *image,
    uint32_t mark)
{
	uint32_t mask = image_settings(image)->mark_mask;

	return (event->mark & mask) == mark_value(mask, mark);
}

int
conntrack_passed(const struct conntrack_event *event, const struct image *image)
{
	return mark_is(event, image, MARK_PASS) ||
	       mark_is(event, image, MARK_PASS_LOCAL);
}

static uint32_t
packets32(uint64_t packets)
{
	return packets > UINT32_MAX ? UINT32_MAX : (uint32_t)packets;
}

void
conntrack_rule(const struct image *image, const struct policy_owner *owner,
    struct flow_record *record)
{
	struct policy_query query = {
		.proto = record->proto, .dport = record->dport, .owner = owner
	};
	struct policy_verdict verdict;

	memcpy(query.src.byte, record->src, sizeof(query.src.byte));
	memcpy(query.dst.byte, record->dst, sizeof(query.dst.byte));
	verdict = policy_match(image, &query);
	record->rule = verdict.rule;
	record->generation = 0;
	record->unlogged = 0;
	/* The kernel would not have passed it if DNS had not told its name. */
	if (verdict.needs_name && verdict.item->by_dns)
		verdict.action = FLOW_ACTION_PASS;
	if (verdict.action != FLOW_ACTION_PASS)
		return;
	record->generation = image_settings(image)->generation;
	record->unlogged = verdict.item != NULL && verdict.item->unlogged;
}

void
conntrack_record(const struct conntrack_event *event, const struct image *image,
    int64_t now_us, struct flow_record *record)
{
	int64_t stop_us = event->stop_us > 0 ? event->stop_us : now_us;
	int64_t start_us = event->start_us > 0 ? event->start_us : stop_us;

	memset(record, 0, sizeof(*record));
	record->start_us = start_us;
	if (stop_us > start_us)
		record->duration_us = (uint64_t)(stop_us - start_us);
	record->up_bytes = event->up_bytes;
	record->down_bytes = event->down_bytes;
	record->up_packets = packets32(event->up_packets);
	record->down_packets = packets32(event->down_packets);
	record->connect_us = FLOW_CONNECT_NONE;
	record->uid = FLOW_UID_NONE;
	record->upstream = FLOW_UPSTREAM_NONE;
	record->sport = event->sport;
	record->dport = event->dport;
	memcpy(record->src, event->src.byte, sizeof(record->src));
	memcpy(record->dst, event->dst.byte, sizeof(record->dst));
	record->proto = event->proto;
	record->action = FLOW_ACTION_PASS;
	record->capture = mark_is(event, image, MARK_PASS_LOCAL)
			      ? FLOW_CAPTURE_LOCAL
			      : FLOW_CAPTURE_FORWARDED;
	record->final = 1;
	record->worker = LIMIT_FLOW_WORKER;
	conntrack_rule(image, NULL, record);
}
