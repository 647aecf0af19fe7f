/* SPDX-License-Identifier: ISC */
#include "policy/conf.h"

#include <errno.h>
#include <stdio.h>

#include "conf_fixture.h"

static const char *
message_of(const char *text)
{
	return error_of(text)->message;
}

static void
test_capture_alone_gives_the_defaults(void **state)
{
	struct conf *conf = fixture_conf(FIXTURE_CAPTURE);

	(void)state;
	assert_int_equal(conf->on_failure, ON_FAILURE_CLOSED);
	assert_int_equal(conf->lease_ms, 3000);
	assert_int_equal(conf->workers, 0);
	assert_int_equal(conf->mark_mask, 0x07000000);
	assert_int_equal(conf->default_action, FLOW_ACTION_RELAY);
	assert_string_equal(conf->socket, "/run/tpx/tpxd.sock");
	assert_string_equal(conf->log_dir, "/var/lib/tpx");
	assert_int_equal(conf->keep_ms, 0);
	assert_int_equal(conf->max_bytes, 0);
	assert_int_equal(conf->interface_count, 1);
	assert_string_equal(conf->interfaces[0].name, "eth0");
	conf_free(conf);
}

static void
test_every_setting_is_read(void **state)
{
	struct conf *conf = fixture_conf("on-failure open\nlease 1500ms\n"
					 "workers 64\nmark mask 0xE\n"
					 "capture forwarded on { a, b }\n"
					 "capture forwarded on wg0.1\n"
					 "default block\n"
					 "control socket \"/a \\\"b\\\\\"\n"
					 "log dir \"/x\" max 4G keep 30d\n");

	(void)state;
	assert_int_equal(conf->on_failure, ON_FAILURE_OPEN);
	assert_int_equal(conf->lease_ms, 1500);
	assert_int_equal(conf->workers, 64);
	assert_int_equal(conf->mark_mask, 0xe);
	assert_int_equal(conf->interface_count, 3);
	assert_int_equal(conf->default_action, FLOW_ACTION_BLOCK);
	assert_string_equal(conf->socket, "/a \"b\\");
	assert_string_equal(conf->log_dir, "/x");
	assert_true(conf->keep_ms == 30 * 86400000ULL);
	assert_true(conf->max_bytes == 4ULL << 30);
	conf_free(conf);
}

static void
test_a_rule_is_read(void **state)
{
	struct conf *conf = fixture_conf(
	    FIXTURE_CAPTURE "table <t> { 10.0.0.0/8 fd00::/8 }\n"
			    "block port { 1, 10-20 } with drop to { <t> # x\n"
			    "\t 192.0.2.1 }  proto udp from any\n"
			    "relay idle 10m from <t> proto { tcp }\n");
	const struct conf_rule *rule = conf->rules;

	(void)state;
	assert_int_equal(conf->rule_count, 2);
	assert_int_equal(rule[0].action, FLOW_ACTION_BLOCK);
	assert_int_equal(rule[0].protos, RULE_UDP);
	assert_int_equal(rule[0].mode, BLOCK_DROP);
	assert_int_equal(rule[0].from.count, 0);
	assert_int_equal(rule[0].to.count, 2);
	assert_int_equal(rule[0].to.items[0].table, 0);
	assert_int_equal(rule[0].to.items[1].table, CONF_NO_TABLE);
	assert_int_equal(rule[0].ports.count, 2);
	assert_int_equal(rule[0].ports.items[1].last, 20);
	assert_string_equal(rule[0].text,
	    "block port { 1, 10-20 } with drop to { <t> 192.0.2.1 } "
	    "proto udp from any");
	assert_int_equal(rule[1].idle_ms, 600000);
	assert_int_equal(rule[1].place.line, 5);
	conf_free(conf);
}

static void
test_limits_are_read(void **state)
{
	struct conf *conf = fixture_conf(FIXTURE_CAPTURE
	    "relay proto udp max-flows 100 per client "
	    "max-flows 2000 max-rate 50/s per client\n"
	    "pass to any max-rate 10/m max-rate 9/h per client\n");
	const struct rule_limits *limits = &conf->rules[0].limits;

	(void)state;
	assert_int_equal(limits->flows[LIMIT_CLIENT], 100);
	assert_int_equal(limits->flows[LIMIT_RULE], 2000);
	assert_int_equal(limits->rate[LIMIT_CLIENT].count, 50);
	assert_int_equal(limits->rate[LIMIT_CLIENT].per_s, 1);
	assert_int_equal(limits->rate[LIMIT_RULE].count, 0);
	limits = &conf->rules[1].limits;
	assert_int_equal(limits->flows[LIMIT_RULE], 0);
	assert_int_equal(limits->rate[LIMIT_RULE].count, 10);
	assert_int_equal(limits->rate[LIMIT_RULE].per_s, 60);
	assert_int_equal(limits->rate[LIMIT_CLIENT].per_s, 3600);
	conf_free(conf);
}

