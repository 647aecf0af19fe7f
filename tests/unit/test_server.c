/* SPDX-License-Identifier: ISC */
/* source client: what is tried when netctl gives no socket. */
#include "relay/server.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/addr.h"
#include "relay/broker.h"
#include "relay/record.h"

#define CLIENT_PORT 5000

#define ASKED_SOCKET IPC_BROKER_TCP_CLIENT
#define ASKED_SERVER struct server
#include "source_fixture.h"

static int listener;

/* A flow of a client to a server that is there. */
static int
begin(void **state)
{
	struct flow_start start = { .upstream = UPSTREAM_NONE,
		.source = SOURCE_CLIENT };
	struct sockaddr_in name = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(name);
	struct addr addr;

	(void)state;
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&name, len), 0);
	assert_int_equal(listen(listener, 8), 0);
	getsockname(listener, (struct sockaddr *)&name, &len);
	memset(&record, 0, sizeof(record));
	assert_int_equal(
	    addr_from_sockaddr((struct sockaddr *)&name, &addr, &record.dport),
	    0);
	memcpy(record.dst, addr.byte, sizeof(record.dst));
	record.sport = CLIENT_PORT;
	lost = 0;
	asks = told = 0;
	server_init(&server, &start, &record, NULL, on_opened, &record);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	server_release(&server);
	close(listener);
	return 0;
}

static void
is_asked_for(uint16_t wanted, enum flow_source source)
{
	assert_int_equal(port, wanted);
	assert_int_equal(record.source, source);
	assert_int_equal(told, 0);
}

static void
asked(void)
{
	assert_int_equal(server_open(&server), -1);
	assert_int_equal(errno, EINPROGRESS);
	assert_int_equal(asks, 1);
	is_asked_for(CLIENT_PORT, FLOW_SOURCE_CLIENT);
}

/* Nobody has come to the server. */
static void
assert_nothing_sent(void)
{
	assert_int_equal(accept(listener, NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);
}

static void
assert_connected_as_host(int fd)
{
	int seen = accept(listener, NULL, NULL);

	assert_true(fd >= 0);
	assert_true(seen >= 0);
	assert_int_equal(record.source, FLOW_SOURCE_HOST);
	close(seen);
	close(fd);
}

static void
test_another_port_is_tried_where_one_is_taken(void **state)
{
	(void)state;
	asked();
	answer(&server, -1, EADDRINUSE);
	assert_int_equal(asks, 2);
	is_asked_for(0, FLOW_SOURCE_ADDRESS);
	assert_nothing_sent();
	answer(&server, -1, EADDRNOTAVAIL);
	assert_int_equal(asks, 2);
	assert_int_equal(told, 1);
	assert_connected_as_host(told_fd);
}

/* Each ends the flow as it is told. */
static void
test_flow_that_gets_nothing_gets_no_other_address(void **state)
{
	static const int errors[] = { EACCES, ENOMEM, EMFILE };
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		asked();
		answer(&server, -1, errors[i]);
		assert_int_equal(asks, 1);
		assert_int_equal(told, 1);
		assert_int_equal(told_fd, -1);
		assert_int_equal(told_error, errors[i]);
		assert_nothing_sent();
		end(state);
		begin(state);
	}
}

static void
test_another_port_that_is_denied_is_the_end(void **state)
{
	(void)state;
	asked();
	answer(&server, -1, EADDRINUSE);
	answer(&server, -1, EACCES);
	assert_int_equal(asks, 2);
	assert_int_equal(told_fd, -1);
	assert_int_equal(told_error, EACCES);
	assert_nothing_sent();
}

static void
test_without_netctl_the_server_sees_this_host(void **state)
{
	(void)state;
	lost = EPIPE;
	assert_connected_as_host(server_open(&server));
	assert_int_equal(told, 0);
}

static void
test_end_of_netctl_is_as_if_it_were_not_there(void **state)
{
	(void)state;
	asked();
	lost = EPIPE;
	answer(&server, -1, EPIPE);
	assert_int_equal(asks, 1);
	assert_int_equal(told, 1);
	assert_connected_as_host(told_fd);
}

static void
test_too_much_asked_gives_no_other_address(void **state)
{
	(void)state;
	lost = ENOBUFS;
	assert_int_equal(server_open(&server), -1);
	assert_int_equal(errno, ENOBUFS);
	assert_int_equal(told, 0);
	assert_nothing_sent();
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_another_port_is_tried_where_one_is_taken),
		TEST(test_flow_that_gets_nothing_gets_no_other_address),
		TEST(test_another_port_that_is_denied_is_the_end),
		TEST(test_without_netctl_the_server_sees_this_host),
		TEST(test_end_of_netctl_is_as_if_it_were_not_there),
		TEST(test_too_much_asked_gives_no_other_address),
	};

	return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
