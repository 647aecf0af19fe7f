/* SPDX-License-Identifier: ISC */
/* Opens sockets and reads nothing from them. */
#include "relay/udp_server.h"

#include <sys/socket.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/addr.h"
#include "relay/broker.h"
#include "relay/shortage.h"
#include "relay/socks5.h"
#include "relay/udp_associate.h"

/* Takes the socket; gives it back connected, or -1 with errno. */
static int
connect_by(int fd, const struct flow_entry *record)
{
	struct sockaddr_storage name;
	struct addr addr;
	socklen_t len;
	int error;

	memcpy(addr.byte, record->dst, sizeof(addr.byte));
	len = addr_to_sockaddr(&addr, record->dport, &name);
	if (connect(fd, (struct sockaddr *)&name, len) == 0) {
		udp_prepare(fd, name.ss_family);
		return fd;
	}
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static int
direct_open(struct udp_server *server)
{
	struct addr addr;
	int fd;

	memcpy(addr.byte, server->record->dst, sizeof(addr.byte));
	fd = socket(addr_is_v4(&addr) ? AF_INET : AF_INET6,
	    SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return fd == -1 ? -1 : connect_by(fd, server->record);
}

/* What is tried for the server to see the client's address, in this order. */
static const struct attempt {
	enum flow_source source;
	int same_port;
} attempts[] = {
	{ FLOW_SOURCE_CLIENT, 1 },
	{ FLOW_SOURCE_ADDRESS, 0 },
	{ FLOW_SOURCE_HOST, 0 },
};

#define ATTEMPT_ADDRESS 1
#define ATTEMPT_HOST (sizeof(attempts) / sizeof(attempts[0]) - 1)

static void on_socket(void *, int fd, int error);

static struct broker_ask *
client_ask(struct udp_server *server, int same_port)
{
	const struct flow_entry *record = server->record;
	struct broker_flow flow = { .client_port = record->sport,
		.server_port = record->dport };

	memcpy(flow.client.byte, record->src, sizeof(record->src));
	memcpy(flow.server.byte, record->dst, sizeof(record->dst));
	return broker_ask(server->broker, IPC_BROKER_UDP_CLIENT, &flow,
	    same_port ? record->sport : 0, on_socket, server);
}

static int
client_open(struct udp_server *server)
{
	const struct attempt *attempt = &attempts[server->attempt];

	if (attempt->source != FLOW_SOURCE_HOST) {
		server->ask = client_ask(server, attempt->same_port);
		if (server->ask == NULL)
			attempt = &attempts[server->attempt = ATTEMPT_HOST];
	}
	server->record->source = (uint8_t)attempt->source;
	if (attempt->source == FLOW_SOURCE_HOST)
		return direct_open(server);
	errno = EINPROGRESS;
	return -1;
}

/*
 * netctl has answered.  Without a socket the next attempt is made, but for want
 * of anything that would decide by chance whom the server sees.
 */
static void
on_socket(void *ctx, int fd, int error)
{
	struct udp_server *server = ctx;

	server->ask = NULL;
	if (fd != -1) {
		fd = connect_by(fd, server->record);
		error = errno;
	} else if (!shortage_is(error)) {
		/* But for a port that is taken, another one is no help. */
		if (error != EADDRINUSE)
			server->attempt = ATTEMPT_HOST - 1;
		server->attempt++;
		fd = client_open(server);
		error = errno;
		if (fd == -1 && error == EINPROGRESS)
			return;
	}
	server->opened(server->ctx, fd, (unsigned int)error);
}

static void
on_associate(void *ctx, int fd, unsigned int error)
{
	struct udp_server *server = ctx;

	server->opened(server->ctx, fd, error);
}

static int
via_open(struct udp_server *server)
{
	server->associate = udp_associate_new(
	    server->base, server->start, server->record, on_associate, server);
	if (server->associate != NULL)
		errno = EINPROGRESS;
	return -1;
}

void
udp_server_init(struct udp_server *server, struct event_base *base,
    const struct flow_start *start, struct flow_entry *record,
    struct broker *broker, udp_server_fn *opened, void *ctx)
{
	memset(server, 0, sizeof(*server));
	server->open = direct_open;
	server->record = record;
	server->broker = broker;
	server->base = base;
	server->start = start;
	server->opened = opened;
	server->ctx = ctx;
	if (start->upstream != UPSTREAM_NONE)
		server->open = via_open;
	if (start->source != SOURCE_CLIENT)
		return;
	server->open = client_open;
	/*
	 * A socket of this host has its port itself.  If both could have it,
	 * what is sent to the client would come back to the relay.
	 */
	if (start->capture == FLOW_CAPTURE_LOCAL)
		server->attempt = ATTEMPT_ADDRESS;
}

int
udp_server_open(struct udp_server *server)
{
	int fd = server->open(server);

	server->start = NULL;
	return fd;
}

uint32_t
udp_server_descriptors(const struct udp_server *server)
{
	return server->associate != NULL ? 2 : 1;
}

static struct target
target_of(const struct udp_server *server)
{
	struct target target = { .port = server->record->dport };

	memcpy(target.addr.byte, server->record->dst, sizeof(target.addr.byte));
	return target;
}

int
udp_server_send(const struct udp_server *server, int fd,
    const struct udp_packet *packets, int n)
{
	uint8_t head[SOCKS5_REQUEST_BYTES];
	struct target target;

	if (server->associate == NULL)
		return udp_send(fd, packets, n, NULL, 0);
	target = target_of(server);
	return udp_send_headed(
	    fd, packets, n, head, socks5_write_datagram(&target, head));
}

/* -1 when it is not whole, or not from the flow's server. */
static int
packet_strip(const struct target *from, struct udp_packet *packet)
{
	struct addr addr;
	uint16_t port;
	int head = socks5_read_datagram(
	    (const uint8_t *)packet->bytes, packet->len, &addr, &port);

	if (head == -1 || port != from->port ||
	    addr_compare(&addr, &from->addr) != 0)
		return -1;
	packet->bytes += head;
	packet->len -= (size_t)head;
	return 0;
}

int
udp_server_strip(
    const struct udp_server *server, struct udp_packet *packets, int n)
{
	struct target from;
	int i, left = 0;

	if (server->associate == NULL)
		return n;
	from = target_of(server);
	for (i = 0; i < n; i++)
		if (packet_strip(&from, &packets[i]) == 0)
			packets[left++] = packets[i];
	return left;
}

void
udp_server_release(struct udp_server *server)
{
	if (server->ask != NULL)
		broker_cancel(server->ask);
	server->ask = NULL;
	udp_associate_free(server->associate);
	server->associate = NULL;
}
