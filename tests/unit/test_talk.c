/* SPDX-License-Identifier: ISC */
/* Requests to the kernel one after the other, by one socket. */
#include "netctl/talk.h"
#include "tests/unit/netlink_fixture.h"

#define PART NLM_F_MULTI
#define CHANGED (NLM_F_MULTI | NLM_F_DUMP_INTR)

static struct mnl_socket *bus;
static int told;

static int
on_link(const struct nlmsghdr *message, void *ctx)
{
	(void)message;
	(void)ctx;
	told++;
	return MNL_CB_OK;
}

static int
on_refused(const struct nlmsghdr *message, void *ctx)
{
	(void)message;
	(void)ctx;
	errno = EPROTO;
	return MNL_CB_ERROR;
}

static int
ask(mnl_cb_t on_message)
{
	_Alignas(8) char buffer[64];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

	told = 0;
	request->nlmsg_type = RTM_GETLINK;
	return talk(bus, request, on_message, NULL);
}

static void
test_dump_is_told_to_its_end(void **state)
{
	static const struct fixture_message says[][FIXTURE_MESSAGES] = {
		{ { RTM_NEWLINK, PART, 1 }, { RTM_NEWLINK, PART, 2 } },
		{ { RTM_NEWLINK, PART, 3 }, { NLMSG_DONE, PART, 0 } },
	};

	(void)state;
	fixture_says(says, 2);
	assert_int_equal(ask(on_link), 0);
	assert_int_equal(told, 3);
}

static void
test_errors_of_the_kernel_are_told(void **state)
{
	static const struct fixture_message says[][FIXTURE_MESSAGES] = {
		{ { NLMSG_ERROR, 0, -EPERM } },
		{ { NLMSG_ERROR, 0, 0 } },
	};

	(void)state;
	fixture_says(says, 2);
	assert_int_equal(ask(NULL), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ask(NULL), 0);
}

/* The rest of the first is no answer to the second. */
static void
test_dump_that_was_interrupted_leaves_nothing(void **state)
{
	static const struct fixture_message says[][FIXTURE_MESSAGES] = {
		{ { RTM_NEWLINK, PART, 1 } },
		{ { RTM_NEWLINK, CHANGED, 2 }, { RTM_NEWLINK, PART, 3 } },
		{ { RTM_NEWLINK, PART, 4 }, { NLMSG_DONE, PART, 0 } },
		{ { RTM_NEWLINK, PART, 1 }, { NLMSG_DONE, PART, 0 } },
	};

	(void)state;
	fixture_says(says, 4);
	assert_int_equal(ask(on_link), -1);
	assert_int_equal(errno, EINTR);
	assert_int_equal(heard, 3);
	assert_int_equal(ask(on_link), 0);
	assert_int_equal(told, 1);
}

static void
test_who_does_not_want_the_rest_leaves_nothing(void **state)
{
	static const struct fixture_message says[][FIXTURE_MESSAGES] = {
		{ { RTM_NEWLINK, PART, 1 } },
		{ { NLMSG_DONE, PART, 0 } },
		{ { NLMSG_ERROR, 0, 0 } },
	};

	(void)state;
	fixture_says(says, 3);
	assert_int_equal(ask(on_refused), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(ask(on_link), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dump_is_told_to_its_end),
		cmocka_unit_test(test_errors_of_the_kernel_are_told),
		cmocka_unit_test(test_dump_that_was_interrupted_leaves_nothing),
		cmocka_unit_test(
		    test_who_does_not_want_the_rest_leaves_nothing),
	};

	bus = talk_open(NETLINK_ROUTE);
	return bus == NULL ||
	       cmocka_run_group_tests_name("talk", tests, NULL, NULL);
}
