/* SPDX-License-Identifier: ISC */
/* Logged packets: headers, prefixes, gaps, and everything that is cut. */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flowlog/nflog.h"

/* 192.0.2.1:40000 to 198.51.100.7:443, a SYN */
static const uint8_t tcp4[] = { 0x45, 0, 0, 60, 0, 0, 0x40, 0, 64, 6, 0, 0, 192,
	0, 2, 1, 198, 51, 100, 7, 0x9c, 0x40, 0x01, 0xbb };

/* 2001::1 port 5 to fd00::2 port 53, after a hop-by-hop header */
static const uint8_t udp6[] = { 0x60, 0, 0, 0, 0, 16, 0, 64, 0x20, 0x01, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 2, 17, 0, 1, 4, 0, 0, 0, 0, 0, 5, 0, 53, 0, 8, 0, 0 };

static _Alignas(8) char buffer[4096];
static struct nlmsghdr *message;

static void
put(const char *prefix, const void *packet, size_t len, uint32_t sequence)
{
	memset(buffer, 0, sizeof(buffer));
	message = mnl_nlmsg_put_header(buffer);
	message->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET;
	(void)mnl_nlmsg_put_extra_header(message, sizeof(struct nfgenmsg));
	if (prefix != NULL)
		mnl_attr_put_strz(message, NFULA_PREFIX, prefix);
	if (packet != NULL)
		mnl_attr_put(message, NFULA_PAYLOAD, len, packet);
	mnl_attr_put_u32(message, NFULA_SEQ, htonl(sequence));
}

static void
test_a_packet_of_this_host_tells_whose_it_is(void **state)
{
	struct nfulnl_msg_packet_hdr hook = { .hook = NF_INET_LOCAL_OUT };
	struct nflog_packet packet;
	struct flow_record row;

	(void)state;
	put("7.3", tcp4, sizeof(tcp4), 9);
	mnl_attr_put(message, NFULA_PACKET_HDR, sizeof(hook), &hook);
	mnl_attr_put_u32(message, NFULA_UID, htonl(33));
	assert_int_equal(nflog_parse(message, &packet), 0);
	nflog_record(&packet, 1234567, &row);
	assert_int_equal(row.upstream, FLOW_UPSTREAM_NONE);
	assert_int_equal(row.capture, FLOW_CAPTURE_LOCAL);
	assert_int_equal(row.uid, 33);
	put("7.3", tcp4, sizeof(tcp4), 9);
	hook.hook = NF_INET_PRE_ROUTING;
	mnl_attr_put(message, NFULA_PACKET_HDR, sizeof(hook), &hook);
	assert_int_equal(nflog_parse(message, &packet), 0);
	nflog_record(&packet, 1234567, &row);
	assert_int_equal(row.capture, FLOW_CAPTURE_FORWARDED);
	assert_int_equal(row.uid, FLOW_UID_NONE);
}

static void
test_blocked_syn_becomes_a_row(void **state)
{
	struct nflog_packet packet;
	struct flow_record row;

	(void)state;
	put("7.3", tcp4, sizeof(tcp4), 9);
	assert_int_equal(nflog_parse(message, &packet), 0);
	nflog_record(&packet, 1234567, &row);
	assert_int_equal(row.action, FLOW_ACTION_BLOCK);
	assert_int_equal(row.close, FLOW_CLOSE_POLICY);
	assert_int_equal(row.generation, 7);
	assert_int_equal(row.rule, 3);
	assert_int_equal(row.proto, IPPROTO_TCP);
	assert_int_equal(row.sport, 40000);
	assert_int_equal(row.dport, 443);
	assert_int_equal(row.src[12], 192);
	assert_int_equal(row.dst[15], 7);
	assert_int_equal(row.start_us, 1234567);
	assert_int_equal(row.up_packets, 1);
	assert_int_equal(row.up_bytes, 60);
	assert_int_equal(row.final, 1);
	assert_int_equal(row.error, 0);
	put("7.3.rate", tcp4, sizeof(tcp4), 10);
	assert_int_equal(nflog_parse(message, &packet), 0);
	nflog_record(&packet, 1234567, &row);
	assert_int_equal(row.rule, 3);
	assert_int_equal(row.error, FLOW_ERROR_MAX_RATE);
}

static void
test_ipv6_extension_headers_are_stepped_over(void **state)
{
	struct nflog_packet packet;

	(void)state;
	put("1.65535", udp6, sizeof(udp6), 0);
	assert_int_equal(nflog_parse(message, &packet), 0);
	assert_int_equal(packet.rule, FLOW_RULE_DEFAULT);
	assert_int_equal(packet.proto, IPPROTO_UDP);
	assert_int_equal(packet.sport, 5);
	assert_int_equal(packet.dport, 53);
	assert_int_equal(packet.dst.byte[15], 2);
}

static void
test_endless_extension_headers_are_refused(void **state)
{
	uint8_t bytes[40 + 20 * 8] = { 0x60 };
	struct nflog_packet packet = { 0 };

	(void)state;
	assert_int_equal(nflog_parse_ip(bytes, sizeof(bytes), &packet), -1);
	assert_int_equal(errno, EBADMSG);
}

