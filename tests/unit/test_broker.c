/* SPDX-License-Identifier: ISC */
#include <sys/socket.h>

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/channel.h"
#include "netctl/broker.h"
#include "netctl/evidence.h"

#define WORKER 1
#define ID 7

static const uint8_t loopback[8] = { 0, 0, 0xff, 0xff, 127, 0, 0, 1 };

static struct broker *broker;
static const struct ipc_handler *handler;
static void *handler_ctx;
static int freed;	   /* channels */
static int send_error;	   /* what sending a socket ends in, or 0 */
static enum msg_type sent; /* the last message */
static uint64_t sent_error;
static enum verdict known; /* whatever is asked */
static int breaches;

struct evidence *
evidence_new(void)
{
	return (struct evidence *)(void *)&known;
}

void
evidence_set_mask(struct evidence *evidence, uint32_t mask)
{
	(void)evidence;
	(void)mask;
}

enum verdict
evidence_tcp(struct evidence *evidence, const struct evidence_flow *flow)
{
	(void)evidence;
	(void)flow;
	return known;
}

enum verdict
evidence_udp(struct evidence *evidence, const struct evidence_flow *flow)
{
	return evidence_tcp(evidence, flow);
}

struct ipc_channel *
ipc_channel_new(struct event_base *base, int fd, enum ipc_role self,
    enum ipc_role peer, const struct ipc_handler *handlers, ipc_end_fn *ended,
    void *ctx)
{
	(void)base;
	(void)fd;
	(void)ended;
	assert_int_equal(self, IPC_NETCTL);
	assert_int_equal(peer, IPC_RELAY);
	handler = handlers;
	handler_ctx = ctx;
	return (struct ipc_channel *)(void *)&handler;
}

void
ipc_channel_free(struct ipc_channel *channel)
{
	freed += channel != NULL;
}

void
ipc_channel_set_phase(struct ipc_channel *channel, enum ipc_phase phase)
{
	(void)channel;
	(void)phase;
}

int
ipc_send(struct ipc_channel *channel, enum msg_type type, uint32_t id,
    const void *body, size_t len, int fd)
{
	assert_non_null(channel);
	assert_int_equal(id, ID);
	if (fd != -1 && send_error != 0) {
		errno = send_error;
		return -1;
	}
	sent = type;
	sent_error = 0;
	if (type == MSG_BROKER_DENY)
		memcpy(&sent_error, body, len);
	return 0;
}

static void
on_breach(void *ctx, uint32_t worker, const char *why)
{
	(void)ctx;
	(void)why;
	assert_int_equal(worker, WORKER);
	breaches++;
}

static void
on_denied(void *ctx, const char *message)
{
	(void)ctx;
	assert_non_null(strstr(message, "relay 1 asked"));
}

static int
begin(void **state)
{
	static const struct broker_listener listener = { on_breach, on_denied,
		NULL };

	(void)state;
	broker = broker_new(NULL, &listener);
	assert_non_null(broker);
	broker_connect(broker, WORKER, -1);
	known = ALLOW;
	send_error = freed = breaches = 0;
	sent = MSG_NONE;
	return 0;
}

/* From 127.0.0.1 port 1025 to port 1026 there. */
static struct msg_broker_ask
ask_make(enum ipc_broker socket, uint16_t port)
{
	struct msg_broker_ask ask = { .client_port = 1025,
		.server_port = 1026,
		.port = port,
		.socket = socket };

	memcpy(&ask.client_low, loopback, sizeof(loopback));
	memcpy(&ask.server_low, loopback, sizeof(loopback));
	return ask;
}

static void
ask(const struct msg_broker_ask *body)
{
	struct ipc_message message = {
		.type = MSG_BROKER_ASK, .id = ID, .body = body, .fd = -1
	};

	handler->handle(handler_ctx, &message);
}

/* Nobody else may make what is given out. */
static void
as_root(void)
{
	if (geteuid() != 0)
		skip();
}

static void
test_ports_of_others_are_denied(void **state)
{
	static const struct {
		enum ipc_broker socket;
		uint16_t port;
		enum msg_type answer;
	} cases[] = {
		{ IPC_BROKER_TCP_CLIENT, 0, MSG_BROKER_GRANT },
		{ IPC_BROKER_TCP_CLIENT, 1025, MSG_BROKER_GRANT },
		{ IPC_BROKER_TCP_CLIENT, 1026, MSG_BROKER_DENY },
		{ IPC_BROKER_UDP_CLIENT, 0, MSG_BROKER_GRANT },
		{ IPC_BROKER_UDP_CLIENT, 22, MSG_BROKER_DENY },
		{ IPC_BROKER_UDP_SERVER, 0, MSG_BROKER_DENY },
		{ IPC_BROKER_UDP_SERVER, 1025, MSG_BROKER_DENY },
		{ IPC_BROKER_UDP_SERVER, 1026, MSG_BROKER_GRANT },
	};
	struct msg_broker_ask body;
	size_t i;

	(void)state;
	as_root();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		body = ask_make(cases[i].socket, cases[i].port);
		ask(&body);
		assert_int_equal(sent, cases[i].answer);
		assert_int_equal(
		    sent_error, sent == MSG_BROKER_DENY ? EACCES : 0);
	}
}

static void
test_ends_of_two_families_are_denied(void **state)
{
	struct msg_broker_ask body = ask_make(IPC_BROKER_TCP_CLIENT, 0);

	(void)state;
	body.server_low = 1;
	ask(&body);
	assert_int_equal(sent, MSG_BROKER_DENY);
}

static void
test_what_is_not_known_is_denied(void **state)
{
	struct msg_broker_ask body = ask_make(IPC_BROKER_TCP_CLIENT, 0);

	(void)state;
	known = DENY;
	ask(&body);
	assert_int_equal(sent, MSG_BROKER_DENY);
}

/* Answers have the order of the questions: one must not be left out. */
static void
test_socket_that_cannot_be_passed_is_denied(void **state)
{
	struct msg_broker_ask body = ask_make(IPC_BROKER_TCP_CLIENT, 0);

	(void)state;
	as_root();
	send_error = ETOOMANYREFS;
	ask(&body);
	assert_int_equal(sent, MSG_BROKER_DENY);
	assert_int_equal(sent_error, ETOOMANYREFS);
	assert_int_equal(breaches, 0);
	assert_int_equal(freed, 0);
}

static void
test_who_reads_no_answer_breaks_the_contract(void **state)
{
	struct msg_broker_ask body = ask_make(IPC_BROKER_TCP_CLIENT, 0);

	(void)state;
	as_root();
	send_error = ENOBUFS;
	ask(&body);
	assert_int_equal(sent, MSG_NONE);
	assert_int_equal(breaches, 1);
	assert_int_equal(freed, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_ports_of_others_are_denied, begin),
		cmocka_unit_test_setup(
		    test_ends_of_two_families_are_denied, begin),
		cmocka_unit_test_setup(test_what_is_not_known_is_denied, begin),
		cmocka_unit_test_setup(
		    test_socket_that_cannot_be_passed_is_denied, begin),
		cmocka_unit_test_setup(
		    test_who_reads_no_answer_breaks_the_contract, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
