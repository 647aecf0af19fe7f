/* SPDX-License-Identifier: ISC */
/* Datagrams between real sockets of the loopback interface. */
#include "relay/udp_packet.h"

#include <linux/in6.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int ours, peer; /* connected to each other */
static struct addr loopback;
static uint16_t ours_port, peer_port;

static int
bound(uint16_t *port)
{
	struct sockaddr_storage name;
	socklen_t len = addr_to_sockaddr(&loopback, 0, &name);
	struct addr addr;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&name, len), 0);
	len = sizeof(name);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
	assert_int_equal(
	    addr_from_sockaddr((struct sockaddr *)&name, &addr, port), 0);
	return fd;
}

static void
connect_to(int fd, uint16_t port)
{
	struct sockaddr_storage name;
	socklen_t len = addr_to_sockaddr(&loopback, port, &name);

	assert_int_equal(connect(fd, (struct sockaddr *)&name, len), 0);
}

static int
setup(void **state)
{
	struct prefix prefix;

	(void)state;
	assert_int_equal(prefix_parse("127.0.0.1", &prefix), 0);
	loopback = prefix.addr;
	ours = bound(&ours_port);
	peer = bound(&peer_port);
	connect_to(ours, peer_port);
	connect_to(peer, ours_port);
	udp_prepare(ours, AF_INET);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	close(ours);
	close(peer);
	return 0;
}

/* The peer sends n datagrams, numbered on. */
static void
peer_sends(int n)
{
	static uint8_t number;

	for (; n > 0; n--, number++)
		assert_int_equal(send(peer, &number, 1, 0), 1);
}

/* How many the next call brings; they have the numbers that come next. */
static int
received(uint8_t *alone)
{
	static uint8_t number;
	struct udp_packet *packets;
	int i, n = udp_receive(ours, &packets, alone);

	for (i = 0; i < n; i++) {
		assert_int_equal(packets[i].len, 1);
		assert_int_equal((uint8_t)packets[i].bytes[0], number++);
	}
	return n;
}

static void
test_many_that_wait_come_together(void **state)
{
	uint8_t alone = 0;

	(void)state;
	peer_sends(UDP_BATCH + 5);
	assert_int_equal(received(&alone), UDP_BATCH);
	assert_int_equal(received(&alone), 5);
	peer_sends(2);
	assert_int_equal(received(&alone), 2);
	assert_int_equal(received(&alone), -1);
	assert_int_equal(errno, EAGAIN);
}

static void
test_where_one_came_alone_many_are_asked_for_later(void **state)
{
	uint8_t alone = 0;
	int reads = 0, n;

	(void)state;
	peer_sends(1);
	assert_int_equal(received(&alone), 1);
	peer_sends(60);
	while ((n = received(&alone)) == 1)
		reads++;
	assert_in_range(reads, 1, 20);
	assert_int_equal(n, UDP_BATCH);
	assert_int_equal(received(&alone), 60 - reads - n);
}

static struct udp_packet
packet_of(const char *text, uint16_t segment)
{
	struct udp_packet packet = { .bytes = (char *)(uintptr_t)text,
		.len = strlen(text),
		.segment = segment };

	return packet;
}

static void
peer_gets(const char *text)
{
	char bytes[64];
	ssize_t n = recv(peer, bytes, sizeof(bytes), 0);

	assert_int_equal(n, (ssize_t)strlen(text));
	assert_memory_equal(bytes, text, strlen(text));
}

static void
test_one_and_several_are_sent(void **state)
{
	struct udp_packet packets[] = { packet_of("one", 0),
		packet_of("two", 0) };

	(void)state;
	assert_int_equal(udp_send(ours, packets, 1, NULL, 0), 1);
	assert_int_equal(udp_send(ours, packets, 2, NULL, 0), 2);
	peer_gets("one");
	peer_gets("one");
	peer_gets("two");
}

static void
test_one_goes_to_an_address(void **state)
{
	struct udp_packet packet = packet_of("one", 0);
	uint16_t port;
	int other = bound(&port);

	(void)state;
	connect_to(peer, port);
	assert_int_equal(udp_send(other, &packet, 1, &loopback, peer_port), 1);
	peer_gets("one");
	close(other);
}

static void
test_what_was_gathered_is_sent_apart(void **state)
{
	struct udp_packet packet = packet_of("aabbc", 2);

	(void)state;
	assert_int_equal(udp_packet_count(&packet), 3);
	assert_int_equal(udp_send(ours, &packet, 1, NULL, 0), 1);
	peer_gets("aa");
	peer_gets("bb");
	peer_gets("c");
}

/* A socket as the clients' is, but that it is its own destination. */
static int
listening(uint16_t *port)
{
	static const int on = 1;
	int fd = bound(port);

	assert_int_equal(
	    setsockopt(fd, IPPROTO_IP, IP_RECVORIGDSTADDR, &on, sizeof(on)), 0);
	return fd;
}

