/* SPDX-License-Identifier: ISC */
/*
 * Network namespaces without names: they end with the process that made them.
 * Interfaces, addresses and routes in them, by rtnetlink(7).
 *
 * All functions return 0, or -1 with errno, and what failed has been logged.
 */
#ifndef CTL_LEAK_NET_H
#define CTL_LEAK_NET_H

#include "common/addr.h"

struct mnl_socket;

struct net {
	int fd; /* of the namespace */
	struct mnl_socket *rtnl;
};

/* A new namespace, its loopback up; the caller is in it afterwards. */
int net_new(struct net *);

/* Sockets that the caller makes from now on belong to it. */
int net_enter(const struct net *);

/* One below /proc/sys; the caller is in the namespace afterwards. */
int net_sysctl(const struct net *, const char *name, const char *value);

/* Two interfaces joined to each other, both up. */
int net_join(const struct net *, const char *name, const struct net *peer,
    const char *peer_name);

/* bits counts in the 128-bit form of common/addr.h. */
int net_address(
    const struct net *, const char *name, const struct addr *, uint8_t bits);

/* v4-mapped zero or :: and its bits are the default route of a family. */
int net_route(const struct net *, const struct addr *to, uint8_t bits,
    const struct addr *via);

/*
 * Packets that its devices should have sent and did not, by proc(5); UINT64_MAX
 * when that cannot be read.  The caller is in the namespace afterwards.
 */
uint64_t net_lost(const struct net *);

/* What `nft flush ruleset' does; the caller is in the namespace afterwards. */
int net_flush_rules(const struct net *);

#endif
