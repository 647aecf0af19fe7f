/* SPDX-License-Identifier: ISC */
/* The words that settings and rules are made of.  Zero is the default. */
#ifndef POLICY_RULE_H
#define POLICY_RULE_H

#include <stdint.h>

#include "schema/flow.h"

enum on_failure { ON_FAILURE_CLOSED, ON_FAILURE_OPEN, ON_FAILURE_COUNT };

/* What is neither TCP nor UDP. */
enum other_protocols { OTHER_PASS, OTHER_BLOCK, OTHER_COUNT };

/*
 * How a blocked flow is refused.  DEFAULT: TCP gets a reset, UDP is dropped.
 * RESET: UDP gets an ICMP port unreachable as well.  DROP: nothing is sent.
 */
enum block_mode { BLOCK_DEFAULT, BLOCK_RESET, BLOCK_DROP, BLOCK_COUNT };

/* Bits of a rule's protocols. */
#define RULE_TCP 0x01U
#define RULE_UDP 0x02U
#define RULE_PROTOS (RULE_TCP | RULE_UDP)

/* Both ends belong to it; host order. */
struct port_range {
	uint16_t first;
	uint16_t last;
};

#endif
