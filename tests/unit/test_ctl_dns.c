/* SPDX-License-Identifier: ISC */
/* `tpxctl dns' on a log made by the store. */
#include "ctl/flows.h"
#include "flowlog/dns_table.h"
#include "flowlog/store.h"
#include "tests/unit/ctl_fixture.h"
#include "tests/unit/flowlog_fixture.h"
#include "tests/unit/question_fixture.h"

#define ROWS 60

static char dir[FIXTURE_PATH];
static char db[2 * FIXTURE_PATH];

#define DNS(json, ...)           \
	ctl_run(dns_run, (json), \
	    (const char *const[]){ "dns", "--db", db, __VA_ARGS__, NULL })

/* Every tenth is blocked, the last one was asked just now. */
static struct dns_record
row(uint64_t n)
{
	struct dns_record record = fixture_question(0, n);

	if (n % 10 == 0) {
		record.action = FLOW_ACTION_BLOCK;
		record.source = DNS_SOURCE_POLICY;
		record.rule = 0;
	}
	if (n == 7)
		record.client[15] = 99;
	if (n == 8)
		record.server[15] = 99;
	if (n == 9)
		record.rest[1] = 'x';
	if (n == ROWS - 1)
		record.time_us = clock_real_us();
	return record;
}

static int
group_set_up(void **state)
{
	struct dns_record record;
	struct dns_table *table;
	struct store *store;
	uint64_t i;
	int added;

	(void)state;
	fixture_dir(dir);
	(void)snprintf(db, sizeof(db), "%s/flows.db", dir);
	assert_int_equal(store_open(dir, &store), 0);
	table = dns_table_new(store);
	assert_non_null(table);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(
	    store_add_rule(store, 1, 0, "block to \x1b[2J any"), 0);
	for (i = 0; i < ROWS; i++) {
		record = row(i);
		assert_int_equal(dns_table_add(table, &record, &added), 0);
	}
	assert_int_equal(store_commit(store), 0);
	dns_table_free(table);
	store_close(store);
	return 0;
}

static int
group_tear_down(void **state)
{
	(void)state;
	fixture_dir_remove(dir);
	return 0;
}

static void
test_newest_fifty_are_shown_oldest_first(void **state)
{
	(void)state;
	assert_int_equal(DNS(0, "--action", "relay"), CTL_GOOD);
	assert_int_equal(count("\n"), FLOWS_SHOWN + 1);
	assert_memory_equal(output, "TIME", 4);
	assert_true(strstr(output, "\n2023-11-14") < strrchr(output, 'Z'));
	assert_int_equal(count("example.org"), FLOWS_SHOWN);
}

static void
test_json_is_one_array_with_all_columns(void **state)
{
	(void)state;
	assert_int_equal(DNS(1, "-n", "2"), CTL_GOOD);
	assert_int_equal(output[0], '[');
	assert_string_equal(output + strlen(output) - 2, "]\n");
	assert_int_equal(count("\"id\":"), 2);
	assert_int_equal(count("\"qname\":\"www.example.org\""), 2);
	assert_int_equal(count("\"source\":\"resolver\""), 2);
	assert_int_equal(count("\"worker\":0"), 2);
}

static void
test_filters_choose_rows(void **state)
{
	(void)state;
	assert_int_equal(DNS(1, "--action", "block"), CTL_GOOD);
	assert_int_equal(count("\"id\":"), 6);
	assert_int_equal(count("\"action\":\"block\""), 6);
	assert_int_equal(DNS(1, "--client", "192.0.2.99"), CTL_GOOD);
	assert_int_equal(count("\"id\":"), 1);
	assert_int_equal(DNS(1, "--host", "198.51.100.99"), CTL_GOOD);
	assert_int_equal(count("\"id\":"), 1);
	assert_int_equal(DNS(1, "--since", "1h"), CTL_GOOD);
	assert_int_equal(count("\"id\":"), 1);
	assert_int_equal(DNS(1, "--since", "100000d"), CTL_GOOD);
	assert_int_equal(count("\"id\":"), ROWS);
}

static void
test_rows_are_found_by_name_or_by_its_end(void **state)
{
	(void)state;
	assert_int_equal(DNS(1, "--host", "XWW.example.org"), CTL_GOOD);
	assert_int_equal(count("\"id\":"), 1);
	assert_int_equal(count("\"qname\":\"xww.example.org\""), 1);
	assert_int_equal(
	    DNS(1, "--host", "*.example.org", "-n", "99"), CTL_GOOD);
	assert_int_equal(count("\"id\":"), ROWS);
	assert_int_equal(DNS(1, "--host", "example.org"), CTL_GOOD);
	assert_int_equal(count("\"id\":"), 0);
}

static void
test_text_of_rules_cannot_drive_a_terminal(void **state)
{
	(void)state;
	assert_int_equal(DNS(0, "--action", "block"), CTL_GOOD);
	assert_null(strchr(output, '\x1b'));
	assert_int_equal(count("\\x1b[2J"), 6);
}

static void
test_wrong_options_are_usage(void **state)
{
	(void)state;
	opterr = 0;
	assert_int_equal(DNS(0, "--action", "blok"), CTL_USAGE);
	assert_int_equal(DNS(0, "--host", "a*.example.org"), CTL_USAGE);
	assert_int_equal(DNS(0, "--live"), CTL_USAGE);
	assert_int_equal(DNS(0, "word"), CTL_USAGE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_newest_fifty_are_shown_oldest_first),
		cmocka_unit_test(test_json_is_one_array_with_all_columns),
		cmocka_unit_test(test_filters_choose_rows),
		cmocka_unit_test(test_rows_are_found_by_name_or_by_its_end),
		cmocka_unit_test(test_text_of_rules_cannot_drive_a_terminal),
		cmocka_unit_test(test_wrong_options_are_usage),
	};

	return cmocka_run_group_tests(tests, group_set_up, group_tear_down);
}
