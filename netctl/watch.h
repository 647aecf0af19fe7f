/* SPDX-License-Identifier: ISC */
/*
 * What others do to the rules of tpx, as the kernel tells it: rtnetlink(7) and
 * nfnetlink multicast groups.  What this process does itself is left out.
 */
#ifndef NETCTL_WATCH_H
#define NETCTL_WATCH_H

struct event_base;
struct watch;

enum watch_subject {
	WATCH_ROUTING = 1, /* ip rules, or routes, which go untold with lo */
	WATCH_GUARD = 2,
	WATCH_LOOPBACK = 4, /* whether it is up, and its addresses */
	WATCH_LOST = 8,	    /* events were: anything may have happened */
};

struct watch_handler {
	/* A set of enum watch_subject may not be as it should. */
	void (*touched)(void *ctx, unsigned int subjects);
	/* An interface has this name, or is gone (name NULL). */
	void (*link)(void *ctx, int index, const char *name, int is_listed);
	/* Every interface there is has been told of, as one of a list. */
	void (*listed)(void *ctx);
};

/*
 * Starts to watch, and lists the interfaces.  handlers outlives it.  NULL with
 * errno.
 */
struct watch *watch_open(
    struct event_base *, const struct watch_handler *handlers, void *ctx);

/*
 * Lists the interfaces once more, which happens by itself when events were
 * lost.  Where that fails, the list does not come.
 */
void watch_list(struct watch *);

#endif
