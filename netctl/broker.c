/* SPDX-License-Identifier: ISC */
/*
 * Reads what relays ask for, after ipc_accept(), and the kernel's answers.
 *
 * What a hostile relay gains: the address of a client as the source of a new
 * flow, while that client has a flow that a relay of this host took; or the
 * address of a server that such a client speaks to.  It could send whatever it
 * likes in the name of these two anyway, as it relays between them.  Rules let
 * a socket of UDP with a server's address send only what is part of such a
 * flow; one with a client's address nothing that is part of a flow which was
 * not relayed, and to it comes only what answers the socket itself.  For any
 * other address there is no evidence that it could make.  That of TCP is a
 * socket which came by a listener, not one that it connected: rules let nothing
 * connect that came so, nor the listener itself.  That of UDP is a mark of
 * conntrack, which only rules give, to what they have a relay take.
 */
#include "netctl/broker.h"

#include <linux/in6.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/addr.h"
#include "common/clock.h"
#include "ipc/channel.h"
#include "netctl/evidence.h"
#include "policy/mark.h"

#define DENIED_EVERY_US 10000000 /* one event about that, for each relay */

struct peer {
	struct broker *broker;
	struct ipc_channel *channel; /* NULL: none */
	uint32_t worker;
	uint64_t denied;   /* since the last event about it */
	int64_t denied_us; /* of that event; 0: none yet */
};

struct broker {
	struct event_base *base;
	struct broker_listener listener;
	struct evidence *evidence;
	uint32_t mask; /* of marks, as configured */
	struct peer peers[LIMIT_WORKERS];
};

/* What each kind of socket needs. */
static const struct kind {
	int type;
	int is_server; /* its address is the server's */
	uint32_t mark; /* MARK_, of what it sends; 0: none */
	enum verdict (*is_known)(
	    struct evidence *, const struct evidence_flow *);
} kinds[IPC_BROKER_COUNT] = {
	[IPC_BROKER_TCP_CLIENT] = { SOCK_STREAM, 0, MARK_AS_CLIENT,
	    evidence_tcp },
	[IPC_BROKER_UDP_CLIENT] = { SOCK_DGRAM, 0, MARK_AS_CLIENT,
	    evidence_udp },
	[IPC_BROKER_UDP_SERVER] = { SOCK_DGRAM, 1, 0, evidence_udp },
	[IPC_BROKER_UDP_NO_PORT] = { SOCK_DGRAM, 0, MARK_NO_PORT,
	    evidence_udp },
	[IPC_BROKER_UDP_NO_HOST] = { SOCK_DGRAM, 0, MARK_NO_HOST,
	    evidence_udp },
};

/*
 * Several sockets may have one address and port: a client's port serves flows
 * to many servers, and a server's to the clients of many relays.  A port that
 * the kernel chooses is chosen when the socket connects, when both ends are
 * known.  What is transparent needs no IP_FREEBIND: it tells these sockets from
 * those that came by a listener, and a relay's sandbox lets nobody take it off.
 */
static const struct {
	int level;
	int option;
	int family; /* 0: both */
	int any_port;
} options[] = {
	{ SOL_SOCKET, SO_REUSEADDR, 0, 0 },
	{ IPPROTO_IP, IP_TRANSPARENT, AF_INET, 0 },
	{ IPPROTO_IPV6, IPV6_TRANSPARENT, AF_INET6, 0 },
	{ IPPROTO_IP, IP_FREEBIND, AF_INET, 0 },
	{ IPPROTO_IPV6, IPV6_FREEBIND, AF_INET6, 0 },
	{ IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 0, 1 },
};

static int
options_set(int fd, int family, uint16_t port)
{
	static const int on = 1;
	size_t i;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (options[i].family != 0 && options[i].family != family)
			continue;
		if (options[i].any_port && port != 0)
			continue;
		if (setsockopt(fd, options[i].level, options[i].option, &on,
			sizeof(on)) == -1)
			return -1;
	}
	return 0;
}

static int
mark_set(int fd, uint32_t mark)
{
	if (mark == 0)
		return 0;
	return setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
}

