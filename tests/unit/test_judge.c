/* SPDX-License-Identifier: ISC */
/* Whose rules count for flows of this host while a configuration changes. */
#include "relay/judge.h"

#include <event2/event.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>

#include "ipc/loop.h"
#include "policy/conf_index.h"
#include "policy_fixture.h"
#include "relay/denial.h"
#include "relay/journal.h"
#include "relay/limit.h"
#include "relay/record.h"
#include "relay/regime.h"
#include "relay/upstream.h"

#define NAME "a.example"
#define NAMED "domain \"" NAME "\""
#define OWNED "capture local\nblock user 33 to any\nrelay user 990 idle 1m\n"
#define OTHERS "capture local\nrelay user 33 idle 2m\nblock to any\n"
#define OPEN "capture local\nrelay " NAMED " idle 3m\nblock to any\n"

#define SLOTS 8192
#define REFUSED 400 /* more than have rows in a second */

#define RELAY FLOW_ACTION_RELAY
#define BLOCK FLOW_ACTION_BLOCK

static struct regime now, before;
static struct judge judge;

static void
regime_make(struct regime *regime, const char *text, uint32_t generation)
{
	struct conf *conf = fixture_conf(text);
	const char *why;
	void *index, *image;
	size_t len;

	assert_int_equal(conf_index_build(conf, 1, &index, &len, NULL), 0);
	if (index != NULL)
		assert_int_equal(domain_index_check(index, len, &why), 0);
	assert_int_equal(image_build(conf, generation, &image, &len), 0);
	assert_int_equal(image_check(image, len, &why), 0);
	conf_free(conf);
	regime->policy.image = image;
	regime->lists.index = index;
	assert_int_equal(owner_classes_make(&regime->owners, image), 0);
	regime->upstreams = upstreams_new(image, NULL, NULL);
	assert_non_null(regime->upstreams);
}

static void
regime_free(struct regime *regime)
{
	upstreams_release(regime->upstreams);
	owner_classes_release(&regime->owners);
	free((void *)(uintptr_t)regime->lists.index);
	free((void *)(uintptr_t)regime->policy.image);
	memset(regime, 0, sizeof(*regime));
}

/* What was in use becomes what was before. */
static void
reload(const char *text, uint32_t generation)
{
	regime_free(&before);
	before = now;
	memset(&now, 0, sizeof(now));
	regime_make(&now, text, generation);
}

static int
setup(void **state)
{
	static const struct tally none;

	(void)state;
	judge.now = &now;
	judge.before = &before;
	judge.limit = limit_new(NULL, &none);
	return judge.limit == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	regime_free(&now);
	regime_free(&before);
	free((void *)(uintptr_t)judge.limit);
	return 0;
}

/* What the kernel says of a socket of that user by those rules. */
static uint8_t
mark_of(const struct regime *regime, uint32_t uid)
{
	struct policy_owner owner;
	uint8_t mark;
	uint32_t class;

	for (class = 0; class < regime->owners.classes; class ++) {
		mark = owner_class_mark(&regime->owners, class);
		assert_int_equal(
		    owner_class_find(&regime->owners, mark, &owner), 0);
		if (owner.uid == uid)
			return mark;
	}
	fail_msg("no class has user %u", uid);
	return 0;
}

static struct flow_start
flow_of(enum flow_capture capture, uint8_t owner)
{
	struct flow_start start = { .proto = IPPROTO_TCP,
		.capture = capture,
		.dport = 443,
		.owner = owner };

	start.src.byte[10] = start.src.byte[11] = 0xff;
	start.dst = start.src;
	return start;
}

static void
assert_begun(
    uint8_t owner, enum flow_action action, uint32_t generation, int64_t idle_s)
{
	struct flow_start start = flow_of(FLOW_CAPTURE_LOCAL, owner);

	assert_int_equal(judge_begun(&judge, &start), action);
	assert_int_equal(start.generation, generation);
	assert_int_equal(start.idle_us, idle_s * 1000000);
}

