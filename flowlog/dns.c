/* SPDX-License-Identifier: ISC */
/*
 * Owns the channels to dnsd, and what they sent, or left when they died, until
 * it is on disk, as it came.  Reads records that hostile bytes may have shaped:
 * all of a message are checked before the first one counts.
 */
#include "flowlog/dns.h"

#include <sys/mman.h>
#include <sys/queue.h>

#include <errno.h>
#include <event2/event.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/memfd.h"
#include "flowlog/batch.h"
#include "flowlog/dns_table.h"
#include "flowlog/room.h"
#include "flowlog/store.h"
#include "ipc/channel.h"
#include "policy/image.h"
#include "schema/journal.h"

#define COMMIT_US 200000    /* after the first that waits */
#define COMMIT_RECORDS 4096 /* waiting: commit now */
#define RETRY_US 100000
#define TRANSACTION_RECORDS 4096 /* keeps a commit short */
#define RETIRE_ROWS 50000	 /* at a time */

/* What one message has brought; the records are aligned as they must be. */
struct block {
	STAILQ_ENTRY(block) entry;
	unsigned int worker;
	uint32_t life;
	uint64_t sequence;
	size_t bytes;
	uint64_t records;
	_Alignas(8) uint8_t record[];
};

struct dnsd {
	struct dns *owner;
	struct ipc_channel *channel; /* NULL: none */
	unsigned int number;
	uint32_t life; /* tells this channel from those before it */
	uint64_t received;
};

struct dns {
	struct event_base *base;
	struct batch *batch;
	struct store *store;
	struct dns_table *table; /* NULL: nothing can be written */
	dns_violation_fn *violation;
	void *ctx;
	struct event *timer;
	STAILQ_HEAD(blocks, block) waiting;
	size_t waiting_bytes;
	uint64_t waiting_records;
	uint64_t written;
	uint32_t lives;
	struct dnsd dnsd[LIMIT_WORKERS];
};

static void
schedule(struct dns *dns, int64_t delay_us)
{
	struct timeval delay = { .tv_usec = delay_us };

	if (!event_pending(dns->timer, EV_TIMEOUT, NULL))
		event_add(dns->timer, &delay);
}

static void
on_timer(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)dns_flush(arg);
}

struct dns *
dns_new(struct event_base *base, struct batch *batch,
    dns_violation_fn *violation, void *ctx)
{
	struct dns *dns = calloc(1, sizeof(*dns));
	unsigned int i;

	if (dns == NULL)
		return NULL;
	dns->base = base;
	dns->batch = batch;
	dns->violation = violation;
	dns->ctx = ctx;
	STAILQ_INIT(&dns->waiting);
	for (i = 0; i < LIMIT_WORKERS; i++) {
		dns->dnsd[i].owner = dns;
		dns->dnsd[i].number = i;
	}
	dns->timer = event_new(base, -1, 0, on_timer, dns);
	if (dns->timer != NULL)
		return dns;
	free(dns);
	errno = ENOMEM;
	return NULL;
}

static void
dnsd_close(struct dnsd *dnsd)
{
	ipc_channel_free(dnsd->channel);
	dnsd->channel = NULL;
}

static void
dnsd_cut_off(struct dnsd *dnsd, const char *why)
{
	dnsd_close(dnsd);
	dnsd->owner->violation(dnsd->owner->ctx, dnsd->number, why);
}

static void
on_end(void *ctx, const char *why)
{
	struct dnsd *dnsd = ctx;

	if (why != NULL)
		dnsd_cut_off(dnsd, why);
	else
		dnsd_close(dnsd);
}

/* How many records there are; 0: something in them is not in order. */
static uint64_t
records_count(const struct msg_dns_rows *rows, unsigned int worker)
{
	const struct dns_record *record;
	uint64_t count = 0;
	size_t at, len;

	for (at = 0; at < rows->count; at += len, count++) {
		record = (const struct dns_record *)(rows->byte + at);
		len = dns_record_check(record, rows->count - at);
		if (len == 0 || record->worker != worker)
			return 0;
	}
	return count;
}

static const char *
rows_violation(
    const struct dnsd *dnsd, const struct msg_dns_rows *rows, uint64_t records)
{
	if (records == 0)
		return "a record that is not in order";
	if (rows->sequence < dnsd->received)
		return "a sequence that goes back";
	return NULL;
}

