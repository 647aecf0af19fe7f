/* SPDX-License-Identifier: ISC */
/* dns: from its statements and files to the image. */
#include <errno.h>
#include <stdio.h>

#include "conf_fixture.h"
#include "policy/conf_file.h"
#include "policy/print.h"

#define TLS                                                           \
	FIXTURE_CAPTURE                                               \
	"dns forward tls { 9.9.9.9 \"DNS.quad9.net.\"\n"              \
	" 2620:fe::fe@8853 \"dns.quad9.net\" }\n"                     \
	"dns serve-stale 90m\ndns random-case yes\ndns validate no\n" \
	"dns rebind-allow { \"corp.example\" LAN }\n"
#define FILES                                                       \
	FIXTURE_CAPTURE "dns recurse\ndns trust-anchor \"a.key\"\n" \
			"dns root-hints \"/x/hints\"\n"
#define ANCHOR ". 172800 IN DS 20326 8 2 E06D44B8 ; 2017\n\n"
#define HINTS ".\t1D NS a.root.\na.root. 1D AAAA ::1\n"

static void
print_is(const char *text, const char *part)
{
	struct conf *conf = fixture_conf(text);
	struct text out = { 0 };

	print_conf(conf, &out);
	if (strstr(out.bytes, part) == NULL)
		fail_msg("%s", out.bytes);
	text_free(&out);
	conf_free(conf);
}

static void
test_dns_has_one_form(void **state)
{
	(void)state;
	print_is(TLS, "\ndns forward tls { 9.9.9.9 \"dns.quad9.net\" "
		      "2620:fe::fe@8853 \"dns.quad9.net\" }\n"
		      "dns validate no\ndns rebind-protect yes\n"
		      "dns rebind-allow { \"corp.example\" \"lan\" }\n"
		      "dns serve-stale 90m\ndns random-case yes\n");
	print_is(FIXTURE_CAPTURE "dns forward { 9.9.9.9, ::1@5353 }\n",
	    "\ndns forward { 9.9.9.9 ::1@5353 }\ndns validate yes\n");
	print_is(FIXTURE_CAPTURE "dns forward 9.9.9.9@53\n",
	    "\ndns forward 9.9.9.9\n");
	print_is(FIXTURE_CAPTURE "dns forward tls 9.9.9.9@853 \"a\"\n",
	    "\ndns forward tls 9.9.9.9 \"a\"\n");
	print_is(FILES, "\ndns recurse\ndns root-hints \"/x/hints\"\n"
			"dns validate yes\ndns trust-anchor \"a.key\"\n");
}

static void
test_ways_rates_and_rows_have_one_form(void **state)
{
	(void)state;
	print_is(FIXTURE_CAPTURE "dns recurse\n",
	    "\ndns random-case no\ndns max-rate 20000\ndns canary yes\n"
	    "dns ddr no\ndns private-relay yes\ndns encrypted yes\n"
	    "dns log all\ndns log blocked all\n");
	print_is(FIXTURE_CAPTURE
	    "dns log blocked no\ndns encrypted no\ndns private-relay no\n"
	    "dns recurse\ndns ddr yes\ndns canary no\ndns max-rate no\n"
	    "dns log <b> sample 10\ndns log <a> all\ndns log sample 1000000\n"
	    "domains <a> { x }\ndomains <b> { y }\n",
	    "\ndns max-rate no\ndns canary no\ndns ddr yes\n"
	    "dns private-relay no\ndns encrypted no\n"
	    "dns log <b> sample 10\ndns log <a> all\n"
	    "dns log sample 1000000\ndns log blocked no\n");
	print_is(FIXTURE_CAPTURE "dns recurse\ndns max-rate 1\n",
	    "\ndns max-rate 1\n");
}

