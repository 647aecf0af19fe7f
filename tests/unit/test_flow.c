/* SPDX-License-Identifier: ISC */
/* A flow between a client and a server that are sockets of the test. */
#include "relay/flow.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "ipc/loop.h"
#include "relay/broker.h"
#include "relay/journal.h"
#include "relay/judge.h"
#include "relay/names.h"

static struct event_base *base;
static struct flow_pool *pool;
static struct flow_entry record;
static int closed;   /* that record */
static int listener; /* the server's */
static int client, server;
static unsigned int allocations;

void *__real_malloc(size_t);
void *__real_calloc(size_t, size_t);
void *__wrap_malloc(size_t);
void *__wrap_calloc(size_t, size_t);

void *
__wrap_malloc(size_t size)
{
	allocations++;
	return __real_malloc(size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	allocations++;
	return __real_calloc(n, size);
}

struct flow_entry *
journal_open(struct journal *journal)
{
	assert_null(journal);
	memset(&record, 0, sizeof(record));
	closed = 0;
	return &record;
}

void
journal_close(struct journal *journal, struct flow_entry *entry)
{
	assert_null(journal);
	assert_ptr_equal(entry, &record);
	closed++;
}

void
journal_set_host(struct journal *journal, struct flow_entry *entry,
    enum flow_host_source source, const char *host)
{
	(void)journal;
	(void)entry;
	(void)source;
	(void)host;
}

struct flow_arena *
journal_arena(struct journal *journal)
{
	static struct flow_arena arena;

	assert_null(journal);
	return &arena;
}

enum flow_agreement
names_compare(
    const struct addr *asker, const struct addr *addr, const char *name)
{
	(void)asker;
	(void)addr;
	(void)name;
	return 0;
}

enum flow_action
judge_named(const struct judge *judge, struct flow_start *start)
{
	(void)judge;
	(void)start;
	return FLOW_ACTION_RELAY;
}

int
judge_forbids(
    const struct judge *judge, struct flow_entry *entry, const char *host)
{
	(void)judge;
	(void)entry;
	(void)host;
	return 0;
}

void
tally_give_back(const struct tally *tally, struct tally_share *share)
{
	assert_null(tally);
	(void)share;
}

/* There is no netctl. */
struct broker_ask *
broker_ask(struct broker *broker, enum ipc_broker socket,
    const struct broker_flow *flow, uint16_t port, broker_fn *answer, void *ctx)
{
	(void)broker;
	(void)socket;
	(void)flow;
	(void)port;
	(void)answer;
	(void)ctx;
	errno = EPIPE;
	return NULL;
}

void
broker_cancel(struct broker_ask *ask)
{
	assert_null(ask);
}

static void
on_room(void *ctx)
{
	assert_null(ctx);
}

/* A listening socket on the loopback address. */
static int
listening(int backlog, struct sockaddr_in *name)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*name);

	memset(name, 0, sizeof(*name));
	name->sin_family = AF_INET;
	name->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)name, len), 0);
	assert_int_equal(listen(fd, backlog), 0);
	getsockname(fd, (struct sockaddr *)name, &len);
	return fd;
}

static int
connecting(const struct sockaddr_in *name, int flags)
{
	int fd = socket(AF_INET, SOCK_STREAM | flags, 0);
	int done = connect(fd, (const struct sockaddr *)name, sizeof(*name));

	assert_true(done == 0 || errno == EINPROGRESS);
	return fd;
}

/* Begins a flow of a client that has connected. */
static void
flow(const struct sockaddr_in *target)
{
	struct flow_start start = { .upstream = UPSTREAM_NONE,
		.proto = IPPROTO_TCP };
	struct sockaddr_in name;
	int entrance = listening(1, &name);
	int accepted;

	assert_int_equal(addr_from_sockaddr((const struct sockaddr *)target,
			     &start.dst, &start.dport),
	    0);
	client = connecting(&name, 0);
	fcntl(client, F_SETFL, O_NONBLOCK);
	accepted = accept4(entrance, NULL, NULL, SOCK_NONBLOCK);
	close(entrance);
	assert_int_equal(flow_begin(pool, accepted, &start), 0);
}

static void
turn(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
}

