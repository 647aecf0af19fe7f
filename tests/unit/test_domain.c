/* SPDX-License-Identifier: ISC */
/* Lists of domains: from files to the index and what is found in it. */
#include <errno.h>
#include <stdio.h>

#include "policy/domain_layout.h"
#include "policy/domain_list.h"
#include "policy_fixture.h"

#define ID 0x1234567890abcdefULL

static struct conf_errors errors;
static struct domain_builder builder;

static struct domain_index *
finish(uint32_t lists, size_t *len)
{
	const char *why;
	void *bytes;

	assert_int_equal(
	    domain_builder_finish(&builder, ID, lists, &bytes, len), 0);
	domain_builder_free(&builder);
	if (domain_index_check(bytes, *len, &why) == -1)
		fail_msg("index: %s", why);
	return bytes;
}

static size_t
read_list(uint16_t list, const char *text)
{
	size_t count;

	memset(&errors, 0, sizeof(errors));
	assert_int_equal(domain_list_read(text, strlen(text), list, &builder,
			     &count, &errors),
	    0);
	return count;
}

/* The lists that a name is in, below 64. */
static uint64_t
lists_of(const struct domain_index *index, const char *name)
{
	struct domain_set set;

	domain_index_find(index, name, strlen(name), &set);
	return set.bits[0];
}

static void
test_a_name_is_itself_and_a_wildcard_what_is_below(void **state)
{
	struct domain_index *index;
	size_t len;

	(void)state;
	assert_int_equal(read_list(0, "a.x\n*.b.x\n*.top\n"), 3);
	index = finish(1, &len);
	assert_int_equal(lists_of(index, "a.x"), 1);
	assert_int_equal(lists_of(index, "c.a.x"), 0);
	assert_int_equal(lists_of(index, "x"), 0);
	assert_int_equal(lists_of(index, "b.x"), 0);
	assert_int_equal(lists_of(index, "a.b.x"), 1);
	assert_int_equal(lists_of(index, "d.c.a.b.x"), 1);
	assert_int_equal(lists_of(index, "ab.x"), 0);
	assert_int_equal(lists_of(index, "cb.x"), 0);
	assert_int_equal(lists_of(index, "top"), 0);
	assert_int_equal(lists_of(index, "a.top"), 1);
	assert_int_equal(lists_of(index, ""), 0);
	assert_int_equal(lists_of(index, "."), 0);
	assert_int_equal(lists_of(index, ".top"), 1);
	free(index);
}

static void
test_a_name_is_in_every_list_that_has_it(void **state)
{
	struct domain_index *index;
	struct domain_set set;
	size_t len;

	(void)state;
	read_list(0, "a.x\n");
	read_list(1, "*.x\n*.a.x\n");
	read_list(2, "a.x\na.x\n");
	read_list(200, "a.x\n");
	index = finish(201, &len);
	assert_int_equal(index->names, 3);
	assert_int_equal(domain_index_lists(index), 201);
	assert_int_equal(domain_index_id(index), ID);
	assert_int_equal(lists_of(index, "a.x"), 7);
	assert_int_equal(lists_of(index, "b.a.x"), 2);
	domain_index_find(index, "a.x", 3, &set);
	assert_true(domain_set_has(&set, 200));
	assert_false(domain_set_has(&set, 199));
	assert_false(domain_set_has(&set, LIMIT_DOMAIN_LISTS));
	free(index);
}

static void
test_no_index_and_an_empty_one_have_nothing(void **state)
{
	struct domain_index *index;
	size_t len;

	(void)state;
	assert_int_equal(lists_of(NULL, "a.x"), 0);
	index = finish(0, &len);
	assert_int_equal(lists_of(index, "a.x"), 0);
	free(index);
}

static void
test_long_names_are_found_and_longer_ones_are_not_read(void **state)
{
	char name[300], *text;
	struct domain_index *index;
	size_t len, i;

	(void)state;
	memset(name, 'a', sizeof(name));
	for (i = 63; i < sizeof(name); i += 64)
		name[i] = '.';
	name[253] = '\0';
	read_list(0, name);
	index = finish(1, &len);
	assert_int_equal(lists_of(index, name), 1);
	free(index);
	name[253] = 'a';
	name[299] = '\0';
	read_list(0, "*.a\n");
	index = finish(1, &len);
	text = malloc(LIMIT_DOMAIN_BYTES);
	memset(text, 'a', LIMIT_DOMAIN_BYTES);
	text[LIMIT_DOMAIN_BYTES - 2] = '.';
	domain_index_find(
	    index, text, LIMIT_DOMAIN_BYTES, &(struct domain_set){ 0 });
	free(text);
	free(index);
}

