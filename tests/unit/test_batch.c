/* SPDX-License-Identifier: ISC */
/* What waits for the database, and what becomes of it when it cannot write. */
#include <event2/event.h>
#include <fcntl.h>

#include "flowlog/batch.h"
#include "flowlog/store.h"
#include "ipc/loop.h"
#include "tests/unit/flowlog_fixture.h"
#include "tests/unit/policy_fixture.h"

#define WORKER 1

static char dir[FIXTURE_PATH];
static struct event_base *base;
static struct store *store;
static struct batch *batch;
static struct image *image;
static uint64_t acknowledged; /* highest sequence of an origin */
static unsigned int all_done;
static uint32_t events; /* of tpxd, that are on disk */
static unsigned int damaged;
static sqlite3 *blocker; /* holds the write lock */

static void
on_done(void *ctx, const struct batch_origin *origin)
{
	(void)ctx;
	if (origin == NULL)
		all_done++;
	else if (origin->sequence > acknowledged)
		acknowledged = origin->sequence;
}

static void
on_damaged(void *ctx)
{
	(void)ctx;
	damaged++;
}

static uint32_t
uid_of(void *ctx, const struct flow_record *record)
{
	(void)ctx;
	return record->sport;
}

static void
on_events(void *ctx, uint32_t id)
{
	(void)ctx;
	events = id;
}

static int
set_up_rules(const char *rules)
{
	static const struct batch_owner owner = { on_done, on_damaged, uid_of,
		on_events, NULL };
	char text[512];
	size_t len;

	acknowledged = 0;
	events = 0;
	all_done = damaged = 0;
	fixture_dir(dir);
	(void)snprintf(text, sizeof(text), FIXTURE_CAPTURE "%s", rules);
	image = fixture_image(text, &len);
	base = ipc_loop_new(0);
	batch = batch_new(base, &owner);
	assert_non_null(batch);
	batch_set_image(batch, image);
	assert_int_equal(store_open(dir, &store), 0);
	batch_set_store(batch, store);
	return 0;
}

static int
set_up(void **state)
{
	(void)state;
	return set_up_rules("block to 192.0.2.0/24\ndefault relay\n");
}

static int
set_up_small(void **state)
{
	(void)state;
	return set_up_rules("log dir \"/tmp\" max 1M\n");
}

static int
tear_down(void **state)
{
	(void)state;
	if (blocker != NULL)
		(void)sqlite3_close(blocker);
	blocker = NULL;
	batch_free(batch);
	store_close(store);
	event_base_free(base);
	free(image);
	fixture_dir_remove(dir);
	return 0;
}

static void
lock_database(void)
{
	char path[2 * FIXTURE_PATH];

	(void)snprintf(path, sizeof(path), "%s/flows.db", dir);
	assert_int_equal(sqlite3_open(path, &blocker), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(blocker, "BEGIN IMMEDIATE", NULL, NULL, NULL),
	    SQLITE_OK);
}

static void
unlock_database(void)
{
	(void)sqlite3_close(blocker);
	blocker = NULL;
}

/* Rows first .. first + count - 1; sequence is that of the last one. */
static void
add_rows(uint64_t first, uint64_t count)
{
	struct batch_origin origin = { .worker = WORKER, .life = 1 };
	struct flow_record record;
	uint64_t i;

	for (i = first; i < first + count; i++) {
		record = fixture_record(WORKER, i);
		origin.sequence = i + 1;
		(void)batch_add_flow(batch, &record, &origin);
	}
}

static long
rows(void)
{
	return fixture_count(dir, "SELECT count(*) FROM flows");
}

static void
test_rows_wait_for_company(void **state)
{
	int64_t began_us;

	(void)state;
	assert_int_equal(batch_flush(batch), 0); /* the rules of set_up() */
	began_us = clock_mono_us();
	add_rows(0, 10);
	assert_int_equal(rows(), 0);
	while (acknowledged < 10)
		(void)event_base_loop(base, EVLOOP_ONCE);
	assert_in_range(clock_mono_us() - began_us, 100000, 20000000);
	assert_int_equal(rows(), 10);
}

