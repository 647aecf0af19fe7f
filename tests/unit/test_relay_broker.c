/* SPDX-License-Identifier: ISC */
/* What a relay asks netctl for, over a real channel to one that answers. */
#include <errno.h>
#include <event2/event.h>
#include <string.h>

#include "room_fixture.h"

#include "ipc/channel.h"
#include "ipc/loop.h"
#include "relay/broker.h"

#define ASKS 4
#define MANY 10000 /* more than a channel takes */

/* One that asks, and what it is told. */
struct flow {
	struct broker_ask *ask;
	int told; /* how often */
	int fd;
	int error;
};

static struct event_base *base;
static struct broker *broker;
static struct ipc_channel *netctl;
static struct flow flows[ASKS];
static uint32_t ids[MANY]; /* as netctl was asked */
static unsigned int asked;
static int netctl_ends;

static void
on_broker_ask(void *ctx, struct ipc_message *message)
{
	(void)ctx;
	assert_true(asked < MANY);
	ids[asked++] = message->id;
}

static const struct ipc_handler handlers[] = {
	{ MSG_BROKER_ASK, on_broker_ask },
	{ MSG_NONE, NULL },
};

static void
on_end(void *ctx, const char *why)
{
	(void)ctx;
	assert_null(why);
	netctl_ends++;
}

static void
on_answer(void *ctx, int fd, int error)
{
	struct flow *flow = ctx;

	flow->told++;
	flow->fd = fd;
	flow->error = error;
}

static void
run(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
}

/* A channel to netctl, the first or in place of the one before. */
static void
connect_netctl(void)
{
	int ends[2];

	ipc_channel_free(netctl);
	assert_int_equal(ipc_socketpair(ends), 0);
	netctl = ipc_channel_new(
	    base, ends[1], IPC_NETCTL, IPC_RELAY, handlers, on_end, NULL);
	assert_non_null(netctl);
	ipc_channel_set_phase(netctl, IPC_PHASE_RUN);
	broker_connect(broker, ends[0]);
	netctl_ends = 0;
}

/* -1 with errno when it cannot. */
static int
try_to_ask(struct flow *flow)
{
	static const struct broker_flow ends = { .client_port = 1,
		.server_port = 2 };

	memset(flow, 0, sizeof(*flow));
	flow->ask = broker_ask(
	    broker, IPC_BROKER_TCP_CLIENT, &ends, 0, on_answer, flow);
	return flow->ask == NULL ? -1 : 0;
}

static void
ask(struct flow *flow)
{
	assert_int_equal(try_to_ask(flow), 0);
}

/* All of them ask, and netctl has heard of it. */
static int
begin(void **state)
{
	int i;

	(void)state;
	base = ipc_loop_new(0);
	broker = broker_new(base);
	assert_non_null(broker);
	netctl = NULL;
	asked = 0;
	connect_netctl();
	for (i = 0; i < ASKS; i++)
		ask(&flows[i]);
	run();
	assert_int_equal(asked, ASKS);
	return 0;
}

static void
grant(unsigned int i)
{
	struct msg_empty body = { 0 };

	assert_int_equal(
	    IPC_SEND(netctl, MSG_BROKER_GRANT, ids[i], &body, STDIN_FILENO), 0);
}

static void
deny(unsigned int i, int error)
{
	struct msg_broker_deny body = { .error = (uint64_t)error };

	assert_int_equal(
	    IPC_SEND(netctl, MSG_BROKER_DENY, ids[i], &body, -1), 0);
}

static void
run_with_room(int fds)
{
	struct rlimit before = fixture_room(fds);

	run();
	fixture_room_again(&before);
}

static void
assert_granted(const struct flow *flow)
{
	assert_int_equal(flow->told, 1);
	assert_int_equal(flow->error, 0);
	assert_int_equal(close(flow->fd), 0);
}

static void
assert_denied(const struct flow *flow, int error)
{
	assert_int_equal(flow->told, 1);
	assert_int_equal(flow->error, error);
	assert_int_equal(flow->fd, -1);
}

static void
test_answers_reach_who_has_asked_in_this_order(void **state)
{
	(void)state;
	grant(0);
	deny(1, EACCES);
	grant(2);
	run();
	assert_granted(&flows[0]);
	assert_denied(&flows[1], EACCES);
	assert_granted(&flows[2]);
	assert_int_equal(flows[3].told, 0);
}

