/* SPDX-License-Identifier: ISC */
/*
 * What waits to be written.  Everything that comes within 200 ms, or 1000
 * flows, goes into one transaction.  While the database cannot be written the
 * batch grows to a limit, tries again by itself, and counts what had no room.
 */
#ifndef FLOWLOG_BATCH_H
#define FLOWLOG_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "schema/msg.h"

struct batch;
struct event_base;
struct image;
struct store;

#define BATCH_FLOWS 65536 /* that may wait */
#define BATCH_EVENTS 1024

/* More rows than a relay can lose in its life, and too few to overflow a sum.
 */
#define BATCH_DROPPED_MOST (UINT64_C(1) << 40)

/* Losses that the ledger counts. */
#define LOSS_KERNEL(loss) \
	((loss) >= LOSS_CONNTRACK && (loss) <= LOSS_KERNEL_QUEUE)

/*
 * Who waits for the row: a relay, or the ledger as worker LIMIT_FLOW_WORKER;
 * sequence 0: nobody.
 */
struct batch_origin {
	uint32_t worker;
	uint32_t life;
	uint64_t sequence;
};

/*
 * After a commit: all of this origin up to its sequence is on disk; NULL: all
 * that was ever added is.
 */
typedef void batch_done_fn(void *ctx, const struct batch_origin *);

/* The database turned out to be damaged: batch_set_store() is due. */
typedef void batch_damaged_fn(void *ctx);

/* After a commit: events up to this id are on disk. */
typedef void batch_events_fn(void *ctx, uint32_t id);

/* Whose socket began a flow of this host, or FLOW_UID_NONE. */
typedef uint32_t batch_uid_fn(void *ctx, const struct flow_record *);

struct batch_owner {
	batch_done_fn *done;
	batch_damaged_fn *damaged;
	batch_uid_fn *uid_of;
	batch_events_fn *events_done;
	void *ctx;
};

/* NULL with errno. */
struct batch *batch_new(struct event_base *, const struct batch_owner *);
void batch_free(struct batch *);

/*
 * NULL: keep everything for now.  Counters are read from a store the first
 * time; a later one takes the place of a damaged one.
 */
void batch_set_store(struct batch *, struct store *);

/*
 * The rules to store before the next row, and how long rows are kept.  Both
 * belong to the image, which the caller keeps mapped until the next one; a
 * batch_flush() before that one stores what is still due of this one.
 */
void batch_set_image(struct batch *, const struct image *);

/* Whether one more flow would find room; makes some if that can be. */
int batch_has_room(struct batch *);

/* -1 with ENOBUFS when there is no room: it is counted as lost. */
int batch_add_flow(
    struct batch *, const struct flow_record *, const struct batch_origin *);

/*
 * id 0: an event of this process' own.  Else they come in order; one that is
 * known is not added again, and of those that are missing each is a loss.
 */
void batch_add_event(struct batch *, const struct msg_event *, uint32_t id);

#define BATCH_EVENTS_UNKNOWN UINT32_MAX /* what comes first is the next */

/*
 * Ids up to this one are known already; log_events: the log's count of them
 * when ids began with 1.
 */
void batch_set_events(struct batch *, uint64_t log_events, uint32_t id);

/* How many events with an id the log has counted, of anybody's. */
uint64_t batch_log_events(struct batch *);

void batch_add_loss(struct batch *, enum flow_loss, uint64_t count);

/*
 * A relay's own count of given-up rows since it started; what is new in it
 * becomes a loss, once, also across restarts of this process.  A count beyond
 * BATCH_DROPPED_MOST tells nothing.  ended: the relay is dead, the next one
 * begins at 0.
 */
void batch_relay_dropped(
    struct batch *, unsigned int worker, uint64_t dropped, int ended);

/*
 * The same for what is lost of the kernel's flows: the ledger's own count since
 * it began, of a LOSS_KERNEL().  batch_kernel_known() is where that count has
 * to begin, so that nothing in it is new.
 */
void batch_kernel_lost(struct batch *, enum flow_loss, uint64_t total);
uint64_t batch_kernel_known(const struct batch *, enum flow_loss);

/* Losses that are in the log already, of the time that batch_losses() means. */
void batch_set_lost(struct batch *, enum flow_loss, uint64_t lost);

/* Nothing to write, but somebody waits to hear that all is on disk. */
void batch_touch(struct batch *);

/* Writes all that waits, now.  -1 when some of it still waits. */
int batch_flush(struct batch *);

/* Removes what is too old; to be called now and then. */
void batch_retire(struct batch *);

uint64_t batch_waiting(const struct batch *); /* flows */
/* Since the start, written or not. */
uint64_t batch_losses(const struct batch *, enum flow_loss);
uint64_t batch_written(const struct batch *); /* flows, since the start */

#endif
