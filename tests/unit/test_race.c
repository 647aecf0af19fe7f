/* SPDX-License-Identifier: ISC */
/* Who is asked, when another one is as well, and what counts. */
#include "dnsd/resolver/race.h"

#include <errno.h>
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "dnsd/resolver/standing.h"

#define SERVERS 3
#define SLOW_US 100000
#define NOERROR 0
#define SERVFAIL 2
#define NXDOMAIN 3

/* What each was asked last; answered by the test. */
static struct {
	engine_fn *answer; /* NULL: nothing waits */
	void *arg;
	unsigned int times;
	int refuses;
	int at_once; /* answers before it returns */
} servers[SERVERS];

static struct event_base *base;
static struct race *race;
static unsigned int calls;
static struct engine_answer got;

static const struct engine_answer good = { .rcode = NOERROR };
static const struct engine_answer none = { .rcode = NXDOMAIN };
static const struct engine_answer bad = { .rcode = SERVFAIL,
	.ede = DNS_EDE_NONE };
static const struct engine_answer bogus = {
	.rcode = NOERROR, .ede = 6, .security = DNS_SECURITY_BOGUS
};

static int
on_ask(void *ctx, unsigned int server, const struct engine_question *question,
    engine_fn *answer, void *arg)
{
	(void)ctx;
	assert_true(server < SERVERS);
	assert_int_equal(question->name_bytes, 3);
	assert_memory_equal(question->name, "\1a", 3);
	servers[server].times++;
	if (servers[server].refuses) {
		errno = ENOMEM;
		return -1;
	}
	if (servers[server].at_once) {
		answer(arg, &good);
		return 0;
	}
	servers[server].answer = answer;
	servers[server].arg = arg;
	return 0;
}

static const struct race_ops ops = { .ask = on_ask };

static void
on_answer(void *ctx, const struct engine_answer *answer)
{
	assert_ptr_equal(ctx, &got);
	calls++;
	got = *answer;
}

static int
setup(void **state)
{
	(void)state;
	memset(servers, 0, sizeof(servers));
	calls = 0;
	base = event_base_new();
	race = race_new(base, SERVERS, &ops, NULL);
	return race == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	race_free(race);
	event_base_free(base);
	return 0;
}

/* Its name is gone when this returns. */
static int
ask(void)
{
	uint8_t name[] = "\1a";
	const struct engine_question question = {
		.name = name, .name_bytes = sizeof(name), .qtype = 1
	};
	int result = race_ask(race, &question, on_answer, &got);

	memset(name, 0xff, sizeof(name));
	return result;
}

static void
answer(unsigned int server, const struct engine_answer *with)
{
	engine_fn *call = servers[server].answer;

	assert_non_null(call);
	servers[server].answer = NULL;
	call(servers[server].arg, with);
}

/* Until a timer has asked that one. */
static void
wait_for(unsigned int server)
{
	while (servers[server].answer == NULL)
		(void)event_base_loop(base, EVLOOP_ONCE);
}

/* Everybody is known, and the first is the quickest by far. */
static void
all_known(void)
{
	int64_t until_us = clock_mono_us() + SLOW_US;
	int i;

	for (i = 0; i < 2; i++) {
		assert_int_equal(ask(), 0);
		answer(0, &good);
	}
	while (clock_mono_us() < until_us)
		;
	for (i = 1; i < SERVERS; i++)
		answer((unsigned int)i, &good);
	for (i = 0; i < SERVERS; i++)
		servers[i].times = 0;
	calls = 0;
}

/* The one that is asked. */
static unsigned int
asked(void)
{
	unsigned int i, found = SERVERS;

	for (i = 0; i < SERVERS; i++)
		if (servers[i].answer != NULL) {
			assert_int_equal(found, SERVERS);
			found = i;
		}
	assert_true(found < SERVERS);
	return found;
}

static void
test_one_is_asked_and_answers(void **state)
{
	(void)state;
	all_known();
	assert_int_equal(ask(), 0);
	assert_int_equal(asked(), 0);
	answer(0, &none);
	assert_int_equal(calls, 1);
	assert_int_equal(got.rcode, NXDOMAIN);
	assert_int_equal(
	    servers[0].times + servers[1].times + servers[2].times, 1);
}

static void
test_unknown_ones_are_asked_besides(void **state)
{
	(void)state;
	assert_int_equal(ask(), 0);
	assert_int_equal(servers[0].times, 1);
	assert_int_equal(servers[1].times, 1);
	assert_int_equal(servers[2].times, 0);
	answer(1, &good);
	assert_int_equal(calls, 1);
	answer(0, &good);
	assert_int_equal(calls, 1);
}