static void
test_unknown_word_suggests_the_nearest(void **state)
{
	static const char *const cases[][3] = {
		{ "relya to any\n", "unknown statement 'relya'", "relay" },
		{ "Block to any\n", "unknown statement 'Block'", "block" },
		{ "on-failur open\n", "unknown statement 'on-failur'",
		    "on-failure" },
		{ "xyzzy\n", "unknown statement 'xyzzy'", "" },
		{ "on-failure opne\n", "unexpected 'opne'", "open" },
		{ "block prot tcp\n", "unknown selector 'prot'", "proto" },
		{ "block proto tpc\n", "unexpected 'tpc'", "tcp" },
	};
	const struct conf_error *error;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		error = error_of(cases[i][0]);
		/* Without a line of its own the missing capture is first. */
		assert_int_equal(error->place.line, 0);
		assert_string_equal(error[1].message, cases[i][1]);
		assert_string_equal(error[1].suggestion, cases[i][2]);
	}
}

static void
test_unknown_table_suggests_the_nearest(void **state)
{
	const struct conf_error *error =
	    error_of(FIXTURE_CAPTURE "table <rfc1918> { 10.0.0.0/8 }\n"
				     "pass to { 192.0.2.1 <rfc1981> }\n");

	(void)state;
	assert_string_equal(error->message, "there is no table <rfc1981>");
	assert_string_equal(error->suggestion, "<rfc1918>");
	assert_int_equal(error->place.line, 3);
	assert_int_equal(error->place.column, 21);
	assert_int_equal(error->place.length, 9);
}

static void
test_a_table_may_stand_after_its_use(void **state)
{
	(void)state;
	conf_free(
	    fixture_conf(FIXTURE_CAPTURE "pass to <t>\ntable <t> { ::1 }\n"));
}

static void
test_all_errors_are_found(void **state)
{
	static const unsigned int lines[] = { 1, 2, 3, 5, 6, 6, 7, 8, 9 };
	size_t i;

	(void)state;
	error_of("lease 1\n"
		 "workers many\n"
		 "dns recursive\n"
		 "capture forwarded on e0\n"
		 "block to { 10.0.0.0/8\n"
		 "pass to 1.2.3.400 port 0\n"
		 "log dir \"/x\n"
		 "pass to }\n"
		 "default maybe\n");
	assert_int_equal(errors.count, 9);
	for (i = 0; i < 9; i++)
		assert_int_equal(errors.items[i].place.line, lines[i]);
}

static void
test_more_errors_than_room_are_counted(void **state)
{
	struct text text = { 0 }, out = { 0 };
	int i;

	(void)state;
	for (i = 0; i < 150; i++)
		text_puts(&text, "bogus\n");
	error_of_bytes(text.bytes, text.len);
	assert_int_equal(errors.errors, 151);
	assert_int_equal(errors.count, CONF_ERRORS_MAX);
	assert_int_equal(errors.omitted, 51);
	conf_errors_format(&errors, "f", text.bytes, text.len, &out);
	assert_non_null(strstr(out.bytes, "f: and 51 more\n"));
	text_free(&text);
	text_free(&out);
}

static void
test_what_this_version_lacks_is_refused(void **state)
{
	static const char *const cases[][2] = {
		{ "capture local cgroup \"x\"\n", "cgroup" },
		{ "exclude cgroup \"x\"\n", "cgroup" },
		{ "block cgroup \"x\"\n", "cgroup" },
		{ "log ipfix udp 1.2.3.4:5\n", "ipfix" },
	};
	char message[80];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[160];

		snprintf(text, sizeof(text), FIXTURE_CAPTURE "%s", cases[i][0]);
		snprintf(message, sizeof(message),
		    "'%s' is not supported by this version", cases[i][1]);
		assert_string_equal(message_of(text), message);
		assert_int_equal(errors.errors, 1);
		assert_int_equal(errors.items[0].place.line, 2);
	}
}

