/* SPDX-License-Identifier: ISC */
/*
 * The three bits that tpx owns in the mark of a packet and of a conntrack
 * entry.  The configured mask says where they are; the values here count from
 * its lowest bit, and all three are compared.
 */
#ifndef POLICY_MARK_H
#define POLICY_MARK_H

#include <stdint.h>

#define MARK_MASK_DEFAULT 0x07000000U

/*
 *		of a packet			of a conntrack entry
 * OURS		deliver it to its relay		begun by a relay, or from where
 *						nothing is captured
 * NO_PORT	answer with an ICMP error
 * NO_HOST	the same, another one
 * RELAYED				relayed: UDP, or begun by this host
 * KEPT					begun by this host before anything of
 *						it was captured; or by a relay,
 *						UDP with a client's address
 * PASS		a rule lets it pass		passed, forwarded
 * AS_CLIENT	a relay's, with a client's address
 * PASS_LOCAL				passed, begun by this host
 * EXCLUDED	not to be captured		the same
 * DNS		an answer of dnsd, on its way out
 * LOOPED					begun by this host, to itself
 */
#define MARK_OURS 1U
#define MARK_NO_PORT 2U
#define MARK_NO_HOST 3U
#define MARK_RELAYED 2U
#define MARK_KEPT 3U
#define MARK_PASS 4U
#define MARK_AS_CLIENT 5U
#define MARK_PASS_LOCAL 5U
#define MARK_EXCLUDED 6U
#define MARK_DNS 7U
#define MARK_LOOPED 7U

/* Of these bits, RELAYED and KEPT have the second alone. */
#define MARK_ANSWERED 2U
#define MARK_ANSWERED_BITS 6U

/* The bit that gets a packet through the guard. */
#define MARK_LET 4U

#define MARK_BITS 7U

/* A mask is exactly three neighbouring bits. */
static inline int
mark_mask_valid(uint32_t mask)
{
	return mask != 0 && mask / (mask & -mask) == MARK_BITS;
}

static inline uint32_t
mark_value(uint32_t mask, uint32_t mark)
{
	return (mask & -mask) * mark;
}

#endif