static void
test_thousand_rows_do_not_wait(void **state)
{
	(void)state;
	add_rows(0, 1000);
	assert_int_equal(acknowledged, 1000);
	assert_int_equal(rows(), 1000);
	assert_int_equal(batch_waiting(batch), 0);
}

static void
test_locked_database_loses_nothing(void **state)
{
	(void)state;
	lock_database();
	add_rows(0, 3000);
	assert_int_equal(batch_flush(batch), -1);
	assert_int_equal(acknowledged, 0);
	assert_int_equal(batch_waiting(batch), 3000);
	unlock_database();
	while (acknowledged < 3000)
		(void)event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(rows(), 3000);
	assert_true(all_done > 0);
}

static uint64_t
losses(void)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < LOSS_COUNT; i++)
		sum += batch_losses(batch, i);
	return sum;
}

static void
test_what_has_no_room_is_counted(void **state)
{
	(void)state;
	lock_database();
	add_rows(0, BATCH_FLOWS + 100);
	assert_int_equal(batch_waiting(batch), BATCH_FLOWS);
	assert_int_equal(losses(), 100);
	unlock_database();
	assert_int_equal(batch_flush(batch), 0);
	assert_int_equal(rows(), BATCH_FLOWS);
	assert_int_equal(
	    fixture_count(dir, "SELECT sum(count) FROM drops WHERE source ="
			       " 'flowlog' AND kind = 'no-room'"),
	    100);
}

static void
test_relay_losses_count_once(void **state)
{
	(void)state;
	batch_relay_dropped(batch, WORKER, 5, 0);
	batch_relay_dropped(batch, WORKER, 5, 0);
	batch_relay_dropped(batch, WORKER, 8, 0);
	assert_int_equal(losses(), 8);
	/* It died with 9, and the next one has lost 2. */
	batch_relay_dropped(batch, WORKER, 9, 1);
	batch_relay_dropped(batch, WORKER, 2, 0);
	assert_int_equal(losses(), 11);
	assert_int_equal(batch_flush(batch), 0);
	assert_int_equal(
	    fixture_count(dir, "SELECT sum(count) FROM drops"), 11);
}

/* What a dead one has left may be anything: its next life counts all the same.
 */
static void
test_losses_that_no_relay_can_have_are_none(void **state)
{
	(void)state;
	batch_relay_dropped(batch, WORKER, 5, 0);
	batch_relay_dropped(batch, WORKER, BATCH_DROPPED_MOST + 1, 1);
	batch_relay_dropped(batch, WORKER, 7, 0);
	assert_int_equal(losses(), 12);
}

/* Numbers are a relay's word; what is shown to everybody adds them up. */
static void
test_sums_of_views_do_not_overflow(void **state)
{
	static const struct batch_origin origin = { 0 };
	static const char *const questions[] = {
		"SELECT sum(flows) FROM top_hosts",
		"SELECT sum(flows) FROM top_clients",
		"SELECT sum(flows) FROM hourly",
		"SELECT sum(flows) FROM unnamed",
	};
	struct flow_record record;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		record = fixture_record(WORKER, i);
		record.up_bytes = record.down_bytes = INT64_MAX / 2;
		assert_int_equal(batch_add_flow(batch, &record, &origin), 0);
		batch_add_loss(batch, LOSS_TORN, INT64_MAX / 2);
		assert_int_equal(batch_flush(batch), 0);
	}
	for (i = 0; i < sizeof(questions) / sizeof(questions[0]); i++)
		assert_int_equal(fixture_count(dir, questions[i]), 3);
	assert_string_equal(fixture_sql(dir, "SELECT up_bytes FROM top_hosts"),
	    "9223372036854775807");
	assert_string_equal(fixture_sql(dir, "SELECT missing FROM gaps"),
	    "9223372036854775807");
}

static void
add_event(uint32_t id)
{
	static const struct msg_event event = { .time_us = 1,
		.process = "tpxd",
		.kind = "state",
		.message = "armed" };

	batch_add_event(batch, &event, id);
}