static void
test_what_is_hardly_meant_warns(void **state)
{
	(void)state;
	assert_string_equal(
	    warning_of(FIXTURE_CAPTURE "table <t> { ::1 }\ndefault pass\n"),
	    "nothing uses table <t>");
	assert_string_equal(warning_of(FIXTURE_CAPTURE
				"table <t> {}\nblock to <t>\ndefault pass\n"),
	    "table <t> is empty: no address is in it");
	assert_string_equal(
	    warning_of(FIXTURE_CAPTURE
		"block proto tcp\npass proto udp\npass to ::1\n"),
	    "the rule is never reached: those before it decide everything");
}

static void
test_once_only_statements_tell_of_the_first(void **state)
{
	static const char *const texts[] = { "lease 3s\n", "workers 1\n",
		"on-failure open\n", "mark mask 0x7\n", "default pass\n",
		"control socket \"/a\"\n", "log dir \"/a\"\n" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char text[128];

		snprintf(text, sizeof(text), FIXTURE_CAPTURE "%s%s", texts[i],
		    texts[i]);
		assert_non_null(strstr(message_of(text),
		    "is given a second time; the first is at 2:1"));
		assert_int_equal(errors.errors, 1);
		assert_int_equal(errors.items[0].place.line, 3);
	}
}

static void
test_doubles_are_refused(void **state)
{
	(void)state;
	assert_string_equal(message_of("capture forwarded on { a b a }\n"),
	    "'a' is given a second time; the first is at 1:24");
	assert_string_equal(
	    message_of(FIXTURE_CAPTURE "table <t> { }\ntable <t> { }\n"),
	    "'<t>' is given a second time; the first is at 2:7");
	assert_string_equal(message_of(FIXTURE_CAPTURE "block port 1 port 2\n"),
	    "'port' is given a second time; the first is at 2:7");
}

static void
test_bad_values_are_refused(void **state)
{
	static const char *const lines[] = { "lease 999ms", "lease 61s",
		"lease 3", "lease s", "lease -3s", "lease 03s",
		"lease 18446744073709551616ms", "lease 18446744073709551s",
		"workers 65", "workers 1x", "workers -1", "mark mask 0x0",
		"mark mask 7", "mark mask 0xf", "mark mask 0x5", "mark mask 0x",
		"mark mask 0x1c0000000", "mark mask 0xc0000000",
		"mark mask 0xg", "mark 0x7", "capture forwarded on lo",
		"capture forwarded on abcdefghijklmnop",
		"capture forwarded on a/b", "capture forwarded on eth*",
		"capture forwarded on \"a\"", "capture forwarded on .",
		"capture forwarded eth1", "capture forwarded on {}",
		"control socket a", "control socket \"a\"",
		"control socket \"\"", "log dir \"/a\" keep 0s",
		"log dir \"/a\" keep 10", "log dir \"/a\" max 1",
		"log dir \"/a\" max 16777216T",
		"log dir \"/a\" max 9223372036855T", "log dir \"/a\" max 1g",
		"log \"/a\"", "table t { }", "table <> { }", "table <a b> { }",
		"table <a;> { }",
		"table <aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa> { }", "table <t> ::1",
		"table <t> { <u> }", "table <t> { any }",
		"table <t> { { ::1 } }", "default", "default pass pass",
		"block", "block with reset", "relay idle 1m", "block to",
		"block to { }", "block to { any }", "block to 10.0.0.1/8",
		"block to 1.2.3.4,", "block to \"1.2.3.4\"",
		"block to ::ffff:1.2.3.4", "block port 0", "block port 65536",
		"block port 20-10", "block port 1-", "block port -1",
		"block port 1-2-3", "block port 010", "block port http",
		"block proto icmp", "block proto any", "block to ::1 with rst",
		"pass to ::1 with reset", "pass to ::1 idle 1m",
		"block to ::1 idle 1m", "relay to ::1 with drop",
		"capture local user", "capture local user {}",
		"capture local user any", "capture local user -1",
		"capture local user 20-10", "capture local user 1-",
		"capture local user 010", "capture local user 1-2-3",
		"capture local user 4294967295",
		"capture local user 0-4294967295", "capture local user \"tpx\"",
		"capture local user 1 user 2", "capture local user 1 2",
		"capture local on eth1", "capture", "exclude",
		"exclude idle 1m", "exclude to ::1 with drop",
		"exclude to ::1 log no", "exclude to { }", "exclude proto icmp",
		"exclude port 0", "exclude any", "relay to ::1 idle 99ms",
		"relay to ::1 idle 31d", "relay max-flows 1",
		"relay to ::1 max-flows", "relay to ::1 max-flows 0",
		"relay to ::1 max-flows 1000001", "relay to ::1 max-flows -1",
		"relay to ::1 max-flows 1/s", "relay to ::1 max-flows 1 per",
		"relay to ::1 per client", "relay to ::1 max-flows 1 per user",
		"relay to ::1 max-flows 1 max-flows 2",
		"relay to ::1 max-flows 1 per client max-flows 2 per client",
		"pass to ::1 max-flows 1", "block to ::1 max-flows 1",
		"exclude to ::1 max-flows 1", "relay to ::1 max-rate",
		"relay to ::1 max-rate 5", "relay to ::1 max-rate 0/s",
		"relay to ::1 max-rate 1/d", "relay to ::1 max-rate /s",
		"relay to ::1 max-rate 1/", "relay to ::1 max-rate 1/s/s",
		"relay to ::1 max-rate 1000001/s",
		"relay to ::1 max-rate 1/s max-rate 2/m",
		"relay to ::1 max-rate 1/s per client max-rate 2/s per client",
		"block to ::1 max-rate 1/s", "exclude to ::1 max-rate 1/s", "{",
		"}", "\"block\"", "block { to ::1 }" };

	(void)state;
	assert_each_is_wrong(lines, sizeof(lines) / sizeof(lines[0]));
}

