/* SPDX-License-Identifier: ISC */
#include "policy/render_limit.h"

#include "policy/render.h"
#include "policy_fixture.h"
#include "render_fixture.h"

/* The name, behind RENDER_KEPT, that stands behind some words. */
static const char *
kept_after(const char *text, const char *words)
{
	static char name[64];
	const char *at = strstr(text, words);

	if (at == NULL)
		fail_msg("nothing says: %s", words);
	at += strlen(words);
	assert_memory_equal(at, RENDER_KEPT, strlen(RENDER_KEPT));
	(void)snprintf(
	    name, sizeof(name), "%.*s", (int)(strlen(RENDER_KEPT) + 16), at);
	return name;
}

/* Words in which % stands for the name. */
static void
assert_has_kept(const char *text, const char *words, const char *name)
{
	char whole[1024] = "";
	size_t len = 0;

	for (; *words != '\0'; words++)
		len += (size_t)snprintf(whole + len, sizeof(whole) - len,
		    *words == '%' ? "%s" : "%.1s",
		    *words == '%' ? name : words);
	assert_has(text, whole);
}

static void
test_a_rate_is_asked_before_the_target(void **state)
{
	char *text = capture_of(FIXTURE_CAPTURE
	    "pass to 192.0.2.1 max-rate 10/m\n"
	    "relay to 192.0.2.2 max-rate 50/s per client max-flows 3\n"
	    "relay to 192.0.2.3 max-flows 3\n",
	    RENDER_CAPTURE);
	const char *name;

	(void)state;
	name = kept_after(text, "\tlimit ");
	assert_has_kept(text,
	    "\tlimit % {\n\t\trate over 10/minute burst 10 packets\n\t}\n",
	    name);
	assert_has_kept(text,
	    "\tchain rate_0 {\n\t\tlimit name \"%\" goto over_0\n\t}\n", name);
	name = kept_after(text, "chain rate_1 {\n\t\tupdate @");
	assert_has_kept(text,
	    "\tset %4 {\n\t\ttype ipv4_addr\n\t\tsize 65536\n"
	    "\t\tflags dynamic,timeout\n\t\ttimeout 10s\n\t}\n"
	    "\tset %6 {\n\t\ttype ipv6_addr\n\t\tsize 65536\n"
	    "\t\tflags dynamic,timeout\n\t\ttimeout 10s\n\t}\n",
	    name);
	assert_lacks(text, "_user");
	assert_has_kept(text,
	    "\tchain rate_1 {\n"
	    "\t\tupdate @%4 { ip saddr limit rate over 50/second burst 50 "
	    "packets } goto over_1\n"
	    "\t\tip saddr != @%4 limit rate over 50/second burst 50 packets "
	    "goto over_1\n"
	    "\t\tupdate @%6 { ip6 saddr & ffff:ffff:ffff:ffff:: limit rate "
	    "over 50/second burst 50 packets } goto over_1\n"
	    "\t\tip6 saddr & ffff:ffff:ffff:ffff:: != @%6 limit rate over "
	    "50/second burst 50 packets goto over_1\n"
	    "\t}\n",
	    name);
	assert_has(text, "\tchain over_1 {\n\t\tjump known_default\n"
			 "\t\tlog prefix \"1.1.rate\" group 74\n"
			 "\t\tgoto refuse_default\n\t}\n");
	assert_has(text, "\tchain rule_1_relay_tcp {\n\t\tjump rate_1\n"
			 "\t\tgoto relay_tcp\n\t}\n");
	assert_has(text, "ip daddr 192.0.2.1 goto rule_0_pass\n");
	assert_has(text, "ip daddr 192.0.2.1 goto rule_0_passed\n");
	assert_has(text, "ip daddr 192.0.2.2 goto rule_1_relayed_udp\n");
	assert_has(text, "ip daddr 192.0.2.3 goto relay_tcp\n");
	free(text);
}

