/* SPDX-License-Identifier: ISC */
#include "dnsd/resolver/anchor.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dnsd/resolver/bogus.h"

static char found[4096];

static int
note(void *ctx, const char *text)
{
	(void)ctx;
	strcat(found, text);
	strcat(found, "|");
	return 0;
}

static int
stop(void *ctx, const char *text)
{
	(void)text;
	++*(int *)ctx;
	return -1;
}

static void
test_records_are_lines_without_comments(void **state)
{
	(void)state;
	found[0] = '\0';
	assert_int_equal(anchor_records("; of a test\n\n  \n"
					". IN DS 1 8 2 AB ; the first\n"
					"example. IN DS 2 8 2 CD",
			     note, NULL),
	    0);
	assert_string_equal(
	    found, ". IN DS 1 8 2 AB |example. IN DS 2 8 2 CD|");
}

static void
test_without_a_file_there_are_both_keys_of_the_root(void **state)
{
	(void)state;
	found[0] = '\0';
	assert_int_equal(anchor_records("", note, NULL), 0);
	assert_non_null(strstr(found, ". IN DS 20326 8 2 E06D44B80B8F1D39"));
	assert_non_null(strstr(found, "|. IN DS 38696 8 2 683D2D0ACB8C9B71"));
}

static void
test_hints_are_addresses_of_both_families(void **state)
{
	(void)state;
	found[0] = '\0';
	assert_int_equal(
	    anchor_hints(".\t3600000\tNS\tA.ROOT.\n"
			 "A.ROOT.\t3600000\tA\t198.41.0.4\n"
			 "a.root. 3600000 in aaaa 2001:503:ba3e::2:30\n",
		note, NULL),
	    0);
	assert_string_equal(found, "198.41.0.4|2001:503:ba3e::2:30|");
	found[0] = '\0';
	assert_int_equal(anchor_hints("", note, NULL), 0);
	assert_string_equal(found, "");
}

static void
test_the_first_refusal_ends_it(void **state)
{
	int calls = 0;

	(void)state;
	assert_int_equal(anchor_records("", stop, &calls), -1);
	assert_int_equal(calls, 1);
}

static void
test_a_line_without_end_is_refused(void **state)
{
	char line[8192];

	(void)state;
	memset(line, 'a', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	assert_int_equal(anchor_records(line, note, NULL), -1);
	assert_int_equal(errno, EINVAL);
}

static void
test_a_bogus_answer_has_its_number(void **state)
{
	(void)state;
	assert_int_equal(bogus_ede("validation failure <a. A IN>: signature "
				   "expired from 192.0.2.1"),
	    7);
	assert_int_equal(bogus_ede("validation failure <a. A IN>: no DNSKEY "
				   "rrset for trust anchor ."),
	    9);
	assert_int_equal(bogus_ede("validation failure <a. A IN>: No DNSKEY "
				   "record from 192.0.2.1 for key a."),
	    9);
	assert_int_equal(bogus_ede("validation failure <a. A IN>: no "
				   "signatures from 192.0.2.1"),
	    10);
	assert_int_equal(bogus_ede("something new"), 6);
	assert_int_equal(bogus_ede(NULL), 6);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records_are_lines_without_comments),
		cmocka_unit_test(
		    test_without_a_file_there_are_both_keys_of_the_root),
		cmocka_unit_test(test_hints_are_addresses_of_both_families),
		cmocka_unit_test(test_the_first_refusal_ends_it),
		cmocka_unit_test(test_a_line_without_end_is_refused),
		cmocka_unit_test(test_a_bogus_answer_has_its_number),
	};

	return cmocka_run_group_tests_name("anchor", tests, NULL, NULL);
}
