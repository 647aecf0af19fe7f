/* SPDX-License-Identifier: ISC */
/*
 * Owns the connections.  Reads the lengths before questions, which anybody may
 * have written, and nothing of the questions.
 *
 * A connection is active when a whole question has come or bytes of an answer
 * have gone: who sends or reads a byte now and then is idle.
 */
#include "dnsd/tcp.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "dnsd/front.h"
#include "dnsd/unsent.h"
#include "dnsd/wire.h"

#define ACCEPTS_PER_EVENT 64
#define READS_PER_EVENT 8
#define ANSWERS_BYTES 65536 /* not yet sent, then questions wait */
#define SECOND_US 1000000
#define LENGTH_BYTES 2

struct tcp_port {
	int fd;
	uint8_t capture;
	struct tcp *tcp;
	struct event *readable;
};

struct tcp_connection {
	struct tcp *tcp;
	struct client client;
	int fd;	    /* -1: closed, but held */
	int ended;  /* the client sends no more */
	int behind; /* a whole question waits in `in' */
	unsigned int held;
	int64_t active_us;
	struct event *readable, *writable;
	struct unsent out;
	TAILQ_ENTRY(tcp_connection) entry;
	size_t in_used;
	uint8_t in[LENGTH_BYTES + TCP_QUESTION_BYTES];
};

/* The one that was active last is the last. */
TAILQ_HEAD(connections, tcp_connection);

struct tcp {
	struct event_base *base;
	const struct tcp_ops *ops;
	void *ctx;
	uint16_t port;
	unsigned int ports;
	struct tcp_port port_of[FRONT_LISTENERS];
	struct connections open;
	uint32_t count;
	uint64_t accepted; /* those that were closed at once, too */
	struct unsent_memory *memory;
	int paused; /* no descriptor or memory for another client */
	struct event *tick;
	uint8_t answer[LIMIT_DNS_PACKET_BYTES];
};

static void
connection_free(struct tcp_connection *connection)
{
	if (connection->readable != NULL)
		event_free(connection->readable);
	if (connection->writable != NULL)
		event_free(connection->writable);
	free(connection);
}

static void
connection_close(struct tcp_connection *connection)
{
	struct tcp *tcp = connection->tcp;

	if (connection->fd != -1) {
		event_del(connection->readable);
		event_del(connection->writable);
		close(connection->fd);
		connection->fd = -1;
		unsent_drop(tcp->memory, &connection->out);
		TAILQ_REMOVE(&tcp->open, connection, entry);
		tcp->count--;
	}
	if (connection->held == 0)
		connection_free(connection);
}

static void
connection_touch(struct tcp_connection *connection)
{
	struct tcp *tcp = connection->tcp;

	connection->active_us = clock_mono_us();
	TAILQ_REMOVE(&tcp->open, connection, entry);
	TAILQ_INSERT_TAIL(&tcp->open, connection, entry);
}

/* -1 when the connection is broken. */
static int
out_flush(struct tcp_connection *connection)
{
	ssize_t n = unsent_send(
	    connection->tcp->memory, &connection->out, connection->fd);

	if (n == -1)
		return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ||
			       errno == ENOMEM
			   ? 0
			   : -1;
	if (n > 0)
		connection_touch(connection);
	return 0;
}

/* Whether another question may be taken in. */
static int
may_read(const struct tcp_connection *connection)
{
	return connection->held < TCP_WAITING && connection->out.bytes == 0;
}

/* Sends what can be sent, and waits for what must come next. */
static void
connection_go_on(struct tcp_connection *connection)
{
	int reads, writes;

	if (out_flush(connection) == -1)
		goto close;
	reads = may_read(connection);
	writes = connection->out.bytes != 0;
	if (connection->ended && !connection->behind && !writes &&
	    connection->held == 0)
		goto close;
	if ((reads && !connection->ended
		    ? event_add(connection->readable, NULL)
		    : event_del(connection->readable)) == -1 ||
	    (writes ? event_add(connection->writable, NULL)
		    : event_del(connection->writable)) == -1)
		goto close;
	if (reads && connection->behind)
		event_active(connection->readable, EV_READ, 1);
	return;
close:
	connection_close(connection);
}

/*
 * What finds no room is added when what is before it has been sent.  So who
 * reads needs no more than a block of his own, and others that do not read may
 * hold all that is shared.
 */
