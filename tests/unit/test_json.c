/* SPDX-License-Identifier: ISC */
/* JSON that any reader takes, whatever the strings hold. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/json.h"

static char *text;
static size_t len;
static struct json json;

static int
set_up(void **state)
{
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_non_null(out);
	json_begin(&json, out);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	(void)fclose(json.out);
	free(text);
	return 0;
}

static void
assert_written(const char *expected)
{
	(void)fflush(json.out);
	assert_string_equal(text, expected);
}

static void
test_commas_stand_between_values_only(void **state)
{
	(void)state;
	json_object(&json, NULL);
	json_int(&json, "a", -1);
	json_array(&json, "b");
	json_uint(&json, NULL, 18446744073709551615U);
	json_string(&json, NULL, "x");
	json_object(&json, NULL);
	json_object_end(&json);
	json_array_end(&json);
	json_null(&json, "c");
	json_real(&json, "d", 1.5);
	json_object_end(&json);
	assert_written("{\"a\":-1,\"b\":[18446744073709551615,\"x\",{}],"
		       "\"c\":null,\"d\":1.5}");
}

static void
test_strings_are_escaped(void **state)
{
	(void)state;
	json_string(&json, NULL, "\"\\/\n\x01\x7f\x1b[31m");
	assert_written("\"\\\"\\\\/\\u000a\\u0001\\u007f\\u001b[31m\"");
}

static void
test_utf8_is_kept(void **state)
{
	(void)state;
	json_string(&json, NULL, "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
	assert_written("\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"");
}

static void
test_what_is_not_utf8_is_replaced(void **state)
{
	(void)state;
	/* a stray byte, an overlong slash, a surrogate, a cut sequence */
	json_string(&json, NULL, "\xff|\xc0\xaf|\xed\xa0\x80|\xe2\x82");
	assert_written("\"\\ufffd|\\ufffd\\ufffd|\\ufffd\\ufffd\\ufffd|"
		       "\\ufffd\\ufffd\"");
}

static void
test_invisible_controls_are_escaped(void **state)
{
	(void)state;
	/* C1 CSI, right-to-left override, line separator */
	json_string(&json, NULL, "\xc2\x9b\xe2\x80\xae\xe2\x80\xa8");
	assert_written("\"\\u009b\\u202e\\u2028\"");
}

static void
test_numbers_that_json_lacks_are_null(void **state)
{
	(void)state;
	json_array(&json, NULL);
	json_real(&json, NULL, INFINITY);
	json_real(&json, NULL, NAN);
	json_string(&json, NULL, NULL);
	json_array_end(&json);
	assert_written("[null,null,null]");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_commas_stand_between_values_only),
		TEST(test_strings_are_escaped),
		TEST(test_utf8_is_kept),
		TEST(test_what_is_not_utf8_is_replaced),
		TEST(test_invisible_controls_are_escaped),
		TEST(test_numbers_that_json_lacks_are_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
