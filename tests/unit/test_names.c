/* SPDX-License-Identifier: ISC */
/* What a flow is given of the tables that others write. */
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
#include "relay/names.h"

#define TTL_S 3600

static struct binding_table *tables[2];

static uint32_t
now_s(void)
{
	return (uint32_t)(clock_mono_us() / 1000000);
}

static struct flow_start
start_of(uint8_t client, uint8_t server)
{
	struct flow_start start = { 0 };

	start.src.byte[15] = client;
	start.dst.byte[15] = server;
	return start;
}

static enum flow_agreement
agreement(uint8_t client, uint8_t server, const char *host)
{
	struct flow_start start = start_of(client, server);

	return names_compare(&start.src, &start.dst, host);
}

static void
learn(size_t table, uint8_t client, uint8_t server, const char *name,
    uint32_t ttl_s)
{
	struct flow_start start = start_of(client, server);

	binding_learn(
	    tables[table], &start.src, &start.dst, name, "", ttl_s, now_s());
}

static int
table_add(size_t n, uint64_t worker)
{
	static const uint64_t seed[2] = { 7, 9 };
	void *map;
	int fd = memfd_shared("test", binding_table_bytes(), &map);
	int status;

	binding_table_init(map, seed);
	tables[n] = map;
	status = bindings_add(worker, fd);
	close(fd);
	return status;
}

static int
set_up(void **state)
{
	(void)state;
	return table_add(0, 0) == 0 && table_add(1, 5) == 0 ? 0 : -1;
}

static int
tear_down(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++)
		munmap(tables[i], binding_table_bytes());
	return 0;
}

static void
test_the_client_alone_has_the_name_from_whatever_table(void **state)
{
	struct flow_start start = start_of(1, 2), other = start_of(3, 2);

	(void)state;
	names_find(&start);
	assert_null(start.host);
	learn(1, 1, 2, "www.example.org", TTL_S);
	names_find(&start);
	assert_string_equal(start.host, "www.example.org");
	names_find(&other);
	assert_null(other.host);
}

static void
test_the_name_that_ends_last_of_all_tables_is_taken(void **state)
{
	struct flow_start start = start_of(1, 2);

	(void)state;
	learn(0, 1, 2, "later.example.org", 2 * TTL_S);
	learn(1, 1, 2, "www.example.org", TTL_S);
	names_find(&start);
	assert_string_equal(start.host, "later.example.org");
}

static void
test_a_name_that_is_known_already_stays(void **state)
{
	struct flow_start start = start_of(1, 2);

	(void)state;
	learn(0, 1, 2, "www.example.org", TTL_S);
	start.host = "sent.example.org";
	names_find(&start);
	assert_string_equal(start.host, "sent.example.org");
}

static void
test_what_a_client_sends_is_compared_with_all_it_was_told(void **state)
{
	(void)state;
	learn(0, 1, 2, "one.example.org", TTL_S);
	learn(1, 1, 2, "other.example.org", TTL_S);
	assert_int_equal(
	    agreement(1, 2, "one.example.org"), FLOW_AGREEMENT_YES);
	assert_int_equal(
	    agreement(1, 2, "other.example.org"), FLOW_AGREEMENT_YES);
	assert_int_equal(
	    agreement(1, 2, "third.example.org"), FLOW_AGREEMENT_NO);
	assert_int_equal(
	    agreement(1, 3, "one.example.org"), FLOW_AGREEMENT_UNKNOWN);
}

static void
test_another_table_takes_the_place_of_the_first(void **state)
{
	struct flow_start start = start_of(1, 2);

	(void)state;
	learn(1, 1, 2, "www.example.org", TTL_S);
	munmap(tables[1], binding_table_bytes());
	assert_int_equal(table_add(1, 5), 0);
	names_find(&start);
	assert_null(start.host);
}

static void
test_what_is_no_table_is_refused(void **state)
{
	void *map;
	int fd = memfd_shared("test", 4096, &map);

	(void)state;
	assert_int_equal(bindings_add(1, fd), -1);
	munmap(map, 4096);
	close(fd);
}

int
main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(test_the_client_alone_has_the_name_from_whatever_table),
		CASE(test_the_name_that_ends_last_of_all_tables_is_taken),
		CASE(test_a_name_that_is_known_already_stays),
		CASE(test_what_a_client_sends_is_compared_with_all_it_was_told),
		CASE(test_another_table_takes_the_place_of_the_first),
		CASE(test_what_is_no_table_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
