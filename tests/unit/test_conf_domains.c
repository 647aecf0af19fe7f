/* SPDX-License-Identifier: ISC */
/* Lists of domains: from their statements to what rules and dns decide. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

#include "conf_fixture.h"
#include "policy/conf_file.h"
#include "policy/conf_index.h"
#include "policy/domain_layout.h"
#include "policy/match.h"
#include "policy/match_dns.h"
#include "policy/print.h"
#include "policy/render.h"

#define ID 77
#define TYPE_A 1
#define TYPE_AAAA 28
#define TYPE_MX 15

#define SAMPLE                                                         \
	FIXTURE_CAPTURE                                                \
	"domains <ads> { \"Ads.example.\" \"*.click.example\" }\n"     \
	"domains <none> { }\n"                                         \
	"dns recurse\ndns block <ads> answer zero\ndns block <more>\n" \
	"domains <more> { more.example ads.example }\n"                \
	"dns block <none> answer refused\n"                            \
	"pass to 192.0.2.1\n"                                          \
	"block proto tcp domain <ads> with drop\n"                     \
	"pass to 192.0.2.0/24\n"                                       \
	"relay proto tcp domain { \"*.corp.example\" corp.example } "  \
	"via up\n"                                                     \
	"upstream up socks5 10.0.0.9:1080\n"                           \
	"pass port 80 domain one.example\n"                            \
	"default block\n"

static struct image *image;
static struct domain_index *domains;

static int
load(void **state)
{
	struct conf *conf = fixture_conf(SAMPLE);
	const char *why;
	void *bytes;
	size_t len;

	(void)state;
	assert_int_equal(conf_index_build(conf, ID, &bytes, &len, NULL), 0);
	assert_int_equal(domain_index_check(bytes, len, &why), 0);
	domains = bytes;
	assert_int_equal(image_build(conf, 1, &bytes, &len), 0);
	assert_int_equal(image_check(bytes, len, &why), 0);
	image = bytes;
	conf_free(conf);
	return 0;
}

static int
unload(void **state)
{
	(void)state;
	free(image);
	free(domains);
	return 0;
}

static void
test_lists_have_one_form(void **state)
{
	struct conf *conf = fixture_conf(SAMPLE);
	struct text out = { 0 };

	(void)state;
	print_conf(conf, &out);
	assert_non_null(strstr(out.bytes,
	    "domains <ads> { \"ads.example\" \"*.click.example\" }\n"
	    "domains <none> { }\n"
	    "domains <more> { \"more.example\" \"ads.example\" }\n"
	    "dns recurse\n"));
	assert_non_null(
	    strstr(out.bytes, "dns block <ads> answer zero\n"
			      "dns block <more> answer nxdomain\n"
			      "dns block <none> answer refused\n"
			      "pass to 192.0.2.1\n"
			      "block proto tcp domain <ads> with drop\n"
			      "pass to 192.0.2.0/24\n"
			      "relay proto tcp domain { \"*.corp.example\" "
			      "\"corp.example\" } via up\n"
			      "pass port 80 domain \"one.example\"\n"));
	text_free(&out);
	conf_free(conf);
}

static void
test_an_index_belongs_to_its_image(void **state)
{
	(void)state;
	assert_int_equal(image_domains_id(image), ID);
	assert_true(policy_index_fits(image, domains));
	assert_false(policy_index_fits(image, NULL));
}

static void
test_the_first_block_that_has_the_name_answers(void **state)
{
	static const struct {
		const char *name;
		uint16_t type;
		enum dns_action action;
		uint16_t rule;
	} cases[] = {
		{ "ads.example", TYPE_A, DNS_ZERO, DNS_RULE_BLOCK },
		{ "ads.example", TYPE_AAAA, DNS_ZERO, DNS_RULE_BLOCK },
		{ "ads.example", TYPE_MX, DNS_NODATA, DNS_RULE_BLOCK },
		{ "a.click.example", TYPE_A, DNS_ZERO, DNS_RULE_BLOCK },
		{ "click.example", TYPE_A, DNS_RESOLVE, DNS_RULE_NONE },
		{ "a.ads.example", TYPE_A, DNS_RESOLVE, DNS_RULE_NONE },
		{ "more.example", TYPE_A, DNS_NXDOMAIN, DNS_RULE_BLOCK + 1 },
		{ "", TYPE_A, DNS_RESOLVE, DNS_RULE_NONE },
	};
	struct dns_verdict verdict;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		verdict = policy_dns(image, domains, cases[i].name,
		    strlen(cases[i].name), cases[i].type);
		assert_int_equal(verdict.action, cases[i].action);
		assert_int_equal(verdict.rule, cases[i].rule);
	}
	assert_string_equal(
	    image_block_text(image, 0), "dns block <ads> answer zero");
}

static const char *aliases; /* of the host that is matched */

