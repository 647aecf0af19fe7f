/* SPDX-License-Identifier: ISC */
/* Which address a flow is given, and what becomes of one that fails. */
#include "relay/upstream.h"

#include "policy_fixture.h"

#define SECOND 1000000LL

static const char sample[] =
    FIXTURE_CAPTURE "upstream other http [::1]:1 names yes\n"
		    "upstream corp socks5 { 10.0.0.1:1 10.0.0.2:2 10.0.0.3:3 } "
		    "user \"u\" password-file \"p\"\n";

enum { OTHER, CORP };
enum { FIRST = 1, SECOND_ONE, THIRD }; /* of corp, among all */

static struct upstreams *
set_of(const char *text, const struct upstreams *before)
{
	size_t len;
	struct image *image = fixture_image(text, &len);
	struct secret secrets[2] = { 0 };
	struct upstreams *set;

	assert_null(secret_set(&secrets[1], "word", 4));
	set = upstreams_new(image, secrets, before);
	assert_non_null(set);
	free(image);
	return set;
}

static uint16_t
choose(struct upstreams *set, int64_t now_us)
{
	uint16_t tried = 0;

	return upstreams_choose(set, CORP, &tried, now_us);
}

static void
test_a_set_outlives_its_image(void **state)
{
	struct upstreams *set = set_of(sample, NULL);
	struct addr addr;
	uint16_t port;

	(void)state;
	assert_int_equal(upstreams_kind(set, CORP), UPSTREAM_SOCKS5);
	assert_string_equal(upstreams_credential(set, CORP).user, "u");
	assert_string_equal(upstreams_credential(set, CORP).password, "word");
	assert_null(upstreams_credential(set, OTHER).user);
	assert_true(upstreams_names(set, OTHER));
	assert_false(upstreams_names(set, CORP));
	upstreams_address(set, THIRD, &addr, &port);
	assert_int_equal(addr.byte[15], 3);
	assert_int_equal(port, 3);
	assert_ptr_equal(upstreams_hold(set), set);
	upstreams_release(set);
	assert_int_equal(choose(set, 0), FIRST);
	upstreams_release(set);
	upstreams_release(NULL);
}

static void
test_addresses_are_tried_in_their_order(void **state)
{
	struct upstreams *set = set_of(sample, NULL);
	uint16_t tried = 0;

	(void)state;
	assert_int_equal(upstreams_choose(set, CORP, &tried, 0), FIRST);
	assert_false(upstreams_all_tried(set, CORP, tried));
	assert_int_equal(upstreams_choose(set, CORP, &tried, 0), SECOND_ONE);
	assert_int_equal(upstreams_choose(set, CORP, &tried, 0), THIRD);
	assert_true(upstreams_all_tried(set, CORP, tried));
	assert_int_equal(
	    upstreams_choose(set, CORP, &tried, 0), FLOW_UPSTREAM_NONE);
	upstreams_release(set);
}

static void
test_a_failed_address_is_aside_for_longer_each_time(void **state)
{
	struct upstreams *set = set_of(sample, NULL);
	int64_t now_us = 0, aside_us = SECOND;
	int i;

	(void)state;
	for (i = 0; i < 9; i++) {
		assert_int_equal(choose(set, now_us), FIRST);
		upstreams_bad(set, FIRST, now_us);
		assert_int_equal(
		    choose(set, now_us + aside_us - 1), SECOND_ONE);
		now_us += aside_us;
		aside_us = aside_us * 2 > UPSTREAM_BACKOFF_MOST_US
			       ? UPSTREAM_BACKOFF_MOST_US
			       : aside_us * 2;
	}
	assert_int_equal(choose(set, now_us), FIRST);
	upstreams_good(set, FIRST);
	upstreams_bad(set, FIRST, now_us);
	assert_int_equal(choose(set, now_us + SECOND), FIRST);
	upstreams_release(set);
}