/* -1: there is no room. */
static int
block_add(struct dns *dns, const struct dnsd *dnsd,
    const struct msg_dns_rows *rows, uint64_t records)
{
	struct block *block;

	if (dns->waiting_bytes + rows->count > DNS_WAITING_BYTES ||
	    (block = malloc(sizeof(*block) + rows->count)) == NULL)
		return -1;
	block->worker = dnsd->number;
	block->life = dnsd->life;
	block->sequence = rows->sequence;
	block->bytes = rows->count;
	block->records = records;
	memcpy(block->record, rows->byte, rows->count);
	STAILQ_INSERT_TAIL(&dns->waiting, block, entry);
	dns->waiting_bytes += block->bytes;
	dns->waiting_records += records;
	return 0;
}

static void
acknowledge(struct dnsd *dnsd, uint64_t sequence)
{
	struct msg_flows_ack ack = { .sequence = sequence };

	/* One that is lost is made good by the next: they are cumulative. */
	if (dnsd->channel != NULL)
		(void)IPC_SEND(dnsd->channel, MSG_DNS_ACK, 0, &ack, -1);
}

/* NULL, or what is wrong with them. */
static const char *
rows_take(struct dnsd *dnsd, const struct msg_dns_rows *rows)
{
	struct dns *dns = dnsd->owner;
	uint64_t records = records_count(rows, dnsd->number);
	const char *why = rows_violation(dnsd, rows, records);

	if (why != NULL) {
		batch_add_loss(dns->batch, LOSS_DNS_REFUSED, 1);
		return why;
	}
	batch_add_loss(dns->batch, LOSS_DNS_LOST, rows->lost);
	dnsd->received = rows->sequence;
	if (block_add(dns, dnsd, rows, records) == -1) {
		batch_add_loss(dns->batch, LOSS_DNS_QUEUE, records);
		acknowledge(dnsd, rows->sequence);
	}
	return NULL;
}

static void
on_rows(void *ctx, struct ipc_message *message)
{
	struct dnsd *dnsd = ctx;
	struct dns *dns = dnsd->owner;
	const char *why = rows_take(dnsd, message->body);

	if (why != NULL)
		dnsd_cut_off(dnsd, why);
	else if (dns->waiting_records >= COMMIT_RECORDS)
		(void)dns_flush(dns);
	else if (dns->waiting_records > 0)
		schedule(dns, COMMIT_US);
}

static const struct ipc_handler handlers[] = {
	{ MSG_DNS_ROWS, on_rows },
	{ MSG_NONE, NULL },
};

int
dns_open(struct dns *dns, unsigned int worker, int fd)
{
	struct dnsd *dnsd = &dns->dnsd[worker];
	int saved;

	dnsd_close(dnsd);
	dnsd->channel = ipc_channel_new(
	    dns->base, fd, IPC_FLOWLOG, IPC_DNSD, handlers, on_end, dnsd);
	if (dnsd->channel == NULL) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	ipc_channel_set_phase(dnsd->channel, IPC_PHASE_RUN);
	dnsd->life = ++dns->lives;
	dnsd->received = 0;
	return 0;
}

/* A message that was not sent, or not read; it is copied before it is read. */
static void
left_take(struct dnsd *dnsd, const struct dns_journal_message *left)
{
	uint32_t bytes =
	    atomic_load_explicit(&left->bytes, memory_order_acquire);
	struct msg_dns_rows rows = {
		.sequence = left->sequence, .lost = left->lost, .count = bytes
	};

	if (bytes == 0 || rows.sequence <= dnsd->received)
		return;
	if (bytes > sizeof(rows.byte)) {
		batch_add_loss(dnsd->owner->batch, LOSS_DNS_REFUSED, 1);
		return;
	}
	memcpy(rows.byte, left->byte, bytes);
	(void)rows_take(dnsd, &rows);
}

static int
journal_read(struct dnsd *dnsd, const struct dns_journal *journal)
{
	uint64_t first = atomic_load(&journal->first);
	uint64_t count = atomic_load(&journal->last) - first + 1;
	uint64_t i;

	/* It died before it had made the header: nobody had asked anything. */
	if (journal->magic == 0)
		return 0;
	if (journal->magic != DNS_JOURNAL_MAGIC ||
	    journal->worker != dnsd->number || count == 0 ||
	    count > DNS_JOURNAL_MESSAGES) {
		errno = EBADMSG;
		return -1;
	}
	for (i = 0; i < count; i++)
		left_take(dnsd,
		    &journal->message[(first + i) % DNS_JOURNAL_MESSAGES]);
	batch_add_loss(
	    dnsd->owner->batch, LOSS_DNS_LOST, atomic_load(&journal->lost));
	return 0;
}

