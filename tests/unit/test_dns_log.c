/* SPDX-License-Identifier: ISC */
/*
 * From dnsd's journal over a channel into the database: what is acknowledged,
 * what is sent again, what a dead dnsd leaves, and who is cut off.
 */
#include <sys/mman.h>

#include <errno.h>
#include <event2/event.h>
#include <stdatomic.h>
#include <unistd.h>

#include "common/memfd.h"
#include "dnsd/journal.h"
#include "flowlog/batch.h"
#include "flowlog/dns.h"
#include "flowlog/store.h"
#include "ipc/channel.h"
#include "ipc/loop.h"
#include "schema/journal.h"
#include "tests/unit/flowlog_fixture.h"
#include "tests/unit/question_fixture.h"

#define WORKER 2

static char dir[FIXTURE_PATH];
static struct event_base *base;
static struct store *store;
static struct batch *batch;
static struct dns *dns;
static struct dns_journal *rows; /* the journal's memory */
static int rows_fd;
static struct journal *journal;
static struct ipc_channel *channel; /* dnsd's end */
static const char *violation;

static void
on_done(void *ctx, const struct batch_origin *origin)
{
	(void)ctx;
	(void)origin;
}

static void
on_damaged(void *ctx)
{
	(void)ctx;
}

static uint32_t
on_uid(void *ctx, const struct flow_record *record)
{
	(void)ctx;
	(void)record;
	return FLOW_UID_NONE;
}

static void
on_violation(void *ctx, unsigned int worker, const char *why)
{
	(void)ctx;
	assert_int_equal(worker, WORKER);
	violation = why;
}

static void
on_ack(void *ctx, struct ipc_message *message)
{
	const struct msg_flows_ack *ack = message->body;

	(void)ctx;
	journal_acknowledge(journal, ack->sequence);
}

static const struct ipc_handler handlers[] = {
	{ MSG_DNS_ACK, on_ack },
	{ MSG_NONE, NULL },
};

static void
on_end(void *ctx, const char *why)
{
	(void)ctx;
	(void)why;
	journal_set_log(journal, NULL);
	ipc_channel_free(channel);
	channel = NULL;
}

static void
on_events(void *ctx, uint32_t id)
{
	(void)ctx;
	(void)id;
}

static void
log_start(void)
{
	static const struct batch_owner owner = { on_done, on_damaged, on_uid,
		on_events, NULL };
	int ends[2];

	batch = batch_new(base, &owner);
	dns = dns_new(base, batch, on_violation, NULL);
	assert_non_null(dns);
	assert_int_equal(ipc_socketpair(ends), 0);
	assert_int_equal(dns_open(dns, WORKER, ends[0]), 0);
	channel = ipc_channel_new(
	    base, ends[1], IPC_DNSD, IPC_FLOWLOG, handlers, on_end, NULL);
	assert_non_null(channel);
	ipc_channel_set_phase(channel, IPC_PHASE_RUN);
	journal_set_log(journal, channel);
}

/* As if it were killed: what was not written is gone. */
static void
log_stop(void)
{
	journal_set_log(journal, NULL);
	ipc_channel_free(channel);
	channel = NULL;
	dns_free(dns);
	batch_free(batch);
}

static void
dnsd_start(void)
{
	void *map;

	rows_fd = memfd_shared("questions", sizeof(*rows), &map);
	assert_true(rows_fd != -1);
	rows = map;
	journal = journal_new(base, rows, WORKER);
	assert_non_null(journal);
}

static void
dnsd_stop(void)
{
	journal_free(journal);
	(void)munmap(rows, sizeof(*rows));
	close(rows_fd);
}

static int
set_up(void **state)
{
	(void)state;
	violation = NULL;
	fixture_dir(dir);
	base = ipc_loop_new(0);
	dnsd_start();
	assert_int_equal(store_open(dir, &store), 0);
	log_start();
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	log_stop();
	dnsd_stop();
	store_close(store);
	event_base_free(base);
	fixture_dir_remove(dir);
	return 0;
}

/* Lets both ends work until there are so many rows, within some seconds. */
static void
turn(void)
{
	static const struct timeval moment = { .tv_usec = 20000 };

	event_base_loopexit(base, &moment);
	event_base_dispatch(base);
}

