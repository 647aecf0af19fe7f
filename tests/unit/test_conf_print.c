/* SPDX-License-Identifier: ISC */
#include "policy/print.h"

#include "policy_fixture.h"

static void
print(const char *text, struct text *out)
{
	struct conf *conf = fixture_conf(text);

	print_conf(conf, out);
	assert_int_equal(text_check(out), 0);
	conf_free(conf);
}

static void
test_defaults_are_printed(void **state)
{
	struct text out = { 0 };

	(void)state;
	print(FIXTURE_CAPTURE, &out);
	assert_string_equal(out.bytes,
	    "on-failure closed\nlease 3s\nworkers 0\nmark mask 0x07000000\n"
	    "capture forwarded on eth0\nother-protocols pass\n"
	    "dns off\n"
	    "default relay\n"
	    "control socket \"/run/tpx/tpxd.sock\"\n"
	    "log dir \"/var/lib/tpx\"\n");
	text_free(&out);
}

static void
test_everything_has_one_form(void **state)
{
	struct text out = { 0 };

	(void)state;
	print("log dir \"/x \\\"y\\\\\" max 1024M keep 48h # z\n"
	      "default pass\n"
	      "block with drop port { 5-5, 6 } to { <t>,10.0.0.0/8 }\n"
	      "relay max-rate 7/m max-flows 5 per client idle 90s max-flows "
	      "9 proto tcp to any max-rate 8/s per client\n"
	      "pass to any log yes\n"
	      "block log no to ::1 with reset\n"
	      "table <t> {\n 192.0.2.1/32\n}\n"
	      "capture forwarded on { b }\ncapture forwarded on a\n"
	      "other-protocols block\nmark mask 0xE0\nworkers 2\nlease "
	      "60000ms\non-failure open\n",
	    &out);
	assert_string_equal(out.bytes,
	    "on-failure open\nlease 1m\nworkers 2\nmark mask 0x000000e0\n"
	    "capture forwarded on { b a }\nother-protocols block\ntable <t> { "
	    "192.0.2.1 }\n"
	    "dns off\n"
	    "block to { <t> 10.0.0.0/8 } port { 5 6 } with drop\n"
	    "relay proto tcp idle 90s max-flows 9 max-flows 5 per client "
	    "max-rate 7/m max-rate 8/s per client\n"
	    "pass to any\nblock to ::1 with reset log no\ndefault pass\n"
	    "control socket \"/run/tpx/tpxd.sock\"\n"
	    "log dir \"/x \\\"y\\\\\" keep 2d max 1G\n");
	text_free(&out);
}

static void
test_what_is_captured_has_one_form(void **state)
{
	static const char *const cases[][2] = {
		{ "capture local\n", "capture local\n" },
		{ "capture local user { 33 }\n", "capture local user 33\n" },
		{ "capture local user www-data\ncapture local user { 5-6 "
		  "8-8, www-data }\n",
		    "capture local user { www-data 5-6 8 www-data }\n" },
		{ "capture local user 4294967294\ncapture forwarded on a\n",
		    "capture forwarded on a\n"
		    "capture local user 4294967294\n" },
	};
	struct text out = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		out.len = 0;
		print(cases[i][0], &out);
		*strstr(out.bytes, "other-protocols") = '\0';
		assert_string_equal(strstr(out.bytes, "capture"), cases[i][1]);
	}
	text_free(&out);
}

/* What is neither TCP nor UDP must stay as it was, in or out. */
static void
test_an_exclusion_has_one_form(void **state)
{
	static const char *const cases[][2] = {
		{ "exclude to any", "exclude to any" },
		{ "exclude port any from any", "exclude to any" },
		{ "exclude proto { udp tcp }", "exclude proto { tcp udp }" },
		{ "exclude to ::1 proto { udp tcp }",
		    "exclude proto { tcp udp } to ::1" },
		{ "exclude to { ::1 }", "exclude to ::1" },
		{ "exclude port { 22, } proto { tcp udp }", "exclude port 22" },
		{ "exclude port 123 to ::1 from ::2 proto udp",
		    "exclude proto udp from ::2 to ::1 port 123" },
	};
	struct text in = { 0 }, out = { 0 };
	char *line;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		in.len = out.len = 0;
		text_printf(&in, FIXTURE_CAPTURE "%s\n", cases[i][0]);
		print(in.bytes, &out);
		line = strstr(out.bytes, "exclude");
		*strchr(line, '\n') = '\0';
		assert_string_equal(line, cases[i][1]);
	}
	text_free(&in);
	text_free(&out);
}

