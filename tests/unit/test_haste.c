/* SPDX-License-Identifier: ISC */
#include <netinet/in.h>
#include <sys/socket.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/haste.h"

#define LINGER_S 5
#define SOON_US 1000000

/* One end has more to send than the other takes, and would wait for that. */
static void
lingering(int ends[2])
{
	static const char bytes[1 << 16];
	struct linger linger = { 1, LINGER_S };
	struct sockaddr_in name = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(name);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(
	    bind(listener, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(
	    getsockname(listener, (struct sockaddr *)&name, &len), 0);
	assert_int_equal(
	    connect(ends[0], (struct sockaddr *)&name, sizeof(name)), 0);
	ends[1] = accept(listener, NULL, NULL);
	assert_true(ends[1] != -1);
	close(listener);
	while (send(ends[0], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		continue;
	assert_int_equal(
	    setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)),
	    0);
}

static void
test_close_of_a_lingering_socket_does_not_wait(void **state)
{
	int64_t since_us;
	int ends[2];

	(void)state;
	lingering(ends);
	since_us = clock_mono_us();
	haste_begin();
	close(ends[0]);
	haste_end();
	assert_true(clock_mono_us() - since_us < SOON_US);
	close(ends[1]);
}

static void
test_nothing_is_interrupted_afterwards(void **state)
{
	(void)state;
	haste_begin();
	haste_end();
	assert_int_equal(usleep(20000), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_close_of_a_lingering_socket_does_not_wait),
		cmocka_unit_test(test_nothing_is_interrupted_afterwards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
