/* SPDX-License-Identifier: ISC */
/* Who speaks first at which server, and for how long that is remembered. */
#include "relay/habit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "schema/flow.h"

#define NOW 1000000LL
#define MANY 100000U

static struct habits *habits;

static int
setup(void **state)
{
	(void)state;
	habits = habits_new();
	assert_non_null(habits);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	free(habits);
	return 0;
}

static struct addr
server(uint32_t n)
{
	struct addr addr = { .byte = { [10] = 0xff, 0xff, 10 } };

	addr.byte[13] = (uint8_t)(n >> 16);
	addr.byte[14] = (uint8_t)(n >> 8);
	addr.byte[15] = (uint8_t)n;
	return addr;
}

static void
note(uint32_t n, uint16_t port, enum habit habit, int64_t now_us)
{
	struct addr addr = server(n);

	habits_note(habits, &addr, port, habit, now_us);
}

static int
speaks(uint32_t n, uint16_t port, int64_t now_us)
{
	struct addr addr = server(n);

	return habits_of(habits, &addr, port, now_us) == HABIT_SERVER_FIRST;
}

static void
test_unknown_server_does_not_speak_first(void **state)
{
	(void)state;
	assert_false(speaks(0, 0, 0));
	assert_false(speaks(1, 25, NOW));
}

static void
test_one_server_tells_nothing_of_another(void **state)
{
	(void)state;
	note(1, 25, HABIT_SERVER_FIRST, NOW);
	assert_true(speaks(1, 25, NOW));
	assert_false(speaks(1, 443, NOW));
	assert_false(speaks(1, 25 + 256, NOW));
	assert_false(speaks(2, 25, NOW));
}

static void
test_it_is_forgotten_unless_seen_again(void **state)
{
	(void)state;
	note(1, 25, HABIT_SERVER_FIRST, NOW);
	assert_true(speaks(1, 25, NOW + HABIT_US - 1));
	assert_false(speaks(1, 25, NOW + HABIT_US));
	note(1, 25, HABIT_SERVER_FIRST, NOW + HABIT_US / 2);
	assert_true(speaks(1, 25, NOW + HABIT_US));
	assert_false(speaks(1, 25, NOW + HABIT_US + HABIT_US / 2));
}

static void
test_client_that_speaks_first_ends_it(void **state)
{
	(void)state;
	note(1, 25, HABIT_SERVER_FIRST, NOW);
	note(2, 25, HABIT_SERVER_FIRST, NOW);
	note(1, 25, HABIT_CLIENT_FIRST, NOW);
	note(3, 25, HABIT_CLIENT_FIRST, NOW);
	assert_false(speaks(1, 25, NOW));
	assert_true(speaks(2, 25, NOW));
	assert_false(speaks(3, 25, NOW));
}

/* Unknown ones that a client speaks to first push nobody out. */
static void
test_clients_that_speak_first_take_no_room(void **state)
{
	uint32_t n;

	(void)state;
	note(0, 25, HABIT_SERVER_FIRST, NOW);
	for (n = 1; n < MANY; n++)
		note(n, 25, HABIT_CLIENT_FIRST, NOW);
	assert_true(speaks(0, 25, NOW));
}

static void
test_the_last_ones_are_remembered(void **state)
{
	uint32_t n, known = 0;

	(void)state;
	for (n = 0; n < MANY; n++) {
		note(n, 25, HABIT_SERVER_FIRST, NOW + n);
		assert_true(speaks(n, 25, NOW + n));
	}
	for (n = 0; n < MANY; n++)
		known += speaks(n, 25, NOW + MANY) != 0;
	assert_int_equal(known, HABIT_SETS * HABIT_WAYS);
	/* The hash spreads them: what is known are mostly the last. */
	for (n = MANY - HABIT_SETS, known = 0; n < MANY; n++)
		known += speaks(n, 25, NOW + MANY) != 0;
	assert_true(known > HABIT_SETS * 9 / 10);
}

/* Of MANY servers, those whose entry another table with the same notes keeps.
 */
static uint32_t
kept_by_both(struct habits *one, struct habits *other)
{
	struct addr addr;
	uint32_t n, both = 0;

	for (n = 0; n < MANY; n++) {
		addr = server(n);
		both += habits_of(one, &addr, 25, NOW + MANY) ==
			    HABIT_SERVER_FIRST &&
			habits_of(other, &addr, 25, NOW + MANY) ==
			    HABIT_SERVER_FIRST;
	}
	return both;
}

/*
 * Who pushes whom out differs from relay to relay, so nobody can find out
 * elsewhere.  The newest are kept by all; by chance some others are.
 */
static void
test_who_shares_a_place_cannot_be_foreseen(void **state)
{
	struct habits *other = habits_new();
	const uint32_t room = HABIT_SETS * HABIT_WAYS;
	struct addr addr;
	uint32_t n;

	(void)state;
	assert_non_null(other);
	for (n = 0; n < MANY; n++) {
		addr = server(n);
		habits_note(habits, &addr, 25, HABIT_SERVER_FIRST, NOW + n);
		habits_note(other, &addr, 25, HABIT_SERVER_FIRST, NOW + n);
	}
	assert_in_range(kept_by_both(habits, other), 1, room * 9 / 10);
	assert_int_equal(kept_by_both(habits, habits), room);
	free(other);
}

/* Of server 1 at port 25: when it began, connected, and what was said by NOW.
 */
static struct flow_entry
flow(uint64_t up_bytes, uint64_t down_bytes, int64_t silent_us)
{
	struct addr addr = server(1);
	struct flow_entry flow = { .dport = 25,
		.up_bytes = up_bytes,
		.down_bytes = down_bytes,
		.connect_us = 5,
		.start_mono_us = NOW - silent_us - 5 };

	memcpy(flow.dst, addr.byte, sizeof(flow.dst));
	return flow;
}

static void
test_a_flow_shows_who_spoke(void **state)
{
	const struct {
		uint64_t up_bytes, down_bytes;
		int64_t silent_us;
		int shows, speaks;
	} cases[] = {
		{ 0, 0, 0, 0, 0 },
		{ 0, 10, 0, 1, 1 },
		{ 0, 10, 1000000, 1, 1 },
		{ 0, 10, 1000001, 1, 0 }, /* it was tired of waiting */
		{ 10, 0, 0, 1, 0 },
		{ 10, 10, 0, 1, 0 },
	};
	struct flow_entry entry;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		note(1, 25, HABIT_CLIENT_FIRST, NOW);
		entry = flow(
		    cases[i].up_bytes, cases[i].down_bytes, cases[i].silent_us);
		assert_int_equal(
		    habits_learn(habits, &entry, NOW), cases[i].shows);
		assert_int_equal(speaks(1, 25, NOW), cases[i].speaks);
	}
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_unknown_server_does_not_speak_first),
		TEST(test_one_server_tells_nothing_of_another),
		TEST(test_it_is_forgotten_unless_seen_again),
		TEST(test_client_that_speaks_first_ends_it),
		TEST(test_clients_that_speak_first_take_no_room),
		TEST(test_the_last_ones_are_remembered),
		TEST(test_who_shares_a_place_cannot_be_foreseen),
		TEST(test_a_flow_shows_who_spoke),
	};

	return cmocka_run_group_tests_name("habit", tests, NULL, NULL);
}