static void
test_users_of_this_host_have_rates_of_their_own(void **state)
{
	char *text = capture_of("capture local\n"
				"relay to any max-rate 50/h per client\n",
	    RENDER_CAPTURE);
	const char *name =
	    kept_after(text, "chain rate_local_0 {\n\t\tupdate @");

	(void)state;
	assert_has_kept(text, "\tset %_user {\n\t\ttype uid\n", name);
	assert_has(text, "timeout 7200s");
	assert_lacks(text, "ip saddr limit");
	assert_has_kept(text, "update @%_user { meta skuid limit", name);
	assert_has(text, "\tchain rule_0_local_relay {\n"
			 "\t\tjump rate_local_0\n\t\tgoto local_relay\n");
	assert_null(strstr(strstr(text, "chain rule_0_local_relay") + 1,
	    "chain rule_0_local_relay"));
	free(text);
}

#define SLOW "pass to any max-rate 10/m max-rate 5/m per client\n"

static void
test_what_is_used_up_has_the_name_of_its_rule(void **state)
{
	char *text = capture_of(FIXTURE_CAPTURE SLOW, RENDER_CAPTURE);
	char *other = capture_of(
	    FIXTURE_CAPTURE "block to 192.0.2.7\n" SLOW SLOW, RENDER_CAPTURE);
	char *paused = capture_of(FIXTURE_CAPTURE SLOW, RENDER_PAUSE);
	char name[64];

	(void)state;
	(void)snprintf(name, sizeof(name), "%s", kept_after(text, "\tlimit "));
	assert_has_kept(other, "\tset %4 {\n", name);
	assert_has_kept(other, "chain rate_1 {\n\t\tupdate @%4 {", name);
	assert_has_kept(other, "chain rate_2 {\n\t\tupdate @%4 {", name);
	/* Two that are the same share it. */
	assert_null(strstr(strstr(other, "\tlimit kept") + 1, "\tlimit kept"));
	assert_has_kept(paused, "\tset %4 {\n", name);
	assert_has_kept(paused, "\tlimit % {\n", name);
	assert_lacks(paused, "rule_0");
	free(text);
	free(other);
	free(paused);
}

static void
assert_apart(const char *one, const char *another)
{
	char *text = capture_of(one, RENDER_CAPTURE);
	char *other = capture_of(another, RENDER_CAPTURE);
	char name[64];

	(void)snprintf(name, sizeof(name), "%s", kept_after(text, "\tlimit "));
	assert_string_not_equal(kept_after(other, "\tlimit "), name);
	free(text);
	free(other);
}

/* Of a long rule only the beginning is kept. */
static void
test_other_rules_and_other_limits_have_other_names(void **state)
{
	char one[2048], another[2048];
	size_t len = strlen(FIXTURE_CAPTURE "pass port { ");
	int port;

	(void)state;
	assert_apart(FIXTURE_CAPTURE "pass to 192.0.2.1 max-rate 10/m\n",
	    FIXTURE_CAPTURE "pass to 192.0.2.2 max-rate 10/m\n");
	memcpy(one, FIXTURE_CAPTURE "pass port { ", len);
	for (port = 10000; port < 10200; port++)
		len +=
		    (size_t)snprintf(one + len, sizeof(one) - len, "%d ", port);
	memcpy(another, one, len);
	(void)snprintf(one + len, sizeof(one) - len, "} max-rate 10/m\n");
	(void)snprintf(
	    another + len, sizeof(another) - len, "} max-rate 11/m\n");
	assert_apart(one, another);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_rate_is_asked_before_the_target),
		cmocka_unit_test(
		    test_users_of_this_host_have_rates_of_their_own),
		cmocka_unit_test(test_what_is_used_up_has_the_name_of_its_rule),
		cmocka_unit_test(
		    test_other_rules_and_other_limits_have_other_names),
	};

	return cmocka_run_group_tests_name("render_limit", tests, NULL, NULL);
}
