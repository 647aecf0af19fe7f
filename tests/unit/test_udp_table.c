/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "relay/udp_table.h"

#define MOST 1000U

static struct udp_entry entries[MOST + 1];

/* A flow of some client from a port of its. */
static struct udp_entry *
entry_make(uint32_t i, uint8_t client)
{
	struct udp_entry *entry = &entries[i];

	*entry = (struct udp_entry){ .active_us = i };
	entry->key.client.byte[15] = client;
	entry->key.client_port = (uint16_t)(i + 1);
	entry->key.server_port = 53;
	return entry;
}

static struct udp_table *
table_of(uint32_t count, uint8_t client)
{
	struct udp_table *table = udp_table_new(MOST);
	uint32_t i;

	assert_non_null(table);
	for (i = 0; i < count; i++)
		assert_int_equal(
		    udp_table_add(table, entry_make(i, client)), 0);
	return table;
}

static void
test_what_was_added_is_found(void **state)
{
	struct udp_table *table = table_of(MOST, 1);
	struct udp_key key;
	uint32_t i;

	(void)state;
	for (i = 0; i < MOST; i++) {
		key = entries[i].key;
		assert_ptr_equal(udp_table_find(table, &key), &entries[i]);
		key.server_port++;
		assert_null(udp_table_find(table, &key));
	}
}

static void
test_a_full_table_takes_no_more(void **state)
{
	struct udp_table *table = table_of(MOST, 1);

	(void)state;
	assert_int_equal(udp_table_add(table, entry_make(MOST, 1)), -1);
	udp_table_remove(table, &entries[0]);
	assert_int_equal(udp_table_add(table, &entries[MOST]), 0);
	assert_int_equal(udp_table_count(table), MOST);
}

static void
test_what_was_removed_is_gone_and_the_rest_stays(void **state)
{
	struct udp_table *table = table_of(MOST, 1);
	uint32_t i, n = 0;

	(void)state;
	for (i = 0; i < MOST; i += 3, n++)
		udp_table_remove(table, &entries[i]);
	assert_int_equal(udp_table_count(table), MOST - n);
	for (i = 0; i < MOST; i++)
		assert_int_equal(
		    udp_table_find(table, &entries[i].key) != NULL, i % 3 != 0);
	for (i = 0; i < MOST - n; i++)
		assert_ptr_equal(
		    udp_table_find(table, &udp_table_at(table, i)->key),
		    udp_table_at(table, i));
}

static void
test_room_is_made_by_who_takes_most_of_it(void **state)
{
	struct udp_table *table = table_of(MOST - 10, 1);
	struct udp_entry *victim;
	uint32_t i;

	(void)state;
	for (i = MOST - 10; i < MOST; i++)
		assert_int_equal(udp_table_add(table, entry_make(i, 2)), 0);
	for (i = 0; i < MOST - 200; i++) {
		victim = udp_table_victim(table);
		assert_int_equal(victim->key.client.byte[15], 1);
		udp_table_remove(table, victim);
	}
}

#define SPREAD 251 /* addresses, or networks, of one network */

/* Flows of a network, told apart by a byte of their addresses. */
static void
entries_spread(struct udp_table *table, uint32_t first, uint32_t end,
    const struct addr *network, size_t at)
{
	uint32_t i;

	for (i = first; i < end; i++) {
		entry_make(i, 0);
		entries[i].key.client = *network;
		entries[i].key.client.byte[at] = (uint8_t)(i % SPREAD);
		assert_int_equal(udp_table_add(table, &entries[i]), 0);
	}
}

static const struct addr v4_24 = { { [10] = 0xff, 0xff, 192, 0, 2, 0 } };
static const struct addr v6_48 = { { 0x20, 1, 0xd, 0xb8, 0, 1 } };

