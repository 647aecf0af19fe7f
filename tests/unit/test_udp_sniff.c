/* SPDX-License-Identifier: ISC */
/* Names in the packets of flows of UDP, of which several look at a time. */
#include "relay/udp_sniff.h"

#include "relay/udp_packet.h"
#include "tests/unit/quic_fixture.h"

#define NAME "quic.example.org"
#define LEAST 1162 /* bytes of frames: 1200 of the datagram */

static struct udp_sniffs *sniffs;
static struct udp_sniff *place;
static struct fixture_bytes hello, frames, datagrams;
static struct sniff_name name;
static struct quic_id known;

static int
setup(void **state)
{
	(void)state;
	sniffs = udp_sniffs_new();
	assert_non_null(sniffs);
	place = NULL;
	known.len = 0;
	hello.len = frames.len = datagrams.len = 0;
	fixture_hello(&hello, NAME);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	free(sniffs);
	return 0;
}

/* Adds a datagram with a part of the hello; all are equally long. */
static void
put(size_t offset, size_t len)
{
	fixture_crypto(&frames, &hello, offset, len);
	fixture_initial(&datagrams, &fixture_v1, 0, &frames, LEAST);
	frames.len = 0;
}

static struct udp_packet
packet_of(size_t begin, size_t len, size_t segment)
{
	struct udp_packet packet = { .bytes = (char *)datagrams.at + begin,
		.len = len,
		.segment = (uint16_t)segment };

	return packet;
}

static enum sniff_status
begin_and_read(const struct udp_packet *packets, int n)
{
	known.len = 0;
	udp_sniff_begin(sniffs, &place, &packets[0], &known);
	if (place == NULL)
		return SNIFF_NONE;
	return udp_sniff_read(sniffs, &place, packets, n, &name, &known);
}

static void
test_hello_in_one_datagram_has_a_name(void **state)
{
	struct udp_packet packet;

	(void)state;
	put(0, hello.len);
	packet = packet_of(0, datagrams.len, 0);
	assert_int_equal(begin_and_read(&packet, 1), SNIFF_FOUND);
	assert_string_equal(name.host, NAME);
	assert_int_equal(name.source, FLOW_HOST_QUIC);
	assert_non_null(place);
	udp_sniff_end(sniffs, &place);
	assert_null(place);
	assert_false(name.ech);
}

static void
test_outer_hello_of_ech_is_told_as_such(void **state)
{
	static struct fixture_bytes extensions;
	struct udp_packet packet;

	(void)state;
	extensions.len = 0;
	fixture_extension(&extensions, FIXTURE_ECH, "\0\0\1\0\1", 5);
	fixture_message(&hello, &extensions);
	put(0, hello.len);
	packet = packet_of(0, datagrams.len, 0);
	assert_int_equal(begin_and_read(&packet, 1), SNIFF_NONE);
	assert_true(name.ech);
	fixture_name(&extensions, NAME, strlen(NAME));
	fixture_message(&hello, &extensions);
	datagrams.len = 0;
	put(0, hello.len);
	packet = packet_of(0, datagrams.len, 0);
	assert_int_equal(begin_and_read(&packet, 1), SNIFF_FOUND);
	assert_string_equal(name.host, NAME);
	assert_true(name.ech);
}

static void
test_hello_over_packets_out_of_order_has_a_name(void **state)
{
	struct udp_packet packets[2];

	(void)state;
	put(50, hello.len - 50);
	put(0, 50);
	packets[0] = packet_of(0, 1200, 0);
	packets[1] = packet_of(1200, 1200, 0);
	assert_int_equal(begin_and_read(packets, 1), SNIFF_MORE);
	assert_non_null(place);
	assert_int_equal(
	    udp_sniff_read(sniffs, &place, packets + 1, 1, &name, &known),
	    SNIFF_FOUND);
	assert_string_equal(name.host, NAME);
	assert_int_equal(begin_and_read(packets, 2), SNIFF_FOUND);
}