/* host NULL: not known yet. */
static struct policy_verdict
match(uint8_t proto, const char *dst, uint16_t port, const char *host)
{
	struct policy_query query = { .proto = proto,
		.dport = port,
		.host = host,
		.aliases = aliases,
		.index = domains };
	struct prefix prefix;

	assert_int_equal(prefix_parse(dst, &prefix), 0);
	query.dst = prefix.addr;
	return policy_match(image, &query);
}

static void
test_the_name_decides_what_the_kernel_cannot(void **state)
{
	static const struct {
		uint8_t proto;
		const char *dst;
		uint16_t port;
		const char *host;
		enum flow_action action;
		uint16_t rule;
		int needs_name;
	} cases[] = {
		/* before the first rule with domains */
		{ IPPROTO_TCP, "192.0.2.1", 443, NULL, FLOW_ACTION_PASS, 0, 0 },
		/* nothing behind it is believed while the name is unknown */
		{ IPPROTO_TCP, "192.0.2.2", 443, NULL, FLOW_ACTION_RELAY, 1,
		    1 },
		{ IPPROTO_TCP, "1.1.1.1", 443, NULL, FLOW_ACTION_RELAY, 1, 1 },
		/* with a name, the first that matches */
		{ IPPROTO_TCP, "192.0.2.2", 443, "ads.example",
		    FLOW_ACTION_BLOCK, 1, 0 },
		{ IPPROTO_TCP, "192.0.2.2", 443, "a.corp.example",
		    FLOW_ACTION_PASS, 2, 0 },
		{ IPPROTO_TCP, "1.1.1.1", 443, "a.corp.example",
		    FLOW_ACTION_RELAY, 3, 0 },
		{ IPPROTO_TCP, "1.1.1.1", 443, "corp.example",
		    FLOW_ACTION_RELAY, 3, 0 },
		{ IPPROTO_TCP, "1.1.1.1", 80, "one.example", FLOW_ACTION_PASS,
		    4, 0 },
		{ IPPROTO_TCP, "1.1.1.1", 81, "one.example", FLOW_ACTION_BLOCK,
		    FLOW_RULE_DEFAULT, 0 },
		/* without one, none of them */
		{ IPPROTO_TCP, "192.0.2.2", 443, "", FLOW_ACTION_PASS, 2, 0 },
		{ IPPROTO_TCP, "1.1.1.1", 443, "", FLOW_ACTION_BLOCK,
		    FLOW_RULE_DEFAULT, 0 },
		/* other selectors count as well */
		{ IPPROTO_UDP, "192.0.2.2", 80, NULL, FLOW_ACTION_PASS, 2, 0 },
		{ IPPROTO_UDP, "1.1.1.1", 80, NULL, FLOW_ACTION_RELAY, 4, 1 },
		{ IPPROTO_UDP, "1.1.1.1", 443, NULL, FLOW_ACTION_BLOCK,
		    FLOW_RULE_DEFAULT, 0 },
	};
	struct policy_verdict verdict;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		verdict = match(
		    cases[i].proto, cases[i].dst, cases[i].port, cases[i].host);
		if (verdict.action != cases[i].action ||
		    verdict.rule != cases[i].rule ||
		    verdict.needs_name != cases[i].needs_name)
			fail_msg("case %zu: action %d, rule %u, needs %d", i,
			    verdict.action, verdict.rule, verdict.needs_name);
		if (verdict.needs_name)
			assert_int_equal(verdict.upstream, UPSTREAM_NONE);
	}
	assert_int_equal(
	    match(IPPROTO_TCP, "1.1.1.1", 1, "x.corp.example").upstream, 0);
}

static void
test_an_alias_is_in_the_lists_as_its_name_is(void **state)
{
	(void)state;
	aliases = "www.example\0ads.example\0";
	assert_int_equal(
	    match(IPPROTO_TCP, "192.0.2.2", 443, "www.example").rule, 1);
	assert_int_equal(
	    match(IPPROTO_TCP, "192.0.2.2", 443, "a.corp.example").rule, 1);
	assert_int_equal(
	    match(IPPROTO_TCP, "1.1.1.1", 80, "one.example").rule, 1);
	aliases = "www.example\0";
	assert_int_equal(
	    match(IPPROTO_TCP, "1.1.1.1", 80, "one.example").rule, 4);
	aliases = NULL;
}

