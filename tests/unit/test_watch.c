/* SPDX-License-Identifier: ISC */
/* The list of interfaces, which is made of what the kernel says. */
#include <sys/socket.h>

#include <event2/event.h>
#include <limits.h>
#include <unistd.h>

#include "ipc/loop.h"
#include "netctl/inventory.h"
#include "netctl/nft.h"
#include "netctl/routing.h"
#include "netctl/watch.h"
#include "tests/unit/netlink_fixture.h"

#define PART NLM_F_MULTI
#define CHANGED (NLM_F_MULTI | NLM_F_DUMP_INTR)

static struct event_base *base;
static int ends[2]; /* of a pipe */
static unsigned int links, lists, listed;
static struct watch *watch;

int __real_mnl_socket_get_fd(const struct mnl_socket *socket);
int __wrap_mnl_socket_get_fd(const struct mnl_socket *socket);

/* The first, of interfaces, is always readable. */
int
__wrap_mnl_socket_get_fd(const struct mnl_socket *socket)
{
	static int others;

	return others++ == 0 ? ends[0] : __real_mnl_socket_get_fd(socket);
}

unsigned int
nft_portid(void)
{
	return 0;
}

unsigned int
routing_portid(void)
{
	return UINT_MAX;
}

int
routing_is_ours(uint8_t protocol)
{
	(void)protocol;
	return 0;
}

int
inventory_has_table(uint32_t table)
{
	(void)table;
	return 0;
}

static void
on_touched(void *ctx, unsigned int subjects)
{
	(void)ctx;
	(void)subjects;
}

static void
on_link(void *ctx, int index, const char *name, int is_listed)
{
	(void)ctx;
	(void)index;
	assert_string_equal(name, "eth");
	links++;
	listed += is_listed != 0;
}

static void
on_listed(void *ctx)
{
	(void)ctx;
	lists++;
}

static void
reads(
    const struct fixture_message (*says)[FIXTURE_MESSAGES], unsigned int count)
{
	fixture_says(says, count);
	links = lists = listed = 0;
	event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void
test_whole_list_is_told(void **state)
{
	static const struct fixture_message says[][FIXTURE_MESSAGES] = {
		{ { RTM_NEWLINK, PART, 2 }, { RTM_NEWLINK, PART, 3 } },
		{ { NLMSG_DONE, PART, 0 } },
	};

	(void)state;
	reads(says, 2);
	assert_int_equal(links, 2);
	assert_int_equal(lists, 1);
	assert_int_equal(requests, 0);
}

/* Not before the kernel has ended that, or it would not begin another. */
static void
test_list_that_was_interrupted_is_asked_for_anew(void **state)
{
	static const struct fixture_message says[][FIXTURE_MESSAGES] = {
		{ { RTM_NEWLINK, CHANGED, 2 } },
		{ { RTM_NEWLINK, PART, 3 }, { NLMSG_DONE, PART, 0 } },
		{ { RTM_NEWLINK, PART, 2 }, { RTM_NEWLINK, PART, 3 } },
		{ { RTM_NEWLINK, PART, 4 }, { NLMSG_DONE, PART, 0 } },
	};

	(void)state;
	reads(says, 1);
	assert_int_equal(requests, 0);
	reads(says + 1, 1);
	assert_int_equal(lists, 0);
	assert_int_equal(requests, 1);
	reads(says + 2, 2);
	assert_int_equal(links, 3);
	assert_int_equal(lists, 1);
	assert_int_equal(requests, 0);
}

static void
test_interruption_at_the_end_counts(void **state)
{
	static const struct fixture_message says[][FIXTURE_MESSAGES] = {
		{ { RTM_NEWLINK, PART, 2 }, { NLMSG_DONE, CHANGED, 0 } },
	};

	(void)state;
	reads(says, 1);
	assert_int_equal(lists, 0);
	assert_int_equal(requests, 1);
}

static void
test_list_asked_for_during_another_comes_after_it(void **state)
{
	static const struct fixture_message says[][FIXTURE_MESSAGES] = {
		{ { RTM_NEWLINK, PART, 2 } },
		{ { RTM_NEWLINK, PART, 3 }, { NLMSG_DONE, PART, 0 } },
		{ { RTM_NEWLINK, PART, 2 }, { NLMSG_DONE, PART, 0 } },
	};

	(void)state;
	watch_list(watch);
	reads(says, 1);
	watch_list(watch);
	assert_int_equal(requests, 0);
	reads(says + 1, 1);
	assert_int_equal(lists, 0);
	assert_int_equal(requests, 1);
	reads(says + 2, 1);
	assert_int_equal(lists, 1);
	assert_int_equal(requests, 0);
}

/* The kernel may refuse one, which is asked for again when events are lost. */
static void
test_refused_list_hinders_no_other(void **state)
{
	static const struct fixture_message says[][FIXTURE_MESSAGES] = {
		{ { NLMSG_ERROR, 0, -EBUSY } },
	};

	(void)state;
	watch_list(watch);
	reads(says, 1);
	assert_int_equal(lists, 0);
	watch_list(watch);
	assert_int_equal(requests, 1);
}

static void
test_what_is_told_between_is_no_part_of_a_list(void **state)
{
	static const struct fixture_message says[][FIXTURE_MESSAGES] = {
		{ { RTM_NEWLINK, PART, 2 } },
		{ { RTM_NEWLINK, 0, 3 } },
		{ { NLMSG_DONE, PART, 0 } },
	};

	(void)state;
	reads(says, 3);
	assert_int_equal(links, 2);
	assert_int_equal(listed, 1);
	assert_int_equal(lists, 1);
}

int
main(void)
{
	static const struct watch_handler handlers = { on_touched, on_link,
		on_listed };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_list_is_told),
		cmocka_unit_test(
		    test_list_that_was_interrupted_is_asked_for_anew),
		cmocka_unit_test(test_interruption_at_the_end_counts),
		cmocka_unit_test(
		    test_list_asked_for_during_another_comes_after_it),
		cmocka_unit_test(test_refused_list_hinders_no_other),
		cmocka_unit_test(
		    test_what_is_told_between_is_no_part_of_a_list),
	};

	base = ipc_loop_new(1);
	if (base == NULL || pipe(ends) == -1 || write(ends[1], "", 1) != 1 ||
	    (watch = watch_open(base, &handlers, NULL)) == NULL)
		return 1;
	return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
