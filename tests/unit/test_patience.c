/* SPDX-License-Identifier: ISC */
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "ipc/loop.h"
#include "relay/patience.h"

#define LIMIT_US 200000 /* half of it is more than a scheduler takes */

static struct event_base *base;
static struct patience *patience;
static struct patience_wait waits[8];
static char order[16]; /* whose time came, as letters */
static int end_at;     /* a wait that on_due() ends, or -1 */

static void
on_due(struct patience_wait *wait)
{
	assert_false(patience_waits(wait));
	assert_true(strlen(order) + 1 < sizeof(order));
	order[strlen(order)] = (char)('a' + (wait - waits));
	if (end_at == -1)
		return;
	patience_end(patience, &waits[end_at]);
	end_at = -1;
}

static int
setup(void **state)
{
	(void)state;
	base = ipc_loop_new(0);
	patience = patience_new(base, LIMIT_US, on_due);
	assert_non_null(patience);
	memset(order, 0, sizeof(order));
	memset(waits, 0, sizeof(waits));
	end_at = -1;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	event_base_free(base);
	return 0;
}

static void
begin(int n)
{
	patience_begin(patience, &waits[n]);
	assert_true(patience_waits(&waits[n]));
}

static void
test_time_is_up_after_the_limit_in_order(void **state)
{
	int64_t begin_us = clock_mono_us();

	(void)state;
	begin(0);
	begin(1);
	begin(2);
	event_base_loop(base, 0);
	assert_string_equal(order, "abc");
	assert_true(clock_mono_us() - begin_us >= LIMIT_US);
}

static void
test_who_has_ended_is_not_called(void **state)
{
	(void)state;
	begin(0);
	begin(1);
	begin(2);
	patience_end(patience, &waits[0]);
	patience_end(patience, &waits[2]);
	patience_end(patience, &waits[3]);
	event_base_loop(base, 0);
	assert_string_equal(order, "b");
}

/* The timer stands for one that is gone; the next has its full time. */
static void
test_later_one_waits_its_own_time(void **state)
{
	int64_t begin_us;

	(void)state;
	begin(0);
	begin_us = clock_mono_us();
	while (clock_mono_us() - begin_us < LIMIT_US / 2)
		event_base_loop(base, EVLOOP_NONBLOCK);
	patience_end(patience, &waits[0]);
	begin_us = clock_mono_us();
	begin(1);
	event_base_loop(base, 0);
	assert_string_equal(order, "b");
	assert_true(clock_mono_us() - begin_us >= LIMIT_US);
}

static void
test_one_may_end_another_that_is_due_too(void **state)
{
	(void)state;
	begin(0);
	begin(1);
	begin(2);
	end_at = 1;
	event_base_loop(base, 0);
	assert_string_equal(order, "ac");
}

/* Else it could wait for ever. */
static void
test_who_begins_again_has_no_more_time(void **state)
{
	(void)state;
	begin(0);
	begin(1);
	begin(0);
	event_base_loop(base, 0);
	assert_string_equal(order, "ab");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_time_is_up_after_the_limit_in_order),
		TEST(test_who_has_ended_is_not_called),
		TEST(test_later_one_waits_its_own_time),
		TEST(test_one_may_end_another_that_is_due_too),
		TEST(test_who_begins_again_has_no_more_time),
	};

	return cmocka_run_group_tests_name("patience", tests, NULL, NULL);
}
