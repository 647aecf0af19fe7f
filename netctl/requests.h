/* SPDX-License-Identifier: ISC */
/* Netlink messages that are kept for later, in their order. */
#ifndef NETCTL_REQUESTS_H
#define NETCTL_REQUESTS_H

#include <stddef.h>

#define REQUESTS_LIMIT 512

struct nlmsghdr;

/* All zero is a good start. */
struct requests {
	size_t count;
	size_t at[REQUESTS_LIMIT]; /* where each begins */
	size_t len;
	_Alignas(8) char bytes[REQUESTS_LIMIT * 128];
};

void requests_clear(struct requests *);

/* A copy of a message, to be altered in its header.  NULL: there is no room. */
struct nlmsghdr *requests_add(struct requests *, const struct nlmsghdr *);

struct nlmsghdr *requests_get(struct requests *, size_t i);

#endif
