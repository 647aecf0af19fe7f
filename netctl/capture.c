/* SPDX-License-Identifier: ISC */
/* Runs the steps; what they say is rendered by policy/. */
#include "netctl/capture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "netctl/inventory.h"
#include "netctl/kept.h"
#include "netctl/nft.h"
#include "netctl/routing.h"
#include "netctl/sides.h"
#include "netctl/sysctl.h"
#include "netctl/watch.h"
#include "policy/text.h"

#define BUSY_US 20000 /* shorter than what a lease counts */

static int claimed; /* the capture table is ours */

/* What a live lease stands for in the kernel. */
static enum { STANDS_UNKNOWN, STANDS_CAPTURE, STANDS_PAUSE } standing;
static uint16_t standing_dns; /* the port of dnsd's that it leads to, or 0 */
static enum render_side live = RENDER_SIDES; /* the side that decides */
static unsigned int tables;		     /* that were put in force */
static int untidy; /* what decided before, or its guard, could not be removed */

static int
is_closed(const struct image *image)
{
	return image_settings(image)->on_failure == ON_FAILURE_CLOSED;
}

void
capture_adopt(void)
{
	claimed = 1;
}

static void
render_claim(struct text *text)
{
	text_puts(text, "add table inet " RENDER_TABLE " { flags owner; }\n");
}

/* Before anything is changed, it tells whether another tpxd runs. */
static int
claim_try(void)
{
	struct text text = { 0 };

	render_claim(&text);
	if (nft_try(&text) == 0)
		return 0;
	if (errno == EPERM || errno == EBUSY || errno == EOPNOTSUPP)
		log_warnx("another tpxd runs in this network namespace, or a "
			  "table inet " RENDER_TABLE " of others exists");
	else
		log_warn("claim of table inet " RENDER_TABLE);
	return -1;
}

static int
guard_remove(void)
{
	struct text text = { 0 };

	render_remove_guard(&text);
	render_remove_guard_beside(&text);
	if (nft_run("removal of the guard", &text) == -1)
		return -1;
	return routing_sweep(ROUTE_GUARD);
}

typedef void part_fn(void *ctx);

/*
 * Each command that fills a set is a transaction of its own, as long as one may
 * take at most.
 */
static int
parts_run(const char *what, struct text *text, part_fn *before, void *ctx)
{
	const char *at = text->bytes, *next;
	struct text part = { 0 };
	int result = text_check(text);

	while (result == 0 && *at != '\0') {
		next = strstr(at + 1, "\n" RENDER_ADD_ELEMENT);
		next = next != NULL ? next + 1 : strchr(at, '\0');
		text_append(&part, at, (size_t)(next - at));
		before(ctx);
		result = nft_run(what, &part);
		at = next;
	}
	text_free(text);
	return result;
}

/* The guard as it shall be, while the same beside it holds. */
static int
guard_put(const struct image *image, const struct render_local *local)
{
	struct text text = { 0 };
	int result;

	sides_settle();
	render_guard(image, local, &text);
	result = nft_run("guard", &text);
	sides_settle();
	render_remove_guard_beside(&text);
	if (nft_run("guard", &text) == -1)
		result = -1;
	return result;
}

/* The second line is renewed while the first holds. */
static int
second_line_set(const struct image *image)
{
	if (routing_sweep(ROUTE_GUARD) == -1)
		return -1;
	if (!is_closed(image))
		return 0;
	return routing_apply(image, ROUTE_GUARD);
}

/*
 * What this host has begun before its sockets are captured goes on.  With
 * on-failure open the capture table itself lets it.
 */
static void
kept_note(const struct image *image, const struct render_local *local)
{
	int kept;

	if (image_settings(image)->local == LOCAL_NONE || !is_closed(image))
		return;
	if ((kept = kept_remember(image, local->uid)) == -1)
		log_warn("established connections of this host");
	else if (kept > 0)
		log_info("%d established connections of this host go on", kept);
}

/* A guard beside any other; what is in the text stands or falls with it. */
static int
guard_begin(const struct image *image, const struct render_local *local,
    struct text *text)
{
	kept_note(image, local);
	if (is_closed(image))
		render_guard_beside(image, local, text);
	return text->len == 0 ? 0 : nft_run("guard", text);
}

