/* SPDX-License-Identifier: ISC */
/*
 * Whether the kernel's table of connections is about to be full.  From then on
 * the kernel drops packets of new flows, before any rule and any program sees
 * them, so that nobody else could name the reason.  Pure.
 */
#ifndef NETCTL_CONNTRACK_H
#define NETCTL_CONNTRACK_H

#include <stdint.h>

#define CONNTRACK_AGAIN_US 60000000 /* an alarm that stays is said again */

enum conntrack_news {
	CONNTRACK_NO_NEWS,
	CONNTRACK_FULL, /* 19 of 20 entries are taken, or more */
	CONNTRACK_ROOM, /* no longer: a tenth is free */
};

/* All zero is a good start. */
struct conntrack {
	int64_t told_us; /* CLOCK_MONOTONIC, of the last alarm; 0: none is on */
};

/* most: net.netfilter.nf_conntrack_max, 0: no limit. */
enum conntrack_news conntrack_judge(
    struct conntrack *, uint64_t count, uint64_t most, int64_t now_us);

#endif
