/* SPDX-License-Identifier: ISC */
#include "dnsd/resolver/standing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define NOW_US 1000000000LL

static void
fail_often(struct standing *standing, int times)
{
	while (times-- > 0)
		standing_failed(standing, NOW_US);
}

static void
test_nine_of_ten_answers_are_as_quick_as_is_usual(void **state)
{
	struct standing standing = { 0 };
	int64_t took_us;
	int i, above = 0;

	(void)state;
	/* 1 to 100 ms, in an order without a pattern */
	for (i = 0; i < 2000; i++) {
		took_us = (i * 37 % 100 + 1) * 1000;
		above += took_us > standing.usual_us;
		standing_answered(&standing, took_us);
	}
	assert_in_range(above, 100, 400);
}

static void
test_usual_time_follows_a_server_that_gets_slow_or_quick(void **state)
{
	struct standing standing = { 0 };
	int i;

	(void)state;
	for (i = 0; i < 200; i++)
		standing_answered(&standing, 10000);
	for (i = 0; i < 20; i++)
		standing_answered(&standing, 200000);
	assert_true(standing.usual_us > 180000);
	for (i = 0; i < 200; i++)
		standing_answered(&standing, 10000);
	assert_true(standing.usual_us < 20000);
}

static void
test_patience_is_bounded(void **state)
{
	struct standing standing = { 0 };

	(void)state;
	assert_int_equal(standing_patience_us(&standing), STANDING_UNKNOWN_US);
	standing.usual_us = 1;
	assert_int_equal(
	    standing_patience_us(&standing), STANDING_PATIENCE_LEAST_US);
	standing.usual_us = 50000;
	assert_int_equal(standing_patience_us(&standing), 50000);
	standing.usual_us = 5000000;
	assert_int_equal(
	    standing_patience_us(&standing), STANDING_PATIENCE_MOST_US);
}

static void
test_quick_ones_come_before_slow_unknown_and_bad_ones(void **state)
{
	struct standing quick = { .usual_us = 10000 };
	struct standing slow = { .usual_us = 90000 };
	struct standing unknown = { 0 };
	struct standing bad = { .usual_us = 1000 };
	const struct standing *order[] = { &quick, &slow, &unknown, &bad };
	int i, j;

	(void)state;
	fail_often(&bad, STANDING_BAD);
	for (i = 0; i < 4; i++)
		for (j = 0; j < 4; j++)
			assert_int_equal(
			    standing_is_better(order[i], order[j]), i < j);
}

static void
test_one_answer_makes_good_what_is_not_in_a_row(void **state)
{
	struct standing standing = { 0 };

	(void)state;
	fail_often(&standing, STANDING_BAD - 1);
	standing_answered(&standing, 1000);
	fail_often(&standing, STANDING_BAD - 1);
	assert_int_equal(standing.aside_us, 0);
	fail_often(&standing, 1);
	assert_int_not_equal(standing.aside_us, 0);
	standing_answered(&standing, 1000);
	assert_int_equal(standing.aside_us, 0);
}

static void
test_who_is_bad_is_tried_ever_more_rarely(void **state)
{
	struct standing standing = { 0 };
	int64_t now_us = NOW_US, wait_us = STANDING_ASIDE_US;
	int i;

	(void)state;
	standing_asked(&standing, now_us);
	fail_often(&standing, STANDING_BAD);
	for (i = 0; i < 6; i++) {
		assert_false(standing_is_due(&standing, now_us + wait_us - 1));
		now_us += wait_us;
		assert_true(standing_is_due(&standing, now_us));
		standing_asked(&standing, now_us);
		standing_failed(&standing, now_us);
		if (i > 0 && wait_us < STANDING_ASIDE_MOST_US)
			wait_us *= 2;
	}
	assert_int_equal(wait_us, STANDING_ASIDE_MOST_US);
}

static void
test_who_is_not_asked_is_tried_now_and_then(void **state)
{
	struct standing standing = { 0 };

	(void)state;
	assert_true(standing_is_due(&standing, NOW_US));
	standing_asked(&standing, NOW_US);
	standing_answered(&standing, 1000);
	assert_false(standing_is_due(&standing, NOW_US + STANDING_TRY_US - 1));
	assert_true(standing_is_due(&standing, NOW_US + STANDING_TRY_US));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_nine_of_ten_answers_are_as_quick_as_is_usual),
		cmocka_unit_test(
		    test_usual_time_follows_a_server_that_gets_slow_or_quick),
		cmocka_unit_test(test_patience_is_bounded),
		cmocka_unit_test(
		    test_quick_ones_come_before_slow_unknown_and_bad_ones),
		cmocka_unit_test(
		    test_one_answer_makes_good_what_is_not_in_a_row),
		cmocka_unit_test(test_who_is_bad_is_tried_ever_more_rarely),
		cmocka_unit_test(test_who_is_not_asked_is_tried_now_and_then),
	};

	return cmocka_run_group_tests_name("standing", tests, NULL, NULL);
}
