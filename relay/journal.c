/* SPDX-License-Identifier: ISC */
/*
 * Owns the arena's slots and a ring of closed ones.  The ring has three
 * positions, each counting records since the start: acked <= sent <= closed.
 * A position is also the sequence number in FLOWS and FLOWS_ACK.
 */
#include "relay/journal.h"

#include <errno.h>
#include <event2/event.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/channel.h"

#define FLUSH_US 50000

struct journal {
	struct flow_arena *arena;
	uint32_t slots;
	uint64_t next_id;
	uint32_t *ring; /* of slot numbers, indexed by position % slots */
	uint64_t acked;
	uint64_t sent;
	uint64_t closed;
	uint64_t told;	  /* how many were dropped, as the log knows */
	uint32_t *vacant; /* a stack of slots that were used before */
	uint32_t nvacant;
	struct ipc_channel *log;
	struct event *timer;
};

static void
timer_start(struct journal *journal)
{
	static const struct timeval delay = { .tv_usec = FLUSH_US };

	if (!event_pending(journal->timer, EV_TIMEOUT, NULL))
		event_add(journal->timer, &delay);
}

static void
on_timer(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	journal_flush(arg);
}

struct journal *
journal_new(struct event_base *base, struct flow_arena *arena, uint32_t slots,
    uint32_t worker, uint64_t first_id)
{
	struct journal *journal = calloc(1, sizeof(*journal));

	if (journal == NULL)
		return NULL;
	journal->ring = calloc(slots, sizeof(*journal->ring));
	journal->vacant = calloc(slots, sizeof(*journal->vacant));
	journal->timer = event_new(base, -1, 0, on_timer, journal);
	if (journal->ring == NULL || journal->vacant == NULL ||
	    journal->timer == NULL) {
		free(journal->ring);
		free(journal->vacant);
		free(journal);
		errno = ENOMEM;
		return NULL;
	}
	journal->arena = arena;
	journal->slots = slots;
	journal->next_id = first_id;
	arena->magic = FLOW_ARENA_MAGIC;
	arena->slots = slots;
	arena->used = 0;
	arena->worker = worker;
	return journal;
}

static struct flow_slot *
slot_of(struct flow_entry *entry)
{
	return (struct flow_slot *)(void *)((char *)entry -
					    offsetof(struct flow_slot, entry));
}

static void
slot_release(struct journal *journal, uint32_t slot)
{
	atomic_store_explicit(&journal->arena->slot[slot].state, FLOW_SLOT_FREE,
	    memory_order_release);
	journal->vacant[journal->nvacant++] = slot;
}

/*
 * A slot of the arena, or memory of its own for a flow that will have no row:
 * every slot then holds an open flow or one that the flow log has not written.
 */
static struct flow_slot *
slot_take(struct journal *journal)
{
	if (journal->nvacant > 0)
		return &journal->arena
			    ->slot[journal->vacant[--journal->nvacant]];
	if (journal->arena->used < journal->slots)
		return &journal->arena->slot[journal->arena->used++];
	return calloc(1, sizeof(struct flow_slot));
}

static int
is_logged(const struct journal *journal, const struct flow_slot *slot)
{
	return slot >= journal->arena->slot &&
	       slot < journal->arena->slot + journal->slots;
}

/* The log is told with the next batch, or with one that has nothing else. */
static void
drop(struct journal *journal)
{
	atomic_fetch_add_explicit(
	    &journal->arena->dropped, 1, memory_order_relaxed);
	timer_start(journal);
}

struct flow_entry *
journal_open(struct journal *journal)
{
	struct flow_slot *slot = slot_take(journal);

	if (slot == NULL)
		return NULL;
	memset(&slot->entry, 0, sizeof(slot->entry));
	slot->counted = 0;
	slot->entry.id = journal->next_id;
	journal->next_id += FLOW_ID_STEP;
	slot->entry.final = 1;
	slot->entry.uid = FLOW_UID_NONE;
	slot->entry.upstream = FLOW_UPSTREAM_NONE;
	slot->entry.connect_us = FLOW_CONNECT_NONE;
	slot->entry.worker = (uint8_t)journal->arena->worker;
	atomic_store_explicit(
	    &slot->state, FLOW_SLOT_OPEN, memory_order_release);
	atomic_fetch_add_explicit(
	    &journal->arena->accepted, 1, memory_order_relaxed);
	if (is_logged(journal, slot))
		atomic_fetch_add_explicit(
		    &journal->arena->open, 1, memory_order_relaxed);
	else
		drop(journal);
	return &slot->entry;
}

