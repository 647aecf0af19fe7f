/* SPDX-License-Identifier: ISC */
/* What may arrive when, and what the policy says of a sentinel. */
#include "ctl/leak/judge.h"

#include <netinet/in.h>
#include <stdio.h>

#include "policy_fixture.h"

#define CLOSED ON_FAILURE_CLOSED
#define OPEN ON_FAILURE_OPEN

static struct addr
addr_of(const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(text, &prefix), 0);
	return prefix.addr;
}

static enum verdict
direct(enum on_failure mode, enum judge_class class, enum judge_stage stage)
{
	return judge_arrival(mode, class, stage, JUDGE_DIRECT);
}

static void
test_without_tpx_everything_goes_that_is_forwarded(void **state)
{
	enum judge_class class;

	(void)state;
	for (class = JUDGE_BLOCK; class <= JUDGE_OTHER; class += 1) {
		assert_int_equal(direct(CLOSED, class, JUDGE_BARE), ALLOW);
		assert_int_equal(direct(OPEN, class, JUDGE_BARE), ALLOW);
	}
}

static void
test_what_nobody_forwards_is_a_leak_at_any_time(void **state)
{
	enum judge_stage stage;

	(void)state;
	for (stage = JUDGE_BARE; stage < JUDGE_STAGES; stage += 1) {
		assert_int_equal(direct(CLOSED, JUDGE_NEVER, stage), DENY);
		assert_int_equal(direct(OPEN, JUDGE_NEVER, stage), DENY);
	}
}

static void
test_closed_lets_only_go_direct_what_passes(void **state)
{
	enum judge_stage stage;

	(void)state;
	for (stage = JUDGE_ARMED; stage < JUDGE_STAGES; stage += 1) {
		assert_int_equal(direct(CLOSED, JUDGE_BLOCK, stage), DENY);
		assert_int_equal(direct(CLOSED, JUDGE_RELAY, stage), DENY);
		assert_int_equal(direct(CLOSED, JUDGE_OTHER, stage), ALLOW);
	}
	assert_int_equal(direct(CLOSED, JUDGE_PASS, JUDGE_ARMED), ALLOW);
	assert_int_equal(direct(CLOSED, JUDGE_PASS, JUDGE_FAILING), ALLOW);
	assert_int_equal(direct(CLOSED, JUDGE_PASS, JUDGE_LAPSED), DENY);
}

static void
test_open_is_strict_only_while_armed(void **state)
{
	(void)state;
	assert_int_equal(direct(OPEN, JUDGE_BLOCK, JUDGE_ARMED), DENY);
	assert_int_equal(direct(OPEN, JUDGE_RELAY, JUDGE_ARMED), DENY);
	assert_int_equal(direct(OPEN, JUDGE_PASS, JUDGE_ARMED), ALLOW);
	assert_int_equal(direct(OPEN, JUDGE_BLOCK, JUDGE_FAILING), ALLOW);
	assert_int_equal(direct(OPEN, JUDGE_RELAY, JUDGE_LAPSED), ALLOW);
}

static void
test_only_what_is_to_be_relayed_may_come_from_a_relay(void **state)
{
	enum judge_class class;

	(void)state;
	for (class = JUDGE_NEVER; class < JUDGE_CLASSES; class += 1)
		assert_int_equal(
		    judge_arrival(CLOSED, class, JUDGE_ARMED, JUDGE_RELAYED),
		    class == JUDGE_RELAY ? ALLOW : DENY);
}

/* A packet from a client to port 80, as IPv6 when v6 is 1. */
static enum judge_class
class_of(const char *rules, int v6, uint8_t proto, const char *to)
{
	char text[512];
	struct addr src = addr_of(v6 ? "fd74:7078:1::2" : "198.18.0.2");
	struct addr dst = addr_of(to);
	struct image *image;
	enum judge_class class;
	size_t len;

	(void)snprintf(text, sizeof(text), FIXTURE_CAPTURE "%s", rules);
	image = fixture_image(text, &len);
	class = judge_packet(image, v6, proto, &src, &dst, 80);
	free(image);
	return class;
}

static void
test_the_policy_says_what_becomes_of_a_sentinel(void **state)
{
	static const char rules[] = "pass to 10.0.0.0/8\n"
				    "block to 192.0.2.0/24\ndefault relay\n";

	(void)state;
	assert_int_equal(
	    class_of(rules, 0, IPPROTO_TCP, "10.1.2.3"), JUDGE_PASS);
	assert_int_equal(
	    class_of(rules, 0, IPPROTO_TCP, "192.0.2.1"), JUDGE_BLOCK);
	assert_int_equal(
	    class_of(rules, 0, IPPROTO_TCP, "203.0.113.1"), JUDGE_RELAY);
	assert_int_equal(
	    class_of(rules, 0, IPPROTO_UDP, "203.0.113.1"), JUDGE_RELAY);
}

static void
test_other_protocols_go_as_configured(void **state)
{
	(void)state;
	assert_int_equal(
	    class_of("", 0, IPPROTO_GRE, "203.0.113.1"), JUDGE_OTHER);
	assert_int_equal(
	    class_of("other-protocols block\n", 0, IPPROTO_GRE, "203.0.113.1"),
	    JUDGE_BLOCK);
}