static void
test_whether_a_name_is_needed_does_not_depend_on_it(void **state)
{
	struct policy_query query = { .proto = IPPROTO_TCP,
		.dport = 443,
		.host = "x",
		.index = domains };

	(void)state;
	assert_true(policy_needs_name(image, &query));
	query.proto = IPPROTO_UDP;
	assert_false(policy_needs_name(image, &query));
}

static void
test_the_kernel_relays_what_a_name_decides(void **state)
{
	static const struct render_local local = { 1, 2, 3, 4, 5 };
	static const char text[] =
	    FIXTURE_CAPTURE "block proto tcp to any domain x.example\n"
			    "pass to any\n";
	struct text named = { 0 }, relayed = { 0 };
	struct image *other;
	size_t len;

	(void)state;
	other = fixture_image(text, &len);
	assert_true(image_has_pass(other));
	render_capture(other, &local, 1, &named);
	free(other);
	other = fixture_image(FIXTURE_CAPTURE "relay proto tcp to any\n"
					      "pass to any\n",
	    &len);
	render_capture(other, &local, 1, &relayed);
	free(other);
	assert_string_equal(named.bytes, relayed.bytes);
	text_free(&named);
	text_free(&relayed);
}

static void
test_a_pass_by_name_is_none_of_the_kernel(void **state)
{
	struct image *other;
	size_t len;

	(void)state;
	other = fixture_image(
	    FIXTURE_CAPTURE "pass domain x.example\ndefault block\n", &len);
	assert_false(image_has_pass(other));
	free(other);
}

/* name 0: not known yet. */
static struct policy_verdict
match_name(const char *text, uint8_t proto, const char *host, unsigned int name)
{
	struct policy_query query = { .proto = proto,
		.dport = 443,
		.host = host,
		.index = domains,
		.name = name };
	size_t len;
	struct image *other = fixture_image(text, &len);
	struct policy_verdict verdict = policy_match(other, &query);

	assert_false(image_has_pass(other));
	assert_true(policy_needs_name(other, &query));
	verdict.item = NULL; /* it goes with the image */
	free(other);
	return verdict;
}

#define AGREES RULE_NAME_AGREES
#define DISAGREES RULE_NAME_DISAGREES
#define UNVERIFIED RULE_NAME_UNVERIFIED

static void
test_agreement_decides_what_the_kernel_cannot(void **state)
{
	static const char one[] =
	    FIXTURE_CAPTURE "block name disagrees\ndefault relay\n";
	static const char two[] =
	    FIXTURE_CAPTURE "pass name { unverified agrees }\ndefault block\n";
	static const char both[] =
	    FIXTURE_CAPTURE "domains <ads> { ads.example }\n"
			    "block domain <ads> name disagrees\n"
			    "default relay\n";
	static const struct {
		const char *text;
		const char *host;
		unsigned int name;
		enum flow_action action;
		uint16_t rule;
		int needs_name;
	} cases[] = {
		{ one, NULL, 0, FLOW_ACTION_RELAY, 0, 1 },
		{ one, "x", DISAGREES, FLOW_ACTION_BLOCK, 0, 0 },
		{ one, "x", AGREES, FLOW_ACTION_RELAY, FLOW_RULE_DEFAULT, 0 },
		{ one, "", UNVERIFIED, FLOW_ACTION_RELAY, FLOW_RULE_DEFAULT,
		    0 },
		{ two, "x", DISAGREES, FLOW_ACTION_BLOCK, FLOW_RULE_DEFAULT,
		    0 },
		{ two, "x", AGREES, FLOW_ACTION_PASS, 0, 0 },
		{ two, NULL, UNVERIFIED, FLOW_ACTION_PASS, 0, 0 },
		{ both, "ads.example", DISAGREES, FLOW_ACTION_BLOCK, 0, 0 },
		{ both, "ads.example", AGREES, FLOW_ACTION_RELAY,
		    FLOW_RULE_DEFAULT, 0 },
		{ both, "x", DISAGREES, FLOW_ACTION_RELAY, FLOW_RULE_DEFAULT,
		    0 },
		/* no name of it would match */
		{ both, NULL, UNVERIFIED, FLOW_ACTION_RELAY, FLOW_RULE_DEFAULT,
		    0 },
		{ both, NULL, DISAGREES, FLOW_ACTION_RELAY, 0, 1 },
	};
	struct policy_verdict verdict;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		verdict = match_name(
		    cases[i].text, IPPROTO_TCP, cases[i].host, cases[i].name);
		if (verdict.action != cases[i].action ||
		    verdict.rule != cases[i].rule ||
		    verdict.needs_name != cases[i].needs_name)
			fail_msg("case %zu: action %d, rule %u, needs %d", i,
			    verdict.action, verdict.rule, verdict.needs_name);
	}
}

