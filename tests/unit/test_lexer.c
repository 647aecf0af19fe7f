/* SPDX-License-Identifier: ISC */
#include "policy/lexer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Kinds as letters: w s { } ; (end of a statement) . (end) ! (bad). */
static const char *
kinds_of(const char *text, size_t len)
{
	static const char letters[] = {
		[TOKEN_FILE_END] = '.',
		[TOKEN_STATEMENT_END] = ';',
		[TOKEN_WORD] = 'w',
		[TOKEN_STRING] = 's',
		[TOKEN_OPEN] = '{',
		[TOKEN_CLOSE] = '}',
		[TOKEN_BAD] = '!',
	};
	static char kinds[128];
	struct lexer lexer;
	struct token token;
	size_t n = 0;

	lexer_init(&lexer, text, len);
	do {
		token = lexer_next(&lexer);
		assert_true(n < sizeof(kinds) - 1);
		kinds[n++] = letters[token.kind];
		assert_true(token.bytes >= text);
		assert_true(token.bytes + token.len <= text + len);
	} while (token.kind != TOKEN_FILE_END);
	kinds[n] = '\0';
	return kinds;
}

#define KINDS(text) kinds_of(text, sizeof(text) - 1)

static struct token
bad_of(const char *text, size_t len)
{
	struct lexer lexer;
	struct token token;

	lexer_init(&lexer, text, len);
	do
		token = lexer_next(&lexer);
	while (token.kind != TOKEN_BAD && token.kind != TOKEN_FILE_END);
	assert_int_equal(token.kind, TOKEN_BAD);
	assert_non_null(token.why);
	return token;
}

#define BAD(text) bad_of(text, sizeof(text) - 1)

static void
test_a_newline_ends_a_statement(void **state)
{
	(void)state;
	assert_string_equal(KINDS("a b\nc\n"), "ww;w;.");
	assert_string_equal(KINDS("\n\n  \n# x\n"), ".");
	assert_string_equal(KINDS(""), ".");
}

static void
test_the_last_newline_may_be_missing(void **state)
{
	(void)state;
	assert_string_equal(KINDS("a b"), "ww;.");
	assert_string_equal(KINDS("a # b"), "w;.");
}

static void
test_a_list_goes_over_lines(void **state)
{
	(void)state;
	assert_string_equal(
	    KINDS("a { b, c\n # d }\n\n,e }\nf\n"), "w{www};w;.");
	assert_string_equal(KINDS("a{b}c\n"), "w{w}w;.");
	assert_string_equal(KINDS("a { b"), "w{w;.");
}

static void
test_a_hash_begins_a_comment_even_within_a_word(void **state)
{
	(void)state;
	assert_string_equal(KINDS("a#b c\nd\n"), "w;w;.");
	assert_string_equal(KINDS("a \"b#c\"\n"), "ws;.");
}

