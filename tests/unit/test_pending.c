/* SPDX-License-Identifier: ISC */
/* Who waits for what, and who has to give way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dns_fixture.h"
#include "dnsd/pending.h"

#define PLACES 64
#define SHARE (PLACES / 8)

static const struct siphash_key key = { { 5, 6 } };
static struct pending *pending;
static struct waiter *waiter;

static int
setup(void **state)
{
	(void)state;
	pending = pending_new(PLACES, &key);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	pending_free(pending);
	return 0;
}

static enum pending_place
add_of(const struct addr *addr, const char *name, uint16_t id, int dnssec_ok)
{
	struct client client = { .addr = *addr, .port = 53000 };
	struct query query = { .id = id, .dnssec_ok = (uint8_t)dnssec_ok };

	query.question = dns_question(name, WIRE_A);
	return pending_add(pending, &client, &query, 0, id, &waiter);
}

/* Client number who, of IPv4, asks with an id; the due time is the id. */
static enum pending_place
add(uint8_t who, const char *name, uint16_t id, int dnssec_ok)
{
	struct addr addr = { { [10] = 0xff, [11] = 0xff, [15] = who } };

	return add_of(&addr, name, id, dnssec_ok);
}

/* One of a network of IPv6. */
static enum pending_place
add_v6(uint8_t net, uint8_t host, const char *name)
{
	struct addr addr = { { 0x20, 1, [7] = net, [15] = host } };

	return add_of(&addr, name, 1, 0);
}

static void
test_equal_questions_are_asked_once(void **state)
{
	(void)state;
	assert_int_equal(add(1, "a", 1, 0), PENDING_NEW);
	assert_int_equal(add(2, "a", 2, 0), PENDING_JOINED);
	assert_int_equal(add(3, "a", 3, 1), PENDING_JOINED);
	assert_int_equal(add(3, "b", 4, 0), PENDING_NEW);
	assert_int_equal(pending_questions(pending), 2);
	assert_int_equal(pending_waiters(pending), 4);
}

static void
test_unchecked_questions_are_others(void **state)
{
	struct client client = { .port = 53000 };
	struct query query = { .question = dns_question("a", WIRE_A) };

	(void)state;
	assert_int_equal(
	    pending_add(pending, &client, &query, 0, 1, &waiter), PENDING_NEW);
	query.id = 1;
	query.question.checking_disabled = 1;
	assert_int_equal(
	    pending_add(pending, &client, &query, 0, 1, &waiter), PENDING_NEW);
	assert_int_equal(pending_questions(pending), 2);
}

static void
test_repeated_question_is_one(void **state)
{
	(void)state;
	assert_int_equal(add(1, "a", 1, 0), PENDING_NEW);
	assert_int_equal(add(1, "a", 1, 0), PENDING_AGAIN);
	assert_int_equal(add(1, "a", 2, 0), PENDING_JOINED);
	assert_int_equal(pending_waiters(pending), 2);
}

static void
test_question_is_asked_for_who_has_fewest(void **state)
{
	const struct pending_question *question;
	struct waiter *few;

	(void)state;
	(void)add(1, "a", 1, 0);
	(void)add(1, "b", 2, 0);
	question = waiter->of;
	assert_ptr_equal(question->asker, waiter);
	(void)add(2, "b", 3, 1);
	few = waiter;
	assert_ptr_equal(question->asker, few);
	/* Neither who has more, nor as many. */
	(void)add(1, "b", 4, 0);
	(void)add(3, "b", 5, 0);
	assert_ptr_equal(question->asker, few);
	pending_remove(pending, few);
	assert_ptr_not_equal(question->asker, few);
	assert_ptr_equal(question->asker->of, question);
}

static void
test_question_is_asked_for_the_host_with_fewest(void **state)
{
	struct waiter *first;

	(void)state;
	(void)add_v6(1, 1, "a");
	(void)add_v6(1, 1, "b");
	first = waiter;
	(void)add_v6(1, 2, "b");
	assert_ptr_equal(first->of->asker, waiter);
}

static void
test_id_is_known_while_somebody_waits(void **state)
{
	struct waiter *first;
	uint64_t id;

	(void)state;
	(void)add(1, "a", 1, 0);
	first = waiter;
	id = pending_name(pending, waiter->of);
	(void)add(2, "a", 2, 1);
	assert_ptr_equal(pending_find(pending, id), waiter->of);
	assert_null(pending_find(pending, id + 1));
	assert_null(pending_find(pending, 0));
	assert_null(pending_find(pending, UINT64_MAX));
	pending_remove(pending, first);
	assert_non_null(pending_find(pending, id));
	pending_remove(pending, waiter);
	assert_null(pending_find(pending, id));
	/* The same memory, another question. */
	(void)add(1, "b", 3, 0);
	assert_int_not_equal(pending_name(pending, waiter->of), id);
	assert_null(pending_find(pending, id));
}

