/* SPDX-License-Identifier: ISC */
#include "flowlog/owner.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "meeting_fixture.h"

#define MEETING 1024

static uint32_t gid;

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
	owners_add(owners, &one, 7);
	owners_add(owners, &other, 7);
	udp.proto = IPPROTO_UDP;
	assert_int_equal(owners_take(owners, &udp, &gid), FLOW_UID_NONE);
	assert_int_equal(owners_take(owners, &one, &gid), 33);
	assert_int_equal(gid, 7);
	assert_int_equal(owners_take(owners, &one, &gid), FLOW_UID_NONE);
	assert_int_equal(owners_take(owners, &other, &gid), 0);
	owners_free(owners);
}

static void
test_the_last_word_counts(void **state)
{
	struct owners *owners = owners_new();
	struct flow_record first = flow(1, 33), again = flow(1, 34);
	struct flow_record nobody = flow(2, FLOW_UID_NONE);

	(void)state;
	owners_add(owners, &first, 7);
	owners_add(owners, &again, 7);
	owners_add(owners, &nobody, 7);
	assert_int_equal(owners_take(owners, &first, &gid), 34);
	assert_int_equal(owners_take(owners, &first, &gid), FLOW_UID_NONE);
	assert_int_equal(owners_take(owners, &nobody, &gid), FLOW_UID_NONE);
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
		owners_add(owners, &record, 7);
	}
	for (i = 0; i < OWNERS_MOST * 2 + 10; i++) {
		record = flow(i, 0);
		assert_int_equal(owners_take(owners, &record, &gid),
		    i < OWNERS_MOST + 10 ? FLOW_UID_NONE : i);
	}
	owners_free(owners);
}

/* FNV-1a of what owners are known by. */
static uint32_t
unseeded(uint32_t hash, const void *bytes, size_t len)
{
	const unsigned char *byte = bytes;
	size_t i;

	for (i = 0; i < len; i++)
		hash = (hash ^ byte[i]) * 16777619U;
	return hash;
}

/* Flows of one user from and to all ports, of which chosen ones meet. */
static struct flow_record meeting[2][MEETING];

static void
meeting_choose(void)
{
	struct flow_record record = flow(0, 33);
	uint32_t before, hash, ports = 0, proto = IPPROTO_TCP, n = 0;

	before = unseeded(2166136261U, record.src, sizeof(record.src));
	before = unseeded(before, record.dst, sizeof(record.dst));
	for (; n < MEETING; ports++) {
		record.sport = (uint16_t)ports;
		record.dport = (uint16_t)(ports >> 16);
		if (ports < MEETING)
			meeting[0][ports] = record;
		hash = unseeded(before, &record.sport, 2);
		hash = unseeded(hash, &record.dport, 2);
		hash = unseeded(hash, &proto, sizeof(proto));
		if ((hash ^ hash >> 16) % OWNERS_MOST == 0)
			meeting[1][n++] = record;
	}
}

static void
add_and_take(int chosen)
{
	struct owners *owners = owners_new();
	size_t i;

	for (i = 0; i < MEETING; i++)
		owners_add(owners, &meeting[chosen][i], 7);
	for (i = 0; i < MEETING; i++)
		assert_int_equal(
		    owners_take(owners, &meeting[chosen][i], &gid), 33);
	owners_free(owners);
}

static void
test_ports_cannot_be_chosen_to_meet(void **state)
{
	(void)state;
	meeting_choose();
	assert_meeting_is_cheap(add_and_take);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_owner_is_told_once),
		cmocka_unit_test(test_the_last_word_counts),
		cmocka_unit_test(test_the_oldest_makes_room),
		cmocka_unit_test(test_ports_cannot_be_chosen_to_meet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
