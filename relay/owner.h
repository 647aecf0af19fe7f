/* SPDX-License-Identifier: ISC */
/* Whose socket of this host began a flow, where rules ask for that. */
#ifndef RELAY_OWNER_H
#define RELAY_OWNER_H

#include "policy/owner_class.h"
#include "relay/record.h"

int owner_is_asked(const struct owner_classes *, const struct flow_start *);

/* It was decided before this configuration was there. */
int owner_is_before(const struct owner_classes *, const struct flow_start *);

/* Who stands for its owner, in the buffer; NULL when that is not known. */
const struct policy_owner *owner_find(const struct owner_classes *,
    const struct flow_start *, struct policy_owner *);

#endif