static void
test_who_came_first_is_due_first(void **state)
{
	(void)state;
	(void)add(1, "a", 10, 0);
	(void)add(1, "b", 20, 0);
	assert_null(pending_due(pending, 9));
	assert_int_equal(pending_due(pending, 20)->query.id, 10);
	pending_remove(pending, pending_due(pending, 20));
	assert_null(pending_due(pending, 19));
	assert_int_equal(pending_due(pending, 20)->query.id, 20);
}

static void
names(uint8_t who, int from, int count)
{
	char name[] = "aa";
	int i;

	for (i = from; i < from + count; i++) {
		name[0] = (char)('a' + i / 26);
		name[1] = (char)('a' + i % 26);
		assert_int_equal(add(who, name, (uint16_t)i, 0), PENDING_NEW);
	}
}

static void
test_client_has_a_share_and_no_more(void **state)
{
	(void)state;
	names(1, 0, SHARE);
	assert_int_equal(add(1, "zz", 1, 0), PENDING_LIMITED);
	assert_int_equal(add(2, "zz", 1, 0), PENDING_NEW);
	pending_remove(pending, pending_due(pending, 0));
	assert_int_equal(add(1, "yy", 1, 0), PENDING_NEW);
}

static void
test_network_of_ipv6_is_one_client(void **state)
{
	char name[] = "a";
	uint8_t host;

	(void)state;
	for (host = 0; host < SHARE; host++, name[0]++)
		assert_int_equal(add_v6(1, host, name), PENDING_NEW);
	assert_int_equal(add_v6(1, host, "z"), PENDING_LIMITED);
	assert_int_equal(add_v6(2, host, "z"), PENDING_NEW);
	pending_remove(pending, pending_due(pending, 1));
	assert_int_equal(add_v6(1, host, "y"), PENDING_NEW);
}

static void
test_host_leaves_its_network_half(void **state)
{
	char name[] = "a";
	int i;

	(void)state;
	for (i = 0; i < SHARE / 2; i++, name[0]++)
		assert_int_equal(add_v6(1, 0, name), PENDING_NEW);
	assert_int_equal(add_v6(1, 0, name), PENDING_LIMITED);
	for (i = 0; i < SHARE / 2; i++, name[0]++)
		assert_int_equal(add_v6(1, 1, name), PENDING_NEW);
	assert_int_equal(add_v6(1, 2, name), PENDING_LIMITED);
}

static void
test_who_has_most_gives_way_when_all_is_full(void **state)
{
	uint8_t who;

	(void)state;
	for (who = 1; who <= 8; who++)
		names(who, who * SHARE, SHARE);
	assert_int_equal(pending_waiters(pending), PLACES);
	assert_int_equal(add(9, "zz", 1, 0), PENDING_EVICT);
	pending_remove(pending, waiter);
	assert_int_equal(add(9, "zz", 1, 0), PENDING_NEW);
	assert_int_equal(pending_waiters(pending), PLACES);
}

static void
test_nobody_gives_way_to_one_with_as_much(void **state)
{
	uint8_t who;

	(void)state;
	for (who = 0; who < PLACES; who++)
		names(who, who, 1);
	assert_int_equal(add(200, "zz", 1, 0), PENDING_DENIED);
}

static void
test_all_places_can_be_used_again(void **state)
{
	int round, who;

	(void)state;
	for (round = 0; round < 5; round++) {
		for (who = 1; who <= 8; who++)
			names((uint8_t)who, who * SHARE, SHARE);
		while (pending_due(pending, INT64_MAX) != NULL)
			pending_remove(
			    pending, pending_due(pending, INT64_MAX));
		assert_int_equal(pending_questions(pending), 0);
		assert_null(pending_first(pending));
	}
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_equal_questions_are_asked_once),
		TEST(test_unchecked_questions_are_others),
		TEST(test_repeated_question_is_one),
		TEST(test_question_is_asked_for_who_has_fewest),
		TEST(test_question_is_asked_for_the_host_with_fewest),
		TEST(test_id_is_known_while_somebody_waits),
		TEST(test_who_came_first_is_due_first),
		TEST(test_client_has_a_share_and_no_more),
		TEST(test_network_of_ipv6_is_one_client),
		TEST(test_host_leaves_its_network_half),
		TEST(test_who_has_most_gives_way_when_all_is_full),
		TEST(test_nobody_gives_way_to_one_with_as_much),
		TEST(test_all_places_can_be_used_again),
	};

	return cmocka_run_group_tests_name("pending", tests, NULL, NULL);
}
