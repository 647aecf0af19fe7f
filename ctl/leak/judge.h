/* SPDX-License-Identifier: ISC */
/* Whether a sentinel may arrive: the promise, as one table.  Pure. */
#ifndef CTL_LEAK_JUDGE_H
#define CTL_LEAK_JUDGE_H

#include <stdint.h>

#include "common/addr.h"
#include "ipc/msg.h"
#include "policy/image.h"

/* What the policy says of a sentinel. */
enum judge_class {
	JUDGE_NEVER, /* nobody forwards it: multicast, broadcast */
	JUDGE_BLOCK,
	JUDGE_ANSWER, /* a question of DNS, which is answered here */
	JUDGE_RELAY,
	JUDGE_PASS,
	/* Not captured: excluded, or neither TCP nor UDP and those pass. */
	JUDGE_OTHER,
	JUDGE_CLASSES
};

/* What can be relied on when it arrives. */
enum judge_stage {
	JUDGE_BARE, /* nothing of tpx is in the kernel */
	JUDGE_ARMED,
	JUDGE_FAILING, /* something is amiss, and the lease may live yet */
	JUDGE_LAPSED,  /* on-failure decides */
	JUDGE_STAGES
};

const char *judge_stage_word(enum judge_stage);

/* As its sender made it, or as what a relay made of it. */
enum judge_way { JUDGE_DIRECT, JUDGE_RELAYED };

enum verdict judge_arrival(
    enum on_failure, enum judge_class, enum judge_stage, enum judge_way);

/*
 * The class of a packet.  v6: it is one of IPv6 even if dst is v4-mapped; such
 * packets belong on no wire, and tpx blocks them.
 */
enum judge_class judge_packet(const struct image *, int v6, uint8_t proto,
    const struct addr *src, const struct addr *dst, uint16_t dport);

/* The same as if rules decided what is said of DNS before them. */
enum judge_class judge_rules(const struct image *, int v6, uint8_t proto,
    const struct addr *src, const struct addr *dst, uint16_t dport);

#endif