static void
test_what_published_lists_look_like_is_read(void **state)
{
	static const char list[] =
	    "# a comment, with \xc3\xbc\r\n\r\n"
	    "Plain.Example.\n"
	    "  spaced.example\t # why\n"
	    "0.0.0.0 hosts.example\r\n"
	    "127.0.0.1\tone.example two.example#x\n"
	    "127.0.0.1 localhost localhost.localdomain\n"
	    ":: six.example\n::1 ip6-localhost\nfe80::1%lo0 localhost\n"
	    "255.255.255.255 broadcasthost\n0.0.0.0 0.0.0.0\n"
	    "*.wild.example\n_x.y.example";
	static const char *const names[] = { "plain.example", "spaced.example",
		"hosts.example", "one.example", "two.example", "six.example",
		"a.wild.example", "_x.y.example" };
	struct domain_index *index;
	size_t i, len;

	(void)state;
	assert_int_equal(read_list(0, list), 8);
	assert_int_equal(errors.errors, 0);
	index = finish(1, &len);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (lists_of(index, names[i]) != 1)
			fail_msg("%s", names[i]);
	assert_int_equal(lists_of(index, "localhost"), 0);
	free(index);
}

static void
test_bad_lines_of_a_list_have_a_place(void **state)
{
	static const char list[] = "good.example\n"
				   "\ta.example b.example\n"
				   "b\xc3\xbc.example\n"
				   "||ads.example^\n"
				   "*.\n*\na.*.b\n**.a\n"
				   "10.0.0.0/8 x.example\n"
				   "0.0.0.0 \xc3\xa4 x.example\n";
	static const struct {
		unsigned int line, column, length;
	} places[] = { { 2, 12, 9 }, { 3, 1, 10 }, { 4, 1, 14 }, { 5, 1, 2 },
		{ 6, 1, 1 }, { 7, 1, 5 }, { 8, 1, 4 }, { 9, 1, 10 },
		{ 9, 12, 9 }, { 10, 9, 1 } };
	size_t i;

	(void)state;
	assert_int_equal(read_list(0, list), 3);
	for (i = 0; i < errors.count; i++) {
		assert_int_equal(errors.items[i].place.line, places[i].line);
		assert_int_equal(
		    errors.items[i].place.column, places[i].column);
		assert_int_equal(
		    errors.items[i].place.length, places[i].length);
	}
	assert_int_equal(errors.count, sizeof(places) / sizeof(places[0]));
	assert_non_null(strstr(errors.items[1].message, "as xn--"));
	domain_builder_free(&builder);
}

/* The address sanitizer sees who reads on. */
static void
test_a_list_needs_no_end(void **state)
{
	char *text = malloc(7);
	size_t count;

	(void)state;
	memcpy(text, "::1 a.b", 7);
	assert_int_equal(
	    domain_list_read(text, 3, 0, &builder, &count, &errors), 0);
	assert_int_equal(count, 0);
	text = realloc(text, 3);
	assert_int_equal(
	    domain_list_read(text, 3, 0, &builder, &count, &errors), 0);
	free(text);
	domain_builder_free(&builder);
}

static struct domain_index *
sample(size_t *len)
{
	read_list(0, "a.x\n*.b.x\nc.y\n");
	read_list(1, "*.y\na.x\n");
	return finish(2, len);
}

static void
test_any_other_length_of_an_index_is_refused(void **state)
{
	size_t len, cut;
	struct domain_index *index = sample(&len);
	const char *why;
	char *copy;

	(void)state;
	for (cut = 0; cut < len; cut++) {
		copy = malloc(cut + 1);
		memcpy(copy, index, cut);
		assert_int_equal(domain_index_check(copy, cut, &why), -1);
		free(copy);
	}
	copy = calloc(1, len + 9);
	memcpy(copy, index, len);
	assert_int_equal(domain_index_check(copy, len + 8, &why), -1);
	memcpy(copy + 1, index, len);
	assert_int_equal(domain_index_check(copy + 1, len, &why), -1);
	assert_string_equal(why, "not aligned");
	free(copy);
	free(index);
}