/* Lines that may stand together in any number and order. */
static const char *const lines[] = {
	"table <a> { 10.0.0.0/8 fd00::/8 }\n",
	"table <b-1> { }\n",
	"capture forwarded on { e1, e2 }\n",
	"lease 1001ms\n",
	"workers 64\n",
	"mark mask 0x00000007\n",
	"on-failure open\n",
	"control socket \"/a b\"\n",
	"log dir \"/\xc3\xa4\" keep 1500ms max 65537\n",
	"block\tto <a>\n",
	"capture local user { www-data, 7-7 1000-4294967294 }\n",
	"exclude port { 22 80 } proto { udp tcp } to <a>\n",
	"block from <a> to { <b-1> ::/0 0.0.0.0/0 } port { 1 2-3 }\n",
	"pass proto { udp, tcp } to any port 53\n",
	"pass proto udp port any from any\n",
	"relay proto tcp from 192.0.2.0/24 idle 100ms\n",
	"relay to 2001:db8::/32 idle 30d\n",
	"relay proto tcp via up to <a> idle 1h\n",
	"default relay via up-2\n",
	"block port 1-65535 with drop\n",
	"dns forward tls { 9.9.9.9@1 \"a.b\" ::1 \"c\" }\n",
	"block domain { \"*.A.b\" c } with drop\npass to <a> domain <d>\n"
	"relay name { unverified, agrees }\nblock name disagrees port 1\n",
	"dns block <d>\ndns block <d> answer refused\n"
	"dns log <d> sample 7\ndns log blocked no\ndns log <d> all\n",
	"dns rebind-allow { \"A.b.\" c }\ndns validate no\n",
	"dns serve-stale 1500ms\ndns trust-anchor \"x y\"\n"
	"dns max-rate no\ndns canary no\ndns ddr yes\ndns log no\n"
	"dns private-relay no\ndns encrypted no\n",
};
#define LINES (sizeof(lines) / sizeof(lines[0]))

static void
test_printed_text_prints_the_same(void **state)
{
	struct text in = { 0 }, once = { 0 }, twice = { 0 };
	uint32_t set;
	size_t i;

	(void)state;
	for (set = 0; set < 1U << LINES; set += 4789) {
		in.len = once.len = twice.len = 0;
		/* The tables are named by other lines, so both are there. */
		text_printf(&in,
		    FIXTURE_CAPTURE
		    "upstream up socks5 1.2.3.4:1 user \"a \\\"\""
		    " password-file \"p\"\n"
		    "domains <d> { \"x.y\" *.z }\ndomains <e> file \"f\"\n"
		    "upstream up-2 proxy-v2 { [::1]:2 1.2.3.4:5 } check\n%s%s",
		    lines[0], lines[1]);
		for (i = 2; i < LINES; i++)
			if ((set >> i & 1) != 0)
				text_puts(&in, lines[i]);
		print(in.bytes, &once);
		print(once.bytes, &twice);
		assert_string_equal(once.bytes, twice.bytes);
	}
	text_free(&in);
	text_free(&once);
	text_free(&twice);
}

static void
test_numbers_take_the_largest_exact_unit(void **state)
{
	struct text out = { 0 };

	(void)state;
	print_duration(1500, &out);
	text_puts(&out, " ");
	print_duration(86400000, &out);
	text_puts(&out, " ");
	print_duration(90000, &out);
	text_puts(&out, " ");
	print_size(4ULL << 40, &out);
	text_puts(&out, " ");
	print_size(1536, &out);
	text_puts(&out, " ");
	print_size((1ULL << 63) - 1, &out);
	assert_string_equal(
	    out.bytes, "1500ms 1d 90s 4T 1536 9223372036854775807");
	text_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults_are_printed),
		cmocka_unit_test(test_everything_has_one_form),
		cmocka_unit_test(test_what_is_captured_has_one_form),
		cmocka_unit_test(test_an_exclusion_has_one_form),
		cmocka_unit_test(test_printed_text_prints_the_same),
		cmocka_unit_test(test_numbers_take_the_largest_exact_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