static void
test_ways_rates_and_rows_arrive_in_the_image(void **state)
{
	size_t len;
	struct image *image = fixture_image(FIXTURE_CAPTURE
	    "dns recurse\ndns max-rate 1000000\ndns encrypted no\n"
	    "dns log sample 2\ndns log blocked no\ndns log <a> sample 9\n"
	    "domains <a> { x }\n",
	    &len);
	const struct image_dns *dns = image_dns(image);
	const char *why;

	(void)state;
	assert_int_equal(dns->max_rate, 1000000);
	assert_int_equal(dns->log_rest, 2);
	assert_int_equal(dns->log_blocked, 0);
	assert_int_equal(image_dns_log_count(image), 1);
	assert_int_equal(image_dns_log(image, 0)->one_in, 9);
	assert_true(image_way_is_closed(image, WAY_CANARY));
	assert_true(image_way_is_closed(image, WAY_DDR));
	assert_true(image_way_is_closed(image, WAY_ENCRYPTED));
	assert_false(image_way_is_closed(image, WAY_PRIVATE_RELAY));
	free(image);
	/* Without dns there is nothing that a way leads past. */
	image = fixture_image(FIXTURE_CAPTURE "dns encrypted no\n", &len);
	assert_int_equal(image_dns(image)->closed, 0);
	dns = image_dns(image);
	memset((void *)(uintptr_t)&dns->closed, 1, 1);
	assert_int_equal(image_check(image, len, &why), -1);
	assert_string_equal(why, "a way past no dns is closed");
	free(image);
}

static void
test_dns_arrives_in_the_image(void **state)
{
	size_t len;
	struct image *image = fixture_image(TLS, &len);
	const struct image_dns *dns = image_dns(image);
	const struct image_dns_server *server;

	(void)state;
	assert_int_equal(dns->mode, DNS_FORWARD_TLS);
	assert_int_equal(dns->validate, 0);
	assert_int_equal(dns->rebind_protect, 1);
	assert_int_equal(dns->random_case, 1);
	assert_int_equal(dns->stale_s, 5400);
	assert_int_equal(image_dns_server_count(image), 2);
	server = image_dns_server(image, 0);
	assert_true(addr_is_v4(&server->addr));
	assert_int_equal(server->port, 853);
	assert_string_equal(
	    image_dns_server_name(image, server), "dns.quad9.net");
	assert_int_equal(image_dns_server(image, 1)->port, 8853);
	assert_int_equal(image_dns_allow_count(image), 2);
	assert_string_equal(image_dns_allow(image, 1), "lan");
	assert_string_equal(image_dns_trust_anchor(image), "");
	free(image);
	image = fixture_image(FIXTURE_CAPTURE, &len);
	assert_int_equal(image_dns(image)->mode, DNS_OFF);
	assert_int_equal(image_dns(image)->validate, 1);
	assert_int_equal(image_dns(image)->rebind_protect, 1);
	assert_int_equal(image_dns(image)->random_case, 0);
	assert_int_equal(image_dns(image)->stale_s, 0);
	free(image);
}

static void
test_bad_dns_is_refused(void **state)
{
	static const char *const lines[] = { "dns", "dns on", "dns forward",
		"dns forward { }", "dns forward 9.9.9", "dns forward 9.9.9.9@",
		"dns forward 9.9.9.9@0", "dns forward 9.9.9.9@65536",
		"dns forward 9.9.9.9/32", "dns forward 0.0.0.0",
		"dns forward 224.0.0.1", "dns forward 255.255.255.255",
		"dns forward ::", "dns forward ff02::1",
		"dns forward ::ffff:9.9.9.9", "dns forward 9.9.9.9 \"a\"",
		"dns forward \"9.9.9.9\"", "dns forward dns.quad9.net",
		"dns forward 9.9.9.9 8.8.8.8", "dns forward tls 9.9.9.9",
		"dns forward tls { 9.9.9.9 8.8.8.8 \"a\" }",
		"dns forward tls { 9.9.9.9 \"\" }",
		"dns forward tls 9.9.9.9 \"1.1.1.1\"", "dns recurse yes",
		"dns off now", "dns validate", "dns validate true",
		"dns rebind-protect 1", "dns rebind-allow",
		"dns rebind-allow { }", "dns rebind-allow \"*.lan\"",
		"dns rebind-allow \"a..b\"", "dns rebind-allow \"b\xc3\xbc.x\"",
		"dns rebind-allow 10.0.0.1", "dns trust-anchor x",
		"dns trust-anchor \"\"", "dns trust-anchor \"a/b\"",
		"dns root-hints", "dns root-hints \"./x\"",
		"dns tls-authorities x", "dns serve-stale",
		"dns serve-stale yes", "dns serve-stale 999ms",
		"dns serve-stale 8d", "dns random-case maybe", "dns max-rate",
		"dns max-rate 0", "dns max-rate 1000001", "dns max-rate 5/s",
		"dns max-rate yes", "dns canary", "dns canary off", "dns ddr 1",
		"dns private-relay block", "dns encrypted pass",
		"dns encrypted no port 853", "dns log", "dns log 10",
		"dns log sample", "dns log sample 0", "dns log sample 1",
		"dns log sample 1000001", "dns log blocked",
		"dns log blocked blocked", "dns log blocked sample",
		"dns log all no", "dns log <a>", "dns log <a> <b>",
		"dns log \"a.b\" all", "dns log <nowhere> all" };

	(void)state;
	assert_each_is_wrong(lines, sizeof(lines) / sizeof(lines[0]));
}

