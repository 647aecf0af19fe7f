/* SPDX-License-Identifier: ISC */
/* What netctl gives a dnsd that asks for passes, and what it refuses. */
#include <sys/socket.h>

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <unistd.h>

#include "policy_fixture.h"

#include "common/addr.h"
#include "common/clock.h"
#include "ipc/channel.h"
#include "ipc/loop.h"
#include "netctl/elements.h"
#include "netctl/pairs.h"
#include "netctl/passes.h"
#include "policy/told.h"

#define TEXT                                                           \
	FIXTURE_CAPTURE "dns recurse\n"                                \
			"dns validate no\n"                            \
			"pass from 10.0.0.0/8 to 192.0.2.0/24 domain " \
			"\"a.example\" by dns\n"                       \
			"pass to any domain \"a.example\"\n"           \
			"pass domain \"a.example\" by dns\n"
#define GENERATION 1
#define WORKER 1

/* What the kernel was given. */
static char sets[ELEMENTS_MAX][64];
static uint32_t timeouts[ELEMENTS_MAX];
static size_t added, runs, ran;
static int run_error;

static int64_t now_us;
static struct event_base *base;
static struct passes *passes;
static struct image *image;
static struct ipc_channel *dnsd;
static struct msg_names_done done;
static unsigned int answers, losses, breaches, refusals;
static uint64_t lost_generation;
static char last_refusal[200];

int64_t
clock_mono_us(void)
{
	return now_us;
}

struct elements *
elements_new(void)
{
	return (struct elements *)(void *)&added;
}

size_t
elements_count(const struct elements *elements)
{
	(void)elements;
	return added;
}

void
elements_add(struct elements *elements, const char *set,
    const struct addr *client, const struct addr *server, uint32_t timeout_s)
{
	(void)elements;
	(void)client;
	(void)server;
	assert_true(added < ELEMENTS_MAX);
	(void)snprintf(sets[added], sizeof(sets[added]), "%s", set);
	timeouts[added++] = timeout_s;
}

int
elements_run(struct elements *elements)
{
	(void)elements;
	runs += added > 0;
	ran += added;
	added = 0;
	errno = run_error;
	return run_error == 0 ? 0 : -1;
}

static void
on_done(void *ctx, struct ipc_message *message)
{
	(void)ctx;
	memcpy(&done, message->body, sizeof(done));
	answers++;
}

static void
on_lost(void *ctx, struct ipc_message *message)
{
	const struct msg_names_lost *lost = message->body;

	(void)ctx;
	lost_generation = lost->generation;
	losses++;
}

static const struct ipc_handler handlers[] = {
	{ MSG_NAMES_DONE, on_done },
	{ MSG_NAMES_LOST, on_lost },
	{ MSG_NONE, NULL },
};

