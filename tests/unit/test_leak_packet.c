/* SPDX-License-Identifier: ISC */
/* Packets are what they say, and what they say is read again. */
#include "ctl/leak/packet.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t token[PACKET_TOKEN_BYTES] = "a token of tpx!";

static struct addr
addr_of(const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(text, &prefix), 0);
	return prefix.addr;
}

static struct packet
packet_of(int v6, uint8_t proto)
{
	struct packet packet = { .v6 = v6,
		.src = addr_of(v6 ? "fd00::2" : "198.18.0.2"),
		.dst = addr_of(v6 ? "2001:db8::1" : "203.0.113.1"),
		.proto = proto,
		.sport = 20000,
		.dport = 443,
		.tcp_flags = TH_SYN,
		.token = token };

	return packet;
}

/* RFC 1071: with its checksum in it, a sum is all ones. */
static unsigned int
sum16(uint32_t sum, const uint8_t *bytes, size_t len)
{
	size_t i;

	for (i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	if (len % 2 != 0)
		sum += (uint32_t)bytes[len - 1] << 8;
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void
test_checksums_are_right(void **state)
{
	struct packet packet = packet_of(0, IPPROTO_TCP);
	uint8_t bytes[PACKET_BYTES];
	size_t len = packet_build(&packet, bytes);

	(void)state;
	assert_int_equal(sum16(0, bytes, 20), 0xffff);
	assert_int_equal(
	    sum16(sum16(IPPROTO_TCP + (uint32_t)len - 20, bytes + 12, 8),
		bytes + 20, len - 20),
	    0xffff);
	packet = packet_of(0, IPPROTO_ICMP);
	len = packet_build(&packet, bytes);
	assert_int_equal(sum16(0, bytes + 20, len - 20), 0xffff);
	packet = packet_of(1, IPPROTO_UDP);
	len = packet_build(&packet, bytes);
	assert_int_equal(
	    sum16(sum16(IPPROTO_UDP + (uint32_t)len - 40, bytes + 8, 32),
		bytes + 40, len - 40),
	    0xffff);
}

static void
test_what_was_built_is_read(void **state)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP,
		IPPROTO_UDPLITE, IPPROTO_SCTP };
	uint8_t bytes[PACKET_BYTES];
	struct packet_seen seen;
	struct packet packet;
	size_t i, len;
	int v6;

	(void)state;
	for (i = 0; i < sizeof(protos); i++)
		for (v6 = 0; v6 < 2; v6++) {
			packet = packet_of(v6, protos[i]);
			packet.tcp_flags = TH_RST;
			len = packet_build(&packet, bytes);
			assert_int_equal(packet_read(bytes, len, &seen), 0);
			assert_int_equal(seen.proto, protos[i]);
			assert_int_equal(
			    addr_compare(&seen.src, &packet.src), 0);
			assert_int_equal(
			    addr_compare(&seen.dst, &packet.dst), 0);
			assert_int_equal(seen.sport, 20000);
			assert_int_equal(seen.dport, 443);
			assert_int_equal(seen.tcp_flags,
			    protos[i] == IPPROTO_TCP ? packet.tcp_flags : 0);
		}
}

static void
test_both_fragments_have_the_token_and_one_the_ports(void **state)
{
	uint8_t bytes[PACKET_BYTES];
	struct packet_seen seen;
	struct packet packet;
	size_t len;
	int v6;

	(void)state;
	for (v6 = 0; v6 < 2; v6++) {
		packet = packet_of(v6, IPPROTO_UDP);
		packet.fragment = PACKET_FIRST;
		len = packet_build(&packet, bytes);
		assert_int_equal(packet_read(bytes, len, &seen), 0);
		assert_int_equal(seen.has_ports, 1);
		assert_non_null(memmem(bytes, len, token, sizeof(token)));
		packet.fragment = PACKET_LATER;
		len = packet_build(&packet, bytes);
		assert_int_equal(packet_read(bytes, len, &seen), 0);
		assert_int_equal(seen.has_ports, 0);
		assert_int_equal(seen.proto, IPPROTO_UDP);
		assert_non_null(memmem(bytes, len, token, sizeof(token)));
	}
}