static void
test_the_kernel_relays_what_agreement_decides(void **state)
{
	static const struct render_local local = { 1, 2, 3, 4, 5 };
	struct text named = { 0 }, relayed = { 0 };
	struct image *other;
	size_t len;

	(void)state;
	other = fixture_image(
	    FIXTURE_CAPTURE "block name disagrees\npass to any\n", &len);
	render_capture(other, &local, 1, &named);
	free(other);
	other =
	    fixture_image(FIXTURE_CAPTURE "relay to any\npass to any\n", &len);
	render_capture(other, &local, 1, &relayed);
	free(other);
	assert_string_equal(named.bytes, relayed.bytes);
	text_free(&named);
	text_free(&relayed);
}

static void
test_agreement_has_one_form(void **state)
{
	struct conf *conf =
	    fixture_conf(FIXTURE_CAPTURE "block name { unverified disagrees } "
					 "domain x.y port 1\n"
					 "pass name agrees\n");
	struct text out = { 0 };

	(void)state;
	print_conf(conf, &out);
	assert_non_null(strstr(out.bytes,
	    "\nblock port 1 domain \"x.y\" name { disagrees unverified }\n"
	    "pass name agrees\n"));
	text_free(&out);
	conf_free(conf);
}

static void
test_agreement_without_dns_warns(void **state)
{
	(void)state;
	assert_string_equal(
	    warning_of(FIXTURE_CAPTURE "block name disagrees\n"),
	    "without 'dns' every name is unverified");
}

static void
test_bad_lists_are_refused(void **state)
{
	static const char *const lines[] = { "domains", "domains a { b }",
		"domains <a>", "domains <a> b", "domains <a> file",
		"domains <a> file x", "domains <a> file \"x/y\"",
		"domains <a> { \"*.*.b\" }", "domains <a> { 1.2.3.4 }",
		"domains <a> { b\xc3\xbc.example }", "domains <a> { b",
		"block domain", "block domain { }", "block domain <a> b",
		"block domain { <a> }", "block domain a..b", "block domain *",
		"exclude domain x.example", "block name", "block name { }",
		"block name lies", "block name any", "exclude name agrees",
		"block name agrees name disagrees", "dns block",
		"dns block a answer zero", "dns block <a> zero",
		"dns block <a> answer", "dns block <a> answer none" };
	char text[160];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		snprintf(text, sizeof(text),
		    FIXTURE_CAPTURE "%s\ndomains <b> { }\n", lines[i]);
		error_of(text);
		if (errors.items[0].place.line != 2)
			fail_msg("%s: \"%s\" in line %u", lines[i],
			    errors.items[0].message,
			    errors.items[0].place.line);
	}
}

static void
test_unknown_lists_suggest_the_nearest(void **state)
{
	const struct conf_error *error = error_of(FIXTURE_CAPTURE
	    "block domain <asd>\ndomains <ads> { x.example }\n");

	(void)state;
	assert_string_equal(
	    error->message, "there is no list of domains <asd>");
	assert_string_equal(error->suggestion, "<ads>");
	assert_string_equal(
	    error_of(FIXTURE_CAPTURE "domains <a> { }\ndomains <a> { }\n")
		->message,
	    "'<a>' is given a second time; the first is at 2:9");
}

static void
test_lists_that_nothing_uses_warn(void **state)
{
	(void)state;
	assert_string_equal(warning_of(FIXTURE_CAPTURE "domains <a> { }\n"),
	    "nothing uses the domains <a>");
}

static const char *list_text;

static int
read_list(const char *path, size_t max_bytes, char **bytes, size_t *len)
{
	(void)max_bytes;
	assert_string_equal(path, "/etc/tpx/list");
	*bytes = strdup(list_text);
	*len = strlen(list_text);
	return 0;
}