static int
out_add(struct tcp_connection *connection, const uint8_t *bytes, size_t len)
{
	struct unsent *out = &connection->out;
	size_t before = out->bytes, full;

	while (unsent_add(connection->tcp->memory, out, bytes, len) == -1) {
		full = out->bytes;
		bytes += full - before;
		len -= full - before;
		if (out_flush(connection) == -1 || out->bytes == full)
			return -1;
		before = out->bytes;
	}
	return 0;
}

static int
connection_answer(
    struct tcp_connection *connection, const uint8_t *answer, size_t len)
{
	struct tcp *tcp = connection->tcp;
	uint8_t prefix[LENGTH_BYTES];

	wire_put16(prefix, (unsigned int)len);
	if (out_add(connection, prefix, sizeof(prefix)) == 0 &&
	    out_add(connection, answer, len) == 0)
		return 0;
	tcp->ops->unsent(tcp->ctx, 1);
	return -1;
}

/* Serves whole questions.  -1 when the connection has to end. */
static int
connection_serve(struct tcp_connection *connection)
{
	struct tcp *tcp = connection->tcp;
	size_t at = 0, len, n;

	connection->behind = 0;
	while (
	    connection->fd != -1 && connection->in_used - at >= LENGTH_BYTES) {
		len = wire_get16(connection->in + at);
		if (len > TCP_QUESTION_BYTES)
			return -1;
		if (connection->in_used - at - LENGTH_BYTES < len)
			break;
		connection->behind = connection->held >= TCP_WAITING ||
				     connection->out.bytes >= ANSWERS_BYTES;
		if (connection->behind)
			break;
		at += LENGTH_BYTES;
		n = tcp->ops->serve(tcp->ctx, &connection->client,
		    connection->in + at, len, tcp->answer);
		at += len;
		if (connection->fd == -1 ||
		    (n > 0 &&
			connection_answer(connection, tcp->answer, n) == -1))
			return -1;
		connection_touch(connection);
	}
	memmove(connection->in, connection->in + at, connection->in_used - at);
	connection->in_used -= at;
	return 0;
}

/* -1 when the connection has to end, 0 when there is no more to read. */
static int
connection_receive(struct tcp_connection *connection)
{
	size_t room = sizeof(connection->in) - connection->in_used;
	ssize_t n;

	if (connection->ended || connection->behind)
		return 0;
	n = recv(connection->fd, connection->in + connection->in_used, room,
	    MSG_DONTWAIT);
	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0)
		connection->ended = 1;
	connection->in_used += (size_t)n;
	if (connection_serve(connection) == -1)
		return -1;
	return (size_t)n == room;
}

void
tcp_hold(struct tcp_connection *connection)
{
	connection->held++;
}

/* What was received already may hold questions that had to wait. */
static int
connection_work(struct tcp_connection *connection)
{
	int i, more = 1;

	if (connection_serve(connection) == -1)
		return -1;
	for (i = 0; more && i < READS_PER_EVENT && may_read(connection); i++) {
		more = connection_receive(connection);
		/* What was answered goes before more is taken in. */
		if (more == -1 || out_flush(connection) == -1)
			return -1;
	}
	return 0;
}

/* Serving may end any connection, but one that is held stays in memory. */
static void
connection_read(struct tcp_connection *connection)
{
	struct tcp *tcp = connection->tcp;
	int result;

	tcp->ops->begin(tcp->ctx);
	tcp_hold(connection);
	result = connection_work(connection);
	connection->held--;
	if (result == -1 || connection->fd == -1)
		connection_close(connection);
	else
		connection_go_on(connection);
}

static void
on_readable(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	connection_read(arg);
}

static void
on_writable(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	connection_go_on(arg);
}

void
tcp_release(struct tcp_connection *connection)
{
	if (--connection->held == 0 && connection->fd == -1)
		connection_free(connection);
}

int
tcp_reply(struct tcp_connection *connection, const uint8_t *answer, size_t len)
{
	int result;

	if (connection->fd == -1) {
		tcp_release(connection);
		return -1;
	}
	connection->held--;
	result = connection_answer(connection, answer, len);
	/* Questions that wait are served from the loop, not from here. */
	if (result == -1)
		connection_close(connection);
	else
		connection_go_on(connection);
	return result;
}

