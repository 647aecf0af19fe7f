/* SPDX-License-Identifier: ISC */
/*
 * Sockets that only a capability can bind, for relays that have none: with the
 * address of a client, to go on to its server as if it were the client; or
 * with that of a server, to answer a client.
 *
 * A relay gets one only for a flow that the kernel knows at that moment: a TCP
 * connection of that client that a relay accepted (sock_diag(7)), or an entry
 * of conntrack for UDP that rules have marked as relayed.
 */
#ifndef NETCTL_BROKER_H
#define NETCTL_BROKER_H

#include <stdint.h>

#include "schema/msg.h"

struct broker;
struct event_base;

/* Whom the broker tells: a relay broke a rule, or asked for what is denied. */
struct broker_listener {
	void (*breach)(void *ctx, uint32_t worker, const char *why);
	void (*denied)(void *ctx, const char *message);
	void *ctx;
};

/* NULL with errno: without memory, or without the kernel's answers. */
struct broker *broker_new(struct event_base *, const struct broker_listener *);

/* The mark mask of the configuration in force. */
void broker_set_mask(struct broker *, uint32_t mask);

/*
 * Takes over one end of a channel to a relay, instead of the one it had.
 * worker is below LIMIT_WORKERS.
 */
void broker_connect(struct broker *, uint32_t worker, int fd);

#endif
