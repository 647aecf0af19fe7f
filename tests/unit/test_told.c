/* SPDX-License-Identifier: ISC */
/* Rules with `by dns': what they mean, what they refuse, and their sets. */
#include "conf_fixture.h"
#include "render_fixture.h"

#include "policy/print.h"
#include "policy/told.h"

#define DNS FIXTURE_CAPTURE "dns recurse\ndns validate no\n"
#define LIST "domains <cdn> { \"*.cdn.example\" }\n"
#define RULE                                             \
	"pass from 10.0.0.0/8 to 192.0.2.0/24 port 443 " \
	"domain <cdn> by dns\n"

static struct addr
address(const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(text, &prefix), 0);
	return prefix.addr;
}

static int
fits(const struct image *image, uint32_t rule, const char *client,
    const char *server)
{
	struct addr from = address(client), to = address(server);

	return told_fits(image, image_rule(image, rule), &from, &to);
}

static void
test_a_pair_is_within_its_rule(void **state)
{
	size_t len;
	struct image *image = fixture_image(
	    DNS LIST RULE "pass domain <cdn>\nblock to 192.0.2.9\n", &len);

	(void)state;
	assert_true(told_any(image));
	assert_true(fits(image, 0, "10.1.2.3", "192.0.2.1"));
	assert_false(fits(image, 0, "11.1.2.3", "192.0.2.1"));
	assert_false(fits(image, 0, "10.1.2.3", "192.0.3.1"));
	/* Rules that are of another kind, or none. */
	assert_false(fits(image, 1, "10.1.2.3", "192.0.2.1"));
	assert_false(fits(image, 2, "10.1.2.3", "192.0.2.9"));
	assert_false(fits(image, 3, "10.1.2.3", "192.0.2.1"));
	assert_false(fits(image, UINT16_MAX, "10.1.2.3", "192.0.2.1"));
	free(image);
}

static void
test_both_ends_are_hosts_of_one_family(void **state)
{
	static const char *const nobodys4[] = { "0.0.0.0", "0.1.2.3",
		"127.0.0.1", "127.255.0.1", "169.254.1.1", "224.0.0.1",
		"239.1.2.3", "240.0.0.1", "255.255.255.255" };
	static const char *const nobodys6[] = { "::", "::1", "fe80::1",
		"febf::1", "ff02::1", "ff0e::1" };
	size_t len, i;
	struct image *image =
	    fixture_image(DNS LIST "pass domain <cdn> by dns\n", &len);

	(void)state;
	assert_true(fits(image, 0, "10.0.0.1", "192.0.2.1"));
	assert_true(fits(image, 0, "fd00::1", "2001:db8::1"));
	assert_false(fits(image, 0, "10.0.0.1", "2001:db8::1"));
	assert_false(fits(image, 0, "fd00::1", "192.0.2.1"));
	for (i = 0; i < sizeof(nobodys4) / sizeof(nobodys4[0]); i++) {
		assert_false(fits(image, 0, "10.0.0.1", nobodys4[i]));
		assert_false(fits(image, 0, nobodys4[i], "192.0.2.1"));
	}
	for (i = 0; i < sizeof(nobodys6) / sizeof(nobodys6[0]); i++) {
		assert_false(fits(image, 0, "fd00::1", nobodys6[i]));
		assert_false(fits(image, 0, nobodys6[i], "2001:db8::1"));
	}
	free(image);
}

static void
assert_refused(const char *text, const char *message)
{
	assert_string_equal(error_of(text)->message, message);
}

static void
test_what_the_kernel_cannot_know_is_refused(void **state)
{
	(void)state;
	assert_refused(
	    DNS "pass to 192.0.2.1 by dns\n", "'by dns' needs 'domain'");
	assert_refused(DNS LIST "pass domain <cdn> name agrees by dns\n",
	    "'by dns' and 'name' exclude each other");
	assert_refused(DNS LIST "pass domain <cdn> max-rate 1/s by dns\n",
	    "'by dns' and 'max-rate' exclude each other");
	assert_refused(DNS LIST "block domain <cdn> by dns\n",
	    "'by' does not go with 'block'");
	assert_refused(
	    DNS LIST "pass domain <cdn> by name\n", "unexpected 'name'");
}

static void
assert_warned(const char *text, const char *message)
{
	assert_string_equal(warning_of(text), message);
}

static void
test_a_rule_that_the_kernel_never_asks_is_warned_of(void **state)
{
	static const char behind[] =
	    "a rule before it needs the name: relays decide, and 'by dns' does "
	    "nothing";

	(void)state;
	assert_warned(DNS LIST "pass domain <cdn> by dns\n", "");
	assert_warned(FIXTURE_CAPTURE LIST "pass domain <cdn> by dns\n",
	    "without 'dns' no name is known by it");
	assert_warned(DNS LIST
	    "block domain \"x.example\"\npass domain <cdn> by dns\n",
	    behind);
	assert_warned(DNS LIST
	    "block name disagrees\npass proto tcp domain <cdn> by dns\n",
	    behind);
	assert_warned(DNS LIST "block proto udp domain \"x.example\"\n"
			       "pass domain <cdn> by dns\n",
	    "");
	assert_warned(DNS LIST "block to 192.0.2.1 domain \"x.example\"\n"
			       "pass domain <cdn> by dns\n",
	    "");
}