static void
test_an_owner_of_before_is_decided_by_that(void **state)
{
	(void)state;
	regime_make(&now, OWNED, 4);
	reload(OTHERS, 5);
	assert_begun(mark_of(&before, 33), BLOCK, 4, 0);
	assert_begun(mark_of(&before, 990), RELAY, 4, 60);
	assert_begun(mark_of(&now, 33), RELAY, 5, 120);
}

static void
test_a_flow_that_brings_none_had_none_to_bring(void **state)
{
	(void)state;
	regime_make(&now, "capture local\nrelay to any idle 3m\n", 4);
	reload(OWNED, 5);
	assert_begun(0, RELAY, 4, 180);
	assert_begun(mark_of(&now, 33), BLOCK, 5, 0);
	assert_begun(mark_of(&now, 990), RELAY, 5, 60);
}

static void
test_whose_owner_nobody_knows_is_refused(void **state)
{
	(void)state;
	regime_make(&now, OWNED, 4);
	assert_begun(0, BLOCK, 4, 0);
	reload(OTHERS, 5);
	assert_begun(0, BLOCK, 5, 0);
	assert_begun(99, BLOCK, 5, 0);
	/* What was before is forgotten some time later. */
	regime_free(&before);
	assert_begun(0, BLOCK, 5, 0);
}

static void
test_what_waits_for_its_name_stays_with_its_rules(void **state)
{
	struct flow_start start = flow_of(FLOW_CAPTURE_LOCAL, 0);

	(void)state;
	regime_make(&now, OPEN, 4);
	(void)judge_begun(&judge, &start);
	assert_true(start.needs_name);
	reload(OWNED, 5);
	start.host = NAME;
	assert_int_equal(judge_named(&judge, &start), RELAY);
	assert_int_equal(start.generation, 4);
	assert_int_equal(start.rule, 0);
	assert_ptr_equal(start.upstreams, before.upstreams);
	/* When that is forgotten it is refused. */
	reload(OPEN, 6);
	reload(OWNED, 7);
	assert_int_equal(judge_named(&judge, &start), BLOCK);
	assert_int_equal(start.generation, 7);
}

static void
test_a_name_that_comes_late_is_asked_of_its_rules(void **state)
{
	struct flow_entry record = { .proto = IPPROTO_TCP,
		.capture = FLOW_CAPTURE_LOCAL,
		.generation = 4 };

	(void)state;
	regime_make(&now, "capture local\nblock " NAMED "\n", 4);
	reload(OWNED, 5);
	assert_true(judge_forbids(&judge, &record, NAME));
	assert_int_equal(record.generation, 4);
	reload(OTHERS, 6);
	record.generation = 4;
	assert_false(judge_forbids(&judge, &record, NAME));
}

static void
test_others_flows_are_decided_by_what_is_in_use(void **state)
{
	struct flow_start start = flow_of(FLOW_CAPTURE_FORWARDED, 0);

	(void)state;
	regime_make(&now, OPEN, 4);
	reload(OWNED, 5);
	assert_int_equal(judge_begun(&judge, &start), RELAY);
	assert_int_equal(start.generation, 5);
	start.generation = 4;
	start.host = NAME;
	assert_int_equal(judge_named(&judge, &start), RELAY);
	assert_int_equal(start.generation, 5);
}

/* What is forbidden by it is that rule's flow, and has a row if that says so.
 */
static void
test_a_name_that_comes_late_says_which_rule_it_is(void **state)
{
	static const struct {
		const char *rules;
		int unlogged;
	} cases[] = {
		{ "relay domain \"b.example\"\nblock " NAMED "\n", 0 },
		{ "relay domain \"b.example\"\nblock " NAMED " log no\n", 1 },
	};
	struct flow_entry record;
	char text[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)snprintf(text, sizeof(text), "%s%s", FIXTURE_CAPTURE,
		    cases[i].rules);
		reload(text, (uint32_t)i + 4);
		memset(&record, 0, sizeof(record));
		record.proto = IPPROTO_TCP;
		record.rule = FLOW_RULE_DEFAULT;
		assert_false(judge_forbids(&judge, &record, "c.example"));
		assert_int_equal(record.rule, FLOW_RULE_DEFAULT);
		assert_true(judge_forbids(&judge, &record, NAME));
		assert_int_equal(record.rule, 1);
		assert_int_equal(record.generation, i + 4);
		assert_int_equal(record.unlogged, cases[i].unlogged);
	}
}

