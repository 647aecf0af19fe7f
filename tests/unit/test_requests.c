/* SPDX-License-Identifier: ISC */
#include "netctl/requests.h"

#include <libmnl/libmnl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct requests requests;

/* A message with so many bytes behind its header, and a type to know it by. */
static struct nlmsghdr *
message(uint16_t type, uint32_t payload_bytes)
{
	_Alignas(8) static char buffer[sizeof(requests.bytes) + 64];
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);

	header->nlmsg_type = type;
	header->nlmsg_len += payload_bytes;
	return header;
}

static int
setup(void **state)
{
	(void)state;
	requests_clear(&requests);
	return 0;
}

static void
test_messages_of_any_length_keep_their_order(void **state)
{
	uint16_t i;

	(void)state;
	for (i = 0; i < 20; i++)
		assert_non_null(requests_add(&requests, message(i, i)));
	assert_int_equal(requests.count, 20);
	for (i = 0; i < 20; i++) {
		assert_int_equal(requests_get(&requests, i)->nlmsg_type, i);
		assert_int_equal(requests_get(&requests, i)->nlmsg_len,
		    MNL_NLMSG_HDRLEN + i);
	}
}

static void
test_what_has_no_room_is_refused(void **state)
{
	uint32_t all = sizeof(requests.bytes) - MNL_NLMSG_HDRLEN;

	(void)state;
	assert_null(requests_add(&requests, message(1, all + 1)));
	assert_non_null(requests_add(&requests, message(2, all)));
	assert_null(requests_add(&requests, message(3, 0)));
	requests_clear(&requests);
	assert_non_null(requests_add(&requests, message(4, 0)));
	assert_int_equal(requests_get(&requests, 0)->nlmsg_type, 4);
}

static void
test_one_more_than_the_limit_is_refused(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < REQUESTS_LIMIT; i++)
		assert_non_null(requests_add(&requests, message(1, 0)));
	assert_null(requests_add(&requests, message(1, 0)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
		    test_messages_of_any_length_keep_their_order, setup),
		cmocka_unit_test_setup(test_what_has_no_room_is_refused, setup),
		cmocka_unit_test_setup(
		    test_one_more_than_the_limit_is_refused, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
