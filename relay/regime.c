/* SPDX-License-Identifier: ISC */
#include "relay/regime.h"

#include <string.h>

#include "relay/owner.h"
#include "relay/upstream.h"

void
regime_release(struct regime *regime)
{
	upstreams_release(regime->upstreams);
	owner_classes_release(&regime->owners);
	lists_unmap(&regime->lists);
	mapping_free(&regime->policy);
	memset(regime, 0, sizeof(*regime));
}

int
regime_has(const struct regime *regime, const struct flow_start *start)
{
	struct policy_owner owner;

	if (regime->policy.image == NULL ||
	    owner_is_before(&regime->owners, start))
		return 0;
	return !owner_is_asked(&regime->owners, start) ||
	       owner_find(&regime->owners, start, &owner) != NULL;
}
