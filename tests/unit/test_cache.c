/* SPDX-License-Identifier: ISC */
/* What is found again, for how long, and what has to go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dns_fixture.h"
#include "dnsd/cache.h"

#define NOW 1000

static const struct siphash_key key = { { 1, 2 } };
static struct cache *cache;
static struct cache_found found;

static int
setup(void **state)
{
	(void)state;
	cache = cache_new(1 << 20, &key);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	cache_free(cache);
	return 0;
}

/* An answer of one record, whose last byte is `last'. */
static void
put(const struct question *question, enum cache_kind kind, uint8_t last,
    uint32_t ttl_s, uint32_t now_s)
{
	static uint16_t ttls[1];
	static uint8_t body[200];
	struct answer answer = { .answers = 1,
		.body_bytes = sizeof(body),
		.summary_bytes = 2,
		.ttl_s = ttl_s,
		.ttls = ttls,
		.body = body,
		.summary = (const uint8_t *)"su" };

	ttls[0] = last;
	body[sizeof(body) - 1] = last;
	cache_put(cache, question, kind, &answer, now_s);
}

static enum cache_state
find(const struct question *question, enum cache_kind kind, uint32_t now_s)
{
	memset(&found, 0, sizeof(found));
	return cache_find(cache, question, kind, now_s, &found);
}

static void
test_answer_is_found_as_it_was_put(void **state)
{
	struct question question = dns_question("www.example", WIRE_A);

	(void)state;
	assert_int_equal(find(&question, CACHE_PLAIN, NOW), CACHE_MISS);
	put(&question, CACHE_PLAIN, 42, 60, NOW);
	assert_int_equal(find(&question, CACHE_PLAIN, NOW + 59), CACHE_FRESH);
	assert_int_equal(found.age.age_s, 59);
	assert_int_equal(found.answer.ttl_s, 60);
	assert_int_equal(found.answer.ttls[0], 42);
	assert_int_equal(found.answer.body[199], 42);
	assert_memory_equal(found.answer.summary, "su", 2);
	assert_int_equal(find(&question, CACHE_PLAIN, NOW + 60), CACHE_MISS);
}

static void
test_other_questions_do_not_find_it(void **state)
{
	struct question question = dns_question("www.example", WIRE_A), other;

	(void)state;
	put(&question, CACHE_PLAIN, 1, 60, NOW);
	assert_int_equal(find(&question, CACHE_DNSSEC, NOW), CACHE_MISS);
	assert_int_equal(find(&question, CACHE_NO_NAME, NOW), CACHE_MISS);
	other = question;
	other.qtype = WIRE_AAAA;
	assert_int_equal(find(&other, CACHE_PLAIN, NOW), CACHE_MISS);
	other = question;
	other.checking_disabled = 1;
	assert_int_equal(find(&other, CACHE_PLAIN, NOW), CACHE_MISS);
	other = dns_question("wwx.example", WIRE_A);
	assert_int_equal(find(&other, CACHE_PLAIN, NOW), CACHE_MISS);
}

static void
test_no_such_name_is_for_every_type(void **state)
{
	struct question question = dns_question("no.example", WIRE_A);

	(void)state;
	put(&question, CACHE_NO_NAME, 1, 60, NOW);
	question.qtype = WIRE_AAAA;
	assert_int_equal(find(&question, CACHE_NO_NAME, NOW), CACHE_FRESH);
	assert_int_equal(
	    find(&question, CACHE_NO_NAME_DNSSEC, NOW), CACHE_MISS);
}

static void
test_newer_answer_replaces_the_older(void **state)
{
	struct question question = dns_question("www.example", WIRE_A);

	(void)state;
	put(&question, CACHE_PLAIN, 1, 60, NOW);
	put(&question, CACHE_PLAIN, 2, 60, NOW + 30);
	assert_int_equal(find(&question, CACHE_PLAIN, NOW + 80), CACHE_FRESH);
	assert_int_equal(found.answer.ttls[0], 2);
}

