/* SPDX-License-Identifier: ISC */
#include "common/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct prefix
prefix_of(const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(text, &prefix), 0);
	return prefix;
}

static void
test_prefixes_keep_their_text(void **state)
{
	static const char *const texts[] = { "10.0.0.0/8", "0.0.0.0/0",
		"192.0.2.1", "fd00::/8", "::/0", "2001:db8::1", "::1",
		"255.255.255.255", "9.10.99.100", "109.200.190.5" };
	char buf[PREFIX_TEXT_BYTES];
	struct prefix prefix;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		prefix = prefix_of(texts[i]);
		assert_string_equal(prefix_format(&prefix, buf), texts[i]);
	}
}

static void
test_full_length_is_written_without_slash(void **state)
{
	struct prefix v4 = prefix_of("192.0.2.1/32");
	struct prefix v6 = prefix_of("2001:DB8:0:0::1/128");
	char buf[PREFIX_TEXT_BYTES];

	(void)state;
	assert_string_equal(prefix_format(&v4, buf), "192.0.2.1");
	assert_string_equal(prefix_format(&v6, buf), "2001:db8::1");
}

static void
test_bits_of_ipv4_count_in_the_mapped_form(void **state)
{
	(void)state;
	assert_int_equal(prefix_of("10.0.0.0/24").bits, 120);
	assert_int_equal(prefix_of("0.0.0.0/0").bits, 96);
	assert_int_equal(prefix_of("::/0").bits, 0);
}

static void
test_what_is_no_prefix_is_refused(void **state)
{
	static const char *const texts[] = { "", "/", "/8", "10.0.0.0/",
		"10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/+8", "10.0.0.0/8 ",
		"10.0.0/8", "10.0.0.0/8/8", "fd00::/129", "fe80::1%lo",
		"::ffff:10.0.0.1", "::ffff:0:0/96", "example.com", "1.2.3.4.5",
		"10.0.0.0/4294967304",
		"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111" };
	struct prefix prefix;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		errno = 0;
		assert_int_equal(prefix_parse(texts[i], &prefix), -1);
		assert_int_equal(errno, EINVAL);
	}
}

static void
test_bits_beyond_the_prefix_give_the_masked_one(void **state)
{
	char buf[PREFIX_TEXT_BYTES];
	struct prefix prefix;

	(void)state;
	assert_int_equal(prefix_parse("10.1.2.3/9", &prefix), -1);
	assert_int_equal(errno, ERANGE);
	assert_string_equal(prefix_format(&prefix, buf), "10.0.0.0/9");
	assert_int_equal(prefix_parse("fd00::1/64", &prefix), -1);
	assert_int_equal(errno, ERANGE);
	assert_string_equal(prefix_format(&prefix, buf), "fd00::/64");
}

static void
test_a_network_keeps_the_bits_of_its_family(void **state)
{
	static const struct {
		const char *addr;
		unsigned int v4_bits, v6_bits;
		const char *network;
	} cases[] = {
		{ "192.0.2.77", 24, 64, "192.0.2.0" },
		{ "192.0.2.77", 32, 0, "192.0.2.77" },
		{ "2001:db8:1:2:3:4:5:6", 24, 64, "2001:db8:1:2::" },
		{ "2001:db8:1:2:3:4:5:6", 24, 48, "2001:db8:1::" },
		{ "2001:db8:1:2:3:4:5:6", 0, 128, "2001:db8:1:2:3:4:5:6" },
	};
	char text[ADDR_TEXT_BYTES];
	struct prefix prefix;
	struct addr network;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(prefix_parse(cases[i].addr, &prefix), 0);
		network = addr_network(
		    &prefix.addr, cases[i].v4_bits, cases[i].v6_bits);
		assert_string_equal(
		    addr_format(&network, text), cases[i].network);
	}
}

static void
test_a_client_is_an_address_of_ipv4_or_a_64_of_ipv6(void **state)
{
	static const struct {
		const char *addr, *client;
	} cases[] = {
		{ "192.0.2.77", "192.0.2.77" },
		{ "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::" },
	};
	char text[ADDR_TEXT_BYTES];
	struct prefix prefix;
	struct addr client;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(prefix_parse(cases[i].addr, &prefix), 0);
		client = addr_client(&prefix.addr);
		assert_string_equal(
		    addr_format(&client, text), cases[i].client);
	}
}

