/* SPDX-License-Identifier: ISC */
#include "policy/lists.h"

#include <string.h>
#include <unistd.h>

#include "common/memfd.h"
#include "policy/conf_index.h"
#include "policy_fixture.h"

#define LIST FIXTURE_CAPTURE "block domain \"ads.example\"\n"
#define OTHER FIXTURE_CAPTURE "block domain \"other.example\"\n"

static struct lists lists;
static const char *why;

/* The image of a configuration, and its index as DOMAINS hands it over. */
static struct image *
hand_over(
    const char *text, uint64_t id, uint32_t generation, size_t cut, int *result)
{
	struct conf *conf = fixture_conf(text);
	void *bytes, *image;
	size_t len;
	int fd;

	assert_int_equal(conf_index_build(conf, id, &bytes, &len, NULL), 0);
	fd = memfd_sealed("test", bytes, len - cut);
	*result = lists_offer(&lists, fd, len - cut, generation, &why);
	close(fd);
	free(bytes);
	assert_int_equal(image_build(conf, 1, &image, &len), 0);
	conf_free(conf);
	return image;
}

/* 1 when a name is in the list in use. */
static int
has(const char *name)
{
	struct domain_set set;

	domain_index_find(lists.now.index, name, strlen(name), &set);
	return domain_set_has(&set, 0);
}

static int
reset(void **state)
{
	(void)state;
	lists_unmap(&lists.now);
	lists_unmap(&lists.next);
	return 0;
}

static void
test_an_index_waits_for_its_image(void **state)
{
	struct image *image;
	int result;

	(void)state;
	image = hand_over(LIST, 1, 1, 0, &result);
	assert_int_equal(result, 0);
	assert_false(has("ads.example"));
	assert_int_equal(lists_take(&lists, image, &why), 0);
	assert_true(has("ads.example"));
	free(image);
}

static void
test_the_next_one_replaces_it(void **state)
{
	struct image *image;
	int result;

	(void)state;
	image = hand_over(LIST, 1, 1, 0, &result);
	assert_int_equal(lists_take(&lists, image, &why), 0);
	free(image);
	image = hand_over(OTHER, 2, 1, 0, &result);
	assert_true(has("ads.example"));
	assert_int_equal(lists_take(&lists, image, &why), 0);
	assert_false(has("ads.example"));
	assert_true(has("other.example"));
	free(image);
}

static void
test_an_image_without_lists_ends_it(void **state)
{
	struct image *image;
	size_t len;
	int result;

	(void)state;
	image = hand_over(LIST, 1, 1, 0, &result);
	assert_int_equal(lists_take(&lists, image, &why), 0);
	free(image);
	image = fixture_image(FIXTURE_CAPTURE, &len);
	assert_int_equal(lists_take(&lists, image, &why), 0);
	assert_null(lists.now.index);
	free(image);
}

static void
test_that_of_another_image_is_refused(void **state)
{
	struct image *image, *other;
	int result;

	(void)state;
	image = hand_over(LIST, 1, 1, 0, &result);
	assert_int_equal(lists_take(&lists, image, &why), 0);
	other = hand_over(OTHER, 2, 1, 0, &result);
	assert_int_equal(lists_take(&lists, image, &why), -1);
	assert_non_null(why);
	assert_true(has("ads.example"));
	free(image);
	free(other);
}

static void
test_that_of_another_generation_is_refused(void **state)
{
	struct image *image;
	int result;

	(void)state;
	image = hand_over(LIST, 1, 2, 0, &result);
	assert_int_equal(lists_take(&lists, image, &why), -1);
	assert_null(lists.now.index);
	free(image);
}

static void
test_an_image_with_lists_and_no_index_is_refused(void **state)
{
	struct image *image;
	int result;

	(void)state;
	image = hand_over(LIST, 1, 1, 0, &result);
	lists_unmap(&lists.next);
	assert_int_equal(lists_take(&lists, image, &why), -1);
	free(image);
}

static void
test_a_bad_index_is_refused(void **state)
{
	struct image *image;
	int result;

	(void)state;
	image = hand_over(LIST, 1, 1, 1, &result);
	assert_int_equal(result, -1);
	assert_non_null(why);
	assert_null(lists.next.index);
	free(image);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
		    test_an_index_waits_for_its_image, reset),
		cmocka_unit_test_setup(test_the_next_one_replaces_it, reset),
		cmocka_unit_test_setup(
		    test_an_image_without_lists_ends_it, reset),
		cmocka_unit_test_setup(
		    test_that_of_another_image_is_refused, reset),
		cmocka_unit_test_setup(
		    test_that_of_another_generation_is_refused, reset),
		cmocka_unit_test_setup(
		    test_an_image_with_lists_and_no_index_is_refused, reset),
		cmocka_unit_test_setup(test_a_bad_index_is_refused, reset),
	};

	return cmocka_run_group_tests_name("lists", tests, NULL, NULL);
}
