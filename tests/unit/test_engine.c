/* SPDX-License-Identifier: ISC */
/* What libunbound asks a server that validates, and what it makes of that. */
#include "dnsd/resolver/engine.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <errno.h>
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "dns_fixture.h"
#include "dnsd/serve.h"
#include "policy_fixture.h"

#define DATAGRAM_BYTES 2048
#define WAIT_S 10
#define ELSEWHERE "elsewhere. IN DS 1 8 2 " DIGEST DIGEST DIGEST DIGEST "\n"
#define DIGEST "0123456789ABCDEF"
#define LAST 7 /* of the address that is told */

/* A server on loopback that finds everything forged. */
static struct {
	int fd;
	uint16_t port;
	struct event *event;
	int is_silent;		/* it takes its time without CD */
	unsigned int told;	/* to questions with CD */
	unsigned int asked_for; /* bytes of an answer, by EDNS, at most */
} server;

static struct event_base *base;
static struct engine *engine;
static struct engine_answer got;
static uint8_t packet[LIMIT_DNS_PACKET_BYTES];
static int calls;

/* Behind the question; its name is not compressed. */
static size_t
question_bytes(const uint8_t *query)
{
	size_t at = WIRE_HEADER_BYTES;

	while (query[at] != 0)
		at += 1U + query[at];
	return at + 1 + 4;
}

static void
on_query(int fd, short what, void *arg)
{
	static const uint8_t address[] = { 0xc0, WIRE_HEADER_BYTES, 0, WIRE_A,
		0, WIRE_CLASS_IN, 0, 0, 1, 44, 0, 4, 192, 0, 2, LAST };
	uint8_t message[DATAGRAM_BYTES + sizeof(address)];
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	ssize_t got_bytes = recvfrom(fd, message, DATAGRAM_BYTES, 0,
	    (struct sockaddr *)&from, &from_len);
	unsigned int flags;
	size_t len;

	(void)what;
	(void)arg;
	assert_true(got_bytes > WIRE_HEADER_BYTES);
	flags = wire_get16(message + 2);
	len = question_bytes(message);
	/* OPT is all that comes behind a question. */
	if (wire_get16(message + DNS_ADDITIONAL) != 0 &&
	    wire_get16(message + len + 3) > server.asked_for)
		server.asked_for = wire_get16(message + len + 3);
	memset(message + 6, 0, 6);
	if ((flags & WIRE_CD) == 0) {
		if (server.is_silent)
			return;
		flags |= WIRE_SERVFAIL;
	} else {
		server.told++;
		wire_put16(message + DNS_ANSWER, 1);
		memcpy(message + len, address, sizeof(address));
		len += sizeof(address);
	}
	wire_put16(message + 2, flags | WIRE_QR | WIRE_RA);
	(void)sendto(
	    fd, message, len, 0, (const struct sockaddr *)&from, from_len);
}

static int
setup(void **state)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);

	(void)state;
	base = event_base_new();
	server.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
	    bind(server.fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(
	    getsockname(server.fd, (struct sockaddr *)&addr, &len), 0);
	server.port = ntohs(addr.sin_port);
	server.event =
	    event_new(base, server.fd, EV_READ | EV_PERSIST, on_query, NULL);
	event_add(server.event, NULL);
	server.told = server.asked_for = 0;
	server.is_silent = 0;
	calls = 0;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	engine_free(engine);
	event_free(server.event);
	close(server.fd);
	event_base_free(base);
	return 0;
}

/* It trusts what is built in, or no name but one that is not asked for. */
static void
start(const char *validate, int trusts_root)
{
	char text[200];
	struct conf *conf;
	void *image;
	size_t len;

	(void)snprintf(text, sizeof(text),
	    FIXTURE_CAPTURE "dns forward { 127.0.0.1@%u }\ndns validate %s\n",
	    server.port, validate);
	conf = fixture_conf(text);
	if (!trusts_root)
		conf->dns.trust_anchor.text = strdup(ELSEWHERE);
	assert_int_equal(image_build(conf, 1, &image, &len), 0);
	engine = engine_new(base, image, 0);
	assert_non_null(engine);
	conf_free(conf);
	free(image);
}

static void
on_answer(void *ctx, const struct engine_answer *answer)
{
	(void)ctx;
	calls++;
	got = *answer;
	if (answer->len_bytes > 0)
		memcpy(packet, answer->packet, answer->len_bytes);
	event_base_loopbreak(base);
}

static void
ask(const char *name, int checking_disabled)
{
	static const struct timeval limit = { .tv_sec = WAIT_S };
	struct question asked = dns_question(name, WIRE_A);
	struct engine_question question = { .name = asked.name,
		.name_bytes = asked.name_bytes,
		.qtype = asked.qtype,
		.checking_disabled = checking_disabled };
	int before = calls;

	assert_int_equal(engine_ask(engine, 0, &question, on_answer, NULL), 0);
	event_base_loopexit(base, &limit);
	while (calls == before && !event_base_got_exit(base))
		event_base_dispatch(base);
	assert_int_equal(calls, before + 1);
}

static void
assert_is_told_unchecked(void)
{
	assert_int_equal(got.rcode, 0);
	assert_int_equal(got.security, DNS_SECURITY_NONE);
	assert_int_equal(got.ede, DNS_EDE_NONE);
	assert_int_equal(wire_get16(packet + DNS_ANSWER), 1);
	assert_int_equal(packet[question_bytes(packet) + 15], LAST);
	assert_int_equal(wire_get16(packet + 2) & WIRE_AD, 0);
}

static void
assert_is_told_with_cd(void)
{
	ask("www.example", 1);
	assert_is_told_unchecked();
	ask("1.1.1.10.in-addr.arpa", 1);
	assert_is_told_unchecked();
}

static void
test_what_the_server_finds_forged_is_told_with_cd(void **state)
{
	(void)state;
	start("yes", 1);
	assert_is_told_with_cd();
	ask("www.example", 0);
	assert_int_equal(got.security, DNS_SECURITY_BOGUS);
}

/* RFC 9715: no answer comes in fragments, which others could forge. */
static void
test_a_server_is_asked_for_what_fits_a_packet(void **state)
{
	(void)state;
	start("yes", 1);
	ask("www.example", 0);
	ask("www.example", 1);
	assert_int_equal(server.asked_for, WIRE_UDP_BYTES);
}

static void
assert_server_validates(void)
{
	unsigned int told;

	assert_is_told_with_cd();
	told = server.told;
	ask("www.example", 0);
	assert_int_equal(got.rcode, WIRE_SERVFAIL);
	assert_int_equal(got.len_bytes, 0);
	assert_int_equal(server.told, told);
}

static void
test_the_server_validates_for_who_does_not(void **state)
{
	(void)state;
	start("no", 1);
	assert_server_validates();
}

static void
test_the_server_validates_what_nobody_can_here(void **state)
{
	(void)state;
	start("yes", 0);
	assert_server_validates();
}

static void
test_nobody_waits_for_a_validation_that_he_does_not_want(void **state)
{
	int64_t began_us = clock_mono_us();

	(void)state;
	server.is_silent = 1;
	start("yes", 1);
	ask("www.example", 1);
	assert_is_told_unchecked();
	assert_true(clock_mono_us() - began_us < SERVE_PATIENCE_US);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_what_the_server_finds_forged_is_told_with_cd, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_server_is_asked_for_what_fits_a_packet, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    test_the_server_validates_for_who_does_not, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    test_the_server_validates_what_nobody_can_here, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    test_nobody_waits_for_a_validation_that_he_does_not_want,
		    setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
