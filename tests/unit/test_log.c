/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"

static char line[4096];

/* Makes what log writes readable in line. */
#define CAPTURE(call)                                      \
	do {                                               \
		int ends[2], saved = dup(STDERR_FILENO);   \
		ssize_t n;                                 \
		assert_int_equal(pipe(ends), 0);           \
		dup2(ends[1], STDERR_FILENO);              \
		close(ends[1]);                            \
		call;                                      \
		dup2(saved, STDERR_FILENO);                \
		close(saved);                              \
		n = read(ends[0], line, sizeof(line) - 1); \
		line[n > 0 ? n : 0] = '\0';                \
		close(ends[0]);                            \
	} while (0)

static void
test_line_names_process_and_index(void **state)
{
	(void)state;
	log_init("tpx-relay", 3, 0);
	CAPTURE(log_info("hello %d", 7));
	assert_string_equal(line, "tpx-relay[3]: hello 7\n");
	log_init("tpxd", -1, 0);
	CAPTURE(log_warnx("hello"));
	assert_string_equal(line, "tpxd: hello\n");
}

static void
test_warn_adds_the_error_and_keeps_it(void **state)
{
	(void)state;
	log_init("tpxd", -1, 0);
	errno = ENOENT;
	CAPTURE(log_warn("file"));
	assert_string_equal(line, "tpxd: file: No such file or directory\n");
	errno = EPERM;
	log_debug("nothing");
	assert_int_equal(errno, EPERM);
}

static void
test_debug_lines_are_asked_for(void **state)
{
	(void)state;
	log_init("tpxd", -1, 0);
	CAPTURE(log_debug("hidden"));
	assert_string_equal(line, "");
	log_init("tpxd", -1, 1);
	CAPTURE(log_debug("shown"));
	assert_string_equal(line, "tpxd: shown\n");
}

static void
test_no_byte_can_forge_a_line_or_drive_a_terminal(void **state)
{
	(void)state;
	log_init("tpxd", -1, 0);
	CAPTURE(log_info("a%sb", "\ntpxd: forged\033[2J\x7f\xc3\xa4"));
	assert_string_equal(
	    line, "tpxd: a\\x0atpxd: forged\\x1b[2J\\x7f\\xc3\\xa4b\n");
}

static void
test_long_line_is_cut(void **state)
{
	char text[3000];

	(void)state;
	memset(text, '\n', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_init("tpxd", -1, 0);
	CAPTURE(log_info("%s", text));
	assert_true(strlen(line) <= 1024);
	assert_int_equal(line[strlen(line) - 1], '\n');
	assert_null(strchr(line, '\n')[1] == '\0' ? NULL : line);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line_names_process_and_index),
		cmocka_unit_test(test_warn_adds_the_error_and_keeps_it),
		cmocka_unit_test(test_debug_lines_are_asked_for),
		cmocka_unit_test(
		    test_no_byte_can_forge_a_line_or_drive_a_terminal),
		cmocka_unit_test(test_long_line_is_cut),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
