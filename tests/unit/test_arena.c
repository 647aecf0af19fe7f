/* SPDX-License-Identifier: ISC */
/* What is found in the arena of a dead relay; the batch is played here. */
#include <sys/mman.h>

#include <errno.h>
#include <stdatomic.h>

#include "common/memfd.h"
#include "flowlog/arena.h"
#include "tests/unit/flowlog_fixture.h"

#define WORKER 2
#define SLOTS 8
#define NOW_US 5000000

static struct flow_arena *arena;
static int arena_fd;
static struct flow_record rows[SLOTS];
static size_t nrows;
static uint64_t torn;
static uint64_t dropped;

int
batch_add_flow(struct batch *batch, const struct flow_record *record,
    const struct batch_origin *origin)
{
	(void)batch;
	assert_int_equal(origin->sequence, 0);
	assert_true(nrows < SLOTS);
	rows[nrows++] = *record;
	return 0;
}

void
batch_add_loss(struct batch *batch, enum flow_loss loss, uint64_t count)
{
	(void)batch;
	assert_int_equal(loss, LOSS_TORN);
	torn += count;
}

void
batch_relay_dropped(
    struct batch *batch, unsigned int worker, uint64_t count, int ended)
{
	(void)batch;
	assert_int_equal(worker, WORKER);
	assert_true(ended);
	dropped = count;
}

static int
set_up(void **state)
{
	void *map;

	(void)state;
	nrows = 0;
	torn = dropped = 0;
	arena_fd = memfd_shared("arena", FLOW_ARENA_BYTES(SLOTS), &map);
	assert_true(arena_fd != -1);
	arena = map;
	arena->magic = FLOW_ARENA_MAGIC;
	arena->slots = SLOTS;
	arena->used = SLOTS;
	arena->worker = WORKER;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	(void)munmap(arena, FLOW_ARENA_BYTES(SLOTS));
	close(arena_fd);
	return 0;
}

static void
fill(unsigned int slot, enum flow_slot_state state)
{
	struct flow_record record = fixture_record(WORKER, slot);

	if (state == FLOW_SLOT_OPEN)
		record.close = FLOW_CLOSE_NONE;
	fixture_slot(arena, slot, &record, state);
}

static int
read_arena(void)
{
	return arena_read(arena, FLOW_ARENA_BYTES(SLOTS), WORKER, NOW_US, NULL);
}

static void
test_closed_flows_are_rows_as_they_are(void **state)
{
	(void)state;
	fill(1, FLOW_SLOT_CLOSED);
	assert_int_equal(read_arena(), 0);
	assert_int_equal(nrows, 1);
	assert_memory_equal(
	    &rows[0], &arena->slot[1].entry, sizeof(arena->slot[1].entry));
	assert_string_equal(rows[0].host, "");
}

static void
test_names_of_any_length_come_out_whole(void **state)
{
	struct flow_record record;
	uint32_t len, slot;

	(void)state;
	for (len = FLOW_HOST_NEAR - 1, slot = 0; slot < SLOTS; len++, slot++) {
		record = fixture_record(WORKER, slot);
		record.host_source = FLOW_HOST_SNI;
		fixture_name(record.host, slot == 0 ? 253 : len);
		fixture_slot(arena, slot, &record, FLOW_SLOT_CLOSED);
	}
	assert_int_equal(read_arena(), 0);
	assert_int_equal(nrows, SLOTS);
	for (len = FLOW_HOST_NEAR - 1, slot = 0; slot < SLOTS; len++, slot++) {
		fixture_name(record.host, slot == 0 ? 253 : len);
		assert_string_equal(rows[slot].host, record.host);
	}
}

/* A long name's rest stays where it was; it is nobody else's. */
static void
test_name_of_the_flow_before_is_not_seen(void **state)
{
	struct flow_record record = fixture_record(WORKER, 0);

	(void)state;
	record.host_source = FLOW_HOST_HTTP;
	fixture_name(record.host, 253);
	fixture_slot(arena, 0, &record, FLOW_SLOT_CLOSED);
	fixture_name(record.host, FLOW_HOST_NEAR);
	fixture_slot(arena, 0, &record, FLOW_SLOT_CLOSED);
	assert_int_equal(read_arena(), 0);
	assert_string_equal(rows[0].host, record.host);
	arena->slot[0].entry.host_source = FLOW_HOST_NONE;
	assert_int_equal(read_arena(), 0);
	assert_string_equal(rows[1].host, "");
}

/* Whoever wrote the arena need not have ended a name. */
static void
test_name_that_is_none_makes_a_flow_torn(void **state)
{
	(void)state;
	fill(0, FLOW_SLOT_CLOSED);
	arena->slot[0].entry.host_source = FLOW_HOST_SNI;
	fill(1, FLOW_SLOT_CLOSED);
	arena->slot[1].entry.host_source = FLOW_HOST_SNI;
	memset(
	    (char *)arena + sizeof(*arena) + SLOTS * sizeof(struct flow_slot),
	    'a', SLOTS * sizeof(struct flow_far));
	memset(arena->slot[1].host, 'a', FLOW_HOST_NEAR);
	assert_int_equal(read_arena(), 0);
	assert_int_equal(nrows, 0);
	assert_int_equal(torn, 2);
}

static void
test_open_flows_ended_with_their_worker(void **state)
{
	(void)state;
	fill(0, FLOW_SLOT_OPEN);
	assert_int_equal(read_arena(), 0);
	assert_int_equal(nrows, 1);
	assert_int_equal(rows[0].close, FLOW_CLOSE_WORKER_LOST);
	assert_int_equal(rows[0].final, 1);
	assert_int_equal(rows[0].duration_us, NOW_US - 1000000);
}

