/* SPDX-License-Identifier: ISC */
/* `tpxctl metrics': the text that Prometheus reads, and the same as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/metrics.h"
#include "ctl/status.h"

static struct status status;
static char *text;
static size_t len;

static int
set_up(void **state)
{
	(void)state;
	memset(&status, 0, sizeof(status));
	status.main.state = IPC_STATE_PAUSED;
	status.main.lease_ms = 2500;
	status.main.uptime_us = 12000001;
	status.main.generation = 1;
	status.main.accepted = UINT64_MAX;
	strcpy(status.main.version, "0.1.0");
	strcpy(status.processes[0].name, "relay");
	strcpy(status.processes[0].state, "waiting");
	status.processes[0].index = 1;
	status.processes[0].heartbeat_age_ms = -1;
	status.processes[0].cpu_ms = 1500;
	status.processes[0].rss_kib = 3;
	status.nprocesses = 1;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	free(text);
	text = NULL;
	return 0;
}

static const char *
printed(int is_json)
{
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	metrics_print(&status, out, is_json);
	(void)fclose(out);
	return text;
}

static void
assert_line(const char *line)
{
	char whole[512];

	(void)snprintf(whole, sizeof(whole), "\n%s\n", line);
	if (strstr(text, whole) == NULL)
		fail_msg("no line %s in\n%s", line, text);
}

static void
test_numbers_have_base_units(void **state)
{
	(void)state;
	printed(0);
	assert_line("tpx_lease_seconds 2.5");
	assert_line("tpx_uptime_seconds 12.000001");
	assert_line("tpx_process_cpu_seconds_total"
		    "{process=\"relay\",index=\"1\"} 1.5");
	assert_line("tpx_process_resident_memory_bytes"
		    "{process=\"relay\",index=\"1\"} 3072");
	assert_line("tpx_flows_accepted_total 18446744073709551615");
	assert_line("# TYPE tpx_flows_accepted_total counter");
	assert_line("# TYPE tpx_flows_open gauge");
}

static void
test_each_family_has_its_own_number(void **state)
{
	static const struct {
		const char *family;
		uint64_t *number;
	} numbers[] = {
		{ "tpx_flows_open", &status.main.open },
		{ "tpx_flows_accepted_total", &status.main.accepted },
		{ "tpx_flows_total{action=\"relay\"}", &status.main.relayed },
		{ "tpx_flows_total{action=\"pass\"}", &status.main.passed },
		{ "tpx_flows_total{action=\"block\"}", &status.main.blocked },
		{ "tpx_flows_unlogged_total", &status.main.unlogged },
		{ "tpx_flows_refused_total", &status.main.refused },
		{ "tpx_flows_long_hello_total", &status.main.long_hello },
		{ "tpx_log_rows", &status.main.log_rows },
		{ "tpx_log_queued_rows", &status.main.log_queued },
		{ "tpx_log_size_bytes", &status.main.log_bytes },
		{ "tpx_dns_queries_total", &status.dns.queries },
		{ "tpx_dns_cache_hits_total", &status.dns.cache_hits },
		{ "tpx_dns_blocked_total", &status.dns.blocked },
		{ "tpx_dns_servfail_total", &status.dns.servfail },
		{ "tpx_dns_limited_total", &status.dns.limited },
		{ "tpx_dns_repeated_total", &status.dns.repeated },
		{ "tpx_dns_unlogged_total", &status.dns.unlogged },
		{ "tpx_dns_names_total", &status.dns.names },
		{ "tpx_dns_names_refused_total", &status.dns.names_refused },
		{ "tpx_dns_names_late_total", &status.dns.names_late },
	};
	const size_t count = sizeof(numbers) / sizeof(numbers[0]);
	char line[128];
	size_t i;

	(void)state;
	for (i = 0; i < count; i++)
		*numbers[i].number = 1000 + i;
	status.nalarms = 7;
	status.main.generation = 8;
	status.main.loaded_at_us = 1764340000123456;
	status.processes[0].restarts = 9;
	printed(0);
	for (i = 0; i < count; i++) {
		(void)snprintf(
		    line, sizeof(line), "%s %zu", numbers[i].family, 1000 + i);
		assert_line(line);
	}
	assert_line("tpx_alarms 7");
	assert_line("tpx_config_generation 8");
	assert_line("tpx_config_loaded_timestamp_seconds 1764340000.123456");
	assert_line("tpx_process_restarts_total"
		    "{process=\"relay\",index=\"1\"} 9");
}

static void
test_one_state_is_1(void **state)
{
	(void)state;
	printed(0);
	assert_line("tpx_state{state=\"paused\"} 1");
	assert_line("tpx_state{state=\"armed\"} 0");
	assert_line("tpx_process_up{process=\"relay\",index=\"1\"} 0");
}

static void
test_who_has_no_heartbeat_has_no_age(void **state)
{
	(void)state;
	assert_null(strstr(printed(0), "heartbeat_age_seconds{"));
	tear_down(NULL);
	status.processes[0].heartbeat_age_ms = 20;
	printed(0);
	assert_line("tpx_process_heartbeat_age_seconds"
		    "{process=\"relay\",index=\"1\"} 0.02");
}

static void
test_values_of_labels_are_escaped(void **state)
{
	(void)state;
	strcpy(status.main.config_path, "/a\"b\\c\nd\x1b\xff\xc3\xa4");
	printed(0);
	assert_line("tpx_info{version=\"0.1.0\",on_failure=\"closed\","
		    "config=\"/a\\\"b\\\\c\\nd\xef\xbf\xbd\xef\xbf\xbd"
		    "\xc3\xa4\",log=\"\"} 1");
}

static void
test_buckets_hold_all_that_was_faster(void **state)
{
	struct dns_latency *latency = &status.dns.latency[DNS_SOURCE_CACHE];

	(void)state;
	dns_latency_count(latency, 3);
	dns_latency_count(latency, 50);
	dns_latency_count(latency, 51);
	dns_latency_count(latency, 6000000);
	printed(0);
#define BUCKET "tpx_dns_latency_seconds_bucket{source=\"cache\",le="
	assert_line(BUCKET "\"0.00005\"} 2");
	assert_line(BUCKET "\"0.0001\"} 3");
	assert_line(BUCKET "\"0.0025\"} 3");
	assert_line(BUCKET "\"1\"} 3");
	assert_line(BUCKET "\"5\"} 3");
	assert_line(BUCKET "\"+Inf\"} 4");
	assert_line("tpx_dns_latency_seconds_sum{source=\"cache\"} 6.000104");
	assert_line("tpx_dns_latency_seconds_count{source=\"cache\"} 4");
	assert_line("tpx_dns_latency_seconds_count{source=\"none\"} 0");
}

static void
test_drops_have_source_and_kind(void **state)
{
	(void)state;
	status.log.lost[LOSS_NFLOG] = 9;
	printed(0);
	assert_line("tpx_drops_total{source=\"nflog\",kind=\"gap\"} 9");
	assert_line("tpx_drops_total{source=\"flowlog\",kind=\"id-taken\"} 0");
}

/* From a family's name to the end of its samples. */
static void
assert_family(const char *name, const char *samples)
{
	char begin[128], whole[512];
	const char *at;

	(void)snprintf(
	    begin, sizeof(begin), "{\"name\":\"%s\",\"type\":", name);
	if ((at = strstr(text, begin)) == NULL ||
	    (at = strstr(at, "\"samples\":")) == NULL)
		fail_msg("no family %s in\n%s", name, text);
	(void)snprintf(whole, sizeof(whole), "\"samples\":[%s]}", samples);
	if (strncmp(at, whole, strlen(whole)) != 0)
		fail_msg("no %s in\n%.500s", whole, at);
}

