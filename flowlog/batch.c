/* SPDX-License-Identifier: ISC */
/*
 * Owns what is not yet on disk: a ring of flows, a list of events, counts of
 * losses.  Nothing leaves before the transaction that holds it is committed.
 */
#include "flowlog/batch.h"

#include <sys/queue.h>

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "flowlog/room.h"
#include "flowlog/store.h"
#include "policy/image.h"
#include "policy/way.h"
#include "schema/flowlog.sql.h"

#define COMMIT_FLOWS 1000   /* waiting: commit now */
#define COMMIT_US 200000    /* after the first */
#define RETRY_BUSY_US 20000 /* another writer is rarely long */
#define RETRY_FULL_US 1000000
#define TRANSACTION_MAX 4096 /* flows; keeps a commit short */
#define TRANSACTION_MIN 64
#define EVENT_COUNTER "events"
#define RETIRE_FLOWS 20000 /* a second: more than relays can make */

struct waiting_flow {
	struct flow_record record;
	struct batch_origin origin;
};

struct waiting_event {
	TAILQ_ENTRY(waiting_event) entry;
	struct msg_event event;
};

/* How far somebody's own count of losses is known here. */
struct counted {
	uint64_t known;
	int changed; /* since the last commit */
};

struct batch {
	struct batch_owner owner;
	struct store *store;
	const struct image *image;
	int rules_due;
	struct event *timer;
	struct waiting_flow *ring; /* BATCH_FLOWS of them */
	uint64_t head;		   /* position of the first that waits */
	uint64_t tail;		   /* and of the next to come */
	uint64_t transaction;	   /* flows at a time, at present */
	TAILQ_HEAD(, waiting_event) events;
	size_t nevents;
	uint64_t log_events;	     /* of others, before ids began with 1 */
	uint32_t event_id;	     /* the last that was added */
	uint32_t event_done;	     /* the last that is on disk */
	uint64_t losses[LOSS_COUNT]; /* not yet written */
	struct counted relays[LIMIT_WORKERS];
	struct counted kernel[LOSS_COUNT];
	uint64_t written;
	uint64_t lost[LOSS_COUNT]; /* written or not, since the start */
	int counters_read;
	int failing; /* the last transaction failed */
	int told;    /* ... and the log says so */
};

static void
schedule(struct batch *batch, int64_t delay_us)
{
	struct timeval delay = { .tv_sec = delay_us / 1000000,
		.tv_usec = delay_us % 1000000 };

	if (!event_pending(batch->timer, EV_TIMEOUT, NULL))
		event_add(batch->timer, &delay);
}

static void
on_timer(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)batch_flush(arg);
}

struct batch *
batch_new(struct event_base *base, const struct batch_owner *owner)
{
	struct batch *batch = calloc(1, sizeof(*batch));

	if (batch == NULL)
		return NULL;
	batch->owner = *owner;
	batch->transaction = TRANSACTION_MAX;
	TAILQ_INIT(&batch->events);
	batch->ring = calloc(BATCH_FLOWS, sizeof(*batch->ring));
	batch->timer = event_new(base, -1, 0, on_timer, batch);
	if (batch->ring != NULL && batch->timer != NULL)
		return batch;
	batch_free(batch);
	errno = ENOMEM;
	return NULL;
}

static void
event_drop(struct batch *batch, struct waiting_event *waiting)
{
	TAILQ_REMOVE(&batch->events, waiting, entry);
	batch->nevents--;
	free(waiting);
}

void
batch_free(struct batch *batch)
{
	if (batch == NULL)
		return;
	while (!TAILQ_EMPTY(&batch->events))
		event_drop(batch, TAILQ_FIRST(&batch->events));
	if (batch->timer != NULL)
		event_free(batch->timer);
	free(batch->ring);
	free(batch);
}

#define COUNTERS (LIMIT_WORKERS + LOSS_COUNT)

/* Each of them, and its name in the log; NULL: there is none at this place. */
static struct counted *
counter_at(struct batch *batch, unsigned int i, char name[32])
{
	unsigned int loss = i - LIMIT_WORKERS;

	if (i < LIMIT_WORKERS) {
		(void)snprintf(name, 32, "relay-no-room-%u", i);
		return &batch->relays[i];
	}
	if (!LOSS_KERNEL(loss))
		return NULL;
	(void)snprintf(name, 32, "kernel-%s", flow_loss_kind(loss));
	return &batch->kernel[loss];
}

