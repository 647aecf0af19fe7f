/* SPDX-License-Identifier: ISC */
/* The way of a question: cache, resolver, policy, limits; over UDP. */
#include "dnsd/parked.h"
#include "front_fixture.h"

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

/* Asks for a service, and has it answered with so many equal hints. */
static void
learn_service(const char *name, const uint8_t addr[4], unsigned int count)
{
	uint8_t data[2 + 1 + 4 + 4 * 64] = { 0, 1, 0, 0, 4 };
	struct resolution resolution;
	struct dns_message message;
	unsigned int i;
	int before = asks;

	wire_put16(data + 5, 4 * count);
	for (i = 0; i < count; i++)
		memcpy(data + 7 + 4 * i, addr, 4);
	send_udp(9, name, WIRE_HTTPS);
	UNTIL(asks > before);
	dns_begin(&message, 0, WIRE_QR, name, WIRE_HTTPS);
	dns_record_put(
	    &message, DNS_ANSWER, name, WIRE_HTTPS, 300, data, 7 + 4 * count);
	resolution = dns_resolution(&message, WIRE_NOERROR);
	resolution.id = last_id();
	front_resolved(front, &resolution);
	UNTIL(has_reply());
}

static void
test_hints_are_addresses_of_the_service_s_host(void **state)
{
	static const uint8_t addr[] = { 192, 0, 2, 8 };

	(void)state;
	learn_service("www.example", addr, 1);
	assert_int_equal(bindings, 1);
	assert_int_equal(binding.count, 1);
	assert_int_equal(binding.ttl_s, 300);
	assert_memory_equal(bound.byte + 10, "\377\377\300\0\2\10", 6);
	assert_memory_equal(bound_to.name, "\3www\7example", 13);
	/* From the cache, and for another port. */
	send_udp(1, "www.example", WIRE_HTTPS);
	UNTIL(has_reply());
	assert_int_equal(bindings, 2);
	learn_service("_8443._https.www.example", addr, 64);
	assert_int_equal(bindings, 3);
	assert_int_equal(binding.count, 16);
	assert_int_equal(bound_to.name_bytes, 13);
	assert_memory_equal(bound_to.name, "\3www\7example", 13);
}

static void
test_private_hints_come_from_names_that_may_have_them(void **state)
{
	static const uint8_t addr[] = { 10, 1, 2, 3 };

	(void)state;
	learn_service("www.example", addr, 1);
	assert_int_equal(bindings, 0);
	assert_int_equal(row.answer_count, 0);
	learn_service("lan.example", addr, 1);
	assert_int_equal(bindings, 1);
	assert_int_equal(row.answer_count, 1);
}

static void
test_no_two_questions_have_one_time(void **state)
{
	int i;

	(void)state;
	learn("www.example", 300);
	for (i = 0; i < 8; i++)
		send_udp(1, "www.example", WIRE_A);
	UNTIL(rows == 9);
	assert_int_equal(equal_times, 0);
}

