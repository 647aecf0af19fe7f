/* SPDX-License-Identifier: ISC */
/*
 * One configuration as a relay works with it.  Another one comes to the relays
 * before it comes to the kernel, so for a while there are flows that the kernel
 * has decided by the one before.
 */
#ifndef RELAY_REGIME_H
#define RELAY_REGIME_H

#include "policy/lists.h"
#include "policy/mapping.h"
#include "policy/owner_class.h"
#include "relay/record.h"

/* All zero is none. */
struct regime {
	struct mapping policy;
	struct lists_mapping lists;
	struct owner_classes owners;
	struct upstreams *upstreams;
};

void regime_release(struct regime *);

/*
 * 1 when the kernel has decided a flow by these rules, as far as that can be
 * told: by an owner that they know, or because they ask for none.
 */
int regime_has(const struct regime *, const struct flow_start *);

#endif