static void
test_what_is_excluded_is_not_captured_whatever_rules_say(void **state)
{
	static const char rules[] =
	    "exclude proto tcp to 192.0.2.0/24 port 80\n"
	    "exclude to 198.51.100.0/24\n"
	    "other-protocols block\ndefault relay\n";

	(void)state;
	assert_int_equal(
	    class_of(rules, 0, IPPROTO_TCP, "192.0.2.1"), JUDGE_OTHER);
	assert_int_equal(
	    class_of(rules, 0, IPPROTO_UDP, "192.0.2.1"), JUDGE_RELAY);
	assert_int_equal(
	    class_of(rules, 0, IPPROTO_GRE, "198.51.100.1"), JUDGE_OTHER);
	/* A relay is not to touch it. */
	assert_int_equal(
	    judge_arrival(CLOSED, JUDGE_OTHER, JUDGE_ARMED, JUDGE_RELAYED),
	    DENY);
	assert_int_equal(
	    class_of(rules, 1, IPPROTO_TCP, "192.0.2.1"), JUDGE_BLOCK);
}

static void
test_a_mapped_destination_is_blocked_whatever_rules_say(void **state)
{
	static const char to4[] = "pass to 203.0.113.0/24\ndefault relay\n";

	(void)state;
	assert_int_equal(
	    class_of(to4, 0, IPPROTO_TCP, "203.0.113.1"), JUDGE_PASS);
	assert_int_equal(
	    class_of(to4, 1, IPPROTO_TCP, "203.0.113.1"), JUDGE_BLOCK);
	assert_int_equal(
	    class_of("pass to any\n", 1, IPPROTO_UDP, "203.0.113.1"),
	    JUDGE_BLOCK);
}

static void
test_a_question_arrives_only_where_open_lets_it(void **state)
{
	enum judge_stage stage;

	(void)state;
	for (stage = JUDGE_ARMED; stage < JUDGE_STAGES; stage += 1) {
		assert_int_equal(direct(CLOSED, JUDGE_ANSWER, stage), DENY);
		assert_int_equal(
		    judge_arrival(CLOSED, JUDGE_ANSWER, stage, JUDGE_RELAYED),
		    DENY);
		assert_int_equal(direct(OPEN, JUDGE_ANSWER, stage),
		    stage == JUDGE_ARMED ? DENY : ALLOW);
		assert_int_equal(
		    judge_arrival(OPEN, JUDGE_ANSWER, stage, JUDGE_RELAYED),
		    stage == JUDGE_ARMED ? DENY : ALLOW);
	}
}

static void
test_questions_that_are_answered_here_arrive_nowhere(void **state)
{
	static const char text[] = FIXTURE_CAPTURE
	    "dns forward 9.9.9.9\ndns encrypted no\n"
	    "exclude to 192.0.2.0/24 port { 53 853 }\npass to any\n";
	size_t len;
	struct image *image = fixture_image(text, &len);
	struct addr src = addr_of("198.51.100.1"), dst = addr_of("203.0.113.1");
	struct addr excluded = addr_of("192.0.2.1");
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP };
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		assert_int_equal(
		    judge_packet(image, 0, protos[i], &src, &dst, 53),
		    JUDGE_ANSWER);
		assert_int_equal(
		    judge_packet(image, 0, protos[i], &src, &dst, 853),
		    JUDGE_BLOCK);
		assert_int_equal(
		    judge_packet(image, 0, protos[i], &src, &dst, 443),
		    JUDGE_PASS);
		assert_int_equal(
		    judge_rules(image, 0, protos[i], &src, &dst, 853),
		    JUDGE_PASS);
		assert_int_equal(
		    judge_packet(image, 0, protos[i], &src, &excluded, 53),
		    JUDGE_OTHER);
	}
	free(image);
	image = fixture_image(FIXTURE_CAPTURE "pass to any\n", &len);
	assert_int_equal(
	    judge_packet(image, 0, IPPROTO_UDP, &src, &dst, 53), JUDGE_PASS);
	free(image);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_question_arrives_only_where_open_lets_it),
		cmocka_unit_test(
		    test_questions_that_are_answered_here_arrive_nowhere),
		cmocka_unit_test(
		    test_without_tpx_everything_goes_that_is_forwarded),
		cmocka_unit_test(
		    test_what_nobody_forwards_is_a_leak_at_any_time),
		cmocka_unit_test(test_closed_lets_only_go_direct_what_passes),
		cmocka_unit_test(test_open_is_strict_only_while_armed),
		cmocka_unit_test(
		    test_only_what_is_to_be_relayed_may_come_from_a_relay),
		cmocka_unit_test(
		    test_the_policy_says_what_becomes_of_a_sentinel),
		cmocka_unit_test(test_other_protocols_go_as_configured),
		cmocka_unit_test(
		    test_what_is_excluded_is_not_captured_whatever_rules_say),
		cmocka_unit_test(
		    test_a_mapped_destination_is_blocked_whatever_rules_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
