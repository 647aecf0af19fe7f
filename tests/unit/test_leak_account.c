/* SPDX-License-Identifier: ISC */
/* Whose sockets of this host send sentinels. */
#include "ctl/leak/account.h"

#include <stdio.h>

#include "policy_fixture.h"

#define OURS 990

/* "UID" of who is captured, "-UID" of who is not, in their order. */
static void
check(const char *capture, uint32_t ours, const char *expected)
{
	struct account users[ACCOUNT_MOST];
	char text[256] = "";
	size_t i, n, len, at = 0;
	struct image *image = fixture_image(capture, &len);

	n = account_choose(image, ours, users);
	assert_true(n <= ACCOUNT_MOST);
	for (i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s%u",
		    i > 0 ? " " : "", users[i].is_captured ? "" : "-",
		    users[i].uid);
	free(image);
	assert_string_equal(text, expected);
}

static void
test_of_the_whole_host_it_is_root_and_another(void **state)
{
	(void)state;
	check("capture local\n", OURS, "0 65534");
	check("capture local\n", ACCOUNT_NOBODY, "0 65533");
}

static void
test_of_a_range_it_is_both_ends_and_two_beyond_it(void **state)
{
	(void)state;
	check("capture local user 1000-1999\n", OURS, "1000 1999 -0 -2000");
	check(
	    "capture local user { 33 1000-1999 }\n", OURS, "33 1999 -0 -2000");
	check("capture local user { 0 33 }\n", OURS, "0 33 -34");
	check("capture local user 33\n", OURS, "33 -0 -34");
}

static void
test_tpx_itself_is_neither_an_end_nor_beyond_it(void **state)
{
	(void)state;
	check("capture local user 990-999\n", OURS, "991 999 -0 -1000");
	check("capture local user 900-990\n", OURS, "900 989 -0 -991");
	check("capture local user 900-989\n", OURS, "900 989 -0 -991");
	check("capture local user { 990 1200 }\n", OURS, "1200 -0 -1201");
	check("capture local user { 33 990 }\n", OURS, "33 -0 -991");
	check("capture local user 990\n", OURS, "-0 -991");
}

static void
test_behind_the_last_uid_there_is_nobody(void **state)
{
	(void)state;
	check("capture local user 1000-4294967294\n", OURS,
	    "1000 4294967294 -0 -999");
	check("capture local user { 0-10 12-4294967294 }\n", OURS,
	    "0 4294967294 -11");
	check("capture local user 0-4294967294\n", OURS, "0 4294967294");
	check("capture local user { 0-989 991-4294967294 }\n", OURS,
	    "0 4294967294");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_the_whole_host_it_is_root_and_another),
		cmocka_unit_test(
		    test_of_a_range_it_is_both_ends_and_two_beyond_it),
		cmocka_unit_test(
		    test_tpx_itself_is_neither_an_end_nor_beyond_it),
		cmocka_unit_test(test_behind_the_last_uid_there_is_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
