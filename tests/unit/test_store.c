/* SPDX-License-Identifier: ISC */
/* The database: what is written, what is refused, what readers see. */
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>

#include "flowlog/store.h"
#include "schema/flowlog.sql.h"
#include "tests/unit/flowlog_fixture.h"

static char dir[FIXTURE_PATH];
static struct store *store;

static void
open_store(void)
{
	assert_int_equal(store_open(dir, &store), 0);
}

static void
close_store(void)
{
	store_close(store);
	store = NULL;
}

static int
set_up(void **state)
{
	(void)state;
	(void)umask(027);
	fixture_dir(dir);
	open_store();
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	close_store();
	fixture_dir_remove(dir);
	return 0;
}

/* The same file by another connection. */
static sqlite3 *
other_open(void)
{
	char path[2 * FIXTURE_PATH];
	sqlite3 *other;

	(void)snprintf(path, sizeof(path), "%s/flows.db", dir);
	assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
	return other;
}

static void
other_run(sqlite3 *other, const char *sql)
{
	assert_int_equal(sqlite3_exec(other, sql, NULL, NULL, NULL), SQLITE_OK);
}

static void
overwrite(const char *beginning)
{
	char path[2 * FIXTURE_PATH];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/flows.db", dir);
	fd = open(path, O_WRONLY);
	assert_true(write(fd, beginning, strlen(beginning)) > 0);
	close(fd);
}

static int
add(const struct flow_record *record)
{
	int added;

	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_add_flow(store, record, &added), 0);
	assert_int_equal(store_commit(store), 0);
	return added;
}

static void
add_many(uint64_t first, uint64_t count)
{
	struct flow_record record;
	uint64_t i;
	int added;

	assert_int_equal(store_begin(store), 0);
	for (i = first; i < first + count; i++) {
		record = fixture_record(1, i);
		assert_int_equal(store_add_flow(store, &record, &added), 0);
	}
	assert_int_equal(store_commit(store), 0);
}

static void
test_row_says_what_the_record_said(void **state)
{
	struct flow_record record = fixture_record(1, 0);

	(void)state;
	record.close = FLOW_CLOSE_REFUSED;
	record.error = ECONNREFUSED;
	assert_int_equal(add(&record), 1);
	assert_string_equal(
	    fixture_sql(dir,
		"SELECT json_array(id, start, start_us, duration_ms, proto,"
		" src, sport, dst, dport, capture, action, up_bytes,"
		" down_bytes, connect_ms, rtt_us, close, error, worker,"
		" final) FROM flows"),
	    "[129,\"2023-11-14T22:13:20.123Z\",1700000000123456,2.5,\"tcp\","
	    "\"192.0.2.1\",40000,\"198.51.100.7\",443,\"forwarded\","
	    "\"relay\",100,2000,1.5,300,\"refused\",\"ECONNREFUSED\",1,1]");
}

static void
test_an_upstream_and_its_answer_are_told(void **state)
{
	struct flow_record record = fixture_record(1, 5);

	(void)state;
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_add_upstream(store, 1, 0, "corp"), 0);
	assert_int_equal(store_add_upstream(store, 1, 1, "far [::1]:1"), 0);
	assert_int_equal(store_commit(store), 0);
	record.upstream = 1;
	record.close = FLOW_CLOSE_REFUSED;
	record.error = FLOW_ERROR_HTTP + 407;
	assert_int_equal(add(&record), 1);
	assert_string_equal(
	    fixture_sql(dir, "SELECT upstream || ' ' || error FROM flows"),
	    "far [::1]:1 http: 407");
}

static void
test_what_is_not_known_is_null(void **state)
{
	struct flow_record record = fixture_record(LIMIT_FLOW_WORKER, 0);

	(void)state;
	record.close = FLOW_CLOSE_NONE;
	record.connect_us = FLOW_CONNECT_NONE;
	record.rtt_us = 0;
	(void)add(&record);
	assert_int_equal(
	    fixture_count(dir,
		"SELECT count(*) FROM flows WHERE coalesce(host, host_source,"
		" uid, user, unit, rule, upstream, connect_ms, rtt_us, close,"
		" error, worker) IS NULL"),
	    1);
}

