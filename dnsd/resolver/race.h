/* SPDX-License-Identifier: ISC */
/*
 * Questions to the best of several servers.  When that takes longer than it
 * mostly does, or fails, the next best is asked as well, up to RACE_ATTEMPTS of
 * them, and the first good answer counts.  Now and then another one is asked
 * besides, so that it is known who is best.
 */
#ifndef DNSD_RESOLVER_RACE_H
#define DNSD_RESOLVER_RACE_H

#include "dnsd/resolver/engine.h"

struct race;

#define RACE_ATTEMPTS 3 /* of one question */

struct race_ops {
	/* As engine_ask(); the answer may come before it returns. */
	int (*ask)(void *ctx, unsigned int server,
	    const struct engine_question *, engine_fn *, void *arg);
};

/* NULL with ENOMEM. */
struct race *race_new(struct event_base *, unsigned int servers,
    const struct race_ops *, void *ctx);

/* After those that it asks are gone; nobody is answered any more. */
void race_free(struct race *); /* NULL is fine */

/*
 * Calls back once, perhaps before it returns; with the last failure when nobody
 * has done better.  The question is copied.  -1 with errno when nobody could be
 * asked, without a call.
 */
int
race_ask(struct race *, const struct engine_question *, engine_fn *, void *ctx);

#endif
