/* SPDX-License-Identifier: ISC */
/*
 * What netctl makes of a policy image in the kernel: guard, routing, capture
 * table, lease; and how it takes them away again.  The order of the steps is
 * the fail-safe: with on-failure closed the guard comes first and stays last.
 */
#ifndef NETCTL_CAPTURE_H
#define NETCTL_CAPTURE_H

#include "policy/image.h"
#include "policy/render.h"

/*
 * The first step: owning the table, and at once the guard, which holds from
 * then on whatever fails later.  -1 when it failed, as each of these; it has
 * been logged.
 */
int capture_guard(const struct image *, const struct render_local *);

/*
 * From the guard alone, or from what a killed predecessor left, to a capture
 * table whose lease is not live.
 */
int capture_begin(const struct image *, const struct render_local *);

/* The table of a predecessor is this process's to take away. */
void capture_adopt(void);

/*
 * The table for what a live lease shall stand for, which is renewed; or without
 * one.  When it fails, what decided before goes on.
 */
int capture_set(
    const struct image *, const struct render_local *, enum render_lease);

/*
 * Which table decides: another number, another one, whose sets are empty; and
 * what its sets have behind their names, or NULL when there is none.
 */
unsigned int capture_number(void);
const char *capture_suffix(void);

/* There are listeners that the table does not know: the next one is new. */
void capture_outdate(void);

/* Removes what a killed predecessor has left of a change of the table. */
int capture_sweep(void);

/*
 * From the rules of one image to those of the next, guard and table at once:
 * when it fails, everything is as before.
 */
int capture_reconfigure(const struct image *before, const struct image *,
    const struct render_local *, enum render_lease);

/* Removes as well what could not be removed when the table was changed. */
int capture_renew(const struct image *);
void capture_lapse(const struct image *);

/* It took so long, in which nobody could read a heartbeat. */
typedef void capture_busy_fn(void *ctx, int64_t took_us);

struct capture_repair {
	capture_busy_fn *busy;
	void *ctx;
	int guard; /* what was put back */
	int routing;
	int64_t since_us; /* capture.c's own */
};

/*
 * Makes sure of a set of enum watch_subject.  Before much goes on it tells by
 * busy how long it took.  -1 when something could not be put back.
 */
int capture_repair(const struct image *, const struct render_local *,
    unsigned int subjects, struct capture_repair *);

/*
 * Takes everything away but, with on-failure closed, the guard; the table last,
 * so that nobody begins before the rest is as it was.  Nothing, when the table
 * was never ours: another tpxd may be at work.
 */
void capture_end(const struct image *);

/*
 * For tpxctl guard: the guard of an image, where no tpxd need run.  One that
 * runs is left alone, and 0 then.
 */
int capture_guard_only(const struct image *, const struct render_local *);

/*
 * The same when there is no image to tell what is captured: all forwarding, and
 * what a guard that stands already holds.  -1 when a tpxd runs, or when neither
 * of its two lines could be put in place.
 */
int capture_guard_all(void);

/* Takes away whatever any tpx has left in this network namespace. */
int capture_unblock(void);

#endif