static void
test_a_checked_address_stays_aside_until_it_is_good(void **state)
{
	static const char text[] =
	    FIXTURE_CAPTURE "upstream other http [::1]:1\n"
			    "upstream corp http { 10.0.0.1:1 10.0.0.2:2 } "
			    "check 5s\n";
	struct upstreams *set = set_of(text, NULL);

	(void)state;
	assert_int_equal(upstreams_check_ms(set, OTHER), 0);
	assert_int_equal(upstreams_check_ms(set, CORP), 5000);
	assert_int_equal(upstreams_of_endpoint(set, SECOND_ONE), CORP);
	upstreams_bad(set, FIRST, 0);
	assert_int_equal(choose(set, INT64_MAX), SECOND_ONE);
	upstreams_bad(set, SECOND_ONE, 0);
	assert_int_equal(upstreams_down(set, INT64_MAX), 1U << CORP);
	assert_int_equal(choose(set, INT64_MAX), FLOW_UPSTREAM_NONE);
	upstreams_good(set, FIRST);
	assert_int_equal(choose(set, 0), FIRST);
	assert_int_equal(upstreams_down(set, 0), 0);
	upstreams_release(set);
}

static void
test_flows_that_fail_together_are_one_failure(void **state)
{
	struct upstreams *set = set_of(sample, NULL);
	int i;

	(void)state;
	for (i = 0; i < 100; i++)
		upstreams_bad(set, FIRST, 0);
	assert_int_equal(choose(set, SECOND), FIRST);
	upstreams_release(set);
}

static void
test_one_flow_alone_tries_what_may_be_back(void **state)
{
	struct upstreams *set = set_of(sample, NULL);

	(void)state;
	upstreams_bad(set, FIRST, 0);
	assert_int_equal(choose(set, SECOND), FIRST);
	assert_int_equal(choose(set, SECOND), SECOND_ONE);
	upstreams_good(set, FIRST);
	assert_int_equal(choose(set, SECOND), FIRST);
	upstreams_release(set);
}

static void
test_when_all_are_aside_the_first_is_used_anyway(void **state)
{
	struct upstreams *set = set_of(sample, NULL);
	uint16_t tried = 0;

	(void)state;
	upstreams_bad(set, FIRST, 0);
	upstreams_bad(set, SECOND_ONE, 0);
	assert_int_equal(upstreams_down(set, 0), 0);
	assert_int_equal(upstreams_choose(set, CORP, &tried, 0), THIRD);
	upstreams_bad(set, THIRD, 0);
	assert_int_equal(upstreams_down(set, 0), 1 << CORP);
	assert_int_equal(upstreams_choose(set, CORP, &tried, 0), FIRST);
	assert_int_equal(upstreams_choose(set, CORP, &tried, 0), SECOND_ONE);
	assert_int_equal(
	    upstreams_choose(set, CORP, &tried, 0), FLOW_UPSTREAM_NONE);
	assert_int_equal(upstreams_down(set, SECOND), 0);
	upstreams_release(set);
}

static void
test_what_is_known_outlives_a_reload(void **state)
{
	struct upstreams *set = set_of(sample, NULL), *next;

	(void)state;
	upstreams_bad(set, FIRST, 0);
	next = set_of(FIXTURE_CAPTURE
	    "upstream x http [::1]:1\n"
	    "upstream corp http { 10.0.0.4:1 10.0.0.1:1 10.0.0.2:2 } "
	    "user \"u\" password-file \"p\"\n",
	    set);
	upstreams_release(set);
	assert_int_equal(choose(next, 0), FIRST);
	upstreams_bad(next, FIRST, 0);
	assert_int_equal(choose(next, 0), THIRD);
	upstreams_release(next);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_set_outlives_its_image),
		cmocka_unit_test(test_addresses_are_tried_in_their_order),
		cmocka_unit_test(
		    test_a_failed_address_is_aside_for_longer_each_time),
		cmocka_unit_test(
		    test_a_checked_address_stays_aside_until_it_is_good),
		cmocka_unit_test(test_flows_that_fail_together_are_one_failure),
		cmocka_unit_test(test_one_flow_alone_tries_what_may_be_back),
		cmocka_unit_test(
		    test_when_all_are_aside_the_first_is_used_anyway),
		cmocka_unit_test(test_what_is_known_outlives_a_reload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
