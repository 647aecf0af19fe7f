/* SPDX-License-Identifier: ISC */
/*
 * Connects, directly or by way of upstreams.  Whatever an upstream does, it is
 * over by the limit.
 */
#include "relay/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/addr.h"
#include "common/clock.h"
#include "relay/broker.h"
#include "relay/record.h"
#include "relay/shortage.h"
#include "relay/upstream.h"

/* How the server's side gets ready. */
struct server_way {
	int (*open)(struct server *);
	/* The socket is connected. */
	enum server_status (*step)(
	    struct server *, int fd, unsigned int *error);
	int (*again)(struct server *, unsigned int error);
};

/* Takes the socket; gives it back connecting, or -1 with errno. */
static int
connect_by(int fd, const struct addr *addr, uint16_t port)
{
	struct sockaddr_storage name;
	socklen_t len = addr_to_sockaddr(addr, port, &name);
	int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (struct sockaddr *)&name, len) == 0 ||
	    errno == EINPROGRESS)
		return fd;
	on = errno;
	close(fd);
	errno = on;
	return -1;
}

/* A connecting socket, or -1 with errno. */
static int
connect_to(const struct addr *addr, uint16_t port)
{
	int fd = socket(addr_is_v4(addr) ? AF_INET : AF_INET6,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd == -1 ? -1 : connect_by(fd, addr, port);
}

/* What became of connect(2); a socket that can only be written is connected. */
static int
connect_outcome(int fd, short what)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if ((what & (EV_READ | EV_CLOSED)) == 0)
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		return errno;
	return error;
}

static int
direct_open(struct server *server)
{
	struct addr addr;

	memcpy(addr.byte, server->record->dst, sizeof(addr.byte));
	server->due_us = server->limit_us;
	return connect_to(&addr, server->record->dport);
}

static enum server_status
direct_step(struct server *server, int fd, unsigned int *error)
{
	(void)server;
	(void)fd;
	(void)error;
	return SERVER_READY;
}

static int
direct_again(struct server *server, unsigned int error)
{
	(void)server;
	(void)error;
	return 0;
}

static const struct server_way direct = { direct_open, direct_step,
	direct_again };

/* What is tried for the server to see the client's address, in this order. */
static const struct attempt {
	enum flow_source source;
	int same_port;
} attempts[] = {
	{ FLOW_SOURCE_CLIENT, 1 },
	{ FLOW_SOURCE_ADDRESS, 0 },
	{ FLOW_SOURCE_HOST, 0 },
};

#define ATTEMPT_HOST (sizeof(attempts) / sizeof(attempts[0]) - 1)

static void on_socket(void *, int fd, int error);

static int
client_open(struct server *server)
{
	struct flow_entry *record = server->record;
	const struct attempt *attempt = &attempts[server->attempt];
	struct broker_flow flow = { .client_port = record->sport,
		.server_port = record->dport };

	server->due_us = server->limit_us;
	if (attempt->source != FLOW_SOURCE_HOST) {
		memcpy(flow.client.byte, record->src, sizeof(record->src));
		memcpy(flow.server.byte, record->dst, sizeof(record->dst));
		server->ask = broker_ask(server->broker, IPC_BROKER_TCP_CLIENT,
		    &flow, attempt->same_port ? record->sport : 0, on_socket,
		    server);
		if (server->ask == NULL)
			attempt = &attempts[server->attempt = ATTEMPT_HOST];
	}
	record->source = (uint8_t)attempt->source;
	if (attempt->source == FLOW_SOURCE_HOST)
		return direct_open(server);
	errno = EINPROGRESS;
	return -1;
}

/* Somebody else has the address and port, alone or to the same server. */
static int
is_taken(int error)
{
	return error == EADDRINUSE || error == EADDRNOTAVAIL;
}

/* netctl has answered. */
static void
on_socket(void *ctx, int fd, int error)
{
	struct server *server = ctx;
	struct addr addr;

	server->ask = NULL;
	memcpy(addr.byte, server->record->dst, sizeof(addr.byte));
	if (fd != -1) {
		fd = connect_by(fd, &addr, server->record->dport);
		error = errno;
	} else if (!is_taken(error) && !shortage_is(error)) {
		server->attempt = ATTEMPT_HOST - 1;
		error = EADDRINUSE;
	}
	if (fd == -1 && is_taken(error) && server->attempt < ATTEMPT_HOST) {
		server->attempt++;
		fd = client_open(server);
		error = errno;
		if (fd == -1 && error == EINPROGRESS)
			return;
	}
	server->opened(server->ctx, fd, (unsigned int)error);
}

static const struct server_way as_client = { client_open, direct_step,
	direct_again };