static int64_t
number(const char *sql)
{
	sqlite3_stmt *statement;
	int64_t value;

	assert_int_equal(
	    sqlite3_prepare_v2(store_handle(store), sql, -1, &statement, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	value = sqlite3_column_int64(statement, 0);
	(void)sqlite3_finalize(statement);
	return value;
}

static void
wait_for(const char *sql, int64_t expected)
{
	int i;

	for (i = 0; i < 500 && number(sql) != expected; i++)
		turn();
	assert_int_equal(number(sql), expected);
}

static void
ask(uint64_t from, uint64_t count)
{
	struct dns_record record;
	uint64_t n;

	for (n = from; n < from + count; n++) {
		record = fixture_question(WORKER, n);
		journal_add(journal, &record, 1);
	}
}

/* They are on disk, and nobody has said so to dnsd. */
static void
ask_until_written(uint64_t count)
{
	ask(0, count);
	journal_flush(journal);
	while (dns_written(dns) < count) {
		(void)event_base_loop(base, EVLOOP_ONCE);
		(void)dns_flush(dns);
	}
}

#define ROWS "SELECT count(*) FROM dns"

static void
test_every_question_becomes_a_row(void **state)
{
	(void)state;
	assert_int_equal(dns_set_store(dns, store), 0);
	ask(0, 1000);
	wait_for(ROWS, 1000);
	assert_int_equal(dns_written(dns), 1000);
	assert_null(violation);
}

static void
test_what_a_dead_log_had_not_written_is_sent_again(void **state)
{
	(void)state;
	/* the first has no database, so it keeps all in memory */
	ask(0, 500);
	journal_flush(journal);
	turn();
	log_stop();
	log_start();
	assert_int_equal(dns_set_store(dns, store), 0);
	ask(500, 500);
	wait_for(ROWS, 1000);
	assert_int_equal(journal_dropped(journal), 0);
}

static void
test_rows_that_were_written_are_not_written_again(void **state)
{
	(void)state;
	assert_int_equal(dns_set_store(dns, store), 0);
	ask_until_written(100);
	/* it dies before it has said so */
	log_stop();
	log_start();
	assert_int_equal(dns_set_store(dns, store), 0);
	ask(100, 1);
	wait_for(ROWS, 101);
	assert_int_equal(dns_written(dns), 1);
}

static void
test_questions_without_room_are_counted(void **state)
{
	static const struct timeval limit = { .tv_sec = 1 };
	uint64_t dropped;

	(void)state;
	(void)limit;
	log_stop(); /* nobody reads */
	ask(0, 100000);
	dropped = journal_dropped(journal);
	assert_true(dropped > 0 && dropped < 100000);
	log_start();
	assert_int_equal(dns_set_store(dns, store), 0);
	batch_set_store(batch, store);
	wait_for(ROWS, 100000 - (int64_t)dropped);
	ask(100000, 1);
	wait_for("SELECT coalesce(sum(count), 0) FROM drops WHERE source ="
		 " 'dnsd' AND kind = 'no-room'",
	    (int64_t)dropped);
	wait_for(ROWS, 100001 - (int64_t)dropped);
}

static void
test_who_sends_a_broken_record_is_cut_off(void **state)
{
	struct dns_record record = fixture_question(WORKER, 0);

	(void)state;
	assert_int_equal(dns_set_store(dns, store), 0);
	record.rest[0] = 77; /* a label beyond the name's end */
	journal_add(journal, &record, 1);
	journal_flush(journal);
	while (violation == NULL)
		(void)event_base_loop(base, EVLOOP_ONCE);
	assert_string_equal(violation, "a record that is not in order");
	assert_int_equal(dns_count(dns), 0);
	assert_int_equal(number(ROWS), 0);
}

static void
test_who_speaks_for_another_is_cut_off(void **state)
{
	struct dns_record record = fixture_question(WORKER + 1, 0);

	(void)state;
	assert_int_equal(dns_set_store(dns, store), 0);
	journal_add(journal, &record, 1);
	journal_flush(journal);
	while (violation == NULL)
		(void)event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(dns_count(dns), 0);
}

/* As if dnsd were killed, and the supervisor told of it. */
static int
dnsd_killed(void)
{
	int result;

	journal_set_log(journal, NULL);
	ipc_channel_free(channel);
	channel = NULL;
	turn();
	result = dns_import(dns, WORKER, rows_fd);
	assert_int_equal(dns_flush(dns), 0);
	return result;
}

#define DROPS(kind)                                       \
	"SELECT coalesce(sum(count), 0) FROM drops WHERE" \
	" source = 'dnsd' AND kind = '" kind "'"

static void
test_what_a_dead_dnsd_had_not_sent_becomes_rows(void **state)
{
	(void)state;
	assert_int_equal(dns_set_store(dns, store), 0);
	ask(0, 100);
	wait_for(ROWS, 100);
	ask(100, 100);
	journal_flush(journal); /* sent, and perhaps unread */
	ask(200, 7);
	assert_int_equal(dnsd_killed(), 0);
	assert_int_equal(number(ROWS), 207);
	assert_int_equal(dns_written(dns), 207);
	assert_null(violation);
}

static void
test_what_was_written_before_a_dnsd_died_is_one_row(void **state)
{
	(void)state;
	assert_int_equal(dns_set_store(dns, store), 0);
	ask_until_written(100);
	/* another log finds its journal */
	log_stop();
	log_start();
	assert_int_equal(dns_set_store(dns, store), 0);
	ask(100, 1);
	assert_int_equal(dnsd_killed(), 0);
	assert_int_equal(dnsd_killed(), 0);
	assert_int_equal(number(ROWS), 101);
	assert_int_equal(dns_written(dns), 1);
}

static void
test_what_a_dead_dnsd_had_given_up_is_counted_once(void **state)
{
	int64_t dropped;

	(void)state;
	log_stop(); /* nobody reads */
	ask(0, 20000);
	dropped = (int64_t)journal_dropped(journal);
	assert_true(dropped > 0);
	log_start();
	assert_int_equal(dns_set_store(dns, store), 0);
	batch_set_store(batch, store);
	wait_for(ROWS, 20000 - dropped);
	ask(20000, 1); /* its message tells of them */
	wait_for(ROWS, 20001 - dropped);
	ask(20001, 1);
	wait_for(ROWS, 20002 - dropped);
	atomic_store(&rows->lost, 5); /* and of these none does */
	assert_int_equal(dnsd_killed(), 0);
	assert_int_equal(batch_flush(batch), 0);
	assert_int_equal(number(DROPS("no-room")), dropped + 5);
	assert_int_equal(number(ROWS), 20002 - dropped);
}

static void
test_journal_that_was_never_begun_is_empty(void **state)
{
	(void)state;
	assert_int_equal(dns_set_store(dns, store), 0);
	memset(rows, 0, sizeof(*rows));
	assert_int_equal(dnsd_killed(), 0);
	assert_int_equal(number(ROWS), 0);
}

static void
test_journal_of_another_is_refused(void **state)
{
	(void)state;
	assert_int_equal(dns_set_store(dns, store), 0);
	ask(0, 3);
	rows->worker = WORKER + 1;
	assert_int_equal(dnsd_killed(), -1);
	assert_int_equal(errno, EBADMSG);
	rows->worker = WORKER;
	atomic_store(&rows->last, DNS_JOURNAL_MESSAGES);
	assert_int_equal(dnsd_killed(), -1);
	atomic_store(&rows->last, 0);
	atomic_store(&rows->first, 2);
	assert_int_equal(dnsd_killed(), -1);
	assert_int_equal(number(ROWS), 0);
}

static void
test_broken_messages_of_a_dead_dnsd_are_counted(void **state)
{
	(void)state;
	assert_int_equal(dns_set_store(dns, store), 0);
	batch_set_store(batch, store);
	ask(0, 10);
	atomic_store(&rows->last, 3);
	rows->message[1] = rows->message[2] = rows->message[3] =
	    rows->message[0];
	rows->message[1].sequence = 11;
	memset(rows->message[1].byte, 0xff, 64);
	rows->message[2].sequence = 12;
	atomic_store(&rows->message[2].bytes, LIMIT_DNS_ROWS_BYTES + 8);
	rows->message[3].sequence = 13;
	atomic_store(&rows->message[3].bytes, 12);
	assert_int_equal(dnsd_killed(), 0);
	assert_int_equal(batch_flush(batch), 0);
	assert_int_equal(number(ROWS), 10);
	assert_int_equal(number(DROPS("violation")), 3);
}

#define STAGED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STAGED(test_every_question_becomes_a_row),
		STAGED(test_what_a_dead_log_had_not_written_is_sent_again),
		STAGED(test_rows_that_were_written_are_not_written_again),
		STAGED(test_questions_without_room_are_counted),
		STAGED(test_who_sends_a_broken_record_is_cut_off),
		STAGED(test_who_speaks_for_another_is_cut_off),
		STAGED(test_what_a_dead_dnsd_had_not_sent_becomes_rows),
		STAGED(test_what_was_written_before_a_dnsd_died_is_one_row),
		STAGED(test_what_a_dead_dnsd_had_given_up_is_counted_once),
		STAGED(test_journal_that_was_never_begun_is_empty),
		STAGED(test_journal_of_another_is_refused),
		STAGED(test_broken_messages_of_a_dead_dnsd_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
