/* SPDX-License-Identifier: ISC */
/*
 * Asks netctl for sockets that only a capability can bind: with the address of
 * a flow's client, or of its server (struct msg_broker_ask).  An answer takes
 * as long as another process needs, and comes from the event loop.
 */
#ifndef RELAY_BROKER_H
#define RELAY_BROKER_H

#include <stdint.h>

#include "common/addr.h"
#include "schema/msg.h"

struct broker;
struct broker_ask;
struct event_base;

/*
 * fd is a bound, non-blocking socket, the callee's from now on; or -1 with
 * error: EACCES when netctl knows no such flow, EPIPE when it has ended, EMFILE
 * when this process has no room for another descriptor, or what bind(2) said.
 */
typedef void broker_fn(void *ctx, int fd, int error);

/* client_port and server_port in host order; server: original destination. */
struct broker_flow {
	struct addr client, server;
	uint16_t client_port, server_port;
};

/* NULL without memory. */
struct broker *broker_new(struct event_base *);

/*
 * A new channel to netctl, in place of the one before: what was asked there is
 * answered with EPIPE.  fd is taken over.
 */
void broker_connect(struct broker *, int fd);

/*
 * port: to bind to, or 0 for any.  NULL with errno when it cannot be asked
 * (EPIPE: no netctl now, ENOBUFS: too much has been asked, ENOMEM); answer is
 * not called then.
 */
struct broker_ask *broker_ask(struct broker *, enum ipc_broker,
    const struct broker_flow *, uint16_t port, broker_fn *answer, void *ctx);

/* The answer is no longer wanted; its socket will be closed. */
void broker_cancel(struct broker_ask *);

#endif
