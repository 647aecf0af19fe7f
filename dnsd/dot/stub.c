/* SPDX-License-Identifier: ISC */
/*
 * Owns the sockets.  Reads what the resolver, or whoever else reaches them,
 * sends.  An asker is a datagram's source, or a stream by its place and the
 * serial that it had then.
 */
#include "dnsd/dot/stub.h"

#include <sys/socket.h>

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dnsd/dot/forward.h"
#include "dnsd/dot/packet.h"

#define LENGTH_BYTES 2
#define DATAGRAMS_AT_ONCE 64
#define STREAM_IDLE_S 10
#define STREAM_OUTPUT_BYTES (4U << 20) /* who reads less fast is cut off */
#define NOT_A_STREAM UINT32_MAX

struct stream {
	struct stub *stub;
	struct bufferevent *connection; /* NULL: free */
	uint32_t serial;
};

struct stub {
	struct event_base *base;
	stub_fn *asked;
	void *ctx;
	int udp;
	int tcp;
	struct event *udp_event;
	struct event *tcp_event;
	uint32_t serial;
	struct stream streams[STUB_STREAMS];
};

static void
pass_on(struct stub *stub, const struct asker *asker, const uint8_t *query,
    size_t len)
{
	if (packet_is_query(query, len))
		stub->asked(stub->ctx, asker, query, len);
}

static void
on_datagrams(int fd, short what, void *arg)
{
	uint8_t query[PACKET_QUERY_BYTES + 1]; /* one more: too long */
	struct stub *stub = arg;
	struct asker asker = { .stream = NOT_A_STREAM };
	ssize_t len;
	int i;

	(void)what;
	for (i = 0; i < DATAGRAMS_AT_ONCE; i++) {
		asker.from_len = sizeof(asker.from);
		len = recvfrom(fd, query, sizeof(query), 0,
		    (struct sockaddr *)&asker.from, &asker.from_len);
		if (len == -1)
			return;
		pass_on(stub, &asker, query, (size_t)len);
	}
}

static void
stream_end(struct stream *stream)
{
	if (stream->connection != NULL)
		bufferevent_free(stream->connection);
	stream->connection = NULL;
}

static void
on_stream(struct bufferevent *connection, void *arg)
{
	struct evbuffer *input = bufferevent_get_input(connection);
	struct stream *stream = arg;
	struct asker asker = { .stream =
				   (uint32_t)(stream - stream->stub->streams),
		.serial = stream->serial };
	uint8_t message[LENGTH_BYTES + PACKET_QUERY_BYTES];
	size_t len;

	while (evbuffer_copyout(input, message, LENGTH_BYTES) == LENGTH_BYTES) {
		len = (size_t)message[0] << 8 | message[1];
		if (len > PACKET_QUERY_BYTES) {
			stream_end(stream);
			return;
		}
		if (evbuffer_get_length(input) < LENGTH_BYTES + len)
			return;
		evbuffer_remove(input, message, LENGTH_BYTES + len);
		pass_on(stream->stub, &asker, message + LENGTH_BYTES, len);
		/* An answer that came at once may have ended it. */
		if (stream->connection != connection)
			return;
	}
}

static void
on_stream_event(struct bufferevent *connection, short what, void *arg)
{
	struct stream *stream = arg;

	(void)connection;
	(void)what;
	stream_end(stream);
}

/* A free place, or that of who came first. */
static struct stream *
place(struct stub *stub)
{
	struct stream *eldest = &stub->streams[0];
	uint32_t i;

	for (i = 0; i < STUB_STREAMS; i++) {
		struct stream *stream = &stub->streams[i];

		if (stream->connection == NULL)
			return stream;
		if (stub->serial - stream->serial >
		    stub->serial - eldest->serial)
			eldest = stream;
	}
	stream_end(eldest);
	return eldest;
}