/* The last one may take all the time that is left. */
static int64_t
try_due_us(const struct server *server, int64_t now_us)
{
	if (upstreams_all_tried(
		server->upstreams, server->upstream, server->tried) ||
	    now_us + SERVER_TRY_US > server->limit_us)
		return server->limit_us;
	return now_us + SERVER_TRY_US;
}

static int
via_open(struct server *server)
{
	int64_t now_us = clock_mono_us();
	struct addr addr;
	uint16_t port, endpoint;
	int fd;

	errno = 0;
	while ((endpoint = upstreams_choose(server->upstreams, server->upstream,
		    &server->tried, now_us)) != FLOW_UPSTREAM_NONE) {
		server->endpoint = endpoint;
		server->record->upstream = endpoint;
		server->due_us = try_due_us(server, now_us);
		upstreams_address(server->upstreams, endpoint, &addr, &port);
		handshake_begin(&server->handshake,
		    upstreams_kind(server->upstreams, server->upstream));
		fd = connect_to(&addr, port);
		if (fd != -1 || shortage_is(errno))
			return fd;
		upstreams_bad(server->upstreams, endpoint, now_us);
	}
	/* Checks have found nobody there. */
	if (server->tried == 0)
		errno = EHOSTDOWN;
	return -1;
}

static enum server_status
via_step(struct server *server, int fd, unsigned int *error)
{
	struct handshake_terms terms = {
		upstreams_credential(server->upstreams, server->upstream),
		server->record,
		server->host,
		server->bound,
	};
	enum answer_status status =
	    handshake_run(&server->handshake, &terms, fd, error);

	if (status == ANSWER_BAD)
		return SERVER_FAILED;
	if (status == ANSWER_GOOD) {
		upstreams_good(server->upstreams, server->endpoint);
		return SERVER_READY;
	}
	/* The upstream may take its time for the destination. */
	if (handshake_has_asked(&server->handshake))
		server->due_us = server->limit_us;
	return SERVER_WAIT;
}

/* An answer, if a refusal: another address would give the same. */
static int
is_answer(unsigned int error)
{
	return error > FLOW_ERROR_ERRNO_MAX &&
	       error != FLOW_ERROR_NOT_UNDERSTOOD && error != FLOW_ERROR_ENDED;
}

static int
via_again(struct server *server, unsigned int error)
{
	int64_t now_us = clock_mono_us();

	if (is_answer(error)) {
		upstreams_good(server->upstreams, server->endpoint);
		return 0;
	}
	/* It is not to blame for what this host lacks, nor when it waits for
	 * the destination in vain. */
	if (!shortage_is((int)error) &&
	    (error != ETIMEDOUT || !server->connected ||
		!handshake_is_proven(&server->handshake)))
		upstreams_bad(server->upstreams, server->endpoint, now_us);
	return now_us < server->limit_us;
}

static const struct server_way via = { via_open, via_step, via_again };

void
server_init(struct server *server, const struct flow_start *start,
    struct flow_entry *record, struct broker *broker, server_opened_fn *opened,
    void *ctx)
{
	memset(server, 0, sizeof(*server));
	server->upstream = start->upstream;
	server->endpoint = FLOW_UPSTREAM_NONE;
	server->limit_us = record->start_mono_us + SERVER_LIMIT_US;
	server->record = record;
	server->broker = broker;
	server->opened = opened;
	server->ctx = ctx;
	server->way = start->source == SOURCE_CLIENT ? &as_client : &direct;
	if (start->upstream == UPSTREAM_NONE)
		return;
	server->way = &via;
	server->upstreams = upstreams_hold(start->upstreams);
	/* Without memory it is told the address. */
	if (start->host != NULL &&
	    upstreams_names(start->upstreams, start->upstream))
		server->host = strdup(start->host);
}

int
server_open(struct server *server)
{
	server->connected = 0;
	return server->way->open(server);
}

enum server_status
server_step(struct server *server, int fd, short what, unsigned int *error)
{
	if (!server->connected) {
		*error = (unsigned int)connect_outcome(fd, what);
		if (*error != 0)
			return SERVER_FAILED;
		server->connected = 1;
	}
	if (what & EV_CLOSED)
		server->handshake.ended = 1;
	return server->way->step(server, fd, error);
}

int
server_again(struct server *server, unsigned int error)
{
	return server->way->again(server, error);
}

int64_t
server_due_us(const struct server *server)
{
	return server->due_us;
}

void
server_release(struct server *server)
{
	upstreams_release(server->upstreams);
	server->upstreams = NULL;
	free(server->host);
	server->host = NULL;
	if (server->ask != NULL)
		broker_cancel(server->ask);
	server->ask = NULL;
}
