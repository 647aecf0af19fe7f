/* SPDX-License-Identifier: ISC */
/* Upstreams: from their statement to the rules' verdicts. */
#include <netinet/in.h>
#include <stdio.h>

#include "conf_fixture.h"
#include "policy/match.h"
#include "policy/print.h"

#define SAMPLE                                                    \
	FIXTURE_CAPTURE                                           \
	"upstream corp socks5 10.0.0.9:1080 user \"u\" "          \
	"password-file \"corp.pass\"\n"                           \
	"upstream legacy http { 10.0.0.9:3128, [fd00::9]:3128 } " \
	"names yes\n"                                             \
	"upstream rama proxy-v2 127.0.0.1:8443 names no\n"        \
	"upstream other http [::1]:1 names yes password-file "    \
	"\"/run/p\" user \"a b\"\n"                               \
	"block to any port 25\n"                                  \
	"relay proto tcp to any port 443 idle 10m via corp\n"     \
	"relay proto tcp to any port 80\n"                        \
	"default relay via legacy\n"

static void
test_upstreams_have_one_form(void **state)
{
	struct conf *conf = fixture_conf(SAMPLE);
	struct text out = { 0 };

	(void)state;
	print_conf(conf, &out);
	assert_int_equal(text_check(&out), 0);
	assert_non_null(strstr(out.bytes,
	    "upstream corp socks5 10.0.0.9:1080 user \"u\" password-file "
	    "\"corp.pass\"\n"
	    "upstream legacy http { 10.0.0.9:3128 [fd00::9]:3128 } names yes\n"
	    "upstream rama proxy-v2 127.0.0.1:8443\n"
	    "upstream other http [::1]:1 user \"a b\" password-file "
	    "\"/run/p\" names yes\n"));
	assert_non_null(
	    strstr(out.bytes, "block port 25\n"
			      "relay proto tcp port 443 via corp idle 10m\n"));
	assert_non_null(strstr(out.bytes, "\ndefault relay via legacy\n"));
	text_free(&out);
	conf_free(conf);
}

static void
test_upstreams_arrive_in_the_image(void **state)
{
	struct conf *conf = fixture_conf(SAMPLE);
	const struct image_upstream *upstream;
	const struct image *image;
	const char *why;
	void *bytes;
	size_t len;

	(void)state;
	assert_int_equal(conf_set_path(conf, "/etc/tpx/tpx.conf"), 0);
	assert_int_equal(image_build(conf, 1, &bytes, &len), 0);
	conf_free(conf);
	assert_int_equal(image_check(bytes, len, &why), 0);
	image = bytes;
	assert_int_equal(image_upstream_count(image), 4);
	assert_null(image_upstream(image, UPSTREAM_NONE));
	upstream = image_upstream(image, 0);
	assert_string_equal(upstream->name, "corp");
	assert_int_equal(upstream->kind, UPSTREAM_SOCKS5);
	assert_int_equal(upstream->names, 0);
	assert_int_equal(image_upstream(image, 1)->names, 1);
	assert_int_equal(image_upstream(image, 2)->names, 0);
	assert_string_equal(image_upstream_user(image, upstream), "u");
	assert_string_equal(image_upstream_password_file(image, upstream),
	    "/etc/tpx/corp.pass");
	assert_string_equal(
	    image_upstream_password_file(image, image_upstream(image, 3)),
	    "/run/p");
	upstream = image_upstream(image, 1);
	assert_string_equal(image_upstream_user(image, upstream), "");
	assert_string_equal(image_upstream_password_file(image, upstream), "");
	assert_int_equal(upstream->endpoints.first, 1);
	assert_int_equal(upstream->endpoints.count, 2);
	assert_int_equal(image_endpoint_count(image), 5);
	assert_int_equal(image_endpoint(image, 2)->port, 3128);
	assert_int_equal(image_endpoint(image, 2)->upstream, 1);
	assert_false(addr_is_v4(&image_endpoint(image, 2)->addr));
	assert_null(image_endpoint(image, FLOW_UPSTREAM_NONE));
	assert_string_equal(image_rule_text(image, FLOW_RULE_DEFAULT),
	    "default relay via legacy");
	free(bytes);
}

static void
test_checks_are_as_often_as_written(void **state)
{
	size_t len;
	struct image *image = fixture_image(FIXTURE_CAPTURE
	    "upstream a http 1.2.3.4:5\n"
	    "upstream b http 1.2.3.4:5 check\n"
	    "upstream c http 1.2.3.4:5 check 1m\n",
	    &len);

	(void)state;
	assert_int_equal(image_upstream(image, 0)->check_ms, 0);
	assert_int_equal(image_upstream(image, 1)->check_ms, 10000);
	assert_int_equal(image_upstream(image, 2)->check_ms, 60000);
	free(image);
}