/* Each of its two lines is renewed while the other holds. */
static int
guard_complete(const struct image *image, const struct render_local *local)
{
	if (!is_closed(image))
		return guard_remove();
	if (guard_put(image, local) == -1)
		return -1;
	return second_line_set(image);
}

/* What a change of sides brings along. */
struct along {
	struct text prepare; /* beside what nothing leads to yet */
	struct text switched;
	struct text sweep;
};

static void
along_add(struct text *text, struct text *along)
{
	text->failed |= along->failed;
	text_append(text, along->bytes, along->len);
	text_free(along);
}

/* Nobody is in what is removed. */
static int
sweep(struct text *along)
{
	struct sides sides;
	struct text text = { 0 };
	int result = sides_look(&sides);

	if (result == 0) {
		live = sides.live;
		sides_sweep(&sides, &text);
	} else {
		live = RENDER_SIDES;
		log_warn("list of the capture table");
	}
	sides_free(&sides);
	along_add(&text, along);
	if (text.len == 0 && !text.failed)
		return result;
	sides_settle();
	return nft_run("removal of the rules of before", &text) == -1 ? -1
								      : result;
}

static int
lease_renew(const struct image *image)
{
	struct text text = { 0 };

	render_renew(image, &text);
	return nft_run("lease", &text);
}

/* A big table takes the kernel long: nobody reads heartbeats meanwhile. */
static void
renew_live(const struct image *image, enum render_lease lease)
{
	if (lease != RENDER_NO_LEASE)
		(void)lease_renew(image);
}

/* What a table is put in place of, and as what. */
struct change {
	const char *what;
	const struct image *before; /* whose lease counts until the switch */
	const struct image *image;
	const struct render_local *local;
	enum render_lease lease;
	struct along along;
};

/* Sets are filled before anything leads to them. */
static void
on_prepare(void *ctx)
{
	const struct change *change = ctx;

	renew_live(change->before, change->lease);
}

/* First everything is there, then rules lead to it. */
static int
sides_put(
    const struct sides *sides, struct change *change, const struct text *table)
{
	enum render_side side = sides_next(sides);
	struct text text = { 0 };

	side_prepare(table, side, &text);
	along_add(&text, &change->along.prepare);
	if (parts_run(change->what, &text, on_prepare, change) == -1)
		return -1;
	sides_settle();
	renew_live(change->before, change->lease);
	sides_switch(sides, table, side, &text);
	along_add(&text, &change->along.switched);
	/* The lease that is to be, all or nothing with the rest. */
	if (change->lease != RENDER_NO_LEASE)
		render_renew(change->image, &text);
	return nft_run(change->what, &text);
}

static void
tidy(void)
{
	struct text text = { 0 };

	if (!untidy)
		return;
	render_remove_guard_beside(&text);
	untidy = sweep(&text) == -1;
}

/*
 * Three transactions: what shall decide is made, decides, and what decided is
 * removed.  Whichever of the first two fails, what decided goes on.
 */
static int
table_put(struct change *change)
{
	const struct image *stands = change->before;
	struct text table = { 0 }, nothing = { 0 }, unkept = { 0 };
	struct sides sides;
	int result = -1;

	standing =
	    change->lease == RENDER_PAUSE ? STANDS_PAUSE : STANDS_CAPTURE;
	standing_dns = change->local->dns4;
	render_capture(change->image, change->local, change->lease, &table);
	tidy();
	if (sweep(&nothing) == 0 && sides_look(&sides) == 0) {
		result = sides_put(&sides, change, &table);
		sides_free(&sides);
	}
	if (result == -1)
		standing = STANDS_UNKNOWN;
	else
		stands = change->image;
	tables++;
	renew_live(stands, change->lease);
	if (result == 0 && sides_forget(&table, &unkept) == -1)
		log_warn("list of what limits keep");
	along_add(&change->along.sweep, &unkept);
	/* If not now, then with a heartbeat. */
	if (sweep(&change->along.sweep) == -1)
		untidy = 1;
	renew_live(stands, change->lease);
	text_free(&change->along.prepare);
	text_free(&change->along.switched);
	text_free(&table);
	return result;
}

