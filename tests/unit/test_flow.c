/* SPDX-License-Identifier: ISC */
/* A flow between a client and a server that are sockets of the test. */
#include "relay/flow.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/unit/hello_fixture.h"

#include "common/clock.h"
#include "ipc/loop.h"
#include "relay/beginning.h"
#include "relay/broker.h"
#include "relay/journal.h"
#include "relay/judge.h"
#include "relay/names.h"

#define NAME "www.example.org"
#define FLOWS (BEGINNINGS_LONG + 2)
#define SMALL_BYTES 100
#define BIG_BYTES 32768 /* spliced, in a flow that is no longer short */

static struct event_base *base;
static struct flow_pool *pool;
static struct flow_entry records[FLOWS];
static struct flow_entry *record; /* of the last flow */
static unsigned int opened, closed;
static struct fixture_bytes hello;
static char host[64];	   /* that was found */
static int needs_name;	   /* flows do */
static int forbidden;	   /* any name that comes late */
static unsigned int named; /* flows, by a name or without one */
static size_t sooner;	   /* bytes of it that come before their flow */
static size_t later;	   /* bytes of the hello that come when it is named */
static int listener;	   /* the server's */
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
	record = &records[opened++ % FLOWS];
	memset(record, 0, sizeof(*record));
	return record;
}

void
journal_close(struct journal *journal, struct flow_entry *entry)
{
	assert_null(journal);
	assert_in_range(entry - records, 0, FLOWS - 1);
	closed++;
}

void
journal_set_host(struct journal *journal, struct flow_entry *entry,
    enum flow_host_source source, const char *name)
{
	(void)journal;
	(void)entry;
	assert_int_equal(source, FLOW_HOST_SNI);
	strcpy(host, name);
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
	start->upstream = UPSTREAM_NONE;
	named++;
	if (later > 0)
		assert_int_equal(
		    send(client, hello.at + hello.len - later, later, 0),
		    (ssize_t)later);
	return FLOW_ACTION_RELAY;
}

int
judge_forbids(
    const struct judge *judge, struct flow_entry *entry, const char *name)
{
	(void)judge;
	(void)entry;
	(void)name;
	return forbidden;
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
		.needs_name = (uint8_t)needs_name,
		.proto = IPPROTO_TCP };
	struct sockaddr_in name;
	int entrance = listening(1, &name);
	int accepted;
	ssize_t n;

	assert_int_equal(addr_from_sockaddr((const struct sockaddr *)target,
			     &start.dst, &start.dport),
	    0);
	client = connecting(&name, 0);
	fcntl(client, F_SETFL, O_NONBLOCK);
	n = send(client, hello.at, sooner, 0);
	assert_int_equal(n, (ssize_t)sooner);
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
	pool = flow_pool_new(base, NULL, NULL, FLOWS, NULL, on_room, NULL);
	assert_non_null(pool);
	opened = closed = named = 0;
	needs_name = forbidden = 0;
	sooner = later = 0;
	host[0] = '\0';
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	flow_pool_shutdown(pool);
	assert_int_equal(closed, opened);
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
pass(int from, int to, size_t size)
{
	static char bytes[BIG_BYTES];
	size_t len = 0;
	ssize_t n;

	assert_int_equal(send(from, bytes, size, 0), (ssize_t)size);
	while (len < size) {
		turn();
		n = recv(to, bytes, size - len, 0);
		assert_int_not_equal(n, 0);
		len += n > 0 ? (size_t)n : 0;
	}
}

static void
pass_many(unsigned int count, size_t size)
{
	/* For as long that short reads have been looked into. */
	int64_t until_us = clock_mono_us() + 200000;

	for (; count > 0 || clock_mono_us() < until_us;
	     count -= count > 0 ? 1 : 0) {
		pass(client, server, size);
		pass(server, client, size);
	}
}

