/* SPDX-License-Identifier: ISC */
/* The journal against a flow log that is quick, slow, killed or absent. */
#include <sys/socket.h>

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/channel.h"
#include "ipc/loop.h"
#include "relay/journal.h"

#define SLOTS 200
#define WORKER 3
#define FIRST_ID (128 * 1000 + WORKER)

static struct event_base *base;
static struct flow_arena *arena;
static struct journal *journal;
static struct ipc_channel *channel;
static int log_end; /* the flow log's end of the channel */

static void
on_end(void *ctx, const char *why)
{
	(void)ctx;
	(void)why;
}

static const struct ipc_handler handlers[] = { { MSG_NONE, NULL } };

static void
connect_log(void)
{
	int ends[2];

	assert_int_equal(ipc_socketpair(ends), 0);
	channel = ipc_channel_new(
	    base, ends[0], IPC_RELAY, IPC_FLOWLOG, handlers, on_end, NULL);
	assert_non_null(channel);
	log_end = ends[1];
	journal_set_log(journal, channel);
}

static void
lose_log(void)
{
	journal_set_log(journal, NULL);
	ipc_channel_free(channel);
	channel = NULL;
	close(log_end);
}

static int
setup(void **state)
{
	(void)state;
	base = ipc_loop_new(0);
	arena = calloc(1, FLOW_ARENA_BYTES(SLOTS));
	journal = journal_new(base, arena, SLOTS, WORKER, FIRST_ID);
	assert_non_null(journal);
	channel = NULL;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	if (channel != NULL)
		lose_log();
	event_base_free(base);
	free(arena);
	return 0;
}

/* Reads one batch; 0 when none has been sent. */
static int
batch_read(struct msg_flows *batch)
{
	char inbox[LIMIT_MESSAGE_BYTES];
	ssize_t n = recv(log_end, inbox, sizeof(inbox), MSG_DONTWAIT);

	if (n <= 0)
		return 0;
	memcpy(batch, inbox + sizeof(struct msg_header),
	    (size_t)n - sizeof(struct msg_header));
	return 1;
}

static void
flows_close(int n)
{
	while (n-- > 0)
		journal_close(journal, journal_open(journal));
}

static void
test_ids_step_and_name_the_worker(void **state)
{
	struct flow_entry *first = journal_open(journal);
	struct flow_entry *second = journal_open(journal);

	(void)state;
	assert_int_equal(first->id, FIRST_ID);
	assert_int_equal(second->id, FIRST_ID + FLOW_ID_STEP);
	assert_int_equal(first->worker, WORKER);
	assert_int_equal(atomic_load(&arena->accepted), 2);
	assert_int_equal(atomic_load(&arena->open), 2);
	journal_close(journal, first);
	assert_int_equal(atomic_load(&arena->open), 1);
}

static void
test_full_batch_goes_out_at_once(void **state)
{
	struct msg_flows batch;

	(void)state;
	connect_log();
	flows_close(LIMIT_FLOW_BATCH - 1);
	assert_false(batch_read(&batch));
	flows_close(1);
	assert_true(batch_read(&batch));
	assert_int_equal(batch.count, LIMIT_FLOW_BATCH);
	assert_int_equal(batch.sequence, LIMIT_FLOW_BATCH);
	assert_int_equal(batch.record[0].id, FIRST_ID);
}

static void
test_single_record_goes_out_soon(void **state)
{
	struct msg_flows batch;

	(void)state;
	connect_log();
	flows_close(1);
	event_base_loop(base, EVLOOP_ONCE); /* the timer */
	assert_true(batch_read(&batch));
	assert_int_equal(batch.count, 1);
}

static void
test_slot_is_free_only_after_acknowledgement(void **state)
{
	(void)state;
	connect_log();
	flows_close(LIMIT_FLOW_BATCH);
	assert_int_equal(atomic_load(&arena->slot[0].state), FLOW_SLOT_CLOSED);
	assert_int_equal(journal_pending(journal), LIMIT_FLOW_BATCH);
	journal_acknowledge(journal, LIMIT_FLOW_BATCH);
	assert_int_equal(atomic_load(&arena->slot[0].state), FLOW_SLOT_FREE);
	assert_int_equal(journal_pending(journal), 0);
}

