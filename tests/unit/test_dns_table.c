/* SPDX-License-Identifier: ISC */
/* Questions in the database: what a row says, its id, and who leaves first. */
#include "flowlog/dns_table.h"

#include "flowlog/room.h"
#include "flowlog/store.h"
#include "tests/unit/flowlog_fixture.h"
#include "tests/unit/question_fixture.h"

static char dir[FIXTURE_PATH];
static struct store *store;
static struct dns_table *table;

static int
set_up(void **state)
{
	(void)state;
	fixture_dir(dir);
	assert_int_equal(store_open(dir, &store), 0);
	table = dns_table_new(store);
	assert_non_null(table);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	dns_table_free(table);
	store_close(store);
	fixture_dir_remove(dir);
	return 0;
}

static int
add(const struct dns_record *record)
{
	int added;

	assert_int_equal(store_begin(store), 0);
	assert_int_equal(dns_table_add(table, record, &added), 0);
	assert_int_equal(store_commit(store), 0);
	return added;
}

static void
assert_value(const char *sql, const char *expected)
{
	sqlite3_stmt *statement;
	const char *text;

	assert_int_equal(
	    sqlite3_prepare_v2(store_handle(store), sql, -1, &statement, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	text = (const char *)sqlite3_column_text(statement, 0);
	if (expected == NULL)
		assert_null(text);
	else
		assert_string_equal(text, expected);
	(void)sqlite3_finalize(statement);
}

static void
test_row_says_what_was_asked_and_answered(void **state)
{
	static const char *const expected[][2] = {
		{ "time", "2023-11-14T22:13:20.123Z" },
		{ "time_us", "1700000000123456" },
		{ "client", "192.0.2.1" },
		{ "cport", "40000" },
		{ "server", "198.51.100.53" },
		{ "transport", "udp" },
		{ "qname", "www.example.org" },
		{ "qtype", "A" },
		{ "rcode", "NOERROR" },
		{ "answers",
		    "[\"cdn\",\"198.51.100.7\",\"2001:db8::7\",\"TXT\"]" },
		{ "ttl", "300" },
		{ "latency_us", "250" },
		{ "source", "resolver" },
		{ "dnssec", "secure" },
		{ "action", "relay" },
		{ "rule", NULL },
		{ "capture", "forwarded" },
		{ "ede", NULL },
		{ "worker", "3" },
		{ "one_in", "1" },
	};
	struct dns_record record = fixture_question(3, 0);
	char sql[100];
	size_t i;

	(void)state;
	assert_int_equal(add(&record), 1);
	for (i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		(void)snprintf(
		    sql, sizeof(sql), "SELECT %s FROM dns", expected[i][0]);
		assert_value(sql, expected[i][1]);
	}
}

static void
test_a_row_may_stand_for_several_questions(void **state)
{
	struct dns_record record = fixture_question(0, 0);

	(void)state;
	record.one_in = 10;
	record.action = FLOW_ACTION_BLOCK;
	add(&record);
	assert_value("SELECT one_in FROM dns", "10");
	assert_value("SELECT queries FROM dns_blocked", "10");
}

static void
test_question_without_a_name_has_none(void **state)
{
	struct dns_record record = fixture_question(0, 0);

	(void)state;
	record.name_bytes = 0;
	record.summary_bytes = 0;
	record.ttl_s = DNS_TTL_NONE;
	record.rcode = 23;
	record.source = DNS_SOURCE_NONE;
	record.security = DNS_SECURITY_NONE;
	record.ede = 15;
	add(&record);
	assert_value("SELECT qname FROM dns", NULL);
	assert_value("SELECT qtype FROM dns", NULL);
	assert_value("SELECT ttl FROM dns", NULL);
	assert_value("SELECT answers FROM dns", NULL);
	assert_value("SELECT source FROM dns", NULL);
	assert_value("SELECT dnssec FROM dns", NULL);
	assert_value("SELECT rcode FROM dns", "RCODE23");
	assert_value("SELECT ede FROM dns", "15");
}

static void
test_answers_are_json_whatever_the_names_are(void **state)
{
	static const uint8_t summary[] = { 0, 5, 7, 5, '"', '\\', 0, 0xff, '.',
		0 };
	struct dns_record record = fixture_question(0, 0);

	(void)state;
	memcpy(record.rest + record.name_bytes, summary, sizeof(summary));
	record.summary_bytes = sizeof(summary);
	assert_int_not_equal(dns_record_check(&record, sizeof(record)), 0);
	add(&record);
	assert_value("SELECT json_valid(answers) FROM dns", "1");
	assert_value("SELECT json_extract(answers, '$[0]') FROM dns",
	    "\\\"\\\\\\000\\255\\.");
}

static void
test_same_question_told_twice_is_one_row(void **state)
{
	struct dns_record record = fixture_question(0, 0);

	(void)state;
	assert_int_equal(add(&record), 1);
	assert_int_equal(add(&record), 0);
	assert_value("SELECT count(*) FROM dns", "1");
}

static void
test_questions_of_one_moment_have_ids_of_their_own(void **state)
{
	struct dns_record record = fixture_question(0, 0);
	int i;

	(void)state;
	for (i = 0; i < 100; i++) {
		record.cport = (uint16_t)(1000 + i);
		assert_int_equal(add(&record), 1);
	}
	assert_value("SELECT count(*) FROM dns", "100");
	assert_value("SELECT max(id) - min(id) < 10000 FROM dns", "1");
	/* one of them told again is still known */
	record.cport = 1050;
	assert_int_equal(add(&record), 0);
}

/* How often statements have been run. */
static int
runs(void)
{
	sqlite3_stmt *statement = NULL;
	int count = 0;

	while ((statement = sqlite3_next_stmt(
		    store_handle(store), statement)) != NULL)
		count +=
		    sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_RUN, 1);
	return count;
}

/* Only who is hostile has so many: they shall not hold up everybody's log. */
static void
test_a_time_that_very_many_have_costs_little(void **state)
{
	struct dns_record record = fixture_question(0, 0);
	int i, added, lost = 0;

	(void)state;
	assert_int_equal(store_begin(store), 0);
	for (i = 0; i < 500; i++) {
		record.cport = (uint16_t)(1000 + i);
		(void)runs();
		assert_int_equal(dns_table_add(table, &record, &added), 0);
		assert_in_range(runs(), 1, 300);
		lost += added == -1;
	}
	assert_in_range(lost, 1, 400);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(
	    fixture_count(dir, "SELECT count(*) FROM dns"), 500 - lost);
}

/* A worker gives times one behind the other to what it reads at once. */
static void
test_two_workers_at_a_time_do_not_search_long(void **state)
{
	struct dns_record record;
	unsigned int worker;
	int i, added;

	(void)state;
	(void)runs();
	assert_int_equal(store_begin(store), 0);
	for (worker = 0; worker < 2; worker++)
		for (i = 0; i < 64; i++) {
			record = fixture_question(worker, 0);
			record.time_us += i + (int)worker * 5;
			record.cport =
			    (uint16_t)(1000 * (worker + 1) + (unsigned int)i);
			assert_int_equal(
			    dns_table_add(table, &record, &added), 0);
			assert_int_equal(added, 1);
		}
	assert_int_equal(store_commit(store), 0);
	assert_in_range(runs(), 128, 3 * 128);
}

/* A message of questions, n of them, a microsecond apart. */
static size_t
message_fill(uint8_t *bytes, int n)
{
	struct dns_record record;
	size_t len = 0;
	int i;

	for (i = 0; i < n; i++) {
		record = fixture_question(0, 0);
		record.time_us += i;
		record.cport = (uint16_t)(1000 + i);
		memcpy(bytes + len, &record, dns_record_bytes(&record));
		len += dns_record_bytes(&record);
	}
	return len;
}

static uint64_t
add_all(const uint8_t *bytes, size_t len)
{
	struct dns_added added = { 0 };

	assert_int_equal(store_begin(store), 0);
	assert_int_equal(dns_table_add_all(table, bytes, len, &added), 0);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(added.lost, 0);
	return added.rows;
}

static void
test_questions_of_a_message_are_rows(void **state)
{
	static _Alignas(8) uint8_t bytes[100 * sizeof(struct dns_record)];
	size_t len = message_fill(bytes, 100);

	(void)state;
	(void)runs();
	assert_int_equal(add_all(bytes, len), 100);
	assert_value("SELECT count(DISTINCT cport) FROM dns", "100");
	assert_value("SELECT count(DISTINCT time_us) FROM dns", "100");
	assert_value("SELECT count(*) FROM dns WHERE qname = 'www.example.org'"
		     " AND answers LIKE '%198.51.100.7%'",
	    "100");
	/* Most of them by a few statements. */
	assert_in_range(runs(), 1, 50);
	assert_int_equal(add_all(bytes, len), 0);
	assert_value("SELECT count(*) FROM dns", "100");
}

/* Two at one time, one told twice: so whole messages may be again. */
static void
test_taken_times_in_a_message_cost_no_row(void **state)
{
	static _Alignas(8) uint8_t bytes[100 * sizeof(struct dns_record)];
	struct dns_record record = fixture_question(1, 0);
	size_t len = message_fill(bytes, 64);

	(void)state;
	record.cport = 7;
	assert_int_equal(add(&record), 1);
	record.cport = 8;
	record.time_us += 20;
	assert_int_equal(add(&record), 1);
	memcpy(&record, bytes, dns_record_bytes(&record));
	record.time_us += 40;
	record.cport = 1040;
	assert_int_equal(add(&record), 1);
	assert_int_equal(add_all(bytes, len), 63);
	assert_value("SELECT count(*) FROM dns", "66");
	assert_value("SELECT count(DISTINCT cport) FROM dns", "66");
}

static void
test_a_row_has_the_text_of_its_rule(void **state)
{
	static _Alignas(8) uint8_t bytes[20 * sizeof(struct dns_record)];
	size_t len = message_fill(bytes, 18), at;
	struct dns_record *record;

	(void)state;
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(
	    store_add_rule(store, 1, DNS_RULE_BLOCK, "dns block <ads>"), 0);
	assert_int_equal(store_commit(store), 0);
	for (at = 0; at < len; at += dns_record_bytes(record)) {
		record = (void *)(bytes + at);
		if (record->cport % 2 == 0)
			record->rule = DNS_RULE_BLOCK;
		if (record->cport == 1017)
			record->rule = DNS_RULE_BLOCK + 1; /* unknown */
	}
	assert_int_equal(add_all(bytes, len), 18);
	assert_value("SELECT count(*) FROM dns WHERE rule = 'dns block <ads>'"
		     " AND cport % 2 = 0",
	    "9");
	assert_value("SELECT count(*) FROM dns WHERE rule IS NULL", "9");
}

static void
test_old_questions_leave(void **state)
{
	struct dns_record record;
	unsigned int i;

	(void)state;
	for (i = 0; i < 10; i++) {
		record = fixture_question(0, i);
		add(&record);
	}
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(
	    dns_table_remove_before(table, record.time_us - 4000, 3), 0);
	assert_int_equal(store_commit(store), 0);
	assert_value("SELECT count(*) FROM dns", "7");
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(
	    dns_table_remove_before(table, record.time_us - 4000, 100), 0);
	assert_int_equal(store_commit(store), 0);
	assert_value("SELECT count(*) FROM dns", "5");
}

static void
add_flow(uint64_t n)
{
	struct flow_record flow = fixture_record(0, n);
	int added;

	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_add_flow(store, &flow, &added), 0);
	assert_int_equal(store_commit(store), 0);
}

