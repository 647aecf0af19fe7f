/* SPDX-License-Identifier: ISC */
/* One client beyond its rate is nobody else's business. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dnsd/limiter.h"

#define SECOND_US 1000000LL
#define RATE 100

static const struct siphash_key key = { { 3, 4 } };
static struct limiter *limiter;

static int
setup(void **state)
{
	(void)state;
	limiter = limiter_new(&key);
	limiter_set_rate(limiter, RATE);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	limiter_free(limiter);
	return 0;
}

static struct addr
v4(uint32_t number)
{
	struct addr addr = { { [10] = 0xff, [11] = 0xff } };

	memcpy(addr.byte + 12, &number, sizeof(number));
	return addr;
}

static struct addr
v6(uint64_t net, uint64_t host)
{
	struct addr addr;

	memcpy(addr.byte, &net, sizeof(net));
	memcpy(addr.byte + 8, &host, sizeof(host));
	return addr;
}

static int
taken(const struct addr *addr, int times, int64_t now_us)
{
	int count = 0;

	while (times-- > 0)
		count += limiter_take(limiter, addr, now_us);
	return count;
}

static void
test_client_gets_its_rate_and_no_more(void **state)
{
	struct addr client = v4(1);

	(void)state;
	assert_int_equal(taken(&client, 1000, SECOND_US), RATE);
	assert_int_equal(taken(&client, 1000, SECOND_US * 3 / 2), RATE / 2);
	assert_int_equal(taken(&client, 1000, SECOND_US * 100), RATE);
}

static void
test_flood_does_not_touch_neighbours(void **state)
{
	struct addr flooder = v4(1), neighbour;
	uint32_t i;

	(void)state;
	assert_int_equal(taken(&flooder, 1000, SECOND_US), RATE);
	for (i = 0; i < 20000; i++) {
		neighbour = v4(2 + i);
		assert_int_equal(taken(&neighbour, 1, SECOND_US), 1);
	}
	/* And they have not made it forgotten. */
	assert_int_equal(taken(&flooder, 10, SECOND_US), 0);
}

static void
test_host_leaves_the_others_of_its_net_half(void **state)
{
	struct addr flooder = v6(7, 1), neighbour = v6(7, 2);

	(void)state;
	assert_int_equal(taken(&flooder, 10000, SECOND_US), RATE / 2);
	assert_int_equal(taken(&neighbour, RATE, SECOND_US), RATE / 2);
	assert_int_equal(taken(&neighbour, RATE, SECOND_US * 2), RATE / 2);
}

static void
test_net_that_changes_its_addresses_is_one_client(void **state)
{
	struct addr flooder, other = v6(8, 1);
	int count = 0;
	uint64_t i;

	(void)state;
	for (i = 0; i < 10000; i++) {
		flooder = v6(7, i);
		count += taken(&flooder, 1, SECOND_US);
	}
	assert_int_equal(count, RATE);
	assert_int_equal(taken(&other, 1, SECOND_US), 1);
}

static void
test_the_lowest_rate_lets_one_host_ask(void **state)
{
	struct addr host = v6(7, 1);

	(void)state;
	limiter_set_rate(limiter, 1);
	assert_int_equal(taken(&host, 10, SECOND_US), 1);
	assert_int_equal(taken(&host, 10, 2 * SECOND_US), 1);
}

static void
test_without_a_rate_there_is_no_limit(void **state)
{
	struct addr client = v4(1);

	(void)state;
	limiter_set_rate(limiter, 0);
	assert_int_equal(taken(&client, 100000, SECOND_US), 100000);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_client_gets_its_rate_and_no_more),
		TEST(test_flood_does_not_touch_neighbours),
		TEST(test_host_leaves_the_others_of_its_net_half),
		TEST(test_net_that_changes_its_addresses_is_one_client),
		TEST(test_the_lowest_rate_lets_one_host_ask),
		TEST(test_without_a_rate_there_is_no_limit),
	};

	return cmocka_run_group_tests_name("limiter", tests, NULL, NULL);
}
