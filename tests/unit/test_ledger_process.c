/* SPDX-License-Identifier: ISC */
/* What tpx-flowlog finds of those before it, as it runs. */
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>

#include "tests/unit/flowlog_process.h"

/* A row of a flow that the kernel blocked, at a position of the ledger. */
static void
ledger_put(uint64_t position)
{
	struct flow_record record =
	    fixture_record(LIMIT_FLOW_WORKER, 1000000 + position);

	record.action = FLOW_ACTION_BLOCK;
	record.close = FLOW_CLOSE_POLICY;
	memcpy(&ledger->row[position], &record, sizeof(ledger->row[position]));
	ledger->state[0].tail = position + 1;
	ledger->state[0].next_id = record.id + FLOW_ID_STEP;
	ledger->state[0].blocked++;
}

static uint8_t *
put_attribute(uint8_t *at, uint16_t type, const void *value, size_t len)
{
	struct nlattr head = { .nla_len = (uint16_t)(sizeof(head) + len),
		.nla_type = type };

	memcpy(at, &head, sizeof(head));
	memcpy(at + sizeof(head), value, len);
	return at + sizeof(head) + NLA_ALIGN(len);
}

/* One more that it has received and not looked at: from 192.0.2.7. */
static void
ledger_put_unread(void)
{
	static const uint8_t packet[24] = { 0x45, 0, 0,
		60, [9] = IPPROTO_TCP, [12] = 192, 0, 2, 7, 198, 51, 100, 7,
		0x9c, 0x40, 0, 25 };
	struct nlmsghdr head = { .nlmsg_type = NFNL_SUBSYS_ULOG << 8 |
					       NFULNL_MSG_PACKET };
	uint8_t *bytes = ledger->datagram[IPC_SOURCE_NFLOG].byte;
	uint8_t *at = bytes + sizeof(head) + sizeof(struct nfgenmsg);

	at = put_attribute(at, NFULA_PREFIX, "1.0", sizeof("1.0"));
	at = put_attribute(at, NFULA_PAYLOAD, packet, sizeof(packet));
	head.nlmsg_len = (uint32_t)(at - bytes);
	memcpy(bytes, &head, sizeof(head));
}

static const struct msg_log_stats *
stats_once_written(uint64_t rows)
{
	const struct msg_log_stats *stats;
	int left = 20; /* one comes each second */

	do {
		stats = await(supervisor, MSG_LOG_STATS);
	} while ((stats->rows < rows || stats->queued > 0) && left-- > 0);
	return stats;
}

static void
test_what_a_killed_one_knew_of_the_kernel_is_written_once(void **state)
{
	const struct msg_log_stats *stats;
	unsigned int i;

	(void)state;
	ledger_new();
	ledger->magic = LEDGER_MAGIC;
	for (i = 0; i < 3; i++)
		ledger_put(i);
	ledger->state[0].passed = 5;
	ledger->state[0].lost[LEDGER_GAP] = 2;
	ledger_put_unread();
	for (i = 0; i < 3; i++) {
		start();
		finish(SIGKILL, 0);
	}
	start();
	stats = stats_once_written(4);
	assert_int_equal(stats->rows, 4);
	assert_int_equal(stats->passed, 5);
	assert_int_equal(stats->blocked, 4);
	assert_int_equal(stats->dropped, 2);
	finish(0, 0);
	assert_int_equal(fixture_count(dir, "SELECT count(*) FROM flows"), 4);
	assert_int_equal(fixture_count(dir, "SELECT sum(count) FROM drops"), 2);
	assert_string_equal(
	    fixture_sql(dir, "SELECT src FROM flows ORDER BY id DESC"),
	    "192.0.2.7");
	start();
	stats = await(supervisor, MSG_LOG_STATS);
	assert_int_equal(stats->rows, 4);
	assert_int_equal(stats->blocked, 4);
	assert_int_equal(stats->dropped, 2);
	finish(0, 0);
}

static void
send_events(uint32_t first, uint32_t last)
{
	static const struct msg_event event = { .time_us = 1,
		.process = "tpxd",
		.kind = "state",
		.message = "armed" };
	struct msg_header header = { .type = MSG_EVENT,
		.len_bytes = sizeof(event) };
	struct iovec parts[] = { { &header, sizeof(header) },
		{ (void *)(uintptr_t)&event, sizeof(event) } };
	const struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

	for (header.id = first; header.id <= last; header.id++)
		assert_true(sendmsg(supervisor, &message, MSG_NOSIGNAL) > 0);
}