static void
test_each_kind_of_dns_stands_once(void **state)
{
	(void)state;
	assert_string_equal(
	    error_of(FIXTURE_CAPTURE "dns recurse\ndns off\n")->message,
	    "'off' is given a second time; the first is at 2:5");
	assert_string_equal(
	    error_of(FIXTURE_CAPTURE "dns validate no\ndns validate no\n")
		->message,
	    "'validate' is given a second time; the first is at 2:5");
}

static void
test_each_setting_of_dns_stands_once(void **state)
{
	static const char *const settings[] = { "max-rate no", "canary no",
		"ddr no", "private-relay no", "encrypted no" };
	char text[160], message[80];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		snprintf(text, sizeof(text),
		    FIXTURE_CAPTURE "dns %s\ndns recurse\ndns %s\n",
		    settings[i], settings[i]);
		snprintf(message, sizeof(message),
		    "'%.*s' is given a second time; the first is at 2:5",
		    (int)strcspn(settings[i], " "), settings[i]);
		assert_string_equal(error_of(text)->message, message);
		assert_int_equal(errors.items[0].place.line, 4);
	}
}

static void
test_what_was_expected_of_dns_is_said(void **state)
{
	static const char *const lines[][2] = {
		{ "dns max-rate 0",
		    "no, or 1 to 1000000 questions a second of one client" },
		{ "dns canary off", "yes or no" },
		{ "dns ddr 1", "yes or no" },
		{ "dns private-relay block", "yes or no" },
		{ "dns encrypted pass", "yes or no" },
		{ "dns log 10",
		    "all, no, sample, blocked or the <name> of a list of "
		    "domains" },
		{ "dns log sample 1", "2 to 1000000, of which one has a row" },
		{ "dns log blocked maybe", "all, no or sample" },
		{ "dns log <a> blocked", "all, no or sample" },
	};
	char text[160];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		snprintf(
		    text, sizeof(text), FIXTURE_CAPTURE "%s\n", lines[i][0]);
		assert_string_equal(error_of(text)->expected, lines[i][1]);
	}
}

static void
test_rows_are_said_once(void **state)
{
	(void)state;
	assert_string_equal(
	    error_of(FIXTURE_CAPTURE "dns log no\ndns log sample 2\n")->message,
	    "'sample' is given a second time; the first is at 2:9");
	assert_string_equal(error_of(FIXTURE_CAPTURE
				"dns log blocked no\ndns log blocked all\n")
				->message,
	    "'blocked' is given a second time; the first is at 2:9");
}

static void
test_wrong_words_of_dns_have_a_hint(void **state)
{
	static const char *const words[][2] = {
		{ "dns canari yes", "canary" },
		{ "dns drr no", "ddr" },
		{ "dns encrypt no", "encrypted" },
		{ "dns max-rat 5", "max-rate" },
		{ "dns log simple 5", "sample" },
		{ "dns log block no", "blocked" },
		{ "dns log <a> smple 5", "sample" },
	};
	char text[160];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		snprintf(text, sizeof(text),
		    FIXTURE_CAPTURE "domains <a> { x }\n%s\n", words[i][0]);
		assert_string_equal(error_of(text)->suggestion, words[i][1]);
		assert_int_equal(errors.items[0].place.line, 3);
	}
}

static void
test_names_outside_ascii_have_a_hint(void **state)
{
	(void)state;
	assert_non_null(strstr(
	    error_of(FIXTURE_CAPTURE "dns rebind-allow \"b\xc3\xbc.example\"\n")
		->message,
	    "xn--"));
}

