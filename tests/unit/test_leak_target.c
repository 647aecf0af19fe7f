/* SPDX-License-Identifier: ISC */
/* Sentinels meet every decision that the policy can make. */
#include "ctl/leak/target.h"

#include <netinet/in.h>
#include <stdio.h>

#include "policy_fixture.h"

static struct image *image;
static struct target_candidates candidates;
static struct target target;
static struct addr own[2];

static struct addr
addr_of(const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(text, &prefix), 0);
	return prefix.addr;
}

static void
collect(const char *rules, int from_rules)
{
	char text[1024];
	size_t len;

	free(image);
	(void)snprintf(text, sizeof(text), FIXTURE_CAPTURE "%s", rules);
	image = fixture_image(text, &len);
	own[0] = addr_of("198.18.0.2");
	own[1] = addr_of("fd74:7078:1::2");
	target_collect(image, own, from_rules, &candidates);
}

static int
found(int v6, uint8_t proto, uint16_t port, enum judge_class wanted)
{
	return target_find(
	    image, &candidates, v6, proto, port, wanted, &target);
}

static void
assert_addr(const struct addr *addr, const char *text)
{
	char shown[ADDR_TEXT_BYTES];

	assert_string_equal(addr_format(addr, shown), text);
}

static void
test_what_is_excluded_is_met(void **state)
{
	(void)state;
	collect("exclude proto udp to 192.0.2.0/24 port 4500\n"
		"default block\n",
	    1);
	assert_true(found(0, IPPROTO_UDP, 0, JUDGE_OTHER));
	assert_addr(&target.dst, "192.0.2.1");
	assert_int_equal(target.dport, 4500);
	assert_true(found(0, IPPROTO_UDP, 0, JUDGE_BLOCK));
	assert_false(found(0, IPPROTO_TCP, 0, JUDGE_OTHER));
}

static void
test_every_decision_is_met(void **state)
{
	(void)state;
	collect("pass to { 10.0.0.0/8 fd00::/8 }\n"
		"relay proto tcp to any port { 80 443 }\ndefault block\n",
	    1);
	assert_true(found(0, IPPROTO_TCP, 0, JUDGE_PASS));
	assert_addr(&target.dst, "10.0.0.1");
	assert_true(found(1, IPPROTO_UDP, 0, JUDGE_PASS));
	assert_addr(&target.dst, "fd00::1");
	assert_true(found(0, IPPROTO_TCP, 0, JUDGE_RELAY));
	assert_int_equal(target.dport, 80);
	assert_true(found(0, IPPROTO_TCP, 0, JUDGE_BLOCK));
	assert_false(found(0, IPPROTO_UDP, 0, JUDGE_RELAY));
}

static void
test_a_port_that_is_given_is_kept(void **state)
{
	(void)state;
	collect("relay proto tcp to any port 443\ndefault block\n", 1);
	assert_true(found(0, IPPROTO_TCP, 853, JUDGE_BLOCK));
	assert_int_equal(target.dport, 853);
	assert_false(found(0, IPPROTO_TCP, 853, JUDGE_RELAY));
}

static void
test_sources_of_rules_are_used_where_they_can_be(void **state)
{
	static const char rules[] =
	    "pass from 192.0.2.0/24 to any\ndefault block\n";

	(void)state;
	collect(rules, 1);
	assert_true(found(0, IPPROTO_TCP, 0, JUDGE_PASS));
	assert_addr(&target.src, "192.0.2.1");
	collect(rules, 0);
	assert_false(found(0, IPPROTO_TCP, 0, JUDGE_PASS));
}

static void
test_no_source_is_a_destination(void **state)
{
	(void)state;
	collect("pass from 10.0.0.0/8 to 10.0.0.0/8\ndefault block\n", 1);
	assert_int_equal(candidates.src[0].count, 1);
}

static void
test_what_cannot_be_sent_to_is_no_destination(void **state)
{
	(void)state;
	collect("pass to { 127.0.0.0/8 224.0.0.0/4 198.18.0.0/16 fe80::/10 "
		"ff00::/8 ::1 }\ndefault block\n",
	    1);
	assert_false(found(0, IPPROTO_TCP, 0, JUDGE_PASS));
	assert_false(found(1, IPPROTO_TCP, 0, JUDGE_PASS));
}

static int
tear_down(void **state)
{
	(void)state;
	free(image);
	return 0;
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_decision_is_met),
		cmocka_unit_test(test_what_is_excluded_is_met),
		cmocka_unit_test(test_a_port_that_is_given_is_kept),
		cmocka_unit_test(
		    test_sources_of_rules_are_used_where_they_can_be),
		cmocka_unit_test(test_no_source_is_a_destination),
		cmocka_unit_test(test_what_cannot_be_sent_to_is_no_destination),
	};

	return cmocka_run_group_tests(tests, NULL, tear_down);
}
