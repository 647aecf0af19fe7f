/* SPDX-License-Identifier: ISC */
/* Counts of open flows: limits, several relays, one that dies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "relay/tally.h"

#define WORKERS 2
#define RULE "relay to any max-flows 3 max-flows 2 per client"

static const struct rule_limits both = { .flows = { 3, 2 } };
static const struct rule_limits per_client = { .flows = { 0, 2 } };
static const struct addr one = { { 192, 0, 2, 1 } };
static const struct addr two = { { 192, 0, 2, 2 } };

static struct tally_part *parts;
static struct tally relays[WORKERS];

static int
setup(void **state)
{
	uint32_t i, j;

	(void)state;
	parts = calloc(WORKERS, sizeof(*parts));
	if (parts == NULL)
		return -1;
	for (i = 0; i < WORKERS; i++) {
		for (j = 0; j < WORKERS; j++)
			relays[i].part[j] = &parts[j];
		relays[i].workers = WORKERS;
		relays[i].own = &parts[i];
		relays[i].seed = 7;
	}
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	free(parts);
	return 0;
}

static void
test_limits_hold_over_all_relays(void **state)
{
	struct tally_share share[4];

	(void)state;
	assert_int_equal(
	    tally_take(&relays[0], RULE, &both, &one, &share[0]), 0);
	assert_int_equal(
	    tally_take(&relays[1], RULE, &both, &one, &share[1]), 0);
	assert_int_equal(
	    tally_take(&relays[0], RULE, &both, &one, &share[2]), -1);
	assert_int_equal(
	    tally_take(&relays[1], RULE, &both, &one, &share[2]), -1);
	assert_int_equal(
	    tally_take(&relays[1], RULE, &both, &two, &share[2]), 0);
	/* The rule has three now. */
	assert_int_equal(
	    tally_take(&relays[0], RULE, &both, &two, &share[3]), -1);
	tally_give_back(&relays[0], &share[0]);
	assert_int_equal(
	    tally_take(&relays[0], RULE, &both, &two, &share[3]), 0);
}

static void
test_what_is_refused_takes_nothing(void **state)
{
	struct tally_share share[4], none;
	int i;

	(void)state;
	for (i = 0; i < 2; i++)
		assert_int_equal(
		    tally_take(&relays[0], RULE, &both, &one, &share[i]), 0);
	for (i = 0; i < 10; i++)
		assert_int_equal(
		    tally_take(&relays[0], RULE, &both, &one, &none), -1);
	tally_give_back(&relays[0], &none);
	assert_int_equal(
	    tally_take(&relays[0], RULE, &both, &two, &share[2]), 0);
	tally_give_back(&relays[0], &share[0]);
	tally_give_back(&relays[0], &share[0]);
	assert_int_equal(
	    tally_take(&relays[0], RULE, &both, &one, &share[0]), 0);
	assert_int_equal(
	    tally_take(&relays[0], RULE, &both, &one, &share[3]), -1);
}

static void
test_rules_count_apart(void **state)
{
	struct tally_share share;
	int i;

	(void)state;
	for (i = 0; i < 2; i++)
		assert_int_equal(
		    tally_take(&relays[0], RULE, &per_client, &one, &share), 0);
	assert_int_equal(
	    tally_take(&relays[0], RULE, &per_client, &one, &share), -1);
	assert_int_equal(
	    tally_take(&relays[0], "another", &per_client, &one, &share), 0);
}

/* A host has as many addresses of its /64 as it likes. */
static void
test_a_network_of_ipv6_is_one_client(void **state)
{
	struct addr client = { { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 1 } };
	struct tally_share share;
	int i;

	(void)state;
	for (i = 0; i < 4; i++) {
		client.byte[8] = client.byte[15] = (uint8_t)i;
		assert_int_equal(tally_take(&relays[i % 2], RULE, &per_client,
				     &client, &share),
		    i < 2 ? 0 : -1);
	}
	client.byte[7] = 2;
	assert_int_equal(
	    tally_take(&relays[0], RULE, &per_client, &client, &share), 0);
}

/* Of which every address is a client. */
static void
test_addresses_of_ipv4_count_apart(void **state)
{
	struct addr client = { { [10] = 0xff, 0xff, 192, 0, 2, 0 } };
	struct tally_share share;
	int i;

	(void)state;
	for (i = 0; i < 8; i++) {
		client.byte[15] = (uint8_t)(i / 2);
		assert_int_equal(
		    tally_take(&relays[0], RULE, &per_client, &client, &share),
		    0);
	}
	assert_int_equal(
	    tally_take(&relays[0], RULE, &per_client, &client, &share), -1);
}

