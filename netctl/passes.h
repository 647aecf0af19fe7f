/* SPDX-License-Identifier: ISC */
/*
 * What clients were told by DNS, for the sets of rules with `by dns' (see
 * policy/told.h): every dnsd asks for it, before it tells them, over a channel
 * of its own.
 */
#ifndef NETCTL_PASSES_H
#define NETCTL_PASSES_H

#include <stdint.h>

#include "policy/image.h"
#include "schema/msg.h"

struct event_base;
struct passes;

/* Who is told: a dnsd broke a rule, or asked for what it does not get. */
struct passes_listener {
	void (*breach)(void *ctx, uint32_t worker, const char *why);
	void (*refused)(void *ctx, const char *message);
	void *ctx;
};

/* NULL with errno. */
struct passes *passes_new(struct event_base *, const struct passes_listener *);

/*
 * The rules that decide now, whose image has to last until the next call; which
 * table they are in, and the suffix of its sets, or NULL: it has none.  With
 * another table every dnsd is told that it is empty.
 */
void passes_follow(struct passes *, const struct image *, unsigned int table,
    const char *suffix);

/*
 * Takes over one end of a channel to a dnsd, instead of the one it had.  worker
 * is below LIMIT_WORKERS.
 */
void passes_connect(struct passes *, uint32_t worker, int fd);

#endif
