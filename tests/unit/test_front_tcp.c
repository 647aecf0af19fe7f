/* SPDX-License-Identifier: ISC */
/* The same over TCP: many questions, slow and rude clients, bounds. */
#include "dnsd/tcp.h"

#include <sys/resource.h>

#include "front_fixture.h"
#include "stream_fixture.h"

static void
test_tcp_answers_come_as_they_are_ready(void **state)
{
	uint8_t bytes[256];
	int fd = dial();
	size_t len;

	(void)state;
	stream_used = 0;
	learn("known.example", 300);
	len = framed(bytes, 1, "slow.example");
	len += framed(bytes + len, 2, "quick.example");
	len += framed(bytes + len, 3, "known.example");
	send_tcp(fd, bytes, len);
	UNTIL(has_tcp(fd));
	assert_int_equal(wire_get16(reply.bytes), 3);
	assert_int_equal(asks, 3);
	resolve_to(asked_ids[2], "quick.example", 300, 2);
	UNTIL(has_tcp(fd));
	assert_int_equal(wire_get16(reply.bytes), 2);
	resolve_to(asked_ids[1], "slow.example", 300, 1);
	UNTIL(has_tcp(fd));
	assert_int_equal(wire_get16(reply.bytes), 1);
	assert_int_equal(row.transport, DNS_TRANSPORT_TCP);
	close(fd);
}

static void
test_tcp_question_may_come_byte_by_byte(void **state)
{
	uint8_t bytes[256];
	int fd = dial();
	size_t i, len;

	(void)state;
	stream_used = 0;
	learn("known.example", 300);
	len = framed(bytes, 1, "known.example");
	for (i = 0; i < len; i++)
		send_tcp(fd, bytes + i, 1);
	UNTIL(has_tcp(fd));
	assert_int_equal(wire_get16(reply.bytes), 1);
	close(fd);
}

static int
is_closed(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, 0);

	return n == 0 || (n == -1 && errno != EAGAIN);
}

static void
test_tcp_client_that_has_ended_gets_its_answers(void **state)
{
	uint8_t bytes[256];
	int fd = dial();

	(void)state;
	stream_used = 0;
	send_tcp(fd, bytes, framed(bytes, 1, "www.example"));
	UNTIL(asks == 1);
	shutdown(fd, SHUT_WR);
	UNTIL((front_stats(front, &stats), stats.connections == 1));
	event_base_loop(base, EVLOOP_NONBLOCK);
	resolve_to(last_id(), "www.example", 300, 1);
	UNTIL(has_tcp(fd));
	UNTIL(is_closed(fd));
	close(fd);
}

static void
test_tcp_client_that_has_gone_harms_nobody(void **state)
{
	static const struct linger hard = { .l_onoff = 1 };
	uint8_t bytes[256];
	int fd = dial();

	(void)state;
	send_tcp(fd, bytes, framed(bytes, 1, "www.example"));
	UNTIL(asks == 1);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fd);
	UNTIL((front_stats(front, &stats), stats.connections == 0));
	send_udp(2, "www.example", WIRE_A);
	UNTIL((front_stats(front, &stats), stats.questions == 2));
	resolve_to(last_id(), "www.example", 300, 1);
	UNTIL(has_reply());
}

static void
test_tcp_question_too_long_ends_the_connection(void **state)
{
	int fd = dial();

	(void)state;
	send_tcp(fd, "\377\377abc", 5);
	UNTIL(is_closed(fd));
	close(fd);
}

static void
test_tcp_idle_connection_is_closed(void **state)
{
	int fd = dial();

	(void)state;
	send_tcp(fd, "\0", 1);
	UNTIL((front_stats(front, &stats), stats.connections == 1));
	pass(TCP_IDLE_S + 1);
	UNTIL(is_closed(fd));
	close(fd);
}

static void
test_tcp_connections_of_an_address_have_a_bound(void **state)
{
	int fds[TCP_CONNECTIONS_HOST + 1], i, closed = 0;

	(void)state;
	for (i = 0; i <= TCP_CONNECTIONS_HOST; i++)
		fds[i] = dial();
	UNTIL((front_stats(front, &stats),
	    stats.connections == TCP_CONNECTIONS_HOST));
	UNTIL(is_closed(fds[TCP_CONNECTIONS_HOST]));
	for (i = 0; i <= TCP_CONNECTIONS_HOST; i++) {
		closed += is_closed(fds[i]);
		close(fds[i]);
	}
	assert_int_equal(closed, 1);
}

/* Else who only connects, again and again, would have dnsd taken for stuck. */
static void
test_tcp_clients_that_ask_nothing_are_work(void **state)
{
	uint64_t before = front_progress(front);
	int fds[TCP_CONNECTIONS_HOST + 3], i;

	(void)state;
	for (i = 0; i < TCP_CONNECTIONS_HOST + 3; i++)
		fds[i] = dial();
	UNTIL(is_closed(fds[TCP_CONNECTIONS_HOST + 2]));
	assert_int_equal(
	    front_progress(front), before + TCP_CONNECTIONS_HOST + 3);
	while (i-- > 0)
		close(fds[i]);
}

