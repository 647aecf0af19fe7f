/* SPDX-License-Identifier: ISC */
/*
 * A table with two sides.  One side decides while the other is made anew, so
 * that no packet meets rules of which a part is not there yet: a transaction
 * that brings a set and a rule that asks it has a moment in which the kernel
 * does not find the set's elements (seen on Linux 6.18).
 *
 * What is read here is the text of one whole table, as policy/ renders it, with
 * commands behind it that fill its sets: a chain, a set or a line of either on
 * a line of its own, and words apart by one blank.  Chains and sets get the
 * letter of their side behind their names, but for the sets that stay.  A chain
 * with a hook stays too and has one rule, which leads to the rules of its side.
 * What is no chain and no set has one name for both sides.
 */
#ifndef POLICY_RENDER_SIDE_H
#define POLICY_RENDER_SIDE_H

#include "policy/text.h"

enum render_side { RENDER_SIDE_A, RENDER_SIDE_B, RENDER_SIDES };

/* An empty chain of that name, with its letter, says which side decides. */
#define RENDER_SIDE_LIVE "live"

/* Behind the name of what belongs to a side: "_a" */
const char *side_suffix(enum render_side);

/* The side whose suffix a name has, or RENDER_SIDES: it stays. */
enum render_side side_of(const char *name);

/* The table with that side, to which nothing leads. */
void side_prepare(const struct text *table, enum render_side, struct text *);

/*
 * Leads every chain with a hook to that side, and says so.  name is the
 * table's.
 */
void side_switch(const struct text *table, const char *name, enum render_side,
    struct text *);

/* 1 when that chain is one with a hook. */
int side_has_hook(const struct text *table, const char *chain);

#endif
