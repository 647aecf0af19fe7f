/* SPDX-License-Identifier: ISC */
/*
 * Owns the connection, its ids, and what is known of the server.  Reads what
 * the server sends through TLS; believes the length before a message and the
 * id in it only as far as they name something that was asked.
 */
#include "dnsd/dot/server.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "dnsd/dot/packet.h"
#include "dnsd/dot/tls.h"

#define LENGTH_BYTES 2 /* before each message, RFC 1035, 4.2.2 */
#define HEADER_BYTES 12
#define MEDIAN_STEP 16 /* a sixteenth of it */
#define TICK_US 250000

/* The low bits of an id are the place in the table, the others its turn. */
#define ID_PLACE(id) ((id) % SERVER_IN_FLIGHT)

struct asked {
	int64_t sent_us; /* 0: free */
	uint32_t question;
	uint16_t id;
};

struct server {
	struct event_base *base;
	struct tls *tls;
	struct addr addr;
	uint16_t port;
	const char *name;
	const struct server_ops *ops;
	void *ctx;
	struct event *tick;		/* while there is a connection */
	struct bufferevent *connection; /* NULL: none */
	SSL_SESSION *session;
	int is_up;	  /* the handshake is over */
	int has_answered; /* on this connection */
	int64_t since_us; /* the last sign of life, or of being asked */
	int is_silent;	  /* that is why it is aside, or was */
	int64_t aside_until_us;
	int64_t aside_us; /* how long the next time; 0: it is good */
	int64_t median_us;
	uint32_t in_flight;
	uint32_t unanswered; /* forgotten since the last answer */
	uint32_t next;	     /* where to look for a free place */
	struct asked asked[SERVER_IN_FLIGHT];
};

const char *
server_name(const struct server *server)
{
	return server->name;
}

char *
server_address(const struct server *server, char buf[ENDPOINT_TEXT_BYTES])
{
	return endpoint_format(&server->addr, server->port, buf);
}

enum server_standing
server_standing(const struct server *server, int64_t now_us)
{
	if (server->aside_until_us <= now_us)
		return SERVER_GOOD;
	return server->is_silent ? SERVER_SILENT : SERVER_ASIDE;
}

int64_t
server_median_us(const struct server *server)
{
	return server->median_us;
}

/*
 * Ends the connection as TLS wants it, or OpenSSL would not let the session be
 * used again.
 */
static void
disconnect(struct server *server)
{
	SSL *ssl;

	if (server->connection == NULL)
		return;
	ssl = bufferevent_openssl_get_ssl(server->connection);
	if (server->is_up) {
		SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
		(void)SSL_shutdown(ssl);
	}
	bufferevent_free(server->connection);
	server->connection = NULL;
	server->is_up = 0;
	server->has_answered = 0;
	event_del(server->tick);
}

/* Tells those who wait; each may ask again, this server, too. */
static void
lose_all(struct server *server)
{
	uint32_t lost[SERVER_IN_FLIGHT];
	uint32_t count = 0, i;

	for (i = 0; i < SERVER_IN_FLIGHT; i++)
		if (server->asked[i].sent_us != 0) {
			lost[count++] = server->asked[i].question;
			server->asked[i].sent_us = 0;
		}
	server->in_flight = 0;
	for (i = 0; i < count; i++)
		server->ops->lost(server->ctx, server, lost[i]);
}

static void
put_aside(struct server *server, const char *why, int is_silent)
{
	int was_good = server->aside_us == 0;

	disconnect(server);
	server->is_silent = is_silent;
	server->aside_us = was_good ? SERVER_ASIDE_US : server->aside_us * 2;
	if (server->aside_us > SERVER_ASIDE_MOST_US)
		server->aside_us = SERVER_ASIDE_MOST_US;
	server->aside_until_us = clock_mono_us() + server->aside_us;
	server->unanswered = 0;
	if (was_good)
		server->ops->judged(server->ctx, server, why);
	lose_all(server);
}

static void
fail(struct server *server, const char *why)
{
	put_aside(server, why, 0);
}

