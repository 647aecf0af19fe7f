/* SPDX-License-Identifier: ISC */
/* Channels of relays: what is taken, acknowledged, refused. */
#include <sys/socket.h>

#include <event2/event.h>

#include "flowlog/worker.h"
#include "ipc/channel.h"
#include "ipc/loop.h"
#include "tests/unit/flowlog_fixture.h"

#define WORKER 3

static struct event_base *base;
static struct workers *workers;
static int relay; /* the relay's end */
static struct batch_origin origins[256];
static size_t nflows;
static uint64_t refused, dropped;
static const char *violation;

int
batch_add_flow(struct batch *batch, const struct flow_record *record,
    const struct batch_origin *origin)
{
	(void)batch;
	(void)record;
	origins[nflows++] = *origin;
	return 0;
}

void
batch_add_loss(struct batch *batch, enum flow_loss loss, uint64_t count)
{
	(void)batch;
	assert_int_equal(loss, LOSS_REFUSED);
	refused += count;
}

void
batch_relay_dropped(
    struct batch *batch, unsigned int worker, uint64_t count, int ended)
{
	(void)batch;
	assert_int_equal(worker, WORKER);
	assert_false(ended);
	dropped = count;
}

void
batch_touch(struct batch *batch)
{
	(void)batch;
}

static void
on_violation(void *ctx, unsigned int worker, const char *why)
{
	(void)ctx;
	assert_int_equal(worker, WORKER);
	violation = why;
}

static void
open_relay(void)
{
	int ends[2];

	assert_int_equal(ipc_socketpair(ends), 0);
	assert_int_equal(workers_open(workers, WORKER, ends[0]), 0);
	relay = ends[1];
}

static int
set_up(void **state)
{
	(void)state;
	nflows = 0;
	refused = dropped = 0;
	violation = NULL;
	base = ipc_loop_new(0);
	assert_non_null(base);
	workers = workers_new(base, NULL, on_violation, NULL);
	assert_non_null(workers);
	open_relay();
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	workers_free(workers);
	event_base_free(base);
	close(relay);
	return 0;
}