void
journal_drop(struct journal *journal)
{
	atomic_fetch_add_explicit(
	    &journal->arena->accepted, 1, memory_order_relaxed);
	drop(journal);
}

void
journal_skip(struct journal *journal)
{
	atomic_fetch_add_explicit(
	    &journal->arena->accepted, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(
	    &journal->arena->unlogged, 1, memory_order_relaxed);
}

void
journal_set_host(struct journal *journal, struct flow_entry *entry,
    enum flow_host_source source, const char *host)
{
	struct flow_slot *slot = slot_of(entry);

	if (!is_logged(journal, slot))
		return;
	flow_slot_set_host(journal->arena, journal->slots,
	    (uint32_t)(slot - journal->arena->slot), host);
	entry->host_source = (uint8_t)source;
}

/*
 * Counts a flow and frees its slot.  Whoever finds a slot that is still taken
 * sees from its number whether it was counted before the process died.
 */
static void
count_unlogged(struct journal *journal, struct flow_slot *slot)
{
	uint64_t count = atomic_load_explicit(
			     &journal->arena->unlogged, memory_order_relaxed) +
			 1;

	slot->counted = (uint32_t)count;
	atomic_store_explicit(
	    &journal->arena->unlogged, count, memory_order_release);
	slot_release(journal, (uint32_t)(slot - journal->arena->slot));
}

void
journal_close(struct journal *journal, struct flow_entry *entry)
{
	struct flow_slot *slot = slot_of(entry);

	if (!is_logged(journal, slot)) {
		free(slot);
		return;
	}
	atomic_fetch_sub_explicit(
	    &journal->arena->open, 1, memory_order_relaxed);
	if (entry->unlogged) {
		count_unlogged(journal, slot);
		return;
	}
	atomic_store_explicit(
	    &slot->state, FLOW_SLOT_CLOSED, memory_order_release);
	journal->ring[journal->closed++ % journal->slots] =
	    (uint32_t)(slot - journal->arena->slot);
	if (journal->closed - journal->sent >= LIMIT_FLOW_BATCH)
		journal_flush(journal);
	else
		timer_start(journal);
}

void
journal_set_log(struct journal *journal, struct ipc_channel *log)
{
	journal->log = log;
	journal->sent = journal->acked;
	journal->told = 0;
	journal_flush(journal);
}

void
journal_acknowledge(struct journal *journal, uint64_t sequence)
{
	if (sequence > journal->sent)
		return; /* the flow log cannot know more than was sent */
	for (; journal->acked < sequence; journal->acked++)
		slot_release(
		    journal, journal->ring[journal->acked % journal->slots]);
	journal_flush(journal);
}

/* Sends the next batch; 0 when there was one and it went out. */
static int
batch_send(struct journal *journal)
{
	struct msg_flows batch = { .dropped =
				       atomic_load(&journal->arena->dropped) };
	uint64_t position = journal->sent;
	uint32_t slot;

	while (position < journal->closed && batch.count < LIMIT_FLOW_BATCH) {
		slot = journal->ring[position++ % journal->slots];
		flow_slot_read(journal->arena, journal->slots, slot,
		    &batch.record[batch.count++]);
	}
	batch.sequence = position;
	if (ipc_send(journal->log, MSG_FLOWS, 0, &batch,
		MSG_FLOWS_BYTES(batch.count), -1) == -1)
		return -1;
	journal->sent = position;
	journal->told = batch.dropped;
	return 0;
}

/* Whether there is something to tell. */
static int
is_due(const struct journal *journal)
{
	return journal->sent < journal->closed ||
	       journal->told != atomic_load(&journal->arena->dropped);
}

void
journal_flush(struct journal *journal)
{
	while (journal->log != NULL && is_due(journal)) {
		/*
		 * A record stays in the arena, where it survives this process,
		 * rather than in a queue of messages.
		 */
		if (ipc_channel_queued(journal->log) > 0 ||
		    batch_send(journal) == -1) {
			timer_start(journal);
			return;
		}
	}
}

uint32_t
journal_pending(const struct journal *journal)
{
	return (uint32_t)(journal->closed - journal->acked);
}

uint64_t
journal_work(struct journal *journal)
{
	return atomic_load(&journal->arena->accepted) +
	       atomic_load(&journal->arena->refused);
}

struct flow_arena *
journal_arena(struct journal *journal)
{
	return journal->arena;
}
