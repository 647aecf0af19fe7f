/* SPDX-License-Identifier: ISC */
/* Bytes for sockets of the test, which read them or do not. */
#include "dnsd/unsent.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define OWNERS 3U
#define SHARED (UNSENT_BLOCKS + 1U)

static struct unsent_memory *memory;
static struct unsent many[OWNERS + 1];
static int ends[2];
static uint8_t bytes[UNSENT_BLOCKS * UNSENT_BLOCK_BYTES + 1];

static int
setup(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * i >> 7 ^ i);
	memset(many, 0, sizeof(many));
	memory = unsent_memory_new(OWNERS, SHARED);
	return memory == NULL ? -1 : socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
}

static int
teardown(void **state)
{
	(void)state;
	close(ends[0]);
	close(ends[1]);
	unsent_memory_free(memory);
	return 0;
}

static int
add(struct unsent *unsent, size_t len)
{
	return unsent_add(memory, unsent, bytes, len);
}

static void
test_bytes_leave_in_their_order_and_as_room_comes(void **state)
{
	static uint8_t got[sizeof(bytes)];
	struct unsent *unsent = &many[0];
	size_t len = sizeof(bytes) - 1, at = 0, have = 0;
	ssize_t n;

	(void)state;
	while (at < len) {
		size_t part = at % 5003 + 1;

		part = part < len - at ? part : len - at;
		assert_int_equal(
		    unsent_add(memory, unsent, bytes + at, part), 0);
		at += part;
	}
	assert_int_equal(unsent->bytes, len);
	while (have < len) {
		n = unsent_send(memory, unsent, ends[0]);
		assert_true(n > 0 || errno == EAGAIN);
		n = recv(ends[1], got + have, 3001, 0);
		assert_true(n > 0);
		have += (size_t)n;
	}
	assert_memory_equal(got, bytes, len);
	assert_int_equal(unsent->bytes, 0);
	assert_int_equal(unsent_send(memory, unsent, ends[0]), 0);
}

static void
test_one_has_only_so_many(void **state)
{
	(void)state;
	assert_int_equal(add(&many[0], sizeof(bytes)), -1);
	unsent_drop(memory, &many[0]);
	assert_int_equal(many[0].bytes, 0);
	assert_int_equal(add(&many[0], sizeof(bytes) - 1), 0);
}

static void
test_each_has_a_block_whatever_others_hold(void **state)
{
	(void)state;
	assert_int_equal(add(&many[0], UNSENT_BLOCKS * UNSENT_BLOCK_BYTES), 0);
	assert_int_equal(add(&many[1], 3 * UNSENT_BLOCK_BYTES), 0);
	/* Nothing of what is shared is left. */
	assert_int_equal(add(&many[1], 1), -1);
	assert_int_equal(add(&many[2], UNSENT_BLOCK_BYTES), 0);
	assert_int_equal(add(&many[2], 1), -1);
	assert_int_equal(add(&many[3], 1), -1);
	/* What was dropped is there again. */
	unsent_drop(memory, &many[0]);
	assert_int_equal(add(&many[3], 2 * UNSENT_BLOCK_BYTES), 0);
	assert_int_equal(add(&many[0], 1), -1);
}

static void
test_broken_socket_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(add(&many[0], 7), 0);
	close(ends[1]);
	ends[1] = -1;
	assert_int_equal(unsent_send(memory, &many[0], ends[0]), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(many[0].bytes, 7);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_bytes_leave_in_their_order_and_as_room_comes),
		TEST(test_one_has_only_so_many),
		TEST(test_each_has_a_block_whatever_others_hold),
		TEST(test_broken_socket_is_an_error),
	};

	return cmocka_run_group_tests_name("unsent", tests, NULL, NULL);
}
