/* SPDX-License-Identifier: ISC */
/* Flows of TCP and their shares of limits; what they connect to is made up. */
#include <sys/socket.h>

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/loop.h"
#include "relay/flow.h"
#include "relay/journal.h"
#include "relay/judge.h"
#include "relay/server.h"
#include "relay/tally.h"

#define SLOTS 8
#define MOST 1 /* flows at a time */
#define RULE "relay to any max-flows 3"

static const struct rule_limits limits = { .flows = { [LIMIT_RULE] = 3 } };

static struct event_base *base;
static struct flow_arena *arena;
static struct flow_pool *pool;
static struct tally_part *part;
static struct tally tally;
static int server_error; /* what opening its socket ends in, or 0 */
static int server_far;	 /* the other end of the last one */
static int client_far;

void
server_init(struct server *server, const struct flow_start *start,
    struct flow_entry *record, struct broker *broker, server_opened_fn *opened,
    void *ctx)
{
	(void)start;
	(void)record;
	(void)broker;
	(void)opened;
	(void)ctx;
	memset(server, 0, sizeof(*server));
}

static int
pair(int *far)
{
	int ends[2];

	assert_int_equal(
	    socketpair(
		AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends),
	    0);
	*far = ends[1];
	return ends[0];
}

int
server_open(struct server *server)
{
	(void)server;
	errno = server_error;
	return server_error != 0 ? -1 : pair(&server_far);
}

enum server_status
server_step(struct server *server, int fd, short what, unsigned int *error)
{
	(void)server;
	(void)fd;
	(void)what;
	(void)error;
	return SERVER_READY;
}

int
server_again(struct server *server, unsigned int error)
{
	(void)server;
	(void)error;
	return 0;
}

int64_t
server_due_us(const struct server *server)
{
	(void)server;
	return INT64_MAX;
}

void
server_release(struct server *server)
{
	(void)server;
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
    const struct judge *judge, struct flow_entry *record, const char *host)
{
	(void)judge;
	(void)record;
	(void)host;
	return 0;
}

static void
on_room(void *ctx)
{
	(void)ctx;
}

static int
setup(void **state)
{
	static const struct judge judge;
	struct journal *journal;

	(void)state;
	base = ipc_loop_new(0);
	arena = calloc(1, FLOW_ARENA_BYTES((size_t)SLOTS));
	part = calloc(1, sizeof(*part));
	assert_non_null(arena);
	assert_non_null(part);
	tally = (struct tally){ .part = { part }, .own = part, .workers = 1 };
	journal = journal_new(base, arena, SLOTS, 0, 1);
	assert_non_null(journal);
	pool = flow_pool_new(base, journal, NULL, MOST, &judge, on_room, NULL);
	assert_non_null(pool);
	server_error = 0;
	server_far = client_far = -1;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	flow_pool_shutdown(pool);
	free(part);
	free(arena);
	event_base_free(base);
	return 0;
}

/* A flow of the rule, with its share of what the rule allows. */
static struct flow_start
start_make(void)
{
	struct flow_start start = { .proto = IPPROTO_TCP, .tally = &tally };

	assert_int_equal(
	    tally_take(&tally, RULE, &limits, &start.src, &start.share), 0);
	return start;
}

static uint64_t
shares(void)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < TALLY_CELLS; i++)
		sum += atomic_load(&part->cell[i].count);
	return sum;
}

static void
begin(void)
{
	struct flow_start start = start_make();

	assert_int_equal(flow_begin(pool, pair(&client_far), &start), 0);
}

static void
test_share_is_given_back_at_the_end(void **state)
{
	static const struct flow_choice all;

	(void)state;
	begin();
	assert_int_equal(shares(), 1);
	assert_int_equal(flow_pool_kill(pool, &all), 1);
	assert_int_equal(shares(), 0);
}

static void
test_share_of_a_flow_without_room_is_given_back(void **state)
{
	struct flow_start start;
	int client = pair(&client_far), i;

	(void)state;
	begin();
	assert_false(flow_pool_has_room(pool));
	/* Many more than the rule would allow to be open. */
	for (i = 0; i < 10; i++) {
		start = start_make();
		assert_int_equal(flow_begin(pool, client, &start), -1);
		assert_int_equal(shares(), 1);
	}
	/* It is no flow, and its client is the caller's. */
	assert_int_equal(atomic_load(&arena->accepted), 1);
	assert_int_equal(close(client), 0);
}

static void
test_share_of_a_flow_without_a_server_is_given_back(void **state)
{
	char byte;

	(void)state;
	server_error = ECONNREFUSED;
	begin();
	assert_int_equal(shares(), 0);
	assert_true(flow_pool_has_room(pool));
	assert_int_equal(recv(client_far, &byte, 1, MSG_DONTWAIT), 0);
	assert_int_equal(atomic_load(&arena->accepted), 1);
	assert_int_equal(atomic_load(&arena->open), 0);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_share_is_given_back_at_the_end),
		TEST(test_share_of_a_flow_without_room_is_given_back),
		TEST(test_share_of_a_flow_without_a_server_is_given_back),
	};

	return cmocka_run_group_tests_name("flow", tests, NULL, NULL);
}
