/* SPDX-License-Identifier: ISC */
/* source client: what is tried when netctl gives no socket. */
#include "relay/udp_server.h"

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
#include "relay/udp_associate.h"

#define CLIENT_PORT 5000

#define ASKED_SOCKET IPC_BROKER_UDP_CLIENT
#define ASKED_SERVER struct udp_server
#include "source_fixture.h"

/* It is for upstreams alone. */
struct udp_associate *
udp_associate_new(struct event_base *base, const struct flow_start *start,
    struct flow_entry *entry, udp_associate_fn *opened, void *ctx)
{
	(void)base;
	(void)start;
	(void)entry;
	(void)opened;
	(void)ctx;
	return NULL;
}

void
udp_associate_free(struct udp_associate *associate)
{
	assert_null(associate);
}

static int
begin(void **state)
{
	struct flow_start start = { .upstream = UPSTREAM_NONE,
		.source = SOURCE_CLIENT,
		.capture = FLOW_CAPTURE_FORWARDED };

	(void)state;
	memset(&record, 0, sizeof(record));
	record.dst[10] = record.dst[11] = 0xff; /* of IPv4 */
	record.dst[12] = 127;
	record.dst[15] = 1;
	record.dport = 9;
	record.sport = CLIENT_PORT;
	lost = 0;
	asks = told = 0;
	udp_server_init(
	    &server, NULL, &start, &record, NULL, on_opened, &record);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	udp_server_release(&server);
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
	assert_int_equal(udp_server_open(&server), -1);
	assert_int_equal(errno, EINPROGRESS);
	assert_int_equal(asks, 1);
	is_asked_for(CLIENT_PORT, FLOW_SOURCE_CLIENT);
}

static void
assert_connected_as_host(int fd)
{
	assert_true(fd >= 0);
	assert_int_equal(record.source, FLOW_SOURCE_HOST);
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
}

static void
test_without_netctl_the_server_sees_this_host(void **state)
{
	(void)state;
	lost = EPIPE;
	assert_connected_as_host(udp_server_open(&server));
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
	assert_int_equal(udp_server_open(&server), -1);
	assert_int_equal(errno, ENOBUFS);
	assert_int_equal(told, 0);
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

	return cmocka_run_group_tests_name("udp_server", tests, NULL, NULL);
}