static void
succeed(struct server *server)
{
	int was_good = server->aside_us == 0;

	server->has_answered = 1;
	server->unanswered = 0;
	server->aside_us = 0;
	server->aside_until_us = 0;
	if (!was_good)
		server->ops->judged(server->ctx, server, NULL);
}

static void
measure(struct server *server, int64_t took_us)
{
	int64_t step = server->median_us / MEDIAN_STEP + 1;

	if (server->median_us == 0)
		server->median_us = took_us;
	else
		server->median_us += took_us > server->median_us ? step : -step;
}

/* Places differ from each other, and a place's ids from one use to the next. */
static struct asked *
place_take(struct server *server)
{
	struct asked *asked;
	uint32_t i;

	for (i = 0; i < SERVER_IN_FLIGHT; i++) {
		server->next = (server->next + 1) % SERVER_IN_FLIGHT;
		asked = &server->asked[server->next];
		if (asked->sent_us != 0)
			continue;
		asked->id = (uint16_t)(asked->id + SERVER_IN_FLIGHT);
		asked->id =
		    (uint16_t)(asked->id - ID_PLACE(asked->id) + server->next);
		server->in_flight++;
		return asked;
	}
	return NULL;
}

static void
place_give(struct server *server, struct asked *asked)
{
	asked->sent_us = 0;
	server->in_flight--;
}

void
server_forget(struct server *server, int id)
{
	struct asked *asked = &server->asked[ID_PLACE((uint16_t)id)];
	int64_t waited_us = clock_mono_us() - asked->sent_us;

	if (asked->sent_us == 0 || asked->id != id)
		return;
	if (waited_us > server->median_us && server->median_us > 0)
		measure(server, waited_us);
	server->unanswered++;
	place_give(server, asked);
}

/* One message, which is the caller's to change; -1: the connection is over. */
static int
take(struct server *server, uint8_t *message, size_t len)
{
	uint16_t id = packet_id(message);
	struct asked *asked = &server->asked[ID_PLACE(id)];
	uint32_t question = asked->question;
	int64_t sent_us = asked->sent_us;

	/* Late, for a question that has been forgotten. */
	if (sent_us == 0 || asked->id != id)
		return 0;
	if (!server->ops->matches(server->ctx, question, message, len)) {
		fail(server, "it answers what it was not asked");
		return -1;
	}
	place_give(server, asked);
	measure(server, server->since_us - sent_us);
	succeed(server);
	server->ops->answer(server->ctx, server, question, message, len);
	return 0;
}

static void
on_read(struct bufferevent *connection, void *arg)
{
	struct evbuffer *input = bufferevent_get_input(connection);
	struct server *server = arg;
	uint8_t head[LENGTH_BYTES];
	size_t len;

	server->since_us = clock_mono_us();
	while (evbuffer_copyout(input, head, sizeof(head)) == LENGTH_BYTES) {
		len = (size_t)head[0] << 8 | head[1];
		if (len < HEADER_BYTES) {
			fail(server, "it sends what is no message");
			return;
		}
		if (evbuffer_get_length(input) < LENGTH_BYTES + len)
			return;
		evbuffer_drain(input, LENGTH_BYTES);
		if (take(server, evbuffer_pullup(input, (ssize_t)len), len) ==
		    -1)
			return;
		/* Who was told may have made the server connect anew. */
		if (server->connection != connection)
			return;
		evbuffer_drain(input, len);
	}
}

static void
on_up(struct server *server)
{
	int fd = bufferevent_getfd(server->connection);
	int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	server->is_up = 1;
	server->since_us = clock_mono_us();
}

static const char *
why_ended(struct bufferevent *connection, short what)
{
	unsigned long error = bufferevent_get_openssl_error(connection);
	const SSL *ssl = bufferevent_openssl_get_ssl(connection);

	if (error == 0 && (what & BEV_EVENT_ERROR) != 0 &&
	    SSL_get_verify_result(ssl) == X509_V_OK)
		return evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR());
	return tls_why(ssl, error);
}