static void
test_gathered_datagrams_are_told_apart(void **state)
{
	struct udp_packet packet;

	(void)state;
	put(50, hello.len - 50);
	put(0, 50);
	packet = packet_of(0, datagrams.len, 1200);
	assert_int_equal(begin_and_read(&packet, 1), SNIFF_FOUND);
	assert_string_equal(name.host, NAME);
}

/* What stands at a place of a first datagram, and makes it none of QUIC. */
static const struct {
	size_t at;
	uint8_t byte;
} wrong[] = {
	{ 0, 0x43 }, /* a short header */
	{ 0, 0x83 }, /* no fixed bit */
	{ 0, 0xe3 }, /* a handshake packet */
	{ 4, 0x02 }, /* a version that nobody knows */
	{ 4, 0x00 }, /* version negotiation */
};

static void
test_what_begins_no_connection_takes_no_place(void **state)
{
	struct udp_packet packet;
	uint8_t byte;
	size_t i;

	(void)state;
	put(0, hello.len);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		byte = datagrams.at[wrong[i].at];
		datagrams.at[wrong[i].at] = wrong[i].byte;
		packet = packet_of(0, datagrams.len, 0);
		assert_int_equal(begin_and_read(&packet, 1), SNIFF_NONE);
		assert_null(place);
		datagrams.at[wrong[i].at] = byte;
	}
	for (i = 0; i < 1200; i++) {
		packet = packet_of(0, i, 0);
		udp_sniff_begin(sniffs, &place, &packet, &known);
		assert_null(place);
	}
	packet = packet_of(0, 1200, 0);
	udp_sniff_begin(sniffs, &place, &packet, &known);
	assert_non_null(place);
}

static void
test_who_looks_for_longest_gives_its_place_up(void **state)
{
	struct udp_sniff *places[UDP_SNIFF_PLACES + 2] = { NULL };
	struct udp_packet first, second;
	size_t i;

	(void)state;
	put(50, hello.len - 50);
	put(0, 50);
	first = packet_of(0, 1200, 0);
	second = packet_of(1200, 1200, 0);
	for (i = 0; i < UDP_SNIFF_PLACES; i++) {
		udp_sniff_begin(sniffs, &places[i], &first, &known);
		assert_int_equal(udp_sniff_read(sniffs, &places[i], &first, 1,
				     &name, &known),
		    SNIFF_MORE);
	}
	/* One that has left makes room for another. */
	udp_sniff_end(sniffs, &places[5]);
	assert_null(places[5]);
	udp_sniff_end(sniffs, &places[5]);
	udp_sniff_begin(sniffs, &places[UDP_SNIFF_PLACES], &first, &known);
	assert_non_null(places[0]);
	udp_sniff_begin(sniffs, &places[UDP_SNIFF_PLACES + 1], &first, &known);
	assert_null(places[0]);
	for (i = 1; i < UDP_SNIFF_PLACES; i++)
		assert_true((places[i] == NULL) == (i == 5));
	/* A place that is taken over has nothing of who was there before. */
	assert_int_equal(udp_sniff_read(sniffs, &places[UDP_SNIFF_PLACES + 1],
			     &second, 1, &name, &known),
	    SNIFF_MORE);
	assert_int_equal(
	    udp_sniff_read(sniffs, &places[1], &second, 1, &name, &known),
	    SNIFF_FOUND);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_hello_in_one_datagram_has_a_name),
		TEST(test_outer_hello_of_ech_is_told_as_such),
		TEST(test_hello_over_packets_out_of_order_has_a_name),
		TEST(test_gathered_datagrams_are_told_apart),
		TEST(test_what_begins_no_connection_takes_no_place),
		TEST(test_who_looks_for_longest_gives_its_place_up),
	};

	return cmocka_run_group_tests_name("udp_sniff", tests, NULL, NULL);
}
