/* SPDX-License-Identifier: ISC */
/* A pump between two real pairs of sockets. */
#include <linux/tcp.h>
#include <sys/resource.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "relay/pump.h"
#include "tests/unit/connection_fixture.h"

#define MUCH (8 << 20)

static int source[2]; /* the test writes [0], the pump reads [1] */
static int sink[2];   /* the pump writes [0], the test reads [1] */
static uint64_t bytes;
static struct pump pump;
static char *sent, *received;

static int
setup(void **state)
{
	size_t i;

	(void)state;
	fixture_connection(source); /* splice(2) and resets need a real one */
	fixture_connection(sink);
	bytes = 0;
	pump_init(&pump, &bytes, NULL);
	sent = malloc(MUCH);
	received = malloc(MUCH);
	for (i = 0; i < MUCH; i++)
		sent[i] = (char)(i * 31 + (i >> 9));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	pump_release(&pump);
	close(source[0]);
	close(source[1]);
	close(sink[0]);
	close(sink[1]);
	free(sent);
	free(received);
	return 0;
}

static enum pump_status
run(void)
{
	return pump_run(&pump, source[1], sink[0]);
}

/* Moves len bytes through with a reader that takes at most step at a time. */
static void
move(size_t len, size_t step)
{
	size_t in = 0, out = 0;
	ssize_t n;

	while (out < len) {
		if (in < len &&
		    (n = send(source[0], sent + in, len - in, 0)) > 0)
			in += (size_t)n;
		assert_true(run() <= PUMP_AGAIN);
		n = recv(sink[1], received + out,
		    len - out < step ? len - out : step, 0);
		if (n > 0)
			out += (size_t)n;
	}
	assert_memory_equal(sent, received, len);
	assert_int_equal(bytes, len);
}

static void
test_small_message_passes(void **state)
{
	(void)state;
	move(5, 4096);
	assert_null(pump.pipe);
}

static void
test_big_transfer_is_spliced_and_identical(void **state)
{
	(void)state;
	move(MUCH, 1 << 20);
	/* Empty again, so the pipe went back to the pool. */
	assert_null(pump.pipe);
}

/* Passes one message, and says whether it was spliced. */
static int
splices(size_t len)
{
	(void)send(source[0], sent, len, 0);
	assert_int_equal(run(), PUMP_WAIT);
	assert_int_equal(recv(sink[1], received, MUCH, 0), len);
	return pump.spliced;
}

static void
test_small_messages_of_a_long_flow_are_copied(void **state)
{
	int i;

	(void)state;
	move(1 << 20, 1 << 20);
	assert_true(splices(200));
	for (i = 0; i < 10; i++)
		(void)splices(200);
	assert_false(splices(200));
	assert_null(pump.pipe);
	assert_false(splices(32768)); /* the first that is not small */
	assert_true(splices(200));
}

static void
test_slow_reader_gets_everything(void **state)
{
	(void)state;
	move(2 << 20, 1000);
}

