/* SPDX-License-Identifier: ISC */
/* Who has how many places, and who may have one more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dnsd/shares.h"

#define PLACES 64
#define MOST 8

static const struct siphash_key key = { { 7, 8 } };
static struct shares *shares;

static int
setup(void **state)
{
	(void)state;
	shares = shares_new(PLACES);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	shares_free(shares);
	return 0;
}

static struct share_tags
v4(uint8_t who)
{
	struct addr addr = { { [10] = 0xff, [11] = 0xff, [15] = who } };

	return shares_tags(&key, &addr);
}

static struct share_tags
v6(uint8_t net, uint8_t host)
{
	struct addr addr = { { 0x20, 1, [7] = net, [15] = host } };

	return shares_tags(&key, &addr);
}

/* So many places, as far as they are allowed; how many that were. */
static int
taken(struct share_tags tags, int times, struct share_hold *hold)
{
	int count = 0;

	for (; times-- > 0 && shares_allow(shares, &tags, MOST); count++)
		shares_take(shares, &tags, hold);
	return count;
}

static void
test_client_has_its_share(void **state)
{
	struct share_tags one = v4(1);
	struct share_hold hold;

	(void)state;
	assert_int_equal(taken(one, PLACES, &hold), MOST);
	assert_int_equal(shares_count(shares, &one), MOST);
	assert_null(hold.host);
	assert_int_equal(taken(v4(2), PLACES, &hold), MOST);
	shares_give(shares, &hold);
	assert_int_equal(taken(v4(2), PLACES, &hold), 1);
	assert_int_equal(taken(one, PLACES, &hold), 0);
}

static void
test_addresses_of_a_network_have_one_share(void **state)
{
	struct share_hold hold;
	uint8_t host;

	(void)state;
	/* The first is the address of the network itself. */
	assert_int_equal(taken(v6(1, 0), PLACES, &hold), MOST / 2);
	assert_int_equal(taken(v6(1, 1), 1, &hold), 1);
	assert_int_equal(taken(v6(1, 2), PLACES, &hold), MOST / 2 - 1);
	for (host = 3; host < 20; host++)
		assert_int_equal(taken(v6(1, host), 1, &hold), 0);
	assert_int_equal(taken(v6(2, 1), 1, &hold), 1);
}

static void
test_nobody_may_have_anything_of_nothing(void **state)
{
	struct share_tags one = v6(1, 1);

	(void)state;
	assert_int_equal(shares_allow(shares, &one, 0), 0);
	assert_int_equal(shares_allow(shares, &one, 1), 1);
}

/* And what they were used for by then is forgotten. */
static void
test_all_places_can_be_used_again(void **state)
{
	struct share_hold holds[PLACES];
	struct share_tags tags;
	int round, i;

	(void)state;
	for (round = 0; round < 5; round++) {
		for (i = 0; i < PLACES; i++) {
			tags = v6((uint8_t)i, (uint8_t)round);
			shares_take(shares, &tags, &holds[i]);
			assert_int_equal(holds[i].client->tries, 0);
			holds[i].client->tries = 9;
			assert_int_equal(
			    shares_tags_of(&holds[i]).host, tags.host);
			assert_int_equal(shares_count(shares, &tags), 1);
		}
		for (i = 0; i < PLACES; i++)
			shares_give(shares, &holds[i]);
		assert_int_equal(shares_count(shares, &tags), 0);
	}
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_client_has_its_share),
		TEST(test_addresses_of_a_network_have_one_share),
		TEST(test_nobody_may_have_anything_of_nothing),
		TEST(test_all_places_can_be_used_again),
	};

	return cmocka_run_group_tests_name("shares", tests, NULL, NULL);
}
