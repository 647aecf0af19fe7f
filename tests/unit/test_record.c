/* SPDX-License-Identifier: ISC */
/* Every field of a relay's record that can be wrong. */
#include "flowlog/record.h"
#include "tests/unit/flowlog_fixture.h"

#define WORKER 5

static void
test_good_records_are_accepted(void **state)
{
	struct flow_record record = fixture_record(WORKER, 0);

	(void)state;
	assert_null(record_violation(&record, WORKER));
	record.final = 0;
	record.close = FLOW_CLOSE_NONE;
	assert_null(record_violation(&record, WORKER));
	record = fixture_record(WORKER, 0);
	memset(record.src, 0x20, sizeof(record.src));
	memset(record.dst, 0xfd, sizeof(record.dst));
	record.proto = IPPROTO_UDP;
	assert_null(record_violation(&record, WORKER));
}

static void
test_rows_of_another_worker_cannot_be_written(void **state)
{
	struct flow_record record = fixture_record(WORKER, 0);

	(void)state;
	assert_non_null(record_violation(&record, WORKER + 1));
	record.id++;
	assert_non_null(record_violation(&record, WORKER));
	record.id = 0;
	assert_non_null(record_violation(&record, WORKER));
	record.id =
	    (1ULL << 53) - (1ULL << 53) % FLOW_ID_STEP + FLOW_ID_STEP + WORKER;
	assert_non_null(record_violation(&record, WORKER));
}

static void
refused(const struct flow_record *record)
{
	assert_non_null(record_violation(record, WORKER));
}

static void
test_numbers_out_of_range_are_refused(void **state)
{
	static const struct {
		size_t offset;
		size_t size;
		uint64_t value;
	} cases[] = {
#define CASE(field, value)                     \
	{ offsetof(struct flow_record, field), \
		sizeof(((struct flow_record *)0)->field), (uint64_t)(value) }
		CASE(start_us, -1),
		CASE(start_us, 0),
		CASE(start_us, INT64_MAX),
		CASE(start_mono_us, -1),
		CASE(duration_us, UINT64_MAX),
		CASE(duration_us, INT64_MAX),
		CASE(up_bytes, UINT64_MAX),
		CASE(down_bytes, 1ULL << 63),
		/* sums of many rows must fit into 63 bits */
		CASE(up_bytes, (1ULL << 48) + 1),
		CASE(down_bytes, (1ULL << 48) + 1),
		CASE(proto, 1),
		CASE(proto, 255),
		CASE(action, FLOW_ACTION_COUNT),
		CASE(capture, FLOW_CAPTURE_COUNT),
		CASE(close, FLOW_CLOSE_COUNT),
		CASE(host_source, FLOW_HOST_COUNT),
		CASE(error, FLOW_ERROR_MAX + 1),
		CASE(reserved_too, 1),
		CASE(unlogged, 1),
		CASE(ech, 2),
		CASE(dns_agrees, FLOW_AGREEMENT_COUNT),
		CASE(final, 2),
		CASE(worker, WORKER + 1),
	};
	struct flow_record record;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		record = fixture_record(WORKER, 0);
		memcpy((char *)&record + cases[i].offset, &cases[i].value,
		    cases[i].size);
		refused(&record);
	}
}

static void
test_names_that_may_be_shown_are_accepted(void **state)
{
	struct flow_record record = fixture_record(WORKER, 0);

	(void)state;
	record.host_source = FLOW_HOST_SNI;
	(void)snprintf(record.host, sizeof(record.host), "www.example.org");
	assert_null(record_violation(&record, WORKER));
	fixture_name(record.host, 253);
	assert_null(record_violation(&record, WORKER));
}

static void
test_names_that_may_not_be_shown_are_refused(void **state)
{
	static const char *const bad[] = { "", "WWW.example.org", "a\x1b[2J",
		"a b", "a'b", "192.0.2.1", "*.example.org", "a." };
	struct flow_record record = fixture_record(WORKER, 0);
	size_t i;

	(void)state;
	record.host_source = FLOW_HOST_HTTP;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)snprintf(record.host, sizeof(record.host), "%s", bad[i]);
		refused(&record);
	}
	memset(record.host, 'a', sizeof(record.host)); /* no end */
	refused(&record);
	/* a name that came from nowhere */
	(void)snprintf(record.host, sizeof(record.host), "a.example");
	record.host_source = FLOW_HOST_NONE;
	refused(&record);
}

static void
test_only_the_last_row_says_how_a_flow_ended(void **state)
{
	struct flow_record record = fixture_record(WORKER, 0);

	(void)state;
	record.final = 0;
	refused(&record);
	record.final = 1;
	record.close = FLOW_CLOSE_NONE;
	refused(&record);
}

static void
test_flow_between_two_families_is_refused(void **state)
{
	struct flow_record record = fixture_record(WORKER, 0);

	(void)state;
	memset(record.dst, 0xfd, sizeof(record.dst));
	refused(&record);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_records_are_accepted),
		cmocka_unit_test(test_rows_of_another_worker_cannot_be_written),
		cmocka_unit_test(test_numbers_out_of_range_are_refused),
		cmocka_unit_test(test_names_that_may_be_shown_are_accepted),
		cmocka_unit_test(test_names_that_may_not_be_shown_are_refused),
		cmocka_unit_test(test_only_the_last_row_says_how_a_flow_ended),
		cmocka_unit_test(test_flow_between_two_families_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