/* Neither for small ones, nor for big ones, which are spliced. */
static void
test_nothing_is_allocated_for_what_a_flow_reads(void **state)
{
	(void)state;
	begin();
	pass_many(3000, SMALL_BYTES);
	allocations = 0;
	pass_many(10000, SMALL_BYTES);
	assert_int_equal(allocations, 0);
	pass(client, server, BIG_BYTES);
	pass(client, server, BIG_BYTES);
	assert_int_equal(allocations, 1); /* its pipe */
	pass_many(1000, BIG_BYTES);
	assert_int_equal(allocations, 1);
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
	assert_int_equal(record->close, FLOW_CLOSE_CLIENT_RST);
	assert_int_equal(record->error, ECONNRESET);
	assert_true(record->duration_us < 5000000);
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
	assert_int_equal(record->close, FLOW_CLOSE_CLIENT_RST);
	fcntl(listener, F_SETFL, O_NONBLOCK);
	assert_int_equal(accept(listener, NULL, NULL), -1);
}

/* A hello of so many bytes, each of them in a record. */
static void
hello_of(size_t len)
{
	static struct fixture_bytes extensions, message;
	static uint8_t padding[SNIFF_MOST_BYTES];

	extensions.len = 0;
	fixture_name(&extensions, NAME, strlen(NAME));
	fixture_message(&message, &extensions);
	fixture_extension(&extensions, 21, padding, len - message.len - 4);
	fixture_message(&message, &extensions);
	fixture_records(&hello, &message, 1);
}

/* Bytes of the hello, in pieces that are looked at one by one. */
static void
client_sends(size_t len)
{
	size_t at = sooner, piece;
	ssize_t n;

	while (at < len) {
		piece = len - at < 1000 ? len - at : 1000;
		n = send(client, hello.at + at, piece, 0);
		if (n > 0)
			at += (size_t)n;
		turn();
	}
}

/* They arrive, and nothing else. */
static void
server_gets(size_t len)
{
	static uint8_t bytes[SNIFF_MOST_SENT + 1];
	int64_t until_us = clock_mono_us() + 10000000;
	size_t at = 0;
	ssize_t n;

	while (at < len) {
		turn();
		n = recv(server, bytes + at, sizeof(bytes) - at, 0);
		assert_int_not_equal(n, 0);
		at += n > 0 ? (size_t)n : 0;
		assert_true(clock_mono_us() < until_us);
	}
	assert_int_equal(at, len);
	assert_memory_equal(bytes, hello.at, len);
}

static void
server_accepts(void)
{
	fcntl(listener, F_SETFL, O_NONBLOCK);
	do {
		turn();
		server = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	} while (server == -1);
}

/* However long it is as it is sent. */
static void
longest_hello_passes(void)
{
	struct sockaddr_in name;

	hello_of(SNIFF_MOST_BYTES);
	listener = listening(1, &name);
	flow(&name);
	client_sends(hello.len);
	server_accepts();
	server_gets(SNIFF_MOST_SENT);
	assert_string_equal(host, NAME);
	pass(server, client, SMALL_BYTES);
	assert_int_equal(closed, 0);
	close(server);
}

static void
test_room_of_a_hello_is_free_when_its_server_is_there(void **state)
{
	int clients[FLOWS], servers[FLOWS];
	struct sockaddr_in name;
	unsigned int i;

	(void)state;
	needs_name = 1;
	hello_of(3000);
	listener = listening(1, &name);
	for (i = 0; i <= BEGINNINGS_LONG; i++) {
		host[0] = '\0';
		flow(&name);
		clients[i] = client;
		client_sends(hello.len);
		server_accepts();
		server_gets(hello.len);
		assert_string_equal(host, NAME);
		servers[i] = server;
	}
	assert_int_equal(closed, 0);
	for (i = 0; i <= BEGINNINGS_LONG; i++) {
		close(clients[i]);
		close(servers[i]);
	}
}

static void
test_longest_hello_names_a_flow(void **state)
{
	(void)state;
	longest_hello_passes();
}

static void
test_longest_hello_names_a_flow_that_needs_it(void **state)
{
	(void)state;
	needs_name = 1;
	longest_hello_passes();
	assert_int_equal(named, 1);
}

