/* SPDX-License-Identifier: ISC */
/*
 * Reads packets that hostile hosts sent, cut to the length netctl asked for.
 * Every offset is checked against what is there.  Pure.
 */
#include "flowlog/nflog.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <netinet/in.h>
#include <string.h>

#include "flowlog/netlink.h"

#define IP4_HEADER_BYTES 20
#define IP4_OFFSET_MASK 0x1fff
#define IP6_HEADER_BYTES 40
#define IP6_OFFSET_MASK 0xfff8
#define IP6_EXTENSIONS 8 /* walked before a packet counts as nonsense */
#define PORTS_BYTES 4
#define NFLOG_RATE "rate" /* behind the rule in a prefix: its limit */

/* What is left of a packet. */
struct bytes {
	const uint8_t *at;
	size_t len;
};

static int
bad(void)
{
	errno = EBADMSG;
	return -1;
}

static uint16_t
be16_at(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static int
skip(struct bytes *bytes, size_t len)
{
	if (len > bytes->len)
		return bad();
	bytes->at += len;
	bytes->len -= len;
	return 0;
}

/* TCP and UDP begin with the same two ports (RFC 9293, RFC 768). */
static int
parse_ports(struct bytes bytes, struct nflog_packet *packet)
{
	if (packet->proto != IPPROTO_TCP && packet->proto != IPPROTO_UDP)
		return 0;
	if (bytes.len < PORTS_BYTES)
		return bad();
	packet->sport = be16_at(bytes.at);
	packet->dport = be16_at(bytes.at + 2);
	return 0;
}

/* RFC 791, 3.1 */
static int
parse_ip4(struct bytes bytes, struct nflog_packet *packet)
{
	size_t header;

	if (bytes.len < IP4_HEADER_BYTES)
		return bad();
	header = (size_t)(bytes.at[0] & 0x0f) * 4;
	if (header < IP4_HEADER_BYTES || header > bytes.len)
		return bad();
	packet->len_bytes = be16_at(bytes.at + 2);
	packet->proto = bytes.at[9];
	addr_from_v4(bytes.at + 12, &packet->src);
	addr_from_v4(bytes.at + 16, &packet->dst);
	if (be16_at(bytes.at + 6) & IP4_OFFSET_MASK)
		return 0;
	if (skip(&bytes, header) == -1)
		return -1;
	return parse_ports(bytes, packet);
}

/*
 * Steps over one extension header (RFC 8200, 4) at bytes.  1 when it did, 0
 * when there is none, -1 when it is cut.  *later: a fragment, but not the
 * first, so what follows is no header.
 */
static int
skip_extension(struct bytes *bytes, uint8_t *next, int *later)
{
	size_t len;

	if (*next != IPPROTO_HOPOPTS && *next != IPPROTO_ROUTING &&
	    *next != IPPROTO_DSTOPTS && *next != IPPROTO_FRAGMENT &&
	    *next != IPPROTO_AH)
		return 0;
	if (bytes->len < 8)
		return bad();
	len = ((size_t)bytes->at[1] + 1) * 8;
	if (*next == IPPROTO_AH) /* RFC 4302, 2.2 */
		len = ((size_t)bytes->at[1] + 2) * 4;
	if (*next == IPPROTO_FRAGMENT) {
		len = 8;
		*later = (be16_at(bytes->at + 2) & IP6_OFFSET_MASK) != 0;
	}
	*next = bytes->at[0];
	return skip(bytes, len) == -1 ? -1 : 1;
}

/* RFC 8200, 3 */
static int
parse_ip6(struct bytes bytes, struct nflog_packet *packet)
{
	int later = 0, more = 1;
	unsigned int i;

	if (bytes.len < IP6_HEADER_BYTES)
		return bad();
	packet->len_bytes = be16_at(bytes.at + 4) + IP6_HEADER_BYTES;
	packet->proto = bytes.at[6];
	memcpy(packet->src.byte, bytes.at + 8, sizeof(packet->src.byte));
	memcpy(packet->dst.byte, bytes.at + 24, sizeof(packet->dst.byte));
	(void)skip(&bytes, IP6_HEADER_BYTES);
	for (i = 0; more > 0 && !later; i++) {
		if (i == IP6_EXTENSIONS)
			return bad();
		more = skip_extension(&bytes, &packet->proto, &later);
	}
	if (more == -1)
		return -1;
	return later ? 0 : parse_ports(bytes, packet);
}

int
nflog_parse_ip(const uint8_t *bytes, size_t len, struct nflog_packet *packet)
{
	struct bytes all = { .at = bytes, .len = len };

	if (len == 0)
		return bad();
	if (bytes[0] >> 4 == 4)
		return parse_ip4(all, packet);
	if (bytes[0] >> 4 == 6)
		return parse_ip6(all, packet);
	return bad();
}

/* A decimal number of at most max, ended by `end'; NULL otherwise. */
static const char *
parse_number(const char *text, uint32_t max, char end, uint32_t *value)
{
	uint64_t sum = 0;

	if (*text < '0' || *text > '9')
		return NULL;
	for (; *text >= '0' && *text <= '9'; text++)
		if ((sum = sum * 10 + (uint64_t)(*text - '0')) > max)
			return NULL;
	*value = (uint32_t)sum;
	return *text == end ? text + 1 : NULL;
}

static int
parse_prefix(const struct nlattr *attribute, struct nflog_packet *packet)
{
	const char *text;
	uint32_t rule;

	if (attribute == NULL ||
	    mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == -1)
		return bad();
	text = parse_number(
	    mnl_attr_get_str(attribute), UINT32_MAX, '.', &packet->generation);
	if (text == NULL)
		return bad();
	if (parse_number(text, FLOW_RULE_DEFAULT, '\0', &rule) == NULL) {
		text = parse_number(text, FLOW_RULE_DEFAULT, '.', &rule);
		if (text == NULL || strcmp(text, NFLOG_RATE) != 0)
			return bad();
		packet->error = FLOW_ERROR_MAX_RATE;
	}
	packet->rule = (uint16_t)rule;
	return 0;
}

/* Only this host's own packets have a socket to tell of. */
static void
parse_sender(
    const struct netlink_attributes *found, struct nflog_packet *packet)
{
	struct nfulnl_msg_packet_hdr hook;

	packet->uid = FLOW_UID_NONE;
	if (found->of[NFULA_UID] != NULL)
		packet->uid = netlink_be32(found->of[NFULA_UID]);
	packet->gid = netlink_be32(found->of[NFULA_GID]);
	packet->local = netlink_copy(found->of[NFULA_PACKET_HDR], &hook,
			    sizeof(hook)) == 0 &&
			hook.hook == NF_INET_LOCAL_OUT;
}

int
nflog_parse(const struct nlmsghdr *header, struct nflog_packet *packet)
{
	struct netlink_attributes found;
	const struct nlattr *payload;

	memset(packet, 0, sizeof(*packet));
	if (NFNL_SUBSYS_ID(header->nlmsg_type) != NFNL_SUBSYS_ULOG ||
	    NFNL_MSG_TYPE(header->nlmsg_type) != NFULNL_MSG_PACKET) {
		errno = ENOMSG;
		return -1;
	}
	if (netlink_parse(header, &found) == -1)
		return -1;
	parse_sender(&found, packet);
	packet->has_sequence = found.of[NFULA_SEQ] != NULL;
	packet->sequence = netlink_be32(found.of[NFULA_SEQ]);
	if (parse_prefix(found.of[NFULA_PREFIX], packet) == -1)
		return -1;
	if ((payload = found.of[NFULA_PAYLOAD]) == NULL)
		return bad();
	return nflog_parse_ip(mnl_attr_get_payload(payload),
	    mnl_attr_get_payload_len(payload), packet);
}

uint32_t
nflog_missing(
    struct nflog_sequence *sequence, const struct nflog_packet *packet)
{
	uint32_t missing;

	if (!packet->has_sequence)
		return 0;
	missing = sequence->known ? packet->sequence - sequence->next : 0;
	sequence->next = packet->sequence + 1;
	sequence->known = 1;
	/* Backwards: the group was bound anew and counts from 0. */
	return missing > INT32_MAX ? 0 : missing;
}

void
nflog_record(const struct nflog_packet *packet, int64_t now_us,
    struct flow_record *record)
{
	memset(record, 0, sizeof(*record));
	record->start_us = now_us;
	record->up_bytes = packet->len_bytes;
	record->up_packets = 1;
	record->connect_us = FLOW_CONNECT_NONE;
	record->uid = packet->uid;
	record->upstream = FLOW_UPSTREAM_NONE;
	record->generation = packet->generation;
	record->rule = packet->rule;
	record->sport = packet->sport;
	record->dport = packet->dport;
	memcpy(record->src, packet->src.byte, sizeof(record->src));
	memcpy(record->dst, packet->dst.byte, sizeof(record->dst));
	record->proto = packet->proto;
	record->action = FLOW_ACTION_BLOCK;
	record->capture =
	    packet->local ? FLOW_CAPTURE_LOCAL : FLOW_CAPTURE_FORWARDED;
	record->close = FLOW_CLOSE_POLICY;
	record->error = packet->error;
	record->final = 1;
	record->worker = LIMIT_FLOW_WORKER;
}
