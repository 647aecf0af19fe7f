/* SPDX-License-Identifier: ISC */
/*
 * Connection tracking events (linux/netfilter/nfnetlink_conntrack.h) of flows
 * that the kernel forwards by itself.
 */
#ifndef FLOWLOG_CONNTRACK_H
#define FLOWLOG_CONNTRACK_H

#include <stdint.h>

#include "common/addr.h"
#include "schema/flow.h"

struct image;
struct nlmsghdr;
struct policy_owner;

enum conntrack_kind { CONNTRACK_OTHER, CONNTRACK_NEW, CONNTRACK_DESTROY };

/* Of the original direction; 0 where the kernel says nothing. */
struct conntrack_event {
	enum conntrack_kind kind;
	uint8_t proto;
	struct addr src;
	struct addr dst;
	uint16_t sport; /* 0 when the protocol has no ports */
	uint16_t dport;
	uint32_t mark;
	uint64_t up_bytes; /* with IP headers */
	uint64_t down_bytes;
	uint64_t up_packets;
	uint64_t down_packets;
	int64_t start_us; /* CLOCK_REALTIME */
	int64_t stop_us;
};

/*
 * -1 with EBADMSG for a message that is cut short or lacks its addresses, and
 * ENOMSG for one that is no conntrack event.
 */
int conntrack_parse(const struct nlmsghdr *, struct conntrack_event *);

/* Whether a rule let the flow pass. */
int conntrack_passed(const struct conntrack_event *, const struct image *);

/*
 * The row of a flow that ended, without its id.  The rule is the one that lets
 * it pass now; when none does any more, its generation is 0.
 */
void conntrack_record(const struct conntrack_event *, const struct image *,
    int64_t now_us, struct flow_record *);

/* The rule once more, where it is known whose socket began the flow. */
void conntrack_rule(
    const struct image *, const struct policy_owner *, struct flow_record *);

#endif
