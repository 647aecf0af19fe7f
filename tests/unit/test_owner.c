/* SPDX-License-Identifier: ISC */
#include "flowlog/owner.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct flow_record
flow(uint32_t number, uint32_t uid)
{
	struct flow_record record = { .proto = IPPROTO_TCP, .uid = uid };

	record.sport = (uint16_t)number;
	record.dport = 443;
	memcpy(record.src, &number, sizeof(number));
	return record;
}

static void
test_an_owner_is_told_once(void **state)
{
	struct owners *owners = owners_new();
	struct flow_record one = flow(1, 33), other = flow(2, 0);
	struct flow_record udp = one;

	(void)state;
	owners_add(owners, &one);
	owners_add(owners, &other);
	udp.proto = IPPROTO_UDP;
	assert_int_equal(owners_take(owners, &udp), FLOW_UID_NONE);
	assert_int_equal(owners_take(owners, &one), 33);
	assert_int_equal(owners_take(owners, &one), FLOW_UID_NONE);
	assert_int_equal(owners_take(owners, &other), 0);
	owners_free(owners);
}

static void
test_the_last_word_counts(void **state)
{
	struct owners *owners = owners_new();
	struct flow_record first = flow(1, 33), again = flow(1, 34);
	struct flow_record nobody = flow(2, FLOW_UID_NONE);

	(void)state;
	owners_add(owners, &first);
	owners_add(owners, &again);
	owners_add(owners, &nobody);
	assert_int_equal(owners_take(owners, &first), 34);
	assert_int_equal(owners_take(owners, &first), FLOW_UID_NONE);
	assert_int_equal(owners_take(owners, &nobody), FLOW_UID_NONE);
	owners_free(owners);
}

static void
test_the_oldest_makes_room(void **state)
{
	struct owners *owners = owners_new();
	struct flow_record record;
	uint32_t i;

	(void)state;
	for (i = 0; i < OWNERS_MOST * 2 + 10; i++) {
		record = flow(i, i);
		owners_add(owners, &record);
	}
	for (i = 0; i < OWNERS_MOST * 2 + 10; i++) {
		record = flow(i, 0);
		assert_int_equal(owners_take(owners, &record),
		    i < OWNERS_MOST + 10 ? FLOW_UID_NONE : i);
	}
	owners_free(owners);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_owner_is_told_once),
		cmocka_unit_test(test_the_last_word_counts),
		cmocka_unit_test(test_the_oldest_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
