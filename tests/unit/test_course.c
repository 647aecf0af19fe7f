/* SPDX-License-Identifier: ISC */
/* What becomes of a flow before the rules are asked, and who asks them. */
#include "policy/course.h"

#include <netinet/in.h>
#include <stdio.h>

#include "policy/conf_index.h"
#include "policy_fixture.h"

#define TCP IPPROTO_TCP
#define UDP IPPROTO_UDP
#define TPX 990

static struct course_query query;
static struct policy_owner owner;

static struct addr
addr_of(const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(text, &prefix), 0);
	return prefix.addr;
}

/* The query as set_up() has left it, but for what a test has changed. */
static struct course
course_in(const char *text)
{
	size_t len;
	struct image *image = fixture_image(text, &len);
	struct course course = course_of(image, &query);

	course.verdict.item = NULL; /* it goes with the image */
	free(image);
	return course;
}

static void
flow(uint8_t proto, const char *src, const char *dst, uint16_t dport)
{
	query.flow.proto = proto;
	query.flow.src = addr_of(src);
	query.flow.dst = addr_of(dst);
	query.flow.dport = dport;
}

static int
set_up(void **state)
{
	(void)state;
	memset(&query, 0, sizeof(query));
	query.interface = "eth0";
	query.own_uid = TPX;
	flow(TCP, "192.0.2.1", "198.51.100.1", 80);
	return 0;
}

static void
as_local(uint32_t uid, uint32_t gid)
{
	query.capture = FLOW_CAPTURE_LOCAL;
	query.interface = NULL;
	owner.uid = uid;
	owner.gid = gid;
	query.flow.owner = &owner;
}

#define ALL FIXTURE_CAPTURE "block to any\n"

static void
test_what_another_interface_brings_is_not_captured(void **state)
{
	(void)state;
	assert_int_equal(course_in(ALL).end, COURSE_KERNEL);
	query.interface = "eth1";
	assert_int_equal(course_in(ALL).end, COURSE_INTERFACE);
	assert_false(COURSE_IS_CAPTURED(COURSE_INTERFACE));
}

static void
test_what_is_for_this_host_is_not_captured(void **state)
{
	(void)state;
	query.is_here = 1;
	assert_int_equal(course_in(ALL).end, COURSE_HERE);
}

static void
test_exclusions_come_first(void **state)
{
	static const char text[] =
	    FIXTURE_CAPTURE "exclude port 22\nexclude port 80\nblock to any\n";
	struct course course;

	(void)state;
	query.is_here = 1;
	course = course_in(text);
	assert_int_equal(course.end, COURSE_EXCLUDED);
	assert_int_equal(course.exclusion, 1);
}

static void
test_users_are_told_apart(void **state)
{
	static const struct {
		const char *capture;
		uint32_t uid, gid;
		enum course_end end;
	} cases[] = {
		{ "capture forwarded on eth0\n", 0, 0, COURSE_USER },
		{ "capture local\n", 0, 0, COURSE_KERNEL },
		{ "capture local\n", TPX, 0, COURSE_OWN },
		{ "capture local user { 5-7 33 }\n", 4, 5, COURSE_USER },
		{ "capture local user { 5-7 33 }\n", 5, 0, COURSE_KERNEL },
		{ "capture local user { 5-7 33 }\n", 7, 0, COURSE_KERNEL },
		{ "capture local user { 5-7 33 }\n", 8, 0, COURSE_USER },
		{ "capture local user { 5-7 33 }\n", 33, 0, COURSE_KERNEL },
		{ "capture local group { 5-7 33 }\n", 5, 4, COURSE_USER },
		{ "capture local group { 5-7 33 }\n", 0, 7, COURSE_KERNEL },
		{ "capture local group 7\n", TPX, 7, COURSE_OWN },
		{ "capture local group 7\n", 7, POLICY_ID_UNKNOWN,
		    COURSE_USER },
		{ "capture local user 5 group 7\n", 5, 0, COURSE_KERNEL },
		{ "capture local user 5 group 7\n", 0, 7, COURSE_KERNEL },
		{ "capture local user 5 group 7\n", 7, 5, COURSE_USER },
		/* Exclusions are asked before who is captured. */
		{ "capture local user 5\nexclude user 6\n", 6, 0,
		    COURSE_EXCLUDED },
		{ "capture local user 5\nexclude user 5 group 7\n", 5, 7,
		    COURSE_EXCLUDED },
		{ "capture local user 5\nexclude user 5 group 7\n", 5, 8,
		    COURSE_KERNEL },
	};
	size_t i;

	(void)state;
	as_local(0, 0);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owner.uid = cases[i].uid;
		owner.gid = cases[i].gid;
		assert_int_equal(course_in(cases[i].capture).end, cases[i].end);
	}
}