int
capture_sweep(void)
{
	struct text nothing = { 0 };

	return sweep(&nothing);
}

int
capture_set(const struct image *image, const struct render_local *local,
    enum render_lease lease)
{
	struct change change = { .what = "capture table",
		.before = image,
		.image = image,
		.local = local,
		.lease = lease };

	if (lease != RENDER_NO_LEASE && standing_dns == local->dns4 &&
	    standing == (lease == RENDER_PAUSE ? STANDS_PAUSE : STANDS_CAPTURE))
		return capture_renew(image);
	return table_put(&change);
}

unsigned int
capture_number(void)
{
	return tables;
}

const char *
capture_suffix(void)
{
	return live == RENDER_SIDES ? NULL : side_suffix(live);
}

void
capture_outdate(void)
{
	standing = STANDS_UNKNOWN;
}

/*
 * Where the table is owned the guard stands: tpxctl guard relies on that.  And
 * no other puts settings back any more, so that they are what was there before.
 */
int
capture_guard(const struct image *image, const struct render_local *local)
{
	struct text text = { 0 };

	if (claim_try() == -1)
		return -1;
	render_claim(&text);
	if (guard_begin(image, local, &text) == -1)
		return -1;
	claimed = 1;
	sysctl_remember();
	return guard_complete(image, local);
}

int
capture_begin(const struct image *image, const struct render_local *local)
{
	if (routing_sweep(ROUTE_DELIVERY) == -1 ||
	    routing_apply(image, ROUTE_DELIVERY) == -1)
		return -1;
	if (capture_set(image, local, RENDER_NO_LEASE) == -1)
		return -1;
	if (image_has_pass(image))
		sysctl_apply();
	return 0;
}

int
capture_reconfigure(const struct image *before, const struct image *image,
    const struct render_local *local, enum render_lease lease)
{
	struct change change = { .what = "configuration",
		.before = before,
		.image = image,
		.local = local,
		.lease = lease };
	struct along *along = &change.along;

	kept_note(image, local);
	if (!is_closed(image)) {
		render_remove_guard(&along->switched);
	} else {
		if (is_closed(before))
			render_guard_beside(image, local, &along->prepare);
		render_guard(image, local, &along->switched);
		render_remove_guard_beside(&along->sweep);
	}
	if (table_put(&change) == -1)
		return -1;
	/* What is in force from here on holds without the rest. */
	if (second_line_set(image) == -1)
		log_warnx("the guard's second line is not complete");
	if (image_has_pass(image))
		sysctl_apply();
	else if (image_has_pass(before))
		sysctl_restore();
	return 0;
}

int
capture_renew(const struct image *image)
{
	int result = lease_renew(image);

	tidy();
	return result;
}

void
capture_lapse(const struct image *image)
{
	struct text text = { 0 };

	render_lapse(image, &text);
	(void)nft_run("end of the lease", &text);
}

static void
on_step(void *ctx)
{
	struct capture_repair *repair = ctx;
	int64_t now_us = clock_mono_us(), took_us = now_us - repair->since_us;

	if (took_us < BUSY_US)
		return;
	repair->since_us = now_us;
	repair->busy(repair->ctx, took_us);
}

static int
repair_step(struct text *text, struct capture_repair *repair)
{
	int result = nft_run("guard", text);

	on_step(repair);
	return result;
}

/*
 * One that is gone is put back at once, else the same beside it holds.  What
 * does not fit into a step, for which a lease can wait, comes last.
 */
static int
guard_put_back(const struct image *image, const struct render_local *local,
    int stands, struct capture_repair *repair)
{
	struct text text = { 0 };
	int result;

	if (stands) {
		render_guard_bare(RENDER_GUARD_BESIDE, image, local, &text);
		if (repair_step(&text, repair) == -1)
			return -1;
		sides_settle();
	}
	render_guard_bare(RENDER_GUARD_TABLE, image, local, &text);
	result = repair_step(&text, repair);
	if (stands) {
		sides_settle();
		render_remove_guard_beside(&text);
		if (repair_step(&text, repair) == -1)
			result = -1;
	}
	if (result == -1)
		return -1;
	render_guard_elements(image, &text);
	return text.len == 0 ? 0 : parts_run("guard", &text, on_step, repair);
}

