/* SPDX-License-Identifier: ISC */
#include "common/users.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct users
users_of(const char *text)
{
	char path[] = "/tmp/test_users.XXXXXX";
	struct users users = { 0 };
	int fd = mkstemp(path);

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(users_read(path, &users), 0);
	unlink(path);
	return users;
}

static void
test_users_are_found_by_name(void **state)
{
	struct users users =
	    users_of("root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/:\n"
		     "last:x:4294967294:1::/:/bin/false");

	(void)state;
	assert_int_equal(users.count, 3);
	assert_int_equal(users_find(&users, "root")->uid, 0);
	assert_int_equal(users_find(&users, "www-data")->uid, 33);
	assert_int_equal(users_find(&users, "last")->uid, 4294967294);
	assert_null(users_find(&users, "www"));
	assert_null(users_find(&users, ""));
	users_free(&users);
	assert_null(users_find(&users, "root"));
}

static void
test_the_first_of_a_name_counts(void **state)
{
	struct users users = users_of("a:x:1:1::/:\na:x:2:2::/:\n");

	(void)state;
	assert_int_equal(users_find(&users, "a")->uid, 1);
	users_free(&users);
}

static void
test_lines_that_are_no_users_are_passed_over(void **state)
{
	static const char *const lines[] = {
		"",
		"a",
		"a:x",
		"a:x:",
		"a:x:1",
		"a:x::1::/:",
		"a:x:-1:1::/:",
		"a:x: 1:1::/:",
		"a:x:1x:1::/:",
		"a:x:4294967295:1::/:",
		"a:x:4294967296:1::/:",
		"a:x:99999999999999999999999:1::/:",
		":x:1:1::/:",
		"a b:x:1:1::/:",
		"\xc3\xa4:x:1:1::/:",
		"+::::::",
		("a123456789012345678901234567890123456789012345678901234567890"
		 "1"
		 "23:x:1:1::/:"),
	};
	char text[200];
	struct users users;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		snprintf(text, sizeof(text), "%s\nz:x:7:7::/:\n", lines[i]);
		users = users_of(text);
		assert_int_equal(users.count, 1);
		assert_int_equal(users_find(&users, "z")->uid, 7);
		users_free(&users);
	}
}

static void
test_a_missing_file_has_no_users(void **state)
{
	struct users users = { 0 };

	(void)state;
	assert_int_equal(users_read("/nonexistent/passwd", &users), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(users.count, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_users_are_found_by_name),
		cmocka_unit_test(test_the_first_of_a_name_counts),
		cmocka_unit_test(test_lines_that_are_no_users_are_passed_over),
		cmocka_unit_test(test_a_missing_file_has_no_users),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
