/* SPDX-License-Identifier: ISC */
/* Runs the steps; what they say is rendered by policy/. */
#include "netctl/capture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "netctl/inventory.h"
#include "netctl/kept.h"
#include "netctl/nft.h"
#include "netctl/routing.h"
#include "netctl/sides.h"
#include "netctl/sysctl.h"
#include "netctl/watch.h"
#include "policy/text.h"

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

/* Owning the table before anything else tells whether another tpxd runs. */
static int
claim(void)
{
	struct text text = { 0 };

	render_claim(&text);
	if (nft_run("claim of table inet " RENDER_TABLE, &text) == 0) {
		claimed = 1;
		return 0;
	}
	if (errno == EPERM || errno == EBUSY || errno == EOPNOTSUPP)
		log_warnx("another tpxd runs in this network namespace, or a "
			  "table inet " RENDER_TABLE " of others exists");
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

/* The guard as it shall be, while the same beside it holds. */
static int
guard_put(const struct image *image, const struct render_local *local)
{
	struct text text = { 0 }, beside = { 0 };
	int result;

	render_guard_beside(image, local, &beside);
	if (nft_run("guard", &beside) == -1)
		return -1;
	sides_settle();
	render_guard(image, local, &text);
	result = nft_run("guard", &text);
	sides_settle();
	render_remove_guard_beside(&beside);
	if (nft_run("guard", &beside) == -1)
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

/* Each of its two lines is renewed while the other holds. */
static int
guard_set(const struct image *image, const struct render_local *local)
{
	if (!is_closed(image))
		return guard_remove();
	kept_note(image, local);
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

/*
 * Each command that fills a set is a transaction of its own, as long as one may
 * take at most; nothing leads to the set yet.
 */
static int
prepare_run(const char *what, const struct image *image,
    enum render_lease lease, struct text *text)
{
	const char *at = text->bytes, *next;
	struct text part = { 0 };
	int result = text_check(text);

	while (result == 0 && *at != '\0') {
		next = strstr(at + 1, "\n" RENDER_ADD_ELEMENT);
		next = next != NULL ? next + 1 : strchr(at, '\0');
		text_append(&part, at, (size_t)(next - at));
		renew_live(image, lease);
		result = nft_run(what, &part);
		at = next;
	}
	text_free(text);
	return result;
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
	if (prepare_run(change->what, change->before, change->lease, &text) ==
	    -1)
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

int
capture_guard(const struct image *image, const struct render_local *local)
{
	if (claim() == -1)
		return -1;
	return guard_set(image, local);
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

/*
 * Only the kernel's own listing, before and after, tells whether something
 * differed.  What was kept of a listing could have been somebody else's.
 */
static int
guard_repair(const struct image *image, const struct render_local *local,
    struct capture_repair *repair)
{
	char *before = nft_list("inet " RENDER_GUARD_TABLE), *after;
	int result;

	result = guard_put(image, local);
	after = nft_list("inet " RENDER_GUARD_TABLE);
	repair->guard = result == 0 && (before == NULL || after == NULL ||
					   strcmp(before, after) != 0);
	free(before);
	free(after);
	return result;
}

int
capture_repair(const struct image *image, const struct render_local *local,
    unsigned int subjects, struct capture_repair *repair)
{
	int result = 0;

	memset(repair, 0, sizeof(*repair));
	if ((subjects & (WATCH_GUARD | WATCH_LOST)) != 0 && is_closed(image))
		result = guard_repair(image, local, repair);
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

void
capture_end(const struct image *image)
{
	if (!claimed)
		return;
	(void)table_remove();
	(void)routing_sweep(ROUTE_DELIVERY);
	/* Without an image its predecessor's may have had passes. */
	if (image == NULL || image_has_pass(image))
		sysctl_restore();
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
	return others_guard() ? 0 : guard_set(image, local);
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