static void
test_json_is_a_list_of_families(void **state)
{
	static const char begin[] =
	    "[{\"name\":\"tpx_info\",\"type\":\"gauge\",\"help\":\"";
	static const char end[] = "]}]\n";

	(void)state;
	assert_memory_equal(printed(1), begin, sizeof(begin) - 1);
	assert_string_equal(text + len - (sizeof(end) - 1), end);
	assert_non_null(strstr(text,
	    "{\"name\":\"tpx_state\",\"labels\":{\"state\":\"paused\"},"
	    "\"value\":1}"));
	assert_family("tpx_lease_seconds",
	    "{\"name\":\"tpx_lease_seconds\",\"labels\":{},\"value\":2.5}");
}

static void
test_numbers_of_json_are_those_of_the_text(void **state)
{
	(void)state;
	printed(1);
	assert_family("tpx_flows_accepted_total",
	    "{\"name\":\"tpx_flows_accepted_total\",\"labels\":{},"
	    "\"value\":18446744073709551615}");
	assert_family("tpx_uptime_seconds",
	    "{\"name\":\"tpx_uptime_seconds\",\"labels\":{},"
	    "\"value\":12.000001}");
	assert_family("tpx_process_cpu_seconds_total",
	    "{\"name\":\"tpx_process_cpu_seconds_total\","
	    "\"labels\":{\"process\":\"relay\",\"index\":\"1\"},"
	    "\"value\":1.5}");
	/* Nobody has a heartbeat. */
	assert_family("tpx_process_heartbeat_age_seconds", "");
}

static void
test_json_has_each_bucket_and_their_sum(void **state)
{
#define SAMPLE "{\"name\":\"tpx_dns_latency_seconds"
	(void)state;
	dns_latency_count(&status.dns.latency[DNS_SOURCE_CACHE], 3);
	printed(1);
	assert_non_null(
	    strstr(text, SAMPLE "_bucket\",\"labels\":{\"source\":\"cache\","
				"\"le\":\"+Inf\"},\"value\":1}," SAMPLE
				"_sum\",\"labels\":{\"source\":\"cache\"},"
				"\"value\":3e-06}," SAMPLE
				"_count\",\"labels\":{\"source\":\"cache\"},"
				"\"value\":1}"));
}

static void
test_labels_of_json_are_escaped(void **state)
{
	(void)state;
	strcpy(status.main.config_path, "/a\"b\nc");
	printed(1);
	assert_family("tpx_info",
	    "{\"name\":\"tpx_info\",\"labels\":{\"version\":\"0.1.0\","
	    "\"on_failure\":\"closed\",\"config\":\"/a\\\"b\\u000ac\","
	    "\"log\":\"\"},\"value\":1}");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_numbers_have_base_units),
		TEST(test_each_family_has_its_own_number),
		TEST(test_one_state_is_1),
		TEST(test_who_has_no_heartbeat_has_no_age),
		TEST(test_values_of_labels_are_escaped),
		TEST(test_buckets_hold_all_that_was_faster),
		TEST(test_drops_have_source_and_kind),
		TEST(test_json_is_a_list_of_families),
		TEST(test_numbers_of_json_are_those_of_the_text),
		TEST(test_json_has_each_bucket_and_their_sum),
		TEST(test_labels_of_json_are_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