static const char *
warning_in(const char *lines)
{
	char text[256];

	(void)snprintf(text, sizeof(text), FIXTURE_CAPTURE "%s", lines);
	return warning_of(text);
}

static void
test_dns_without_effect_warns(void **state)
{
	static const char off[] = "it has no effect: dns is off without "
				  "'dns forward' or 'dns recurse'";

	(void)state;
	assert_string_equal(warning_in("dns validate yes\n"), off);
	assert_string_equal(warning_in("dns off\ndns serve-stale 1h\n"), off);
	assert_string_equal(warning_in("dns off\n"), "");
	assert_string_equal(warning_in("dns canary yes\n"), off);
	assert_string_equal(warning_in("dns encrypted no\n"), off);
	assert_string_equal(warning_in("dns max-rate 5\n"), off);
	assert_string_equal(warning_in("dns log no\n"), off);
	assert_string_equal(warning_in("dns log blocked no\n"), off);
	assert_string_equal(
	    warning_in("domains <a> { x }\ndns log <a> no\n"), off);
	assert_string_equal(
	    warning_in("dns recurse\ndomains <a> { x }\ndns log <a> no\n"), "");
	assert_string_equal(
	    warning_in("dns recurse\ndns validate no\ndns trust-anchor "
		       "\"x\"\n"),
	    "it has no effect with 'dns validate no'");
	assert_string_equal(warning_in("dns recurse\ndns rebind-protect no\n"
				       "dns rebind-allow \"x\"\n"),
	    "it has no effect with 'dns rebind-protect no'");
	assert_string_equal(
	    warning_in("dns forward ::1\ndns root-hints \"x\"\n"),
	    "it has no effect without 'dns recurse'");
	assert_string_equal(warning_in("dns recurse\ndns root-hints \"x\"\n"
				       "dns trust-anchor \"x\"\n"),
	    "");
}

static void
test_dns_has_limits(void **state)
{
	struct text text = { 0 };
	size_t i;

	(void)state;
	text_puts(&text, FIXTURE_CAPTURE "dns forward {");
	for (i = 0; i <= LIMIT_DNS_SERVERS; i++)
		text_puts(&text, " 9.9.9.9");
	text_puts(&text, " }\n");
	assert_string_equal(
	    error_of(text.bytes)->message, "more than 16 servers");
	text.len = 0;
	text_puts(&text, FIXTURE_CAPTURE "dns rebind-allow {");
	for (i = 0; i <= LIMIT_DNS_ALLOW; i++)
		text_puts(&text, " lan");
	text_puts(&text, " }\n");
	assert_string_equal(
	    error_of(text.bytes)->message, "more than 1024 domains");
	text.len = 0;
	text_puts(&text, FIXTURE_CAPTURE "dns recurse\ndomains <a> { x }\n");
	for (i = 0; i < LIMIT_DNS_LOGS; i++)
		text_puts(&text, "dns log <a> no\n");
	conf_free(fixture_conf(text.bytes));
	text_puts(&text, "dns log <a> no\n");
	assert_string_equal(error_of(text.bytes)->message,
	    "more than 256 dns log statements about lists");
	text_free(&text);
}

/* The files that there are, and what reading one comes to. */
static const char *anchor_text, *hints_text;
static int read_error;

static int
read_file(const char *path, size_t max_bytes, char **bytes, size_t *len)
{
	const char *text = NULL;

	assert_int_equal(max_bytes, LIMIT_DNS_FILE_BYTES);
	if (strcmp(path, "/etc/tpx/a.key") == 0)
		text = anchor_text;
	else if (strcmp(path, "/x/hints") == 0 || strcmp(path, "/x/ca") == 0)
		text = hints_text;
	else
		fail_msg("%s", path);
	errno = read_error;
	if (read_error != 0)
		return -1;
	*bytes = strdup(text);
	*len = strlen(text);
	return 0;
}

static int
files_of(struct conf *conf, const char *anchor, const char *hints)
{
	anchor_text = anchor;
	hints_text = hints;
	memset(&errors, 0, sizeof(errors));
	assert_int_equal(conf_set_path(conf, "/etc/tpx/tpx.conf"), 0);
	return conf_files_read(conf, read_file, &errors);
}

