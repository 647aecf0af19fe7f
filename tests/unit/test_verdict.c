/* SPDX-License-Identifier: ISC */
#include "dnsd/verdict.h"

#include <string.h>

#include "dnsd/wire.h"
#include "tests/unit/lists_fixture.h"

#define NAME(text) (const uint8_t *)(text), sizeof(text)

static int
load(void **state)
{
	static const char text[] =
	    FIXTURE_CAPTURE "domains <a> { \"a.example\" \"*.a.example\" }\n"
			    "domains <b> { \"b.example\" }\n"
			    "domains <c> { \"c.example\" \"*.arpa\" }\n"
			    "dns forward 192.0.2.1\ndns private-relay no\n"
			    "dns block <a>\ndns block <b> answer refused\n"
			    "dns block <c> answer zero\n";

	(void)state;
	fixture_load(text);
	return 0;
}

static struct front_verdict
verdict(const uint8_t *name, size_t bytes, uint16_t qtype)
{
	struct front_verdict found = { FRONT_PASS, DNS_RULE_NONE,
		DNS_EDE_NONE };

	verdict_on(image, lists, name, bytes, qtype, &found);
	return found;
}

static void
test_the_statement_says_what_is_answered(void **state)
{
	static const struct {
		const char *name;
		enum front_answer answer;
		uint16_t rule;
	} cases[] = {
		{ "\1a\7example", FRONT_NXDOMAIN, DNS_RULE_BLOCK },
		{ "\1x\1a\7example", FRONT_NXDOMAIN, DNS_RULE_BLOCK },
		{ "\1b\7example", FRONT_REFUSED, DNS_RULE_BLOCK + 1 },
		{ "\1c\7example", FRONT_ZERO, DNS_RULE_BLOCK + 2 },
	};
	struct front_verdict found;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		found = verdict((const uint8_t *)cases[i].name,
		    strlen(cases[i].name) + 1, WIRE_A);
		assert_int_equal(found.answer, cases[i].answer);
		assert_int_equal(found.rule, cases[i].rule);
		assert_int_equal(found.ede, WIRE_EDE_BLOCKED);
	}
	found = verdict(NAME("\1c\7example"), WIRE_NS);
	assert_int_equal(found.answer, FRONT_NODATA);
}

static void
test_ways_past_dns_are_closed_whatever_lists_say(void **state)
{
	static const struct {
		const char *name;
		enum front_answer answer;
		uint16_t rule;
	} cases[] = {
		{ "\23use-application-dns\3net", FRONT_NXDOMAIN, WAY_CANARY },
		{ "\1x\23use-application-dns\3net", FRONT_NXDOMAIN,
		    WAY_CANARY },
		{ "\4_dns\10resolver\4arpa", FRONT_NODATA, WAY_DDR },
		{ "\10resolver\4arpa", FRONT_NODATA, WAY_DDR },
		{ "\4mask\6icloud\3com", FRONT_NXDOMAIN, WAY_PRIVATE_RELAY },
		{ "\7mask-h2\6icloud\3com", FRONT_NXDOMAIN, WAY_PRIVATE_RELAY },
	};
	struct front_verdict found;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		found = verdict((const uint8_t *)cases[i].name,
		    strlen(cases[i].name) + 1, WIRE_A);
		assert_int_equal(found.answer, cases[i].answer);
		assert_int_equal(found.rule, DNS_RULE_WAY + cases[i].rule);
		assert_int_equal(found.ede, WIRE_EDE_BLOCKED);
	}
	/* Names that only look so. */
	assert_int_equal(
	    verdict(NAME("\25x-use-application-dns\3net"), WIRE_A).answer,
	    FRONT_PASS);
	assert_int_equal(
	    verdict(NAME("\6icloud\3com"), WIRE_A).answer, FRONT_PASS);
	assert_int_equal(verdict(NAME("\3net"), WIRE_A).answer, FRONT_PASS);
}

static void
test_services_of_resolvers_are_ways_too(void **state)
{
	static const char *const closed[] = { "\4_dns\1r\3net", "\4_dns\3net",
		"\4_853\4_dns\1r\3net" };
	static const char *const open[] = { "\5_dnsx\1r\3net",
		"\5_http\4_dns\1r\3net", "\1a\4_dns\1r\3net",
		"\1_\4_dns\1r\3net", "\3853\4_dns\1r\3net", "\4_dns", "\4_853",
		"\1r\3net", "" };
	const uint8_t *name;
	struct front_verdict found;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(closed) / sizeof(closed[0]); i++) {
		name = (const uint8_t *)closed[i];
		found = verdict(name, strlen(closed[i]) + 1, WIRE_SVCB);
		assert_int_equal(found.answer, FRONT_NODATA);
		assert_int_equal(found.rule, DNS_RULE_WAY + WAY_DDR);
		found = verdict(name, strlen(closed[i]) + 1, WIRE_A);
		assert_int_equal(found.answer, FRONT_PASS);
	}
	for (i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
		name = (const uint8_t *)open[i];
		found = verdict(name, strlen(open[i]) + 1, WIRE_SVCB);
		assert_int_equal(found.answer, FRONT_PASS);
	}
}