static void
test_events_are_rows_once_and_what_is_missing_is_counted(void **state)
{
	(void)state;
	batch_set_events(batch, 0, 0);
	add_event(1);
	add_event(2);
	add_event(2);
	add_event(5);
	add_event(0);
	assert_int_equal(batch_flush(batch), 0);
	assert_int_equal(events, 5);
	add_event(4);
	assert_int_equal(batch_flush(batch), 0);
	assert_int_equal(fixture_count(dir, "SELECT count(*) FROM events"), 4);
	assert_int_equal(fixture_count(dir, "SELECT sum(count) FROM drops"), 2);
	assert_int_equal(batch_log_events(batch), 5);
}

static void
test_first_event_of_a_lost_count_is_no_loss(void **state)
{
	(void)state;
	batch_set_events(batch, 7, BATCH_EVENTS_UNKNOWN);
	add_event(31);
	assert_int_equal(batch_flush(batch), 0);
	assert_int_equal(events, 31);
	assert_int_equal(fixture_count(dir, "SELECT count(*) FROM events"), 1);
	assert_int_equal(fixture_count(dir, "SELECT count(*) FROM drops"), 0);
	assert_int_equal(batch_log_events(batch), 7 + 31);
}

static void
test_rules_are_stored_before_the_first_row(void **state)
{
	struct batch_origin nobody = { 0 };
	struct flow_record record = fixture_record(WORKER, 0);

	(void)state;
	record.rule = 0;
	(void)batch_add_flow(batch, &record, &nobody);
	assert_int_equal(batch_flush(batch), 0);
	assert_string_equal(fixture_sql(dir, "SELECT rule FROM flows"),
	    "block to 192.0.2.0/24");
	assert_int_equal(acknowledged, 0);
}

static void
test_small_quota_keeps_the_newest_rows(void **state)
{
	long left;

	(void)state;
	add_rows(0, 50000);
	while (batch_waiting(batch) > 0)
		(void)event_base_loop(base, EVLOOP_ONCE);
	left = rows();
	assert_in_range(left, 1000, 20000);
	assert_int_equal(losses(), 0);
	assert_true(store_size_bytes(store) <= 1 << 20);
	assert_int_equal(
	    fixture_count(dir, "SELECT max(id) FROM flows"), 50000 * 128 + 1);
	assert_int_equal(batch_written(batch), 50000);
}

static void
test_damaged_database_is_reported_and_rows_stay(void **state)
{
	char path[2 * FIXTURE_PATH];
	int fd, i;

	(void)state;
	add_rows(0, 1000);
	store_close(store);
	assert_int_equal(store_open(dir, &store), 0);
	batch_set_store(batch, store);
	/* Every page but the first turns to nonsense. */
	(void)snprintf(path, sizeof(path), "%s/flows.db", dir);
	fd = open(path, O_WRONLY);
	assert_true(fd != -1);
	for (i = 1; i < 100; i++)
		assert_int_equal(pwrite(fd, "\xff\xff\xff\xff\xff\xff\xff\xff",
				     8, (off_t)i * 4096),
		    8);
	close(fd);
	add_rows(1000, 10);
	assert_int_equal(batch_flush(batch), -1);
	assert_int_equal(damaged, 1);
	assert_int_equal(batch_waiting(batch), 10);
	store_close(store);
	(void)snprintf(path, sizeof(path), "%s/flows.db", dir);
	assert_int_equal(unlink(path), 0);
	(void)snprintf(path, sizeof(path), "%s/flows.db-wal", dir);
	(void)unlink(path);
	assert_int_equal(store_open(dir, &store), 0);
	batch_set_store(batch, store);
	assert_int_equal(batch_flush(batch), 0);
	assert_int_equal(rows(), 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rows_wait_for_company),
		TEST(test_thousand_rows_do_not_wait),
		TEST(test_locked_database_loses_nothing),
		TEST(test_what_has_no_room_is_counted),
		TEST(test_events_are_rows_once_and_what_is_missing_is_counted),
		TEST(test_first_event_of_a_lost_count_is_no_loss),
		TEST(test_relay_losses_count_once),
		TEST(test_losses_that_no_relay_can_have_are_none),
		TEST(test_sums_of_views_do_not_overflow),
		TEST(test_rules_are_stored_before_the_first_row),
		TEST(test_damaged_database_is_reported_and_rows_stay),
		cmocka_unit_test_setup_teardown(
		    test_small_quota_keeps_the_newest_rows, set_up_small,
		    tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
