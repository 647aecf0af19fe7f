/* SPDX-License-Identifier: ISC */
/*
 * The records of a relay's flows: each has a slot in the arena from its accept
 * until the flow log has said that its row is on disk.  Closed records go out
 * in batches, at the latest 50 ms after the flow's end; those not yet
 * acknowledged are sent again when the flow log was restarted.  Nothing here
 * waits: a flow that begins while every slot is taken is relayed all the same,
 * has no row and is counted as dropped.
 */
#ifndef RELAY_JOURNAL_H
#define RELAY_JOURNAL_H

#include <stdint.h>

#include "schema/flow.h"

struct event_base;
struct ipc_channel;
struct journal;

/*
 * arena is mapped for writing and has slots slots.  The journal makes its
 * header.  NULL with ENOMEM.
 */
struct journal *journal_new(struct event_base *, struct flow_arena *,
    uint32_t slots, uint32_t worker, uint64_t first_id);

/*
 * A zeroed record with a new id, or NULL without memory.  Give it back with
 * journal_close().
 */
struct flow_entry *journal_open(struct journal *);

/* Counts a flow that is over at once and gets no row, as there is no room. */
void journal_drop(struct journal *);

/* The same, as its rule says so. */
void journal_skip(struct journal *);

/* The host's name, of less than FLOW_HOST_BYTES; it is kept with the record. */
void journal_set_host(struct journal *, struct flow_entry *,
    enum flow_host_source, const char *host);

/* The record is complete and will be logged, or counted if it is unlogged. */
void journal_close(struct journal *, struct flow_entry *);

/* The way to the flow log, or NULL while there is none.  Not owned. */
void journal_set_log(struct journal *, struct ipc_channel *);

/* Everything up to this sequence is on disk. */
void journal_acknowledge(struct journal *, uint64_t sequence);

/* Sends what waits, as far as the channel takes it. */
void journal_flush(struct journal *);

/* Closed records that are not yet on disk. */
uint32_t journal_pending(const struct journal *);

/*
 * Grows with every client, also with those that get no flow: to turn them away
 * is work.
 */
uint64_t journal_work(struct journal *);

struct flow_arena *journal_arena(struct journal *);

#endif