static int
is_of(const struct tcp_connection *connection, const struct addr *client)
{
	struct addr other = addr_client(&connection->client.addr);

	return addr_compare(&other, client) == 0;
}

/* How many connections an address has, and the client that it is one of. */
static void
connections_count(const struct tcp *tcp, const struct addr *addr,
    uint32_t *of_host, uint32_t *of_client)
{
	const struct tcp_connection *connection;
	struct addr client = addr_client(addr);

	*of_host = *of_client = 0;
	TAILQ_FOREACH (connection, &tcp->open, entry) {
		*of_host += addr_compare(&connection->client.addr, addr) == 0;
		*of_client += is_of(connection, &client);
	}
}

/*
 * Ends the connection that was idle longest, of that client or, for NULL, of
 * all.  -1 when nobody may go.
 */
static int
make_room(struct tcp *tcp, const struct addr *client)
{
	struct tcp_connection *connection;

	TAILQ_FOREACH (connection, &tcp->open, entry) {
		if (connection->held > 0 ||
		    (client != NULL && !is_of(connection, client)))
			continue;
		connection_close(connection);
		return 0;
	}
	return -1;
}

/*
 * Who has a whole /64 could hold all that there are, each with a question that
 * nobody answers.
 */
static int
room_find(struct tcp *tcp, const struct addr *addr)
{
	struct addr client = addr_client(addr);
	uint32_t of_host, of_client;

	connections_count(tcp, addr, &of_host, &of_client);
	if (of_host >= TCP_CONNECTIONS_HOST)
		return -1;
	if (of_client >= TCP_CONNECTIONS_CLIENT)
		return make_room(tcp, &client);
	return tcp->count < TCP_CONNECTIONS ? 0 : make_room(tcp, NULL);
}

/* -1 when it is none of ours, or has too many. */
static int
client_admit(struct tcp_port *from, int fd, const struct sockaddr_storage *name,
    struct client *client)
{
	struct tcp *tcp = from->tcp;
	struct sockaddr_storage to;
	socklen_t len = sizeof(to);
	uint16_t port;

	memset(client, 0, sizeof(*client));
	if (getsockname(fd, (struct sockaddr *)&to, &len) == -1 ||
	    addr_from_sockaddr(
		(struct sockaddr *)&to, &client->server, &port) == -1 ||
	    addr_from_sockaddr((const struct sockaddr *)name, &client->addr,
		&client->port) == -1 ||
	    port != tcp->port) {
		tcp->ops->stray(tcp->ctx);
		return -1;
	}
	client->transport = DNS_TRANSPORT_TCP;
	client->capture = from->capture;
	return room_find(tcp, &client->addr);
}

/* Takes fd over. */
static void
connection_new(struct tcp_port *port, int fd, struct sockaddr_storage *name)
{
	struct tcp *tcp = port->tcp;
	struct tcp_connection *connection = NULL;
	struct client client;

	if (client_admit(port, fd, name, &client) == -1 ||
	    (connection = malloc(sizeof(*connection))) == NULL)
		goto fail;
	memset(connection, 0, offsetof(struct tcp_connection, in));
	connection->tcp = tcp;
	connection->client = client;
	connection->client.connection = connection;
	connection->fd = fd;
	connection->active_us = clock_mono_us();
	connection->readable = event_new(
	    tcp->base, fd, EV_READ | EV_PERSIST, on_readable, connection);
	connection->writable = event_new(
	    tcp->base, fd, EV_WRITE | EV_PERSIST, on_writable, connection);
	if (connection->readable == NULL || connection->writable == NULL)
		goto fail;
	TAILQ_INSERT_TAIL(&tcp->open, connection, entry);
	tcp->count++;
	/* Its question has mostly come with it. */
	connection_read(connection);
	return;
fail:
	if (connection != NULL)
		connection_free(connection);
	close(fd);
}

static void
pause_all(struct tcp *tcp)
{
	unsigned int i;

	tcp->paused = 1;
	for (i = 0; i < tcp->ports; i++)
		event_del(tcp->port_of[i].readable);
}

static int
is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS ||
	       error == ENOMEM;
}

