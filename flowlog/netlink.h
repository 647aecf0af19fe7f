/* SPDX-License-Identifier: ISC */
/* Attributes of nfnetlink messages (linux/netfilter/nfnetlink.h). */
#ifndef FLOWLOG_NETLINK_H
#define FLOWLOG_NETLINK_H

#include <stddef.h>
#include <stdint.h>

struct nlattr;
struct nlmsghdr;

#define NETLINK_ATTRIBUTES 32 /* types that either subsystem has */

/* By type; NULL: not there.  They point into the message. */
struct netlink_attributes {
	const struct nlattr *of[NETLINK_ATTRIBUTES];
};

/*
 * What is cut off at the end does not count as there.  -1 with EBADMSG when
 * even the header is not whole, or there is no nest.
 */
int netlink_parse(const struct nlmsghdr *, struct netlink_attributes *found);
int
netlink_parse_nested(const struct nlattr *, struct netlink_attributes *found);

/* -1 with EBADMSG unless the attribute is there and has exactly len bytes. */
int netlink_copy(const struct nlattr *, void *to, size_t len);

/* Numbers in network order; 0 when the attribute is not there. */
uint16_t netlink_be16(const struct nlattr *);
uint32_t netlink_be32(const struct nlattr *);
uint64_t netlink_be64(const struct nlattr *);

#endif
