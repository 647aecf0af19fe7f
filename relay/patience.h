/* SPDX-License-Identifier: ISC */
/*
 * Short waits that all last equally long, so a queue is in order of deadline
 * and one timer does for all.  Memory is held only by those who wait.
 */
#ifndef RELAY_PATIENCE_H
#define RELAY_PATIENCE_H

#include <stdint.h>

struct event_base;
struct patience;
struct patience_wait;

/* The time is up; the wait is gone.  It may begin and end others. */
typedef void patience_fn(void *ctx);

/* NULL with ENOMEM. */
struct patience *
patience_new(struct event_base *, int64_t limit_us, patience_fn *);

/* NULL with ENOMEM: nobody will come back. */
struct patience_wait *patience_begin(struct patience *, void *ctx);

/* The wait has not ended yet.  NULL is fine. */
void patience_end(struct patience *, struct patience_wait *);

#endif
