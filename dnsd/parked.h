/* SPDX-License-Identifier: ISC */
/*
 * Answers that are written, and leave when something else is done, or their
 * time is over.  Memory of a fixed size: who finds no room does not wait.
 */
#ifndef DNSD_PARKED_H
#define DNSD_PARKED_H

#include <stddef.h>
#include <stdint.h>

#include "dnsd/client.h"

#define PARKED_MAX 1024
#define PARKED_BYTES (4U << 20)

struct event_base;
struct parked;

/* Sends one; late: its time was over. */
typedef void parked_send_fn(void *ctx, const struct client *,
    const uint8_t *message, size_t len, int late);

/* NULL with ENOMEM. */
struct parked *parked_new(struct event_base *, parked_send_fn *, void *ctx);

/*
 * Copies a message.  number and due_us (CLOCK_MONOTONIC) are not less than
 * those before.  -1: there is no room for it.
 */
int parked_add(struct parked *, const struct client *, const uint8_t *message,
    size_t len, uint64_t number, int64_t due_us);

/* Sends those up to that number. */
void parked_release(struct parked *, uint64_t number);

/* Sends all there are, as late ones. */
void parked_free(struct parked *);

#endif