static void
test_rules_choose_the_upstream(void **state)
{
	static const struct {
		uint8_t proto;
		uint16_t port;
		uint16_t upstream;
	} cases[] = {
		{ IPPROTO_TCP, 443, 0 },
		{ IPPROTO_TCP, 80, UPSTREAM_NONE },
		{ IPPROTO_TCP, 22, 1 },
	};
	size_t i, len;
	struct image *image = fixture_image(SAMPLE, &len);
	struct policy_query query = { 0 };

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		query.proto = cases[i].proto;
		query.dport = cases[i].port;
		assert_int_equal(
		    policy_match(image, &query).upstream, cases[i].upstream);
	}
	free(image);
}

static void
test_the_directory_is_that_of_the_file(void **state)
{
	struct conf *conf = fixture_conf(SAMPLE);
	char path[CONF_PATH_BYTES + 8];

	(void)state;
	assert_int_equal(conf_set_path(conf, "/a/b.conf"), 0);
	assert_string_equal(conf->dir, "/a");
	assert_int_equal(conf_set_path(conf, "/b.conf"), 0);
	assert_string_equal(conf->dir, "");
	assert_int_equal(conf_set_path(conf, "b.conf"), -1);
	assert_int_equal(conf_set_path(conf, ""), -1);
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	memcpy(path + sizeof(path) - 3, "/b", 3);
	assert_int_equal(conf_set_path(conf, path), -1);
	memcpy(path + CONF_PATH_BYTES - 1, "/b", 3);
	assert_int_equal(conf_set_path(conf, path), 0);
	assert_int_equal(strlen(conf->dir), CONF_PATH_BYTES - 1);
	conf_free(conf);
}

static void
test_unknown_upstreams_suggest_the_nearest(void **state)
{
	const struct conf_error *error = error_of(FIXTURE_CAPTURE
	    "relay to any via crop\nupstream corp http 1.2.3.4:5\n");

	(void)state;
	assert_string_equal(error->message, "there is no upstream 'crop'");
	assert_string_equal(error->suggestion, "corp");
	assert_int_equal(error->place.line, 2);
	assert_int_equal(error->place.column, 18);
	error = error_of(FIXTURE_CAPTURE "default relay via x\n");
	assert_string_equal(error->message, "there is no upstream 'x'");
	assert_string_equal(error->suggestion, "");
}

static void
test_bad_upstreams_are_refused(void **state)
{
	static const char *const lines[] = { "upstream", "upstream a",
		"upstream <a> http 1.2.3.4:5", "upstream \"a\" http 1.2.3.4:5",
		"upstream aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa http 1.2.3.4:5",
		"upstream a socks 1.2.3.4:5", "upstream a http",
		"upstream a http { }", "upstream a http 1.2.3.4",
		"upstream a http 1.2.3.4:0", "upstream a http ::1:5",
		"upstream a http [1.2.3.4]:5", "upstream a http proxy:3128",
		"upstream a http 1.2.3.4:5 1.2.3.4:6",
		"upstream a http 1.2.3.4:5 user \"u\"",
		"upstream a http 1.2.3.4:5 password-file \"u\"",
		"upstream a http 1.2.3.4:5 user u password-file \"p\"",
		"upstream a http 1.2.3.4:5 user \"u\" password-file p",
		"upstream a http 1.2.3.4:5 user \"\" password-file \"p\"",
		"upstream a http 1.2.3.4:5 user \"u\" password-file \"\"",
		"upstream a http 1.2.3.4:5 user \"u\" password-file \"p/q\"",
		"upstream a http 1.2.3.4:5 user \"u:v\" password-file \"p\"",
		"upstream a proxy-v2 1.2.3.4:5 user \"u\" password-file \"p\"",
		"upstream a http 1.2.3.4:5 password \"u\"",
		"upstream a http 1.2.3.4:5 check 999ms",
		"upstream a http 1.2.3.4:5 check 61m",
		"upstream a http 1.2.3.4:5 check 5",
		"upstream a http 1.2.3.4:5 check soon",
		"upstream a http 1.2.3.4:5 check check",
		"upstream a http 1.2.3.4:5 names",
		"upstream a http 1.2.3.4:5 names \"yes\"",
		"upstream a http 1.2.3.4:5 names maybe",
		"upstream a http 1.2.3.4:5 names yes names no",
		"block to any via a", "pass to any via a",
		"exclude to ::1 via a", "relay to any via",
		"relay to any via <a>", "relay to any via \"a\"",
		"default block via a", "default relay via" };

	(void)state;
	assert_each_is_wrong(lines, sizeof(lines) / sizeof(lines[0]));
	assert_string_equal(
	    error_of(FIXTURE_CAPTURE "upstream a http 1.2.3.4:5\n"
				     "upstream a http 1.2.3.4:5\n")
		->message,
	    "'a' is given a second time; the first is at 2:10");
}