static void
test_ways_may_be_open(void **state)
{
	static const char text[] =
	    FIXTURE_CAPTURE "dns recurse\ndns canary no\ndns ddr yes\n";
	struct image *closed = image;
	size_t len;

	(void)state;
	image = fixture_image(text, &len);
	assert_int_equal(
	    verdict(NAME("\23use-application-dns\3net"), WIRE_A).answer,
	    FRONT_PASS);
	assert_int_equal(
	    verdict(NAME("\4_dns\10resolver\4arpa"), WIRE_A).answer,
	    FRONT_PASS);
	assert_int_equal(
	    verdict(NAME("\4mask\6icloud\3com"), WIRE_A).answer, FRONT_PASS);
	assert_int_equal(
	    verdict(NAME("\4_dns\1r\3net"), WIRE_SVCB).answer, FRONT_PASS);
	free(image);
	image = closed;
}

static int
may_be_private(const uint8_t *name, size_t bytes)
{
	return verdict_may_be_private(image, name, bytes);
}

static void
test_some_names_may_lead_to_private_addresses(void **state)
{
	static const char text[] =
	    FIXTURE_CAPTURE "dns recurse\ndns rebind-allow { \"lan.net\" }\n";
	struct image *before = image;
	size_t len;

	(void)state;
	assert_false(may_be_private(NAME("\3lan\3net")));
	image = fixture_image(text, &len);
	assert_true(may_be_private(NAME("\3lan\3net")));
	assert_true(may_be_private(NAME("\1a\3lan\3net")));
	assert_false(may_be_private(NAME("\4xlan\3net")));
	assert_false(may_be_private(NAME("\5x.lan\3net")));
	assert_false(may_be_private(NAME("\3net")));
	assert_false(may_be_private(NAME("")));
	free(image);
	image = fixture_image(
	    FIXTURE_CAPTURE "dns recurse\ndns rebind-protect no\n", &len);
	assert_true(may_be_private(NAME("\3net")));
	free(image);
	image = before;
}

static void
test_other_names_are_looked_up(void **state)
{
	struct front_verdict found;

	(void)state;
	found = verdict(NAME("\1x\1b\7example"), WIRE_A);
	assert_int_equal(found.answer, FRONT_PASS);
	assert_int_equal(found.rule, DNS_RULE_NONE);
	assert_int_equal(found.ede, DNS_EDE_NONE);
	assert_int_equal(verdict(NAME(""), WIRE_A).answer, FRONT_PASS);
}

static void
test_a_dot_in_a_label_parts_nothing(void **state)
{
	(void)state;
	assert_int_equal(
	    verdict(NAME("\11a.example"), WIRE_A).answer, FRONT_PASS);
	assert_int_equal(
	    verdict(NAME("\3x.a\7example"), WIRE_A).answer, FRONT_PASS);
	assert_int_equal(
	    verdict(NAME("\3x.y\1a\7example"), WIRE_A).answer, FRONT_NXDOMAIN);
}

static void
test_the_longest_name_fits(void **state)
{
	uint8_t name[LIMIT_DNS_NAME_BYTES];
	char text[LIMIT_DNS_NAME_BYTES];
	size_t i;

	(void)state;
	for (i = 0; i < 254; i += 2) {
		name[i] = 1;
		name[i + 1] = 'n';
	}
	name[254] = 0;
	assert_int_equal(verdict_name(name, sizeof(name), text), 253);
	assert_memory_equal(text, "n.n", 3);
	assert_int_equal(text[252], 'n');
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_statement_says_what_is_answered),
		cmocka_unit_test(
		    test_ways_past_dns_are_closed_whatever_lists_say),
		cmocka_unit_test(test_services_of_resolvers_are_ways_too),
		cmocka_unit_test(test_ways_may_be_open),
		cmocka_unit_test(test_some_names_may_lead_to_private_addresses),
		cmocka_unit_test(test_other_names_are_looked_up),
		cmocka_unit_test(test_a_dot_in_a_label_parts_nothing),
		cmocka_unit_test(test_the_longest_name_fits),
	};

	return cmocka_run_group_tests_name(
	    "verdict", tests, load, fixture_unload);
}