static void
test_row_has_the_name_of_its_host_and_where_it_came_from(void **state)
{
	struct flow_record record = fixture_record(1, 0);

	(void)state;
	record.host_source = FLOW_HOST_SNI;
	fixture_name(record.host, 253);
	(void)add(&record);
	assert_string_equal(
	    fixture_sql(dir, "SELECT host FROM flows"), record.host);
	assert_string_equal(
	    fixture_sql(dir, "SELECT host_source FROM flows"), "sni");
	assert_string_equal(
	    fixture_sql(dir, "SELECT host FROM top_hosts"), record.host);
	assert_int_equal(fixture_count(dir, "SELECT count(*) FROM unnamed"), 0);
}

/* A log of the version before: its rows stay, without what it lacked. */
static void
test_older_database_is_brought_up_to_date(void **state)
{
	sqlite3 *older;

	(void)state;
	close_store();
	fixture_dir_remove(dir);
	fixture_dir(dir);
	older = other_open();
	other_run(older,
	    FLOWLOG_TABLES_1 "PRAGMA user_version = 1;"
			     "INSERT INTO flow VALUES (129, 5, 9, 6,"
			     " 'a', 1, 'b', 2, 0, NULL, 0, NULL, 1, 2,"
			     " 3, 4, NULL, NULL, 1, NULL, 1, 1);"
			     "CREATE VIEW flows AS SELECT NULL AS host,"
			     " NULL AS host_source, id FROM flow");
	(void)sqlite3_close(older);
	open_store();
	add_many(1, 1);
	assert_string_equal(
	    fixture_sql(dir, "SELECT json_array(id, host, host_source, dst,"
			     " upstream, source, ech, dns_agrees) FROM flows"
			     " ORDER BY id"),
	    "[129,null,null,\"b\",null,null,0,null]");
	assert_int_equal(fixture_count(dir, "SELECT count(*) FROM flows"), 2);
}

static void
test_columns_stand_in_the_promised_order(void **state)
{
	(void)state;
	assert_string_equal(
	    fixture_sql(dir, "SELECT group_concat(name, ' ') FROM"
			     " pragma_table_info('flows')"),
	    "id start start_us duration_ms proto src sport dst dport host"
	    " host_source capture uid user unit action rule upstream up_bytes"
	    " down_bytes up_packets down_packets connect_ms rtt_us close"
	    " error worker final source ech dns_agrees");
	assert_string_equal(
	    fixture_sql(dir, "SELECT group_concat(name, ' ') FROM"
			     " pragma_table_info('events')"),
	    "id time time_us severity process kind actor message data");
	assert_string_equal(
	    fixture_sql(dir, "SELECT group_concat(name, ' ') FROM"
			     " pragma_table_info('drops')"),
	    "time source kind count");
}

static void
test_every_word_of_the_schema_is_a_word_of_the_view(void **state)
{
	struct flow_record record;
	uint64_t i;

	(void)state;
	for (i = 1; i < FLOW_CLOSE_COUNT; i++) {
		record = fixture_record(1, i);
		record.close = (uint8_t)i;
		(void)add(&record);
		assert_string_equal(
		    fixture_sql(dir, "SELECT close FROM flows ORDER BY id"
				     " DESC LIMIT 1"),
		    flow_close_word((unsigned int)i));
	}
}

static void
test_ipv6_addresses_are_text(void **state)
{
	struct flow_record record = fixture_record(1, 0);

	(void)state;
	memset(record.src, 0, sizeof(record.src));
	record.src[0] = 0x20;
	record.src[1] = 0x01;
	record.src[15] = 1;
	(void)add(&record);
	assert_string_equal(
	    fixture_sql(dir, "SELECT src FROM flows"), "2001::1");
}

static void
test_row_that_comes_again_is_ignored(void **state)
{
	struct flow_record record = fixture_record(1, 0);

	(void)state;
	assert_int_equal(add(&record), 1);
	assert_int_equal(add(&record), 0);
	assert_int_equal(store_rows(store), 1);
}

static void
test_row_whose_id_another_has_is_a_counted_loss(void **state)
{
	struct flow_record record = fixture_record(3, 0);

	(void)state;
	assert_int_equal(add(&record), 1);
	record.sport++;
	assert_int_equal(add(&record), 0);
	assert_int_equal(fixture_count(dir, "SELECT count(*) FROM flows"), 1);
	assert_string_equal(
	    fixture_sql(dir, "SELECT source || kind || count FROM drops"),
	    "flowlogid-taken1");
	assert_int_equal(store_taken(store), 1);
}

