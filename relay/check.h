/* SPDX-License-Identifier: ISC */
/*
 * Asks upstreams, where the configuration has it, whether they are there: now
 * and then, and whether a client wants them or not.  SOCKS5 up to the login,
 * others by a connection alone, as the rest would need a destination.
 */
#ifndef RELAY_CHECK_H
#define RELAY_CHECK_H

struct checks;
struct event_base;
struct upstreams;

/* NULL without memory. */
struct checks *checks_new(struct event_base *);

/*
 * Checks these from now on, at once for the first time; NULL: none.  They are
 * held.
 */
void checks_replace(struct checks *, struct upstreams *);

#endif