/* A bound socket, or -1 with errno. */
static int
socket_make(int type, uint32_t mark, const struct addr *addr, uint16_t port)
{
	struct sockaddr_storage name;
	socklen_t len = addr_to_sockaddr(addr, port, &name);
	int fd, error;

	fd = socket(name.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	if (options_set(fd, name.ss_family, port) == 0 &&
	    mark_set(fd, mark) == 0 &&
	    bind(fd, (struct sockaddr *)&name, len) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static void
flow_of(const struct msg_broker_ask *ask, struct evidence_flow *flow)
{
	memcpy(flow->client.byte, &ask->client_high, 8);
	memcpy(flow->client.byte + 8, &ask->client_low, 8);
	memcpy(flow->server.byte, &ask->server_high, 8);
	memcpy(flow->server.byte + 8, &ask->server_low, 8);
	flow->client_port = ask->client_port;
	flow->server_port = ask->server_port;
}

static void
denied_tell(struct peer *peer, const struct evidence_flow *flow)
{
	char client[ADDR_TEXT_BYTES], server[ADDR_TEXT_BYTES], text[200];
	int64_t now_us = clock_mono_us();

	peer->denied++;
	if (peer->denied_us != 0 && now_us - peer->denied_us < DENIED_EVERY_US)
		return;
	(void)snprintf(text, sizeof(text),
	    "relay %u asked %ju times for a socket of no live flow, the last"
	    " from %s port %u to %s port %u",
	    peer->worker, (uintmax_t)peer->denied,
	    addr_format(&flow->client, client), flow->client_port,
	    addr_format(&flow->server, server), flow->server_port);
	peer->denied = 0;
	peer->denied_us = now_us;
	peer->broker->listener.denied(peer->broker->listener.ctx, text);
}

/* A port of the client's own or any; of a server none but its own. */
static int
port_allowed(const struct kind *kind, const struct msg_broker_ask *ask)
{
	if (kind->is_server)
		return ask->port == ask->server_port;
	return ask->port == 0 || ask->port == ask->client_port;
}

/* The socket, or -1 with errno: EACCES when it is not for this relay. */
static int
grant(struct peer *peer, const struct msg_broker_ask *ask)
{
	const struct kind *kind = &kinds[ask->socket];
	struct evidence_flow flow;

	flow_of(ask, &flow);
	if (addr_is_v4(&flow.client) != addr_is_v4(&flow.server) ||
	    !port_allowed(kind, ask) ||
	    kind->is_known(peer->broker->evidence, &flow) != ALLOW) {
		denied_tell(peer, &flow);
		errno = EACCES;
		return -1;
	}
	return socket_make(kind->type,
	    kind->mark == 0 ? 0 : mark_value(peer->broker->mask, kind->mark),
	    kind->is_server ? &flow.server : &flow.client, ask->port);
}

static void
peer_close(struct peer *peer)
{
	ipc_channel_free(peer->channel);
	peer->channel = NULL;
}

static void
on_end(void *ctx, const char *why)
{
	struct peer *peer = ctx;
	struct broker *broker = peer->broker;

	peer_close(peer);
	if (why != NULL)
		broker->listener.breach(
		    broker->listener.ctx, peer->worker, why);
}

/* -1 with errno when it cannot be passed. */
static int
socket_give(struct peer *peer, uint32_t id, int fd)
{
	struct msg_empty granted = { 0 };
	int sent = IPC_SEND(peer->channel, MSG_BROKER_GRANT, id, &granted, fd);
	int error = errno;

	close(fd);
	errno = error;
	return sent;
}

/* With fd -1 it is denied for errno.  -1 with errno. */
static int
answer(struct peer *peer, uint32_t id, int fd)
{
	struct msg_broker_deny denied = { 0 };

	if (fd != -1) {
		if (socket_give(peer, id, fd) == 0)
			return 0;
		if (errno == ENOBUFS)
			return -1;
	}
	/* Answers have the order of what was asked: none is left out. */
	denied.error = (uint64_t)errno;
	return IPC_SEND(peer->channel, MSG_BROKER_DENY, id, &denied, -1);
}

static void
on_broker_ask(void *ctx, struct ipc_message *message)
{
	struct peer *peer = ctx;
	int fd = grant(peer, message->body);

	/* It asks and does not read. */
	if (answer(peer, message->id, fd) == -1 && errno == ENOBUFS)
		on_end(peer, "answers that are not read");
}

static const struct ipc_handler handlers[] = {
	{ MSG_BROKER_ASK, on_broker_ask },
	{ MSG_NONE, NULL },
};

struct broker *
broker_new(struct event_base *base, const struct broker_listener *listener)
{
	struct broker *broker = calloc(1, sizeof(*broker));
	uint32_t i;

	if (broker == NULL)
		return NULL;
	broker->evidence = evidence_new();
	if (broker->evidence == NULL) {
		free(broker);
		return NULL;
	}
	broker->base = base;
	broker->listener = *listener;
	for (i = 0; i < LIMIT_WORKERS; i++) {
		broker->peers[i].broker = broker;
		broker->peers[i].worker = i;
	}
	return broker;
}

void
broker_set_mask(struct broker *broker, uint32_t mask)
{
	broker->mask = mask;
	evidence_set_mask(broker->evidence, mask);
}

void
broker_connect(struct broker *broker, uint32_t worker, int fd)
{
	struct peer *peer = &broker->peers[worker];

	peer_close(peer);
	peer->channel = ipc_channel_new(
	    broker->base, fd, IPC_NETCTL, IPC_RELAY, handlers, on_end, peer);
	if (peer->channel == NULL) {
		close(fd);
		return;
	}
	ipc_channel_set_phase(peer->channel, IPC_PHASE_RUN);
}