static void
test_it_is_printed_as_it_is_read(void **state)
{
	static const char rule[] = "pass from 10.0.0.0/8 to 192.0.2.0/24 "
				   "port 443 domain <cdn> by dns log no\n";
	char text[512];
	struct text out = { 0 };
	struct conf *conf;

	(void)state;
	(void)snprintf(text, sizeof(text), DNS LIST "%s", rule);
	conf = fixture_conf(text);
	print_conf(conf, &out);
	assert_has(out.bytes, rule);
	conf_free(conf);
	text_free(&out);
}

/* First what is known, then the rest to the relay; both by the rule. */
static void
test_the_kernel_asks_a_set_and_else_relays(void **state)
{
	char *text =
	    capture_of(DNS LIST RULE "default block\n", RENDER_CAPTURE);

	(void)state;
	assert_has(text, "\tset names_1_0_4 {\n"
			 "\t\ttype ipv4_addr . ipv4_addr\n"
			 "\t\tsize 131072\n\t\tflags timeout\n\t}\n"
			 "\tset names_1_0_6 {\n"
			 "\t\ttype ipv6_addr . ipv6_addr\n");
	assert_has(text, "chain verdict_tcp {\n"
			 "\t\tip saddr 10.0.0.0/8 ip daddr 192.0.2.0/24 "
			 "ip saddr . ip daddr @names_1_0_4 th dport 443 "
			 "goto pass\n"
			 "\t\tip saddr 10.0.0.0/8 ip daddr 192.0.2.0/24 "
			 "th dport 443 goto relay_tcp\n"
			 "\t\tgoto block_65535\n");
	assert_has(text, "@names_1_0_4 th dport 443 goto passed\n");
	free(text);
}

static void
test_a_rule_of_all_addresses_asks_both_families(void **state)
{
	char *text = capture_of(DNS "capture local\n" LIST
				    "pass proto tcp domain <cdn> by dns\n",
	    RENDER_CAPTURE);

	(void)state;
	assert_has(text, "chain verdict_tcp {\n"
			 "\t\tip saddr . ip daddr @names_1_0_4 goto pass\n"
			 "\t\tip6 saddr . ip6 daddr @names_1_0_6 goto pass\n"
			 "\t\tgoto relay_tcp\n");
	assert_has(
	    text, "\t\tip saddr . ip daddr @names_1_0_4 goto local_pass\n");
	free(text);
	text = capture_of(
	    DNS LIST "pass proto tcp domain <cdn> by dns\n", RENDER_PAUSE);
	assert_lacks(text, "names_1");
	free(text);
}

static void
test_what_passes_by_it_has_rows(void **state)
{
	size_t len;
	struct image *image =
	    fixture_image(DNS LIST "pass domain <cdn> by dns\n", &len);

	(void)state;
	assert_true(image_has_pass(image));
	free(image);
	image =
	    fixture_image(DNS LIST "pass domain <cdn> by dns log no\n", &len);
	assert_false(image_has_pass(image));
	free(image);
}

static void
test_an_image_that_contradicts_itself_is_refused(void **state)
{
	static const char contradicts[] = "a rule that contradicts itself";
	const char *why;
	size_t len;
	struct image *image = fixture_image(
	    DNS LIST "pass domain <cdn> by dns\nblock to 192.0.2.1\n", &len);
	struct image_rule *rules =
	    (struct image_rule *)(uintptr_t)image_rule(image, 0);

	(void)state;
	rules[1].by_dns = 1;
	assert_int_equal(image_check(image, len, &why), -1);
	assert_string_equal(why, contradicts);
	rules[1].by_dns = 0;
	rules[0].names = RULE_NAME_AGREES;
	assert_int_equal(image_check(image, len, &why), -1);
	assert_string_equal(why, contradicts);
	rules[0].names = 0;
	rules[0].by_dns = 2;
	assert_int_equal(image_check(image, len, &why), -1);
	assert_string_equal(why, "a rule of an unknown kind");
	rules[0].by_dns = 1;
	assert_int_equal(image_check(image, len, &why), 0);
	free(image);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_pair_is_within_its_rule),
		cmocka_unit_test(test_both_ends_are_hosts_of_one_family),
		cmocka_unit_test(test_what_the_kernel_cannot_know_is_refused),
		cmocka_unit_test(
		    test_a_rule_that_the_kernel_never_asks_is_warned_of),
		cmocka_unit_test(test_it_is_printed_as_it_is_read),
		cmocka_unit_test(test_the_kernel_asks_a_set_and_else_relays),
		cmocka_unit_test(
		    test_a_rule_of_all_addresses_asks_both_families),
		cmocka_unit_test(test_what_passes_by_it_has_rows),
		cmocka_unit_test(
		    test_an_image_that_contradicts_itself_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
