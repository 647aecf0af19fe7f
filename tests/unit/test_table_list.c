/* SPDX-License-Identifier: ISC */
/* Files of addresses. */
#include "policy/table_list.h"

#include <errno.h>

#include "conf_fixture.h"
#include "policy/conf_file.h"
#include "policy/print.h"

#define TABLE FIXTURE_CAPTURE "table <bad> file \"bad.cidr\"\nblock to <bad>\n"

static const char *file_text;

static int
read_file(const char *path, size_t max_bytes, char **bytes, size_t *len)
{
	(void)max_bytes;
	assert_string_equal(path, "/etc/tpx/bad.cidr");
	if (file_text == NULL) {
		errno = ENOENT;
		return -1;
	}
	*bytes = strdup(file_text);
	*len = strlen(file_text);
	return 0;
}

/* NULL with what is wrong in out. */
static struct image *
image_of(const char *list, struct text *out)
{
	struct conf *conf = fixture_conf(TABLE);
	struct image *image = NULL;
	const char *why;
	void *bytes;
	size_t len;

	file_text = list;
	assert_int_equal(conf_set_path(conf, "/etc/tpx/tpx.conf"), 0);
	assert_int_equal(conf_files_read(conf, read_file, &errors), 0);
	if (table_lists_read(conf, out) == 0) {
		assert_int_equal(image_build(conf, 1, &bytes, &len), 0);
		assert_int_equal(image_check(bytes, len, &why), 0);
		image = bytes;
	} else {
		assert_int_equal(errno, EINVAL);
	}
	conf_free(conf);
	return image;
}

static void
test_a_file_is_a_sorted_set(void **state)
{
	struct text out = { 0 };
	struct image *image = image_of("# feed of today\n\n"
				       " 192.0.2.9\t# one\r\n"
				       "192.0.2.8\n10.0.0.0/8\n10.1.0.0/16\n"
				       "fd00::/8\r\n2001:db8::1",
	    &out);
	const struct image_range4 *range4;
	uint32_t count;

	(void)state;
	assert_non_null(image);
	assert_int_equal(out.len, 0);
	range4 = image_ranges4(image, 0, &count);
	assert_int_equal(count, 2);
	assert_int_equal(range4[0].first, 0x0a000000);
	assert_int_equal(range4[0].last, 0x0affffff);
	assert_int_equal(range4[1].first, 0xc0000208);
	assert_int_equal(range4[1].last, 0xc0000209);
	(void)image_ranges6(image, 0, &count);
	assert_int_equal(count, 2);
	free(image);
}

static void
test_an_empty_file_matches_nothing(void **state)
{
	struct text out = { 0 };
	struct image *image = image_of("", &out);
	uint32_t count;

	(void)state;
	assert_non_null(image);
	(void)image_ranges4(image, 0, &count);
	assert_int_equal(count, 0);
	free(image);
}

static void
test_everything_wrong_is_shown_with_its_place(void **state)
{
	static const char *const shown[] = {
		"/etc/tpx/bad.cidr:2:2: bad address 'nonsense'",
		"/etc/tpx/bad.cidr:3:1: '10.0.0.1/8' has bits set behind its "
		"prefix",
		"did you mean '10.0.0.0/8'?",
		"/etc/tpx/bad.cidr:5:8: one address or prefix stands on a line",
		"/etc/tpx/bad.cidr:6:1: bad address '1.2.3.4/33'",
		"/etc/tpx/bad.cidr:7:1: bad address '::ffff:1.2.3.4'",
		"\t^~~~~~~~\n",
	};
	struct text out = { 0 };
	size_t i;

	(void)state;
	assert_null(image_of("::1\n\tnonsense\n10.0.0.1/8\n1.1.1.1\n"
			     "2.2.2.2 3.3.3.3\n1.2.3.4/33\n::ffff:1.2.3.4\n",
	    &out));
	for (i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		if (strstr(out.bytes, shown[i]) == NULL)
			fail_msg("not shown: %s in %s", shown[i], out.bytes);
	text_free(&out);
}

static void
test_a_file_that_is_too_long_is_refused(void **state)
{
	struct text list = { 0 }, out = { 0 };
	uint32_t i;

	(void)state;
	for (i = 0; i < LIMIT_TABLE_PREFIXES; i++)
		text_printf(&list, "10.%u.%u.%u\n", i >> 15 & 0xff,
		    i >> 7 & 0xff, i << 1 & 0xff);
	free(image_of(list.bytes, &out));
	assert_int_equal(out.len, 0);
	text_puts(&list, "11.0.0.0\n11.0.0.2\n");
	assert_null(image_of(list.bytes, &out));
	assert_non_null(
	    strstr(out.bytes, "bad.cidr:250001:1: more than 250000 "));
	assert_null(strstr(out.bytes, "bad.cidr:250002:"));
	text_free(&list);
	text_free(&out);
}

static void
test_a_file_that_is_not_there_is_told_at_its_name(void **state)
{
	struct conf *conf = fixture_conf(TABLE);

	(void)state;
	memset(&errors, 0, sizeof(errors));
	file_text = NULL;
	assert_int_equal(conf_set_path(conf, "/etc/tpx/tpx.conf"), 0);
	assert_int_equal(conf_files_read(conf, read_file, &errors), -1);
	assert_int_equal(errors.items[0].place.line, 2);
	assert_int_equal(errors.items[0].place.column, 18);
	assert_string_equal(errors.items[0].message,
	    "the file cannot be read: No such file or directory");
	conf_free(conf);
}

static void
test_the_name_of_a_file_is_printed(void **state)
{
	struct conf *conf = fixture_conf(TABLE);
	struct text out = { 0 };

	(void)state;
	print_conf(conf, &out);
	assert_non_null(strstr(out.bytes, "table <bad> file \"bad.cidr\"\n"));
	text_free(&out);
	conf_free(conf);
}

/* Nobody knows yet what is in the file. */
static void
test_a_table_in_a_file_is_not_called_empty(void **state)
{
	(void)state;
	assert_string_equal(
	    warning_of(FIXTURE_CAPTURE "table <t> file \"t\"\nexclude to <t>\n"
				       "exclude from 10.0.0.0/8 to <t>\n"),
	    "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_file_is_a_sorted_set),
		cmocka_unit_test(test_an_empty_file_matches_nothing),
		cmocka_unit_test(test_everything_wrong_is_shown_with_its_place),
		cmocka_unit_test(test_a_file_that_is_too_long_is_refused),
		cmocka_unit_test(
		    test_a_file_that_is_not_there_is_told_at_its_name),
		cmocka_unit_test(test_the_name_of_a_file_is_printed),
		cmocka_unit_test(test_a_table_in_a_file_is_not_called_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