static void
on_end(void *ctx, const char *why)
{
	(void)ctx;
	assert_null(why);
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
on_refused(void *ctx, const char *message)
{
	(void)ctx;
	(void)snprintf(last_refusal, sizeof(last_refusal), "%s", message);
	refusals++;
}

static int
begin(void **state)
{
	static const struct passes_listener listener = { on_breach, on_refused,
		NULL };
	size_t len;
	int ends[2];

	(void)state;
	now_us = 1000000000;
	added = runs = ran = 0;
	answers = losses = breaches = refusals = 0;
	run_error = 0;
	base = ipc_loop_new(0);
	image = fixture_image(TEXT, &len);
	passes = passes_new(base, &listener);
	assert_non_null(passes);
	passes_follow(passes, image, 1, "_a");
	assert_int_equal(ipc_socketpair(ends), 0);
	passes_connect(passes, WORKER, ends[0]);
	dnsd = ipc_channel_new(
	    base, ends[1], IPC_DNSD, IPC_NETCTL, handlers, on_end, NULL);
	assert_non_null(dnsd);
	ipc_channel_set_phase(dnsd, IPC_PHASE_RUN);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	ipc_channel_free(dnsd);
	free(image);
	return 0;
}

static struct names_pair
pair_of(const char *client, const char *server)
{
	struct names_pair pair = { .left_s = 60, .rule = 0 };
	struct prefix prefix;

	assert_int_equal(prefix_parse(client, &prefix), 0);
	memcpy(pair.client, prefix.addr.byte, sizeof(pair.client));
	assert_int_equal(prefix_parse(server, &prefix), 0);
	memcpy(pair.server, prefix.addr.byte, sizeof(pair.server));
	return pair;
}

static void
send_ask(uint32_t generation, const struct names_pair *pairs, uint32_t count)
{
	struct msg_names_ask ask = { .generation = generation, .count = count };

	memcpy(ask.pair, pairs, count * sizeof(*pairs));
	assert_int_equal(ipc_send(dnsd, MSG_NAMES_ASK, 0, &ask,
			     MSG_NAMES_ASK_BYTES(count), -1),
	    0);
}

static void
until(unsigned int count)
{
	while (answers < count)
		event_base_loop(base, EVLOOP_ONCE);
}

/* 1 when it is granted. */
static int
asks(uint32_t generation, const struct names_pair *pair)
{
	unsigned int before = answers;

	send_ask(generation, pair, 1);
	until(before + 1);
	assert_int_equal(done.taken + done.refused, 1);
	return (int)done.taken;
}

static void
test_what_a_rule_passes_is_set(void **state)
{
	struct names_pair pair = pair_of("10.0.0.1", "192.0.2.1");

	(void)state;
	assert_true(asks(GENERATION, &pair));
	assert_string_equal(sets[0], "names_1_0_4_a");
	assert_int_equal(timeouts[0], 60);
	assert_int_equal(runs, 1);
	/* The kernel knows it. */
	assert_true(asks(GENERATION, &pair));
	assert_int_equal(runs, 1);
	pair.left_s = 90;
	assert_true(asks(GENERATION, &pair));
	assert_int_equal(runs, 2);
	assert_int_equal(refusals, 0);
}

static void
test_what_no_rule_passes_is_refused(void **state)
{
	struct names_pair good = pair_of("10.0.0.1", "192.0.2.1"), bad;
	static const struct {
		const char *client, *server;
	} cases[] = {
		{ "11.0.0.1", "192.0.2.1" },
		{ "10.0.0.1", "192.0.3.1" },
		{ "10.0.0.1", "127.0.0.1" },
		{ "10.0.0.1", "224.0.0.1" },
		{ "10.0.0.1", "2001:db8::1" },
		{ "::1", "::1" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bad = pair_of(cases[i].client, cases[i].server);
		assert_false(asks(GENERATION, &bad));
	}
	for (i = 1; i < 5; i += 2) { /* of another kind, or none */
		bad = good;
		bad.rule = (uint16_t)i;
		assert_false(asks(GENERATION, &bad));
	}
	bad = good;
	bad.rule = UINT16_MAX;
	assert_false(asks(GENERATION, &bad));
	assert_int_equal(runs, 0);
	/* One event, not one for each. */
	assert_int_equal(refusals, 1);
	assert_non_null(strstr(last_refusal, "dnsd 1 asked 1 times"));
	assert_non_null(strstr(last_refusal, "no rule passes"));
}

static int
on_event(const struct event_base *of, const struct event *event, void *found)
{
	(void)of;
	if (event_pending(event, EV_TIMEOUT, NULL))
		*(struct event **)found = (struct event *)(uintptr_t)event;
	return 0;
}

/* As if the time of the one timer were over; 0: there is none. */
static int
time_over(void)
{
	struct event *timer = NULL;

	(void)event_base_foreach_event(base, on_event, &timer);
	if (timer == NULL)
		return 0;
	event_active(timer, EV_TIMEOUT, 0);
	(void)event_base_loop(base, EVLOOP_NONBLOCK);
	return 1;
}

static void
test_what_is_refused_is_told_of_in_the_end(void **state)
{
	struct names_pair pair = pair_of("11.0.0.1", "192.0.2.1");
	unsigned int i;

	(void)state;
	assert_false(time_over());
	for (i = 0; i < 7; i++)
		assert_false(asks(GENERATION, &pair));
	assert_int_equal(refusals, 1);
	assert_true(time_over());
	assert_int_equal(refusals, 2);
	assert_non_null(strstr(last_refusal, "dnsd 1 asked 6 times"));
	assert_non_null(strstr(last_refusal, "no rule passes"));
	assert_true(time_over());
	assert_int_equal(refusals, 2);
	assert_false(time_over());
	assert_false(asks(GENERATION, &pair));
	assert_int_equal(refusals, 3);
}

static void
test_a_time_that_no_answer_has_is_refused(void **state)
{
	struct names_pair pair = pair_of("10.0.0.1", "192.0.2.1");

	(void)state;
	pair.left_s = 0;
	assert_false(asks(GENERATION, &pair));
	pair.left_s = TOLD_LIFE_MAX_S + 1;
	assert_false(asks(GENERATION, &pair));
	pair.left_s = TOLD_LIFE_MAX_S;
	pair.reserved = 1;
	assert_false(asks(GENERATION, &pair));
	pair.reserved = 0;
	assert_true(asks(GENERATION, &pair));
}

/* It is no fault: a configuration comes to both, to one before the other. */
static void
test_another_generation_is_refused_without_a_word(void **state)
{
	struct names_pair pair = pair_of("10.0.0.1", "192.0.2.1");

	(void)state;
	assert_false(asks(GENERATION + 1, &pair));
	assert_int_equal(runs, 0);
	assert_int_equal(refusals, 0);
	passes_follow(passes, image, 1, NULL);
	assert_false(asks(GENERATION, &pair));
	passes_follow(passes, image, 1, "_b");
	assert_true(asks(GENERATION, &pair));
	assert_string_equal(sets[0], "names_1_0_4_b");
}

static void
test_another_table_is_told_of_and_empty(void **state)
{
	struct names_pair pair = pair_of("10.0.0.1", "192.0.2.1");

	(void)state;
	assert_true(asks(GENERATION, &pair));
	passes_follow(passes, image, 1, "_a");
	assert_int_equal(losses, 0);
	passes_follow(passes, image, 2, "_b");
	while (losses == 0)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(lost_generation, GENERATION);
	assert_true(asks(GENERATION, &pair));
	assert_int_equal(runs, 2);
}

static void
test_many_asks_are_one_transaction(void **state)
{
	struct names_pair pair = pair_of("10.0.0.1", "192.0.2.1");
	unsigned int i;

	(void)state;
	for (i = 0; i < 20; i++) {
		pair.server[15] = (uint8_t)i;
		send_ask(GENERATION, &pair, 1);
	}
	until(20);
	assert_int_equal(ran, 20);
	assert_in_range(runs, 1, 4);
}

static void
test_a_transaction_has_its_bound(void **state)
{
	struct names_pair pairs[LIMIT_NAMES_PAIRS];
	unsigned int i, n;

	(void)state;
	for (n = 0; n < 5; n++) {
		for (i = 0; i < LIMIT_NAMES_PAIRS; i++) {
			pairs[i] = pair_of("10.0.0.1", "192.0.2.1");
			pairs[i].client[14] = (uint8_t)n;
			pairs[i].server[15] = (uint8_t)i;
		}
		send_ask(GENERATION, pairs, LIMIT_NAMES_PAIRS);
	}
	until(5);
	assert_int_equal(ran, 5 * LIMIT_NAMES_PAIRS);
}

static void
test_what_the_kernel_refuses_can_be_asked_again(void **state)
{
	struct names_pair pair = pair_of("10.0.0.1", "192.0.2.1");

	(void)state;
	run_error = ENOMEM;
	assert_false(asks(GENERATION, &pair));
	assert_int_equal(refusals, 1);
	run_error = 0;
	assert_true(asks(GENERATION, &pair));
	assert_int_equal(ran, 2);
}

/* So many a second, whether the kernel knows them already or not. */
static void
test_a_flood_is_refused(void **state)
{
	struct names_pair pairs[LIMIT_NAMES_PAIRS];
	unsigned int i, n, taken = 0;

	(void)state;
	for (i = 0; i < LIMIT_NAMES_PAIRS; i++)
		pairs[i] = pair_of("10.0.0.1", "192.0.2.1");
	for (n = 0; n < 400; n++) {
		send_ask(GENERATION, pairs, LIMIT_NAMES_PAIRS);
		until(n + 1);
		assert_int_equal(done.taken + done.refused, LIMIT_NAMES_PAIRS);
		taken += done.taken;
	}
	assert_int_equal(taken, 20000);
	assert_int_equal(refusals, 1);
	assert_non_null(strstr(last_refusal, "too many in a second"));
	assert_int_equal(breaches, 0);
	now_us += 1000;
	assert_true(asks(GENERATION, &pairs[0]));
}

static void
test_what_a_client_is_told_has_its_bound(void **state)
{
	struct names_pair pairs[LIMIT_NAMES_PAIRS];
	unsigned int i, n, taken = 0;

	(void)state;
	for (n = 0; n < 32; n++) {
		for (i = 0; i < LIMIT_NAMES_PAIRS; i++) {
			pairs[i] = pair_of("10.0.0.1", "192.0.2.1");
			pairs[i].rule = 2;
			pairs[i].server[15] = (uint8_t)(i + n % 4 * 64);
			pairs[i].server[14] = (uint8_t)(2 + n / 4);
		}
		send_ask(GENERATION, pairs, LIMIT_NAMES_PAIRS);
		until(n + 1);
		taken += done.taken;
	}
	assert_int_equal(taken, PAIRS_OF_REGION);
	assert_non_null(strstr(last_refusal, "no room"));
}

static void
test_a_dnsd_that_breaks_the_contract_is_told_of(void **state)
{
	struct msg_empty body = { 0 };

	(void)state;
	assert_int_equal(IPC_SEND(dnsd, MSG_STOP, 0, &body, -1), 0);
	while (breaches == 0)
		event_base_loop(base, EVLOOP_ONCE);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_a_rule_passes_is_set),
		TEST(test_what_no_rule_passes_is_refused),
		TEST(test_what_is_refused_is_told_of_in_the_end),
		TEST(test_a_time_that_no_answer_has_is_refused),
		TEST(test_another_generation_is_refused_without_a_word),
		TEST(test_another_table_is_told_of_and_empty),
		TEST(test_many_asks_are_one_transaction),
		TEST(test_a_transaction_has_its_bound),
		TEST(test_what_the_kernel_refuses_can_be_asked_again),
		TEST(test_a_flood_is_refused),
		TEST(test_what_a_client_is_told_has_its_bound),
		TEST(test_a_dnsd_that_breaks_the_contract_is_told_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