static void
test_unacknowledged_records_are_sent_again_to_the_next_log(void **state)
{
	struct msg_flows batch;

	(void)state;
	connect_log();
	flows_close(LIMIT_FLOW_BATCH * 2);
	journal_acknowledge(journal, LIMIT_FLOW_BATCH);
	lose_log();
	flows_close(1);
	connect_log();
	assert_true(batch_read(&batch));
	assert_int_equal(batch.count, LIMIT_FLOW_BATCH);
	assert_int_equal(
	    batch.record[0].id, FIRST_ID + LIMIT_FLOW_BATCH * FLOW_ID_STEP);
	assert_true(batch_read(&batch));
	assert_int_equal(batch.count, 1);
}

static void
test_flow_without_a_row_is_counted_and_leaves_its_slot(void **state)
{
	struct msg_flows batch;
	struct flow_entry *flow;
	int i;

	(void)state;
	connect_log();
	for (i = 0; i < SLOTS * 2; i++) {
		flow = journal_open(journal);
		flow->unlogged = 1;
		assert_int_equal(atomic_load(&arena->open), 1);
		journal_close(journal, flow);
	}
	assert_false(batch_read(&batch));
	assert_int_equal(journal_pending(journal), 0);
	assert_int_equal(arena->used, 1);
	assert_int_equal(atomic_load(&arena->slot[0].state), FLOW_SLOT_FREE);
	assert_int_equal(atomic_load(&arena->accepted), SLOTS * 2);
	assert_int_equal(atomic_load(&arena->unlogged), SLOTS * 2);
	assert_int_equal(arena->slot[0].counted, SLOTS * 2);
	assert_int_equal(flow_arena_unlogged(arena, SLOTS), SLOTS * 2);
	journal_skip(journal);
	assert_int_equal(atomic_load(&arena->accepted), SLOTS * 2 + 1);
	assert_int_equal(atomic_load(&arena->unlogged), SLOTS * 2 + 1);
	assert_int_equal(atomic_load(&arena->open), 0);
}

static void
test_without_a_log_what_finds_no_slot_is_counted(void **state)
{
	struct msg_flows batch;
	uint64_t rows = 0;

	(void)state;
	flows_close(SLOTS + 50);
	assert_int_equal(atomic_load(&arena->dropped), 50);
	connect_log();
	while (batch_read(&batch)) {
		if (rows == 0)
			assert_int_equal(batch.record[0].id, FIRST_ID);
		rows += batch.count;
		assert_int_equal(batch.dropped, 50);
	}
	assert_int_equal(rows, SLOTS);
	assert_int_equal(atomic_load(&arena->accepted), rows + 50);
}

static void
test_the_log_is_told_of_drops_that_no_row_follows(void **state)
{
	struct msg_flows batch;

	(void)state;
	connect_log();
	journal_drop(journal);
	journal_drop(journal);
	/* its timer is due */
	assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
	assert_true(batch_read(&batch));
	assert_int_equal(batch.count, 0);
	assert_int_equal(batch.dropped, 2);
	journal_flush(journal);
	assert_false(batch_read(&batch));
	/* a new log knows nothing of it */
	lose_log();
	connect_log();
	assert_true(batch_read(&batch));
	assert_int_equal(batch.dropped, 2);
}

static void
test_flow_without_a_slot_is_served_and_counted(void **state)
{
	struct flow_entry *record = NULL, *surplus;
	int i;

	(void)state;
	for (i = 0; i < SLOTS; i++)
		assert_non_null(record = journal_open(journal));
	assert_non_null(surplus = journal_open(journal));
	assert_int_equal(atomic_load(&arena->open), SLOTS);
	assert_int_equal(atomic_load(&arena->dropped), 1);
	journal_close(journal, surplus);
	journal_close(journal, record);
	assert_int_equal(journal_pending(journal), 1);
	assert_int_equal(atomic_load(&arena->accepted), SLOTS + 1);
}

