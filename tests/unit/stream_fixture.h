/* SPDX-License-Identifier: ISC */
/* Clients of TCP for tests of the front. */
#ifndef TESTS_STREAM_FIXTURE_H
#define TESTS_STREAM_FIXTURE_H

#include "front_fixture.h"

/* A client of TCP, for which the kernel takes so many bytes; 0: as usual. */
static inline int
dial_with(int receive_bytes)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (receive_bytes != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes,
		    sizeof(receive_bytes));
	(void)connect(fd, (struct sockaddr *)&tcp_at, sizeof(tcp_at));
	return fd;
}

static inline int
dial(void)
{
	return dial_with(0);
}

static inline void
send_tcp(int fd, const void *bytes, size_t len)
{
	size_t sent = 0;
	ssize_t n;

	while (sent < len) {
		n = send(
		    fd, (const char *)bytes + sent, len - sent, MSG_NOSIGNAL);
		if (n > 0)
			sent += (size_t)n;
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
}

static inline size_t
framed(uint8_t *to, uint16_t id, const char *name)
{
	dns_begin(&question, id, WIRE_RD, name, WIRE_A);
	wire_put16(to, (unsigned int)question.len);
	memcpy(to + 2, question.bytes, question.len);
	return 2 + question.len;
}

static size_t stream_used;
static uint8_t stream[1 << 20];

/* Whether a whole message has come; it is taken to reply. */
static inline int
has_tcp(int fd)
{
	ssize_t n =
	    recv(fd, stream + stream_used, sizeof(stream) - stream_used, 0);

	if (n > 0)
		stream_used += (size_t)n;
	if (stream_used < 2 || stream_used - 2 < wire_get16(stream))
		return 0;
	reply.len = wire_get16(stream);
	memcpy(reply.bytes, stream + 2, reply.len);
	stream_used -= 2 + reply.len;
	memmove(stream, stream + 2 + reply.len, stream_used);
	return 1;
}

#endif
