/* SPDX-License-Identifier: ISC */
/*
 * tpx-flowlog as it runs, with its sandbox on: the test plays the supervisor
 * and relays.  TPX_FLOWLOG names the program, else ./tpx-flowlog.
 */
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

#include "ipc/channel.h"
#include "ipc/msg.h"
#include "tests/unit/flowlog_process.h"

#define WORKER 3

/* A relay's end of a new channel. */
static int
relay_connect(unsigned int worker)
{
	struct msg_worker body = { .worker = worker };
	int ends[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	send_message(supervisor, MSG_LOG_RELAY, &body, sizeof(body), ends[1]);
	close(ends[1]);
	return ends[0];
}

/* Rows first .. first + count - 1 as one message; its sequence is their end. */
static void
send_rows(int relay, uint64_t first, unsigned int count, uint64_t dropped)
{
	struct msg_flows flows = {
		.sequence = first + count, .dropped = dropped, .count = count
	};
	unsigned int i;

	for (i = 0; i < count; i++)
		flows.record[i] = fixture_record(WORKER, first + i);
	send_message(relay, MSG_FLOWS, &flows, MSG_FLOWS_BYTES(count), -1);
}

static void
await_ack(int relay, uint64_t sequence)
{
	const struct msg_flows_ack *ack;

	do {
		ack = await(relay, MSG_FLOWS_ACK);
	} while (ack->sequence < sequence);
}

static void
test_rows_are_on_disk_when_acknowledged(void **state)
{
	int relay;

	(void)state;
	start();
	relay = relay_connect(WORKER);
	send_rows(relay, 0, 10, 0);
	await_ack(relay, 10);
	assert_int_equal(fixture_count(dir, "SELECT count(*) FROM flows"), 10);
	assert_string_equal(fixture_sql(dir, "SELECT DISTINCT rule FROM flows"),
	    "default relay");
	close(relay);
	finish(0, 0);
	assert_int_equal(fixture_count(dir, "SELECT count(*) FROM flows"), 10);
}

#define ROWS (LIMIT_FLOW_BATCH * 480)

/* Sends all rows, or as many as the process takes before it is killed. */
static uint64_t
send_all_or_kill(int relay, uint64_t kill_at)
{
	uint64_t sent;

	for (sent = 0; sent < ROWS; sent += LIMIT_FLOW_BATCH) {
		if (sent == kill_at)
			break;
		send_rows(relay, sent, LIMIT_FLOW_BATCH, 0);
	}
	return sent;
}

static void
test_kill_in_the_middle_gives_every_row_once(void **state)
{
	static const uint64_t kills[] = { LIMIT_FLOW_BATCH,
		LIMIT_FLOW_BATCH * 100, LIMIT_FLOW_BATCH * 355, ROWS };
	size_t i;
	int relay;

	(void)state;
	for (i = 0; i < sizeof(kills) / sizeof(kills[0]); i++) {
		start();
		relay = relay_connect(WORKER);
		/* Nothing is known to be on disk: all of it goes again. */
		if (send_all_or_kill(relay, kills[i]) < ROWS)
			finish(SIGKILL, 0);
		else
			await_ack(relay, ROWS);
		if (pid == 0)
			close(relay);
	}
	assert_int_equal(
	    fixture_count(dir, "SELECT count(*) FROM flows"), ROWS);
	close(relay);
	finish(0, 0);
}

static void
test_losses_of_a_relay_count_once_across_a_kill(void **state)
{
	const struct msg_log_stats *stats;
	int relay;

	(void)state;
	start();
	relay = relay_connect(WORKER);
	send_rows(relay, 0, 2, 5);
	await_ack(relay, 2);
	finish(SIGKILL, 0);
	close(relay);
	start();
	relay = relay_connect(WORKER);
	send_rows(relay, 2, 2, 7);
	await_ack(relay, 4);
	stats = await(supervisor, MSG_LOG_STATS);
	assert_int_equal(stats->count, LOSS_COUNT);
	assert_int_equal(stats->lost[LOSS_RELAY], 7);
	assert_int_equal(stats->dropped, 7);
	close(relay);
	finish(0, 0);
	assert_int_equal(fixture_count(dir, "SELECT sum(count) FROM drops"), 7);
}

static void
test_hostile_record_closes_that_relay_only(void **state)
{
	struct msg_flows flows = { .sequence = 1, .count = 1 };
	const struct msg_breach *breach;
	int bad, good;
	char byte;

	(void)state;
	start();
	bad = relay_connect(WORKER + 1);
	good = relay_connect(WORKER);
	flows.record[0] = fixture_record(WORKER, 0);
	send_message(bad, MSG_FLOWS, &flows, MSG_FLOWS_BYTES(1), -1);
	breach = await(supervisor, MSG_LOG_BREACH);
	assert_int_equal(breach->worker, WORKER + 1);
	assert_int_equal(recv(bad, &byte, 1, 0), 0);
	send_rows(good, 0, 3, 0);
	await_ack(good, 3);
	assert_int_equal(fixture_count(dir, "SELECT count(*) FROM flows"), 3);
	close(good);
	close(bad);
	finish(0, 0);
}

static void
test_arena_of_a_dead_relay_becomes_rows(void **state)
{
	struct msg_worker body = { .worker = WORKER };
	struct flow_record record = fixture_record(WORKER, 0);
	struct flow_arena *arena;
	void *map;
	int fd;

	(void)state;
	fd = memfd_shared("arena", FLOW_ARENA_BYTES(8), &map);
	assert_true(fd != -1);
	arena = map;
	arena->magic = FLOW_ARENA_MAGIC;
	arena->slots = 8;
	arena->used = 3;
	arena->worker = WORKER;
	atomic_store(&arena->dropped, 4);
	fixture_slot(arena, 0, &record, FLOW_SLOT_CLOSED);
	record = fixture_record(WORKER, 1);
	record.close = FLOW_CLOSE_NONE;
	fixture_slot(arena, 2, &record, FLOW_SLOT_OPEN);
	start();
	send_message(supervisor, MSG_LOG_ARENA, &body, sizeof(body), fd);
	send_message(supervisor, MSG_LOG_ARENA, &body, sizeof(body), fd);
	close(fd);
	(void)munmap(map, FLOW_ARENA_BYTES(8));
	finish(0, 0);
	assert_int_equal(fixture_count(dir, "SELECT count(*) FROM flows"), 2);
	assert_int_equal(
	    fixture_count(dir, "SELECT count(*) FROM flows WHERE close ="
			       " 'worker-lost' AND duration_ms > 0"),
	    1);
}

static void
test_new_configuration_gives_new_rule_texts(void **state)
{
	struct msg_flows flows = { .sequence = 2, .count = 2 };
	int relay;

	(void)state;
	start();
	configure_text(2, "relay proto tcp to any port 443\n");
	relay = relay_connect(WORKER);
	flows.record[0] = fixture_record(WORKER, 0);
	flows.record[1] = fixture_record(WORKER, 1);
	flows.record[1].generation = 2;
	flows.record[1].rule = 0;
	send_message(relay, MSG_FLOWS, &flows, MSG_FLOWS_BYTES(2), -1);
	await_ack(relay, 2);
	close(relay);
	finish(0, 0);
	assert_string_equal(
	    fixture_sql(dir, "SELECT group_concat(rule, ';') FROM (SELECT"
			     " rule FROM flows ORDER BY id)"),
	    "default relay;relay proto tcp to any port 443");
}

static void
test_heartbeat_and_statistics_are_answered(void **state)
{
	struct msg_beat beat = { .sequence = 77 };
	const struct msg_answer *answer;
	const struct msg_log_stats *stats;
	int relay;

	(void)state;
	start();
	relay = relay_connect(WORKER);
	send_rows(relay, 0, 5, 0);
	await_ack(relay, 5);
	send_message(supervisor, MSG_ASK, &beat, sizeof(beat), -1);
	answer = await(supervisor, MSG_ANSWER);
	assert_int_equal(answer->sequence, 77);
	assert_int_equal(answer->work, 5);
	do {
		stats = await(supervisor, MSG_LOG_STATS);
	} while (stats->rows < 5);
	assert_int_equal(stats->rows, 5);
	assert_true(stats->size_bytes > 0);
	close(relay);
	finish(0, 0);
}

static void
test_events_are_rows(void **state)
{
	struct msg_event event = { .time_us = 1700000000000000,
		.severity = SEVERITY_WARNING,
		.process = "netctl",
		.kind = "repaired",
		.message = "a rule\nwas \x1b[31mback",
		.data = "{\"n\":1}" };

	(void)state;
	start();
	send_message(supervisor, MSG_EVENT, &event, sizeof(event), -1);
	finish(0, 0);
	assert_string_equal(
	    fixture_sql(dir, "SELECT concat FROM (SELECT time || '|' ||"
			     " severity || '|' || message || '|' ||"
			     " json_extract(data, '$.n') AS concat FROM"
			     " events)"),
	    "2023-11-14T22:13:20.000Z|warning|a rule\\x0awas \\x1b[31mback|1");
}

static void
test_end_of_the_supervisor_waits_for_what_relays_sent(void **state)
{
	int relay, status;

	(void)state;
	start();
	relay = relay_connect(WORKER);
	send_rows(relay, 0, 20, 0);
	close(supervisor);
	send_rows(relay, 20, 20, 0);
	close(relay);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	pid = 0;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(fixture_count(dir, "SELECT count(*) FROM flows"), 40);
}

static void
test_damaged_database_is_set_aside(void **state)
{
	char path[2 * FIXTURE_PATH];
	FILE *file;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/flows.db", dir);
	file = fopen(path, "w");
	assert_non_null(file);
	(void)fprintf(file, "%4096s", "this is no database");
	(void)fclose(file);
	spawn();
	configure_text(1, "");
	send_start();
	(void)await(supervisor, MSG_EVENT);
	(void)await(supervisor, MSG_LOG_READY);
	finish(0, 0);
	assert_int_equal(fixture_count(dir, "SELECT count(*) FROM flows"), 0);
}

/* A file system of its own for dir, in a mount namespace of this test. */
static void
mount_small(const char *size)
{
	char options[64];

	(void)snprintf(options, sizeof(options), "size=%s,mode=0755", size);
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("tmpfs", dir, "tmpfs", 0, options), 0);
}