static void
test_what_is_forwarded_has_no_owner(void **state)
{
	struct course course;

	(void)state;
	course = course_in(FIXTURE_CAPTURE
	    "exclude user 0-4294967294\nblock group 0-4294967294\n");
	assert_int_equal(course.end, COURSE_KERNEL);
	assert_int_equal(course.verdict.rule, FLOW_RULE_DEFAULT);
}

static void
test_other_protocols_have_a_statement_of_their_own(void **state)
{
	(void)state;
	flow(IPPROTO_ICMP, "192.0.2.1", "198.51.100.1", 0);
	assert_int_equal(course_in(ALL).end, COURSE_OTHER_PASSES);
	assert_int_equal(
	    course_in(ALL "other-protocols block\n").end, COURSE_OTHER_BLOCKED);
}

static void
test_questions_are_for_dnsd_when_there_is_one(void **state)
{
	static const uint8_t protos[] = { TCP, UDP };
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		flow(protos[i], "192.0.2.1", "198.51.100.1", 53);
		assert_int_equal(course_in(ALL).end, COURSE_KERNEL);
		assert_int_equal(
		    course_in(ALL "dns forward { 9.9.9.9 }\n").end, COURSE_DNS);
		flow(protos[i], "192.0.2.1", "198.51.100.1", 54);
		assert_int_equal(course_in(ALL "dns forward { 9.9.9.9 }\n").end,
		    COURSE_KERNEL);
	}
}

static void
test_nobody_relays_for_a_link_local_address(void **state)
{
	(void)state;
	flow(UDP, "fe80::1", "2001:db8::1", 80);
	assert_int_equal(
	    course_in(FIXTURE_CAPTURE "relay to any\n").end, COURSE_LINK_LOCAL);
	assert_int_equal(
	    course_in(FIXTURE_CAPTURE "pass to any\n").end, COURSE_KERNEL);
	flow(TCP, "fe80::1", "2001:db8::1", 80);
	assert_int_equal(
	    course_in(FIXTURE_CAPTURE "relay to any\n").end, COURSE_KERNEL);
	flow(UDP, "fec0::1", "2001:db8::1", 80);
	assert_int_equal(
	    course_in(FIXTURE_CAPTURE "relay to any\n").end, COURSE_KERNEL);
}

static void
test_no_host_has_the_unspecified_address(void **state)
{
	(void)state;
	flow(TCP, "2001:db8::2", "::", 80);
	assert_int_equal(course_in(ALL).end, COURSE_UNSPECIFIED);
}

#define NAMED                                   \
	FIXTURE_CAPTURE                         \
	"domains <ads> { \"*.ads.example\" }\n" \
	"block domain <ads>\npass to any\n"

static void
test_a_rule_with_domains_is_the_relays(void **state)
{
	struct conf *conf = fixture_conf(NAMED);
	struct text errors = { 0 };
	const char *why;
	void *index, *bytes;
	size_t index_len, len;
	struct course course;

	(void)state;
	course = course_in(NAMED);
	assert_int_equal(course.end, COURSE_RELAY);
	assert_true(course.verdict.needs_name);
	assert_int_equal(
	    conf_index_build(conf, 7, &index, &index_len, &errors), 0);
	assert_int_equal(domain_index_check(index, index_len, &why), 0);
	assert_int_equal(image_build(conf, 1, &bytes, &len), 0);
	query.flow.index = index;
	query.flow.host = "x.ads.example";
	course = course_of(bytes, &query);
	assert_int_equal(course.end, COURSE_RELAY);
	assert_int_equal(course.verdict.rule, 0);
	assert_int_equal(course.verdict.action, FLOW_ACTION_BLOCK);
	/* It is in the relay's hands, and not to be let go of any more. */
	query.flow.host = "www.example";
	course = course_of(bytes, &query);
	assert_int_equal(course.end, COURSE_RELAY);
	assert_int_equal(course.verdict.rule, 1);
	assert_int_equal(course.verdict.action, FLOW_ACTION_RELAY);
	assert_int_equal(policy_fit(bytes, image_rule(bytes, 0), &query.flow),
	    POLICY_OTHER_NAME);
	query.flow.host = NULL;
	assert_int_equal(policy_fit(bytes, image_rule(bytes, 0), &query.flow),
	    POLICY_NEEDS_NAME);
	free(index);
	free(bytes);
	conf_free(conf);
}