/* More than go out by one call. */
static void
test_all_who_wait_for_a_name_get_an_answer_of_their_own(void **state)
{
	static uint8_t seen[150];
	int i, replies = 0;

	(void)state;
	for (i = 0; i < 150; i++)
		send_udp((uint16_t)i, "www.example", WIRE_A);
	UNTIL(front_progress(front) == 150);
	resolve_to(last_id(), "www.example", 300, 7);
	memset(seen, 0, sizeof(seen));
	while (replies < 150) {
		UNTIL(has_reply());
		assert_in_range(wire_get16(reply.bytes), 0, 149);
		replies += !seen[wire_get16(reply.bytes)];
		seen[wire_get16(reply.bytes)] = 1;
	}
	assert_int_equal(rows, 150);
	front_stats(front, &stats);
	assert_int_equal(stats.unsent, 0);
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
	/* What has no row of its own is counted. */
	assert_int_equal(stats.repeated, 1);
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
test_policy_answers_by_itself(void **state)
{
	static const struct {
		enum front_answer answer;
		unsigned int rcode;
		unsigned int records;
		uint32_t ttl_s;
	} rows_of[] = { { FRONT_NXDOMAIN, WIRE_NXDOMAIN, 0, 10 },
		{ FRONT_REFUSED, WIRE_REFUSED, 0, DNS_TTL_NONE },
		{ FRONT_ZERO, WIRE_NOERROR, 1, 10 },
		{ FRONT_NODATA, WIRE_NOERROR, 0, 10 } };
	size_t i;

	(void)state;
	judged = "ads.example";
	for (i = 0; i < sizeof(rows_of) / sizeof(rows_of[0]); i++) {
		verdict = (struct front_verdict){ rows_of[i].answer, 12, 15 };
		send_udp(1, "Ads.Example", WIRE_A);
		UNTIL(has_reply());
		assert_int_equal(rcode(), rows_of[i].rcode);
		assert_int_equal(row.answer_count, rows_of[i].records);
		assert_int_equal(row.ttl_s, rows_of[i].ttl_s);
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
	assert_int_equal(bindings, 1);
	assert_memory_equal(bound_to.name, "\3www\7example", 13);
	assert_memory_equal(bound_aliases, "tracker.example\0", 17);
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
	assert_int_equal(reply.len, question.len);
	assert_int_equal(row.name_bytes, 13);
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

static void
test_answers_are_counted_by_source_and_latency(void **state)
{
	uint64_t all = 0;
	unsigned int i;

	(void)state;
	learn("www.example", 300);
	send_udp(1, "www.example", WIRE_A);
	UNTIL(rows == 2);
	send_udp(2, "slow.example", WIRE_A);
	UNTIL(asks == 2);
	skew_us += 700000;
	resolve_to(last_id(), "slow.example", 300, 7);
	UNTIL(rows == 3);
	front_stats(front, &stats);
	assert_int_equal(
	    stats.latency[DNS_SOURCE_RESOLVER].bucket[DNS_LATENCY_1000000], 1);
	assert_true(stats.latency[DNS_SOURCE_RESOLVER].sum_us >= 700000);
	for (i = 0; i < DNS_LATENCY_BUCKETS; i++)
		all += stats.latency[DNS_SOURCE_CACHE].bucket[i];
	assert_int_equal(all, 1);
}

/* The kernel is to know it before the client does. */
static void
test_an_answer_leaves_when_others_have_learned_it(void **state)
{
	(void)state;
	learn("www.example", 300);
	learning = 5;
	send_udp(1, "www.example", WIRE_A);
	UNTIL(bindings == 2);
	front_learned(front, 4);
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_false(has_reply());
	front_learned(front, 5);
	UNTIL(has_reply());
	front_stats(front, &stats);
	assert_int_equal(stats.late, 0);
}

static void
test_an_answer_does_not_wait_for_long(void **state)
{
	int64_t begun_us = clock_mono_us();

	(void)state;
	learning = 1;
	send_udp(1, "www.example", WIRE_A);
	UNTIL(asks == 1);
	resolve_to(last_id(), "www.example", 300, 7);
	UNTIL(has_reply());
	assert_in_range(
	    clock_mono_us() - begun_us, FRONT_LEARN_US, PATIENCE_S * SECOND_US);
	front_stats(front, &stats);
	assert_int_equal(stats.late, 1);
}

static void
test_what_finds_no_room_to_wait_is_sent(void **state)
{
	unsigned int i;

	(void)state;
	learn("www.example", 300);
	learning = 1;
	skew_us = 0;
	/* One more than the front keeps; the last is answered at once. */
	for (i = 0; i < PARKED_MAX; i++) {
		send_udp((uint16_t)i, "www.example", WIRE_A);
		UNTIL(bindings == (int)i + 2);
	}
	front_stats(front, &stats);
	send_udp(0xffff, "www.example", WIRE_A);
	UNTIL(has_reply());
	front_learned(front, 1);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_answer_leaves_when_others_have_learned_it),
		TEST(test_an_answer_does_not_wait_for_long),
		TEST(test_what_finds_no_room_to_wait_is_sent),
		TEST(test_miss_is_asked_and_then_answered_from_the_cache),
		TEST(test_row_says_what_was_asked_and_answered),
		TEST(test_hints_are_addresses_of_the_service_s_host),
		TEST(test_private_hints_come_from_names_that_may_have_them),
		TEST(test_no_two_questions_have_one_time),
		TEST(test_all_who_wait_for_a_name_get_an_answer_of_their_own),
		TEST(test_equal_questions_are_asked_once),
		TEST(test_silent_resolver_means_servfail_in_time),
		TEST(test_lost_resolver_is_asked_again_when_there_is_one),
		TEST(test_resolver_that_had_no_room_is_asked_again),
		TEST(test_resolution_about_something_else_is_servfail),
		TEST(test_answers_are_counted_by_source_and_latency),
		TEST(test_policy_answers_by_itself),
		TEST(test_alias_of_what_is_blocked_is_blocked),
		TEST(test_flood_of_misses_is_refused_and_not_logged),
		TEST(test_errors_are_answered_and_junk_is_not),
		TEST(test_what_was_not_captured_is_dropped),
	};

	return cmocka_run_group_tests_name("front", tests, NULL, NULL);
}