static void
test_a_prefix_contains_its_family_only(void **state)
{
	struct prefix all4 = prefix_of("0.0.0.0/0");
	struct prefix all6 = prefix_of("::/0");
	struct prefix odd = prefix_of("10.128.0.0/9");
	struct addr v4 = prefix_of("10.128.0.1").addr;
	struct addr other = prefix_of("10.127.255.255").addr;
	struct addr v6 = prefix_of("2001:db8::1").addr;

	(void)state;
	assert_true(prefix_contains(&all4, &v4));
	assert_false(prefix_contains(&all4, &v6));
	assert_true(prefix_contains(&all6, &v6));
	assert_false(prefix_contains(&all6, &v4));
	assert_true(prefix_contains(&odd, &v4));
	assert_false(prefix_contains(&odd, &other));
}

static void
test_four_bytes_are_an_address_of_ipv4(void **state)
{
	static const uint8_t bytes[4] = { 192, 0, 2, 1 };
	struct addr addr;
	char buf[ADDR_TEXT_BYTES];

	(void)state;
	memset(&addr, 0x55, sizeof(addr));
	addr_from_v4(bytes, &addr);
	assert_true(addr_is_v4(&addr));
	assert_string_equal(addr_format(&addr, buf), "192.0.2.1");
}

static void
test_sockaddrs_go_and_come_back(void **state)
{
	static const char *const texts[] = { "192.0.2.1", "2001:db8::1" };
	static const int families[] = { AF_INET, AF_INET6 };
	struct sockaddr_storage ss;
	struct addr addr, back;
	uint16_t port;
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		addr = prefix_of(texts[i]).addr;
		assert_int_equal(addr_to_sockaddr(&addr, 443, &ss),
		    i == 0 ? sizeof(struct sockaddr_in)
			   : sizeof(struct sockaddr_in6));
		assert_int_equal(ss.ss_family, families[i]);
		assert_int_equal(
		    addr_from_sockaddr((struct sockaddr *)&ss, &back, &port),
		    0);
		assert_int_equal(port, 443);
		assert_int_equal(addr_compare(&addr, &back), 0);
	}
}

static void
test_endpoints_keep_their_text(void **state)
{
	static const char *const texts[] = { "10.0.0.9:1080", "[fd00::9]:3128",
		"[::1]:1", "0.0.0.0:65535" };
	char buf[ENDPOINT_TEXT_BYTES];
	struct addr addr;
	uint16_t port;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(endpoint_parse(texts[i], &addr, &port), 0);
		assert_string_equal(
		    endpoint_format(&addr, port, buf), texts[i]);
	}
}

static void
test_what_is_no_endpoint_is_refused(void **state)
{
	static const char *const texts[] = { "", ":", ":1", "1.2.3.4",
		"1.2.3.4:", "1.2.3.4:0", "1.2.3.4:65536", "1.2.3.4:01",
		"1.2.3.4:-1", "1.2.3.4:http", "1.2.3.4/32:1", "[1.2.3.4]:1",
		"::1:1", "[::1]", "[::1]1", "[::1:1", "::1]:1", "[]:1", "[:1",
		"[::ffff:1.2.3.4]:1", "[::1%lo]:1", "host:1",
		"[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255.255]:1" };
	struct addr addr;
	uint16_t port;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		errno = 0;
		if (endpoint_parse(texts[i], &addr, &port) == 0)
			fail_msg("%s was taken", texts[i]);
		assert_int_equal(errno, EINVAL);
	}
}

static void
test_other_families_are_refused(void **state)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNIX };
	struct addr addr;
	uint16_t port;

	(void)state;
	assert_int_equal(
	    addr_from_sockaddr((struct sockaddr *)&ss, &addr, &port), -1);
	assert_int_equal(errno, EAFNOSUPPORT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefixes_keep_their_text),
		cmocka_unit_test(test_full_length_is_written_without_slash),
		cmocka_unit_test(test_bits_of_ipv4_count_in_the_mapped_form),
		cmocka_unit_test(test_what_is_no_prefix_is_refused),
		cmocka_unit_test(
		    test_bits_beyond_the_prefix_give_the_masked_one),
		cmocka_unit_test(test_a_network_keeps_the_bits_of_its_family),
		cmocka_unit_test(
		    test_a_client_is_an_address_of_ipv4_or_a_64_of_ipv6),
		cmocka_unit_test(test_a_prefix_contains_its_family_only),
		cmocka_unit_test(test_four_bytes_are_an_address_of_ipv4),
		cmocka_unit_test(test_sockaddrs_go_and_come_back),
		cmocka_unit_test(test_endpoints_keep_their_text),
		cmocka_unit_test(test_what_is_no_endpoint_is_refused),
		cmocka_unit_test(test_other_families_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
