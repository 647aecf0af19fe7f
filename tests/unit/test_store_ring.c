/* SPDX-License-Identifier: ISC */
/* Which rows make room, when a relay lies about the time of its own. */
#include "flowlog/room.h"
#include "flowlog/store.h"
#include "schema/msg.h"
#include "tests/unit/flowlog_fixture.h"

#define YEAR_9000_US (221845392000LL * 1000000)
#define HONEST_END_US 1700000100000000
#define HONEST 10
#define FORGED 10

static char dir[FIXTURE_PATH];
static struct store *store;

/* The forged ones are of worker 2, and come from far in the future. */
static void
add(unsigned int worker, uint64_t count, int64_t start_us)
{
	struct flow_record record;
	uint64_t i;
	int added;

	assert_int_equal(store_begin(store), 0);
	for (i = 0; i < count; i++) {
		record = fixture_record(worker, i);
		if (start_us != 0)
			record.start_us = start_us;
		assert_int_equal(store_add_flow(store, &record, &added), 0);
		assert_int_equal(added, 1);
	}
	assert_int_equal(store_commit(store), 0);
}

static int
set_up(void **state)
{
	struct msg_event event = { .time_us = clock_real_us(),
		.process = "tpxd",
		.kind = "contract",
		.message = "a message nobody awaits" };

	(void)state;
	fixture_dir(dir);
	assert_int_equal(store_open(dir, &store), 0);
	add(1, HONEST, 0);
	add(2, FORGED, YEAR_9000_US);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_add_event(store, &event), 0);
	assert_int_equal(store_commit(store), 0);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	store_close(store);
	fixture_dir_remove(dir);
	return 0;
}

static void
make_room(uint64_t count)
{
	uint64_t removed;

	assert_int_equal(store_begin(store), 0);
	assert_int_equal(room_remove_oldest(store, count, &removed), 0);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(removed, count);
}

static int64_t
rows_of(unsigned int worker)
{
	char sql[64];

	(void)snprintf(sql, sizeof(sql),
	    "SELECT count(*) FROM flow WHERE worker = %u", worker);
	return fixture_count(dir, sql);
}

static void
test_rows_of_the_future_leave_before_the_oldest(void **state)
{
	(void)state;
	make_room(FORGED / 2);
	assert_int_equal(rows_of(1), HONEST);
	make_room(FORGED / 2 + 2);
	assert_int_equal(rows_of(2), 0);
	assert_int_equal(rows_of(1), HONEST - 2);
}

static void
test_rows_of_the_future_make_no_event_old(void **state)
{
	uint64_t removed;

	(void)state;
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(
	    store_remove_before(store, HONEST_END_US, HONEST, &removed), 0);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(rows_of(1), 0);
	make_room(1);
	assert_int_equal(fixture_count(dir, "SELECT count(*) FROM events"), 1);
}

static void
test_rows_of_a_clock_put_back_by_hours_are_the_newest(void **state)
{
	(void)state;
	add(4, 1, clock_real_us() + 3600 * 1000000LL);
	make_room(FORGED + HONEST);
	assert_int_equal(rows_of(4), 1);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rows_of_the_future_leave_before_the_oldest),
		TEST(test_rows_of_the_future_make_no_event_old),
		TEST(test_rows_of_a_clock_put_back_by_hours_are_the_newest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
