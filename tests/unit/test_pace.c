/* SPDX-License-Identifier: ISC */
#include "netctl/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND 1000000

static int64_t now_us;

static int
setup(void **state)
{
	(void)state;
	now_us = 1000 * (int64_t)SECOND;
	return 0;
}

/* Repairs count times, each step after the one before; how many alarms. */
static int
repair(struct pace *pace, int count, int64_t step_us)
{
	int i, alarms = 0;

	for (i = 0; i < count; i++) {
		now_us += step_us;
		alarms += pace_repaired(pace, now_us);
	}
	return alarms;
}

static void
test_five_in_a_minute_are_made_at_once(void **state)
{
	struct pace pace = { 0 };
	int i;

	(void)state;
	for (i = 0; i < PACE_REPAIRS; i++) {
		assert_int_equal(pace_delay_us(&pace, now_us), 0);
		assert_int_equal(repair(&pace, 1, 1000), 0);
	}
	assert_int_equal(pace_delay_us(&pace, now_us), 0);
}

static void
test_the_sixth_raises_the_alarm_and_the_next_waits(void **state)
{
	struct pace pace = { 0 };

	(void)state;
	assert_int_equal(repair(&pace, PACE_REPAIRS, 1000), 0);
	assert_int_equal(repair(&pace, 1, 1000), 1);
	now_us += 1000;
	assert_int_equal(pace_delay_us(&pace, now_us), PACE_SLOW_US - 1000);
	now_us += PACE_SLOW_US;
	assert_int_equal(pace_delay_us(&pace, now_us), 0);
}

static void
test_a_long_fight_is_one_alarm_a_minute(void **state)
{
	struct pace pace = { 0 };

	(void)state;
	assert_int_equal(repair(&pace, 59, SECOND), 1);
	assert_int_equal(repair(&pace, 60, SECOND), 1);
}

static void
test_a_quiet_minute_ends_the_fight(void **state)
{
	struct pace pace = { 0 };

	(void)state;
	assert_int_equal(repair(&pace, 10, SECOND), 1);
	now_us += PACE_WINDOW_US;
	assert_int_equal(repair(&pace, PACE_REPAIRS, 1000), 0);
	assert_int_equal(pace_delay_us(&pace, now_us), 0);
	assert_int_equal(repair(&pace, 1, 1000), 1);
}

static void
test_rare_repairs_are_no_fight(void **state)
{
	struct pace pace = { 0 };

	(void)state;
	assert_int_equal(repair(&pace, 100, 13 * (int64_t)SECOND), 0);
	assert_int_equal(pace_delay_us(&pace, now_us), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
		    test_five_in_a_minute_are_made_at_once, setup),
		cmocka_unit_test_setup(
		    test_the_sixth_raises_the_alarm_and_the_next_waits, setup),
		cmocka_unit_test_setup(
		    test_a_long_fight_is_one_alarm_a_minute, setup),
		cmocka_unit_test_setup(
		    test_a_quiet_minute_ends_the_fight, setup),
		cmocka_unit_test_setup(test_rare_repairs_are_no_fight, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