static void
test_a_changed_index_is_refused_or_harmless(void **state)
{
	static const char *const names[] = { "a.x", "z.b.x", "c.y", "y", "q" };
	static const unsigned char values[] = { 0, 1, 2, 0x7f, 0x80, 0xff };
	size_t i, v, n, len, refused = 0;
	struct domain_index *index = sample(&len);
	unsigned char *bytes = (unsigned char *)index, old;
	const char *why;

	(void)state;
	for (i = 0; i < len; i++) {
		old = bytes[i];
		for (v = 0; v < sizeof(values); v++) {
			bytes[i] = values[v];
			if (domain_index_check(index, len, &why) == -1) {
				refused++;
				continue;
			}
			for (n = 0; n < sizeof(names) / sizeof(names[0]); n++)
				lists_of(index, names[n]);
		}
		bytes[i] = old;
	}
	/* Keys of places that no name here has are as good as others. */
	assert_true(refused > len - sizeof(index->keys));
	free(index);
}

static struct domain_set *
sets_of(struct domain_index *index)
{
	return (void *)(index + 1);
}

static struct domain_group *
groups_of(struct domain_index *index)
{
	return (void *)(sets_of(index) + index->sets);
}

static struct domain_group *
used_group(struct domain_index *index)
{
	struct domain_group *group = groups_of(index);

	while (group->homes == 0)
		group++;
	return group;
}

static char *
records_of(struct domain_index *index)
{
	return (char *)(groups_of(index) + index->groups);
}

#define REFUSED(field, value, reason)                                         \
	do {                                                                  \
		const char *why_ = NULL;                                      \
		size_t len_;                                                  \
		struct domain_index *index = sample(&len_);                   \
		(field) = (value);                                            \
		assert_int_equal(domain_index_check(index, len_, &why_), -1); \
		assert_string_equal(why_, reason);                            \
		free(index);                                                  \
	} while (0)

static void
test_every_field_of_an_index_is_checked(void **state)
{
	static const char number[] = "a number out of range";
	static const char length[] = "its length is not the one it tells";
	static const char list[] = "a list that there is not";
	static const char place[] = "a name is not where it must be";
	static const char home[] = "a name is not at home";
	static const char homes[] = "homes of no name";
	static const char rest[] = "bytes that no group refers to";

	(void)state;
	REFUSED(index->magic, 1, "not a domain index");
	REFUSED(index->version, 9, "another version");
	REFUSED(index->bytes, 1, length);
	REFUSED(index->sets, UINT32_MAX, length);
	REFUSED(index->groups, UINT32_MAX, length);
	REFUSED(index->record_bytes, UINT32_MAX, length);
	REFUSED(index->id, 0, number);
	REFUSED(index->lists, LIMIT_DOMAIN_LISTS + 1, number);
	REFUSED(index->lists, 1, list);
	REFUSED(index->names, LIMIT_DOMAIN_NAMES + 1, number);
	REFUSED(index->names, 3, rest);
	REFUSED(index->keys[0], index->keys[0] + (1ULL << 58), home);
	REFUSED(sets_of(index)[0].bits[0], 1, list);
	REFUSED(sets_of(index)[1].bits[3], 1, list);
	REFUSED(used_group(index)->homes, 0, place);
	REFUSED(used_group(index)->homes, UINT32_MAX, homes);
	REFUSED(used_group(index)->record, 1, place);
	REFUSED(records_of(index)[0], (char)0xff, place);
	REFUSED(records_of(index)[1], 99, "a set that there is not");
	REFUSED(records_of(index)[3], '!', home);
	REFUSED(records_of(index)[index->record_bytes - 1], 1, place);
}

static void
test_an_empty_group_has_no_name(void **state)
{
	static const struct {
		struct domain_group group;
		const char *why;
	} cases[] = { { { 0, 1 }, "an empty group with a name" },
		{ { 1, 0 }, "a group has no end" },
		{ { 1, 1 }, "a name is not where it must be" } };
	struct domain_index *index;
	const char *why;
	size_t i, len;

	(void)state;
	index = finish(0, &len);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		*groups_of(index) = cases[i].group;
		assert_int_equal(domain_index_check(index, len, &why), -1);
		assert_string_equal(why, cases[i].why);
	}
	free(index);
}

