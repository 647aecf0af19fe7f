/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "meeting_fixture.h"
#include "relay/udp_reply.h"

#define CLIENTS 3
#define MEETING 4096

/* What is asked of netctl: nothing while asked_for is 0, or it is not there. */
static int lost;
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
	if (lost) {
		errno = EPIPE;
		return NULL;
	}
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
	lost = 0;
	replies = udp_replies_new(NULL, CLIENTS, on_ready);
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

/* Keys that were compared with the one that was looked for. */
static unsigned int compared;

int __real_addr_compare(const struct addr *, const struct addr *);
int __wrap_addr_compare(const struct addr *, const struct addr *);

int
__wrap_addr_compare(const struct addr *a, const struct addr *b)
{
	compared++;
	return __real_addr_compare(a, b);
}

/* Has the n-th of very many servers in the table, for its only flow. */
static struct udp_reply *
take(struct udp_replies *table, uint32_t n)
{
	struct broker_flow flow = { .server_port = 53 };
	struct udp_reply *taken;

	memcpy(flow.server.byte, &n, sizeof(n));
	taken = udp_reply_take(table, &flow);
	assert_non_null(taken);
	return taken;
}

/* Whoever finds out which servers meet in one relay knows nothing of others. */
static void
test_servers_that_meet_in_one_table_do_not_in_another(void **state)
{
	struct udp_replies *table = udp_replies_new(NULL, 64, on_ready);
	struct udp_reply *first, *other[64];
	uint32_t n, meeting[64];
	int i;

	(void)state;
	lost = 1;
	first = take(table, 0);
	for (n = 1, i = 0; i < 64; n++) {
		compared = 0;
		udp_reply_release(take(table, n), NULL);
		if (compared > 0)
			meeting[i++] = n;
	}
	udp_reply_release(first, NULL);

	table = udp_replies_new(NULL, 64, on_ready);
	for (i = 0; i < 64; i++) {
		compared = 0;
		other[i] = take(table, meeting[i]);
		assert_true(compared < 16);
	}
	for (i = 0; i < 64; i++)
		udp_reply_release(other[i], NULL);
}

static void
test_many_servers_have_a_table_for_many(void **state)
{
	static struct udp_reply *taken[8192];
	struct udp_replies *table = udp_replies_new(NULL, 8192, on_ready);
	uint32_t n;

	(void)state;
	lost = 1;
	compared = 0;
	for (n = 0; n < 8192; n++)
		taken[n] = take(table, n);
	assert_true(compared < 8192);
	for (n = 0; n < 8192; n++)
		udp_reply_release(taken[n], NULL);
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
		cmocka_unit_test(
		    test_servers_that_meet_in_one_table_do_not_in_another),
		cmocka_unit_test(test_many_servers_have_a_table_for_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