static void
test_bits_behind_a_prefix_suggest_the_right_one(void **state)
{
	const struct conf_error *error =
	    error_of(FIXTURE_CAPTURE "block to 10.1.2.3/8\n");

	(void)state;
	assert_string_equal(error->suggestion, "10.0.0.0/8");
}

static void
test_something_must_be_captured(void **state)
{
	(void)state;
	assert_string_equal(message_of("lease 3s\n"), "nothing is captured");
	assert_string_equal(message_of(""), "nothing is captured");
	assert_int_equal(errors.items[0].place.line, 0);
}

static void
test_paths_have_their_length(void **state)
{
	char text[256] = FIXTURE_CAPTURE "control socket \"/";
	size_t len = strlen(text);

	(void)state;
	memset(text + len, 'a', 106);
	strcpy(text + len + 106, "\"\n");
	conf_free(fixture_conf(text));
	strcpy(text + len + 106, "a\"\n");
	assert_string_equal(message_of(text),
	    "the path of the control socket is longer than 107 bytes");
}

static void
test_limits_are_kept(void **state)
{
	struct text text = { 0 };
	int i;

	(void)state;
	text_puts(&text, FIXTURE_CAPTURE);
	for (i = 0; i <= LIMIT_RULES; i++)
		text_puts(&text, "block to ::1\n");
	assert_string_equal(message_of(text.bytes), "more than 4096 rules");
	text.len = 0;
	text_puts(&text, FIXTURE_CAPTURE);
	for (i = 0; i <= LIMIT_TABLES; i++)
		text_printf(&text, "table <t%d> { }\n", i);
	assert_string_equal(message_of(text.bytes), "more than 1024 tables");
	text.len = 0;
	for (i = 0; i <= LIMIT_INTERFACES; i++)
		text_printf(&text, "capture forwarded on e%d\n", i);
	assert_string_equal(message_of(text.bytes), "more than 64 interfaces");
	text.len = 0;
	text_puts(&text, FIXTURE_CAPTURE);
	for (i = 0; i <= LIMIT_EXCLUSIONS; i++)
		text_puts(&text, "exclude to ::1\n");
	assert_string_equal(message_of(text.bytes), "more than 256 exclusions");
	text.len = 0;
	text_puts(&text, "capture local user {");
	for (i = 0; i <= LIMIT_USERS; i++)
		text_printf(&text, " %d", i);
	text_puts(&text, " }\n");
	assert_string_equal(message_of(text.bytes), "more than 1024 users");
	text.len = 0;
	text_puts(&text, FIXTURE_CAPTURE "block to {");
	for (i = 0; i <= CONF_LIST_TABLES; i++)
		text_printf(&text, " <t%d>", i);
	text_puts(&text, " }\n");
	for (i = 0; i <= CONF_LIST_TABLES; i++)
		text_printf(&text, "table <t%d> { }\n", i);
	assert_string_equal(
	    message_of(text.bytes), "more than 16 tables in one list");
	text_free(&text);
}

static void
test_dos_lines_are_one_error(void **state)
{
	(void)state;
	assert_string_equal(
	    message_of("capture forwarded on e0\r\ndefault pass\r\n"),
	    "a carriage return: lines must end in a newline alone");
	assert_int_equal(errors.errors, 1);
}