/* They would be put together with each other's. */
static void
test_fragments_of_two_protocols_have_other_numbers(void **state)
{
	uint8_t tcp[PACKET_BYTES], udp[PACKET_BYTES];
	struct packet packet;

	(void)state;
	packet = packet_of(1, IPPROTO_TCP);
	packet.fragment = PACKET_FIRST;
	(void)packet_build(&packet, tcp);
	packet = packet_of(1, IPPROTO_UDP);
	packet.fragment = PACKET_FIRST;
	(void)packet_build(&packet, udp);
	assert_int_equal(tcp[6], IPPROTO_FRAGMENT);
	assert_memory_not_equal(tcp + 44, udp + 44, 4);
}

static void
test_options_hide_the_protocol_of_a_later_fragment(void **state)
{
	struct packet packet = packet_of(1, IPPROTO_TCP);
	uint8_t bytes[PACKET_BYTES];
	struct packet_seen seen;
	size_t len;

	(void)state;
	packet.options = PACKET_INSIDE;
	packet.fragment = PACKET_FIRST;
	len = packet_build(&packet, bytes);
	assert_int_equal(packet_read(bytes, len, &seen), 0);
	assert_int_equal(seen.proto, IPPROTO_TCP);
	assert_int_equal(seen.dport, 443);
	packet.fragment = PACKET_LATER;
	len = packet_build(&packet, bytes);
	assert_int_equal(packet_read(bytes, len, &seen), 0);
	assert_int_equal(seen.proto, IPPROTO_DSTOPTS);
	packet.options = PACKET_OUTSIDE;
	len = packet_build(&packet, bytes);
	assert_int_equal(packet_read(bytes, len, &seen), 0);
	assert_int_equal(seen.proto, IPPROTO_TCP);
}

static void
test_any_bytes_are_read_without_reading_beyond(void **state)
{
	struct packet packet = packet_of(1, IPPROTO_TCP);
	uint8_t bytes[PACKET_BYTES], *copy;
	struct packet_seen seen;
	size_t len, cut, at;

	(void)state;
	packet.options = PACKET_OUTSIDE;
	packet.fragment = PACKET_FIRST;
	len = packet_build(&packet, bytes);
	for (cut = 0; cut <= len; cut++)
		for (at = 0; at < cut && at < 64; at++) {
			/* In memory of its own, for the sanitizers. */
			copy = test_malloc(cut);
			memcpy(copy, bytes, cut);
			copy[at] ^= 0xff;
			(void)packet_read(copy, cut, &seen);
			test_free(copy);
		}
	assert_int_equal(packet_read(bytes, 0, &seen), -1);
	assert_int_equal(packet_read((const uint8_t *)"\x70", 1, &seen), -1);
}

static void
test_a_quic_datagram_is_long_enough(void **state)
{
	uint8_t bytes[PACKET_BYTES];

	(void)state;
	assert_int_equal(packet_fill(PACKET_QUIC, token, bytes), 1200);
	assert_int_equal(bytes[0] & 0xf0, 0xc0);
	assert_int_equal(packet_fill(PACKET_NO_DATA, token, bytes), 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checksums_are_right),
		cmocka_unit_test(test_what_was_built_is_read),
		cmocka_unit_test(
		    test_both_fragments_have_the_token_and_one_the_ports),
		cmocka_unit_test(
		    test_fragments_of_two_protocols_have_other_numbers),
		cmocka_unit_test(
		    test_options_hide_the_protocol_of_a_later_fragment),
		cmocka_unit_test(
		    test_any_bytes_are_read_without_reading_beyond),
		cmocka_unit_test(test_a_quic_datagram_is_long_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