/* Clients with a few flows each, of the entries behind the first ones. */
static void
add_clients(struct udp_table *table, uint32_t first)
{
	uint32_t i;

	for (i = first; i < MOST; i++) {
		entry_make(i, 0);
		entries[i].key.client = v4_24;
		entries[i].key.client.byte[12] = 10;
		entries[i].key.client.byte[14] = (uint8_t)(i % 7);
		assert_int_equal(udp_table_add(table, &entries[i]), 0);
	}
}

/*
 * Of a hundred; once in a while none of those that are looked at is, or others
 * are judged as one with it.
 */
static void
assert_victims_are_of(
    struct udp_table *table, const struct addr *who, size_t bytes)
{
	struct udp_entry *victim;
	int i, hits = 0;

	for (i = 0; i < 100; i++) {
		victim = udp_table_victim(table);
		hits += memcmp(victim->key.client.byte, who->byte, bytes) == 0;
		udp_table_remove(table, victim);
	}
	assert_true(hits > 80);
}

/* Each of its addresses has fewer than any other client. */
static void
test_a_network_with_many_addresses_makes_room_for_clients(void **state)
{
	static const struct {
		const struct addr *network;
		size_t at, bytes;
	} cases[] = { { &v4_24, 15, 15 }, { &v6_48, 15, 8 }, { &v6_48, 7, 6 } };
	struct udp_table *table;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		table = udp_table_new(MOST);
		assert_non_null(table);
		entries_spread(
		    table, 0, MOST - 70, cases[i].network, cases[i].at);
		add_clients(table, MOST - 70);
		assert_victims_are_of(table, cases[i].network, cases[i].bytes);
	}
}

static void
test_a_client_with_most_goes_before_a_network_of_clients(void **state)
{
	struct udp_table *table = table_of(MOST / 3, 1);

	(void)state;
	entries_spread(table, MOST / 3, MOST, &v4_24, 15);
	assert_victims_are_of(
	    table, &entries[0].key.client, sizeof(struct addr));
}

/* And in it clients are told apart. */
static void
test_in_a_network_the_client_with_most_makes_room(void **state)
{
	struct udp_table *table = udp_table_new(MOST);
	struct addr greedy = v4_24;
	uint32_t i;

	(void)state;
	assert_non_null(table);
	greedy.byte[15] = SPREAD;
	entries_spread(table, 50, MOST, &v4_24, 15);
	for (i = 0; i < 50; i++) {
		entry_make(i, 0);
		entries[i].key.client = greedy;
		entries[i].active_us = MOST;
		assert_int_equal(udp_table_add(table, &entries[i]), 0);
	}
	/* One of sixteen that are looked at is very likely of it. */
	for (i = 0; i < 40; i++)
		if (memcmp(&udp_table_victim(table)->key.client, &greedy,
			sizeof(greedy)) == 0)
			return;
	fail_msg("the client with most is left alone");
}

static void
test_of_one_client_the_oldest_go_first(void **state)
{
	struct udp_table *table = table_of(MOST, 1);
	struct udp_entry *victim;
	int64_t sum = 0;
	int i;

	(void)state;
	for (i = 0; i < 100; i++) {
		victim = udp_table_victim(table);
		sum += victim->active_us;
		udp_table_remove(table, victim);
	}
	/* By chance alone the mean would be half of MOST. */
	assert_true(sum / 100 < MOST / 4);
}

static void
test_an_empty_table_has_no_victim(void **state)
{
	(void)state;
	assert_null(udp_table_victim(table_of(0, 1)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_added_is_found),
		cmocka_unit_test(test_a_full_table_takes_no_more),
		cmocka_unit_test(
		    test_what_was_removed_is_gone_and_the_rest_stays),
		cmocka_unit_test(test_room_is_made_by_who_takes_most_of_it),
		cmocka_unit_test(
		    test_a_network_with_many_addresses_makes_room_for_clients),
		cmocka_unit_test(
		    test_a_client_with_most_goes_before_a_network_of_clients),
		cmocka_unit_test(
		    test_in_a_network_the_client_with_most_makes_room),
		cmocka_unit_test(test_of_one_client_the_oldest_go_first),
		cmocka_unit_test(test_an_empty_table_has_no_victim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
