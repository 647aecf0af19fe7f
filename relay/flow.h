/* SPDX-License-Identifier: ISC */
/*
 * One relayed TCP connection: a client's socket, a server's, and a pump each
 * way.  A flow frees itself when it ends; its record then goes to the journal.
 */
#ifndef RELAY_FLOW_H
#define RELAY_FLOW_H

#include <stdint.h>

#include "relay/record.h"

struct broker;
struct event_base;
struct flow_pool;
struct journal;
struct judge;
struct upstreams;

/* Called after a flow has ended and its descriptors are free again. */
typedef void flow_room_fn(void *ctx);

/* most: flows at a time.  NULL with errno. */
struct flow_pool *
flow_pool_new(struct event_base *, struct journal *, struct broker *,
    uint32_t most, const struct judge *, flow_room_fn *, void *ctx);

/*
 * Takes the client's non-blocking socket over and connects to the original
 * destination, by way of the upstream if there is one.  If its name is needed
 * first, that is waited for, no longer than 200 ms and not at all at a server
 * that is known to speak first; then the flow is decided about again.  Its
 * share of limits is given back at its end.  Whatever goes wrong from here on
 * ends in its record, and the client gets a reset.  -1 when there is no room
 * for another flow: its share is given back, the socket still the caller's.
 */
int flow_begin(struct flow_pool *, int client, struct flow_start *);

/* 1 when flow_begin() would find room. */
int flow_pool_has_room(const struct flow_pool *);

/*
 * From the moment that there is no room for another flow until there is for an
 * eighth of all.
 */
int flow_pool_is_full(const struct flow_pool *);

/* errno of a shortage that flows have met since the last call, or 0. */
int flow_pool_lacked(struct flow_pool *);

/* Ends flows, with FLOW_CLOSE_KILLED in their records; how many. */
uint32_t flow_pool_kill(struct flow_pool *, const struct flow_choice *);

/* Ends every flow, with FLOW_CLOSE_SHUTDOWN in its record. */
void flow_pool_shutdown(struct flow_pool *);

#endif
