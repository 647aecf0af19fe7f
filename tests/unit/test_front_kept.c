/* SPDX-License-Identifier: ISC */
/* What the front keeps: for which questions, and for how long. */
#include "front_fixture.h"

/* Neither id nor letters, nor what EDNS says but DO, nor the transport. */
static void
test_one_answer_is_for_all_forms_of_a_question(void **state)
{
	static const uint8_t cookie[] = { 0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8 };
	static const uint8_t subnet[] = { 0, 8, 0, 7, 0, 1, 24, 0, 192, 0, 2 };
	static const struct {
		const char *name;
		uint16_t flags, udp_bytes;
		const uint8_t *options;
		size_t options_bytes;
	} forms[] = {
		{ "wWw.eXample", WIRE_RD, 0, NULL, 0 },
		{ "www.example", 0, 0, NULL, 0 },
		{ "www.example", WIRE_RD | WIRE_AD, 0, NULL, 0 },
		{ "www.example", WIRE_RD, 512, NULL, 0 },
		{ "www.example", WIRE_RD, 4096, NULL, 0 },
		{ "www.example", WIRE_RD, 1232, cookie, sizeof(cookie) },
		{ "www.example", WIRE_RD, 1232, subnet, sizeof(subnet) },
	};
	size_t i;

	(void)state;
	learn("www.example", 300);
	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		dns_begin(&question, (uint16_t)(0x1000 + i), forms[i].flags,
		    forms[i].name, WIRE_A);
		if (forms[i].udp_bytes != 0)
			dns_edns(&question, forms[i].udp_bytes, 0,
			    forms[i].options, forms[i].options_bytes);
		send(udp, question.bytes, question.len, 0);
		UNTIL(has_reply());
		assert_int_equal(wire_get16(reply.bytes), 0x1000 + i);
		assert_int_equal(row.source, DNS_SOURCE_CACHE);
	}
	assert_int_equal(asks, 1);
	front_stats(front, &stats);
	assert_int_equal(stats.cache_hits, i);
	/* DO and CD want another answer. */
	dns_begin(&question, 1, WIRE_RD, "www.example", WIRE_A);
	dns_edns(&question, 1232, WIRE_DO, NULL, 0);
	send(udp, question.bytes, question.len, 0);
	UNTIL(asks == 2);
	dns_begin(&question, 2, WIRE_RD | WIRE_CD, "www.example", WIRE_A);
	send(udp, question.bytes, question.len, 0);
	UNTIL(asks == 3);
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