static void
test_texts_of_files_arrive_in_the_image(void **state)
{
	struct conf *conf = fixture_conf(FILES);
	const char *why;
	void *bytes;
	size_t len;

	(void)state;
	read_error = 0;
	assert_int_equal(files_of(conf, ANCHOR, HINTS), 0);
	assert_int_equal(image_build(conf, 1, &bytes, &len), 0);
	conf_free(conf);
	assert_int_equal(image_check(bytes, len, &why), 0);
	assert_string_equal(image_dns_trust_anchor(bytes), ANCHOR);
	assert_string_equal(image_dns_root_hints(bytes), HINTS);
	free(bytes);
}

static void
bad_anchor(const char *text, const char *message)
{
	struct conf *conf = fixture_conf(FILES);

	assert_int_equal(files_of(conf, text, HINTS), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(errors.items[0].place.line, 3);
	assert_int_equal(errors.items[0].place.column, 18);
	if (strstr(errors.items[0].message, message) == NULL)
		fail_msg("%s", errors.items[0].message);
	conf_free(conf);
}

static void
test_bad_texts_of_files_are_refused(void **state)
{
	(void)state;
	read_error = 0;
	bad_anchor("", "has no record of DS or DNSKEY");
	bad_anchor(ANCHOR ". IN NS a.root.\n",
	    "line 3 of the file is no record of DS or DNSKEY");
	bad_anchor("DS\n", "line 1 ");
	bad_anchor(". DNSKEY ( 257\n", "line 1 ");
	bad_anchor(". DS 1\r\n", "line 1 ");
	bad_anchor(". DS \xc3\xbc\n", "line 1 ");
	bad_anchor("; none\n\n", "has no record of DS or DNSKEY");
	read_error = ENOENT;
	bad_anchor("", "the file cannot be read: No such file or directory");
}

#define PRIVATE_TLS                                             \
	FIXTURE_CAPTURE "dns forward tls { 9.9.9.9 \"a.b\" }\n" \
			"dns tls-authorities \"/x/ca\"\n"
#define PEM "a.b\n-----BEGIN CERTIFICATE-----\nAA==\n"

static void
bad_authorities(const char *text, const char *message)
{
	struct conf *conf = fixture_conf(PRIVATE_TLS);

	assert_int_equal(files_of(conf, NULL, text), -1);
	if (strstr(errors.items[0].message, message) == NULL)
		fail_msg("%s", errors.items[0].message);
	conf_free(conf);
}

static void
test_authorities_arrive_in_the_image(void **state)
{
	struct conf *conf = fixture_conf(PRIVATE_TLS);
	void *bytes;
	size_t len;

	(void)state;
	read_error = 0;
	assert_int_equal(files_of(conf, NULL, PEM), 0);
	assert_int_equal(image_build(conf, 1, &bytes, &len), 0);
	conf_free(conf);
	assert_string_equal(image_dns_tls_authorities(bytes), PEM);
	free(bytes);
	bad_authorities("a.b\n", "has no certificate in PEM");
	bad_authorities("", "has no certificate in PEM");
	bad_authorities(PEM "\xc3\xbc\n", "line 4 of the file is no text");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dns_has_one_form),
		cmocka_unit_test(test_ways_rates_and_rows_have_one_form),
		cmocka_unit_test(test_ways_rates_and_rows_arrive_in_the_image),
		cmocka_unit_test(test_each_setting_of_dns_stands_once),
		cmocka_unit_test(test_what_was_expected_of_dns_is_said),
		cmocka_unit_test(test_rows_are_said_once),
		cmocka_unit_test(test_wrong_words_of_dns_have_a_hint),
		cmocka_unit_test(test_dns_arrives_in_the_image),
		cmocka_unit_test(test_bad_dns_is_refused),
		cmocka_unit_test(test_each_kind_of_dns_stands_once),
		cmocka_unit_test(test_names_outside_ascii_have_a_hint),
		cmocka_unit_test(test_dns_without_effect_warns),
		cmocka_unit_test(test_dns_has_limits),
		cmocka_unit_test(test_texts_of_files_arrive_in_the_image),
		cmocka_unit_test(test_authorities_arrive_in_the_image),
		cmocka_unit_test(test_bad_texts_of_files_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