static long
events(void)
{
	return fixture_count(
	    dir, "SELECT count(*) FROM events WHERE kind = 'state'");
}

/* The supervisor sends again what it has not been told to be on disk. */
static void
test_events_are_rows_once_whoever_is_killed(void **state)
{
	(void)state;
	start();
	send_events(1, 3);
	(void)await(supervisor, MSG_LOG_EVENTS_DONE);
	finish(SIGKILL, 0);
	start();
	send_events(1, 5); /* as if it had not been told */
	finish(SIGKILL, 0);
	start();
	send_events(1, 6);
	(void)await(supervisor, MSG_LOG_EVENTS_DONE);
	assert_int_equal(ledger->state[ledger->current].events, 6);
	finish(0, 0);
	assert_int_equal(events(), 6);
	/* another tpxd begins with 1 again */
	ledger_release();
	start();
	finish(SIGKILL, 0);
	start();
	send_events(1, 2);
	finish(0, 0);
	assert_int_equal(events(), 8);
	assert_int_equal(fixture_count(dir, "SELECT count(*) FROM drops"), 0);
}

static void
test_events_go_on_in_a_log_that_replaces_a_damaged_one(void **state)
{
	char path[2 * FIXTURE_PATH];

	(void)state;
	start();
	send_events(1, 3);
	(void)await(supervisor, MSG_LOG_EVENTS_DONE);
	finish(0, 0);
	(void)snprintf(path, sizeof(path), "%s/flows.db", dir);
	assert_int_equal(unlink(path), 0);
	start();
	send_events(4, 5);
	finish(0, 0);
	assert_int_equal(events(), 2);
	assert_int_equal(fixture_count(dir, "SELECT count(*) FROM drops"), 0);
}

static void
test_ledger_that_makes_no_sense_is_begun_anew(void **state)
{
	const struct msg_event *event;

	(void)state;
	ledger_new();
	ledger->magic = LEDGER_MAGIC;
	ledger_put(0);
	ledger->state[0].tail = LIMIT_LEDGER_ROWS + 1;
	spawn();
	configure_text(1, "");
	send_start();
	event = await(supervisor, MSG_EVENT);
	assert_string_equal(event->kind, "ledger-unreadable");
	(void)await(supervisor, MSG_LOG_READY);
	finish(0, 0);
	assert_int_equal(ledger->state[0].tail, 0);
}

/* As one would be that brings whoever reads it down. */
static void
test_datagram_over_which_three_died_is_left_unread(void **state)
{
	(void)state;
	ledger_new();
	ledger->magic = LEDGER_MAGIC;
	ledger->state[0].next_id = LIMIT_FLOW_WORKER;
	ledger->state[0].tries[IPC_SOURCE_NFLOG] = 3;
	ledger_put_unread();
	start();
	finish(0, 0);
	assert_int_equal(fixture_count(dir, "SELECT count(*) FROM flows"), 0);
	assert_string_equal(
	    fixture_sql(dir, "SELECT kind || count FROM drops"), "unreadable1");
}

/* The last id that a relay can write, with which no other row can follow. */
static void
forge_last_id(void)
{
	static const char forge[] =
	    "CREATE TEMP TABLE forged AS SELECT * FROM flow LIMIT 1;"
	    "UPDATE forged SET id = (1 << 53) - 127;"
	    "INSERT INTO flow SELECT * FROM forged";
	char path[2 * FIXTURE_PATH];
	sqlite3 *db;

	(void)snprintf(path, sizeof(path), "%s/flows.db", dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, forge, NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(db);
}

static void
test_id_of_a_relay_that_lies_leaves_those_of_the_kernel(void **state)
{
	(void)state;
	ledger_new();
	ledger->magic = LEDGER_MAGIC;
	ledger_put(0);
	start();
	finish(0, 0);
	forge_last_id();
	start();
	finish(SIGKILL, 0);
	ledger_put_unread();
	start();
	finish(0, 0);
	assert_int_equal(
	    fixture_count(dir, "SELECT count(*) FROM flows WHERE"
			       " action = 'block' AND id < 1 << 52"),
	    2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_a_killed_one_knew_of_the_kernel_is_written_once),
		TEST(test_events_are_rows_once_whoever_is_killed),
		TEST(test_events_go_on_in_a_log_that_replaces_a_damaged_one),
		TEST(test_ledger_that_makes_no_sense_is_begun_anew),
		TEST(test_datagram_over_which_three_died_is_left_unread),
		TEST(test_id_of_a_relay_that_lies_leaves_those_of_the_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
