/* SPDX-License-Identifier: ISC */
#include "relay/udp_hold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static char bytes[UDP_HOLD_BYTES + 1];
static struct udp_holds *holds;
static _Atomic uint64_t lost;

static int
setup(void **state)
{
	(void)state;
	lost = 0;
	holds = udp_holds_new(&lost);
	assert_non_null(holds);
	return 0;
}

static struct udp_packet
packet_of(size_t len)
{
	struct udp_packet packet = { .bytes = bytes, .len = len, .sport = 7 };

	return packet;
}

static int
count_of(struct udp_hold *hold)
{
	const struct udp_packet *packets;

	return udp_hold_packets(hold, &packets);
}

static void
test_what_is_held_is_a_copy_in_its_order(void **state)
{
	struct udp_packet packets[] = { packet_of(3), packet_of(0) };
	const struct udp_packet *held;
	struct udp_hold *hold = NULL;

	(void)state;
	packets[0].segment = 2;
	memcpy(bytes, "one", 3);
	udp_hold_add(holds, &hold, packets, 2);
	memcpy(bytes, "two", 3);
	udp_hold_add(holds, &hold, packets, 1);
	assert_int_equal(udp_hold_packets(hold, &held), 3);
	assert_memory_equal(held[0].bytes, "one", 3);
	assert_int_equal(held[0].len, 3);
	assert_int_equal(held[0].segment, 2);
	assert_int_equal(held[1].len, 0);
	assert_int_equal(held[1].segment, 0);
	assert_memory_equal(held[2].bytes, "two", 3);
	udp_hold_free(hold);
}

static void
test_a_flow_holds_few_datagrams(void **state)
{
	struct udp_packet packet = packet_of(1);
	struct udp_hold *hold = NULL;
	int i;

	(void)state;
	for (i = 0; i < UDP_HOLD_DATAGRAMS + 1; i++)
		udp_hold_add(holds, &hold, &packet, 1);
	assert_int_equal(lost, 1);
	assert_int_equal(count_of(hold), UDP_HOLD_DATAGRAMS);
	udp_hold_free(hold);
}

static void
test_a_flow_holds_few_bytes(void **state)
{
	struct udp_packet most = packet_of(UDP_HOLD_BYTES);
	struct udp_packet more = packet_of(UDP_HOLD_BYTES + 1);
	struct udp_packet one = packet_of(1);
	struct udp_hold *hold = NULL;

	(void)state;
	udp_hold_add(holds, &hold, &more, 1);
	assert_int_equal(lost, 1);
	udp_hold_add(holds, &hold, &most, 1);
	udp_hold_add(holds, &hold, &one, 1);
	assert_int_equal(lost, 2);
	assert_int_equal(count_of(hold), 1);
	udp_hold_free(hold);
}

/* They are several, as many as have room. */
static void
test_what_came_together_is_held_as_far_as_there_is_room(void **state)
{
	const struct {
		size_t before, len; /* of the packet; of a datagram: 5 */
		uint32_t lost;
		size_t held, segment;
	} cases[] = {
		{ 0, 5 * UDP_HOLD_DATAGRAMS - 5, 0, 5 * UDP_HOLD_DATAGRAMS - 5,
		    5 },
		{ 0, 5 * UDP_HOLD_DATAGRAMS - 9, 0, 5 * UDP_HOLD_DATAGRAMS - 9,
		    5 },
		{ 0, 5 * UDP_HOLD_DATAGRAMS + 1, 2, 5 * UDP_HOLD_DATAGRAMS - 5,
		    5 },
		{ UDP_HOLD_BYTES - 17, 17, 0, 17, 5 },
		{ UDP_HOLD_BYTES - 16, 17, 1, 15, 5 },
		{ UDP_HOLD_BYTES - 10, 17, 2, 10, 5 },
		{ UDP_HOLD_BYTES - 9, 17, 3, 5, 0 },
		{ UDP_HOLD_BYTES - 4, 17, 4, 0, 0 },
	};
	const struct udp_packet *held;
	struct udp_packet packets[3];
	struct udp_hold *hold;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		hold = NULL;
		lost = 0;
		packets[0] = packet_of(cases[i].before);
		packets[1] = packet_of(cases[i].len);
		packets[1].segment = 5;
		packets[2] = packet_of(0);
		udp_hold_add(holds, &hold, packets, 2);
		assert_int_equal(lost, cases[i].lost);
		assert_int_equal(
		    udp_hold_packets(hold, &held), cases[i].held > 0 ? 2 : 1);
		if (cases[i].held > 0) {
			assert_int_equal(held[1].len, cases[i].held);
			assert_int_equal(held[1].segment, cases[i].segment);
		}
		udp_hold_free(hold);
	}
	/* So they are of the next packets. */
	hold = NULL;
	lost = 0;
	packets[0] = packet_of(50);
	packets[0].segment = 5;
	packets[1] = packets[0];
	udp_hold_add(holds, &hold, packets, 2);
	assert_int_equal(lost, 20 - UDP_HOLD_DATAGRAMS);
	udp_hold_free(hold);
	/* Nothing gets past what was lost, though it had room. */
	hold = NULL;
	lost = 0;
	packets[0] = packet_of(UDP_HOLD_BYTES - 4);
	packets[1] = packet_of(17);
	packets[1].segment = 5;
	udp_hold_add(holds, &hold, packets, 3);
	assert_int_equal(lost, 5);
	assert_int_equal(count_of(hold), 1);
	udp_hold_free(hold);
}

