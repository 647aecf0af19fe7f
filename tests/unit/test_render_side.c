/* SPDX-License-Identifier: ISC */
#include "policy/render_side.h"

#include "policy/render.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char table[] = "table inet t {\n"
			    "\tflags owner\n"
			    "\tct timeout slow4 {\n"
			    "\t\tprotocol tcp\n\t}\n"
			    "\tset lease {\n\t\ttype inet_proto\n\t}\n"
			    "\tset kept_0_4 {\n\t\ttype ipv4_addr\n\t}\n"
			    "\tset t_x_4 {\n\t\ttype ipv4_addr\n"
			    "\t\telements = { 192.0.2.1, 192.0.2.3,\n"
			    "\t\t    192.0.2.5 }\n\t}\n"
			    "\tchain none {\n\t}\n"
			    "\tchain end {\n"
			    "\t\tupdate @blocked4 { ip saddr }\n"
			    "\t\tupdate @kept_0_4 { ip saddr }\n"
			    "\t\tct timeout set \"slow4\" accept\n\t}\n"
			    "\tchain first {\n"
			    "\t\ttype filter hook output priority raw; "
			    "policy accept;\n"
			    "\t\toifname \"@goto\" jump end\n"
			    "\t\tip daddr @t_x_4 meta l4proto @lease "
			    "goto end\n"
			    "\t\tgoto end\n\t}\n"
			    "}\n";

static struct text
whole(const char *text)
{
	struct text out = { 0 };

	text_puts(&out, text);
	return out;
}

static void
test_chains_and_sets_get_a_letter_and_hooks_one_rule(void **state)
{
	struct text in = whole(table), out = { 0 };

	(void)state;
	side_prepare(&in, RENDER_SIDE_B, &out);
	assert_string_equal(out.bytes,
	    "table inet t {\n"
	    "\tflags owner\n"
	    "\tct timeout slow4 {\n"
	    "\t\tprotocol tcp\n\t}\n"
	    "\tset lease {\n\t\ttype inet_proto\n\t}\n"
	    "\tset kept_0_4 {\n\t\ttype ipv4_addr\n\t}\n"
	    "\tset t_x_4_b {\n\t\ttype ipv4_addr\n"
	    "\t\telements = { 192.0.2.1, 192.0.2.3,\n"
	    "\t\t    192.0.2.5 }\n\t}\n"
	    "\tchain none_b {\n\t}\n"
	    "\tchain end_b {\n"
	    "\t\tupdate @blocked4 { ip saddr }\n"
	    "\t\tupdate @kept_0_4 { ip saddr }\n"
	    "\t\tct timeout set \"slow4\" accept\n\t}\n"
	    "\tchain first {\n"
	    "\t\ttype filter hook output priority raw; policy accept;\n"
	    "\t}\n"
	    "\tchain first_b {\n"
	    "\t\toifname \"@goto\" jump end_b\n"
	    "\t\tip daddr @t_x_4_b meta l4proto @lease goto end_b\n"
	    "\t\tgoto end_b\n\t}\n"
	    "}\n");
	text_free(&in);
	text_free(&out);
}

static void
test_commands_fill_the_sets_of_their_side(void **state)
{
	struct text in = whole(
			"table inet tpx {\n\tset t_x_4s {\n\t\ttype "
			"ipv4_addr\n\t}\n}\n" RENDER_ADD_ELEMENT RENDER_TABLE
			" "
			"t_x_4s { 192.0.2.1, 192.0.2.3 }\n"),
		    out = { 0 };

	(void)state;
	side_prepare(&in, RENDER_SIDE_A, &out);
	assert_string_equal(out.bytes,
	    "table inet tpx {\n\tset t_x_4s_a {\n\t\ttype ipv4_addr\n\t}\n}\n"
	    "add element inet tpx t_x_4s_a { 192.0.2.1, 192.0.2.3 }\n");
	text_free(&in);
	text_free(&out);
}

static void
test_a_switch_is_a_rule_for_each_hook(void **state)
{
	struct text in = whole(table), out = { 0 };

	(void)state;
	side_switch(&in, "t", RENDER_SIDE_A, &out);
	assert_string_equal(out.bytes, "flush chain inet t first\n"
				       "add rule inet t first goto first_a\n"
				       "add chain inet t live_a\n");
	text_free(&in);
	text_free(&out);
}

static void
test_only_chains_with_a_hook_have_one(void **state)
{
	struct text in = whole(table);

	(void)state;
	assert_true(side_has_hook(&in, "first"));
	assert_false(side_has_hook(&in, "firs"));
	assert_false(side_has_hook(&in, "end"));
	text_free(&in);
}

static void
test_a_name_tells_its_side(void **state)
{
	(void)state;
	assert_int_equal(side_of("end_a"), RENDER_SIDE_A);
	assert_int_equal(side_of("t_a_4_b"), RENDER_SIDE_B);
	assert_int_equal(side_of("a"), RENDER_SIDES);
	assert_int_equal(side_of("lease"), RENDER_SIDES);
	assert_int_equal(side_of("__set0"), RENDER_SIDES);
}

static void
test_a_text_that_is_not_whole_makes_none(void **state)
{
	struct text in = whole(table), out = { 0 };

	(void)state;
	in.failed = 1;
	side_prepare(&in, RENDER_SIDE_A, &out);
	assert_int_equal(text_check(&out), -1);
	text_free(&in);
	text_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_chains_and_sets_get_a_letter_and_hooks_one_rule),
		cmocka_unit_test(test_commands_fill_the_sets_of_their_side),
		cmocka_unit_test(test_a_switch_is_a_rule_for_each_hook),
		cmocka_unit_test(test_only_chains_with_a_hook_have_one),
		cmocka_unit_test(test_a_name_tells_its_side),
		cmocka_unit_test(test_a_text_that_is_not_whole_makes_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
