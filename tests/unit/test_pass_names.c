/* SPDX-License-Identifier: ISC */
/* What a dnsd has the kernel know of what it tells, and when. */
#include <sys/mman.h>
#include <sys/socket.h>

#include <event2/event.h>
#include <unistd.h>

#include "policy_fixture.h"

#include "common/clock.h"
#include "dns_fixture.h"
#include "dnsd/front.h"
#include "dnsd/names.h"
#include "ipc/channel.h"
#include "ipc/loop.h"
#include "policy/conf_index.h"
#include "policy/told.h"

#define TEXT                                                        \
	FIXTURE_CAPTURE                                             \
	"dns recurse\ndns validate no\n"                            \
	"pass to 192.0.2.0/24 port 1 domain \"a.example\" by dns\n" \
	"block to 192.0.2.7\n"                                      \
	"pass domain { \"a.example\" \"b.example\" } by dns\n"
#define TTL_S 100

static struct event_base *base;
static struct names *names;
static struct binding_table *table;
static struct ipc_channel *netctl;
static struct msg_names_ask asked;
static unsigned int asks;
static uint64_t last_told;

static void
on_ask(void *ctx, struct ipc_message *message)
{
	(void)ctx;
	memcpy(&asked, message->body, message->len);
	asks++;
}

static const struct ipc_handler handlers[] = {
	{ MSG_NAMES_ASK, on_ask },
	{ MSG_NONE, NULL },
};

static void
on_end(void *ctx, const char *why)
{
	(void)ctx;
	assert_null(why);
}

static void
on_told(void *ctx, uint64_t number)
{
	(void)ctx;
	last_told = number;
}

static void
connect_netctl(void)
{
	int ends[2];

	ipc_channel_free(netctl);
	assert_int_equal(ipc_socketpair(ends), 0);
	netctl = ipc_channel_new(
	    base, ends[0], IPC_NETCTL, IPC_DNSD, handlers, on_end, NULL);
	assert_non_null(netctl);
	ipc_channel_set_phase(netctl, IPC_PHASE_RUN);
	names_connect(names, ends[1]);
}