/* Nothing stands between a length and what is read. */
static void
test_the_last_name_of_an_index_ends_in_it(void **state)
{
	size_t len, cut;
	struct domain_index *index;
	const char *why;

	(void)state;
	for (cut = 1; cut < 12; cut++) {
		index = sample(&len);
		index->bytes -= (uint32_t)cut;
		index->record_bytes -= (uint32_t)cut;
		index = realloc(index, len - cut);
		assert_int_equal(
		    domain_index_check(index, len - cut, &why), -1);
		free(index);
	}
}

/* A group as crowded as no builder makes one would hold up every look-up. */
static void
test_a_crowded_group_is_refused(void **state)
{
	static const char record[] = { 1, 0, 0, 'a' };
	size_t i, len, count = DOMAIN_GROUP_NAMES + 1, first;
	struct domain_index *index, *crowded;
	const char *why;

	(void)state;
	read_list(0, "a\n");
	index = finish(1, &len);
	first = (size_t)(records_of(index) - (char *)index);
	crowded = malloc(len + count * sizeof(record));
	memcpy(crowded, index, len);
	for (; count >= DOMAIN_GROUP_NAMES; count--) {
		for (i = 0; i < count; i++)
			memcpy((char *)crowded + first + i * sizeof(record),
			    record, sizeof(record));
		((char *)crowded)[first + i * sizeof(record)] = 0;
		crowded->names = (uint32_t)count;
		crowded->record_bytes = (uint32_t)(count * sizeof(record) + 1);
		crowded->bytes = (uint32_t)first + crowded->record_bytes;
		assert_int_equal(
		    domain_index_check(crowded, crowded->bytes, &why),
		    count > DOMAIN_GROUP_NAMES ? -1 : 0);
		if (count > DOMAIN_GROUP_NAMES)
			assert_string_equal(why, "too many names in a group");
	}
	free(crowded);
	free(index);
}

static void
test_many_names_are_all_found(void **state)
{
	struct domain_index *index;
	struct text text = { 0 };
	char name[64];
	size_t i, len;

	(void)state;
	for (i = 0; i < 20000; i++)
		text_printf(&text, "%sn%zu.d%zu.example\n", i % 3 ? "" : "*.",
		    i, i % 7);
	assert_int_equal(read_list(3, text.bytes), 20000);
	index = finish(4, &len);
	assert_int_equal(index->names, 20000);
	assert_true(len <= text.len + 8 * 20000);
	for (i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "%sn%zu.d%zu.example",
		    i % 3 ? "" : "x.", i, i % 7);
		assert_int_equal(lists_of(index, name), 8);
		snprintf(name, sizeof(name), "%sn%zu.d%zu.example",
		    i % 3 ? "x." : "", i, i % 7);
		assert_int_equal(lists_of(index, name), 0);
	}
	text_free(&text);
	free(index);
}

static void
test_a_list_has_a_limit(void **state)
{
	struct text text = { 0 };
	size_t i, count;

	(void)state;
	for (i = 0; i <= LIMIT_LIST_NAMES; i++)
		text_puts(&text, "a\n");
	assert_int_equal(domain_list_read(text.bytes, text.len, 0, &builder,
			     &count, &errors),
	    -1);
	assert_int_equal(errno, EOVERFLOW);
	assert_int_equal(count, LIMIT_LIST_NAMES);
	domain_builder_free(&builder);
	text_free(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_name_is_itself_and_a_wildcard_what_is_below),
		cmocka_unit_test(test_a_name_is_in_every_list_that_has_it),
		cmocka_unit_test(test_no_index_and_an_empty_one_have_nothing),
		cmocka_unit_test(
		    test_long_names_are_found_and_longer_ones_are_not_read),
		cmocka_unit_test(test_what_published_lists_look_like_is_read),
		cmocka_unit_test(test_bad_lines_of_a_list_have_a_place),
		cmocka_unit_test(test_a_list_needs_no_end),
		cmocka_unit_test(test_any_other_length_of_an_index_is_refused),
		cmocka_unit_test(test_a_changed_index_is_refused_or_harmless),
		cmocka_unit_test(test_every_field_of_an_index_is_checked),
		cmocka_unit_test(test_an_empty_group_has_no_name),
		cmocka_unit_test(test_the_last_name_of_an_index_ends_in_it),
		cmocka_unit_test(test_a_crowded_group_is_refused),
		cmocka_unit_test(test_many_names_are_all_found),
		cmocka_unit_test(test_a_list_has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
