/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "netctl/lease.h"

#define MS 1000
#define LEASE_MS 3000
#define BEAT_US (LEASE_MS * MS / 9)

static struct lease lease;
static int64_t now_us;

static int
setup(void **state)
{
	(void)state;
	now_us = 1000000000;
	lease_init(&lease, LEASE_MS, 0, now_us);
	return 0;
}

static enum lease_action
beat(void)
{
	return lease_beat(&lease, now_us, now_us);
}

static void
wait_us(int64_t us)
{
	now_us += us;
}

static void
lapse(void)
{
	(void)beat();
	wait_us(LEASE_MS * MS);
	assert_int_equal(lease_expire(&lease, now_us), LEASE_LAPSE);
}

static void
test_first_beat_arms(void **state)
{
	(void)state;
	assert_int_equal(beat(), LEASE_ARM);
	assert_int_equal(lease.state, LEASE_LIVE);
}

static void
test_next_beats_renew(void **state)
{
	(void)state;
	(void)beat();
	wait_us(BEAT_US);
	assert_int_equal(beat(), LEASE_RENEW);
	assert_int_equal(lease.ends_us, now_us + lease_element_us(&lease));
}

static void
test_proof_and_element_together_last_one_lease(void **state)
{
	(void)state;
	assert_true(
	    lease_element_us(&lease) + LEASE_MS * MS / 3 <= LEASE_MS * MS);
}

static void
test_silence_lapses_once(void **state)
{
	(void)state;
	(void)beat();
	wait_us(lease_element_us(&lease) - 1);
	assert_int_equal(lease_expire(&lease, now_us), LEASE_NOTHING);
	wait_us(1);
	assert_int_equal(lease_expire(&lease, now_us), LEASE_LAPSE);
	assert_int_equal(lease_expire(&lease, now_us), LEASE_NOTHING);
}

static void
test_three_good_beats_in_a_row_arm_again(void **state)
{
	(void)state;
	lapse();
	assert_int_equal(beat(), LEASE_NOTHING);
	wait_us(BEAT_US);
	assert_int_equal(beat(), LEASE_NOTHING);
	wait_us(BEAT_US);
	assert_int_equal(beat(), LEASE_ARM);
}

static void
test_a_gap_starts_the_row_over(void **state)
{
	(void)state;
	lapse();
	(void)beat();
	wait_us(BEAT_US);
	(void)beat();
	wait_us(LEASE_MS * MS / 3 + 1);
	assert_int_equal(beat(), LEASE_NOTHING);
	wait_us(BEAT_US);
	assert_int_equal(beat(), LEASE_NOTHING);
	wait_us(BEAT_US);
	assert_int_equal(beat(), LEASE_ARM);
}

static void
test_beats_that_piled_up_prove_nothing(void **state)
{
	int64_t sent_us;

	(void)state;
	lapse();
	sent_us = now_us;
	wait_us(5000 * MS);
	for (int i = 0; i < 10; i++)
		assert_int_equal(
		    lease_beat(&lease, sent_us + i, now_us), LEASE_NOTHING);
	assert_int_equal(lease.state, LEASE_LAPSED);
}

static void
test_an_old_beat_does_not_renew_a_live_lease(void **state)
{
	int64_t ends_us;

	(void)state;
	(void)beat();
	ends_us = lease.ends_us;
	wait_us(1500 * MS);
	assert_int_equal(
	    lease_beat(&lease, now_us - 1001 * MS, now_us), LEASE_NOTHING);
	assert_int_equal(lease.ends_us, ends_us);
}

static void
test_a_beat_from_the_future_is_not_good(void **state)
{
	(void)state;
	assert_int_equal(lease_beat(&lease, now_us + 1, now_us), LEASE_NOTHING);
}

static void
test_successor_of_a_live_lease_renews_it(void **state)
{
	(void)state;
	lease_init(&lease, LEASE_MS, 1, now_us);
	assert_int_equal(beat(), LEASE_RENEW);
}

static void
test_successor_that_hears_nothing_lets_it_lapse(void **state)
{
	(void)state;
	lease_init(&lease, LEASE_MS, 1, now_us);
	wait_us(lease_element_us(&lease));
	assert_int_equal(lease_expire(&lease, now_us), LEASE_LAPSE);
}

#define TEST(test) cmocka_unit_test_setup(test, setup)

/* As much as was lost is given, however often; nothing comes back to life. */
static void
test_time_without_ears_does_not_count(void **state)
{
	int64_t ends_us;

	(void)state;
	assert_false(lease_delay(&lease, MS, now_us));
	(void)beat();
	ends_us = lease.ends_us;
	wait_us(LEASE_MS * MS);
	assert_true(lease_delay(&lease, LEASE_MS * MS, now_us));
	assert_int_equal(lease.ends_us, ends_us + LEASE_MS * MS);
	assert_int_equal(lease_expire(&lease, now_us), LEASE_NOTHING);
	now_us = lease.ends_us;
	assert_int_equal(lease_expire(&lease, now_us), LEASE_LAPSE);
	assert_false(lease_delay(&lease, LEASE_MS * MS, now_us));
}

static void
test_a_lease_that_ended_before_is_not_renewed(void **state)
{
	(void)state;
	(void)beat();
	now_us = lease.ends_us + MS;
	assert_false(lease_delay(&lease, MS, now_us));
	assert_int_equal(lease_expire(&lease, now_us), LEASE_LAPSE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_first_beat_arms),
		TEST(test_next_beats_renew),
		TEST(test_proof_and_element_together_last_one_lease),
		TEST(test_silence_lapses_once),
		TEST(test_three_good_beats_in_a_row_arm_again),
		TEST(test_a_gap_starts_the_row_over),
		TEST(test_beats_that_piled_up_prove_nothing),
		TEST(test_an_old_beat_does_not_renew_a_live_lease),
		TEST(test_a_beat_from_the_future_is_not_good),
		TEST(test_successor_of_a_live_lease_renews_it),
		TEST(test_successor_that_hears_nothing_lets_it_lapse),
		TEST(test_time_without_ears_does_not_count),
		TEST(test_a_lease_that_ended_before_is_not_renewed),
	};

	return cmocka_run_group_tests_name("lease", tests, NULL, NULL);
}