static void
test_name_goes_with_its_record_and_no_other(void **state)
{
	char name[FLOW_HOST_BYTES] = { 0 };
	struct flow_entry *entry;
	struct msg_flows batch;

	(void)state;
	connect_log();
	memset(name, 'a', sizeof(name) - 1);
	entry = journal_open(journal);
	journal_set_host(journal, entry, FLOW_HOST_SNI, name);
	journal_close(journal, entry);
	journal_flush(journal);
	assert_true(batch_read(&batch));
	assert_string_equal(batch.record[0].host, name);
	assert_int_equal(batch.record[0].host_source, FLOW_HOST_SNI);
	journal_acknowledge(journal, batch.sequence);
	assert_ptr_equal(entry, journal_open(journal)); /* its slot again */
	journal_close(journal, entry);
	journal_flush(journal);
	assert_true(batch_read(&batch));
	assert_string_equal(batch.record[0].host, "");
	assert_int_equal(batch.record[0].host_source, FLOW_HOST_NONE);
}

static void
test_name_of_a_flow_without_a_slot_is_not_kept(void **state)
{
	struct flow_entry *surplus;

	(void)state;
	flows_close(SLOTS);
	surplus = journal_open(journal);
	assert_non_null(surplus);
	journal_set_host(journal, surplus, FLOW_HOST_SNI, "a.example");
	assert_int_equal(surplus->host_source, FLOW_HOST_NONE);
	journal_close(journal, surplus);
}

static void
test_records_that_were_sent_are_kept_until_acknowledged(void **state)
{
	struct msg_flows batch;
	uint64_t rows = 0;

	(void)state;
	connect_log();
	flows_close(SLOTS + 10);
	lose_log(); /* with all it had been sent, and nothing on disk */
	connect_log();
	while (batch_read(&batch))
		rows += batch.count;
	assert_int_equal(rows, SLOTS);
	assert_int_equal(atomic_load(&arena->dropped), 10);
}

static void
test_acknowledgement_of_what_was_never_sent_is_ignored(void **state)
{
	(void)state;
	connect_log();
	flows_close(LIMIT_FLOW_BATCH);
	journal_acknowledge(journal, LIMIT_FLOW_BATCH + 1);
	assert_int_equal(journal_pending(journal), LIMIT_FLOW_BATCH);
}

static void
test_slow_log_gets_everything_in_the_end(void **state)
{
	struct msg_flows batch;
	uint64_t rows = 0, lost;
	int round;

	(void)state;
	connect_log();
	for (round = 0; round < 300; round++) {
		flows_close(37);
		if (round % 7 == 0 && batch_read(&batch)) {
			rows += batch.count;
			journal_acknowledge(journal, batch.sequence);
		}
	}
	while (journal_pending(journal) > 0) {
		while (batch_read(&batch)) {
			rows += batch.count;
			journal_acknowledge(journal, batch.sequence);
		}
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	lost = atomic_load(&arena->dropped);
	assert_true(lost > 0);
	assert_int_equal(atomic_load(&arena->accepted), rows + lost);
	assert_int_equal(atomic_load(&arena->open), 0);
}

/* Else who only connects to a listener itself would have its relay killed. */
static void
test_who_gets_no_flow_is_work(void **state)
{
	uint64_t before = journal_work(journal);

	(void)state;
	flows_close(1);
	assert_int_equal(journal_work(journal), before + 1);
	atomic_fetch_add(&arena->refused, 1);
	assert_int_equal(journal_work(journal), before + 2);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ids_step_and_name_the_worker),
		TEST(test_full_batch_goes_out_at_once),
		TEST(test_single_record_goes_out_soon),
		TEST(test_slot_is_free_only_after_acknowledgement),
		TEST(
		    test_unacknowledged_records_are_sent_again_to_the_next_log),
		TEST(test_flow_without_a_row_is_counted_and_leaves_its_slot),
		TEST(test_without_a_log_what_finds_no_slot_is_counted),
		TEST(test_the_log_is_told_of_drops_that_no_row_follows),
		TEST(test_flow_without_a_slot_is_served_and_counted),
		TEST(test_name_goes_with_its_record_and_no_other),
		TEST(test_name_of_a_flow_without_a_slot_is_not_kept),
		TEST(test_records_that_were_sent_are_kept_until_acknowledged),
		TEST(test_acknowledgement_of_what_was_never_sent_is_ignored),
		TEST(test_slow_log_gets_everything_in_the_end),
		TEST(test_who_gets_no_flow_is_work),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
