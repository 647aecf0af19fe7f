/* SPDX-License-Identifier: ISC */
/*
 * The whole front on loopback, with a resolver that is this file: what clients
 * get over UDP and TCP, what is asked, what is logged.
 */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "common/clock.h"
#include "dns_fixture.h"
#include "dnsd/front.h"
#include "dnsd/tcp.h"
#include "ipc/loop.h"

#define SECOND_US 1000000LL
#define PATIENCE_S 20 /* of the test; nothing takes that long */

static struct event_base *base;
static struct front *front;
static struct front_settings settings;
static struct front_stats stats;
static struct sockaddr_in udp_at, tcp_at;
static int udp; /* a client */
static int64_t skew_us;

/* What the front has asked, logged and let others know. */
static uint64_t asked_ids[4096];
static struct question asked;
static int asks, rows, bindings, refuses;
static struct dns_record row;
static struct front_binding binding;
static struct addr bound;
static struct front_verdict verdict;
static const char *judged;

/* The clock of the front: the real one, moved. */
int64_t
clock_mono_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND_US + now.tv_nsec / 1000 + skew_us;
}

int64_t
clock_real_us(void)
{
	return clock_mono_us() + 1000 * SECOND_US;
}

static int
on_resolve(void *ctx, uint64_t id, const struct question *question)
{
	(void)ctx;
	if (refuses)
		return -1;
	asked_ids[asks++ % 4096] = id;
	asked = *question;
	return 0;
}

static void
on_log(void *ctx, const struct dns_record *record)
{
	(void)ctx;
	rows++;
	row = *record;
	assert_int_not_equal(
	    dns_record_check(record, dns_record_bytes(record)), 0);
}

static void
on_policy(void *ctx, const struct addr *client, const uint8_t *name,
    size_t name_bytes, uint16_t qtype, struct front_verdict *given)
{
	struct question about = dns_question(judged, 0);

	(void)ctx;
	(void)client;
	(void)qtype;
	if (about.name_bytes == name_bytes &&
	    memcmp(about.name, name, name_bytes) == 0)
		*given = verdict;
}

static void
on_learn(void *ctx, const struct front_binding *given)
{
	(void)ctx;
	bindings++;
	binding = *given;
	bound = given->addrs[0];
}

static const struct front_ops ops = { on_resolve, on_log, on_policy, on_learn };

static int
bound_socket(int type, struct sockaddr_in *at)
{
	struct sockaddr_in any = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(any);
	int fd = socket(AF_INET, type | SOCK_NONBLOCK, 0), on = 1;

	if (type == SOCK_STREAM && at != &udp_at)
		any.sin_port = udp_at.sin_port;
	assert_int_equal(
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) == -1) {
		close(fd);
		return -1;
	}
	assert_int_equal(getsockname(fd, (struct sockaddr *)at, &len), 0);
	return fd;
}

/* One port for both, as netctl has it. */
static void
listen_both(int fds[2])
{
	int on = 1;

	do {
		fds[0] = bound_socket(SOCK_DGRAM, &udp_at);
		fds[1] = bound_socket(SOCK_STREAM, &tcp_at);
		if (fds[1] == -1)
			close(fds[0]);
	} while (fds[1] == -1);
	assert_int_equal(
	    setsockopt(fds[0], IPPROTO_IP, IP_RECVORIGDSTADDR, &on, sizeof(on)),
	    0);
	assert_int_equal(listen(fds[1], 200), 0);
}

