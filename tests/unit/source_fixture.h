/* SPDX-License-Identifier: ISC */
/*
 * What asks netctl for sockets with clients' addresses: the test answers, for
 * the flow of `record' and its `server', an ASKED_SERVER; the sockets are of
 * kind ASKED_SOCKET.
 */
#ifndef TESTS_SOURCE_FIXTURE_H
#define TESTS_SOURCE_FIXTURE_H

/* What is asked of netctl, which cannot be asked while lost is not 0. */
static int lost;
static unsigned int asks;
static uint16_t port; /* that was asked for last */
static broker_fn *answer;

static struct flow_entry record;
static ASKED_SERVER server;
static unsigned int told;
static int told_fd;
static unsigned int told_error;

struct broker_ask *
broker_ask(struct broker *broker, enum ipc_broker socket,
    const struct broker_flow *flow, uint16_t wanted, broker_fn *fn, void *ctx)
{
	assert_null(broker);
	assert_int_equal(socket, ASKED_SOCKET);
	assert_int_equal(flow->client_port, CLIENT_PORT);
	assert_int_equal(flow->server_port, record.dport);
	assert_ptr_equal(ctx, &server);
	asks++;
	port = wanted;
	answer = fn;
	errno = lost;
	return lost == 0 ? (struct broker_ask *)(void *)&asks : NULL;
}

void
broker_cancel(struct broker_ask *ask)
{
	assert_ptr_equal(ask, &asks);
}

static void
on_opened(void *ctx, int fd, unsigned int error)
{
	assert_ptr_equal(ctx, &record);
	told++;
	told_fd = fd;
	told_error = error;
}

#endif