static void
test_start_in_the_future_gives_no_duration(void **state)
{
	(void)state;
	fill(0, FLOW_SLOT_OPEN);
	arena->slot[0].entry.start_mono_us = NOW_US + 1;
	assert_int_equal(read_arena(), 0);
	assert_int_equal(rows[0].duration_us, 0);
}

static void
test_free_and_untouched_slots_are_passed_over(void **state)
{
	(void)state;
	fill(0, FLOW_SLOT_FREE);
	fill(5, FLOW_SLOT_CLOSED);
	arena->used = 5;
	assert_int_equal(read_arena(), 0);
	assert_int_equal(nrows, 0);
}

static void
test_flows_without_a_row_are_counted_once(void **state)
{
	unsigned int i;

	(void)state;
	atomic_store(&arena->unlogged, 7);
	for (i = 0; i < 4; i++) {
		fill(i, FLOW_SLOT_OPEN);
		arena->slot[i].entry.unlogged = 1;
	}
	fill(4, FLOW_SLOT_OPEN);
	/* They died with one that was about to be counted, and one that was. */
	arena->slot[1].counted = 8;
	arena->slot[2].counted = 7;
	fill(3, FLOW_SLOT_FREE);
	assert_int_equal(read_arena(), 0);
	assert_int_equal(nrows, 1);
	assert_int_equal(torn, 0);
	assert_int_equal(flow_arena_unlogged(arena, SLOTS), 7 + 2);
	arena->used = UINT32_MAX;
	assert_int_equal(flow_arena_unlogged(arena, 1), 7 + 1);
}

/* None has been counted yet, so that no slot says that it was. */
static void
test_the_first_flow_without_a_row_is_counted(void **state)
{
	(void)state;
	fill(0, FLOW_SLOT_OPEN);
	arena->slot[0].entry.unlogged = 1;
	assert_int_equal(flow_arena_unlogged(arena, SLOTS), 1);
}

/* Whoever writes nonsense hides nothing: it is no row, and a loss. */
static void
test_flow_that_is_neither_with_nor_without_a_row_is_a_loss(void **state)
{
	(void)state;
	fill(0, FLOW_SLOT_CLOSED);
	arena->slot[0].entry.unlogged = 2;
	assert_int_equal(read_arena(), 0);
	assert_int_equal(nrows, 0);
	assert_int_equal(torn, 1);
	assert_int_equal(flow_arena_unlogged(arena, SLOTS), 0);
}

static void
test_half_written_flow_is_counted(void **state)
{
	(void)state;
	fill(0, FLOW_SLOT_OPEN);
	arena->slot[0].entry.start_us = 0;
	fill(1, FLOW_SLOT_CLOSED);
	assert_int_equal(read_arena(), 0);
	assert_int_equal(nrows, 1);
	assert_int_equal(torn, 1);
}

static void
test_losses_are_handed_on(void **state)
{
	(void)state;
	atomic_store(&arena->dropped, 12);
	assert_int_equal(read_arena(), 0);
	assert_int_equal(dropped, 12);
}

static void
test_header_is_not_believed(void **state)
{
	(void)state;
	fill(0, FLOW_SLOT_CLOSED);
	arena->used = SLOTS + 1;
	assert_int_equal(read_arena(), -1);
	assert_int_equal(errno, EBADMSG);
	arena->used = SLOTS;
	arena->slots = LIMIT_FLOW_SLOTS;
	assert_int_equal(read_arena(), -1);
	arena->slots = SLOTS;
	arena->worker = WORKER + 1;
	assert_int_equal(read_arena(), -1);
	arena->worker = WORKER;
	arena->magic++;
	assert_int_equal(read_arena(), -1);
	assert_int_equal(nrows, 0);
}

static void
test_arena_that_was_never_used_is_empty(void **state)
{
	(void)state;
	memset(arena, 0, sizeof(*arena));
	assert_int_equal(read_arena(), 0);
	assert_int_equal(nrows, 0);
}

static void
test_descriptor_is_mapped_and_read(void **state)
{
	(void)state;
	fill(3, FLOW_SLOT_OPEN);
	assert_int_equal(arena_import(arena_fd, WORKER, NULL), 0);
	assert_int_equal(nrows, 1);
	assert_true(rows[0].duration_us > 0);
}

static void
test_descriptor_that_is_no_arena_is_refused(void **state)
{
	int fd = memfd_sealed("short", "x", 1);

	(void)state;
	assert_int_equal(arena_import(fd, WORKER, NULL), -1);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_closed_flows_are_rows_as_they_are),
		TEST(test_names_of_any_length_come_out_whole),
		TEST(test_name_of_the_flow_before_is_not_seen),
		TEST(test_name_that_is_none_makes_a_flow_torn),
		TEST(test_open_flows_ended_with_their_worker),
		TEST(test_start_in_the_future_gives_no_duration),
		TEST(test_free_and_untouched_slots_are_passed_over),
		TEST(test_flows_without_a_row_are_counted_once),
		TEST(test_the_first_flow_without_a_row_is_counted),
		TEST(
		    test_flow_that_is_neither_with_nor_without_a_row_is_a_loss),
		TEST(test_half_written_flow_is_counted),
		TEST(test_losses_are_handed_on),
		TEST(test_header_is_not_believed),
		TEST(test_arena_that_was_never_used_is_empty),
		TEST(test_descriptor_is_mapped_and_read),
		TEST(test_descriptor_that_is_no_arena_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
