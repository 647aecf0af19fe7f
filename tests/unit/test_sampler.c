/* SPDX-License-Identifier: ISC */
#include "dnsd/sampler.h"

#include "tests/unit/lists_fixture.h"

#define NAME(text) (const uint8_t *)(text), sizeof(text)
#define SEED 4711
#define RUNS 1000

static struct sampler sampler;

static int
load(void **state)
{
	static const char text[] = FIXTURE_CAPTURE
	    "domains <noise> { \"*.noise.example\" }\n"
	    "domains <none> { \"none.example\" \"x.noise.example\" }\n"
	    "domains <all> { \"all.example\" }\n"
	    "dns forward 192.0.2.1\n"
	    "dns log <noise> sample 10\ndns log <none> no\n"
	    "dns log <all> all\ndns log sample 4\n";

	(void)state;
	fixture_load(text);
	return 0;
}

static int
setup(void **state)
{
	(void)state;
	sampler_init(&sampler, SEED);
	return 0;
}

static uint32_t
take(const uint8_t *name, size_t bytes, enum flow_action action)
{
	struct dns_record record = { .action = (uint8_t)action,
		.name_bytes = (uint8_t)bytes };

	memcpy(record.rest, name, bytes);
	return sampler_take(&sampler, image, lists, &record);
}

/* How many of so many have rows, each of which stands for one_in. */
static unsigned int
rows(const uint8_t *name, size_t bytes, unsigned int count, uint32_t one_in)
{
	unsigned int found = 0, i;
	uint32_t taken;

	for (i = 0; i < count; i++) {
		taken = take(name, bytes, FLOW_ACTION_RELAY);
		if (taken == 0)
			continue;
		assert_int_equal(taken, one_in);
		found++;
	}
	return found;
}

static void
test_each_run_has_one_row(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 1; i <= RUNS; i++)
		assert_int_equal(rows(NAME("\1a\5noise\7example"), 10, 10), 1);
	assert_int_equal(sampler_omitted(&sampler), 9 * RUNS);
}

static void
test_the_first_list_that_has_the_name_decides(void **state)
{
	(void)state;
	assert_int_equal(rows(NAME("\1x\5noise\7example"), 100, 10), 10);
	assert_int_equal(rows(NAME("\4none\7example"), 100, 0), 0);
	assert_int_equal(rows(NAME("\3all\7example"), 100, 1), 100);
	assert_int_equal(rows(NAME("\5other\7example"), 100, 4), 25);
	assert_int_equal(rows(NAME(""), 100, 4), 25);
	assert_int_equal(sampler_omitted(&sampler), 90 + 100 + 75 + 75);
}

/* Whatever else is asked for between. */
static void
test_each_list_has_runs_of_its_own(void **state)
{
	unsigned int listed = 0, other = 0, i;

	(void)state;
	for (i = 0; i < 10 * RUNS; i++) {
		listed += rows(NAME("\1a\5noise\7example"), 1, 10);
		other += rows(NAME("\5other\7example"), 1, 4);
	}
	assert_int_equal(listed, RUNS);
	assert_int_equal(other, 10 * RUNS / 4);
}

static void
test_what_is_blocked_is_logged_all_the_same(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 100; i++)
		assert_int_equal(
		    take(NAME("\4none\7example"), FLOW_ACTION_BLOCK), 1);
	assert_int_equal(sampler_omitted(&sampler), 0);
}

/* Two questions by turns, as clients ask for A and AAAA. */
static void
test_no_rhythm_keeps_a_question_out(void **state)
{
	unsigned int first = 0, second = 0, i;

	(void)state;
	for (i = 0; i < RUNS * 2; i++) {
		first += rows(NAME("\1a\7example"), 1, 4);
		second += rows(NAME("\1b\7example"), 1, 4);
	}
	assert_int_equal(first + second, RUNS);
	assert_in_range(first, RUNS / 3, RUNS * 2 / 3);
}

#define TEST(test) cmocka_unit_test_setup(test, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_run_has_one_row),
		TEST(test_each_list_has_runs_of_its_own),
		TEST(test_the_first_list_that_has_the_name_decides),
		TEST(test_what_is_blocked_is_logged_all_the_same),
		TEST(test_no_rhythm_keeps_a_question_out),
	};

	return cmocka_run_group_tests_name(
	    "sampler", tests, load, fixture_unload);
}
