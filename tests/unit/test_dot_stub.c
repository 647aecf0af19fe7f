/* SPDX-License-Identifier: ISC */
/* The side of the resolver: datagrams, streams, and what is cut or dropped. */
#include "dnsd/dot/stub.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <event2/event.h>

#include "dnsd/dot/forward.h"
#include "dnsd/dot/packet.h"

/* a. A without EDNS */
static const uint8_t sample[] = { 0x12, 0x34, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0,
	1, 'a', 0, 0, 1, 0, 1 };

struct stage {
	struct event_base *base;
	struct stub *stub;
	struct sockaddr_in address;
	size_t answer_bytes;
	int hold; /* answers are not given but kept */
	unsigned int asked;
	struct asker last;
};

static void
answer(struct stage *stage, const struct asker *asker)
{
	uint8_t query[sizeof(sample)], *bytes = calloc(1, stage->answer_bytes);

	assert_non_null(bytes);
	memcpy(query, sample, sizeof(query));
	memcpy(bytes, sample, sizeof(sample));
	bytes[2] |= 0x80;
	stub_answer(stage->stub, asker, query, sizeof(query), bytes,
	    stage->answer_bytes);
	free(bytes);
}

static void
on_asked(void *ctx, const struct asker *asker, const uint8_t *query, size_t len)
{
	struct stage *stage = ctx;

	assert_int_equal(len, sizeof(sample));
	assert_memory_equal(query, sample, len);
	stage->asked++;
	stage->last = *asker;
	if (!stage->hold)
		answer(stage, asker);
}

static int
stage_open(void **state)
{
	struct stage *stage = calloc(1, sizeof(*stage));
	socklen_t len = sizeof(stage->address);
	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), tcp = -1;

	assert_non_null(stage);
	stage->answer_bytes = 100;
	stage->base = event_base_new();
	stage->address.sin_family = AF_INET;
	stage->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	/* the port of one protocol may be taken in the other */
	do {
		if (tcp != -1)
			close(tcp);
		tcp = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		stage->address.sin_port = 0;
		assert_int_equal(
		    bind(tcp, (struct sockaddr *)&stage->address, len), 0);
		getsockname(tcp, (struct sockaddr *)&stage->address, &len);
	} while (bind(udp, (struct sockaddr *)&stage->address, len) == -1);
	assert_int_equal(listen(tcp, STUB_STREAMS + 1), 0);
	stage->stub = stub_new(stage->base, udp, tcp, on_asked, stage);
	assert_non_null(stage->stub);
	*state = stage;
	return 0;
}

static int
stage_close(void **state)
{
	struct stage *stage = *state;

	stub_free(stage->stub);
	(void)event_base_loop(stage->base, EVLOOP_NONBLOCK);
	event_base_free(stage->base);
	free(stage);
	return 0;
}

static int
client(const struct stage *stage, int type)
{
	int fd = socket(AF_INET, type, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)&stage->address,
			     sizeof(stage->address)),
	    0);
	return fd;
}

static void
turn(const struct stage *stage)
{
	static const struct timeval limit = { .tv_usec = 20000 };

	event_base_loopexit(stage->base, &limit);
	event_base_dispatch(stage->base);
}

/* Bytes that came, within a few seconds. */
static size_t
receive(const struct stage *stage, int fd, uint8_t *bytes, size_t room)
{
	ssize_t len = -1;
	int i;

	for (i = 0; i < 200 && len == -1; i++) {
		turn(stage);
		len = recv(fd, bytes, room, MSG_DONTWAIT);
	}
	assert_true(len >= 0);
	return (size_t)len;
}

static void
test_datagram_is_answered(void **state)
{
	struct stage *stage = *state;
	int fd = client(stage, SOCK_DGRAM);
	uint8_t bytes[600];

	assert_int_equal(send(fd, sample, sizeof(sample), 0), sizeof(sample));
	assert_int_equal(receive(stage, fd, bytes, sizeof(bytes)), 100);
	assert_int_equal(bytes[2] & 0x82, 0x80);
	close(fd);
}

static void
test_long_answer_is_cut_in_a_datagram(void **state)
{
	struct stage *stage = *state;
	int fd = client(stage, SOCK_DGRAM);
	uint8_t bytes[600];

	stage->answer_bytes = 513;
	assert_int_equal(send(fd, sample, sizeof(sample), 0), sizeof(sample));
	assert_int_equal(
	    receive(stage, fd, bytes, sizeof(bytes)), sizeof(sample));
	assert_int_equal(bytes[2] & 0x82, 0x82);
	assert_int_equal(packet_id(bytes), 0x1234);
	close(fd);
}