/* Its server is there when its time is over, and no byte is lost. */
static void
test_long_beginning_goes_on_when_its_time_is_over(void **state)
{
	struct sockaddr_in name;
	int64_t begin_us = clock_mono_us();

	(void)state;
	needs_name = 1;
	hello_of(SNIFF_MOST_BYTES);
	listener = listening(1, &name);
	flow(&name);
	client_sends(50000);
	server_accepts();
	assert_true(clock_mono_us() - begin_us >= SNIFF_LIMIT_US);
	server_gets(50000);
	assert_string_equal(host, "");
	close(server);
}

/* Then no event tells of them. */
static void
test_long_beginning_that_came_before_its_flow_goes_on(void **state)
{
	struct sockaddr_in name;

	(void)state;
	needs_name = 1;
	hello_of(SNIFF_MOST_BYTES);
	sooner = 6000;
	listener = listening(1, &name);
	flow(&name);
	server_accepts();
	server_gets(6000);
	close(server);
}

/* It is complete too late, but before its server has had a byte. */
static void
test_name_that_comes_late_in_a_long_hello_is_seen(void **state)
{
	struct sockaddr_in name;

	(void)state;
	needs_name = 1;
	forbidden = 1;
	hello_of(3000);
	later = 1000;
	listener = listening(1, &name);
	flow(&name);
	client_sends(hello.len - later);
	while (!closed)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(named, 1);
	assert_int_equal(record->close, FLOW_CLOSE_POLICY);
	assert_int_equal(record->up_bytes, 0);
	assert_string_equal(host, NAME);
}

/* As many as have room send half of it; the next one sends all. */
static void
long_beginnings_have_room(int over)
{
	int clients[FLOWS];
	struct sockaddr_in name;
	unsigned int i;

	hello_of(SNIFF_MOST_BYTES);
	listener = listening(FLOWS, &name);
	for (i = 0; i < BEGINNINGS_LONG; i++) {
		flow(&name);
		clients[i] = client;
		client_sends(SNIFF_MOST_BYTES + 1000);
	}
	for (i = 0; over && i < BEGINNINGS_LONG; i++) {
		server_accepts();
		server_gets(SNIFF_MOST_BYTES + 1000);
		close(server);
	}
	flow(&name);
	client_sends(hello.len);
	if (over)
		assert_string_equal(host, NAME);
	else
		assert_string_equal(host, "");
	for (i = 0; i < BEGINNINGS_LONG; i++)
		close(clients[i]);
}

static void
test_few_long_beginnings_are_waited_for(void **state)
{
	(void)state;
	needs_name = 1;
	long_beginnings_have_room(0);
}

static void
test_room_of_a_beginning_is_free_when_its_time_is_over(void **state)
{
	(void)state;
	long_beginnings_have_room(1);
}

static void
test_room_of_one_that_needs_a_name_is_free_then_too(void **state)
{
	(void)state;
	needs_name = 1;
	long_beginnings_have_room(1);
}

static void
test_room_of_a_flow_that_ends_is_free(void **state)
{
	struct sockaddr_in name;
	unsigned int i;

	(void)state;
	needs_name = 1;
	hello_of(SNIFF_MOST_BYTES);
	listener = listening(1, &name);
	for (i = 0; i <= BEGINNINGS_LONG; i++) {
		flow(&name);
		client_sends(SNIFF_MOST_BYTES + 1000);
		reset(client);
		while (closed <= i)
			turn();
		assert_int_equal(record->close, FLOW_CLOSE_CLIENT_RST);
	}
	flow(&name);
	client_sends(hello.len);
	assert_string_equal(host, NAME);
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
		TEST(test_longest_hello_names_a_flow),
		TEST(test_longest_hello_names_a_flow_that_needs_it),
		TEST(test_long_beginning_goes_on_when_its_time_is_over),
		TEST(test_long_beginning_that_came_before_its_flow_goes_on),
		TEST(test_name_that_comes_late_in_a_long_hello_is_seen),
		TEST(test_room_of_a_hello_is_free_when_its_server_is_there),
		TEST(test_few_long_beginnings_are_waited_for),
		TEST(test_room_of_a_beginning_is_free_when_its_time_is_over),
		TEST(test_room_of_one_that_needs_a_name_is_free_then_too),
		TEST(test_room_of_a_flow_that_ends_is_free),
	};

	return cmocka_run_group_tests_name("flow", tests, NULL, NULL);
}
