/* SPDX-License-Identifier: ISC */
/*
 * The server's side of a flow of UDP: a socket that is connected to the server,
 * with this host's address or the client's.
 */
#ifndef RELAY_UDP_SERVER_H
#define RELAY_UDP_SERVER_H

#include <stdint.h>

#include "relay/record.h"

struct broker;
struct broker_ask;
struct udp_server;

/*
 * What udp_server_open() has begun is done: fd is a connected socket, the
 * callee's from now on, or -1 with error.
 */
typedef void udp_server_fn(void *ctx, int fd, unsigned int error);

struct udp_server {
	int (*open)(struct udp_server *);
	struct flow_entry *record;
	struct broker *broker;
	struct broker_ask *ask; /* NULL: nothing is asked for */
	uint8_t attempt;	/* at the client's address */
	udp_server_fn *opened;
	void *ctx;
};

/*
 * Notes in the record, which has to live as long, which way it goes.  The
 * server must stay where it is.
 */
void udp_server_init(struct udp_server *, const struct flow_start *,
    struct flow_entry *, struct broker *, udp_server_fn *opened, void *ctx);

/*
 * A connected socket, or -1 with errno: EINPROGRESS when opened() will be
 * called.
 */
int udp_server_open(struct udp_server *);

/* Nothing is called any more. */
void udp_server_release(struct udp_server *);

#endif