static void
test_what_is_no_query_is_dropped(void **state)
{
	struct stage *stage = *state;
	int fd = client(stage, SOCK_DGRAM);
	uint8_t noise[PACKET_QUERY_BYTES + 100] = { 0 }, bytes[600];

	assert_int_equal(send(fd, sample, sizeof(sample) - 1, 0), 18);
	assert_int_equal(send(fd, noise, sizeof(noise), 0), sizeof(noise));
	assert_int_equal(send(fd, sample, sizeof(sample), 0), sizeof(sample));
	assert_int_equal(receive(stage, fd, bytes, sizeof(bytes)), 100);
	assert_int_equal(stage->asked, 1);
	close(fd);
}

static void
test_stream_carries_several_in_pieces(void **state)
{
	struct stage *stage = *state;
	int fd = client(stage, SOCK_STREAM);
	uint8_t message[2 * (2 + sizeof(sample))] = { 0 }, bytes[600];
	size_t half = sizeof(message) / 2, got = 0;

	message[1] = message[half + 1] = sizeof(sample);
	memcpy(message + 2, sample, sizeof(sample));
	memcpy(message + half + 2, sample, sizeof(sample));
	assert_int_equal(send(fd, message, 5, 0), 5);
	turn(stage);
	assert_int_equal(stage->asked, 0);
	assert_int_equal(
	    send(fd, message + 5, sizeof(message) - 5, 0), sizeof(message) - 5);
	stage->answer_bytes = 600; /* no limit of datagrams */
	while (got < 2 * 602)
		got += receive(stage, fd, bytes, sizeof(bytes));
	assert_int_equal(got, 2 * 602);
	close(fd);
}

static void
test_stream_with_too_long_a_message_ends(void **state)
{
	struct stage *stage = *state;
	int fd = client(stage, SOCK_STREAM);
	uint8_t bytes[2] = { 0xff, 0xff };

	assert_int_equal(send(fd, bytes, sizeof(bytes), 0), 2);
	assert_int_equal(receive(stage, fd, bytes, sizeof(bytes)), 0);
	assert_int_equal(stage->asked, 0);
	close(fd);
}

static void
test_answer_for_a_stream_that_has_left_is_for_nobody(void **state)
{
	uint8_t message[2 + sizeof(sample)] = { 0, sizeof(sample) };
	struct stage *stage = *state;
	int fd = client(stage, SOCK_STREAM);
	uint8_t bytes[600];
	int other;

	stage->hold = 1;
	memcpy(message + 2, sample, sizeof(sample));
	assert_int_equal(
	    send(fd, message, sizeof(message), 0), sizeof(message));
	while (stage->asked == 0)
		turn(stage);
	close(fd);
	turn(stage);
	/* this one gets the place, but not the other's answer */
	other = client(stage, SOCK_STREAM);
	turn(stage);
	answer(stage, &stage->last);
	turn(stage);
	assert_int_equal(recv(other, bytes, sizeof(bytes), MSG_DONTWAIT), -1);
	close(other);
}

static void
test_eldest_stream_makes_room(void **state)
{
	struct stage *stage = *state;
	int fds[STUB_STREAMS + 1], i;
	uint8_t byte;

	for (i = 0; i <= STUB_STREAMS; i++) {
		fds[i] = client(stage, SOCK_STREAM);
		turn(stage);
	}
	assert_int_equal(receive(stage, fds[0], &byte, 1), 0);
	assert_int_equal(recv(fds[1], &byte, 1, MSG_DONTWAIT), -1);
	for (i = 0; i <= STUB_STREAMS; i++)
		close(fds[i]);
}

#define STAGED(test) \
	cmocka_unit_test_setup_teardown(test, stage_open, stage_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STAGED(test_datagram_is_answered),
		STAGED(test_long_answer_is_cut_in_a_datagram),
		STAGED(test_what_is_no_query_is_dropped),
		STAGED(test_stream_carries_several_in_pieces),
		STAGED(test_stream_with_too_long_a_message_ends),
		STAGED(test_answer_for_a_stream_that_has_left_is_for_nobody),
		STAGED(test_eldest_stream_makes_room),
	};

	signal(SIGPIPE, SIG_IGN); /* as the process does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