static int
setup(void **state)
{
	struct front_listener listener = { .family = AF_INET };
	struct sockaddr_in unused;
	int fds[2];

	(void)state;
	skew_us = 0;
	asks = rows = bindings = refuses = 0;
	judged = "nobody";
	base = ipc_loop_new(0);
	listen_both(fds);
	memset(&settings, 0, sizeof(settings));
	settings.port = ntohs(udp_at.sin_port);
	settings.cache_bytes = 1 << 20;
	front = front_new(base, &ops, NULL, &settings);
	assert_non_null(front);
	listener.fd = fds[0];
	listener.transport = DNS_TRANSPORT_UDP;
	assert_int_equal(front_add_listener(front, &listener), 0);
	listener.fd = fds[1];
	listener.transport = DNS_TRANSPORT_TCP;
	assert_int_equal(front_add_listener(front, &listener), 0);
	front_resolver_ready(front);
	udp = bound_socket(SOCK_DGRAM, &unused);
	assert_int_equal(
	    connect(udp, (struct sockaddr *)&udp_at, sizeof(udp_at)), 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	close(udp);
	front_free(front);
	event_base_free(base);
	return 0;
}

/* Runs the front until something is so. */
#define UNTIL(condition)                                                   \
	do {                                                               \
		int64_t end_us = clock_mono_us() + PATIENCE_S * SECOND_US; \
		while (!(condition)) {                                     \
			assert_true(clock_mono_us() < end_us);             \
			event_base_loop(base, EVLOOP_NONBLOCK);            \
		}                                                          \
	} while (0)

static struct dns_message question, reply;

static void
send_udp(uint16_t id, const char *name, uint16_t qtype)
{
	dns_begin(&question, id, WIRE_RD, name, qtype);
	assert_int_equal(
	    send(udp, question.bytes, question.len, 0), question.len);
}

static int
has_reply(void)
{
	ssize_t n = recv(udp, reply.bytes, sizeof(reply.bytes), 0);

	if (n == -1)
		return 0;
	reply.len = (size_t)n;
	return 1;
}

static unsigned int
rcode(void)
{
	return reply.bytes[3] & 15U;
}

/* The front's clock goes on. */
static void
pass(int64_t seconds)
{
	skew_us += seconds * SECOND_US;
}

static void
resolve_to(uint64_t id, const char *name, uint32_t ttl_s, unsigned int last)
{
	struct dns_message message;
	struct resolution resolution;

	dns_begin(&message, 0, WIRE_QR, name, WIRE_A);
	dns_a(&message, name, ttl_s, last);
	resolution = dns_resolution(&message, WIRE_NOERROR);
	resolution.id = id;
	front_resolved(front, &resolution);
}

static void
resolve_fails(uint64_t id)
{
	struct resolution failed = {
		.id = id, .rcode = WIRE_SERVFAIL, .ede = 22
	};

	front_resolved(front, &failed);
}

static uint64_t
last_id(void)
{
	return asked_ids[(asks - 1) % 4096];
}

/* A name that is in the cache from now on. */
static void
learn(const char *name, uint32_t ttl_s)
{
	int before = asks;

	send_udp(9, name, WIRE_A);
	UNTIL(asks > before);
	resolve_to(last_id(), name, ttl_s, 7);
	UNTIL(has_reply());
}

static void
test_miss_is_asked_and_then_answered_from_the_cache(void **state)
{
	(void)state;
	send_udp(0x1111, "Www.Example", WIRE_A);
	UNTIL(asks == 1);
	assert_memory_equal(asked.name, "\3www\7example", 13);
	assert_int_equal(asked.qtype, WIRE_A);
	assert_false(has_reply());
	resolve_to(last_id(), "www.example", 300, 7);
	UNTIL(has_reply());
	assert_int_equal(wire_get16(reply.bytes), 0x1111);
	assert_memory_equal(reply.bytes + 12, "\3Www\7Example", 13);
	assert_int_equal(reply.bytes[reply.len - 1], 7);
	assert_int_equal(row.source, DNS_SOURCE_RESOLVER);
	pass(100);
	send_udp(0x2222, "wWW.example", WIRE_A);
	UNTIL(has_reply());
	assert_int_equal(asks, 1);
	assert_int_equal(wire_get16(reply.bytes), 0x2222);
	assert_memory_equal(reply.bytes + 12, "\3wWW\7example", 13);
	assert_int_equal(wire_get32(reply.bytes + 35), 200);
	assert_int_equal(row.source, DNS_SOURCE_CACHE);
	pass(200);
	send_udp(0x3333, "www.example", WIRE_A);
	UNTIL(asks == 2);
}

static void
test_row_says_what_was_asked_and_answered(void **state)
{
	struct dns_item item;
	struct addr client;
	struct sockaddr_in name;
	socklen_t len = sizeof(name);
	uint16_t port;
	size_t at = 0;

	(void)state;
	learn("www.example", 300);
	assert_int_equal(rows, 1);
	getsockname(udp, (struct sockaddr *)&name, &len);
	addr_from_sockaddr((struct sockaddr *)&name, &client, &port);
	assert_memory_equal(row.client, client.byte, 16);
	assert_int_equal(row.cport, port);
	assert_memory_equal(row.server, client.byte, 16);
	assert_int_equal(row.qtype, WIRE_A);
	assert_int_equal(row.rcode, 0);
	assert_int_equal(row.ttl_s, 300);
	assert_int_equal(row.security, DNS_SECURITY_INSECURE);
	assert_int_equal(row.transport, DNS_TRANSPORT_UDP);
	assert_int_equal(row.action, FLOW_ACTION_RELAY);
	assert_int_equal(row.answer_count, 1);
	assert_int_equal(dns_record_item(&row, &at, &item), 0);
	assert_memory_equal(item.data, "\300\0\2\7", 4);
	assert_int_equal(bindings, 1);
	assert_int_equal(binding.count, 1);
	assert_int_equal(binding.ttl_s, 300);
	assert_memory_equal(bound.byte + 10, "\377\377\300\0\2\7", 6);
}

static void
test_equal_questions_are_asked_once(void **state)
{
	int replies = 0;

	(void)state;
	send_udp(1, "www.example", WIRE_A);
	send_udp(2, "WWW.example", WIRE_A);
	send_udp(2, "WWW.example", WIRE_A);
	UNTIL(front_progress(front) == 3);
	assert_int_equal(asks, 1);
	front_stats(front, &stats);
	assert_int_equal(stats.waiting, 2);
	resolve_to(last_id(), "www.example", 300, 7);
	UNTIL((replies += has_reply()) == 2);
	front_stats(front, &stats);
	assert_int_equal(stats.waiting, 0);
	assert_int_equal(stats.asked, 0);
}

static void
test_silent_resolver_means_servfail_in_time(void **state)
{
	(void)state;
	send_udp(1, "www.example", WIRE_A);
	UNTIL(asks == 1);
	pass(2);
	UNTIL(has_reply());
	assert_int_equal(rcode(), WIRE_SERVFAIL);
	assert_int_equal(row.ede, WIRE_EDE_NO_AUTHORITY);
	/* What comes after that is of no use. */
	resolve_to(last_id(), "www.example", 300, 7);
	assert_false(has_reply());
}

static void
test_lost_resolver_is_asked_again_when_there_is_one(void **state)
{
	uint64_t lost;

	(void)state;
	send_udp(1, "www.example", WIRE_A);
	UNTIL(asks == 1);
	lost = last_id();
	front_resolver_lost(front);
	send_udp(2, "b.example", WIRE_A);
	UNTIL(front_progress(front) == 2);
	assert_int_equal(asks, 1);
	resolve_to(lost, "www.example", 300, 66);
	assert_false(has_reply());
	front_resolver_ready(front);
	assert_int_equal(asks, 3);
	resolve_to(asked_ids[1], "www.example", 300, 7);
	UNTIL(has_reply());
	assert_int_equal(reply.bytes[reply.len - 1], 7);
}

static void
test_resolver_that_had_no_room_is_asked_again(void **state)
{
	(void)state;
	refuses = 1;
	send_udp(1, "www.example", WIRE_A);
	UNTIL(front_progress(front) == 1);
	refuses = 0;
	UNTIL(asks == 1);
}

static void
test_resolution_about_something_else_is_servfail(void **state)
{
	(void)state;
	send_udp(1, "www.example", WIRE_A);
	UNTIL(asks == 1);
	resolve_to(last_id(), "bank.example", 300, 66);
	UNTIL(has_reply());
	assert_int_equal(rcode(), WIRE_SERVFAIL);
	front_stats(front, &stats);
	assert_int_equal(stats.bad, 1);
	assert_int_equal(bindings, 0);
}

static void
test_stale_answer_is_better_than_none(void **state)
{
	(void)state;
	settings.stale_s = 3600;
	front_configure(front, &settings);
	learn("www.example", 60);
	pass(100);
	send_udp(1, "www.example", WIRE_A);
	UNTIL(asks == 2);
	resolve_fails(last_id());
	UNTIL(has_reply());
	assert_int_equal(rcode(), WIRE_NOERROR);
	assert_int_equal(wire_get32(reply.bytes + 35), 30);
	assert_int_equal(row.source, DNS_SOURCE_STALE);
	assert_int_equal(row.ede, WIRE_EDE_STALE);
	/* For a while nobody tries again; and then again. */
	send_udp(2, "www.example", WIRE_A);
	UNTIL(has_reply());
	assert_int_equal(asks, 2);
	pass(31);
	send_udp(3, "www.example", WIRE_A);
	UNTIL(asks == 3);
	resolve_to(last_id(), "www.example", 300, 8);
	UNTIL(has_reply());
	assert_int_equal(reply.bytes[reply.len - 1], 8);
}

static void
test_failure_is_kept_for_seconds(void **state)
{
	(void)state;
	send_udp(1, "www.example", WIRE_A);
	UNTIL(asks == 1);
	resolve_fails(last_id());
	UNTIL(has_reply());
	send_udp(2, "www.example", WIRE_A);
	UNTIL(has_reply());
	assert_int_equal(rcode(), WIRE_SERVFAIL);
	assert_int_equal(asks, 1);
	pass(6);
	send_udp(3, "www.example", WIRE_A);
	UNTIL(asks == 2);
}

static void
no_such_name(enum dns_security security)
{
	struct dns_message message;
	struct resolution resolution;

	send_udp(1, "no.example", WIRE_A);
	UNTIL(asks == 1);
	dns_begin(&message, 0, WIRE_QR, "no.example", WIRE_A);
	dns_soa(&message, "example", 300, 300);
	resolution = dns_resolution(&message, WIRE_NXDOMAIN);
	resolution.security = security;
	resolution.id = last_id();
	front_resolved(front, &resolution);
	UNTIL(has_reply());
	assert_int_equal(rcode(), WIRE_NXDOMAIN);
}

static void
test_no_such_name_is_for_every_type(void **state)
{
	(void)state;
	no_such_name(DNS_SECURITY_INSECURE);
	send_udp(2, "no.example", WIRE_AAAA);
	UNTIL(has_reply());
	assert_int_equal(rcode(), WIRE_NXDOMAIN);
	assert_int_equal(asks, 1);
	/* Nobody has proven that there is nothing below. */
	send_udp(3, "a.no.example", WIRE_A);
	UNTIL(asks == 2);
}

static void
test_below_a_proven_nothing_is_nothing(void **state)
{
	(void)state;
	no_such_name(DNS_SECURITY_SECURE);
	send_udp(2, "A.b.no.example", WIRE_AAAA);
	UNTIL(has_reply());
	assert_int_equal(rcode(), WIRE_NXDOMAIN);
	assert_memory_equal(reply.bytes + 12, "\1A\1b\2no", 7);
	assert_int_equal(asks, 1);
	send_udp(3, "xno.example", WIRE_A);
	UNTIL(asks == 2);
}

static void
test_policy_answers_by_itself(void **state)
{
	static const struct {
		enum front_answer answer;
		unsigned int rcode;
	} rows_of[] = { { FRONT_NXDOMAIN, WIRE_NXDOMAIN },
		{ FRONT_REFUSED, WIRE_REFUSED }, { FRONT_ZERO, WIRE_NOERROR } };
	size_t i;

	(void)state;
	judged = "ads.example";
	for (i = 0; i < 3; i++) {
		verdict = (struct front_verdict){ rows_of[i].answer, 12, 15 };
		send_udp(1, "Ads.Example", WIRE_A);
		UNTIL(has_reply());
		assert_int_equal(rcode(), rows_of[i].rcode);
		assert_int_equal(row.rule, 12);
		assert_int_equal(row.ede, 15);
		assert_int_equal(row.source, DNS_SOURCE_POLICY);
		assert_int_equal(row.action, FLOW_ACTION_BLOCK);
	}
	assert_int_equal(asks, 0);
	assert_int_equal(bindings, 0);
}

static void
test_alias_of_what_is_blocked_is_blocked(void **state)
{
	struct dns_message message;
	struct resolution resolution;

	(void)state;
	send_udp(1, "www.example", WIRE_A);
	UNTIL(asks == 1);
	dns_begin(&message, 0, WIRE_QR, "www.example", WIRE_A);
	dns_alias(&message, "www.example", 300, "Tracker.Example");
	dns_a(&message, "tracker.example", 300, 7);
	resolution = dns_resolution(&message, WIRE_NOERROR);
	resolution.id = last_id();
	front_resolved(front, &resolution);
	UNTIL(has_reply());
	assert_int_equal(rcode(), WIRE_NOERROR);
	/* A verdict holds for what is in the cache already. */
	judged = "tracker.example";
	verdict = (struct front_verdict){ FRONT_NXDOMAIN, 3, 15 };
	bindings = 0;
	send_udp(2, "www.example", WIRE_A);
	UNTIL(has_reply());
	assert_int_equal(rcode(), WIRE_NXDOMAIN);
	assert_int_equal(row.rule, 3);
	assert_int_equal(bindings, 0);
}

static void
test_flood_of_misses_is_refused_and_not_logged(void **state)
{
	char name[] = "a.example";
	int i;

	(void)state;
	learn("www.example", 300);
	settings.rate_miss = 3;
	front_configure(front, &settings);
	rows = 0;
	for (i = 0; i < 10; i++) {
		name[0] = (char)('a' + i);
		send_udp(1, name, WIRE_A);
	}
	UNTIL(has_reply());
	assert_int_equal(rcode(), WIRE_REFUSED);
	UNTIL(front_progress(front) == 2 + 10);
	assert_int_equal(asks, 1 + 3);
	assert_int_equal(rows, 0);
	front_stats(front, &stats);
	assert_int_equal(stats.limited, 7);
	while (has_reply())
		;
	/* What is in the cache, it still gets. */
	send_udp(2, "www.example", WIRE_A);
	UNTIL(has_reply() && rcode() == WIRE_NOERROR);
}

static void
test_errors_are_answered_and_junk_is_not(void **state)
{
	(void)state;
	assert_int_equal(send(udp, "short", 5, 0), 5);
	dns_begin(&question, 7, WIRE_QR, "www.example", WIRE_A);
	send(udp, question.bytes, question.len, 0);
	dns_begin(&question, 8, 0x2000, "www.example", WIRE_A);
	send(udp, question.bytes, question.len, 0);
	UNTIL(has_reply());
	assert_int_equal(wire_get16(reply.bytes), 8);
	assert_int_equal(rcode(), WIRE_NOTIMP);
	assert_int_equal(reply.len, 12);
	assert_int_equal(row.name_bytes, 0);
	front_stats(front, &stats);
	assert_int_equal(stats.dropped, 2);
}

static void
test_what_was_not_captured_is_dropped(void **state)
{
	(void)state;
	settings.port ^= 1;
	front_configure(front, &settings);
	send_udp(1, "www.example", WIRE_A);
	UNTIL((front_stats(front, &stats), stats.dropped == 1));
	assert_int_equal(asks, 0);
}

/* A client of TCP. */
static int
dial(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	(void)connect(fd, (struct sockaddr *)&tcp_at, sizeof(tcp_at));
	return fd;
}

static void
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

static size_t
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
static int
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
	UNTIL(front_progress(front) == 2);
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
test_tcp_connections_of_a_client_have_a_bound(void **state)
{
	int fds[TCP_CONNECTIONS_CLIENT + 1], i, closed = 0;

	(void)state;
	for (i = 0; i <= TCP_CONNECTIONS_CLIENT; i++)
		fds[i] = dial();
	UNTIL((front_stats(front, &stats),
	    stats.connections == TCP_CONNECTIONS_CLIENT));
	UNTIL(is_closed(fds[TCP_CONNECTIONS_CLIENT]));
	for (i = 0; i <= TCP_CONNECTIONS_CLIENT; i++) {
		closed += is_closed(fds[i]);
		close(fds[i]);
	}
	assert_int_equal(closed, 1);
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

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_miss_is_asked_and_then_answered_from_the_cache),
		TEST(test_row_says_what_was_asked_and_answered),
		TEST(test_equal_questions_are_asked_once),
		TEST(test_silent_resolver_means_servfail_in_time),
		TEST(test_lost_resolver_is_asked_again_when_there_is_one),
		TEST(test_resolver_that_had_no_room_is_asked_again),
		TEST(test_resolution_about_something_else_is_servfail),
		TEST(test_stale_answer_is_better_than_none),
		TEST(test_failure_is_kept_for_seconds),
		TEST(test_no_such_name_is_for_every_type),
		TEST(test_below_a_proven_nothing_is_nothing),
		TEST(test_policy_answers_by_itself),
		TEST(test_alias_of_what_is_blocked_is_blocked),
		TEST(test_flood_of_misses_is_refused_and_not_logged),
		TEST(test_errors_are_answered_and_junk_is_not),
		TEST(test_what_was_not_captured_is_dropped),
		TEST(test_tcp_answers_come_as_they_are_ready),
		TEST(test_tcp_question_may_come_byte_by_byte),
		TEST(test_tcp_client_that_has_ended_gets_its_answers),
		TEST(test_tcp_client_that_has_gone_harms_nobody),
		TEST(test_tcp_question_too_long_ends_the_connection),
		TEST(test_tcp_idle_connection_is_closed),
		TEST(test_tcp_connections_of_a_client_have_a_bound),
		TEST(test_tcp_client_that_does_not_read_is_not_read),
	};

	return cmocka_run_group_tests_name("front", tests, NULL, NULL);
}