/* What had been reported before this process was restarted. */
static void
counters_read(struct batch *batch)
{
	struct counted *counted;
	char name[32];
	unsigned int i;

	for (i = 0; i < COUNTERS; i++) {
		if ((counted = counter_at(batch, i, name)) == NULL)
			continue;
		/* A new file in place of a damaged one knows nothing. */
		if (batch->counters_read)
			counted->changed = counted->known > 0;
		else if (!counted->changed)
			(void)store_get_counter(
			    batch->store, name, &counted->known);
	}
	batch->counters_read = 1;
}

void
batch_set_store(struct batch *batch, struct store *store)
{
	batch->store = store;
	if (store == NULL)
		return;
	counters_read(batch);
	if (batch->image != NULL)
		batch_set_image(batch, batch->image);
	batch_touch(batch);
}

void
batch_set_image(struct batch *batch, const struct image *image)
{
	batch->image = image;
	batch->rules_due = 1;
	if (batch->store != NULL &&
	    store_set_max(batch->store, image_settings(image)->max_bytes) == -1)
		log_warn(FLOWLOG_FILE ": cannot set its greatest size");
	batch_touch(batch);
}

int
batch_has_room(struct batch *batch)
{
	if (batch_waiting(batch) == BATCH_FLOWS && !batch->failing)
		(void)batch_flush(batch);
	return batch_waiting(batch) < BATCH_FLOWS;
}

int
batch_add_flow(struct batch *batch, const struct flow_record *record,
    const struct batch_origin *origin)
{
	struct waiting_flow *waiting;

	if (!batch_has_room(batch)) {
		batch_add_loss(batch, LOSS_QUEUE, 1);
		errno = ENOBUFS;
		return -1;
	}
	waiting = &batch->ring[batch->tail++ % BATCH_FLOWS];
	waiting->record = *record;
	if (record->capture == FLOW_CAPTURE_LOCAL &&
	    record->uid == FLOW_UID_NONE)
		waiting->record.uid =
		    batch->owner.uid_of(batch->owner.ctx, record);
	waiting->origin = *origin;
	/* Only the timer tries while the database cannot be written. */
	if (batch_waiting(batch) >= COMMIT_FLOWS && batch->store != NULL &&
	    !batch->failing)
		(void)batch_flush(batch);
	else
		schedule(batch, COMMIT_US);
	return 0;
}

/* 0, or -1 when it has been here before. */
static int
event_count(struct batch *batch, uint32_t id)
{
	if (batch->event_id == BATCH_EVENTS_UNKNOWN)
		batch->event_id = id - 1;
	if (id <= batch->event_id)
		return -1;
	batch_add_loss(batch, LOSS_EVENT, id - batch->event_id - 1);
	batch->event_id = id;
	return 0;
}

void
batch_add_event(struct batch *batch, const struct msg_event *event, uint32_t id)
{
	struct waiting_event *waiting;

	if (id != 0 && event_count(batch, id) == -1)
		return;
	if (batch->nevents >= BATCH_EVENTS ||
	    (waiting = malloc(sizeof(*waiting))) == NULL) {
		batch_add_loss(batch, LOSS_EVENT, 1);
		return;
	}
	waiting->event = *event;
	TAILQ_INSERT_TAIL(&batch->events, waiting, entry);
	batch->nevents++;
	schedule(batch, COMMIT_US);
}

void
batch_add_loss(struct batch *batch, enum flow_loss loss, uint64_t count)
{
	if (count == 0)
		return;
	batch->losses[loss] += count;
	batch->lost[loss] += count;
	schedule(batch, COMMIT_US);
}

/* What is new in somebody's own count is a loss; known is the count next. */
static void
count(struct batch *batch, struct counted *counted, enum flow_loss loss,
    uint64_t total, uint64_t known)
{
	/* A count that went back is that of another life. */
	uint64_t since = total < counted->known ? 0 : counted->known;

	if (total > INT64_MAX)
		return;
	batch_add_loss(batch, loss, total - since);
	if (known == counted->known)
		return;
	counted->known = known;
	counted->changed = 1;
	schedule(batch, COMMIT_US);
}

void
batch_relay_dropped(
    struct batch *batch, unsigned int worker, uint64_t dropped, int ended)
{
	struct counted *counted = &batch->relays[worker];

	if (dropped > BATCH_DROPPED_MOST)
		dropped = counted->known;
	count(batch, counted, LOSS_RELAY, dropped, ended ? 0 : dropped);
}

void
batch_kernel_lost(struct batch *batch, enum flow_loss loss, uint64_t total)
{
	count(batch, &batch->kernel[loss], loss, total, total);
}

uint64_t
batch_kernel_known(const struct batch *batch, enum flow_loss loss)
{
	return batch->kernel[loss].known;
}