static void
on_event(struct bufferevent *connection, short what, void *arg)
{
	struct server *server = arg;

	if ((what & BEV_EVENT_CONNECTED) != 0) {
		on_up(server);
		return;
	}
	/* A server may close whenever it likes, if it has been of use. */
	if (!server->is_up ||
	    (server->in_flight > 0 && !server->has_answered)) {
		fail(server, why_ended(connection, what));
		return;
	}
	disconnect(server);
	lose_all(server);
}

static void
on_tick(int fd, short what, void *arg)
{
	struct server *server = arg;
	int64_t silent_us = clock_mono_us() - server->since_us;

	(void)fd;
	(void)what;
	if (!server->is_up) {
		if (silent_us > SERVER_CONNECT_US)
			fail(server, "no connection in time");
	} else if (server->in_flight > 0 ||
		   server->unanswered > SERVER_UNANSWERED) {
		if (silent_us > SERVER_SILENCE_US)
			put_aside(server, "no answer in time", 1);
	} else if (silent_us > SERVER_IDLE_US)
		disconnect(server);
}

static int
connect_to(struct server *server)
{
	static const struct timeval tick = { .tv_usec = TICK_US };
	struct sockaddr_storage address;
	socklen_t len = addr_to_sockaddr(&server->addr, server->port, &address);
	SSL *ssl = tls_open(server->tls, server->name, &server->session);

	if (ssl == NULL)
		return -1;
	server->connection = bufferevent_openssl_socket_new(server->base, -1,
	    ssl, BUFFEREVENT_SSL_CONNECTING,
	    BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (server->connection == NULL) {
		SSL_free(ssl);
		return -1;
	}
	bufferevent_setcb(server->connection, on_read, NULL, on_event, server);
	bufferevent_enable(server->connection, EV_READ | EV_WRITE);
	server->since_us = clock_mono_us();
	event_add(server->tick, &tick);
	if (bufferevent_socket_connect(
		server->connection, (struct sockaddr *)&address, (int)len) == 0)
		return 0;
	disconnect(server);
	return -1;
}

static int
send_query(struct server *server, const struct asked *asked,
    const uint8_t *query, size_t len)
{
	uint8_t message[LENGTH_BYTES + PACKET_ROOM_BYTES];

	len = packet_pad(query, len, message + LENGTH_BYTES);
	packet_set_id(message + LENGTH_BYTES, asked->id);
	message[0] = (uint8_t)(len >> 8);
	message[1] = (uint8_t)len;
	return bufferevent_write(
	    server->connection, message, LENGTH_BYTES + len);
}

int
server_ask(
    struct server *server, uint32_t question, const uint8_t *query, size_t len)
{
	int64_t now_us = clock_mono_us();
	struct asked *asked;

	if (server_standing(server, now_us) == SERVER_ASIDE ||
	    (server->connection == NULL && connect_to(server) == -1) ||
	    (asked = place_take(server)) == NULL)
		return -1;
	/* Silence counts from the first of those that wait. */
	if (server->is_up && server->in_flight == 1)
		server->since_us = now_us;
	asked->question = question;
	asked->sent_us = now_us;
	if (send_query(server, asked, query, len) == -1) {
		place_give(server, asked);
		return -1;
	}
	return asked->id;
}

struct server *
server_new(struct event_base *base, struct tls *tls, const struct addr *addr,
    uint16_t port, const char *name, const struct server_ops *ops, void *ctx)
{
	struct server *server = calloc(1, sizeof(*server));

	if (server == NULL)
		return NULL;
	server->base = base;
	server->tls = tls;
	server->addr = *addr;
	server->port = port;
	server->name = name;
	server->ops = ops;
	server->ctx = ctx;
	server->tick = event_new(base, -1, EV_PERSIST, on_tick, server);
	if (server->tick == NULL) {
		free(server);
		return NULL;
	}
	return server;
}

void
server_free(struct server *server)
{
	if (server == NULL)
		return;
	disconnect(server);
	SSL_SESSION_free(server->session);
	event_free(server->tick);
	free(server);
}
