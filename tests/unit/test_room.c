/* SPDX-License-Identifier: ISC */
/* Who has how much of the room for questions that nobody answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dnsd/resolver/room.h"
#include "schema/limits.h"

#define CLIENTS 10
#define WORKERS 8
#define NEIGHBOUR 1000 /* a client, as it is called here */

static const struct siphash_key key = { { 9, 10 } };
static struct room *room;
static struct share_hold hold; /* the last one */

static int
setup(void **state)
{
	(void)state;
	room = room_new(&key);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	room_free(room);
	return 0;
}

static enum dns_held
take(uint32_t worker, uint64_t client, uint64_t host)
{
	struct share_tags tags = { .client = client, .host = host };

	return room_take(room, worker, &tags, &hold);
}

/* As many as it gets; why it does not get one more. */
static enum dns_held
flood(uint32_t worker, uint64_t client, uint64_t host, uint32_t *count)
{
	enum dns_held held;

	*count = 0;
	while ((held = take(worker, client, host)) == DNS_HELD_NOT)
		++*count;
	return held;
}

static void
test_client_has_a_part_of_what_is_left(void **state)
{
	uint32_t count, left = ROOM_PLACES;

	(void)state;
	assert_int_equal(flood(0, 1, 0, &count), DNS_HELD_SHARE);
	left -= count;
	assert_in_range(
	    count, left / ROOM_CLIENT_PART, left / ROOM_CLIENT_PART + 2);
	/* Its neighbour does not notice, on that dnsd or on another. */
	assert_int_equal(take(0, NEIGHBOUR, 0), DNS_HELD_NOT);
	assert_int_equal(take(1, NEIGHBOUR, 0), DNS_HELD_NOT);
	assert_int_equal(take(0, 1, 0), DNS_HELD_SHARE);
}

static void
test_places_that_are_given_back_can_be_taken(void **state)
{
	uint32_t first, count, i;
	int round;

	(void)state;
	(void)flood(0, 1, 1, &first);
	for (round = 0; round < 20; round++) {
		for (i = 0; i < first; i++)
			room_give(room, 0, &hold);
		(void)flood(0, 1, 1, &count);
		assert_int_equal(count, first);
	}
	room_give(room, 0, &hold);
	assert_int_equal(take(0, 1, 1), DNS_HELD_NOT);
	assert_int_equal(take(0, 1, 1), DNS_HELD_SHARE);
}

static void
test_host_of_a_network_leaves_its_neighbours_half(void **state)
{
	uint32_t one, other, third;

	(void)state;
	assert_int_equal(flood(0, 1, 1, &one), DNS_HELD_SHARE);
	assert_int_equal(flood(0, 1, 2, &other), DNS_HELD_SHARE);
	assert_in_range(other, one * 3 / 4, one);
	assert_int_equal(flood(0, 1, 3, &third), DNS_HELD_SHARE);
	assert_in_range(third, 0, one / 4);
	assert_int_equal(take(0, NEIGHBOUR, NEIGHBOUR), DNS_HELD_NOT);
}

/* At a time, by several dnsds, as questions from many ports come. */
static void
test_many_that_flood_leave_room(void **state)
{
	uint32_t worker, count;
	uint64_t client;

	(void)state;
	do {
		count = 0;
		for (worker = 0; worker < WORKERS; worker++)
			for (client = 1; client <= CLIENTS; client++)
				count +=
				    take(worker, client, 0) == DNS_HELD_NOT;
	} while (count > 0);
	for (worker = 0; worker < LIMIT_WORKERS; worker++)
		assert_int_equal(take(worker, NEIGHBOUR, 0), DNS_HELD_NOT);
}

static void
test_dnsd_that_lies_leaves_room_and_harms_no_client(void **state)
{
	uint64_t client = 1;
	uint32_t count = 0;
	enum dns_held held;

	(void)state;
	while ((held = take(0, client++, 0)) == DNS_HELD_NOT)
		count++;
	assert_int_equal(held, DNS_HELD_ROOM);
	assert_in_range(count, ROOM_PLACES / 2, ROOM_PLACES * 3 / 4);
	/* Whose names it may know: they are clients of the other dnsd. */
	assert_int_equal(take(1, 1, 0), DNS_HELD_NOT);
	for (count = 0; take(1, 1, 0) == DNS_HELD_NOT; count++)
		;
	assert_in_range(count, ROOM_PLACES / 16, ROOM_PLACES);
}

static void
test_what_a_dnsd_says_of_a_client_is_no_matter_of_others(void **state)
{
	uint32_t count;

	(void)state;
	assert_int_equal(flood(0, 1, 0, &count), DNS_HELD_SHARE);
	assert_int_equal(take(1, 1, 0), DNS_HELD_NOT);
}

/* Each with one place, as long as there is any. */
static void
test_no_more_than_all_places_are_taken(void **state)
{
	uint32_t worker, taken = 0;
	uint64_t client;

	(void)state;
	for (client = 1; client < ROOM_PLACES; client++)
		for (worker = 0; worker < LIMIT_WORKERS; worker++)
			taken += take(worker, client, 0) == DNS_HELD_NOT;
	assert_in_range(taken, ROOM_PLACES - LIMIT_WORKERS, ROOM_PLACES);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_client_has_a_part_of_what_is_left),
		TEST(test_places_that_are_given_back_can_be_taken),
		TEST(test_host_of_a_network_leaves_its_neighbours_half),
		TEST(test_many_that_flood_leave_room),
		TEST(test_dnsd_that_lies_leaves_room_and_harms_no_client),
		TEST(test_what_a_dnsd_says_of_a_client_is_no_matter_of_others),
		TEST(test_no_more_than_all_places_are_taken),
	};

	return cmocka_run_group_tests_name("room", tests, NULL, NULL);
}
