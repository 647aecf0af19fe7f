/* SPDX-License-Identifier: ISC */
#include "relay/limit.h"

#include <stdlib.h>

#include "policy/image.h"
#include "relay/denial.h"

struct limit {
	struct denials *denials;
	struct tally tally;
};

struct limit *
limit_new(struct denials *denials, const struct tally *tally)
{
	struct limit *limit = calloc(1, sizeof(*limit));

	if (limit == NULL)
		return NULL;
	limit->denials = denials;
	limit->tally = *tally;
	return limit;
}

int
limit_take(const struct limit *limit, struct flow_start *start)
{
	const struct image_rule *rule = image_rule(start->image, start->rule);

	start->tally = &limit->tally;
	if (rule == NULL || (rule->limits.flows[LIMIT_RULE] == 0 &&
				rule->limits.flows[LIMIT_CLIENT] == 0))
		return 0;
	return tally_take(&limit->tally,
	    image_rule_text(start->image, start->rule), &rule->limits,
	    &start->src, &start->share);
}

int
limit_admit(const struct limit *limit, struct flow_start *start)
{
	if (limit_take(limit, start) == 0)
		return 0;
	(void)denials_note(limit->denials, start, FLOW_ERROR_MAX_FLOWS);
	return -1;
}