static void
test_reader_that_never_reads_costs_one_buffer(void **state)
{
	int i, small = 4096;

	(void)state;
	setsockopt(sink[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	for (i = 0; i < 1000; i++) {
		(void)send(source[0], sent, 65536, 0);
		(void)run();
	}
	assert_true(pump_waits(&pump));
	/* What the pump does not take, the sender's socket keeps. */
	assert_int_equal(send(source[0], sent, 65536, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

static void
test_end_comes_after_every_byte(void **state)
{
	(void)state;
	(void)send(source[0], sent, 1000, 0);
	shutdown(source[0], SHUT_WR);
	assert_int_equal(run(), PUMP_WAIT);
	assert_true(pump_doubts(&pump));
	assert_int_equal(run(), PUMP_DONE);
	assert_true(pump.done);
	assert_int_equal(recv(sink[1], received, MUCH, 0), 1000);
}

/* Segments that have come to the reader. */
static uint32_t
segments(void)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	assert_int_equal(
	    getsockopt(sink[1], IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	return info.tcpi_segs_in;
}

static void
test_end_goes_with_the_last_bytes(void **state)
{
	uint32_t before = segments();

	(void)state;
	(void)send(source[0], sent, 100, 0);
	(void)send(source[0], sent + 100, 100, 0);
	shutdown(source[0], SHUT_WR);
	pump_expect_end(&pump);
	assert_int_equal(run(), PUMP_DONE);
	assert_true(pump.corked);
	shutdown(sink[0], SHUT_WR);
	assert_int_equal(recv(sink[1], received, MUCH, 0), 200);
	assert_memory_equal(sent, received, 200);
	assert_int_equal(recv(sink[1], received, MUCH, 0), 0);
	assert_int_equal(segments() - before, 1);
	assert_int_equal(bytes, 200);
}

static void
test_much_before_an_expected_end_is_identical(void **state)
{
	ssize_t in, n;
	size_t out = 0;

	(void)state;
	in = send(source[0], sent, MUCH, 0);
	shutdown(source[0], SHUT_WR);
	pump_expect_end(&pump);
	while (out < (size_t)in) {
		if (run() == PUMP_DONE)
			shutdown(sink[0], SHUT_WR);
		n = recv(sink[1], received + out, 10000, 0);
		if (n > 0)
			out += (size_t)n;
	}
	assert_int_equal(recv(sink[1], received, MUCH, 0), 0);
	assert_memory_equal(sent, received, out);
	assert_int_equal(bytes, in);
}

static void
test_bytes_before_an_expected_reset_go_on(void **state)
{
	(void)state;
	(void)send(source[0], sent, 100, 0);
	fixture_reset(source[0]);
	pump_expect_end(&pump);
	assert_int_equal(run(), PUMP_FROM_FAILED);
	assert_int_equal(errno, ECONNRESET);
	assert_int_equal(recv(sink[1], received, MUCH, 0), 100);
}

static void
test_end_alone_is_done(void **state)
{
	(void)state;
	shutdown(source[0], SHUT_WR);
	assert_int_equal(run(), PUMP_DONE);
	assert_int_equal(bytes, 0);
}

static void
test_end_waits_for_a_full_reader(void **state)
{
	int small = 4096;
	ssize_t n = 1, total = 0;

	(void)state;
	setsockopt(sink[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	while ((n = send(source[0], sent, 65536, 0)) > 0) {
		total += n;
		(void)run();
	}
	shutdown(source[0], SHUT_WR);
	assert_int_equal(run(), PUMP_WAIT);
	assert_false(pump.done);
	while (run() != PUMP_DONE)
		if ((n = recv(sink[1], received, MUCH, 0)) > 0)
			total -= n;
	while ((n = recv(sink[1], received, MUCH, 0)) > 0)
		total -= n;
	assert_int_equal(total, 0);
}

static void
test_end_announced_while_the_reader_was_full_is_found(void **state)
{
	int small = 4096;
	ssize_t n;

	(void)state;
	setsockopt(sink[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	while (send(source[0], sent, 65536, 0) > 0)
		(void)run();
	shutdown(source[0], SHUT_WR);
	pump_expect_end(&pump);
	(void)run();
	/* From here on events come only from the reader. */
	while (pump_waits(&pump)) {
		do {
			n = recv(sink[1], received, MUCH, 0);
		} while (n > 0);
		bytes = 0; /* stay with copying */
		(void)run();
	}
	assert_true(pump.done);
}

static int looks;
static size_t wanted; /* on_look() holds what is less */
static size_t looked; /* bytes that it saw at last */

static enum pump_look
on_look(struct pump *which, const void *first, size_t len)
{
	assert_ptr_equal(which, &pump);
	assert_memory_equal(first, sent, len);
	looks++;
	looked = len;
	return len < wanted ? PUMP_HOLD : PUMP_GO;
}

static void
look_for(size_t len)
{
	pump_init(&pump, &bytes, on_look);
	looks = 0;
	looked = 0;
	wanted = len;
}

static void
arrives(size_t len)
{
	ssize_t n = recv(sink[1], received, MUCH, 0);

	assert_int_equal(n, len == 0 ? -1 : (ssize_t)len);
	if (len > 0)
		assert_memory_equal(received, sent, len);
}

static void
test_first_bytes_are_looked_at_once_and_go_on(void **state)
{
	(void)state;
	look_for(0);
	(void)send(source[0], sent, 1000, 0);
	assert_int_equal(run(), PUMP_WAIT);
	arrives(1000);
	(void)send(source[0], sent, 1000, 0);
	assert_int_equal(run(), PUMP_WAIT);
	arrives(1000);
	assert_int_equal(looks, 1);
}

/* Another flow's bytes go through the buffer that all share. */
static void
others_pass(void)
{
	int in[2], out[2];
	uint64_t count = 0;
	struct pump other;

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, in), 0);
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, out), 0);
	pump_init(&other, &count, NULL);
	(void)send(in[0], sent + 5000, 500, 0);
	assert_int_equal(pump_run(&other, in[1], out[0]), PUMP_WAIT);
	assert_int_equal(count, 500);
	pump_release(&other);
	close(in[0]);
	close(in[1]);
	close(out[0]);
	close(out[1]);
}

static void
test_held_bytes_go_on_with_those_they_waited_for(void **state)
{
	size_t i;

	(void)state;
	look_for(100);
	for (i = 0; i < 99; i++) {
		(void)send(source[0], sent + i, 1, 0);
		assert_int_equal(run(), PUMP_WAIT);
		assert_int_equal(looked, i + 1);
		assert_false(pump_waits(&pump)); /* for its reader */
		arrives(0);
		others_pass();
	}
	assert_int_equal(bytes, 0);
	(void)send(source[0], sent + 99, 1000, 0);
	assert_int_equal(run(), PUMP_WAIT);
	arrives(1099);
	assert_int_equal(looks, 100);
	assert_int_equal(bytes, 1099);
	assert_null(pump.rest);
}

/* Nor are they copied for every byte that comes. */
static void
test_held_bytes_have_no_limit_of_their_own(void **state)
{
	const size_t all = 20000 + 180 * 1024;
	const struct pump_rest *before = NULL;
	unsigned int moves = 0;
	size_t i;
	ssize_t n;

	(void)state;
	look_for(all);
	for (i = 0; i < all; i += i < 20000 ? 1 : 1024) {
		assert_int_equal(
		    send(source[0], sent + i, i < 20000 ? 1 : 1024, 0),
		    i < 20000 ? 1 : 1024);
		(void)run();
		moves += pump.rest != before;
		before = pump.rest;
	}
	assert_int_equal(looked, all);
	assert_in_range(moves, 1, 10);
	for (i = 0; i<all; i += n> 0 ? (size_t)n : 0) {
		(void)run();
		n = recv(sink[1], received + i, all - i, 0);
	}
	assert_memory_equal(received, sent, all);
}

static void
test_held_bytes_can_be_let_go(void **state)
{
	(void)state;
	look_for(100);
	(void)send(source[0], sent, 50, 0);
	assert_int_equal(run(), PUMP_WAIT);
	pump_let_go(&pump);
	assert_true(pump_waits(&pump));
	assert_int_equal(run(), PUMP_WAIT);
	arrives(50);
	(void)send(source[0], sent, 10, 0);
	assert_int_equal(run(), PUMP_WAIT);
	arrives(10);
	assert_int_equal(looks, 1);
}

static void
test_end_lets_held_bytes_go(void **state)
{
	(void)state;
	look_for(100);
	(void)send(source[0], sent, 50, 0);
	assert_int_equal(run(), PUMP_WAIT);
	shutdown(source[0], SHUT_WR);
	assert_int_equal(run(), PUMP_DONE);
	shutdown(sink[0], SHUT_WR);
	arrives(50);
}

static void
test_held_bytes_find_a_reader_without_room(void **state)
{
	int small = 4096;
	size_t total = 0;
	ssize_t n;

	(void)state;
	setsockopt(sink[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	while ((n = send(sink[0], sent, 65536, 0)) > 0)
		total += (size_t)n;
	look_for(100);
	(void)send(source[0], sent, 50, 0);
	assert_int_equal(run(), PUMP_WAIT);
	(void)send(source[0], sent + 50, 50, 0);
	assert_int_equal(run(), PUMP_WAIT);
	assert_true(pump_waits(&pump));
	assert_int_equal(bytes, 0);
	while (total > 0)
		if ((n = recv(sink[1], received, total, 0)) > 0)
			total -= (size_t)n;
	assert_int_equal(run(), PUMP_WAIT);
	arrives(100);
}

static void
test_short_read_is_taken_for_the_last_one(void **state)
{
	(void)state;
	(void)send(source[0], sent, 10, 0);
	assert_int_equal(run(), PUMP_WAIT);
	assert_true(pump_doubts(&pump));
	assert_int_equal(run(), PUMP_WAIT);
	assert_false(pump_doubts(&pump));
	assert_int_equal(bytes, 10);
}

static void
test_reset_with_the_last_bytes_is_behind_a_doubt(void **state)
{
	(void)state;
	(void)send(source[0], sent, 10, 0);
	fixture_reset(source[0]);
	assert_int_equal(run(), PUMP_WAIT);
	assert_int_equal(recv(sink[1], received, MUCH, 0), 10);
	assert_true(pump_doubts(&pump));
	assert_int_equal(run(), PUMP_FROM_FAILED);
	assert_int_equal(errno, ECONNRESET);
}

static void
test_bytes_behind_an_urgent_one_are_behind_a_doubt(void **state)
{
	(void)state;
	(void)send(source[0], sent, 10, 0);
	(void)send(source[0], "!", 1, MSG_OOB);
	(void)send(source[0], sent + 10, 10, 0);
	assert_int_equal(run(), PUMP_WAIT);
	assert_int_equal(bytes, 10);
	assert_true(pump_doubts(&pump));
	assert_int_equal(run(), PUMP_WAIT);
	assert_int_equal(bytes, 20);
	assert_int_equal(recv(sink[1], received, MUCH, 0), 20);
	assert_memory_equal(sent, received, 20);
}

/* 1 MiB with an urgent byte in its middle arrives as it was sent. */
static void
pass_urgent(int ends)
{
	const size_t half = 512 * 1024, all = 2 * half + 1;
	size_t in = 0, out = 0;
	enum pump_status status;
	int on = 1;
	ssize_t n;

	setsockopt(source[1], SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
	while (!pump.done && (ends || out < all)) {
		if (in < all &&
		    (n = send(source[0], sent + in,
			 in == half ? 1 : (in < half ? half : all) - in,
			 in == half ? MSG_OOB : 0)) > 0)
			in += (size_t)n;
		if (in == all && ends)
			shutdown(source[0], SHUT_WR);
		status = run();
		assert_true(status <= PUMP_DONE);
		/* Nothing else would have it run again. */
		if (status == PUMP_WAIT && !pump_waits(&pump) &&
		    fixture_unread(source[1]) > 0)
			assert_true(pump_doubts(&pump));
		n = recv(sink[1], received + out, MUCH - out, 0);
		out += n > 0 ? (size_t)n : 0;
	}
	while (out < bytes && (n = recv(sink[1], received + out, all, 0)) != 0)
		out += n > 0 ? (size_t)n : 0;
	assert_int_equal(out, all);
	assert_int_equal(bytes, all);
	assert_memory_equal(sent, received, all);
}

static void
test_urgent_byte_among_many_does_not_stop_them(void **state)
{
	(void)state;
	pass_urgent(0);
	assert_false(pump.done);
}

static void
test_urgent_byte_is_not_taken_for_the_end(void **state)
{
	(void)state;
	pass_urgent(1);
	assert_true(pump.done);
}

static void
test_spliced_flow_that_rests_has_no_doubt(void **state)
{
	(void)state;
	move(1 << 20, 1 << 20);
	(void)run();
	(void)run();
	assert_false(pump_doubts(&pump));
}

static void
test_no_doubt_is_left_while_bytes_wait(void **state)
{
	int small = 4096;

	(void)state;
	setsockopt(sink[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	(void)send(source[0], sent, 10, 0);
	assert_int_equal(run(), PUMP_WAIT);
	assert_true(pump_doubts(&pump));
	while (!pump_waits(&pump)) {
		(void)send(source[0], sent, 4096, 0);
		assert_int_equal(run(), PUMP_WAIT);
	}
	assert_false(pump_doubts(&pump));
}

static void
test_reset_of_the_sender_is_told_as_such(void **state)
{
	(void)state;
	fixture_reset(source[0]);
	assert_int_equal(run(), PUMP_FROM_FAILED);
	assert_int_equal(errno, ECONNRESET);
}

static void
test_reset_of_the_reader_is_told_as_such(void **state)
{
	(void)state;
	fixture_reset(sink[1]);
	(void)send(source[0], sent, 10, 0);
	assert_int_equal(run(), PUMP_TO_FAILED);
}

static void
test_one_run_is_bounded_and_copies_without_a_pipe(void **state)
{
	struct rlimit none, was;
	int big = 8 << 20, i;

	(void)state;
	if (setsockopt(
		source[1], SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big)) == -1)
		skip(); /* only root may have such buffers */
	setsockopt(source[0], SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof(big));
	setsockopt(sink[0], SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof(big));
	for (i = 0; i < 1000; i++)
		(void)send(source[0], sent, 65536, 0);
	getrlimit(RLIMIT_NOFILE, &was);
	none = was;
	none.rlim_cur = 3; /* no descriptor is left for a pipe */
	setrlimit(RLIMIT_NOFILE, &none);
	assert_int_equal(run(), PUMP_AGAIN);
	setrlimit(RLIMIT_NOFILE, &was);
	assert_int_equal(bytes, 256 * 1024);
	assert_null(pump.pipe);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		/* first: later ones leave pipes in the pool */
		TEST(test_one_run_is_bounded_and_copies_without_a_pipe),
		TEST(test_small_message_passes),
		TEST(test_big_transfer_is_spliced_and_identical),
		TEST(test_small_messages_of_a_long_flow_are_copied),
		TEST(test_slow_reader_gets_everything),
		TEST(test_reader_that_never_reads_costs_one_buffer),
		TEST(test_end_comes_after_every_byte),
		TEST(test_end_goes_with_the_last_bytes),
		TEST(test_much_before_an_expected_end_is_identical),
		TEST(test_bytes_before_an_expected_reset_go_on),
		TEST(test_end_alone_is_done),
		TEST(test_end_waits_for_a_full_reader),
		TEST(test_end_announced_while_the_reader_was_full_is_found),
		TEST(test_first_bytes_are_looked_at_once_and_go_on),
		TEST(test_held_bytes_go_on_with_those_they_waited_for),
		TEST(test_held_bytes_have_no_limit_of_their_own),
		TEST(test_held_bytes_can_be_let_go),
		TEST(test_end_lets_held_bytes_go),
		TEST(test_held_bytes_find_a_reader_without_room),
		TEST(test_short_read_is_taken_for_the_last_one),
		TEST(test_reset_with_the_last_bytes_is_behind_a_doubt),
		TEST(test_bytes_behind_an_urgent_one_are_behind_a_doubt),
		TEST(test_urgent_byte_among_many_does_not_stop_them),
		TEST(test_urgent_byte_is_not_taken_for_the_end),
		TEST(test_spliced_flow_that_rests_has_no_doubt),
		TEST(test_no_doubt_is_left_while_bytes_wait),
		TEST(test_reset_of_the_sender_is_told_as_such),
		TEST(test_reset_of_the_reader_is_told_as_such),
	};

	return cmocka_run_group_tests_name("pump", tests, NULL, NULL);
}
