/* SPDX-License-Identifier: ISC */
/*
 * A ring of messages: the last one is being filled, those before it were sent
 * or wait to be.  The ring outlives this process, so that each of its stores
 * leaves it whole: what a message holds before what says so.
 */
#include "dnsd/journal.h"

#include <event2/event.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/channel.h"
#include "schema/journal.h"

/* A sequence is a number of records; a message's is that of its last one. */
struct journal {
	struct dns_journal *shared;
	struct ipc_channel *log; /* NULL: none */
	struct event *timer;
	uint64_t sequence; /* of the last record */
	uint64_t dropped;
	uint64_t sent; /* position of the first that is not */
};

static struct dns_journal_message *
message_at(struct journal *journal, uint64_t position)
{
	return &journal->shared->message[position % DNS_JOURNAL_MESSAGES];
}

static uint64_t
first(const struct journal *journal)
{
	return atomic_load_explicit(
	    &journal->shared->first, memory_order_relaxed);
}

static uint64_t
last(const struct journal *journal)
{
	return atomic_load_explicit(
	    &journal->shared->last, memory_order_relaxed);
}

static uint32_t
bytes_of(const struct dns_journal_message *message)
{
	return atomic_load_explicit(&message->bytes, memory_order_relaxed);
}

static void
timer_start(struct journal *journal)
{
	static const struct timeval delay = { .tv_usec = DNS_JOURNAL_US };

	if (!event_pending(journal->timer, EV_TIMEOUT, NULL))
		event_add(journal->timer, &delay);
}

/* What is in the last message goes out, and the next one begins. */
static void
message_end(struct journal *journal)
{
	uint64_t next = last(journal) + 1;

	if (bytes_of(message_at(journal, next - 1)) == 0 ||
	    next - first(journal) == DNS_JOURNAL_MESSAGES)
		return;
	atomic_store_explicit(
	    &message_at(journal, next)->bytes, 0, memory_order_release);
	atomic_store_explicit(
	    &journal->shared->last, next, memory_order_release);
}

static int
message_send(struct journal *journal, const struct dns_journal_message *message)
{
	struct msg_dns_rows rows = { .sequence = message->sequence,
		.lost = message->lost,
		.count = bytes_of(message) };

	memcpy(rows.byte, message->byte, rows.count);
	return ipc_send(journal->log, MSG_DNS_ROWS, 0, &rows,
	    MSG_DNS_ROWS_BYTES(rows.count), -1);
}

static void
send_all(struct journal *journal)
{
	for (; journal->sent < last(journal); journal->sent++)
		/* It waits here rather than in a queue of messages. */
		if (journal->log == NULL ||
		    ipc_channel_queued(journal->log) > 0 ||
		    message_send(journal, message_at(journal, journal->sent)) ==
			-1) {
			timer_start(journal);
			return;
		}
}

void
journal_flush(struct journal *journal)
{
	message_end(journal);
	send_all(journal);
}

static void
on_timer(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	journal_flush(arg);
}

/* Behind what the message holds, which has room for it. */
static void
message_add(struct journal *journal, struct dns_journal_message *message,
    const struct dns_record *record, size_t bytes, uint32_t one_in)
{
	uint32_t used = bytes_of(message);

	memcpy(message->byte + used, record, bytes);
	memcpy(message->byte + used + offsetof(struct dns_record, one_in),
	    &one_in, sizeof(one_in));
	message->sequence = ++journal->sequence;
	if (used == 0)
		message->lost = atomic_load_explicit(
		    &journal->shared->lost, memory_order_relaxed);
	atomic_store_explicit(
	    &message->bytes, used + (uint32_t)bytes, memory_order_release);
	if (used == 0)
		atomic_store_explicit(
		    &journal->shared->lost, 0, memory_order_relaxed);
}

void
journal_add(
    struct journal *journal, const struct dns_record *record, uint32_t one_in)
{
	size_t bytes = dns_record_bytes(record);
	struct dns_journal_message *message =
	    message_at(journal, last(journal));

	if (bytes_of(message) + bytes > sizeof(message->byte)) {
		journal_flush(journal);
		message = message_at(journal, last(journal));
	}
	if (bytes_of(message) + bytes > sizeof(message->byte)) {
		journal->dropped++;
		atomic_fetch_add_explicit(
		    &journal->shared->lost, 1, memory_order_relaxed);
		return;
	}
	message_add(journal, message, record, bytes, one_in);
	timer_start(journal);
}

void
journal_set_log(struct journal *journal, struct ipc_channel *log)
{
	journal->log = log;
	journal->sent = first(journal);
	if (log != NULL)
		send_all(journal);
}

void
journal_acknowledge(struct journal *journal, uint64_t sequence)
{
	uint64_t position = first(journal);

	while (position < journal->sent &&
	       message_at(journal, position)->sequence <= sequence)
		position++;
	atomic_store_explicit(
	    &journal->shared->first, position, memory_order_release);
}

uint64_t
journal_dropped(const struct journal *journal)
{
	return journal->dropped;
}

struct journal *
journal_new(
    struct event_base *base, struct dns_journal *shared, uint32_t worker)
{
	struct journal *journal = calloc(1, sizeof(*journal));

	if (journal == NULL)
		return NULL;
	journal->timer = event_new(base, -1, 0, on_timer, journal);
	if (journal->timer == NULL) {
		free(journal);
		return NULL;
	}
	journal->shared = shared;
	shared->worker = worker;
	shared->magic = DNS_JOURNAL_MAGIC;
	return journal;
}

void
journal_free(struct journal *journal)
{
	if (journal == NULL)
		return;
	event_free(journal->timer);
	free(journal);
}