/* A client sends so many bytes in one call, cut as the kernel does it. */
static void
client_sends(int fd, uint16_t port, const void *bytes, size_t len, int segment)
{
	struct sockaddr_storage name;
	socklen_t name_len = addr_to_sockaddr(&loopback, port, &name);

	assert_int_equal(
	    setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)),
	    0);
	assert_int_equal(
	    sendto(fd, bytes, len, 0, (struct sockaddr *)&name, name_len),
	    (ssize_t)len);
}

static const struct {
	size_t len;
	int segment;
} bursts[] = { { 10, 0 }, { 10, 10 }, { 3000, 1000 }, { 2001, 1000 },
	{ 1999, 1000 }, { 60, 1 }, { 60000, 1200 } };

#define BURSTS (sizeof(bursts) / sizeof(bursts[0]))

/* What has come of a client's bytes, its ends and lengths being right. */
static size_t
some_come(int fd, const char *sent, size_t segment, uint16_t to, uint16_t from)
{
	struct udp_packet *packets;
	size_t len = 0;
	int i, n = udp_receive_ends(fd, &packets);

	assert_true(n > 0);
	for (i = 0; i < n; i++) {
		assert_int_equal(packets[i].sport, from);
		assert_int_equal(packets[i].dport, to);
		assert_int_equal(addr_compare(&packets[i].src, &loopback), 0);
		assert_int_equal(addr_compare(&packets[i].dst, &loopback), 0);
		assert_memory_equal(
		    packets[i].bytes, sent + len, packets[i].len);
		if (packets[i].segment != 0)
			assert_int_equal(packets[i].segment, segment);
		else
			assert_true(packets[i].len <= segment);
		len += packets[i].len;
	}
	return len;
}

static void
bursts_come(int fd, uint16_t port)
{
	static char sent[60000];
	uint16_t from;
	int client = bound(&from);
	size_t i, at, len, segment;

	for (i = 0; i < sizeof(sent); i++)
		sent[i] = (char)(i * 31 + (i >> 8));
	for (i = 0; i < BURSTS; i++) {
		client_sends(
		    client, port, sent, bursts[i].len, bursts[i].segment);
		segment = bursts[i].segment == 0 ? bursts[i].len
						 : (size_t)bursts[i].segment;
		for (at = 0; at < bursts[i].len; at += len)
			len = some_come(fd, sent + at, segment, port, from);
		assert_int_equal(at, bursts[i].len);
	}
	close(client);
}

static void
test_burst_of_a_client_is_one_packet_with_its_ends(void **state)
{
	struct udp_packet *packets;
	uint16_t port, from[2];
	int fd = listening(&port), clients[2], i;

	(void)state;
	udp_prepare_gathering(fd);
	bursts_come(fd, port);
	/* Those of two are not mixed, and the last one may be shorter. */
	for (i = 0; i < 2; i++) {
		clients[i] = bound(&from[i]);
		client_sends(clients[i], port, "aabbc", 5, 2);
	}
	assert_int_equal(udp_receive_ends(fd, &packets), 2);
	for (i = 0; i < 2; i++) {
		assert_int_equal(packets[i].sport, from[i]);
		assert_int_equal(packets[i].len, 5);
		assert_int_equal(packets[i].segment, 2);
		close(clients[i]);
	}
	close(fd);
}

/* As where the kernel cannot gather. */
static void
test_burst_of_a_client_comes_apart_all_the_same(void **state)
{
	uint16_t port;
	int fd = listening(&port);

	(void)state;
	udp_prepare_gathering(-1);
	bursts_come(fd, port);
	close(fd);
}

static void
test_who_is_not_there_is_told_by_the_next_call(void **state)
{
	struct udp_packet packet = packet_of("one", 0);

	(void)state;
	close(peer);
	assert_int_equal(udp_send(ours, &packet, 1, NULL, 0), 1);
	assert_int_equal(udp_send(ours, &packet, 1, NULL, 0), 0);
	assert_int_equal(errno, ECONNREFUSED);
	udp_discard_errors(ours);
	peer = dup(ours);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_many_that_wait_come_together),
		TEST(test_where_one_came_alone_many_are_asked_for_later),
		TEST(test_one_and_several_are_sent),
		TEST(test_one_goes_to_an_address),
		TEST(test_what_was_gathered_is_sent_apart),
		TEST(test_burst_of_a_client_is_one_packet_with_its_ends),
		TEST(test_burst_of_a_client_comes_apart_all_the_same),
		TEST(test_who_is_not_there_is_told_by_the_next_call),
	};

	return cmocka_run_group_tests_name("udp_packet", tests, NULL, NULL);
}