static void
test_nothing_of_a_rolled_back_transaction_stays(void **state)
{
	struct flow_record record = fixture_record(1, 0);
	int added;

	(void)state;
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_add_flow(store, &record, &added), 0);
	store_rollback(store);
	assert_int_equal(store_rows(store), 0);
	assert_int_equal(add(&record), 1);
	assert_int_equal(fixture_count(dir, "SELECT count(*) FROM flows"), 1);
}

static void
test_totals_survive_a_restart(void **state)
{
	uint64_t sum;

	(void)state;
	add_many(0, 10);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_add_loss(store, 1, "relay", "no-room", 4), 0);
	assert_int_equal(store_set_counter(store, "x", 9), 0);
	assert_int_equal(store_commit(store), 0);
	close_store();
	open_store();
	assert_int_equal(store_rows(store), 10);
	assert_int_equal(store_sum_losses(store, "relay", "no-room", &sum), 0);
	assert_int_equal(sum, 4);
	assert_int_equal(store_sum_losses(store, "relay", "torn", &sum), 0);
	assert_int_equal(sum, 0);
}

static void
test_rule_text_stays_when_generations_begin_anew(void **state)
{
	struct flow_record first = fixture_record(1, 0);
	struct flow_record second = fixture_record(1, 1);

	(void)state;
	first.rule = second.rule = 0;
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_add_rule(store, 1, 0, "pass to any"), 0);
	assert_int_equal(store_add_rule(store, 2, 0, "stale"), 0);
	assert_int_equal(store_commit(store), 0);
	(void)add(&first);
	/* Another tpxd begins with generation 1, too. */
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_forget_rules(store, 1), 0);
	assert_int_equal(store_add_rule(store, 1, 0, "block to any"), 0);
	assert_int_equal(store_commit(store), 0);
	(void)add(&second);
	second = fixture_record(1, 2);
	second.generation = 2;
	second.rule = 0;
	(void)add(&second);
	assert_string_equal(
	    fixture_sql(dir, "SELECT group_concat(coalesce(rule, '-'), ';')"
			     " FROM (SELECT rule FROM flows ORDER BY id)"),
	    "pass to any;block to any;-");
}

static void
test_oldest_rows_leave_first(void **state)
{
	uint64_t removed;

	(void)state;
	add_many(0, 100);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_remove_oldest(store, 40, &removed), 0);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(removed, 40);
	assert_int_equal(store_rows(store), 60);
	assert_int_equal(
	    fixture_count(dir, "SELECT min(id) FROM flows"), 41 * 128 + 1);
}

static void
test_aged_rows_and_events_leave(void **state)
{
	struct msg_event event = { .time_us = 1700000000000000 };
	struct flow_record tenth = fixture_record(1, 10);
	uint64_t removed;

	(void)state;
	add_many(0, 20);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_add_event(store, &event), 0);
	event.time_us = tenth.start_us + 1000000;
	assert_int_equal(store_add_event(store, &event), 0);
	assert_int_equal(
	    store_remove_before(store,
		tenth.start_us + (int64_t)tenth.duration_us, 1000, &removed),
	    0);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(removed, 10);
	assert_int_equal(fixture_count(dir, "SELECT count(*) FROM events"), 1);
}

static void
test_quota_is_kept(void **state)
{
	static const uint64_t max_bytes = 4 << 20;
	uint64_t i, removed;

	(void)state;
	assert_int_equal(store_set_max(store, max_bytes), 0);
	for (i = 0; i < 90; i++) {
		if (store_is_near_max(store)) {
			assert_int_equal(store_begin(store), 0);
			assert_int_equal(
			    store_remove_oldest(store, 2000, &removed), 0);
			assert_int_equal(store_commit(store), 0);
		}
		add_many(i * 1000, 1000);
		assert_true(store_size_bytes(store) <= max_bytes);
	}
	assert_true(store_rows(store) > 1000);
	assert_int_equal(fixture_count(dir, "SELECT count(*) FROM flows"),
	    store_rows(store));
}