/*
 * Only the kernel's own listing, before and after, tells whether something
 * differed.  What was kept of a listing could have been somebody else's.
 */
static int
guard_compare(const struct image *image, const struct render_local *local,
    struct capture_repair *repair)
{
	char *before = nft_list("inet " RENDER_GUARD_TABLE), *after;
	int result;

	on_step(repair);
	result = guard_put_back(image, local, before != NULL, repair);
	after = before == NULL ? NULL : nft_list("inet " RENDER_GUARD_TABLE);
	repair->guard = result == 0 && (before == NULL || after == NULL ||
					   strcmp(before, after) != 0);
	free(before);
	free(after);
	return result;
}

/* A listing would take longer than a lease: whatever was touched differed. */
static int
guard_trust(const struct image *image, const struct render_local *local,
    unsigned int subjects, struct capture_repair *repair)
{
	int stands = nft_has_table(RENDER_GUARD_TABLE);
	int result = guard_put_back(image, local, stands, repair);

	repair->guard =
	    result == 0 && (!stands || (subjects & WATCH_GUARD) != 0);
	return result;
}

static int
guard_repair(const struct image *image, const struct render_local *local,
    unsigned int subjects, struct capture_repair *repair)
{
	struct text elements = { 0 };
	int many;

	render_guard_elements(image, &elements);
	many = elements.len > 0;
	text_free(&elements);
	return many ? guard_trust(image, local, subjects, repair)
		    : guard_compare(image, local, repair);
}

int
capture_repair(const struct image *image, const struct render_local *local,
    unsigned int subjects, struct capture_repair *repair)
{
	int result = 0;

	repair->guard = repair->routing = 0;
	repair->since_us = clock_mono_us();
	if ((subjects & (WATCH_GUARD | WATCH_LOST)) != 0 && is_closed(image))
		result = guard_repair(image, local, subjects, repair);
	if ((subjects & (WATCH_ROUTING | WATCH_LOST)) != 0 &&
	    inventory_repair(image, &repair->routing) == -1)
		result = -1;
	return result;
}

static int
table_remove(void)
{
	struct text text = { 0 };

	render_remove_capture(&text);
	return nft_run("removal of the capture table", &text);
}

/* No rule is left in it, and who else would start is still kept away. */
static int
table_empty(void)
{
	struct text text = { 0 };

	render_remove_capture(&text);
	render_claim(&text);
	return nft_run("removal of the capture rules", &text);
}

void
capture_end(const struct image *image)
{
	/* A predecessor may have given it up, and another tpxd begun. */
	if (!claimed || (table_empty() == -1 && errno == EPERM))
		return;
	(void)routing_sweep(ROUTE_DELIVERY);
	/* Without an image its predecessor's may have had passes. */
	if (image == NULL || image_has_pass(image))
		sysctl_restore();
	(void)table_remove();
}

int
capture_unblock(void)
{
	if (table_remove() == -1) {
		if (errno == EPERM)
			log_warnx("tpxd runs in this network namespace: "
				  "stop it first");
		return -1;
	}
	if (routing_sweep(ROUTE_DELIVERY) == -1)
		return -1;
	return guard_remove();
}

/* Only the kernel knows for sure: tpxd's socket may be anywhere. */
static int
others_guard(void)
{
	struct text text = { 0 };

	render_claim(&text);
	if (nft_try(&text) == 0 || errno != EPERM)
		return 0;
	log_info("tpxd runs in this network namespace and guards it");
	return 1;
}

int
capture_guard_only(const struct image *image, const struct render_local *local)
{
	struct text text = { 0 };

	if (others_guard())
		return 0;
	if (guard_begin(image, local, &text) == -1)
		return -1;
	return guard_complete(image, local);
}

int
capture_guard_all(void)
{
	struct text text = { 0 };
	int first, second;

	if (others_guard())
		return -1;
	render_guard_all(&text);
	first = nft_run("guard", &text);
	second = routing_apply(NULL, ROUTE_GUARD_ALL);
	return first == -1 && second == -1 ? -1 : 0;
}