/* Who forges would have the old one live on. */
static void
test_forged_answer_is_told_though_there_is_a_stale_one(void **state)
{
	struct resolution forged = { .rcode = WIRE_NOERROR,
		.ede = DNS_EDE_NONE,
		.security = DNS_SECURITY_BOGUS };

	(void)state;
	settings.stale_s = 3600;
	front_configure(front, &settings);
	learn("www.example", 60);
	pass(100);
	send_udp(1, "www.example", WIRE_A);
	UNTIL(asks == 2);
	forged.id = last_id();
	front_resolved(front, &forged);
	UNTIL(has_reply());
	assert_int_equal(rcode(), WIRE_SERVFAIL);
	assert_int_equal(row.source, DNS_SOURCE_RESOLVER);
	assert_int_equal(row.ede, WIRE_EDE_BOGUS);
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
test_failure_for_want_of_room_is_not_kept(void **state)
{
	struct resolution resolution = { .rcode = WIRE_SERVFAIL,
		.ede = WIRE_EDE_NOT_READY };

	(void)state;
	send_udp(1, "www.example", WIRE_A);
	UNTIL(asks == 1);
	resolution.id = last_id();
	front_resolved(front, &resolution);
	UNTIL(has_reply());
	assert_int_equal(rcode(), WIRE_SERVFAIL);
	send_udp(2, "www.example", WIRE_A);
	UNTIL(asks == 2);
}

static void
no_such_name(enum dns_security security, uint32_t ttl_s)
{
	struct dns_message message;
	struct resolution resolution;

	send_udp(1, "no.example", WIRE_A);
	UNTIL(asks == 1);
	dns_begin(&message, 0, WIRE_QR, "no.example", WIRE_A);
	dns_soa(&message, "example", ttl_s, ttl_s);
	resolution = dns_resolution(&message, WIRE_NXDOMAIN);
	resolution.security = security;
	resolution.id = last_id();
	front_resolved(front, &resolution);
	UNTIL(has_reply());
	assert_int_equal(rcode(), WIRE_NXDOMAIN);
}

/* A day, and an hour where there is nothing, if the settings say no other. */
static void
test_no_time_is_longer_than_its_limit(void **state)
{
	(void)state;
	no_such_name(DNS_SECURITY_INSECURE, 1000000);
	assert_int_equal(row.ttl_s, 3600);
	pass(3590);
	send_udp(2, "no.example", WIRE_A);
	UNTIL(has_reply());
	assert_in_range(row.ttl_s, 1, 10);
	pass(10);
	send_udp(3, "no.example", WIRE_A);
	UNTIL(asks == 2);
	learn("www.example", 1000000);
	assert_int_equal(wire_get32(reply.bytes + 35), 86400);
	pass(86390);
	send_udp(4, "www.example", WIRE_A);
	UNTIL(has_reply());
	assert_in_range(wire_get32(reply.bytes + 35), 1, 10);
	pass(10);
	send_udp(5, "www.example", WIRE_A);
	UNTIL(asks == 4);
}

static void
test_no_such_name_is_for_every_type(void **state)
{
	(void)state;
	no_such_name(DNS_SECURITY_INSECURE, 300);
	send_udp(2, "no.example", WIRE_AAAA);
	UNTIL(has_reply());
	assert_int_equal(rcode(), WIRE_NXDOMAIN);
	assert_int_equal(asks, 1);
	/* Nobody has proven that there is nothing below. */
	send_udp(3, "a.no.example", WIRE_A);
	UNTIL(asks == 2);
}

/* The alias is there, with other types and names below (RFC 6604, 2.2). */
static void
test_no_such_name_says_nothing_of_its_alias(void **state)
{
	struct dns_message message;
	struct resolution resolution;

	(void)state;
	send_udp(1, "www.example", WIRE_A);
	UNTIL(asks == 1);
	dns_begin(&message, 0, WIRE_QR, "www.example", WIRE_A);
	dns_alias(&message, "www.example", 300, "no.example");
	dns_soa(&message, "example", 300, 300);
	resolution = dns_resolution(&message, WIRE_NXDOMAIN);
	resolution.security = DNS_SECURITY_SECURE;
	resolution.id = last_id();
	front_resolved(front, &resolution);
	UNTIL(has_reply());
	assert_int_equal(rcode(), WIRE_NXDOMAIN);
	send_udp(2, "www.example", WIRE_A);
	UNTIL(has_reply());
	assert_int_equal(asks, 1);
	send_udp(3, "www.example", WIRE_CNAME);
	UNTIL(asks == 2);
	send_udp(4, "a.www.example", WIRE_A);
	UNTIL(asks == 3);
}

static void
test_below_a_proven_nothing_is_nothing(void **state)
{
	(void)state;
	no_such_name(DNS_SECURITY_SECURE, 300);
	send_udp(2, "A.b.no.example", WIRE_AAAA);
	UNTIL(has_reply());
	assert_int_equal(rcode(), WIRE_NXDOMAIN);
	assert_memory_equal(reply.bytes + 12, "\1A\1b\2no", 7);
	assert_int_equal(asks, 1);
	send_udp(3, "xno.example", WIRE_A);
	UNTIL(asks == 2);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_answer_is_for_all_forms_of_a_question),
		TEST(test_stale_answer_is_better_than_none),
		TEST(test_forged_answer_is_told_though_there_is_a_stale_one),
		TEST(test_failure_is_kept_for_seconds),
		TEST(test_failure_for_want_of_room_is_not_kept),
		TEST(test_no_time_is_longer_than_its_limit),
		TEST(test_no_such_name_is_for_every_type),
		TEST(test_no_such_name_says_nothing_of_its_alias),
		TEST(test_below_a_proven_nothing_is_nothing),
	};

	return cmocka_run_group_tests_name("front_kept", tests, NULL, NULL);
}
