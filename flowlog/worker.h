/* SPDX-License-Identifier: ISC */
/*
 * The relays: one channel each, FLOWS in, FLOWS_ACK out once the rows are on
 * disk.  A relay that sends a record it cannot mean is cut off.
 */
#ifndef FLOWLOG_WORKER_H
#define FLOWLOG_WORKER_H

#include <stddef.h>
#include <stdint.h>

#include "flowlog/batch.h"

struct event_base;
struct workers;

/* A relay broke the contract and was cut off; why says which rule. */
typedef void
worker_violation_fn(void *ctx, unsigned int worker, const char *why);

/* NULL with ENOMEM. */
struct workers *workers_new(
    struct event_base *, struct batch *, worker_violation_fn *, void *ctx);
void workers_free(struct workers *);

/*
 * Takes fd over: relay number worker sends its flows there from now on.  A
 * channel it had before is closed.  -1 with errno, fd closed.
 */
int workers_open(struct workers *, unsigned int worker, int fd);

/* Tells relays what is on disk; a batch_done_fn body. */
void workers_done(struct workers *, const struct batch_origin *);

/* What its relay has sent and was not read yet is not read any more. */
void workers_close(struct workers *, unsigned int number);

/* How many channels are open. */
size_t workers_count(const struct workers *);

#endif