/* A datagram of the n-th flow of a client. */
static struct udp_packet
packet_from(uint8_t client, int n)
{
	struct udp_packet packet = packet_of(1);

	packet.src.byte[0] = client;
	packet.sport = (uint16_t)n;
	return packet;
}

static void
fill(struct udp_hold *hold[UDP_HOLD_MOST], uint8_t client)
{
	struct udp_packet packet;
	int i;

	for (i = 0; i < UDP_HOLD_MOST; i++) {
		hold[i] = NULL;
		packet = packet_from(client, i);
		udp_hold_add(holds, &hold[i], &packet, 1);
		assert_non_null(hold[i]);
	}
	assert_int_equal(lost, 0);
}

static int
left(struct udp_hold *hold[UDP_HOLD_MOST])
{
	int i, count = 0;

	for (i = 0; i < UDP_HOLD_MOST; i++)
		count += hold[i] != NULL;
	return count;
}

static void
free_all(struct udp_hold *hold[UDP_HOLD_MOST])
{
	int i;

	for (i = 0; i < UDP_HOLD_MOST; i++)
		udp_hold_free(hold[i]);
	assert_int_equal(left(hold), 0);
}

static void
test_all_that_a_flow_gives_up_is_counted(void **state)
{
	struct udp_hold *much[UDP_HOLD_MOST], *other = NULL;
	struct udp_packet packet = packet_from(1, 0);
	int i;

	(void)state;
	packet.len = 8;
	packet.segment = 3;
	for (i = 0; i < UDP_HOLD_MOST; i++) {
		much[i] = NULL;
		packet.sport = (uint16_t)i;
		udp_hold_add(holds, &much[i], &packet, 1);
	}
	packet = packet_from(2, 0);
	udp_hold_add(holds, &other, &packet, 1);
	assert_int_equal(left(much), UDP_HOLD_MOST - 1);
	assert_int_equal(lost, 3);
	udp_hold_free(other);
	free_all(much);
}

static void
test_client_with_most_gives_way_to_others(void **state)
{
	struct udp_hold *much[UDP_HOLD_MOST], *few[9] = { NULL };
	struct udp_packet packet;
	uint8_t i;

	(void)state;
	fill(much, 1);
	for (i = 0; i < 9; i++) {
		packet = packet_from((uint8_t)(i + 2), 0);
		udp_hold_add(holds, &few[i], &packet, 1);
	}
	for (i = 0; i < 9; i++) {
		assert_non_null(few[i]);
		udp_hold_free(few[i]);
	}
	assert_int_equal(left(much), UDP_HOLD_MOST - 9);
	assert_int_equal(lost, 9);
	free_all(much);
}

static void
test_client_with_most_takes_only_its_own_room(void **state)
{
	struct udp_hold *much[UDP_HOLD_MOST], *more[64] = { NULL };
	struct udp_hold *other;
	struct udp_packet packet;
	int i;

	(void)state;
	fill(much, 1);
	udp_hold_free(much[0]);
	other = NULL;
	packet = packet_from(2, 0);
	udp_hold_add(holds, &other, &packet, 1);
	for (i = 0; i < 64; i++) {
		packet = packet_from(1, 1000 + i);
		udp_hold_add(holds, &more[i], &packet, 1);
	}
	assert_non_null(other);
	assert_int_equal(lost, 64);
	udp_hold_free(other);
	for (i = 0; i < 64; i++)
		udp_hold_free(more[i]);
	free_all(much);
}

/* What was held until a flow began may be what it holds next. */
static void
test_what_is_read_is_not_taken_away(void **state)
{
	struct udp_hold *much[UDP_HOLD_MOST], *next = NULL;
	const struct udp_packet *packets;

	(void)state;
	fill(much, 1);
	assert_int_equal(udp_hold_packets(much[7], &packets), 1);
	udp_hold_add(holds, &next, packets, 1);
	assert_non_null(next);
	assert_int_equal(left(much), UDP_HOLD_MOST);
	assert_int_equal(lost, 0);
	udp_hold_free(next);
	free_all(much);
}

static void
test_nothing_is_held_of_nothing(void **state)
{
	struct udp_hold *hold = NULL;

	(void)state;
	udp_hold_add(holds, &hold, NULL, 0);
	assert_null(hold);
	udp_hold_free(hold);
}

#define TEST(test) cmocka_unit_test_setup(test, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_held_is_a_copy_in_its_order),
		TEST(test_a_flow_holds_few_datagrams),
		TEST(test_a_flow_holds_few_bytes),
		TEST(test_what_came_together_is_held_as_far_as_there_is_room),
		TEST(test_all_that_a_flow_gives_up_is_counted),
		TEST(test_client_with_most_gives_way_to_others),
		TEST(test_client_with_most_takes_only_its_own_room),
		TEST(test_what_is_read_is_not_taken_away),
		TEST(test_nothing_is_held_of_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
