/* SPDX-License-Identifier: ISC */
/*
 * Want of descriptors or memory, from the moment that something failed for it
 * until there is some to spare again.  A relay keeps a reserve of both, which
 * a shortage sets free: for the channels and the configuration that its
 * supervisor may send it meanwhile, and for what the open flows need.
 */
#ifndef RELAY_SHORTAGE_H
#define RELAY_SHORTAGE_H

#include <stdint.h>

#include "schema/msg.h"

struct event_base;
struct shortage;

/* Called when a shortage is over. */
typedef void shortage_over_fn(void *ctx);

/* NULL with errno, also when there is not even the reserve. */
struct shortage *
shortage_new(struct event_base *, shortage_over_fn *, void *ctx);

/* 1 when error is that of a call that failed for want of something. */
int shortage_is(int error);

/* error: one that shortage_is().  Begins a shortage, or goes on with it. */
void shortage_begin(struct shortage *, int error);

/*
 * Looks whether it is over, and says so if it is.  This happens ten times a
 * second by itself, unless there was no memory for the timer.
 */
void shortage_probe(struct shortage *);

/*
 * Descriptors that the limit allows for flows.  Fatal when it is fewer than
 * that.
 */
uint32_t shortage_budget(uint32_t least);

/* What is short, or IPC_LACK_NOTHING. */
enum ipc_lack shortage_kind(const struct shortage *);

#endif