void
batch_set_lost(struct batch *batch, enum flow_loss loss, uint64_t lost)
{
	batch->lost[loss] = lost;
}

void
batch_set_events(struct batch *batch, uint64_t log_events, uint32_t id)
{
	batch->log_events = log_events;
	batch->event_id = id;
	batch->event_done = id;
}

uint64_t
batch_log_events(struct batch *batch)
{
	uint64_t count = 0;

	(void)store_get_counter(batch->store, EVENT_COUNTER, &count);
	return count;
}

void
batch_touch(struct batch *batch)
{
	schedule(batch, COMMIT_US);
}

static int
write_upstreams(struct store *store, const struct image *image)
{
	char text[IMAGE_ENDPOINT_TEXT_BYTES];
	uint32_t i;

	for (i = 0; i < image_endpoint_count(image); i++)
		if (store_add_upstream(store, image_settings(image)->generation,
			(uint16_t)i, image_endpoint_text(image, i, text)) == -1)
			return -1;
	return 0;
}

/* In rows of dns, and of flows that take a closed way past it. */
static int
write_blocks(struct store *store, const struct image *image)
{
	enum dns_way way;
	uint32_t i;

	for (way = 0; way < WAY_COUNT; way++)
		if (image_way_is_closed(image, way) &&
		    store_add_rule(store, image_settings(image)->generation,
			(uint16_t)(DNS_RULE_WAY + way), way_text(way, 1)) == -1)
			return -1;
	for (i = 0; i < image_block_count(image); i++)
		if (store_add_rule(store, image_settings(image)->generation,
			(uint16_t)(DNS_RULE_BLOCK + i),
			image_block_text(image, i)) == -1)
			return -1;
	return 0;
}

static int
write_rules(struct batch *batch)
{
	const struct image *image = batch->image;
	uint32_t generation, i;

	if (!batch->rules_due || image == NULL)
		return 0;
	generation = image_settings(image)->generation;
	if (store_forget_rules(batch->store, generation) == -1)
		return -1;
	for (i = 0; i < image_rule_count(image); i++)
		if (store_add_rule(batch->store, generation, (uint16_t)i,
			image_rule_text(image, i)) == -1)
			return -1;
	if (write_blocks(batch->store, image) == -1 ||
	    write_upstreams(batch->store, image) == -1)
		return -1;
	return store_add_rule(batch->store, generation, FLOW_RULE_DEFAULT,
	    image_rule_text(image, FLOW_RULE_DEFAULT));
}

static int
write_flows(struct batch *batch, uint64_t end, uint64_t *added)
{
	uint64_t at;
	int is_new;

	for (at = batch->head; at < end; at++) {
		if (store_add_flow(batch->store,
			&batch->ring[at % BATCH_FLOWS].record, &is_new) == -1)
			return -1;
		*added += (uint64_t)is_new;
	}
	return 0;
}

static int
write_events(struct batch *batch)
{
	const struct waiting_event *waiting;

	TAILQ_FOREACH (waiting, &batch->events, entry)
		if (store_add_event(batch->store, &waiting->event) == -1)
			return -1;
	if (batch->event_id == batch->event_done)
		return 0;
	/* Who resends them finds them here, or neither. */
	return store_set_counter(
	    batch->store, EVENT_COUNTER, batch->log_events + batch->event_id);
}

static int
write_losses(struct batch *batch)
{
	const struct counted *counted;
	int64_t now_us = clock_real_us();
	char name[32];
	unsigned int i;

	for (i = 0; i < LOSS_COUNT; i++)
		if (batch->losses[i] > 0 &&
		    store_add_loss(batch->store, now_us, flow_loss_source(i),
			flow_loss_kind(i), batch->losses[i]) == -1)
			return -1;
	for (i = 0; i < COUNTERS; i++) {
		counted = counter_at(batch, i, name);
		if (counted != NULL && counted->changed &&
		    store_set_counter(batch->store, name, counted->known) == -1)
			return -1;
	}
	return 0;
}

static int
write_all(struct batch *batch, uint64_t end, uint64_t *added)
{
	if (store_begin(batch->store) == -1)
		return -1;
	if (write_rules(batch) == -1 || write_flows(batch, end, added) == -1 ||
	    write_events(batch) == -1 || write_losses(batch) == -1 ||
	    room_make(batch->store, *added) == -1 ||
	    store_commit(batch->store) == -1) {
		store_rollback(batch->store);
		return -1;
	}
	return 0;
}