static void
stream_begin(struct stub *stub, int fd)
{
	static const struct timeval idle = { .tv_sec = STREAM_IDLE_S };
	struct stream *stream = place(stub);

	stream->stub = stub;
	stream->serial = ++stub->serial;
	stream->connection = bufferevent_socket_new(
	    stub->base, fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (stream->connection == NULL) {
		close(fd);
		return;
	}
	bufferevent_setcb(
	    stream->connection, on_stream, NULL, on_stream_event, stream);
	bufferevent_setwatermark(stream->connection, EV_READ, 0,
	    (size_t)4 * (LENGTH_BYTES + PACKET_QUERY_BYTES));
	bufferevent_set_timeouts(stream->connection, &idle, &idle);
	bufferevent_enable(stream->connection, EV_READ | EV_WRITE);
}

/* For want of descriptors the rest waits in the backlog; a stream will end. */
static void
on_connection(int listener, short what, void *arg)
{
	struct stub *stub = arg;
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (fd != -1)
		stream_begin(stub, fd);
	else if (errno == EMFILE || errno == ENFILE)
		stream_end(place(stub));
}

static void
answer_datagram(struct stub *stub, const struct asker *asker, uint8_t *query,
    size_t query_len, const uint8_t *answer, size_t len)
{
	if (len > packet_udp_bytes(query, query_len)) {
		len = packet_refuse(query, query_len, PACKET_NOERROR, 1);
		answer = query;
	}
	/* One that is lost is asked for again. */
	(void)sendto(stub->udp, answer, len, 0,
	    (const struct sockaddr *)&asker->from, asker->from_len);
}

static void
answer_stream(struct stub *stub, const struct asker *asker,
    const uint8_t *answer, size_t len)
{
	struct stream *stream = &stub->streams[asker->stream];
	uint8_t head[LENGTH_BYTES] = { (uint8_t)(len >> 8), (uint8_t)len };
	struct evbuffer *output;

	if (stream->connection == NULL || stream->serial != asker->serial)
		return;
	output = bufferevent_get_output(stream->connection);
	if (evbuffer_get_length(output) > STREAM_OUTPUT_BYTES ||
	    bufferevent_write(stream->connection, head, sizeof(head)) == -1 ||
	    bufferevent_write(stream->connection, answer, len) == -1)
		stream_end(stream);
}

void
stub_answer(struct stub *stub, const struct asker *asker, uint8_t *query,
    size_t query_len, const uint8_t *answer, size_t len)
{
	if (asker->stream == NOT_A_STREAM)
		answer_datagram(stub, asker, query, query_len, answer, len);
	else
		answer_stream(stub, asker, answer, len);
}

struct stub *
stub_new(struct event_base *base, int udp, int tcp, stub_fn *asked, void *ctx)
{
	struct stub *stub = calloc(1, sizeof(*stub));

	if (stub == NULL)
		goto fail;
	stub->base = base;
	stub->asked = asked;
	stub->ctx = ctx;
	stub->udp = udp;
	stub->tcp = tcp;
	stub->udp_event =
	    event_new(base, udp, EV_READ | EV_PERSIST, on_datagrams, stub);
	stub->tcp_event =
	    event_new(base, tcp, EV_READ | EV_PERSIST, on_connection, stub);
	if (stub->udp_event == NULL || stub->tcp_event == NULL ||
	    event_add(stub->udp_event, NULL) == -1 ||
	    event_add(stub->tcp_event, NULL) == -1) {
		stub_free(stub);
		return NULL;
	}
	return stub;
fail:
	close(udp);
	close(tcp);
	return NULL;
}

void
stub_free(struct stub *stub)
{
	uint32_t i;

	if (stub == NULL)
		return;
	for (i = 0; i < STUB_STREAMS; i++)
		stream_end(&stub->streams[i]);
	if (stub->udp_event != NULL)
		event_free(stub->udp_event);
	if (stub->tcp_event != NULL)
		event_free(stub->tcp_event);
	close(stub->udp);
	close(stub->tcp);
	free(stub);
}
