/* SPDX-License-Identifier: ISC */
/* Tables as sets of the kernel. */
#include "policy/render_addr.h"

#include "render_fixture.h"

/* A table of many addresses, with some that are next to each other. */
static void
test_many_addresses_are_a_hash_that_is_filled_later(void **state)
{
	struct text conf = { 0 }, guard = { 0 };
	struct image *image;
	char *text;
	size_t len;
	int i;

	(void)state;
	text_puts(&conf, FIXTURE_CAPTURE "table <t> { 10.0.0.0/8 fd00::/8 "
					 "192.0.2.1 192.0.2.2 ");
	for (i = 0; i < 10000; i++)
		text_printf(&conf, "12.0.%d.%d ", i >> 7, (i & 127) * 2);
	text_puts(&conf, "}\nblock from <t> to <t>\nexclude to <t> port 1\n");
	text = capture_of(conf.bytes, RENDER_CAPTURE);
	assert_has(text, "\tset t_t_4 {\n\t\ttype ipv4_addr\n"
			 "\t\tflags interval\n"
			 "\t\telements = { 10.0.0.0/8 }\n\t}\n"
			 "\tset t_t_4s {\n\t\ttype ipv4_addr\n\t}\n");
	assert_has(text, "\tset t_t_6 {");
	assert_lacks(text, "\tset t_t_6s {");
	assert_has(
	    text, "}\nadd element inet tpx t_t_4s { 12.0.0.0, 12.0.0.2, ");
	assert_has(
	    text, "12.0.63.254 }\nadd element inet tpx t_t_4s { 12.0.64.0");
	assert_has(text, ", 192.0.2.1, 192.0.2.2 }\n");
	assert_has(text,
	    "\t\tip saddr @t_t_4 ip daddr @t_t_4 goto block_0\n"
	    "\t\tip saddr @t_t_4 ip daddr @t_t_4s goto block_0\n"
	    "\t\tip saddr @t_t_4s ip daddr @t_t_4 goto block_0\n"
	    "\t\tip saddr @t_t_4s ip daddr @t_t_4s goto block_0\n"
	    "\t\tip6 saddr @t_t_6 ip6 daddr @t_t_6 goto block_0\n");
	free(text);
	image = fixture_image(conf.bytes, &len);
	render_guard(image, &local, &guard);
	assert_has(guard.bytes, "\tset t_t_4s {\n\t\ttype ipv4_addr\n"
				"\t\telements = { 12.0.0.0, 12.0.0.2, ");
	assert_lacks(guard.bytes, "add element");
	text_free(&guard);
	text_free(&conf);
	free(image);
}

/* What fills the sets of a guard, and is not there from the start. */
static void
test_a_guard_has_the_tables_that_are_excluded(void **state)
{
	struct text conf = { 0 }, text = { 0 };
	struct image *image;
	size_t len;
	int i;

	(void)state;
	text_puts(&conf, FIXTURE_CAPTURE "table <u> { 10.0.0.0/8 }\n"
					 "table <s> { 192.0.2.0/24 }\n"
					 "table <d> { 198.51.100.0/24 ");
	for (i = 0; i < 10000; i++)
		text_printf(&conf, "12.0.%d.%d ", i >> 7, (i & 127) * 2);
	text_puts(&conf, "}\nblock to <u>\nexclude from <s> to <d> port 1\n");
	image = fixture_image(conf.bytes, &len);
	render_guard_bare("tpx_guard", image, &local, &text);
	assert_has(text.bytes, "elements = { 192.0.2.0/24 }");
	assert_has(text.bytes, "elements = { 198.51.100.0/24 }");
	assert_has(text.bytes, "\tset t_d_4s {\n\t\ttype ipv4_addr\n\t}\n");
	assert_lacks(text.bytes, "t_u_4");
	text_free(&text);
	render_guard(image, &local, &text);
	assert_lacks(text.bytes, "t_u_4");
	text_free(&text);
	render_guard_elements(image, &text);
	assert_has(
	    text.bytes, "add element inet tpx_guard t_d_4s { 12.0.0.0, ");
	assert_lacks(text.bytes, "t_s_4");
	text_free(&text);
	text_free(&conf);
	free(image);
}

static void
test_a_small_table_is_one_set(void **state)
{
	char *text = capture_of(FIXTURE_CAPTURE
	    "table <t> { 192.0.2.1 192.0.2.9 ::1 }\nblock to <t>\n",
	    RENDER_CAPTURE);

	(void)state;
	assert_has(text, "elements = { 192.0.2.1, 192.0.2.9 }");
	assert_has(text, "\t\tip daddr @t_t_4 goto block_0\n"
			 "\t\tip6 daddr @t_t_6 goto block_0\n");
	assert_lacks(text, "t_t_4s");
	assert_lacks(text, "add element");
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_many_addresses_are_a_hash_that_is_filled_later),
		cmocka_unit_test(test_a_guard_has_the_tables_that_are_excluded),
		cmocka_unit_test(test_a_small_table_is_one_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
