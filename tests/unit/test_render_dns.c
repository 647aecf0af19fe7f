/* SPDX-License-Identifier: ISC */
#include "render_fixture.h"

#define BOTH FIXTURE_CAPTURE "capture local\n"
#define FORWARD "dns forward { 9.9.9.9 }\n"

static void
assert_order(const char *text, const char *first, const char *second)
{
	const char *one = strstr(text, first);
	const char *other = strstr(text, second);

	if (one == NULL || other == NULL || one > other)
		fail_msg("not in this order: %s, %s", first, second);
}

static void
test_without_dns_nothing_is_said_of_it(void **state)
{
	static const char *const none[] = { BOTH, BOTH "dns off\n" };
	size_t i;
	char *text;

	(void)state;
	for (i = 0; i < 2; i++) {
		text = capture_of(none[i], RENDER_CAPTURE);
		assert_null(strstr(text, "dns"));
		assert_null(strstr(text, "4224"));
		free(text);
	}
	text = capture_of(BOTH FORWARD, RENDER_PAUSE);
	assert_null(strstr(text, "chain dns"));
	free(text);
}

static void
test_questions_go_to_the_listeners_of_dnsd(void **state)
{
	char *text = capture_of(BOTH FORWARD, RENDER_CAPTURE);

	(void)state;
	assert_non_null(strstr(text, "tproxy ip to 127.0.0.1:4224 goto ours"));
	assert_non_null(strstr(text, "tproxy ip6 to [::1]:6226 goto ours"));
	assert_non_null(strstr(text, "tproxy ip to 127.0.0.1:4334 accept"));
	assert_non_null(strstr(text, "tproxy ip6 to [::1]:6336 accept"));
	free(text);
}

static void
test_exclusions_come_before_dns_and_rules_behind_it(void **state)
{
	char *text = capture_of(
	    BOTH FORWARD "exclude to 192.0.2.1 port 53\n", RENDER_CAPTURE);

	(void)state;
	assert_order(text,
	    "ip daddr 192.0.2.1 th dport 53 goto excluded\n"
	    "\t\tudp sport != 53",
	    "meta l4proto @lease goto verdict_tcp");
	assert_order(text, "ip daddr 192.0.2.1 th dport 53 accept",
	    "meta l4proto != @lease accept\n\t\tgoto dns_local\n");
	free(text);
}

static void
test_encrypted_dns_is_refused_before_every_rule(void **state)
{
	static const char *const chains[] = { "verdict_tcp", "verdict_udp",
		"verdict_local_tcp", "verdict_local_udp" };
	char *text =
	    capture_of(BOTH FORWARD "dns encrypted no\npass to any port 853\n",
		RENDER_CAPTURE);
	char begins[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
		(void)snprintf(begins, sizeof(begins),
		    "\tchain %s {\n\t\tth dport 853 goto block_33027\n",
		    chains[i]);
		assert_non_null(strstr(text, begins));
	}
	assert_non_null(strstr(text, "\tchain block_33027 {\n"
				     "\t\tjump known_reset\n"
				     "\t\tlog prefix \"1.33027\" group 74\n"
				     "\t\tgoto refuse_reset\n"));
	free(text);
	text = capture_of(BOTH FORWARD, RENDER_CAPTURE);
	assert_null(strstr(text, "853"));
	free(text);
	text = capture_of(BOTH FORWARD "dns encrypted no\n", RENDER_PAUSE);
	assert_null(strstr(text, "853"));
	free(text);
}

/* Only what netctl marked, and only to where its questions came from. */
static void
test_an_answer_leaves_by_the_side_it_was_asked_from(void **state)
{
	char *text = capture_of(BOTH FORWARD, RENDER_CAPTURE);

	(void)state;
	assert_non_null(
	    strstr(text, "\t\tmeta mark & 0x07000000 != 0x07000000 accept\n"
			 "\t\tmeta skuid != 999 accept\n"));
	assert_non_null(
	    strstr(text, "oifname \"eth0\" meta nfproto ipv4 udp sport 4224 "
			 "udp sport set 53 "));
	assert_non_null(
	    strstr(text, "oifname \"lo\" meta nfproto ipv6 udp sport 6336 "
			 "udp sport set 53 "));
	free(text);
}

static void
test_only_chosen_users_questions_are_taken(void **state)
{
	char *text = capture_of(
	    "capture local user { www-data }\n" FORWARD, RENDER_CAPTURE);

	(void)state;
	assert_non_null(strstr(text, "meta skuid 33 goto dns_local\n"));
	assert_null(strstr(text, "\t\tgoto dns_local\n"));
	free(text);
}

static void
test_without_a_dnsd_questions_fall_as_configured(void **state)
{
	char *closed = capture_of(FIXTURE_CAPTURE FORWARD, RENDER_CAPTURE);
	char *open = capture_of(
	    FIXTURE_CAPTURE "on-failure open\n" FORWARD, RENDER_CAPTURE);

	(void)state;
	assert_non_null(strstr(
	    closed, "tproxy ip6 to [::1]:6226 goto ours\n\t\tcounter drop\n"));
	assert_non_null(strstr(
	    open, "tproxy ip6 to [::1]:6226 goto ours\n\t\tcounter accept\n"));
	free(closed);
	free(open);
}

static void
test_only_tpx_asks_what_speaks_tls(void **state)
{
	static const char rule[] =
	    "th dport 7053 meta skuid != 999 counter drop\n";
	char *text = capture_of(
	    BOTH "dns forward tls { 9.9.9.9 \"a.b\" }\n", RENDER_CAPTURE);
	char *paused = capture_of(
	    BOTH "dns forward tls { 9.9.9.9 \"a.b\" }\n", RENDER_PAUSE);
	char *without = capture_of(BOTH FORWARD, RENDER_CAPTURE);

	(void)state;
	assert_non_null(strstr(text, rule));
	assert_non_null(strstr(paused, rule));
	assert_null(strstr(without, "7053"));
	free(text);
	free(paused);
	free(without);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_dns_nothing_is_said_of_it),
		cmocka_unit_test(test_questions_go_to_the_listeners_of_dnsd),
		cmocka_unit_test(
		    test_exclusions_come_before_dns_and_rules_behind_it),
		cmocka_unit_test(
		    test_encrypted_dns_is_refused_before_every_rule),
		cmocka_unit_test(
		    test_an_answer_leaves_by_the_side_it_was_asked_from),
		cmocka_unit_test(test_only_chosen_users_questions_are_taken),
		cmocka_unit_test(
		    test_without_a_dnsd_questions_fall_as_configured),
		cmocka_unit_test(test_only_tpx_asks_what_speaks_tls),
	};

	return cmocka_run_group_tests_name("render_dns", tests, NULL, NULL);
}
