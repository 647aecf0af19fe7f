/* SPDX-License-Identifier: ISC */
/* What the policy answers instead of the resolver. */
#ifndef DNSD_BLOCK_H
#define DNSD_BLOCK_H

#include "dnsd/answer.h"
#include "dnsd/front.h"

struct maker;

#define BLOCK_TTL_S 10 /* as a list may change */

/* verdict->answer must not be FRONT_PASS.  The answer may lie in the maker. */
void block_answer(struct maker *, const struct question *,
    const struct front_verdict *, struct answer *);

#endif