static void
test_odd_bytes_are_one_error_each(void **state)
{
	static const char text[] = FIXTURE_CAPTURE "block to \0 x\n"
						   "pass to \x1b[2J ::1\n";

	(void)state;
	error_of_bytes(text, sizeof(text) - 1);
	assert_int_equal(errors.errors, 2);
	assert_string_equal(errors.items[0].message, "a NUL byte in the text");
	assert_string_equal(
	    errors.items[1].message, "a control byte in the text");
}

static void
test_an_error_shows_its_line_and_place(void **state)
{
	static const char text[] = "\n\trelya\tto any\n" FIXTURE_CAPTURE;
	struct text out = { 0 };

	(void)state;
	error_of(text);
	conf_error_format(
	    &errors.items[0], "tpx.conf", text, sizeof(text) - 1, &out);
	assert_string_equal(out.bytes,
	    "tpx.conf:2:2: unknown statement 'relya'; did you mean "
	    "'relay'?\n"
	    "    \trelya\tto any\n"
	    "    \t^~~~~\n");
	text_free(&out);
}

static void
test_an_error_cannot_drive_the_terminal(void **state)
{
	static const char text[] =
	    FIXTURE_CAPTURE "block \xc3\xa4 \x1b]0;x\x07\n";
	struct text out = { 0 };
	size_t i;

	(void)state;
	error_of_bytes(text, sizeof(text) - 1);
	conf_errors_format(&errors, "a\nb", text, sizeof(text) - 1, &out);
	assert_string_equal(out.bytes,
	    "a\\x0ab:2:7: unknown selector '\\xc3\\xa4'; expected proto, "
	    "from, to, port, user, group, domain, name, by, with, via, source, "
	    "idle, max-flows, max-rate or log\n"
	    "    block \\xc3\\xa4 \\x1b]0;x\\x07\n"
	    "          ^~~~~~~~\n");
	for (i = 0; i < out.len; i++)
		assert_true(out.bytes[i] == '\n' ||
			    (out.bytes[i] >= ' ' && out.bytes[i] <= '~'));
	text_free(&out);
}

static void
test_a_long_line_is_cut_around_the_place(void **state)
{
	struct text text = { 0 }, out = { 0 };
	int i;

	(void)state;
	text_puts(&text, FIXTURE_CAPTURE "block to {");
	for (i = 0; i < 10000; i++)
		text_puts(&text, i == 5000 ? " 1.2.3.x" : " 1.2.3.4");
	text_puts(&text, " }\n");
	error_of_bytes(text.bytes, text.len);
	assert_int_equal(errors.items[0].place.column, 40012);
	conf_errors_format(&errors, "f", text.bytes, text.len, &out);
	assert_true(out.len < 400);
	assert_non_null(strstr(out.bytes, "1.2.3.x"));
	text_free(&text);
	text_free(&out);
}

static void
test_a_text_that_is_too_long_is_refused(void **state)
{
	(void)state;
	assert_string_equal(
	    error_of_bytes("", (size_t)CONF_BYTES_MAX + 1)->message,
	    "the text is longer than 67108864 bytes");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_capture_alone_gives_the_defaults),
		cmocka_unit_test(test_every_setting_is_read),
		cmocka_unit_test(test_a_rule_is_read),
		cmocka_unit_test(test_limits_are_read),
		cmocka_unit_test(test_unknown_word_suggests_the_nearest),
		cmocka_unit_test(test_unknown_table_suggests_the_nearest),
		cmocka_unit_test(test_a_table_may_stand_after_its_use),
		cmocka_unit_test(test_all_errors_are_found),
		cmocka_unit_test(test_more_errors_than_room_are_counted),
		cmocka_unit_test(test_what_this_version_lacks_is_refused),
		cmocka_unit_test(test_what_is_hardly_meant_warns),
		cmocka_unit_test(test_once_only_statements_tell_of_the_first),
		cmocka_unit_test(test_doubles_are_refused),
		cmocka_unit_test(test_bad_values_are_refused),
		cmocka_unit_test(
		    test_bits_behind_a_prefix_suggest_the_right_one),
		cmocka_unit_test(test_something_must_be_captured),
		cmocka_unit_test(test_paths_have_their_length),
		cmocka_unit_test(test_limits_are_kept),
		cmocka_unit_test(test_dos_lines_are_one_error),
		cmocka_unit_test(test_odd_bytes_are_one_error_each),
		cmocka_unit_test(test_an_error_shows_its_line_and_place),
		cmocka_unit_test(test_an_error_cannot_drive_the_terminal),
		cmocka_unit_test(test_a_long_line_is_cut_around_the_place),
		cmocka_unit_test(test_a_text_that_is_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