static void
test_full_quota_is_said_and_leaves_the_log_whole(void **state)
{
	struct flow_record record;
	uint64_t i, removed;
	int added, result = 0;

	(void)state;
	assert_int_equal(store_set_max(store, 1 << 20), 0);
	assert_int_equal(store_begin(store), 0);
	for (i = 0; result == 0; i++) {
		record = fixture_record(1, i);
		result = store_add_flow(store, &record, &added);
	}
	assert_int_equal(errno, ENOSPC);
	store_rollback(store);
	assert_int_equal(store_rows(store), 0);
	add_many(0, 3000);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_remove_oldest(store, 3000, &removed), 0);
	assert_int_equal(store_commit(store), 0);
	add_many(3000, 3000);
}

static void
test_file_above_a_new_quota_shrinks(void **state)
{
	uint64_t i, removed;

	(void)state;
	add_many(0, 20000);
	assert_int_equal(store_set_max(store, 1 << 20), 0);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_remove_oldest(store, 19000, &removed), 0);
	assert_int_equal(store_commit(store), 0);
	for (i = 0; i < 10; i++)
		assert_int_equal(store_shrink(store), 0);
	assert_true(fixture_count(dir, "PRAGMA page_count") <= 256);
	add_many(20000, 500);
}

static void
test_another_writer_is_not_waited_for(void **state)
{
	struct flow_record record = fixture_record(1, 0);
	sqlite3 *other;

	(void)state;
	other = other_open();
	other_run(other, "BEGIN IMMEDIATE");
	assert_int_equal(store_begin(store), -1);
	assert_int_equal(errno, EAGAIN);
	store_rollback(store);
	(void)sqlite3_close(other);
	assert_int_equal(add(&record), 1);
}

/* Holds the database for itself, as one that opens it may for a moment. */
static pid_t
holder_start(int held)
{
	char path[FIXTURE_PATH + 16];
	sqlite3 *db;
	pid_t child = fork();

	if (child != 0)
		return child;
	(void)snprintf(path, sizeof(path), "%s/flows.db", dir);
	if (sqlite3_open(path, &db) != SQLITE_OK ||
	    sqlite3_exec(db, "PRAGMA journal_mode=DELETE; BEGIN EXCLUSIVE",
		NULL, NULL, NULL) != SQLITE_OK ||
	    write(held, "x", 1) != 1)
		_exit(1);
	(void)usleep(300000);
	_exit(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK);
}

static void
test_a_lock_at_the_start_is_waited_out(void **state)
{
	int ends[2], status;
	pid_t child;
	char byte;

	(void)state;
	close_store();
	assert_int_equal(pipe(ends), 0);
	child = holder_start(ends[1]);
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	open_store();
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void
test_newer_database_is_refused(void **state)
{
	struct store *again;
	sqlite3 *other;

	(void)state;
	close_store();
	other = other_open();
	other_run(other, "PRAGMA user_version = 99");
	(void)sqlite3_close(other);
	assert_int_equal(store_open(dir, &again), -1);
	assert_int_equal(errno, ENOTSUP);
}

static void
test_damaged_file_is_said_and_can_be_set_aside(void **state)
{
	char path[2 * STORE_PATH_BYTES], name[STORE_PATH_BYTES];
	struct stat status;

	(void)state;
	add_many(0, 10);
	close_store();
	(void)snprintf(path, sizeof(path), "%s/flows.db-wal", dir);
	assert_int_equal(unlink(path), 0); /* it holds the pages, too */
	overwrite("no database at all");
	assert_int_equal(store_open(dir, &store), -1);
	assert_int_equal(errno, EBADMSG);
	assert_int_equal(store_set_aside(dir, 1700000000000000, name), 0);
	assert_string_equal(name, "flows.db.bad-20231114T221320Z");
	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(stat(path, &status), 0);
	open_store();
	add_many(0, 1);
}

static void
test_view_that_differs_is_made_anew(void **state)
{
	sqlite3 *other;

	(void)state;
	close_store();
	other = other_open();
	other_run(
	    other, "DROP VIEW denied; CREATE VIEW denied AS SELECT 1 AS one");
	(void)sqlite3_close(other);
	open_store();
	assert_string_equal(
	    fixture_sql(dir, "SELECT name FROM pragma_table_info('denied')"),
	    "start");
}

static void
test_every_view_for_people_can_be_read(void **state)
{
	static const char *const names[] = { "top_hosts", "top_clients",
		"denied", "failed", "hourly", "unnamed", "long_flows", "gaps" };
	struct flow_record record = fixture_record(1, 0);
	char question[128];
	size_t i;

	(void)state;
	record.close = FLOW_CLOSE_UNREACHABLE;
	record.duration_us = 3600LL * 1000000;
	(void)add(&record);
	record = fixture_record(1, 1);
	record.action = FLOW_ACTION_BLOCK;
	(void)add(&record);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(
	    store_add_loss(store, 1700000000000000, "nflog", "gap", 3), 0);
	assert_int_equal(store_commit(store), 0);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(question, sizeof(question),
		    "SELECT count(*) FROM %s", names[i]);
		assert_int_equal(fixture_count(dir, question), 1);
	}
}

