/* SPDX-License-Identifier: ISC */
/* Sockets with clients' addresses: what follows when netctl gives none. */
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

#include "relay/broker.h"
#include "relay/record.h"
#include "relay/udp_associate.h"
#include "relay/udp_server.h"

#define CLIENT_PORT 5000

static const struct addr loopback = { { [10] = 0xff, 0xff, 127, 0, 0, 1 } };

/* What is asked of netctl; nothing while answer is NULL. */
static broker_fn *answer;
static void *answer_ctx;
static uint16_t asked_port;

static struct udp_server server;
static struct flow_entry record;
static int opened; /* how often; and with: */
static int opened_fd;
static unsigned int opened_error;

struct broker_ask *
broker_ask(struct broker *broker, enum ipc_broker socket,
    const struct broker_flow *flow, uint16_t port, broker_fn *fn, void *ctx)
{
	(void)broker;
	assert_int_equal(socket, IPC_BROKER_UDP_CLIENT);
	assert_int_equal(flow->client_port, CLIENT_PORT);
	assert_null(answer);
	answer = fn;
	answer_ctx = ctx;
	asked_port = port;
	return (struct broker_ask *)(void *)&answer;
}

void
broker_cancel(struct broker_ask *ask)
{
	(void)ask;
	answer = NULL;
}

struct udp_associate *
udp_associate_new(struct event_base *base, const struct flow_start *start,
    struct flow_entry *of, udp_associate_fn *done, void *ctx)
{
	(void)base;
	(void)start;
	(void)of;
	(void)done;
	(void)ctx;
	return NULL;
}

void
udp_associate_free(struct udp_associate *associate)
{
	(void)associate;
}

static void
on_opened(void *ctx, int fd, unsigned int error)
{
	(void)ctx;
	opened++;
	opened_fd = fd;
	opened_error = error;
}

static int
begin(void **state)
{
	struct flow_start start = { .source = SOURCE_CLIENT,
		.upstream = UPSTREAM_NONE };

	(void)state;
	memset(&record, 0, sizeof(record));
	memcpy(record.src, loopback.byte, sizeof(record.src));
	memcpy(record.dst, loopback.byte, sizeof(record.dst));
	record.sport = CLIENT_PORT;
	record.dport = 9;
	answer = NULL;
	opened = 0;
	udp_server_init(&server, NULL, &start, &record, NULL, on_opened, NULL);
	assert_int_equal(udp_server_open(&server), -1);
	assert_int_equal(errno, EINPROGRESS);
	assert_int_equal(asked_port, CLIENT_PORT);
	return 0;
}

static void
netctl_answers(int fd, int error)
{
	broker_fn *call = answer;

	assert_non_null(call);
	answer = NULL;
	call(answer_ctx, fd, error);
}

static void
assert_opened(enum flow_source source)
{
	assert_int_equal(opened, 1);
	assert_int_not_equal(opened_fd, -1);
	assert_int_equal(close(opened_fd), 0);
	assert_int_equal(record.source, source);
	assert_null(answer);
}

static int
socket_make(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_int_not_equal(fd, -1);
	return fd;
}

static void
test_socket_of_netctl_is_connected(void **state)
{
	(void)state;
	netctl_answers(socket_make(), 0);
	assert_opened(FLOW_SOURCE_CLIENT);
}

static void
test_port_that_is_taken_leads_to_another_one(void **state)
{
	(void)state;
	netctl_answers(-1, EADDRINUSE);
	assert_int_equal(opened, 0);
	assert_int_equal(asked_port, 0);
	netctl_answers(socket_make(), 0);
	assert_opened(FLOW_SOURCE_ADDRESS);
}

static void
test_address_that_is_denied_leads_to_the_hosts(void **state)
{
	(void)state;
	netctl_answers(-1, EACCES);
	assert_opened(FLOW_SOURCE_HOST);
}

/* Also where there is room again by then. */
static void
test_socket_without_room_leads_to_no_other(void **state)
{
	static const int errors[] = { EMFILE, ENFILE, ENOBUFS, ENOMEM };
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		begin(state);
		netctl_answers(-1, errors[i]);
		assert_int_equal(opened, 1);
		assert_int_equal(opened_fd, -1);
		assert_int_equal(opened_error, errors[i]);
		assert_null(answer);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
		    test_socket_of_netctl_is_connected, begin),
		cmocka_unit_test_setup(
		    test_port_that_is_taken_leads_to_another_one, begin),
		cmocka_unit_test_setup(
		    test_address_that_is_denied_leads_to_the_hosts, begin),
		cmocka_unit_test_setup(
		    test_socket_without_room_leads_to_no_other, begin),
	};

	return cmocka_run_group_tests_name("udp_server", tests, NULL, NULL);
}
