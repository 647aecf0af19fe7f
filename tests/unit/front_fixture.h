/* SPDX-License-Identifier: ISC */
/*
 * The whole front on loopback, with a resolver that is the test itself, for
 * tests of what clients get over UDP and TCP, what is asked, what is logged.
 */
#ifndef TESTS_FRONT_FIXTURE_H
#define TESTS_FRONT_FIXTURE_H

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
#include "dnsd/shares.h"
#include "ipc/loop.h"
#include "policy/binding.h"

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
static struct share_tags asked_for;
static int asks, rows, equal_times, bindings, refuses;
static uint64_t learning; /* what answers wait for, or 0 */
static struct dns_record row;
static struct front_binding binding;
static char bound_aliases[BINDING_ALIASES_BYTES];
static struct addr bound;
static struct question bound_to;
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

static inline int
on_resolve(void *ctx, uint64_t id, const struct question *question,
    const struct share_tags *for_whom)
{
	(void)ctx;
	if (refuses)
		return -1;
	asked_ids[asks++ % 4096] = id;
	asked = *question;
	asked_for = *for_whom;
	return 0;
}

static inline void
on_log(void *ctx, const struct dns_record *record)
{
	(void)ctx;
	rows++;
	equal_times += record->time_us == row.time_us;
	row = *record;
	assert_int_not_equal(
	    dns_record_check(record, dns_record_bytes(record)), 0);
}

static inline void
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

static inline uint64_t
on_learn(void *ctx, const struct front_binding *given)
{
	(void)ctx;
	bindings++;
	binding = *given;
	bound = given->addrs[0];
	bound_to = *given->question;
	memcpy(bound_aliases, given->aliases, sizeof(bound_aliases));
	return learning;
}

/* Those of lan.example. */
static inline int
on_may_be_private(void *ctx, const uint8_t *name, size_t name_bytes)
{
	(void)ctx;
	return name_bytes == 13 && memcmp(name, "\3lan\7example", 13) == 0;
}

static const struct front_ops ops = {
	.resolve = on_resolve,
	.log = on_log,
	.policy = on_policy,
	.may_be_private = on_may_be_private,
	.learn = on_learn,
};

static inline int
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
static inline void
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

static inline int
setup(void **state)
{
	struct front_listener listener = { .family = AF_INET };
	struct sockaddr_in unused;
	int fds[2];

	(void)state;
	skew_us = 0;
	learning = 0;
	asks = rows = equal_times = bindings = refuses = 0;
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

static inline int
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

static inline void
send_udp(uint16_t id, const char *name, uint16_t qtype)
{
	dns_begin(&question, id, WIRE_RD, name, qtype);
	assert_int_equal(
	    send(udp, question.bytes, question.len, 0), question.len);
}

static inline int
has_reply(void)
{
	ssize_t n = recv(udp, reply.bytes, sizeof(reply.bytes), 0);

	if (n == -1)
		return 0;
	reply.len = (size_t)n;
	return 1;
}

static inline unsigned int
rcode(void)
{
	return reply.bytes[3] & 15U;
}

/* The front's clock goes on. */
static inline void
pass(int64_t seconds)
{
	skew_us += seconds * SECOND_US;
}

static inline void
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

static inline void
resolve_fails(uint64_t id)
{
	struct resolution failed = {
		.id = id, .rcode = WIRE_SERVFAIL, .ede = 22
	};

	front_resolved(front, &failed);
}

static inline uint64_t
last_id(void)
{
	return asked_ids[(asks - 1) % 4096];
}

/* A name that is in the cache from now on. */
static inline void
learn(const char *name, uint32_t ttl_s)
{
	int before = asks;

	send_udp(9, name, WIRE_A);
	UNTIL(asks > before);
	resolve_to(last_id(), name, ttl_s, 7);
	UNTIL(has_reply());
}

#endif
