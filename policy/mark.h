/* SPDX-License-Identifier: ISC */
/*
 * The three bits that tpx owns in a packet's mark.  The configured mask says
 * where they are; the values here count from its lowest bit.
 */
#ifndef POLICY_MARK_H
#define POLICY_MARK_H

#include <stdint.h>

#define MARK_MASK_DEFAULT 0x07000000U

#define MARK_OURS 1U /* deliver to the relay */
#define MARK_PASS 4U /* forward: a rule let it pass */

/* A mask is exactly three neighbouring bits. */
static inline int
mark_mask_valid(uint32_t mask)
{
	return mask != 0 && mask / (mask & -mask) == 7;
}

static inline uint32_t
mark_value(uint32_t mask, uint32_t mark)
{
	return (mask & -mask) * mark;
}

#endif
