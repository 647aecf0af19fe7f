/* SPDX-License-Identifier: ISC */
/* What the policy answers instead of the resolver. */
#ifndef DNSD_BLOCK_H
#define DNSD_BLOCK_H

#include "dnsd/answer.h"
#include "dnsd/front.h"

/* verdict->answer must not be FRONT_PASS.  The answer may lie in the maker. */
void block_answer(struct answer_maker *, const struct question *,
    const struct front_verdict *, struct answer *);

#endif
