/* SPDX-License-Identifier: ISC */
/* Both ends of a flow, in messages to the kernel and from it. */
#ifndef NETCTL_TUPLE_H
#define NETCTL_TUPLE_H

#include <stdint.h>

#include "common/addr.h"

struct nlmsghdr;

/* Ports in network order. */
struct tuple {
	struct addr src, dst;
	uint16_t sport, dport;
	uint8_t proto; /* IPPROTO_ */
};

/* An address as the kernel's messages have it: one word or four. */
void tuple_addr_get(int family, const uint32_t words[4], struct addr *);
void tuple_addr_put(const struct addr *, uint32_t words[4]);

/* The way back. */
struct tuple tuple_reverse(const struct tuple *);

/* type: CTA_TUPLE_ORIG or CTA_TUPLE_REPLY. */
void tuple_put(struct nlmsghdr *, uint16_t type, const struct tuple *);

/*
 * Begins a request of ctnetlink, IPCTNL_MSG_CT_NEW or the like, about the entry
 * that has this tuple, in a buffer of TALK_BUFFER_BYTES.
 */
struct nlmsghdr *tuple_request(
    char *buffer, uint16_t type, uint16_t flags, const struct tuple *);

/* For talk(): an entry's mark into a uint32_t. */
int tuple_mark(const struct nlmsghdr *, void *mark);

#endif
