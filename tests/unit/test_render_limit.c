/* SPDX-License-Identifier: ISC */
#include "policy/render_limit.h"

#include "policy/render.h"
#include "policy_fixture.h"
#include "render_fixture.h"

static void
test_a_rate_is_asked_before_the_target(void **state)
{
	char *text = capture_of(FIXTURE_CAPTURE
	    "pass to 192.0.2.1 max-rate 10/m\n"
	    "relay to 192.0.2.2 max-rate 50/s per client max-flows 3\n"
	    "relay to 192.0.2.3 max-flows 3\n",
	    RENDER_CAPTURE);

	(void)state;
	assert_has(text, "\tchain rate_all_0 {\n\t\tlimit rate over 10/minute "
			 "burst 10 packets goto over_0\n\t}\n");
	assert_has(text, "\tset clients_1"
			 "6 {\n\t\ttype ipv6_addr\n"
			 "\t\tsize 65536\n\t\tflags dynamic,timeout\n"
			 "\t\ttimeout 10s\n\t}\n");
	assert_lacks(text, "clients_0");
	assert_lacks(text, "clients_1_user");
	assert_has(text, "\tchain rate_0 {\n"
			 "\t\tgoto rate_all_0\n\t}\n");
	assert_has(text, "\tchain rate_1 {\n\t\tupdate @clients_1"
			 "4 { ip saddr limit "
			 "rate over 50/second burst 50 packets } goto over_1\n"
			 "\t\tip saddr != @clients_1"
			 "4 limit rate over 50/second "
			 "burst 50 packets goto over_1\n");
	assert_has(text, "\t\tupdate @clients_1"
			 "6 { ip6 saddr & ffff:ffff:ffff:ffff:: limit "
			 "rate over 50/second burst 50 packets } goto over_1\n"
			 "\t\tip6 saddr & ffff:ffff:ffff:ffff:: != "
			 "@clients_1"
			 "6 limit rate over 50/second "
			 "burst 50 packets goto over_1\n");
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
	text = capture_of(
	    FIXTURE_CAPTURE "pass to any max-rate 10/m\n", RENDER_PAUSE);
	assert_lacks(text, "rule_0");
	free(text);
}

static void
test_users_of_this_host_have_rates_of_their_own(void **state)
{
	char *text = capture_of("capture local\n"
				"relay to any max-rate 50/h per client\n",
	    RENDER_CAPTURE);

	(void)state;
	assert_has(text, "\tset clients_0_user {\n\t\ttype uid\n");
	assert_has(text, "timeout 7200s");
	assert_lacks(text, "clients_04");
	assert_has(text, "update @clients_0_user { meta skuid limit");
	assert_has(text, "\tchain rule_0_local_relay {\n"
			 "\t\tjump rate_local_0\n\t\tgoto local_relay\n");
	assert_null(strstr(strstr(text, "chain rule_0_local_relay") + 1,
	    "chain rule_0_local_relay"));
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_rate_is_asked_before_the_target),
		cmocka_unit_test(
		    test_users_of_this_host_have_rates_of_their_own),
	};

	return cmocka_run_group_tests_name("render_limit", tests, NULL, NULL);
}
