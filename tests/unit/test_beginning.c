/* SPDX-License-Identifier: ISC */
/* Where first bytes wait, in a socket or in a pump, and for how many flows. */
#include "relay/beginning.h"

#include <errno.h>

#include "relay/pump.h"
#include "tests/unit/connection_fixture.h"
#include "tests/unit/hello_fixture.h"

#define NAME "www.example.org"
#define FEW 4000 /* bytes that stay in the socket */

static int ends[2]; /* the client writes [0] */
static uint64_t count;
static struct pump pump;
static struct beginnings all;
static struct beginning beginning;
static struct fixture_bytes message, stream;
static struct sniff_name name;
static size_t seen;

static enum pump_look
on_look(struct pump *which, const void *bytes, size_t len)
{
	assert_ptr_equal(which, &pump);
	assert_memory_equal(bytes, stream.at, len);
	seen = len;
	return PUMP_GO;
}

/* A hello of so many bytes, each of them in a record. */
static void
hello_of(size_t len)
{
	static struct fixture_bytes extensions;
	static uint8_t padding[SNIFF_MOST_BYTES];

	extensions.len = 0;
	fixture_name(&extensions, NAME, strlen(NAME));
	fixture_message(&message, &extensions);
	fixture_extension(&extensions, 21, padding, len - message.len - 4);
	fixture_message(&message, &extensions);
	fixture_records(&stream, &message, 1);
}

static int
setup(void **state)
{
	(void)state;
	fixture_connection(ends);
	pump_init(&pump, &count, on_look);
	memset(&all, 0, sizeof(all));
	beginning_init(&beginning, &all);
	hello_of(SNIFF_MOST_BYTES);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	pump_release(&pump);
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static int
look(size_t *len)
{
	return beginning_look(&beginning, &pump, ends[1], &name, len);
}

static void
sends(size_t from, size_t len)
{
	assert_int_equal(send(ends[0], stream.at + from, len, 0), (ssize_t)len);
}

static void
test_few_bytes_stay_in_the_socket(void **state)
{
	size_t len;

	(void)state;
	assert_int_equal(look(&len), SNIFF_MORE);
	assert_int_equal(len, 0);
	sends(0, FEW);
	assert_int_equal(look(&len), SNIFF_MORE);
	assert_int_equal(len, FEW);
	assert_int_equal(look(&len), SNIFF_MORE);
	assert_int_equal(fixture_unread(ends[1]), FEW);
	assert_false(pump_keeps(&pump));
}

/* A socket's buffer has no room for it, and looking at it there takes long. */
static void
test_longest_hello_is_taken_as_it_comes(void **state)
{
	size_t at, len, piece;
	int status = SNIFF_MORE;

	(void)state;
	for (at = 0; at < stream.len; at += piece) {
		assert_int_equal(status, SNIFF_MORE);
		piece = stream.len - at < FEW ? stream.len - at : FEW;
		sends(at, piece);
		status = look(&len);
		assert_int_equal(len, at + piece);
		if (at > 0)
			assert_int_equal(fixture_unread(ends[1]), 0);
		assert_int_equal(all.busy, len > SNIFF_MOST_BYTES);
	}
	assert_int_equal(status, SNIFF_FOUND);
	assert_string_equal(name.host, NAME);
	assert_memory_equal(pump_held(&pump, &len), stream.at, stream.len);
	assert_int_equal(len, SNIFF_MOST_SENT);
}

/* All of it goes on when there is a server, and what came since is seen. */
static void
test_what_was_taken_is_looked_at_again_and_goes_on(void **state)
{
	static uint8_t received[SNIFF_MOST_SENT];
	int out[2];
	size_t len;

	(void)state;
	fixture_connection(out);
	sends(0, 6000);
	assert_int_equal(look(&len), SNIFF_MORE);
	seen = 0;
	sends(6000, 50);
	assert_int_equal(pump_run(&pump, ends[1], out[0]), PUMP_WAIT);
	assert_int_equal(seen, 6050);
	assert_int_equal(recv(out[1], received, sizeof(received), 0), 6050);
	assert_memory_equal(received, stream.at, 6050);
	assert_int_equal(count, 6050);
	assert_false(pump_keeps(&pump));
	count = 0;
	close(out[0]);
	close(out[1]);
}

static void
test_what_was_taken_goes_on_though_no_more_comes(void **state)
{
	static uint8_t received[SNIFF_MOST_SENT];
	int out[2];
	size_t len;

	(void)state;
	fixture_connection(out);
	sends(0, 6000);
	assert_int_equal(look(&len), SNIFF_MORE);
	seen = 0;
	assert_int_equal(pump_run(&pump, ends[1], out[0]), PUMP_WAIT);
	assert_int_equal(seen, 6000);
	assert_int_equal(recv(out[1], received, sizeof(received), 0), 6000);
	count = 0;
	close(out[0]);
	close(out[1]);
}

static enum sniff_status
read_all(struct beginning *one, size_t len)
{
	return beginning_read(one, stream.at, len, &name);
}

static void
test_few_flows_have_room_for_long_ones(void **state)
{
	struct beginning many[BEGINNINGS_LONG];
	size_t i;

	(void)state;
	for (i = 0; i < BEGINNINGS_LONG; i++) {
		beginning_init(&many[i], &all);
		assert_int_equal(
		    read_all(&many[i], SNIFF_MOST_BYTES + 1), SNIFF_MORE);
		assert_int_equal(
		    read_all(&many[i], SNIFF_MOST_BYTES + 2), SNIFF_MORE);
	}
	/* One that is not longer than others waits all the same. */
	assert_int_equal(read_all(&beginning, SNIFF_MOST_BYTES), SNIFF_MORE);
	assert_false(name.too_long);
	assert_int_equal(
	    read_all(&beginning, SNIFF_MOST_BYTES + 1), SNIFF_NONE);
	assert_true(name.too_long);
	/* Found or not, its bytes are there until they go on. */
	assert_int_equal(read_all(&many[0], stream.len), SNIFF_FOUND);
	assert_int_equal(
	    read_all(&beginning, SNIFF_MOST_BYTES + 1), SNIFF_NONE);
	beginning_end(&many[0]);
	beginning_end(&many[0]);
	beginning_init(&many[0], &all);
	assert_int_equal(read_all(&many[0], SNIFF_MOST_BYTES + 1), SNIFF_MORE);
	assert_int_equal(
	    read_all(&beginning, SNIFF_MOST_BYTES + 1), SNIFF_NONE);
}

static void
test_end_is_the_end_of_looking(void **state)
{
	size_t len;

	(void)state;
	sends(0, 6000);
	assert_int_equal(look(&len), SNIFF_MORE);
	shutdown(ends[0], SHUT_WR);
	assert_int_equal(look(&len), SNIFF_NONE);
	assert_string_equal(name.host, "");
}

static void
test_reset_is_told(void **state)
{
	size_t len;

	(void)state;
	sends(0, 6000);
	assert_int_equal(look(&len), SNIFF_MORE);
	fixture_reset(ends[0]);
	assert_int_equal(look(&len), -1);
	assert_int_equal(errno, ECONNRESET);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_few_bytes_stay_in_the_socket),
		TEST(test_longest_hello_is_taken_as_it_comes),
		TEST(test_what_was_taken_is_looked_at_again_and_goes_on),
		TEST(test_what_was_taken_goes_on_though_no_more_comes),
		TEST(test_few_flows_have_room_for_long_ones),
		TEST(test_end_is_the_end_of_looking),
		TEST(test_reset_is_told),
	};

	return cmocka_run_group_tests_name("beginning", tests, NULL, NULL);
}