/* As `sqlite3 flows.db' does, with the rights of the group alone. */
static long
count_as_group_member(void)
{
	int pipe_ends[2], status;
	long count = -1;
	gid_t group = getgid();
	pid_t pid;

	assert_int_equal(pipe(pipe_ends), 0);
	pid = fork();
	if (pid == 0) {
		if (setgroups(1, &group) == -1 || setgid(65534) == -1 ||
		    setuid(65534) == -1)
			_exit(1);
		count = fixture_count(dir, "SELECT count(*) FROM flows");
		if (write(pipe_ends[1], &count, sizeof(count)) == -1)
			_exit(1);
		_exit(0);
	}
	close(pipe_ends[1]);
	assert_int_equal(
	    read(pipe_ends[0], &count, sizeof(count)), sizeof(count));
	close(pipe_ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return count;
}

static void
test_another_user_of_the_group_reads_live_and_afterwards(void **state)
{
	char path[2 * FIXTURE_PATH];
	struct stat status;

	(void)state;
	if (geteuid() != 0) {
		print_message("needs root: skipped\n");
		skip();
	}
	assert_int_equal(chmod(dir, 0750), 0);
	add_many(0, 5);
	(void)snprintf(path, sizeof(path), "%s/flows.db", dir);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
	assert_int_equal(count_as_group_member(), 5);
	add_many(5, 5);
	assert_int_equal(count_as_group_member(), 10);
	close_store();
	assert_int_equal(count_as_group_member(), 10);
}

/* The pages that sqlite holds in memory go on to be good. */
static void
test_file_that_somebody_overwrites_is_damaged(void **state)
{
	(void)state;
	add_many(1, 10);
	overwrite("SQLite format 4");
	assert_int_equal(store_begin(store), -1);
	assert_int_equal(errno, EBADMSG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_row_says_what_the_record_said),
		TEST(test_an_upstream_and_its_answer_are_told),
		TEST(test_what_is_not_known_is_null),
		TEST(test_row_has_the_name_of_its_host_and_where_it_came_from),
		TEST(test_older_database_is_brought_up_to_date),
		TEST(test_columns_stand_in_the_promised_order),
		TEST(test_every_word_of_the_schema_is_a_word_of_the_view),
		TEST(test_ipv6_addresses_are_text),
		TEST(test_row_that_comes_again_is_ignored),
		TEST(test_row_whose_id_another_has_is_a_counted_loss),
		TEST(test_nothing_of_a_rolled_back_transaction_stays),
		TEST(test_totals_survive_a_restart),
		TEST(test_rule_text_stays_when_generations_begin_anew),
		TEST(test_oldest_rows_leave_first),
		TEST(test_aged_rows_and_events_leave),
		TEST(test_quota_is_kept),
		TEST(test_full_quota_is_said_and_leaves_the_log_whole),
		TEST(test_file_above_a_new_quota_shrinks),
		TEST(test_another_writer_is_not_waited_for),
		TEST(test_a_lock_at_the_start_is_waited_out),
		TEST(test_newer_database_is_refused),
		TEST(test_damaged_file_is_said_and_can_be_set_aside),
		TEST(test_file_that_somebody_overwrites_is_damaged),
		TEST(test_view_that_differs_is_made_anew),
		TEST(test_every_view_for_people_can_be_read),
		TEST(test_another_user_of_the_group_reads_live_and_afterwards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
