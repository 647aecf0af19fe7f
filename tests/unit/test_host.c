/* SPDX-License-Identifier: ISC */
/* Names for rows of flows that have ended by the time that they are written. */
#include "flowlog/host.h"

#include <sys/mman.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/memfd.h"
#include "policy/bindings.h"

#define NAME "www.example.org"
#define ENDED_S 10 /* ago */

static struct binding_table *table;

static int
set_up(void **state)
{
	static const uint64_t seed[2] = { 7, 9 };
	void *map;
	int fd = memfd_shared("test", binding_table_bytes(), &map);
	int status = bindings_add(0, fd);

	(void)state;
	binding_table_init(map, seed);
	table = map;
	close(fd);
	return status;
}

static int
tear_down(void **state)
{
	(void)state;
	munmap(table, binding_table_bytes());
	return 0;
}

static struct flow_record
record_of(uint8_t client, int64_t ago_s)
{
	struct flow_record record = { .start_us =
					  clock_real_us() - ago_s * 1000000 };

	record.src[15] = client;
	record.dst[15] = 2;
	return record;
}

/* Client 1 was told the name; it has ended for so many seconds. */
static void
learn(int ended_s)
{
	struct addr client = { .byte = { [15] = 1 } };
	struct addr server = { .byte = { [15] = 2 } };
	uint32_t now_s = (uint32_t)(clock_mono_us() / 1000000);

	binding_learn(table, &client, &server, NAME, "", 0,
	    now_s - (uint32_t)ended_s - BINDING_GRACE_S);
}

static void
test_a_flow_has_the_name_of_when_it_began(void **state)
{
	struct flow_record record;

	(void)state;
	learn(ENDED_S);
	record = record_of(1, 0);
	host_find(&record);
	assert_string_equal(record.host, "");
	assert_int_equal(record.host_source, FLOW_HOST_NONE);
	record = record_of(1, 2 * ENDED_S);
	host_find(&record);
	assert_string_equal(record.host, NAME);
	assert_int_equal(record.host_source, FLOW_HOST_DNS);
}

static void
test_another_client_has_no_name(void **state)
{
	struct flow_record record = record_of(3, 2 * ENDED_S);

	(void)state;
	learn(ENDED_S);
	host_find(&record);
	assert_string_equal(record.host, "");
}

/* A time in the future, or before the host was there, is taken as now. */
static void
test_a_clock_that_was_set_does_no_harm(void **state)
{
	struct flow_record record = record_of(1, -3600);

	(void)state;
	learn(-ENDED_S);
	host_find(&record);
	assert_string_equal(record.host, NAME);
	record = record_of(1, 0);
	record.start_us = 0;
	host_find(&record);
	assert_string_equal(record.host, NAME);
}

int
main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(test_a_flow_has_the_name_of_when_it_began),
		CASE(test_another_client_has_no_name),
		CASE(test_a_clock_that_was_set_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
