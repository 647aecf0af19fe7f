/* SPDX-License-Identifier: ISC */
/*
 * What the kernel has of the two sides of the capture table.  Nothing of that
 * is remembered here: a worker that was killed between two transactions has
 * left what its successor finds.
 */
#ifndef NETCTL_SIDES_H
#define NETCTL_SIDES_H

#include "policy/render_side.h"
#include "policy/text.h"

struct sides {
	enum render_side live; /* RENDER_SIDES: neither decides */
	struct text hooks;     /* names of chains with a hook, one a line */
	/* commands that remove a side: all of the first, then the second */
	struct text empty[RENDER_SIDES];
	struct text remove[RENDER_SIDES];
	struct text timeouts; /* the same for timeouts of long ago */
};

/* Lists what is there.  -1 with errno; free it in either case. */
int sides_look(struct sides *);
void sides_free(struct sides *);

/* The side to be made: not the one that decides. */
enum render_side sides_next(const struct sides *);

/* Removes every side that does not decide; empty when there is nothing. */
void sides_sweep(const struct sides *, struct text *);

/*
 * Removes what is kept of limits (RENDER_KEPT) that the table, whose text this
 * is, has not.  Nothing leads there any more.  -1 with errno.
 */
int sides_forget(const struct text *table, struct text *);

/* Leads to that side of the table, whose text this is. */
void sides_switch(const struct sides *, const struct text *table,
    enum render_side, struct text *);

/*
 * Waits until no packet is inside rules that the transaction before has
 * changed.
 */
void sides_settle(void);

#endif