static void
on_client(int fd, short what, void *arg)
{
	struct tcp_port *port = arg;
	struct sockaddr_storage name;
	socklen_t len;
	int client, i;

	(void)what;
	for (i = 0; i < ACCEPTS_PER_EVENT; i++) {
		len = sizeof(name);
		client = accept4(fd, (struct sockaddr *)&name, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (client != -1) {
			port->tcp->accepted++;
			connection_new(port, client, &name);
			continue;
		}
		/*
		 * One client is there.  Whether more are the kernel only looks
		 * up when it has a descriptor for them.
		 */
		if (i == 0 && is_shortage(errno) &&
		    make_room(port->tcp, NULL) == -1)
			pause_all(port->tcp);
		return;
	}
}

static void
on_tick(int fd, short what, void *arg)
{
	struct tcp *tcp = arg;
	struct tcp_connection *first;
	int64_t idle_us = clock_mono_us() - TCP_IDLE_S * SECOND_US;
	unsigned int i;

	(void)fd;
	(void)what;
	while ((first = TAILQ_FIRST(&tcp->open)) != NULL &&
	       first->active_us <= idle_us) {
		if (first->held > 0)
			connection_touch(first);
		else
			connection_close(first);
	}
	if (!tcp->paused)
		return;
	tcp->paused = 0;
	for (i = 0; i < tcp->ports; i++)
		if (event_add(tcp->port_of[i].readable, NULL) == -1)
			tcp->paused = 1;
}

struct tcp *
tcp_new(struct event_base *base, const struct tcp_ops *ops, void *ctx)
{
	static const struct timeval second = { .tv_sec = 1 };
	struct tcp *tcp = calloc(1, sizeof(*tcp));

	if (tcp == NULL)
		return NULL;
	tcp->base = base;
	tcp->ops = ops;
	tcp->ctx = ctx;
	TAILQ_INIT(&tcp->open);
	tcp->memory = unsent_memory_new(TCP_CONNECTIONS, TCP_UNSENT_BLOCKS);
	tcp->tick = event_new(base, -1, EV_PERSIST, on_tick, tcp);
	if (tcp->memory != NULL && tcp->tick != NULL &&
	    event_add(tcp->tick, &second) == 0)
		return tcp;
	tcp_free(tcp);
	errno = ENOMEM;
	return NULL;
}

void
tcp_set_port(struct tcp *tcp, uint16_t port)
{
	tcp->port = port;
}

int
tcp_listen(struct tcp *tcp, const struct front_listener *listener)
{
	static const int on = 1;
	struct tcp_port *port = &tcp->port_of[tcp->ports];

	if (tcp->ports == FRONT_LISTENERS) {
		close(listener->fd);
		errno = EMFILE;
		return -1;
	}
	/* Answers are small and none waits for another: clients inherit it. */
	(void)setsockopt(
	    listener->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	port->fd = listener->fd;
	port->capture = (uint8_t)listener->capture;
	port->tcp = tcp;
	port->readable = event_new(
	    tcp->base, port->fd, EV_READ | EV_PERSIST, on_client, port);
	if (port->readable != NULL && event_add(port->readable, NULL) == 0) {
		tcp->ports++;
		return 0;
	}
	if (port->readable != NULL)
		event_free(port->readable);
	close(port->fd);
	errno = ENOMEM;
	return -1;
}

uint32_t
tcp_connections(const struct tcp *tcp)
{
	return tcp->count;
}

uint64_t
tcp_accepted(const struct tcp *tcp)
{
	return tcp->accepted;
}

uint32_t
tcp_backlog(const struct tcp *tcp)
{
	struct tcp_info info;
	socklen_t len;
	uint32_t waiting = 0;
	unsigned int i;

	/* Of a listening socket, tcpi_unacked is the length of the backlog. */
	for (i = 0; i < tcp->ports && !tcp->paused; i++) {
		len = sizeof(info);
		if (getsockopt(tcp->port_of[i].fd, IPPROTO_TCP, TCP_INFO, &info,
			&len) == 0)
			waiting += info.tcpi_unacked;
	}
	return waiting;
}

void
tcp_free(struct tcp *tcp)
{
	struct tcp_connection *connection;
	unsigned int i;

	while ((connection = TAILQ_FIRST(&tcp->open)) != NULL) {
		connection->held = 0;
		connection_close(connection);
	}
	for (i = 0; i < tcp->ports; i++) {
		event_free(tcp->port_of[i].readable);
		close(tcp->port_of[i].fd);
	}
	if (tcp->tick != NULL)
		event_free(tcp->tick);
	unsent_memory_free(tcp->memory);
	free(tcp);
}