static void
test_after_the_usual_time_another_is_asked(void **state)
{
	int64_t began;
	unsigned int other;

	(void)state;
	all_known();
	assert_int_equal(ask(), 0);
	began = clock_mono_us();
	assert_int_equal(asked(), 0);
	while (servers[1].times + servers[2].times == 0)
		(void)event_base_loop(base, EVLOOP_ONCE);
	assert_true(
	    clock_mono_us() - began >= STANDING_PATIENCE_LEAST_US - 1000);
	other = servers[1].answer != NULL ? 1 : 2;
	answer(other, &good);
	assert_int_equal(calls, 1);
	answer(0, &none); /* too late */
	assert_int_equal(calls, 1);
	assert_int_equal(got.rcode, NOERROR);
}

static void
test_after_a_failure_another_is_asked_at_once(void **state)
{
	(void)state;
	all_known();
	assert_int_equal(ask(), 0);
	answer(0, &bad);
	assert_int_equal(calls, 0);
	assert_int_not_equal(asked(), 0);
	answer(asked(), &good);
	assert_int_equal(calls, 1);
	assert_int_equal(got.rcode, NOERROR);
}

static void
test_the_failure_of_all_is_told_and_blames_nobody(void **state)
{
	int i, tries;

	(void)state;
	all_known();
	for (tries = 0; tries < STANDING_BAD + 1; tries++) {
		assert_int_equal(ask(), 0);
		for (i = 0; i < SERVERS; i++) {
			assert_int_equal(calls, tries);
			answer(asked(), &bad);
		}
		assert_int_equal(calls, tries + 1);
		assert_int_equal(got.rcode, SERVFAIL);
		assert_int_equal(got.security, DNS_SECURITY_NONE);
	}
	/* were one of them aside, it would be asked last */
	for (i = 0; i < SERVERS; i++)
		assert_int_equal(servers[i].times, STANDING_BAD + 1);
}

static void
test_bogus_is_what_a_failure_stays(void **state)
{
	(void)state;
	all_known();
	assert_int_equal(ask(), 0);
	answer(asked(), &bogus);
	assert_int_equal(calls, 0);
	answer(asked(), &bad);
	answer(asked(), &bad);
	assert_int_equal(calls, 1);
	assert_int_equal(got.security, DNS_SECURITY_BOGUS);
	assert_int_equal(got.ede, 6);
}

static void
test_who_fails_while_others_answer_is_asked_no_more(void **state)
{
	int i;

	(void)state;
	all_known();
	for (i = 0; i < STANDING_BAD; i++) {
		assert_int_equal(ask(), 0);
		answer(0, &bad);
		answer(asked(), &good);
	}
	assert_int_equal(ask(), 0);
	assert_int_not_equal(asked(), 0);
	answer(asked(), &good);
}

static void
test_what_comes_at_once_is_the_answer(void **state)
{
	(void)state;
	all_known();
	servers[0].at_once = servers[1].at_once = servers[2].at_once = 1;
	assert_int_equal(ask(), 0);
	assert_int_equal(calls, 1);
	assert_int_equal(got.rcode, NOERROR);
}

static void
test_who_cannot_be_asked_is_passed_over(void **state)
{
	(void)state;
	servers[0].refuses = servers[1].refuses = 1;
	assert_int_equal(ask(), 0);
	assert_int_equal(asked(), 2);
	answer(2, &good);
	assert_int_equal(calls, 1);
	servers[2].refuses = 1;
	assert_int_equal(ask(), -1);
	assert_int_equal(calls, 1);
}

static void
test_questions_on_their_way_end_with_the_race(void **state)
{
	(void)state;
	assert_int_equal(ask(), 0);
	wait_for(2);
	assert_int_equal(calls, 0);
}

#define STAGED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STAGED(test_one_is_asked_and_answers),
		STAGED(test_unknown_ones_are_asked_besides),
		STAGED(test_after_the_usual_time_another_is_asked),
		STAGED(test_after_a_failure_another_is_asked_at_once),
		STAGED(test_the_failure_of_all_is_told_and_blames_nobody),
		STAGED(test_bogus_is_what_a_failure_stays),
		STAGED(test_who_fails_while_others_answer_is_asked_no_more),
		STAGED(test_what_comes_at_once_is_the_answer),
		STAGED(test_who_cannot_be_asked_is_passed_over),
		STAGED(test_questions_on_their_way_end_with_the_race),
	};

	return cmocka_run_group_tests_name("race", tests, NULL, NULL);
}