static uint64_t
remove_oldest(uint64_t count)
{
	uint64_t removed;

	assert_int_equal(store_begin(store), 0);
	assert_int_equal(room_remove_oldest(store, count, &removed), 0);
	assert_int_equal(store_commit(store), 0);
	return removed;
}

static void
test_the_older_of_flows_and_questions_leave_first(void **state)
{
	struct dns_record record = fixture_question(0, 100);

	(void)state;
	assert_int_equal(remove_oldest(1), 0);
	add(&record);
	add_flow(0); /* older */
	add_flow(200);
	assert_int_equal(remove_oldest(1), 1);
	assert_value("SELECT count(*) FROM flows", "1");
	assert_value("SELECT count(*) FROM dns", "1");
	assert_int_equal(remove_oldest(1), 1);
	assert_value("SELECT count(*) FROM flows", "1");
	assert_value("SELECT count(*) FROM dns", "0");
	assert_int_equal(remove_oldest(1), 1);
	assert_value("SELECT count(*) FROM flows", "0");
}

/* Or a dnsd that lies would have its rows alone, and for ever. */
static void
test_questions_of_the_future_leave_first(void **state)
{
	struct dns_record forged = fixture_question(0, 200);
	struct dns_record record = fixture_question(0, 100);

	(void)state;
	forged.time_us = LIMIT_TIME_US;
	add(&forged);
	add(&record);
	add_flow(0);
	assert_int_equal(remove_oldest(1), 1);
	assert_value(
	    "SELECT group_concat(time_us) FROM dns", "1700000000223456");
	assert_value("SELECT count(*) FROM flows", "1");
}

#define STORED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORED(test_row_says_what_was_asked_and_answered),
		STORED(test_a_row_may_stand_for_several_questions),
		STORED(test_question_without_a_name_has_none),
		STORED(test_answers_are_json_whatever_the_names_are),
		STORED(test_same_question_told_twice_is_one_row),
		STORED(test_questions_of_one_moment_have_ids_of_their_own),
		STORED(test_a_time_that_very_many_have_costs_little),
		STORED(test_two_workers_at_a_time_do_not_search_long),
		STORED(test_questions_of_a_message_are_rows),
		STORED(test_taken_times_in_a_message_cost_no_row),
		STORED(test_a_row_has_the_text_of_its_rule),
		STORED(test_old_questions_leave),
		STORED(test_the_older_of_flows_and_questions_leave_first),
		STORED(test_questions_of_the_future_leave_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
