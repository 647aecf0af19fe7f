/* SPDX-License-Identifier: ISC */
/* What netctl knows to be in the kernel's sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "netctl/pairs.h"

#define NOW 1000

static struct pairs *pairs;
static uint32_t place;

static int
begin(void **state)
{
	(void)state;
	pairs = pairs_new();
	return pairs == NULL;
}

static int
end(void **state)
{
	(void)state;
	free(pairs);
	return 0;
}

static enum pairs_place
put(unsigned int net, unsigned int host, uint32_t left_s)
{
	struct pair pair = { .until_s = NOW + left_s, .rule = 3 };

	pair.client.byte[10] = pair.client.byte[11] = 0xff;
	pair.client.byte[12] = 10;
	pair.client.byte[15] = (uint8_t)net;
	pair.server = pair.client;
	pair.server.byte[14] = (uint8_t)(host >> 8);
	pair.server.byte[15] = (uint8_t)host;
	return pairs_put(pairs, &pair, NOW, &place);
}

static void
test_a_pair_is_put_in_once_for_the_longest_time(void **state)
{
	(void)state;
	assert_int_equal(put(1, 1, 60), PAIRS_NEW);
	assert_int_equal(put(1, 1, 60), PAIRS_KNOWN);
	assert_int_equal(put(1, 1, 59), PAIRS_KNOWN);
	assert_int_equal(put(1, 1, 61), PAIRS_NEW);
	assert_int_equal(put(1, 2, 60), PAIRS_NEW);
	assert_int_equal(put(2, 1, 60), PAIRS_NEW);
}

static void
test_what_the_kernel_has_not_is_not_there(void **state)
{
	(void)state;
	assert_int_equal(put(1, 1, 60), PAIRS_NEW);
	pairs_drop(pairs, place);
	assert_int_equal(put(1, 1, 60), PAIRS_NEW);
	pairs_clear(pairs);
	assert_int_equal(put(1, 1, 60), PAIRS_NEW);
}

/* Others have theirs, but for those few that share its region. */
static void
test_a_client_has_its_part_and_no_more(void **state)
{
	unsigned int i, others = 0;

	(void)state;
	for (i = 0; i < PAIRS_OF_REGION; i++)
		assert_int_equal(put(1, i, 60), PAIRS_NEW);
	assert_int_equal(put(1, i, 60), PAIRS_FULL);
	assert_int_equal(put(1, 0, 61), PAIRS_NEW);
	for (i = 2; i < 200; i++)
		others += put(i, 1, 60) == PAIRS_NEW;
	assert_in_range(others, 150, 198);
}

static void
test_what_has_ended_makes_room(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < PAIRS_OF_REGION; i++)
		assert_int_equal(put(1, i, i == 7 ? 0 : 60), PAIRS_NEW);
	assert_int_equal(put(1, i, 60), PAIRS_NEW);
	assert_int_equal(put(1, i + 1, 60), PAIRS_FULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_a_pair_is_put_in_once_for_the_longest_time, begin,
		    end),
		cmocka_unit_test_setup_teardown(
		    test_what_the_kernel_has_not_is_not_there, begin, end),
		cmocka_unit_test_setup_teardown(
		    test_a_client_has_its_part_and_no_more, begin, end),
		cmocka_unit_test_setup_teardown(
		    test_what_has_ended_makes_room, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