static void
test_stale_answers_only_when_wanted(void **state)
{
	struct question question = dns_question("www.example", WIRE_A);

	(void)state;
	put(&question, CACHE_PLAIN, 1, 60, NOW);
	cache_set_stale(cache, 100);
	assert_int_equal(find(&question, CACHE_PLAIN, NOW + 60), CACHE_STALE);
	assert_true(found.age.stale);
	assert_false(cache_is_resting(&found, NOW + 60));
	cache_rest(&found, NOW + 90);
	assert_int_equal(find(&question, CACHE_PLAIN, NOW + 89), CACHE_STALE);
	assert_true(cache_is_resting(&found, NOW + 89));
	assert_false(cache_is_resting(&found, NOW + 90));
	assert_int_equal(find(&question, CACHE_PLAIN, NOW + 160), CACHE_MISS);
}

static void
test_answer_without_time_is_not_kept(void **state)
{
	struct question question = dns_question("www.example", WIRE_A);

	(void)state;
	put(&question, CACHE_PLAIN, 1, 0, NOW);
	cache_set_stale(cache, 100);
	assert_int_equal(find(&question, CACHE_PLAIN, NOW), CACHE_MISS);
}

static struct question
numbered(unsigned int i)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "n%u.example", i);
	return dns_question(name, WIRE_A);
}

static void
test_what_is_asked_for_outlives_a_flood(void **state)
{
	struct question wanted = dns_question("www.example", WIRE_A), flood;
	unsigned int i;

	(void)state;
	put(&wanted, CACHE_PLAIN, 42, 60, NOW);
	for (i = 0; i < 50000; i++) {
		flood = numbered(i);
		put(&flood, CACHE_PLAIN, (uint8_t)i, 60, NOW);
		assert_int_equal(find(&flood, CACHE_PLAIN, NOW), CACHE_FRESH);
		assert_int_equal(found.answer.ttls[0], (uint8_t)i);
		if (i % 100 == 0)
			assert_int_equal(
			    find(&wanted, CACHE_PLAIN, NOW), CACHE_FRESH);
	}
	assert_int_equal(found.answer.ttls[0], (uint8_t)(i - 1));
	assert_int_equal(find(&wanted, CACHE_PLAIN, NOW), CACHE_FRESH);
	assert_int_equal(found.answer.body[199], 42);
	flood = numbered(0);
	assert_int_equal(find(&flood, CACHE_PLAIN, NOW), CACHE_MISS);
}

static void
test_what_is_found_is_what_was_asked(void **state)
{
	struct question question;
	unsigned int i, kept = 0;

	(void)state;
	for (i = 0; i < 3000; i++) {
		question = numbered(i);
		put(&question, CACHE_PLAIN, (uint8_t)i, 60, NOW);
	}
	for (i = 0; i < 3000; i++) {
		question = numbered(i);
		if (find(&question, CACHE_PLAIN, NOW) != CACHE_FRESH)
			continue;
		assert_int_equal(found.answer.ttls[0], (uint8_t)i);
		kept++;
	}
	/* A megabyte has room for all but a few that meet in a set. */
	assert_true(kept > 2500);
}

static void
test_flush_leaves_nothing(void **state)
{
	struct question question = dns_question("www.example", WIRE_A);

	(void)state;
	put(&question, CACHE_PLAIN, 1, 60, NOW);
	cache_flush(cache);
	assert_int_equal(find(&question, CACHE_PLAIN, NOW), CACHE_MISS);
	put(&question, CACHE_PLAIN, 1, 60, NOW);
	assert_int_equal(find(&question, CACHE_PLAIN, NOW), CACHE_FRESH);
}

static void
test_cache_of_no_size_keeps_nothing(void **state)
{
	struct question question = dns_question("www.example", WIRE_A);
	struct cache *usual = cache;

	(void)state;
	cache = cache_new(0, &key);
	put(&question, CACHE_PLAIN, 1, 60, NOW);
	assert_int_equal(find(&question, CACHE_PLAIN, NOW), CACHE_MISS);
	cache_flush(cache);
	cache_free(cache);
	cache = usual;
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_answer_is_found_as_it_was_put),
		TEST(test_other_questions_do_not_find_it),
		TEST(test_no_such_name_is_for_every_type),
		TEST(test_newer_answer_replaces_the_older),
		TEST(test_stale_answers_only_when_wanted),
		TEST(test_answer_without_time_is_not_kept),
		TEST(test_what_is_asked_for_outlives_a_flood),
		TEST(test_what_is_found_is_what_was_asked),
		TEST(test_flush_leaves_nothing),
		TEST(test_cache_of_no_size_keeps_nothing),
	};

	return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