/* The index of one list in a file; NULL with what is wrong in out. */
static struct domain_index *
index_of(const char *list, struct text *out)
{
	struct conf *conf = fixture_conf(
	    FIXTURE_CAPTURE "domains <a> file \"list\"\nblock domain <a>\n");
	void *bytes;
	size_t len;

	list_text = list;
	memset(&errors, 0, sizeof(errors));
	assert_int_equal(conf_set_path(conf, "/etc/tpx/tpx.conf"), 0);
	assert_int_equal(conf_files_read(conf, read_list, &errors), 0);
	if (conf_index_build(conf, ID, &bytes, &len, out) == -1)
		assert_int_equal(errno, EINVAL);
	conf_free(conf);
	return bytes;
}

#define CLOSE_NAMES 1200
#define CLOSE_GROUPS 5
#define NAME_BYTES 16

/* So many names that one id has nowhere to keep them all. */
static void
test_names_that_are_too_close_are_kept_with_another_id(void **state)
{
	uint32_t groups =
	    CLOSE_NAMES * DOMAIN_NAME_HOMES / DOMAIN_GROUP_HOMES + 1;
	struct text list = { 0 }, out = { 0 };
	struct domain_index *index = index_of("a.x\n", &out);
	struct domain_set set;
	unsigned int number, found = 0;
	char name[NAME_BYTES];
	size_t len = 0;

	(void)state;
	assert_int_equal(domain_index_id(index), ID);
	for (number = 0; found < CLOSE_NAMES; number++) {
		len = (size_t)snprintf(name, sizeof(name), "n%u.x", number);
		if (domain_home(domain_hash(index->keys, name, len), groups) >=
		    CLOSE_GROUPS * DOMAIN_GROUP_HOMES)
			continue;
		text_printf(&list, "%s\n", name);
		found++;
	}
	free(index);
	(void)snprintf(name, sizeof(name), "n%u.x", number - 1);
	index = index_of(list.bytes, &out);
	assert_non_null(index);
	assert_int_not_equal(domain_index_id(index), ID);
	domain_index_find(index, name, len, &set);
	assert_true(domain_set_has(&set, 0));
	free(index);
	text_free(&list);
	text_free(&out);
}

static void
test_a_list_in_a_file_is_in_the_index(void **state)
{
	struct domain_index *index;
	struct domain_set set;
	struct text out = { 0 };

	(void)state;
	index = index_of("a.example\n*.b.example\n", &out);
	assert_non_null(index);
	assert_int_equal(out.len, 0);
	domain_index_find(index, "x.b.example", 11, &set);
	assert_true(domain_set_has(&set, 0));
	free(index);
}

static void
test_a_bad_file_is_shown_with_its_line(void **state)
{
	struct text out = { 0 };

	(void)state;
	assert_null(index_of("a.example\nb example\n", &out));
	assert_non_null(strstr(out.bytes, "/etc/tpx/list:2:3: "));
	assert_non_null(strstr(out.bytes, "    b example\n      ^~~~~~~\n"));
	text_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists_have_one_form),
		cmocka_unit_test(test_an_index_belongs_to_its_image),
		cmocka_unit_test(
		    test_the_first_block_that_has_the_name_answers),
		cmocka_unit_test(test_the_name_decides_what_the_kernel_cannot),
		cmocka_unit_test(test_an_alias_is_in_the_lists_as_its_name_is),
		cmocka_unit_test(
		    test_whether_a_name_is_needed_does_not_depend_on_it),
		cmocka_unit_test(test_the_kernel_relays_what_a_name_decides),
		cmocka_unit_test(test_a_pass_by_name_is_none_of_the_kernel),
		cmocka_unit_test(test_agreement_decides_what_the_kernel_cannot),
		cmocka_unit_test(test_the_kernel_relays_what_agreement_decides),
		cmocka_unit_test(test_agreement_has_one_form),
		cmocka_unit_test(test_agreement_without_dns_warns),
		cmocka_unit_test(test_bad_lists_are_refused),
		cmocka_unit_test(test_unknown_lists_suggest_the_nearest),
		cmocka_unit_test(test_lists_that_nothing_uses_warn),
		cmocka_unit_test(
		    test_names_that_are_too_close_are_kept_with_another_id),
		cmocka_unit_test(test_a_list_in_a_file_is_in_the_index),
		cmocka_unit_test(test_a_bad_file_is_shown_with_its_line),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
