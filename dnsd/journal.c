/* SPDX-License-Identifier: ISC */
/*
 * A ring of messages: the last one is being filled, those before it were sent
 * or wait to be.
 */
#include "dnsd/journal.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/channel.h"

/* A sequence is a number of records; a message's is that of its last one. */
struct message {
	uint64_t sequence;
	uint32_t lost; /* records, before the first of these */
	size_t bytes;
	uint8_t byte[LIMIT_DNS_ROWS_BYTES];
};

struct journal {
	struct ipc_channel *log; /* NULL: none */
	struct event *timer;
	uint64_t sequence; /* of the last record */
	uint64_t dropped;
	uint32_t lost;	/* of those, not told yet */
	uint64_t first; /* positions: not yet acknowledged, */
	uint64_t sent;	/* not yet sent, */
	uint64_t last;	/* and being filled */
	struct message ring[DNS_JOURNAL_MESSAGES];
};

static struct message *
message_at(struct journal *journal, uint64_t position)
{
	return &journal->ring[position % DNS_JOURNAL_MESSAGES];
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
	if (message_at(journal, journal->last)->bytes == 0 ||
	    journal->last + 1 - journal->first == DNS_JOURNAL_MESSAGES)
		return;
	journal->last++;
	message_at(journal, journal->last)->bytes = 0;
}

static int
message_send(struct journal *journal, const struct message *message)
{
	struct msg_dns_rows rows = { .sequence = message->sequence,
		.lost = message->lost,
		.count = message->bytes };

	memcpy(rows.byte, message->byte, message->bytes);
	return ipc_send(journal->log, MSG_DNS_ROWS, 0, &rows,
	    MSG_DNS_ROWS_BYTES(rows.count), -1);
}

static void
send_all(struct journal *journal)
{
	for (; journal->sent < journal->last; journal->sent++)
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

void
journal_add(
    struct journal *journal, const struct dns_record *record, uint32_t one_in)
{
	size_t bytes = dns_record_bytes(record);
	struct message *message = message_at(journal, journal->last);

	if (message->bytes + bytes > sizeof(message->byte)) {
		journal_flush(journal);
		message = message_at(journal, journal->last);
	}
	if (message->bytes + bytes > sizeof(message->byte)) {
		journal->dropped++;
		journal->lost++;
		return;
	}
	if (message->bytes == 0) {
		message->lost = journal->lost;
		journal->lost = 0;
	}
	memcpy(message->byte + message->bytes, record, bytes);
	memcpy(message->byte + message->bytes +
		   offsetof(struct dns_record, one_in),
	    &one_in, sizeof(one_in));
	message->bytes += bytes;
	message->sequence = ++journal->sequence;
	timer_start(journal);
}

void
journal_set_log(struct journal *journal, struct ipc_channel *log)
{
	journal->log = log;
	journal->sent = journal->first;
	if (log != NULL)
		send_all(journal);
}

void
journal_acknowledge(struct journal *journal, uint64_t sequence)
{
	while (journal->first < journal->sent &&
	       message_at(journal, journal->first)->sequence <= sequence)
		journal->first++;
}

uint64_t
journal_dropped(const struct journal *journal)
{
	return journal->dropped;
}

struct journal *
journal_new(struct event_base *base)
{
	struct journal *journal = calloc(1, sizeof(*journal));

	if (journal == NULL)
		return NULL;
	journal->timer = event_new(base, -1, 0, on_timer, journal);
	if (journal->timer != NULL)
		return journal;
	free(journal);
	return NULL;
}

void
journal_free(struct journal *journal)
{
	if (journal == NULL)
		return;
	event_free(journal->timer);
	free(journal);
}