static void
test_later_fragment_has_no_ports(void **state)
{
	uint8_t bytes[sizeof(tcp4)];
	struct nflog_packet packet = { 0 };

	(void)state;
	memcpy(bytes, tcp4, sizeof(bytes));
	bytes[6] = 0x20;
	bytes[7] = 0x10;
	assert_int_equal(nflog_parse_ip(bytes, sizeof(bytes), &packet), 0);
	assert_int_equal(packet.sport, 0);
	assert_int_equal(packet.dport, 0);
}

static void
test_ip_options_are_stepped_over(void **state)
{
	uint8_t bytes[24 + 4] = { 0x46, 0, 0, 28, 0, 0, 0, 0, 64, 6 };
	struct nflog_packet packet = { 0 };

	(void)state;
	bytes[25] = 80;
	bytes[27] = 81;
	assert_int_equal(nflog_parse_ip(bytes, sizeof(bytes), &packet), 0);
	assert_int_equal(packet.sport, 80);
	assert_int_equal(packet.dport, 81);
}

static void
test_header_length_is_not_believed(void **state)
{
	uint8_t bytes[sizeof(tcp4)];
	struct nflog_packet packet = { 0 };
	size_t i;
	static const uint8_t firsts[] = { 0x40, 0x44, 0x4f, 0x55, 0x00 };

	(void)state;
	memcpy(bytes, tcp4, sizeof(bytes));
	for (i = 0; i < sizeof(firsts); i++) {
		bytes[0] = firsts[i];
		assert_int_equal(
		    nflog_parse_ip(bytes, sizeof(bytes), &packet), -1);
	}
}

static void
test_every_cut_is_survived(void **state)
{
	struct nflog_packet packet;
	struct nlmsghdr *copy;
	uint32_t len;

	(void)state;
	put("7.3", tcp4, sizeof(tcp4), 9);
	for (len = message->nlmsg_len; len >= sizeof(*message); len--) {
		copy = malloc(len);
		assert_non_null(copy);
		memcpy(copy, message, len);
		copy->nlmsg_len = len;
		(void)nflog_parse(copy, &packet);
		free(copy);
	}
	for (len = 0; len < sizeof(tcp4); len++)
		assert_int_equal(nflog_parse_ip(tcp4, len, &packet), -1);
}

static void
test_prefix_of_somebody_else_is_refused(void **state)
{
	static const char *const prefixes[] = { "", ".", "7.3.", "7.3.rat", "1",
		"1.", ".1", "1.2.3", "1.2 ", " 1.2", "-1.2", "1.65536",
		"4294967296.1", "99999999999999999999.1", "nft: drop" };
	struct nflog_packet packet;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		put(prefixes[i], tcp4, sizeof(tcp4), 5);
		assert_int_equal(nflog_parse(message, &packet), -1);
		assert_int_equal(errno, EBADMSG);
		assert_true(packet.has_sequence && packet.sequence == 5);
	}
}

static void
test_message_without_its_parts_is_refused(void **state)
{
	struct nflog_packet packet;

	(void)state;
	put(NULL, tcp4, sizeof(tcp4), 1);
	assert_int_equal(nflog_parse(message, &packet), -1);
	put("1.1", NULL, 0, 1);
	assert_int_equal(nflog_parse(message, &packet), -1);
	put("1.1", tcp4, sizeof(tcp4), 1);
	message->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8;
	assert_int_equal(nflog_parse(message, &packet), -1);
	assert_int_equal(errno, ENOMSG);
}

static uint32_t
missing_before(struct nflog_sequence *sequence, uint32_t number)
{
	struct nflog_packet packet = { .sequence = number, .has_sequence = 1 };

	return nflog_missing(sequence, &packet);
}

static void
test_gaps_are_counted_exactly(void **state)
{
	struct nflog_sequence sequence = { 0 };

	(void)state;
	assert_int_equal(missing_before(&sequence, 100), 0);
	assert_int_equal(missing_before(&sequence, 101), 0);
	assert_int_equal(missing_before(&sequence, 110), 8);
	assert_int_equal(missing_before(&sequence, UINT32_MAX), 0);
	assert_int_equal(missing_before(&sequence, 0), 0);
	assert_int_equal(missing_before(&sequence, 3), 2);
}

static void
test_numbering_that_begins_anew_is_no_gap(void **state)
{
	struct nflog_sequence sequence = { 0 };

	(void)state;
	assert_int_equal(missing_before(&sequence, 5000), 0);
	assert_int_equal(missing_before(&sequence, 0), 0);
	assert_int_equal(missing_before(&sequence, 1), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocked_syn_becomes_a_row),
		cmocka_unit_test(test_a_packet_of_this_host_tells_whose_it_is),
		cmocka_unit_test(test_ipv6_extension_headers_are_stepped_over),
		cmocka_unit_test(test_endless_extension_headers_are_refused),
		cmocka_unit_test(test_later_fragment_has_no_ports),
		cmocka_unit_test(test_ip_options_are_stepped_over),
		cmocka_unit_test(test_header_length_is_not_believed),
		cmocka_unit_test(test_every_cut_is_survived),
		cmocka_unit_test(test_prefix_of_somebody_else_is_refused),
		cmocka_unit_test(test_message_without_its_parts_is_refused),
		cmocka_unit_test(test_gaps_are_counted_exactly),
		cmocka_unit_test(test_numbering_that_begins_anew_is_no_gap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
