/* SPDX-License-Identifier: ISC */
#include "netctl/conntrack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND 1000000
#define START (INT64_C(1000) * SECOND)

static void
test_alarm_at_nineteen_of_twenty_and_once_a_minute(void **state)
{
	struct conntrack table = { 0 };

	(void)state;
	assert_int_equal(
	    conntrack_judge(&table, 949, 1000, START), CONNTRACK_NO_NEWS);
	assert_int_equal(
	    conntrack_judge(&table, 950, 1000, START), CONNTRACK_FULL);
	assert_int_equal(conntrack_judge(&table, 1001, 1000, START + SECOND),
	    CONNTRACK_NO_NEWS);
	assert_int_equal(
	    conntrack_judge(&table, 1001, 1000, START + CONNTRACK_AGAIN_US),
	    CONNTRACK_FULL);
}

static void
test_its_end_is_told_once_when_a_tenth_is_free(void **state)
{
	struct conntrack table = { 0 };

	(void)state;
	assert_int_equal(
	    conntrack_judge(&table, 0, 1000, START), CONNTRACK_NO_NEWS);
	assert_int_equal(
	    conntrack_judge(&table, 1000, 1000, START), CONNTRACK_FULL);
	assert_int_equal(
	    conntrack_judge(&table, 900, 1000, START), CONNTRACK_NO_NEWS);
	assert_int_equal(
	    conntrack_judge(&table, 899, 1000, START), CONNTRACK_ROOM);
	assert_int_equal(
	    conntrack_judge(&table, 899, 1000, START), CONNTRACK_NO_NEWS);
}

static void
test_a_table_without_a_limit_is_never_full(void **state)
{
	struct conntrack table = { 0 };

	(void)state;
	assert_int_equal(
	    conntrack_judge(&table, UINT64_MAX, 0, START), CONNTRACK_NO_NEWS);
	assert_int_equal(conntrack_judge(&table, 9, 9, START), CONNTRACK_FULL);
	assert_int_equal(conntrack_judge(&table, 9, 0, START), CONNTRACK_ROOM);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_alarm_at_nineteen_of_twenty_and_once_a_minute),
		cmocka_unit_test(
		    test_its_end_is_told_once_when_a_tenth_is_free),
		cmocka_unit_test(test_a_table_without_a_limit_is_never_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