static void
test_strings_have_two_escapes(void **state)
{
	static const char text[] = "\"a\\\"b\\\\c\"";
	struct lexer lexer;
	struct token token;
	char buf[8], small[5];

	(void)state;
	lexer_init(&lexer, text, sizeof(text) - 1);
	token = lexer_next(&lexer);
	assert_int_equal(token.kind, TOKEN_STRING);
	assert_int_equal(token_copy(&token, buf, sizeof(buf)), 0);
	assert_string_equal(buf, "a\"b\\c");
	assert_int_equal(token_copy(&token, small, sizeof(small)), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	assert_string_equal(BAD("\"a\\n\"\n").why,
	    "a backslash before something else than "
	    "\" or \\");
}

static void
test_an_open_string_ends_with_its_line(void **state)
{
	struct token token = BAD("a \"b c\nd\n");

	(void)state;
	assert_string_equal(token.why, "a string that its line does not end");
	assert_int_equal(token.place.line, 1);
	assert_int_equal(token.place.column, 3);
	assert_string_equal(KINDS("a \"b c\nd\n"), "w!;w;.");
	assert_string_equal(KINDS("a \"b"), "w!;.");
	assert_string_equal(KINDS("a \"b\\"), "w!;.");
}

static void
test_control_bytes_are_named(void **state)
{
	(void)state;
	assert_string_equal(BAD("a\0b\n").why, "a NUL byte in the text");
	assert_string_equal(
	    BAD("a \x1b[2J\n").why, "a control byte in the text");
	assert_string_equal(BAD("a \x7f\n").why, "a control byte in the text");
	assert_string_equal(
	    BAD("# a \x1b b\n").why, "a control byte in the text");
	assert_string_equal(
	    BAD("a\rb\n").why, "a carriage return inside a line");
}

static void
test_an_odd_byte_has_its_own_place(void **state)
{
	struct token token = BAD("abc de\001f\n");

	(void)state;
	assert_int_equal(token.place.line, 1);
	assert_int_equal(token.place.column, 7);
	assert_int_equal(token.place.length, 1);
}

static void
test_the_rest_of_a_bad_comment_is_no_statement(void **state)
{
	(void)state;
	assert_string_equal(KINDS("# a \001 b c\nd\n"), "!;w;.");
}

static void
test_dos_lines_are_read_and_remembered(void **state)
{
	static const char text[] = "a\r\nb { c\r\n }\r\n";
	struct lexer lexer;

	(void)state;
	assert_string_equal(kinds_of(text, sizeof(text) - 1), "w;w{w};.");
	lexer_init(&lexer, text, sizeof(text) - 1);
	while (lexer_next(&lexer).kind != TOKEN_FILE_END)
		;
	assert_int_equal(lexer.line_return.line, 1);
	assert_int_equal(lexer.line_return.column, 2);
}

static void
test_columns_count_characters(void **state)
{
	static const char text[] = "\xc3\xa4\xe2\x82\xac x\n\ty\n";
	struct lexer lexer;
	struct token token;

	(void)state;
	lexer_init(&lexer, text, sizeof(text) - 1);
	token = lexer_next(&lexer);
	assert_int_equal(token.place.length, 2);
	token = lexer_next(&lexer);
	assert_int_equal(token.place.column, 4);
	lexer_next(&lexer);
	token = lexer_next(&lexer);
	assert_int_equal(token.place.line, 2);
	assert_int_equal(token.place.column, 2);
	assert_true(token.first);
}

static void
test_what_is_not_utf8_is_refused_outside_comments(void **state)
{
	(void)state;
	assert_string_equal(BAD("a\xff\n").why, "bytes that are not UTF-8");
	assert_string_equal(
	    BAD("\"\xc0\xaf\"\n").why, "bytes that are not UTF-8");
	assert_string_equal(
	    BAD("\xed\xa0\x80\n").why, "bytes that are not UTF-8");
	assert_string_equal(
	    BAD("\xf4\x90\x80\x80\n").why, "bytes that are not UTF-8");
	assert_string_equal(BAD("\xe2\x82").why, "bytes that are not UTF-8");
	assert_string_equal(BAD("\xc2\x9b\n").why, "bytes that are not UTF-8");
	assert_string_equal(KINDS("# \xff\n"), ".");
}

static void
test_a_comma_outside_braces_is_refused(void **state)
{
	(void)state;
	assert_string_equal(BAD("a, b\n").why, "a comma outside of braces");
}

static void
test_giant_words_are_refused(void **state)
{
	static char text[1U << 20];
	struct token token;

	(void)state;
	memset(text, 'a', sizeof(text));
	token = bad_of(text, sizeof(text));
	assert_string_equal(token.why, "a word of more than 1024 bytes");
	memset(text, '"', 1);
	assert_string_equal(kinds_of(text, sizeof(text)), "!;.");
	text[1] = 'a';
	text[1026] = '"';
	assert_string_equal(kinds_of(text, 1027), "!;.");
	assert_string_equal(kinds_of(text + 1, 1024), "w;.");
}

static void
test_a_statement_can_be_skipped(void **state)
{
	static const char text[] = "a { b\n c } d\ne\n";
	struct lexer lexer;
	struct token token;

	(void)state;
	lexer_init(&lexer, text, sizeof(text) - 1);
	lexer_next(&lexer);
	lexer_skip_statement(&lexer);
	token = lexer_next(&lexer);
	assert_true(token_is(&token, "e"));
	assert_false(token_is(&token, "ee"));
	assert_false(token_is(&token, ""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_newline_ends_a_statement),
		cmocka_unit_test(test_the_last_newline_may_be_missing),
		cmocka_unit_test(test_a_list_goes_over_lines),
		cmocka_unit_test(
		    test_a_hash_begins_a_comment_even_within_a_word),
		cmocka_unit_test(test_strings_have_two_escapes),
		cmocka_unit_test(test_an_open_string_ends_with_its_line),
		cmocka_unit_test(test_control_bytes_are_named),
		cmocka_unit_test(test_an_odd_byte_has_its_own_place),
		cmocka_unit_test(
		    test_the_rest_of_a_bad_comment_is_no_statement),
		cmocka_unit_test(test_dos_lines_are_read_and_remembered),
		cmocka_unit_test(test_columns_count_characters),
		cmocka_unit_test(
		    test_what_is_not_utf8_is_refused_outside_comments),
		cmocka_unit_test(test_a_comma_outside_braces_is_refused),
		cmocka_unit_test(test_giant_words_are_refused),
		cmocka_unit_test(test_a_statement_can_be_skipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
