/* SPDX-License-Identifier: ISC */
/* What waits leaves whole and in order, wherever in the ring it lies. */
#include "dnsd/parked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

#include "common/clock.h"
#include "dnsd/front.h"

#define LONGEST 65535

static struct event_base *base;
static struct parked *parked;
static uint64_t added, sent;
static int all_long, another; /* is parked while one leaves */
static uint8_t message[LONGEST];

/* Number n has a length and bytes of its own. */
static size_t
make(uint64_t n)
{
	size_t len =
	    all_long || n % 7 == 0 ? LONGEST : (size_t)(12 + n * 977 % 4000);

	memset(message, (int)(n % 251), len);
	return len;
}

static int
park(void)
{
	struct client client = { .port = (uint16_t)added };
	size_t len = make(added);

	if (parked_add(parked, &client, message, len, added + 1,
		clock_mono_us() + FRONT_LEARN_US) == -1)
		return -1;
	added++;
	return 0;
}

static void
on_send(void *ctx, const struct client *client, const uint8_t *bytes,
    size_t len, int late)
{
	(void)late;
	assert_ptr_equal(ctx, &sent);
	if (another)
		assert_int_equal(park(), 0);
	another = 0;
	assert_int_equal(client->port, (uint16_t)sent);
	assert_int_equal(len, make(sent));
	assert_memory_equal(bytes, message, len);
	sent++;
}

static int
setup(void **state)
{
	(void)state;
	added = sent = 0;
	all_long = another = 0;
	base = event_base_new();
	parked = parked_new(base, on_send, &sent);
	return parked == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	parked_free(parked);
	assert_int_equal(sent, added);
	event_base_free(base);
	return 0;
}

/* Some remain always, so that the ring goes round. */
static void
test_messages_leave_whole_and_in_order(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < 5000; i++) {
		assert_int_equal(park(), 0);
		if (added > 200)
			parked_release(parked, added - 200);
	}
	assert_int_equal(sent, added - 200);
}

static void
test_what_leaves_makes_room(void **state)
{
	(void)state;
	all_long = 1;
	while (park() == 0)
		continue;
	assert_int_equal(added, PARKED_BYTES / LONGEST);
	parked_release(parked, 1);
	assert_int_equal(park(), 0);
	assert_int_equal(park(), -1);
	parked_release(parked, added);
	assert_int_equal(sent, added);
	while (park() == 0)
		continue;
	assert_int_equal(added, sent + PARKED_BYTES / LONGEST);
}

static void
test_one_that_comes_while_another_leaves_spoils_nothing(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		assert_int_equal(park(), 0);
		another = 1;
		parked_release(parked, added);
		assert_int_equal(sent + 1, added);
		parked_release(parked, added);
		assert_int_equal(sent, added);
	}
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_messages_leave_whole_and_in_order),
		TEST(test_what_leaves_makes_room),
		TEST(test_one_that_comes_while_another_leaves_spoils_nothing),
	};

	return cmocka_run_group_tests_name("parked", tests, NULL, NULL);
}
