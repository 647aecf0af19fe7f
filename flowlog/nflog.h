/* SPDX-License-Identifier: ISC */
/*
 * Packets that the kernel logged because a rule blocked them
 * (linux/netfilter/nfnetlink_log.h): one per flow, with the rule in the
 * prefix as "GENERATION.RULE", or "GENERATION.RULE.rate" when it was its limit
 * that did.
 */
#ifndef FLOWLOG_NFLOG_H
#define FLOWLOG_NFLOG_H

#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "schema/flow.h"

struct nlmsghdr;

struct nflog_packet {
	uint32_t generation;
	uint16_t rule;
	uint16_t error; /* FLOW_ERROR_MAX_RATE or 0 */
	uint32_t sequence;
	int has_sequence;
	uint32_t uid;  /* whose socket sent it, or FLOW_UID_NONE */
	uint8_t local; /* this host sent it */
	uint8_t proto;
	struct addr src;
	struct addr dst;
	uint16_t sport; /* 0 in fragments and where there are none */
	uint16_t dport;
	uint32_t len_bytes; /* with its IP header */
	uint32_t gid;	    /* only with a uid */
};

/*
 * -1 with EBADMSG when prefix or packet are not what they should be (sequence
 * and has_sequence are right even so) and ENOMSG for any other message.
 */
int nflog_parse(const struct nlmsghdr *, struct nflog_packet *);

/* The headers alone, of an IPv4 or IPv6 packet cut at len.  -1 EBADMSG. */
int nflog_parse_ip(const uint8_t *bytes, size_t len, struct nflog_packet *);

/* Where the numbering of a log group has got to. */
struct nflog_sequence {
	uint32_t next;
	int known;
};

/* How many packets are missing before this one. */
uint32_t nflog_missing(struct nflog_sequence *, const struct nflog_packet *);

/* The row of a blocked flow, without its id. */
void
nflog_record(const struct nflog_packet *, int64_t now_us, struct flow_record *);

#endif
