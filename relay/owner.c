/* SPDX-License-Identifier: ISC */
#include "relay/owner.h"

#include <stddef.h>

int
owner_is_asked(
    const struct owner_classes *owners, const struct flow_start *start)
{
	return owners->classes > 0 && start->capture == FLOW_CAPTURE_LOCAL;
}

int
owner_is_before(
    const struct owner_classes *owners, const struct flow_start *start)
{
	return start->generation != 0 &&
	       start->generation != owners->generation;
}

const struct policy_owner *
owner_find(const struct owner_classes *owners, const struct flow_start *start,
    struct policy_owner *owner)
{
	if (!owner_is_asked(owners, start) || owner_is_before(owners, start) ||
	    owner_class_find(owners, start->owner, owner) == -1)
		return NULL;
	return owner;
}
