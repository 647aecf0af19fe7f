/* SPDX-License-Identifier: ISC */
/* What may be the name of an interface, a table, a host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "policy/name.h"

static int
is_host(const char *name)
{
	return name_is_host(name, strlen(name) + 1);
}

static void
test_names_of_hosts(void **state)
{
	static const char *const good[] = { "a", "localhost", "www.example.org",
		"_dmarc.a-b.example", "xn--bcher-kva.example", "1.a", "0xg",
		"0-0" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(is_host(good[i]));
}

static void
test_what_is_no_name_of_a_host(void **state)
{
	static const char *const bad[] = { "", ".", "a.", ".a", "a..b", "A",
		"a b", "a\n", "a\x1b[2J", "\xc3\xa4", "*.a", "a/b", "a:1",
		"[::1]", "1", "127.1", "192.0.2.1", "a.0x7f", "0x", "a.1" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(is_host(bad[i]));
}

static void
test_names_of_hosts_end_within_their_memory(void **state)
{
	(void)state;
	assert_false(name_is_host("abc", 3));
	assert_false(name_is_host("abc", 0));
	assert_true(name_is_host("abc", 4));
	assert_true(name_is_host("abc\0*", 6));
}

static void
test_names_and_labels_of_hosts_have_a_length(void **state)
{
	char name[256];
	int i;

	(void)state;
	for (i = 0; i < 256; i++)
		name[i] = i % 64 == 63 ? '.' : 'a';
	name[253] = '\0';
	assert_true(is_host(name));
	name[63] = 'a';
	assert_false(is_host(name));
	name[63] = '.';
	name[253] = 'a';
	name[254] = '\0';
	assert_false(is_host(name));
}

static void
test_names_for_nft_mean_nothing_to_it(void **state)
{
	(void)state;
	assert_true(name_is_interface("eth0.5"));
	assert_false(name_is_interface("lo"));
	assert_false(name_is_interface("eth*"));
	assert_false(name_is_interface("a-name-too-long-"));
	assert_true(name_is_table("lan_1"));
	assert_false(name_is_table("lan 1"));
	assert_false(name_is_table(""));
}

static void
test_domains_get_one_form(void **state)
{
	static const char *const cases[][2] = {
		{ "A.Example.", "a.example" },
		{ "lan", "lan" },
		{ "_sip._TCP.a-b.x", "_sip._tcp.a-b.x" },
		{ "XN--BCHER-KVA.example", "xn--bcher-kva.example" },
	};
	char name[LIMIT_DOMAIN_BYTES];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_null(
		    name_domain(cases[i][0], strlen(cases[i][0]), name));
		assert_string_equal(name, cases[i][1]);
	}
	assert_null(name_domain("ab", 1, name));
	assert_string_equal(name, "a");
}

static void
test_what_is_no_domain_has_a_reason(void **state)
{
	static const char *const bad[] = { "", ".", "..", "a..", ".a", "a b",
		"*.a", "1.2.3.4", "a\n", "a/b" };
	char name[LIMIT_DOMAIN_BYTES], text[300];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(name_domain(bad[i], strlen(bad[i]), name));
	assert_non_null(name_domain("a\0b", 3, name));
	assert_non_null(strstr(name_domain("\xc3\xbc.x", 4, name), "as xn--"));
	memset(text, 'a', sizeof(text));
	for (i = 63; i < sizeof(text); i += 64)
		text[i] = '.';
	assert_null(name_domain(text, 253, name));
	text[253] = '.';
	assert_null(name_domain(text, 254, name));
	assert_int_equal(strlen(name), 253);
	text[253] = 'a';
	assert_non_null(name_domain(text, 254, name));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_of_hosts),
		cmocka_unit_test(test_what_is_no_name_of_a_host),
		cmocka_unit_test(test_names_of_hosts_end_within_their_memory),
		cmocka_unit_test(test_names_and_labels_of_hosts_have_a_length),
		cmocka_unit_test(test_names_for_nft_mean_nothing_to_it),
		cmocka_unit_test(test_domains_get_one_form),
		cmocka_unit_test(test_what_is_no_domain_has_a_reason),
	};

	return cmocka_run_group_tests_name("name", tests, NULL, NULL);
}
