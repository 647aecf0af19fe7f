/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "meeting_fixture.h"
#include "relay/udp_reply.h"

#define CLIENTS 3
#define MEETING 4096

/* What is asked of netctl: nothing while asked_for is 0. */
static uint16_t asked_for; /* the client's port */
static broker_fn *answer;
static void *answer_ctx;
static unsigned int asks;
static int is_away; /* nothing can be asked of netctl */

static struct udp_replies *replies;
static struct udp_reply *reply;
static struct udp_reply_waiter waiters[CLIENTS];
static int told[CLIENTS]; /* error + 1; 0: nothing */

struct broker_ask *
broker_ask(struct broker *broker, enum ipc_broker socket,
    const struct broker_flow *flow, uint16_t port, broker_fn *fn, void *ctx)
{
	assert_null(broker);
	if (is_away)
		return NULL;
	assert_int_equal(socket, IPC_BROKER_UDP_SERVER);
	assert_int_equal(port, flow->server_port);
	assert_int_equal(asked_for, 0);
	asked_for = flow->client_port;
	answer = fn;
	answer_ctx = ctx;
	asks++;
	return (struct broker_ask *)(void *)&asked_for;
}

void
broker_cancel(struct broker_ask *ask)
{
	assert_ptr_equal(ask, &asked_for);
	asked_for = 0;
}

static void
on_ready(struct udp_reply_waiter *waiter, int error)
{
	told[waiter - waiters] = error + 1;
}

static void
broker_answer(int fd, int error)
{
	assert_int_not_equal(asked_for, 0);
	asked_for = 0;
	answer(answer_ctx, fd, error);
}

/* Flows from ports 1, 2, 3 to one server; the first has it asked for. */
static struct broker_flow
flow_of(unsigned int i)
{
	struct broker_flow flow = { .client_port = (uint16_t)(i + 1),
		.server_port = 53 };

	return flow;
}

static void
await(unsigned int i)
{
	struct broker_flow flow = flow_of(i);

	told[i] = 0;
	assert_int_equal(udp_reply_await(reply, &flow, &waiters[i]), 0);
}

static int
begin(void **state)
{
	struct broker_flow flow;
	unsigned int i;

	(void)state;
	asked_for = 0;
	asks = 0;
	replies = udp_replies_new(NULL, on_ready);
	for (i = 0; i < CLIENTS; i++) {
		flow = flow_of(i);
		reply = udp_reply_take(replies, &flow);
		assert_non_null(reply);
		await(i);
	}
	return 0;
}

static int
end(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < CLIENTS; i++)
		udp_reply_release(reply, &waiters[i]);
	assert_int_equal(udp_replies_count(replies), 0);
	assert_int_equal(asked_for, 0);
	return 0;
}

static void
test_all_wait_for_one_socket(void **state)
{
	unsigned int i;
	int fd = dup(STDERR_FILENO);

	(void)state;
	assert_int_equal(asks, 1);
	broker_answer(fd, 0);
	for (i = 0; i < CLIENTS; i++)
		assert_int_equal(told[i], 1);
	assert_int_equal(udp_reply_fd(reply), fd);
}

/* The first client's flow is no evidence against the others'. */
static void
test_only_the_flow_that_was_asked_for_is_denied(void **state)
{
	unsigned int i;

	(void)state;
	broker_answer(-1, EACCES);
	for (i = 0; i < CLIENTS; i++)
		assert_int_equal(told[i], EPIPE + 1);
	await(1);
	assert_int_equal(asked_for, 2);
	await(0);
	await(2);
	broker_answer(-1, EACCES);
	assert_int_equal(told[1], EACCES + 1);
	assert_int_equal(told[0], EPIPE + 1);
	assert_int_equal(told[2], EPIPE + 1);
}

static void
test_other_failures_are_everybodys(void **state)
{
	unsigned int i;

	(void)state;
	broker_answer(-1, EADDRINUSE);
	for (i = 0; i < CLIENTS; i++)
		assert_int_equal(told[i], EADDRINUSE + 1);
}

static void
test_who_has_left_is_not_told(void **state)
{
	(void)state;
	broker_answer(-1, EPIPE);
	await(0);
	await(1);
	udp_reply_release(reply, &waiters[0]);
	told[0] = 0;
	broker_answer(-1, EACCES);
	assert_int_equal(told[0], 0);
	assert_int_equal(told[1], EPIPE + 1);
	reply = udp_reply_take(replies,
	    &(struct broker_flow){ .client_port = 1, .server_port = 53 });
}

/* Servers of one network, of which chosen ones meet without a seed. */
static struct broker_flow meeting[2][MEETING];

static void
meeting_choose(void)
{
	struct broker_flow flow = { .server_port = 1 };
	uint32_t number, hash, word, i, n = 0;

	for (number = 0; n < MEETING; number++) {
		memcpy(flow.server.byte + 12, &number, sizeof(number));
		if (number < MEETING)
			meeting[0][number] = flow;
		for (hash = flow.server_port, i = 0; i < 16; i += 4) {
			memcpy(&word, flow.server.byte + i, sizeof(word));
			hash = (hash ^ word) * 0x9e3779b1U;
			hash ^= hash >> 15;
		}
		if (hash % 1024 == 0)
			meeting[1][n++] = flow;
	}
}

static void
take_and_release(int chosen)
{
	static struct udp_reply *taken[MEETING];
	struct udp_replies *many = udp_replies_new(NULL, on_ready);
	size_t i;

	for (i = 0; i < MEETING; i++)
		taken[i] = udp_reply_take(many, &meeting[chosen][i]);
	for (i = 0; i < MEETING; i++)
		udp_reply_release(taken[i], NULL);
	assert_int_equal(udp_replies_count(many), 0);
	free(many);
}

static void
test_servers_cannot_be_chosen_to_meet(void **state)
{
	(void)state;
	is_away = 1;
	meeting_choose();
	assert_meeting_is_cheap(take_and_release);
	is_away = 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_all_wait_for_one_socket, begin, end),
		cmocka_unit_test_setup_teardown(
		    test_only_the_flow_that_was_asked_for_is_denied, begin,
		    end),
		cmocka_unit_test_setup_teardown(
		    test_other_failures_are_everybodys, begin, end),
		cmocka_unit_test_setup_teardown(
		    test_who_has_left_is_not_told, begin, end),
		cmocka_unit_test(test_servers_cannot_be_chosen_to_meet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
