/* SPDX-License-Identifier: ISC */
#include "relay/udp_hold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static char bytes[UDP_HOLD_BYTES + 1];

static struct udp_packet
packet_of(size_t len)
{
	struct udp_packet packet = { .bytes = bytes, .len = len, .sport = 7 };

	return packet;
}

static int
count_of(const struct udp_hold *hold)
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
	packets[1].segment = 9;
	memcpy(bytes, "one", 3);
	udp_hold_add(&hold, packets, 2);
	memcpy(bytes, "two", 3);
	udp_hold_add(&hold, packets, 1);
	assert_int_equal(udp_hold_packets(hold, &held), 3);
	assert_memory_equal(held[0].bytes, "one", 3);
	assert_int_equal(held[1].len, 0);
	assert_int_equal(held[1].segment, 9);
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
	for (i = 0; i < UDP_HOLD_PACKETS + 1; i++)
		udp_hold_add(&hold, &packet, 1);
	assert_int_equal(count_of(hold), UDP_HOLD_PACKETS);
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
	udp_hold_add(&hold, &more, 1);
	assert_int_equal(count_of(hold), 0);
	udp_hold_add(&hold, &most, 1);
	udp_hold_add(&hold, &one, 1);
	assert_int_equal(count_of(hold), 1);
	udp_hold_free(hold);
}

static void
test_few_flows_hold_some(void **state)
{
	struct udp_hold *holds[UDP_HOLD_MOST + 1] = { NULL };
	struct udp_packet packet = packet_of(1);
	int i;

	(void)state;
	for (i = 0; i < UDP_HOLD_MOST + 1; i++)
		udp_hold_add(&holds[i], &packet, 1);
	assert_null(holds[UDP_HOLD_MOST]);
	udp_hold_free(holds[0]);
	udp_hold_add(&holds[UDP_HOLD_MOST], &packet, 1);
	assert_non_null(holds[UDP_HOLD_MOST]);
	for (i = 1; i < UDP_HOLD_MOST + 1; i++)
		udp_hold_free(holds[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_held_is_a_copy_in_its_order),
		cmocka_unit_test(test_a_flow_holds_few_datagrams),
		cmocka_unit_test(test_a_flow_holds_few_bytes),
		cmocka_unit_test(test_few_flows_hold_some),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