int
dns_import(struct dns *dns, unsigned int worker, int fd)
{
	struct dnsd *dnsd = &dns->dnsd[worker];
	struct dns_journal *journal = memfd_map_shared(fd, sizeof(*journal), 0);
	int result;

	/* What came by it and was not read is in the journal as well. */
	dnsd_close(dnsd);
	if (journal == NULL)
		return -1;
	result = journal_read(dnsd, journal);
	(void)munmap(journal, sizeof(*journal));
	if (dns->waiting_records > 0)
		schedule(dns, COMMIT_US);
	return result;
}

/* Writes blocks up to *end, which it sets; NULL: all of them. */
static int
write_blocks(struct dns *dns, struct block **end, struct dns_added *added)
{
	struct block *block;
	uint64_t records = 0;

	STAILQ_FOREACH(block, &dns->waiting, entry)
	{
		if (records >= TRANSACTION_RECORDS)
			break;
		if (dns_table_add_all(
			dns->table, block->record, block->bytes, added) == -1)
			return -1;
		records += block->records;
	}
	*end = block;
	return 0;
}

/* What was committed leaves, and who sent it is told. */
static void
committed(struct dns *dns, const struct block *end)
{
	struct block *block;
	struct dnsd *dnsd;

	while ((block = STAILQ_FIRST(&dns->waiting)) != end) {
		STAILQ_REMOVE_HEAD(&dns->waiting, entry);
		dns->waiting_bytes -= block->bytes;
		dns->waiting_records -= block->records;
		dnsd = &dns->dnsd[block->worker];
		if (dnsd->life == block->life)
			acknowledge(dnsd, block->sequence);
		free(block);
	}
}

static int
write_some(struct dns *dns)
{
	struct block *end = NULL;
	struct dns_added added = { 0 };

	if (store_begin(dns->store) == -1)
		return -1;
	if (write_blocks(dns, &end, &added) == -1 ||
	    room_make(dns->store, added.rows) == -1 ||
	    store_commit(dns->store) == -1) {
		store_rollback(dns->store);
		return -1;
	}
	dns->written += added.rows;
	batch_add_loss(dns->batch, LOSS_DNS_QUEUE, added.lost);
	committed(dns, end);
	return 0;
}

int
dns_flush(struct dns *dns)
{
	(void)event_del(dns->timer);
	while (!STAILQ_EMPTY(&dns->waiting)) {
		if (dns->table != NULL && write_some(dns) == 0)
			continue;
		/* Why, the batch of flows will say, which fails as well. */
		schedule(dns, RETRY_US);
		return -1;
	}
	return 0;
}

int
dns_set_store(struct dns *dns, struct store *store)
{
	dns_table_free(dns->table);
	dns->table = NULL;
	dns->store = store;
	if (store == NULL)
		return 0;
	dns->table = dns_table_new(store);
	return dns->table == NULL ? -1 : 0;
}

void
dns_retire(struct dns *dns, const struct image *image)
{
	uint64_t keep_s = image_settings(image)->keep_s;
	int64_t before_us = clock_real_us();

	if (dns->table == NULL || keep_s == 0 ||
	    keep_s >= (uint64_t)before_us / 1000000 ||
	    store_begin(dns->store) == -1)
		return;
	before_us -= (int64_t)keep_s * 1000000;
	if (dns_table_remove_before(dns->table, before_us, RETIRE_ROWS) == -1 ||
	    store_commit(dns->store) == -1)
		store_rollback(dns->store);
}

size_t
dns_count(const struct dns *dns)
{
	size_t count = 0;
	unsigned int i;

	for (i = 0; i < LIMIT_WORKERS; i++)
		count += dns->dnsd[i].channel != NULL;
	return count;
}

uint64_t
dns_written(const struct dns *dns)
{
	return dns->written;
}

void
dns_free(struct dns *dns)
{
	struct block *block;
	unsigned int i;

	if (dns == NULL)
		return;
	for (i = 0; i < LIMIT_WORKERS; i++)
		dnsd_close(&dns->dnsd[i]);
	while ((block = STAILQ_FIRST(&dns->waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&dns->waiting, entry);
		free(block);
	}
	dns_table_free(dns->table);
	event_free(dns->timer);
	free(dns);
}