/* No descriptor can be had, and no connection is idle. */
static void
test_tcp_client_that_there_is_no_room_for_does_not_wait(void **state)
{
	struct rlimit before, none;
	int fd = dial();

	(void)state;
	assert_int_equal(front_backlog(front), 1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(front_backlog(front), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	close(fd);
}

/* Answers of some kilobytes, to a client that does not read them yet. */
static void
test_tcp_client_that_does_not_read_is_not_read(void **state)
{
	struct dns_message big;
	struct resolution resolution;
	uint8_t bytes[64];
	size_t len = framed(bytes, 1, "big.example");
	int fd = dial(), got = 0, i;

	(void)state;
	stream_used = 0;
	send_tcp(fd, bytes, len);
	UNTIL(asks == 1);
	dns_begin(&big, 0, WIRE_QR, "big.example", WIRE_A);
	for (i = 0; i < 500; i++)
		dns_a(&big, "big.example", 300, (unsigned int)i);
	resolution = dns_resolution(&big, WIRE_NOERROR);
	resolution.id = last_id();
	front_resolved(front, &resolution);
	for (i = 0; i < 2000; i++)
		if (send(fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
			break;
	UNTIL((got += has_tcp(fd)) == i + 1);
	front_stats(front, &stats);
	assert_int_equal(stats.unsent, 0);
	close(fd);
}

#define RUDE 48	     /* connections, each with LONG_ANSWERS */
#define RUDE_LAST 12 /* with one each */
#define LONG_ANSWERS 4
#define LONG_BYTES 60000
#define TYPE_TXT 16

/* Of connections that come from now on, what the kernel takes for them. */
static void
set_send_buffer(int bytes)
{
	int fd = -1, listens = 0;
	socklen_t len = sizeof(listens);

	while (!listens)
		if (getsockopt(
			++fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == -1)
			listens = 0;
	assert_int_equal(
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
}

static void
ask_long(int fd, uint16_t id)
{
	uint8_t bytes[64];

	dns_begin(&question, id, WIRE_RD, "long.example", TYPE_TXT);
	wire_put16(bytes, (unsigned int)question.len);
	memcpy(bytes + 2, question.bytes, question.len);
	send_tcp(fd, bytes, 2 + question.len);
}

static void
resolve_long(void)
{
	static uint8_t data[LONG_BYTES];
	static struct dns_message message;
	struct resolution resolution;

	dns_begin(&message, 0, WIRE_QR, "long.example", TYPE_TXT);
	dns_record_put(&message, DNS_ANSWER, "long.example", TYPE_TXT, 300,
	    data, sizeof(data));
	resolution = dns_resolution(&message, WIRE_NOERROR);
	resolution.id = last_id();
	front_resolved(front, &resolution);
}

/* Each asks for so many, which leave what there is for those that fill it. */
static int
fill(int fds[], int count, int answers)
{
	uint64_t before;
	int i;
	uint16_t id;

	for (i = 0; i < count; i++) {
		fds[i] = dial_with(1);
		for (id = 0; id < answers; id++)
			ask_long(fds[i], id);
	}
	UNTIL((front_stats(front, &stats),
	    stats.waiting == (uint32_t)(count * answers)));
	before = stats.unsent;
	resolve_long();
	front_stats(front, &stats);
	return stats.unsent > before;
}

static void
test_tcp_clients_that_do_not_read_harm_nobody(void **state)
{
	int fds[RUDE + RUDE_LAST], fd, i;
	uint16_t id;

	(void)state;
	stream_used = 0;
	set_send_buffer(1);
	assert_true(fill(fds, RUDE, LONG_ANSWERS));
	assert_true(fill(fds + RUDE, RUDE_LAST, 1));
	set_send_buffer(1 << 20);
	fd = dial();
	for (id = 0; id < LONG_ANSWERS; id++) {
		ask_long(fd, id);
		UNTIL((front_stats(front, &stats), stats.waiting == 1));
		resolve_long();
		UNTIL(has_tcp(fd));
		assert_true(reply.len > LONG_BYTES);
	}
	close(fd);
	for (i = 0; i < RUDE + RUDE_LAST; i++)
		close(fds[i]);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_tcp_answers_come_as_they_are_ready),
		TEST(test_tcp_question_may_come_byte_by_byte),
		TEST(test_tcp_client_that_has_ended_gets_its_answers),
		TEST(test_tcp_client_that_has_gone_harms_nobody),
		TEST(test_tcp_question_too_long_ends_the_connection),
		TEST(test_tcp_idle_connection_is_closed),
		TEST(test_tcp_connections_of_an_address_have_a_bound),
		TEST(test_tcp_clients_that_ask_nothing_are_work),
		TEST(test_tcp_client_that_there_is_no_room_for_does_not_wait),
		TEST(test_tcp_client_that_does_not_read_is_not_read),
		TEST(test_tcp_clients_that_do_not_read_harm_nobody),
	};

	return cmocka_run_group_tests_name("front_tcp", tests, NULL, NULL);
}