static void
send_flows(const struct msg_flows *flows)
{
	struct msg_header header = { .type = MSG_FLOWS,
		.len_bytes = (uint32_t)MSG_FLOWS_BYTES(flows->count) };
	struct iovec parts[] = { { &header, sizeof(header) },
		{ (void *)(uintptr_t)flows, MSG_FLOWS_BYTES(flows->count) } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

	assert_true(sendmsg(relay, &message, MSG_NOSIGNAL) > 0);
	(void)event_base_loop(base, EVLOOP_NONBLOCK);
}

static void
send_rows(uint64_t sequence, unsigned int count)
{
	struct msg_flows flows = { .sequence = sequence, .count = count };
	unsigned int i;

	for (i = 0; i < count; i++)
		flows.record[i] = fixture_record(WORKER, sequence + i);
	send_flows(&flows);
}

/* The sequence of the one acknowledgement that waits, 0: there is none. */
static uint64_t
acknowledged(void)
{
	struct {
		struct msg_header header;
		struct msg_flows_ack ack;
	} message;

	if (recv(relay, &message, sizeof(message), MSG_DONTWAIT) !=
	    (ssize_t)sizeof(message))
		return 0;
	assert_int_equal(message.header.type, MSG_FLOWS_ACK);
	return message.ack.sequence;
}

static void
test_nothing_is_acknowledged_before_it_is_done(void **state)
{
	(void)state;
	send_rows(10, 3);
	assert_int_equal(nflows, 3);
	assert_int_equal(acknowledged(), 0);
	workers_done(workers, NULL);
	assert_int_equal(acknowledged(), 10);
}

static void
test_only_the_last_record_completes_a_message(void **state)
{
	(void)state;
	send_rows(10, 3);
	assert_int_equal(origins[0].sequence, 0);
	assert_int_equal(origins[1].sequence, 0);
	assert_int_equal(origins[2].sequence, 10);
	send_rows(20, 1);
	workers_done(workers, &origins[2]);
	assert_int_equal(acknowledged(), 10);
	workers_done(workers, &origins[2]);
	assert_int_equal(acknowledged(), 0);
}

static void
test_earlier_life_of_a_relay_is_not_answered(void **state)
{
	(void)state;
	send_rows(10, 1);
	close(relay);
	open_relay();
	workers_done(workers, &origins[0]);
	assert_int_equal(acknowledged(), 0);
	send_rows(2, 1);
	workers_done(workers, NULL);
	assert_int_equal(acknowledged(), 2);
}

static void
test_message_without_rows_is_acknowledged(void **state)
{
	struct msg_flows flows = { .sequence = 7, .dropped = 9 };

	(void)state;
	send_flows(&flows);
	assert_int_equal(dropped, 9);
	workers_done(workers, NULL);
	assert_int_equal(acknowledged(), 7);
}

static void
test_bad_record_cuts_the_relay_off_and_takes_none(void **state)
{
	struct msg_flows flows = { .sequence = 3, .count = 3 };
	char byte;

	(void)state;
	flows.record[0] = fixture_record(WORKER, 0);
	flows.record[1] = fixture_record(WORKER, 1);
	flows.record[2] = fixture_record(WORKER + 1, 2);
	send_flows(&flows);
	assert_non_null(violation);
	assert_int_equal(nflows, 0);
	assert_int_equal(refused, 3);
	assert_int_equal(workers_count(workers), 0);
	assert_int_equal(recv(relay, &byte, 1, 0), 0);
}

static void
test_sequence_that_goes_back_is_a_violation(void **state)
{
	(void)state;
	send_rows(10, 1);
	send_rows(9, 1);
	assert_non_null(violation);
	assert_int_equal(nflows, 1);
}

static void
test_count_of_losses_that_is_too_high_is_a_violation(void **state)
{
	struct msg_flows flows = { .sequence = 1, .dropped = 1ULL << 40 };

	(void)state;
	send_flows(&flows);
	assert_null(violation);
	flows.sequence++;
	flows.dropped++;
	send_flows(&flows);
	assert_string_equal(violation, "a count of losses out of range");
}

static void
test_count_of_losses_that_goes_back_is_a_violation(void **state)
{
	struct msg_flows flows = { .sequence = 1, .dropped = 8 };

	(void)state;
	send_flows(&flows);
	assert_null(violation);
	flows.sequence++;
	flows.dropped--;
	send_flows(&flows);
	assert_string_equal(violation, "a count of losses out of range");
}

static void
test_message_of_a_wrong_kind_is_a_violation(void **state)
{
	struct {
		struct msg_header header;
		struct msg_empty body;
	} message = { .header = { .type = MSG_STOP,
			  .len_bytes = sizeof(message.body) } };

	(void)state;
	assert_true(send(relay, &message, sizeof(message), 0) > 0);
	(void)event_base_loop(base, EVLOOP_NONBLOCK);
	assert_non_null(violation);
	assert_int_equal(workers_count(workers), 0);
}

static void
test_relay_that_leaves_is_no_violation(void **state)
{
	(void)state;
	assert_int_equal(workers_count(workers), 1);
	(void)shutdown(relay, SHUT_RDWR);
	(void)event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(workers_count(workers), 0);
	assert_null(violation);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_is_acknowledged_before_it_is_done),
		TEST(test_only_the_last_record_completes_a_message),
		TEST(test_earlier_life_of_a_relay_is_not_answered),
		TEST(test_message_without_rows_is_acknowledged),
		TEST(test_bad_record_cuts_the_relay_off_and_takes_none),
		TEST(test_sequence_that_goes_back_is_a_violation),
		TEST(test_count_of_losses_that_is_too_high_is_a_violation),
		TEST(test_count_of_losses_that_goes_back_is_a_violation),
		TEST(test_message_of_a_wrong_kind_is_a_violation),
		TEST(test_relay_that_leaves_is_no_violation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