static int
setup(void **state)
{
	(void)state;
	base = ipc_loop_new(0);
	pool = flow_pool_new(base, NULL, NULL, 4, NULL, on_room, NULL);
	assert_non_null(pool);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	flow_pool_shutdown(pool);
	assert_int_equal(closed, 1);
	assert_true(flow_pool_has_room(pool));
	close(client);
	close(listener);
	event_base_free(base);
	return 0;
}

static void
begin(void)
{
	struct sockaddr_in name;

	listener = listening(1, &name);
	flow(&name);
	server = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	assert_true(server >= 0);
}

/* One message comes through. */
static void
pass(int from, int to)
{
	char bytes[100] = { 0 };
	size_t len = 0;
	ssize_t n;

	assert_int_equal(
	    send(from, bytes, sizeof(bytes), 0), (ssize_t)sizeof(bytes));
	while (len < sizeof(bytes)) {
		turn();
		n = recv(to, bytes, sizeof(bytes) - len, 0);
		assert_int_not_equal(n, 0);
		len += n > 0 ? (size_t)n : 0;
	}
}

static void
pass_many(unsigned int count)
{
	/* For as long that short reads have been looked into. */
	int64_t until_us = clock_mono_us() + 200000;

	for (; count > 0 || clock_mono_us() < until_us;
	     count -= count > 0 ? 1 : 0) {
		pass(client, server);
		pass(server, client);
	}
}

static void
test_nothing_is_allocated_for_what_a_flow_reads(void **state)
{
	(void)state;
	begin();
	pass_many(3000); /* until it has its pipes */
	allocations = 0;
	pass_many(10000);
	assert_int_equal(allocations, 0);
	close(server);
}

/* A server that answers nobody: whoever has its only place is not accepted. */
static void
begin_in_vain(int taken[2])
{
	struct sockaddr_in name;

	listener = listening(0, &name);
	taken[0] = connecting(&name, SOCK_NONBLOCK);
	taken[1] = connecting(&name, SOCK_NONBLOCK);
	flow(&name);
	turn();
}

static void
reset(int fd)
{
	struct linger now = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	dup2(STDIN_FILENO, fd);
}

static void
test_client_that_resets_is_not_waited_for(void **state)
{
	int taken[2];

	(void)state;
	begin_in_vain(taken);
	assert_int_equal(send(client, "request", 7, 0), 7);
	turn();
	assert_int_equal(closed, 0);
	reset(client);
	while (!closed)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(record.close, FLOW_CLOSE_CLIENT_RST);
	assert_int_equal(record.error, ECONNRESET);
	assert_true(record.duration_us < 5000000);
	close(taken[0]);
	close(taken[1]);
}

static void
test_client_that_waits_has_its_time(void **state)
{
	int64_t until_us = clock_mono_us() + 500000;
	int taken[2];

	(void)state;
	begin_in_vain(taken);
	assert_int_equal(send(client, "request", 7, 0), 7);
	shutdown(client, SHUT_WR);
	while (clock_mono_us() < until_us)
		turn();
	assert_int_equal(closed, 0);
	close(taken[0]);
	close(taken[1]);
}

static void
test_nothing_is_begun_in_the_name_of_who_has_reset(void **state)
{
	struct sockaddr_in name;
	struct flow_start start = { .upstream = UPSTREAM_NONE,
		.proto = IPPROTO_TCP,
		.source = SOURCE_CLIENT };
	int accepted;

	(void)state;
	listener = listening(2, &name);
	assert_int_equal(addr_from_sockaddr((const struct sockaddr *)&name,
			     &start.dst, &start.dport),
	    0);
	client = connecting(&name, 0);
	accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	assert_int_equal(send(client, "request", 7, 0), 7);
	reset(client);
	assert_int_equal(flow_begin(pool, accepted, &start), 0);
	assert_int_equal(closed, 1);
	assert_int_equal(record.close, FLOW_CLOSE_CLIENT_RST);
	fcntl(listener, F_SETFL, O_NONBLOCK);
	assert_int_equal(accept(listener, NULL, NULL), -1);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_is_allocated_for_what_a_flow_reads),
		TEST(test_client_that_resets_is_not_waited_for),
		TEST(test_client_that_waits_has_its_time),
		TEST(test_nothing_is_begun_in_the_name_of_who_has_reset),
	};

	return cmocka_run_group_tests_name("flow", tests, NULL, NULL);
}