static void
test_a_cleared_part_counts_no_more(void **state)
{
	struct tally_share share;
	int i;

	(void)state;
	for (i = 0; i < 2; i++)
		assert_int_equal(
		    tally_take(&relays[1], RULE, &per_client, &one, &share), 0);
	assert_int_equal(
	    tally_take(&relays[0], RULE, &per_client, &one, &share), -1);
	memset(&parts[1], 0, sizeof(parts[1]));
	assert_int_equal(
	    tally_take(&relays[0], RULE, &per_client, &one, &share), 0);
}

/* More clients at once than a relay has flows: all have a place, or are told.
 */
static void
test_many_clients_have_places(void **state)
{
	struct tally_share *shares = calloc(65536, sizeof(*shares));
	struct addr client = { { 0x20, 1 } };
	uint32_t i, refused = 0;

	(void)state;
	assert_non_null(shares);
	for (i = 0; i < 65536; i++) {
		memcpy(client.byte + 4, &i, sizeof(i));
		if (tally_take(&relays[0], RULE, &per_client, &client,
			&shares[i]) == -1)
			refused++;
	}
	assert_true(refused < 10);
	for (i = 0; i < 65536; i++)
		tally_give_back(&relays[0], &shares[i]);
	for (i = 0; i < TALLY_CELLS; i++)
		assert_true(atomic_load(&parts[0].cell[i].count) == 0);
	free(shares);
}

/* A hostile relay writes what it likes. */
static void
test_nonsense_of_another_relay_leads_nowhere(void **state)
{
	struct tally_share share;

	(void)state;
	memset(&parts[1], 0xff, sizeof(parts[1]));
	assert_int_equal(tally_take(&relays[0], RULE, &both, &one, &share), 0);
	memset(&parts[0], 0xff, sizeof(parts[0]));
	tally_give_back(&relays[0], &share);
	(void)tally_take(&relays[0], RULE, &both, &one, &share);
}

/* It can have a rule's flows refused, or those that it takes not counted. */
static void
test_lies_of_another_relay_go_no_further_than_its_part(void **state)
{
	static const uint64_t lies[] = { 0, 1, UINT32_MAX, UINT64_MAX };
	struct tally_share share[3], theirs;
	size_t i, n;

	(void)state;
	for (n = 0; n < sizeof(lies) / sizeof(lies[0]); n++) {
		assert_int_equal(
		    tally_take(&relays[1], RULE, &per_client, &one, &theirs),
		    0);
		atomic_store(
		    &parts[1].cell[theirs.cell[LIMIT_CLIENT] - 1].count,
		    lies[n]);
		for (i = 0; i < 3; i++)
			if (tally_take(&relays[0], RULE, &per_client, &one,
				&share[i]) == -1)
				break;
		/* Its flows are 2 at most, whatever the other says. */
		assert_int_equal(i, lies[n] == 1	    ? 1
				    : lies[n] == UINT32_MAX ? 0
							    : 2);
		while (i-- > 0)
			tally_give_back(&relays[0], &share[i]);
		memset(&parts[1], 0, sizeof(parts[1]));
	}
	for (i = 0; i < TALLY_CELLS; i++)
		assert_int_equal(atomic_load(&parts[0].cell[i].count), 0);
}

static void
test_a_tally_lacks_no_part(void **state)
{
	(void)state;
	assert_true(tally_is_complete(&relays[0]));
	relays[0].part[1] = NULL;
	assert_false(tally_is_complete(&relays[0]));
	relays[0].part[1] = &parts[1];
	relays[0].own = NULL;
	assert_false(tally_is_complete(&relays[0]));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_limits_hold_over_all_relays),
		TEST(test_what_is_refused_takes_nothing),
		TEST(test_rules_count_apart),
		TEST(test_a_network_of_ipv6_is_one_client),
		TEST(test_addresses_of_ipv4_count_apart),
		TEST(test_a_cleared_part_counts_no_more),
		TEST(test_many_clients_have_places),
		TEST(test_nonsense_of_another_relay_leads_nowhere),
		TEST(test_lies_of_another_relay_go_no_further_than_its_part),
		TEST(test_a_tally_lacks_no_part),
	};

	return cmocka_run_group_tests_name("tally", tests, NULL, NULL);
}