static const char *
warning_about(const char *kind, const char *rules)
{
	char text[256];

	(void)snprintf(text, sizeof(text),
	    FIXTURE_CAPTURE "upstream u %s 10.0.0.9:1080\n%s", kind, rules);
	return warning_of(text);
}

static void
test_udp_that_would_go_through_one_warns(void **state)
{
	static const char warning[] =
	    "udp goes through socks5 upstreams alone: it is blocked";

	(void)state;
	assert_string_equal(
	    warning_about("http", "relay to any via u\n"), warning);
	assert_string_equal(
	    warning_about("http", "relay proto udp to ::1 via u\n"), warning);
	assert_string_equal(
	    warning_about("http", "default relay via u\n"), warning);
	assert_string_equal(
	    warning_about("http", "relay proto tcp to any via u\n"), "");
	assert_string_equal(
	    warning_about(
		"http", "block proto udp to any\ndefault relay via u\n"),
	    "");
	assert_string_equal(
	    warning_about("socks5", "relay to any via u\n"), "");
	assert_string_equal(
	    warning_about("socks5", "default relay via u\n"), "");
}

static void
test_udp_is_blocked_rather_than_going_past_an_upstream(void **state)
{
	static const char text[] =
	    FIXTURE_CAPTURE "upstream u http 10.0.0.9:1080\n"
			    "upstream s socks5 10.0.0.9:1081\n"
			    "relay to any port 443 via u\n"
			    "relay to any port 444 via s\n"
			    "default relay via u\n";
	struct policy_query query = { .proto = IPPROTO_UDP, .dport = 443 };
	struct policy_verdict verdict;
	struct image *image;
	size_t len;

	(void)state;
	image = fixture_image(text, &len);
	verdict = policy_match(image, &query);
	assert_int_equal(verdict.action, FLOW_ACTION_BLOCK);
	assert_int_equal(verdict.rule, 0);
	query.dport = 444;
	verdict = policy_match(image, &query);
	assert_int_equal(verdict.action, FLOW_ACTION_RELAY);
	assert_int_equal(verdict.upstream, 1);
	query.dport = 80;
	verdict = policy_match(image, &query);
	assert_int_equal(verdict.action, FLOW_ACTION_BLOCK);
	assert_int_equal(verdict.rule, FLOW_RULE_DEFAULT);
	query.proto = IPPROTO_TCP;
	assert_int_equal(policy_match(image, &query).action, FLOW_ACTION_RELAY);
	free(image);
}

static void
test_there_are_limits(void **state)
{
	struct text text = { 0 };
	size_t i;

	(void)state;
	text_puts(&text, FIXTURE_CAPTURE);
	for (i = 0; i <= LIMIT_UPSTREAMS; i++)
		text_printf(&text, "upstream a%zu http 1.2.3.4:5\n", i);
	assert_string_equal(
	    error_of(text.bytes)->message, "more than 64 upstreams");
	text.len = 0;
	text_puts(&text, FIXTURE_CAPTURE "upstream a http {");
	for (i = 0; i <= LIMIT_UPSTREAM_ENDPOINTS; i++)
		text_printf(&text, " 1.2.3.4:%zu", i + 1);
	text_puts(&text, " }\n");
	assert_string_equal(error_of(text.bytes)->message,
	    "more than 16 addresses of one upstream");
	text_free(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_upstreams_have_one_form),
		cmocka_unit_test(test_upstreams_arrive_in_the_image),
		cmocka_unit_test(test_checks_are_as_often_as_written),
		cmocka_unit_test(test_rules_choose_the_upstream),
		cmocka_unit_test(test_the_directory_is_that_of_the_file),
		cmocka_unit_test(test_unknown_upstreams_suggest_the_nearest),
		cmocka_unit_test(test_bad_upstreams_are_refused),
		cmocka_unit_test(test_udp_that_would_go_through_one_warns),
		cmocka_unit_test(
		    test_udp_is_blocked_rather_than_going_past_an_upstream),
		cmocka_unit_test(test_there_are_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