/* The others have their own answers, before and after it. */
static void
test_socket_without_room_is_the_loss_of_one_flow(void **state)
{
	(void)state;
	grant(0);
	grant(1);
	deny(2, EADDRINUSE);
	run_with_room(1);
	assert_granted(&flows[0]);
	assert_denied(&flows[1], EMFILE);
	assert_denied(&flows[2], EADDRINUSE);
	assert_int_equal(flows[3].told, 0);
	grant(3);
	run();
	assert_granted(&flows[3]);
	assert_int_equal(netctl_ends, 0);
}

static void
test_channel_without_room_for_any_socket_lives_on(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < ASKS; i++)
		grant((unsigned int)i);
	run_with_room(0);
	for (i = 0; i < ASKS; i++)
		assert_denied(&flows[i], EMFILE);
	asked = 0;
	ask(&flows[0]);
	run();
	assert_int_equal(asked, 1);
	grant(0);
	run();
	assert_granted(&flows[0]);
}

static int
open_fds(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

static void
test_socket_that_nobody_waits_for_is_closed(void **state)
{
	int before = open_fds();

	(void)state;
	broker_cancel(flows[0].ask);
	broker_cancel(flows[1].ask);
	grant(0);
	run();
	grant(1);
	run_with_room(0);
	deny(2, EACCES);
	run();
	assert_int_equal(flows[0].told, 0);
	assert_int_equal(flows[1].told, 0);
	assert_denied(&flows[2], EACCES);
	assert_int_equal(open_fds(), before);
}

static void
test_answer_to_another_question_ends_the_channel(void **state)
{
	int i;

	(void)state;
	grant(1);
	run();
	run();
	assert_int_equal(netctl_ends, 1);
	for (i = 0; i < ASKS; i++)
		assert_denied(&flows[i], EPIPE);
}

static void
test_what_was_asked_of_the_netctl_before_is_not_answered(void **state)
{
	int i;

	(void)state;
	connect_netctl();
	for (i = 0; i < ASKS; i++)
		assert_denied(&flows[i], EPIPE);
	asked = 0;
	ask(&flows[0]);
	run();
	deny(0, EADDRINUSE);
	run();
	assert_denied(&flows[0], EADDRINUSE);
}

/*
 * netctl reads nothing for a while: whoever has asked waits, and whoever finds
 * no room is told at once.  Then each has its own answer.
 */
static void
test_full_channel_costs_a_wait_or_a_refusal(void **state)
{
	static struct flow many[MANY];
	unsigned int n = 0, i;

	(void)state;
	for (i = 0; i < ASKS; i++)
		deny(i, EACCES);
	run();
	asked = 0;
	while (n < MANY && try_to_ask(&many[n]) == 0)
		n++;
	assert_int_equal(errno, ENOBUFS);
	assert_in_range(n, 256, MANY - 1);
	for (i = 0; i < 100; i++) {
		assert_int_equal(try_to_ask(&flows[0]), -1);
		assert_int_equal(errno, ENOBUFS);
	}
	for (i = 0; i < n; i++)
		assert_int_equal(many[i].told, 0);
	while (asked < n)
		run();
	for (i = 0; i < n; i++) {
		deny(i, (int)i + 1);
		run();
		assert_denied(&many[i], (int)i + 1);
	}
	assert_int_equal(flows[0].told, 0);
	/* There is room again. */
	ask(&flows[0]);
	run();
	assert_int_equal(asked, n + 1);
	grant(n);
	run();
	assert_granted(&flows[0]);
	assert_int_equal(netctl_ends, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
		    test_answers_reach_who_has_asked_in_this_order, begin),
		cmocka_unit_test_setup(
		    test_socket_without_room_is_the_loss_of_one_flow, begin),
		cmocka_unit_test_setup(
		    test_channel_without_room_for_any_socket_lives_on, begin),
		cmocka_unit_test_setup(
		    test_full_channel_costs_a_wait_or_a_refusal, begin),
		cmocka_unit_test_setup(
		    test_socket_that_nobody_waits_for_is_closed, begin),
		cmocka_unit_test_setup(
		    test_answer_to_another_question_ends_the_channel, begin),
		cmocka_unit_test_setup(
		    test_what_was_asked_of_the_netctl_before_is_not_answered,
		    begin),
	};

	return cmocka_run_group_tests_name("relay_broker", tests, NULL, NULL);
}
