/* SPDX-License-Identifier: ISC */
/*
 * Owns the channels to the relays.  Reads records that hostile bytes may have
 * shaped; a record that fails its check never reaches the database.
 */
#include "flowlog/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "flowlog/record.h"
#include "ipc/channel.h"

struct worker {
	struct workers *owner;
	struct ipc_channel *channel; /* NULL: none */
	unsigned int number;
	uint32_t life; /* tells this channel from those before it */
	uint64_t received;
	uint64_t dropped; /* as it said last */
	uint64_t acknowledged;
};

struct workers {
	struct event_base *base;
	struct batch *batch;
	worker_violation_fn *violation;
	void *ctx;
	uint32_t lives;
	struct worker worker[LIMIT_WORKERS];
};

struct workers *
workers_new(struct event_base *base, struct batch *batch,
    worker_violation_fn *violation, void *ctx)
{
	struct workers *workers = calloc(1, sizeof(*workers));
	unsigned int i;

	if (workers == NULL)
		return NULL;
	workers->base = base;
	workers->batch = batch;
	workers->violation = violation;
	workers->ctx = ctx;
	for (i = 0; i < LIMIT_WORKERS; i++) {
		workers->worker[i].owner = workers;
		workers->worker[i].number = i;
	}
	return workers;
}

static void
worker_close(struct worker *worker)
{
	ipc_channel_free(worker->channel);
	worker->channel = NULL;
}

void
workers_free(struct workers *workers)
{
	unsigned int i;

	if (workers == NULL)
		return;
	for (i = 0; i < LIMIT_WORKERS; i++)
		worker_close(&workers->worker[i]);
	free(workers);
}

static void
worker_cut_off(struct worker *worker, const char *why)
{
	worker_close(worker);
	worker->owner->violation(worker->owner->ctx, worker->number, why);
}

static void
on_end(void *ctx, const char *why)
{
	struct worker *worker = ctx;

	if (why != NULL)
		worker_cut_off(worker, why);
	else
		worker_close(worker);
}

/* All records are checked before the first one counts. */
static const char *
flows_violation(const struct worker *worker, const struct msg_flows *flows)
{
	const char *why;
	uint64_t i;

	if (flows->sequence < worker->received || flows->sequence > INT64_MAX)
		return "a sequence that goes back";
	if (flows->dropped < worker->dropped ||
	    flows->dropped > BATCH_DROPPED_MOST)
		return "a count of losses out of range";
	for (i = 0; i < flows->count; i++)
		if ((why = record_violation(
			 &flows->record[i], worker->number)) != NULL)
			return why;
	return NULL;
}

static void
on_flows(void *ctx, struct ipc_message *message)
{
	struct worker *worker = ctx;
	const struct msg_flows *flows = message->body;
	struct batch *batch = worker->owner->batch;
	struct batch_origin origin = { .worker = worker->number,
		.life = worker->life };
	const char *why = flows_violation(worker, flows);
	uint64_t i;

	if (why != NULL) {
		batch_add_loss(batch, LOSS_REFUSED, flows->count);
		worker_cut_off(worker, why);
		return;
	}
	worker->dropped = flows->dropped;
	batch_relay_dropped(batch, worker->number, flows->dropped, 0);
	for (i = 0; i < flows->count; i++) {
		/* Adding may commit: only the last one completes the message.
		 */
		if (i + 1 == flows->count)
			origin.sequence = worker->received = flows->sequence;
		(void)batch_add_flow(batch, &flows->record[i], &origin);
	}
	worker->received = flows->sequence;
	batch_touch(batch);
}

static const struct ipc_handler handlers[] = {
	{ MSG_FLOWS, on_flows },
	{ MSG_NONE, NULL },
};

int
workers_open(struct workers *workers, unsigned int number, int fd)
{
	struct worker *worker = &workers->worker[number];
	int saved;

	worker_close(worker);
	worker->channel = ipc_channel_new(workers->base, fd, IPC_FLOWLOG,
	    IPC_RELAY, handlers, on_end, worker);
	if (worker->channel == NULL) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	ipc_channel_set_phase(worker->channel, IPC_PHASE_RUN);
	worker->life = ++workers->lives;
	worker->received = 0;
	worker->dropped = 0;
	worker->acknowledged = 0;
	return 0;
}

void
workers_close(struct workers *workers, unsigned int number)
{
	worker_close(&workers->worker[number]);
}

static void
worker_acknowledge(struct worker *worker, uint64_t sequence)
{
	struct msg_flows_ack ack = { .sequence = sequence };

	if (worker->channel == NULL || sequence <= worker->acknowledged)
		return;
	/* One that is lost is made good by the next: they are cumulative. */
	if (IPC_SEND(worker->channel, MSG_FLOWS_ACK, 0, &ack, -1) == 0)
		worker->acknowledged = sequence;
}

void
workers_done(struct workers *workers, const struct batch_origin *origin)
{
	struct worker *worker;
	unsigned int i;

	if (origin != NULL) {
		worker = &workers->worker[origin->worker];
		if (worker->life == origin->life)
			worker_acknowledge(worker, origin->sequence);
		return;
	}
	for (i = 0; i < LIMIT_WORKERS; i++)
		worker_acknowledge(
		    &workers->worker[i], workers->worker[i].received);
}

size_t
workers_count(const struct workers *workers)
{
	size_t count = 0;
	unsigned int i;

	for (i = 0; i < LIMIT_WORKERS; i++)
		count += workers->worker[i].channel != NULL;
	return count;
}
