/* SPDX-License-Identifier: ISC */
/* `tpxctl flows' on a log made by the store. */
#include <getopt.h>

#include "ctl/flows.h"
#include "ctl/when.h"
#include "flowlog/store.h"
#include "tests/unit/ctl_fixture.h"
#include "tests/unit/flowlog_fixture.h"

#define ROWS 60

static char dir[FIXTURE_PATH];
static char db[2 * FIXTURE_PATH];

static int
group_set_up(void **state)
{
	static const char *const hosts[] = { "example.org", "www.example.org",
		"badexample.org" };
	struct flow_record record;
	struct store *store;
	uint64_t i;
	int added;

	(void)state;
	fixture_dir(dir);
	(void)snprintf(db, sizeof(db), "%s/flows.db", dir);
	assert_int_equal(store_open(dir, &store), 0);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(
	    store_add_rule(store, 1, 0, "block to \x1b[2J any"), 0);
	for (i = 0; i < ROWS; i++) {
		record = fixture_record(1, i);
		record.rule = 0;
		if (i % 10 == 0)
			record.action = FLOW_ACTION_BLOCK;
		if (i == 7)
			record.src[15] = 99;
		if (i < 3) {
			record.host_source = FLOW_HOST_SNI;
			(void)snprintf(
			    record.host, sizeof(record.host), "%s", hosts[i]);
		}
		/* The last one ended just now. */
		if (i == ROWS - 1)
			record.start_us = clock_real_us();
		assert_int_equal(store_add_flow(store, &record, &added), 0);
	}
	assert_int_equal(store_commit(store), 0);
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

#define FLOWS(json, ...)           \
	ctl_run(flows_run, (json), \
	    (const char *const[]){ "flows", "--db", db, __VA_ARGS__, NULL })

static void
test_newest_fifty_are_shown_oldest_first(void **state)
{
	(void)state;
	assert_int_equal(FLOWS(0, "--host", "198.51.100.7"), CTL_GOOD);
	assert_int_equal(count("\n"), FLOWS_SHOWN + 1);
	assert_memory_equal(output, "START", 5);
	assert_true(strstr(output, "2023-11-14") != NULL);
	assert_true(strstr(output, "\n2023-11-14") < strrchr(output, 'Z'));
}

static void
test_json_is_one_array_with_all_columns(void **state)
{
	(void)state;
	assert_int_equal(FLOWS(1, "-n", "2"), CTL_GOOD);
	assert_int_equal(output[0], '[');
	assert_string_equal(output + strlen(output) - 2, "]\n");
	assert_int_equal(count("\"id\":"), 2);
	assert_int_equal(count("\"host\":null"), 2);
	assert_int_equal(count("\"proto\":\"tcp\""), 2);
	assert_int_equal(count("\"final\":1"), 2);
}

static void
test_filters_choose_rows(void **state)
{
	(void)state;
	assert_int_equal(FLOWS(1, "--action", "block"), CTL_GOOD);
	assert_int_equal(count("\"id\":"), 6);
	assert_int_equal(FLOWS(1, "--client", "192.0.2.99"), CTL_GOOD);
	assert_int_equal(count("\"id\":"), 1);
	assert_int_equal(FLOWS(1, "--host", "198.51.100.8"), CTL_GOOD);
	assert_int_equal(count("\"id\":"), 0);
	assert_int_equal(FLOWS(1, "--since", "1h"), CTL_GOOD);
	assert_int_equal(count("\"id\":"), 1);
	assert_int_equal(FLOWS(1, "--since", "100000d"), CTL_GOOD);
	assert_int_equal(count("\"id\":"), ROWS);
}

static void
test_rows_are_found_by_name_or_by_its_end(void **state)
{
	(void)state;
	assert_int_equal(FLOWS(1, "--host", "www.example.org"), CTL_GOOD);
	assert_int_equal(count("\"id\":"), 1);
	assert_int_equal(count("\"host\":\"www.example.org\""), 1);
	assert_int_equal(count("\"host_source\":\"sni\""), 1);
	assert_int_equal(FLOWS(1, "--host", "Example.ORG"), CTL_GOOD);
	assert_int_equal(count("\"host\":\"example.org\""), 1);
	assert_int_equal(count("\"id\":"), 1);
	assert_int_equal(FLOWS(1, "--host", "*.example.org"), CTL_GOOD);
	assert_int_equal(count("\"host\":\"www.example.org\""), 1);
	assert_int_equal(count("\"id\":"), 1);
	assert_int_equal(FLOWS(1, "--host", "*.org"), CTL_GOOD);
	assert_int_equal(count("\"id\":"), 3);
	/* who asks for the address wants what has a name, too */
	assert_int_equal(
	    FLOWS(1, "--host", "198.51.100.7", "-n", "60"), CTL_GOOD);
	assert_int_equal(count("\"id\":"), ROWS);
	assert_int_equal(FLOWS(0, "--host", "www.example.org"), CTL_GOOD);
	assert_int_equal(count("www.example.org:443"), 1);
}

static void
test_text_of_rules_cannot_drive_a_terminal(void **state)
{
	(void)state;
	assert_int_equal(FLOWS(0, "-n", "3"), CTL_GOOD);
	assert_null(strchr(output, '\x1b'));
	assert_int_equal(count("\\x1b[2J"), 3);
}

static void
test_wrong_options_are_usage(void **state)
{
	(void)state;
	opterr = 0;
	assert_int_equal(FLOWS(0, "--action", "blok"), CTL_USAGE);
	assert_int_equal(FLOWS(0, "--since", "1"), CTL_USAGE);
	assert_int_equal(FLOWS(0, "--since", "h"), CTL_USAGE);
	assert_int_equal(FLOWS(0, "-n", "0"), CTL_USAGE);
	assert_int_equal(FLOWS(0, "-n", "x"), CTL_USAGE);
	assert_int_equal(FLOWS(0, "--client", "example.com"), CTL_USAGE);
	assert_int_equal(FLOWS(0, "--host", "*"), CTL_USAGE);
	assert_int_equal(FLOWS(0, "--host", "*.*"), CTL_USAGE);
	assert_int_equal(FLOWS(0, "--host", "a*.example.org"), CTL_USAGE);
	assert_int_equal(FLOWS(0, "--host", "[a-z].example"), CTL_USAGE);
	assert_int_equal(FLOWS(0, "--host", ""), CTL_USAGE);
	assert_int_equal(FLOWS(0, "--wrong"), CTL_USAGE);
	assert_int_equal(FLOWS(0, "word"), CTL_USAGE);
	assert_int_equal(FLOWS(0, "--live", "--follow"), CTL_USAGE);
}

static void
test_log_that_is_not_there_is_a_failure(void **state)
{
	(void)state;
	assert_int_equal(ctl_run(flows_run, 0,
			     (const char *const[]){
				 "flows", "--db", "/nonexistent/db", NULL }),
	    CTL_FAILED);
}

static void
test_durations_are_read(void **state)
{
	int64_t us;

	(void)state;
	assert_int_equal(when_parse_duration("90s", &us), 0);
	assert_int_equal(us, 90000000);
	assert_int_equal(when_parse_duration("7d", &us), 0);
	assert_int_equal(us, 7 * 86400 * 1000000LL);
	assert_int_equal(when_parse_duration("", &us), -1);
	assert_int_equal(when_parse_duration("1hh", &us), -1);
	assert_int_equal(when_parse_duration("-1h", &us), -1);
	assert_int_equal(when_parse_duration("99999999999999999999d", &us), -1);
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
		cmocka_unit_test(test_log_that_is_not_there_is_a_failure),
		cmocka_unit_test(test_durations_are_read),
	};

	return cmocka_run_group_tests(tests, group_set_up, group_tear_down);
}