/* What was committed leaves, and whoever waited for it is told. */
static void
committed(struct batch *batch, uint64_t end, uint64_t added)
{
	const struct waiting_flow *waiting;
	unsigned int i;

	batch->rules_due = 0;
	batch->written += added;
	memset(batch->losses, 0, sizeof(batch->losses));
	for (i = 0; i < LIMIT_WORKERS; i++)
		batch->relays[i].changed = 0;
	for (i = 0; i < LOSS_COUNT; i++)
		batch->kernel[i].changed = 0;
	while (!TAILQ_EMPTY(&batch->events))
		event_drop(batch, TAILQ_FIRST(&batch->events));
	if (batch->event_id != batch->event_done) {
		batch->event_done = batch->event_id;
		batch->owner.events_done(batch->owner.ctx, batch->event_id);
	}
	for (; batch->head < end; batch->head++) {
		waiting = &batch->ring[batch->head % BATCH_FLOWS];
		if (waiting->origin.sequence > 0)
			batch->owner.done(batch->owner.ctx, &waiting->origin);
	}
	if (batch->head < batch->tail)
		return;
	/* What a busy ring never came to stays untouched memory. */
	batch->head = batch->tail = 0;
	batch->owner.done(batch->owner.ctx, NULL);
}

/* Old rows make room under the quota; on a full disk this fails too. */
static void
retire_when_full(struct batch *batch)
{
	uint64_t removed;

	if (!store_is_near_max(batch->store) || store_begin(batch->store) == -1)
		return;
	if (room_remove_oldest(batch->store, RETIRE_FLOWS, &removed) == -1 ||
	    removed == 0 || store_commit(batch->store) == -1)
		store_rollback(batch->store);
}

/* Decides when to try again; errno says what went wrong. */
static void
write_failed(struct batch *batch)
{
	batch->failing = 1;
	if (errno == EAGAIN) {
		schedule(batch, RETRY_BUSY_US);
		return;
	}
	if (errno == EBADMSG) {
		log_warnx(FLOWLOG_FILE ": damaged");
		batch->store = NULL;
		batch->owner.damaged(batch->owner.ctx);
		return;
	}
	if (!batch->told)
		log_warn(FLOWLOG_FILE ": cannot write, trying again");
	batch->told = 1;
	if (batch->transaction == TRANSACTION_MIN) {
		schedule(batch, RETRY_FULL_US);
		return;
	}
	/* Perhaps only this transaction was too large for a small quota. */
	retire_when_full(batch);
	batch->transaction /= 2;
	schedule(batch, RETRY_BUSY_US);
}

static uint64_t
smallest(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t least = a < b ? a : b;

	return least < c ? least : c;
}

static int
write_some(struct batch *batch)
{
	uint64_t end =
	    batch->head + smallest(batch_waiting(batch), batch->transaction,
			      store_transaction_rows(batch->store));
	uint64_t added = 0;

	if (write_all(batch, end, &added) == -1) {
		write_failed(batch);
		return -1;
	}
	if (batch->told)
		log_info(FLOWLOG_FILE ": writing again");
	batch->told = 0;
	batch->failing = 0;
	if (batch->transaction < TRANSACTION_MAX)
		batch->transaction *= 2;
	committed(batch, end, added);
	return 0;
}

int
batch_flush(struct batch *batch)
{
	if (batch->store == NULL)
		return -1;
	(void)event_del(batch->timer);
	do {
		if (write_some(batch) == -1)
			return -1;
	} while (batch_waiting(batch) > 0);
	return 0;
}

void
batch_retire(struct batch *batch)
{
	const struct image_settings *settings;
	int64_t before_us;
	uint64_t removed = 0;

	if (batch->store == NULL || batch->image == NULL)
		return;
	settings = image_settings(batch->image);
	if (settings->keep_s == 0 && settings->max_bytes == 0)
		return;
	before_us = clock_real_us();
	if (settings->keep_s > 0 &&
	    settings->keep_s < (uint64_t)before_us / 1000000)
		before_us -= (int64_t)settings->keep_s * 1000000;
	else
		before_us = 0;
	if (store_begin(batch->store) == -1)
		return;
	if (store_remove_before(
		batch->store, before_us, RETIRE_FLOWS, &removed) == -1 ||
	    room_make(batch->store, 0) == -1 ||
	    store_shrink(batch->store) == -1 ||
	    store_commit(batch->store) == -1)
		store_rollback(batch->store);
}

uint64_t
batch_waiting(const struct batch *batch)
{
	return batch->tail - batch->head;
}

uint64_t
batch_losses(const struct batch *batch, enum flow_loss loss)
{
	return batch->lost[loss];
}

uint64_t
batch_written(const struct batch *batch)
{
	return batch->written;
}
