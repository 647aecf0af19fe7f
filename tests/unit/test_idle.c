/* SPDX-License-Identifier: ISC */
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "ipc/loop.h"
#include "relay/idle.h"

#define SECOND_US 1000000

/* The clock of the wheel under test. */
static int64_t now_us;

int64_t
clock_mono_us(void)
{
	return now_us;
}

static struct event_base *base;
static struct idle_wheel *wheel;
static int due;
static int again; /* how often on_due() names a later deadline */

static void
on_due(struct idle_timer *timer)
{
	due++;
	if (again-- > 0)
		idle_set(wheel, timer, now_us + 5 * SECOND_US);
}

static int
setup(void **state)
{
	(void)state;
	now_us = 5000LL * SECOND_US;
	due = again = 0;
	base = ipc_loop_new(0);
	wheel = idle_wheel_new(base, on_due);
	assert_non_null(wheel);
	return 0;
}

/* One tick of the wheel, which libevent times by its own clock. */
static void
tick_after(int64_t us)
{
	now_us += us;
	event_base_loop(base, EVLOOP_ONCE);
}

static void
test_due_neither_early_nor_late(void **state)
{
	struct idle_timer timer;

	(void)state;
	idle_set(wheel, &timer, now_us + 10 * SECOND_US);
	tick_after(10 * SECOND_US - 1);
	assert_int_equal(due, 0);
	tick_after(2 * SECOND_US);
	assert_int_equal(due, 1);
}

static void
test_longer_than_the_wheel_is_not_early(void **state)
{
	struct idle_timer timer;

	(void)state;
	idle_set(wheel, &timer, now_us + 7440LL * SECOND_US);
	tick_after(7000LL * SECOND_US);
	assert_int_equal(due, 0);
	tick_after(442LL * SECOND_US);
	assert_int_equal(due, 1);
}

static void
test_owner_may_name_a_later_deadline(void **state)
{
	struct idle_timer timer;

	(void)state;
	again = 1;
	idle_set(wheel, &timer, now_us);
	tick_after(2 * SECOND_US);
	assert_int_equal(due, 1);
	tick_after(7 * SECOND_US);
	assert_int_equal(due, 2);
}

static void
test_cancelled_timer_is_never_due(void **state)
{
	struct idle_timer timer;

	(void)state;
	idle_set(wheel, &timer, now_us + SECOND_US);
	idle_cancel(&timer);
	tick_after(600LL * SECOND_US);
	assert_int_equal(due, 0);
}

static void
test_long_stop_makes_everything_due_once(void **state)
{
	struct idle_timer timers[3];
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		idle_set(wheel, &timers[i], now_us + i * 300LL * SECOND_US);
	tick_after(100000LL * SECOND_US);
	assert_int_equal(due, 3);
}

#define TEST(test) cmocka_unit_test_setup(test, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_due_neither_early_nor_late),
		TEST(test_longer_than_the_wheel_is_not_early),
		TEST(test_owner_may_name_a_later_deadline),
		TEST(test_cancelled_timer_is_never_due),
		TEST(test_long_stop_makes_everything_due_once),
	};

	return cmocka_run_group_tests_name("idle", tests, NULL, NULL);
}