/* Of a name in its list, unless a rule before it wants the name. */
static void
test_a_pass_by_dns_is_the_kernels(void **state)
{
	static const struct {
		const char *rules;
		const char *src;
		enum course_end end;
		enum flow_action action;
	} cases[] = {
		{ "pass domain <ads> by dns\n", "192.0.2.1", COURSE_TOLD,
		    FLOW_ACTION_PASS },
		{ "pass domain <ads>\n", "192.0.2.1", COURSE_RELAY,
		    FLOW_ACTION_RELAY },
		{ "block domain x.example\npass domain <ads> by dns\n",
		    "192.0.2.1", COURSE_RELAY, FLOW_ACTION_RELAY },
		{ "pass domain <ads> by dns\n", "169.254.1.1", COURSE_RELAY,
		    FLOW_ACTION_RELAY },
	};
	char text[512];
	struct text errors = { 0 };
	struct conf *conf;
	void *index, *bytes;
	size_t index_len, len, i;
	struct course course;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)snprintf(text, sizeof(text),
		    FIXTURE_CAPTURE "dns recurse\ndns validate no\n"
				    "domains <ads> { \"*.ads.example\" }\n%s",
		    cases[i].rules);
		conf = fixture_conf(text);
		assert_int_equal(
		    conf_index_build(conf, 7, &index, &index_len, &errors), 0);
		assert_int_equal(image_build(conf, 1, &bytes, &len), 0);
		flow(TCP, cases[i].src, "198.51.100.1", 443);
		query.flow.index = index;
		query.flow.host = "x.ads.example";
		course = course_of(bytes, &query);
		assert_int_equal(course.end, cases[i].end);
		assert_int_equal(course.verdict.action, cases[i].action);
		query.flow.host = NULL;
		assert_int_equal(course_of(bytes, &query).end, COURSE_RELAY);
		free(index);
		free(bytes);
		conf_free(conf);
	}
}

static void
test_the_first_selector_that_does_not_match_is_told(void **state)
{
	static const struct {
		const char *rule;
		enum policy_fit fit;
	} cases[] = {
		{ "block proto udp to 10.0.0.1 port 81",
		    POLICY_OTHER_PROTOCOL },
		{ "block to 10.0.0.1 port 81", POLICY_OTHER_PORT },
		{ "block port 80 user 6", POLICY_OTHER_OWNER },
		{ "block user 5 group 6", POLICY_OTHER_OWNER },
		{ "block user 5 group 7 to 10.0.0.1",
		    POLICY_OTHER_DESTINATION },
		{ "block user 5 group 7", POLICY_FITS },
		{ "block from 10.0.0.1 to 10.0.0.1", POLICY_OTHER_SOURCE },
		{ "block to 10.0.0.1 port 80", POLICY_OTHER_DESTINATION },
		{ "block from 192.0.2.1 to any port 80", POLICY_FITS },
	};
	struct image *image;
	char text[200];
	size_t i, len;

	(void)state;
	as_local(5, 7);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)snprintf(text, sizeof(text), "%s%s\n", FIXTURE_CAPTURE,
		    cases[i].rule);
		image = fixture_image(text, &len);
		assert_int_equal(
		    policy_fit(image, image_rule(image, 0), &query.flow),
		    cases[i].fit);
		free(image);
	}
}

#define TEST(test) cmocka_unit_test_setup(test, set_up)

static void
test_a_closed_way_past_dns_is_before_rules(void **state)
{
	static const char dns[] = ALL "dns forward { 9.9.9.9 }\n";
	char text[160];

	(void)state;
	flow(IPPROTO_TCP, "192.0.2.1", "192.0.2.2", 853);
	assert_int_equal(course_in(dns).end, COURSE_KERNEL);
	(void)snprintf(text, sizeof(text), "%sdns encrypted no\n", dns);
	assert_int_equal(course_in(text).end, COURSE_WAY);
	assert_true(COURSE_IS_CAPTURED(COURSE_WAY));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_closed_way_past_dns_is_before_rules),
		TEST(test_what_another_interface_brings_is_not_captured),
		TEST(test_what_is_for_this_host_is_not_captured),
		TEST(test_exclusions_come_first),
		TEST(test_users_are_told_apart),
		TEST(test_what_is_forwarded_has_no_owner),
		TEST(test_other_protocols_have_a_statement_of_their_own),
		TEST(test_questions_are_for_dnsd_when_there_is_one),
		TEST(test_nobody_relays_for_a_link_local_address),
		TEST(test_no_host_has_the_unspecified_address),
		TEST(test_a_rule_with_domains_is_the_relays),
		TEST(test_a_pass_by_dns_is_the_kernels),
		TEST(test_the_first_selector_that_does_not_match_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