static int
begin(void **state)
{
	static const uint64_t seed[2] = { 1, 2 };
	struct text errors = { 0 };
	struct conf *conf = fixture_conf(TEXT);
	const char *why;
	void *index, *bytes;
	size_t len;

	(void)state;
	asks = 0;
	last_told = 0;
	assert_int_equal(conf_index_build(conf, 7, &index, &len, &errors), 0);
	assert_int_equal(domain_index_check(index, len, &why), 0);
	assert_int_equal(image_build(conf, 1, &bytes, &len), 0);
	assert_int_equal(image_check(bytes, len, &why), 0);
	conf_free(conf);
	table = mmap(NULL, binding_table_bytes(), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(table, MAP_FAILED);
	binding_table_init(table, seed);
	base = ipc_loop_new(0);
	names = names_new(base, on_told, NULL);
	assert_non_null(names);
	names_configure(names, bytes, index);
	names_set_table(names, table);
	connect_netctl();
	/* There is nothing yet that it would be asked for. */
	event_base_loop(base, EVLOOP_NONBLOCK);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	ipc_channel_free(netctl);
	netctl = NULL;
	munmap(table, binding_table_bytes());
	return 0;
}

static const char *aliases = ""; /* of what is told */

static uint64_t
tell(const char *name, const char *client, const char *server)
{
	struct question question = dns_question(name, 1);
	struct prefix from, to;
	struct front_binding binding = { .client = &from.addr,
		.question = &question,
		.aliases = aliases,
		.addrs = &to.addr,
		.count = 1,
		.ttl_s = TTL_S };

	assert_int_equal(prefix_parse(client, &from), 0);
	assert_int_equal(prefix_parse(server, &to), 0);
	return names_tell(names, &binding);
}

static void
until_asks(unsigned int count)
{
	while (asks < count)
		event_base_loop(base, EVLOOP_ONCE);
}

static void
answer(uint32_t taken, uint32_t refused)
{
	struct msg_names_done done = { taken, refused };
	uint64_t before = last_told;

	assert_int_equal(IPC_SEND(netctl, MSG_NAMES_DONE, 0, &done, -1), 0);
	while (last_told == before)
		event_base_loop(base, EVLOOP_ONCE);
}

static void
test_a_name_is_passed_for_its_alias(void **state)
{
	(void)state;
	aliases = "d.example\0a.example\0";
	assert_int_equal(tell("c.example", "10.0.0.1", "192.0.2.1"), 1);
	until_asks(1);
	assert_int_equal(asked.count, 2);
	answer(2, 0);
	/* The table has it for the next netctl. */
	connect_netctl();
	until_asks(2);
	assert_int_equal(asked.count, 2);
	aliases = "";
}

static void
test_what_rules_pass_is_asked_for_once(void **state)
{
	struct names_stats stats;

	(void)state;
	assert_int_equal(tell("c.example", "10.0.0.1", "192.0.2.1"), 0);
	assert_int_equal(tell("a.example", "10.0.0.1", "192.0.2.1"), 1);
	until_asks(1);
	assert_int_equal(asked.generation, 1);
	assert_int_equal(asked.count, 2);
	assert_int_equal(asked.pair[0].rule, 0);
	assert_int_equal(asked.pair[1].rule, 2);
	assert_int_equal(asked.pair[0].left_s, TTL_S + TOLD_GRACE_S);
	assert_memory_equal(asked.pair[0].server + 12, "\300\0\2\1", 4);
	/* Another answer with it waits for the same; not one that nobody asks
	 * for. */
	assert_int_equal(tell("a.example", "10.0.0.1", "192.0.2.1"), 1);
	assert_int_equal(tell("c.example", "10.0.0.1", "192.0.2.1"), 0);
	answer(1, 1);
	assert_int_equal(last_told, 1);
	/* It is known already, by this client and not by another one. */
	assert_int_equal(tell("a.example", "10.0.0.1", "192.0.2.1"), 0);
	assert_int_equal(tell("a.example", "10.0.0.2", "192.0.2.1"), 2);
	until_asks(2);
	names_stats(names, &stats);
	assert_int_equal(stats.taken, 1);
	assert_int_equal(stats.refused, 1);
}

static void
test_other_families_and_addresses_are_not_asked_for(void **state)
{
	(void)state;
	assert_int_equal(tell("b.example", "10.0.0.1", "2001:db8::1"), 0);
	assert_int_equal(tell("b.example", "10.0.0.1", "127.0.0.1"), 0);
	assert_int_equal(tell("a.example", "10.0.0.1", "198.51.100.1"), 1);
	until_asks(1);
	assert_int_equal(asked.count, 1);
	assert_int_equal(asked.pair[0].rule, 2);
}

/* And when a new netctl comes, and with another configuration. */
static void
test_what_is_lost_is_asked_for_again(void **state)
{
	struct msg_names_lost lost = { .generation = 1 };

	(void)state;
	(void)tell("b.example", "10.0.0.1", "192.0.2.1");
	until_asks(1);
	assert_int_equal(IPC_SEND(netctl, MSG_NAMES_LOST, 0, &lost, -1), 0);
	until_asks(2);
	assert_int_equal(asked.count, 1);
	assert_in_range(asked.pair[0].left_s, TTL_S, TTL_S + TOLD_GRACE_S);
	connect_netctl();
	assert_int_equal(last_told, 2); /* nobody waits for the old one */
	until_asks(3);
	assert_int_equal(asked.count, 1);
	assert_memory_equal(asked.pair[0].client + 12, "\12\0\0\1", 4);
}

static void
test_nobody_waits_for_a_silent_netctl(void **state)
{
	struct names_stats stats;
	int64_t end_us;

	(void)state;
	assert_int_equal(tell("b.example", "10.0.0.1", "192.0.2.1"), 1);
	assert_int_equal(tell("b.example", "10.0.0.1", "192.0.2.2"), 2);
	end_us = clock_mono_us() + FRONT_LEARN_US;
	while (clock_mono_us() <= end_us)
		event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(tell("b.example", "10.0.0.1", "192.0.2.3"), 0);
	names_stats(names, &stats);
	assert_int_equal(stats.late, 1);
	until_asks(3);
	answer(1, 0);
	assert_int_equal(tell("b.example", "10.0.0.1", "192.0.2.4"), 4);
}

static void
test_without_netctl_nobody_waits(void **state)
{
	(void)state;
	assert_int_equal(tell("b.example", "10.0.0.1", "192.0.2.1"), 1);
	ipc_channel_free(netctl);
	netctl = NULL;
	while (last_told == 0)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(tell("b.example", "10.0.0.1", "192.0.2.2"), 0);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_rules_pass_is_asked_for_once),
		TEST(test_a_name_is_passed_for_its_alias),
		TEST(test_other_families_and_addresses_are_not_asked_for),
		TEST(test_what_is_lost_is_asked_for_again),
		TEST(test_nobody_waits_for_a_silent_netctl),
		TEST(test_without_netctl_nobody_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
