/* SPDX-License-Identifier: ISC */
/*
 * The flows that are open now, in words.  A relay writes its records as it
 * likes, so that any number in one may be anything; words may be shown.
 */
#ifndef CTL_LIVE_H
#define CTL_LIVE_H

#include "common/addr.h"
#include "ctl/ctl.h"
#include "ctl/when.h"
#include "policy/image.h"
#include "schema/flow.h"

struct live_words {
	char start[WHEN_BYTES];
	char src[ADDR_TEXT_BYTES];
	char dst[ADDR_TEXT_BYTES];
	char proto[8];
	const char *action;
	const char *host; /* NULL: none that may be shown */
	const char *rule; /* NULL: of a configuration of before */
	const char *upstream;
	char endpoint[IMAGE_ENDPOINT_TEXT_BYTES];
	double duration_ms;
};

typedef void
live_fn(void *ctx, const struct flow_record *, const struct live_words *);

/* Calls for each of them; an enum ctl_exit. */
int live_each(const struct ctl *, live_fn *, void *ctx);

#endif
