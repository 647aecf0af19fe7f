/* SPDX-License-Identifier: ISC */
/* Room for questions: who has a share, and who waits until there is some. */
#include "dnsd/serve.h"
#include "front_fixture.h"

static void
hold(uint64_t id, enum dns_held held)
{
	struct resolution resolution = { .id = id,
		.rcode = WIRE_SERVFAIL,
		.ede = WIRE_EDE_NOT_READY,
		.held = held };

	front_resolved(front, &resolution);
}

static void
test_question_that_found_no_room_is_asked_again(void **state)
{
	(void)state;
	send_udp(1, "www.example", WIRE_A);
	UNTIL(asks == 1);
	hold(last_id(), DNS_HELD_SHARE);
	UNTIL(asks == 2);
	assert_int_not_equal(asked_ids[0], asked_ids[1]);
	/* What it was called before is nobody's. */
	hold(asked_ids[0], DNS_HELD_SHARE);
	resolve_to(last_id(), "www.example", 300, 7);
	UNTIL(has_reply());
	assert_int_equal(rcode(), WIRE_NOERROR);
}

static void
test_question_that_never_found_room_is_an_error(void **state)
{
	static const struct {
		enum dns_held held;
		unsigned int rcode, rows, limited;
	} cases[] = {
		{ DNS_HELD_SHARE, WIRE_REFUSED, 0, 1 },
		{ DNS_HELD_ROOM, WIRE_SERVFAIL, 1, 1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		send_udp(1, "www.example", WIRE_A);
		UNTIL(asks > 0);
		hold(last_id(), cases[i].held);
		pass(2);
		UNTIL(has_reply());
		assert_int_equal(rcode(), cases[i].rcode);
		assert_int_equal(rows, cases[i].rows);
		front_stats(front, &stats);
		assert_int_equal(stats.limited, cases[i].limited);
		asks = 0;
	}
	assert_int_equal(row.ede, WIRE_EDE_NOT_READY);
}

/* Of those that were held, not of new ones. */
static void
test_few_questions_of_a_client_are_tried_again_at_a_time(void **state)
{
	char name[16];
	int i;

	(void)state;
	for (i = 0; i < 3 * SERVE_TRIES; i++) {
		(void)snprintf(name, sizeof(name), "x%d.example", i);
		send_udp(1, name, WIRE_A);
		UNTIL(asks == i + 1);
	}
	for (i = 0; i < 3 * SERVE_TRIES; i++)
		hold(asked_ids[i], DNS_HELD_SHARE);
	asks = 0;
	serve_ask_all(front);
	assert_int_equal(asks, SERVE_TRIES);
	serve_ask_all(front);
	assert_int_equal(asks, 2 * SERVE_TRIES);
}

/* Whoever floods with names must not make others wait for those. */
static void
test_held_question_is_asked_at_once_for_who_has_fewer(void **state)
{
	struct sockaddr_in any = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1) };
	struct share_tags flooder;
	int other = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	(void)state;
	send_udp(1, "a.example", WIRE_A);
	send_udp(2, "www.example", WIRE_A);
	UNTIL(asks == 2);
	flooder = asked_for;
	hold(last_id(), DNS_HELD_SHARE);
	event_del(front->tick); /* which would do it later */
	assert_int_equal(bind(other, (struct sockaddr *)&any, sizeof(any)), 0);
	dns_begin(&question, 3, WIRE_RD, "www.example", WIRE_A);
	assert_int_equal(sendto(other, question.bytes, question.len, 0,
			     (struct sockaddr *)&udp_at, sizeof(udp_at)),
	    question.len);
	UNTIL(front_progress(front) == 3);
	assert_int_equal(asks, 3);
	assert_int_not_equal(asked_for.client, flooder.client);
	close(other);
}

/* Of the places of those who wait. */
static void
test_client_with_its_share_is_refused_and_not_logged(void **state)
{
	const int share = SERVE_WAITERS / 8;
	char name[16];
	int i;

	(void)state;
	for (i = 0; i < share; i++) {
		(void)snprintf(name, sizeof(name), "x%d.example", i);
		send_udp(1, name, WIRE_A);
		UNTIL(asks == i + 1);
	}
	send_udp(2, "www.example", WIRE_A);
	UNTIL(has_reply());
	assert_int_equal(rcode(), WIRE_REFUSED);
	assert_int_equal(asks, share);
	assert_int_equal(rows, 0);
	front_stats(front, &stats);
	assert_int_equal(stats.limited, 1);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_client_with_its_share_is_refused_and_not_logged),
		TEST(test_question_that_found_no_room_is_asked_again),
		TEST(test_question_that_never_found_room_is_an_error),
		TEST(test_few_questions_of_a_client_are_tried_again_at_a_time),
		TEST(test_held_question_is_asked_at_once_for_who_has_fewer),
	};

	return cmocka_run_group_tests_name("front_room", tests, NULL, NULL);
}
