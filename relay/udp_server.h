/* SPDX-License-Identifier: ISC */
/*
 * The server's side of a flow of UDP: a socket that is connected to the server,
 * with this host's address or the client's; or to a SOCKS5 upstream, where
 * datagrams carry the server's address.
 */
#ifndef RELAY_UDP_SERVER_H
#define RELAY_UDP_SERVER_H

#include <stdint.h>

#include "relay/record.h"
#include "relay/udp_packet.h"

struct broker;
struct broker_ask;
struct event_base;
struct udp_associate;

/*
 * What udp_server_open() has begun is done: fd is a connected socket, the
 * callee's from now on; or -1 with error, also when it was there and what it
 * depends on has ended.  Then nothing more is called.
 */
typedef void udp_server_fn(void *ctx, int fd, unsigned int error);

struct udp_server {
	int (*open)(struct udp_server *);
	struct flow_entry *record;
	struct broker *broker;
	struct broker_ask *ask; /* NULL: nothing is asked for */
	struct event_base *base;
	const struct flow_start *start;	 /* until it was opened */
	struct udp_associate *associate; /* NULL: by no upstream */
	uint8_t attempt;		 /* at the client's address */
	udp_server_fn *opened;
	void *ctx;
};

/*
 * Notes in the record, which has to live as long, which way it goes.  The
 * server must stay where it is.
 */
void udp_server_init(struct udp_server *, struct event_base *,
    const struct flow_start *, struct flow_entry *, struct broker *,
    udp_server_fn *opened, void *ctx);

/*
 * A connected socket, or -1 with errno: EINPROGRESS when opened() will be
 * called.
 */
int udp_server_open(struct udp_server *);

#define UDP_SERVER_DESCRIPTORS 2 /* at most */

/* Descriptors that it has or will have, the socket among them. */
uint32_t udp_server_descriptors(const struct udp_server *);

/* As udp_send() to the socket's peer. */
int udp_server_send(
    const struct udp_server *, int fd, const struct udp_packet *, int n);

/* What has come to the socket, as the server sent it: how many are left. */
int udp_server_strip(const struct udp_server *, struct udp_packet *, int n);

/* Nothing is called any more. */
void udp_server_release(struct udp_server *);

#endif
