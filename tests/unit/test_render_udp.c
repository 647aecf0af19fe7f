/* SPDX-License-Identifier: ISC */
#include "render_fixture.h"

/* Mark 5 of a packet is AS_CLIENT; 2 of a flow RELAYED, 3 KEPT. */
static void
test_udp_with_a_clients_address_is_part_of_relayed_flows(void **state)
{
	static const char chain[] =
	    "\tchain as_client {\n"
	    "\t\tct mark & 0x07000000 == 0x00000000 "
	    "ct mark set ct mark & 0xf8ffffff | 0x03000000 \n"
	    "\t\tct mark & 0x06000000 != 0x02000000 counter drop\n";
	char *text = capture_of(FIXTURE_CAPTURE, RENDER_CAPTURE);

	(void)state;
	assert_has(text, chain);
	assert_has(text, "\t\tmeta l4proto 17 meta mark & 0x07000000 == "
			 "0x05000000 goto as_client\n");
	free(text);
}

static void
test_answers_of_udp_go_to_the_relay_or_nowhere(void **state)
{
	static const char answered[] =
	    "meta l4proto { 1, 17, 58 } ct direction reply "
	    "ct mark & 0x06000000 == 0x02000000 ";
	static const char dropped[] = "fib daddr type != local counter drop";
	char *text = capture_of(FIXTURE_CAPTURE, RENDER_CAPTURE);

	(void)state;
	assert_has(text, answered);
	assert_lacks(text, dropped);
	free(text);
	text = capture_of(
	    FIXTURE_CAPTURE "relay proto tcp source client\n", RENDER_CAPTURE);
	assert_lacks(text, dropped);
	free(text);
	text = capture_of(
	    FIXTURE_CAPTURE "relay proto udp source client\n", RENDER_CAPTURE);
	assert_has(text, answered);
	assert_has(text, dropped);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_udp_with_a_clients_address_is_part_of_relayed_flows),
		cmocka_unit_test(
		    test_answers_of_udp_go_to_the_relay_or_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