/* A rule that may not be its own hides no flow. */
static void
test_what_lacks_its_name_is_logged(void **state)
{
	struct flow_start start = flow_of(FLOW_CAPTURE_FORWARDED, 0);

	(void)state;
	regime_make(&now, FIXTURE_CAPTURE "relay " NAMED " log no\n", 4);
	(void)judge_begun(&judge, &start);
	assert_true(start.needs_name);
	assert_false(start.unlogged);
	start.host = NAME;
	(void)judge_named(&judge, &start);
	assert_true(start.unlogged);
}

/* Beyond the rows that there are for refused flows, too. */
static void
test_a_refused_flow_without_a_row_is_no_loss(void **state)
{
	struct event_base *base = ipc_loop_new(0);
	struct flow_arena *arena = calloc(1, FLOW_ARENA_BYTES((size_t)SLOTS));
	struct journal *journal = journal_new(base, arena, SLOTS, 0, 1);
	struct denials *denials = denials_new(journal, 7);
	struct flow_start start = flow_of(FLOW_CAPTURE_FORWARDED, 0);
	int i;

	(void)state;
	assert_non_null(denials);
	start.unlogged = 1;
	for (i = 0; i < REFUSED; i++)
		(void)denials_note(denials, &start, FLOW_ERROR_MAX_FLOWS);
	assert_int_equal(atomic_load(&arena->blocked), REFUSED);
	assert_int_equal(atomic_load(&arena->unlogged), REFUSED);
	assert_int_equal(atomic_load(&arena->dropped), 0);
	start.unlogged = 0;
	for (i = 0; i < REFUSED; i++)
		(void)denials_note(denials, &start, FLOW_ERROR_MAX_FLOWS);
	assert_int_equal(atomic_load(&arena->unlogged), REFUSED);
	assert_int_not_equal(atomic_load(&arena->dropped), 0);
	free(denials);
	event_base_free(base);
	free(arena);
}

/* Whether it is read before the flow has a record, or after that. */
static void
test_a_hello_that_is_too_long_is_counted(void **state)
{
	static const struct sniff_name none, too_long = { .too_long = 1 };
	struct event_base *base = ipc_loop_new(0);
	struct flow_arena *arena = calloc(1, FLOW_ARENA_BYTES((size_t)SLOTS));
	struct journal *journal = journal_new(base, arena, SLOTS, 0, 1);
	struct flow_start start = flow_of(FLOW_CAPTURE_FORWARDED, 0);
	struct flow_entry *record = record_open(journal, &start);

	(void)state;
	assert_non_null(record);
	start.sent = &none;
	assert_non_null(record_open(journal, &start));
	record_name(journal, record, SNIFF_NONE, &none);
	assert_int_equal(atomic_load(&arena->long_hello), 0);
	start.sent = &too_long;
	assert_non_null(record_open(journal, &start));
	assert_int_equal(atomic_load(&arena->long_hello), 1);
	record_name(journal, record, SNIFF_NONE, &too_long);
	assert_int_equal(atomic_load(&arena->long_hello), 2);
	event_base_free(base);
	free(arena);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_owner_of_before_is_decided_by_that),
		TEST(test_a_flow_that_brings_none_had_none_to_bring),
		TEST(test_whose_owner_nobody_knows_is_refused),
		TEST(test_what_waits_for_its_name_stays_with_its_rules),
		TEST(test_a_name_that_comes_late_is_asked_of_its_rules),
		TEST(test_a_name_that_comes_late_says_which_rule_it_is),
		TEST(test_what_lacks_its_name_is_logged),
		TEST(test_a_refused_flow_without_a_row_is_no_loss),
		TEST(test_a_hello_that_is_too_long_is_counted),
		TEST(test_others_flows_are_decided_by_what_is_in_use),
	};

	return cmocka_run_group_tests_name("judge", tests, NULL, NULL);
}