static void
test_full_disk_loses_nothing_that_can_wait(void **state)
{
	const struct msg_log_stats *stats;
	uint64_t sent;
	int relay;

	(void)state;
	if (geteuid() != 0) {
		print_message("needs root: skipped\n");
		skip();
	}
	mount_small("512k");
	start();
	relay = relay_connect(WORKER);
	for (sent = 0; sent < ROWS; sent += LIMIT_FLOW_BATCH)
		send_rows(relay, sent, LIMIT_FLOW_BATCH, 0);
	do {
		stats = await(supervisor, MSG_LOG_STATS);
	} while (stats->queued == 0);
	assert_true(stats->rows < ROWS);
	assert_int_equal(mount(NULL, dir, NULL, MS_REMOUNT, "size=64m"), 0);
	await_ack(relay, ROWS);
	assert_int_equal(
	    fixture_count(dir, "SELECT count(*) FROM flows"), ROWS);
	assert_int_equal(fixture_count(dir, "SELECT count(*) FROM drops"), 0);
	close(relay);
	finish(0, 0);
	assert_int_equal(umount2(dir, MNT_DETACH), 0);
}

static void
test_stop_before_the_start_is_no_failure(void **state)
{
	(void)state;
	spawn();
	finish(0, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_rows_are_on_disk_when_acknowledged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_kill_in_the_middle_gives_every_row_once, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(
		    test_losses_of_a_relay_count_once_across_a_kill, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(
		    test_hostile_record_closes_that_relay_only, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(
		    test_arena_of_a_dead_relay_becomes_rows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_new_configuration_gives_new_rule_texts, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(
		    test_heartbeat_and_statistics_are_answered, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(
		    test_events_are_rows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_end_of_the_supervisor_waits_for_what_relays_sent,
		    set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_damaged_database_is_set_aside, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_full_disk_loses_nothing_that_can_wait, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(
		    test_stop_before_the_start_is_no_failure, set_up,
		    tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
