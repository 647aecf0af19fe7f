/* SPDX-License-Identifier: ISC */
#include "render_fixture.h"

#include "policy/routes.h"

static void
test_capture_is_one_owned_table(void **state)
{
	static const char start[] = "table inet tpx {\n\tflags owner\n";
	char *text = capture_of(FIXTURE_CAPTURE, RENDER_NO_LEASE);

	(void)state;
	assert_memory_equal(text, start, sizeof(start) - 1);
	assert_has(text, "tproxy ip to 127.0.0.1:4004 goto ours");
	assert_has(text, "tproxy ip6 to [::1]:6006 goto ours");
	free(text);
}

/* It outlives the rules of a configuration. */
static void
test_the_table_brings_no_lease(void **state)
{
	char *text = capture_of(FIXTURE_CAPTURE, RENDER_CAPTURE);

	(void)state;
	assert_has(text, "set lease {\n\t\ttype inet_proto\n"
			 "\t\tflags timeout\n\t}\n");
	free(text);
}

static void
test_the_lease_is_asked_by_new_flows_only(void **state)
{
	char *text = capture_of(FIXTURE_CAPTURE, RENDER_CAPTURE);
	const char *divert = strstr(text, "socket transparent 1 goto ours");

	(void)state;
	assert_non_null(divert);
	assert_has(divert, "meta l4proto @lease goto verdict_tcp");
	assert_has(divert, "meta l4proto != @lease accept");
	free(text);
}

/* Two of them would look each packet of a client up twice. */
static void
test_one_rule_looks_for_the_sockets_of_what_clients_send(void **state)
{
	char *text = capture_of(FIXTURE_CAPTURE, RENDER_CAPTURE);
	const char *first = strstr(text, "chain first {");

	(void)state;
	assert_has(first,
	    "priority raw; policy accept;\n"
	    "\t\tiifname != \"eth0\" tcp flags & (syn | ack) != syn "
	    "socket transparent 1 socket mark ");
	free(text);
}

static void
test_without_listener_closed_drops_and_open_accepts(void **state)
{
	char *text = capture_of(FIXTURE_CAPTURE, RENDER_CAPTURE);

	(void)state;
	assert_has(text, "[::1]:6006 goto ours\n\t\tcounter drop\n");
	assert_lacks(text, "ct state established accept");
	free(text);
	text = capture_of(FIXTURE_CAPTURE "on-failure open\n", RENDER_CAPTURE);
	assert_has(text, "[::1]:6006 goto ours\n\t\tcounter accept\n");
	assert_has(text, "ct state established accept");
	free(text);
}

static void
test_rules_keep_their_order_and_number(void **state)
{
	char *text = capture_of(FIXTURE_CAPTURE
	    "table <t> { 10.0.0.0/8 fd00::/8 }\n"
	    "block to <t>\nrelay proto tcp to any port { 22 80-90 }\n"
	    "pass from 192.0.2.1 to <t>\nblock proto udp port 1\n"
	    "default block\n",
	    1);

	(void)state;
	assert_has(text, "chain verdict_tcp {\n"
			 "\t\tip daddr @t_t_4 goto block_0\n"
			 "\t\tip6 daddr @t_t_6 goto block_0\n"
			 "\t\tth dport { 22, 80-90 } goto relay_tcp\n"
			 "\t\tip saddr 192.0.2.1 ip daddr @t_t_4 goto pass\n"
			 "\t\tgoto block_65535\n");
	assert_has(text, "chain verdict_udp {\n"
			 "\t\tip daddr @t_t_4 goto block_0\n"
			 "\t\tip6 daddr @t_t_6 goto block_0\n"
			 "\t\tip saddr 192.0.2.1 ip daddr @t_t_4 goto passed\n"
			 "\t\tth dport 1 goto block_3\n"
			 "\t\tgoto block_65535\n");
	assert_has(text, "log prefix \"1.3\" group 74");
	assert_has(text, "log prefix \"1.65535\" group 74");
	assert_lacks(text, "block_1 ");
	free(text);
}

static void
test_udp_to_be_relayed_is_known_by_its_mark(void **state)
{
	char *text = capture_of(FIXTURE_CAPTURE
	    "relay proto udp to ::1 idle 10m\ndefault relay\n",
	    RENDER_CAPTURE);

	(void)state;
	assert_has(text, "chain verdict_udp {\n"
			 "\t\tip6 daddr ::1 goto relayed_udp\n"
			 "\t\tgoto relayed_udp\n");
	assert_has(text,
	    "chain relayed_udp {\n"
	    "\t\tip6 saddr fe80::/10 counter drop\n"
	    "\t\tfib saddr . iif oif missing counter drop\n"
	    "\t\tct mark set ct mark & 0xf8ffffff | 0x02000000 \n");
	assert_has(text, "meta l4proto 17 ct direction original "
			 "ct mark & 0x07000000 == 0x02000000 goto relay_udp\n");
	assert_has(text, "meta l4proto 17 meta mark & 0x07000000 == 0x02000000 "
			 "reject with icmpx port-unreachable\n");
	/* with another time it is another one: the first may be in use */
	assert_has(text, "ct timeout relayed_udp_630_4 {");
	assert_has(text, "policy = { unreplied : 630, replied : 630 }\n");
	assert_has(text, "meta l4proto 17 socket transparent 1 "
			 "ct mark & 0x07000000 != 0x02000000 "
			 "fib saddr type != local counter drop\n"
			 "\t\tct state != new accept\n"
			 "\t\tct event set label\n");
	/* what it answers from, it may not connect: netctl would take it for
	 * what it has accepted */
	assert_has(strstr(text, "chain upstream {"),
	    "\t\ttcp flags & (syn | ack) == syn socket transparent 1 "
	    "meta mark & 0x07000000 != 0x05000000 counter drop\n");
	assert_has(strstr(text, "chain upstream {"),
	    "meta nfproto ipv4 udp dport != 53 "
	    "ct timeout set \"relayed_udp_630_4\"\n");
	assert_has(text, "ct state related ct mark & 0x07000000 == 0x02000000 "
			 "counter drop\n");
	free(text);
}

static void
test_udp_goes_through_upstreams_of_socks5_alone(void **state)
{
	char *text = capture_of(FIXTURE_CAPTURE
	    "upstream u http 10.0.0.9:1080\nrelay to ::1 via u\n",
	    RENDER_CAPTURE);

	(void)state;
	assert_has(text, "chain verdict_udp {\n"
			 "\t\tip6 daddr ::1 goto block_0\n"
			 "\t\tgoto relayed_udp\n");
	assert_has(text, "chain block_0 {\n\t\tjump known_default\n");
	free(text);
	text = capture_of(FIXTURE_CAPTURE
	    "upstream u socks5 10.0.0.9:1080\nrelay to ::1 via u\n",
	    RENDER_CAPTURE);
	assert_has(text, "\t\tip6 daddr ::1 goto relayed_udp\n");
	assert_lacks(text, "chain block_0 {");
	free(text);
}

static void
test_block_modes_refuse_as_written(void **state)
{
	char *text = capture_of(FIXTURE_CAPTURE
	    "block port 1\nblock port 2 with reset\nblock port 3 with drop\n",
	    1);

	(void)state;
	assert_has(text, "log prefix \"1.0\" group 74\n"
			 "\t\tgoto refuse_default\n");
	assert_has(text, "log prefix \"1.1\" group 74\n"
			 "\t\tgoto refuse_reset\n");
	assert_has(text, "log prefix \"1.2\" group 74\n"
			 "\t\tgoto refuse_drop\n");
	free(text);
}

static void
test_a_block_without_rows_only_counts(void **state)
{
	char *text = capture_of(FIXTURE_CAPTURE
	    "block to ::1 log no\nblock to ::2 with reset\n"
	    "relay to ::3 max-rate 5/s log no\n",
	    RENDER_CAPTURE);

	(void)state;
	assert_has(text,
	    "\tchain block_0 {\n\t\tcounter\n\t\tgoto refuse_default\n\t}\n");
	assert_has(text, "\tchain block_1 {\n\t\tjump known_reset\n");
	assert_has(text,
	    "\tchain over_2 {\n\t\tcounter\n\t\tgoto refuse_default\n\t}\n");
	assert_lacks(text, "log prefix \"1.0");
	assert_lacks(text, "log prefix \"1.2");
	free(text);
}

static void
test_an_empty_family_is_not_rendered(void **state)
{
	char *text = capture_of(FIXTURE_CAPTURE
	    "table <four> { 10.0.0.0/8 }\ntable <none> { }\n"
	    "block to { <four> <none> }\nblock from <none>\n",
	    1);

	(void)state;
	assert_has(text, "set t_four_4 {");
	assert_lacks(text, "t_four_6");
	assert_lacks(text, "t_none");
	assert_has(text, "chain verdict_tcp {\n"
			 "\t\tip daddr @t_four_4 goto block_0\n"
			 "\t\tgoto relay_tcp\n");
	free(text);
}

static void
test_ranges_that_are_no_prefix_are_rendered(void **state)
{
	char *text = capture_of(FIXTURE_CAPTURE
	    "block to { 10.0.0.0/9 10.128.0.0/10 ::/1 8000::/2 }\n"
	    "block to { 0.0.0.0/0 ::/0 }\n",
	    1);

	(void)state;
	assert_has(text, "ip daddr 10.0.0.0-10.191.255.255 goto block_0");
	assert_has(
	    text, "ip6 daddr ::-bfff:ffff:ffff:ffff:ffff:ffff:ffff:ffff goto");
	assert_has(text, "ip daddr 0.0.0.0/0 goto block_1");
	assert_has(text, "ip6 daddr ::/0 goto block_1");
	free(text);
}

static void
test_a_pause_lets_everything_pass_while_its_lease_lives(void **state)
{
	char *text = capture_of(FIXTURE_CAPTURE "block to 192.0.2.1\n"
						"default relay\n",
	    RENDER_PAUSE);

	(void)state;
	assert_has(text, "chain verdict_tcp {\n"
			 "\t\tgoto pass\n\t}");
	assert_has(text, "chain verdict_udp {\n"
			 "\t\tgoto passed\n\t}");
	assert_has(text, "meta l4proto 6 goto pass\n");
	assert_has(text, "meta l4proto != @lease accept");
	assert_has(text, "socket transparent 1 goto ours");
	assert_lacks(text, "192.0.2.1");
	free(text);
}

static void
test_mapped_destinations_are_dropped_unseen(void **state)
{
	static const char rule[] = "ip6 daddr ::ffff:0.0.0.0/96 "
				   "meta l4proto @lease counter drop\n";
	char *text = capture_of(FIXTURE_CAPTURE, RENDER_CAPTURE);
	const char *place = strstr(text, rule);

	(void)state;
	assert_non_null(place);
	assert_has(place, "goto verdict_tcp");
	assert_has(place, "fib daddr type { local, broadcast, ");
	free(text);
}

static void
test_other_protocols_block(void **state)
{
	static const char config[] = FIXTURE_CAPTURE "other-protocols block\n";
	char *text = capture_of(config, RENDER_CAPTURE);
	struct text guard = { 0 };
	struct image *image;
	size_t len;

	(void)state;
	assert_has(text, "meta l4proto { 1, 58 } ct state related goto pass");
	assert_has(text, "meta l4proto != { 6, 17 } meta l4proto @lease "
			 "counter drop");
	free(text);
	text = capture_of(config, RENDER_PAUSE);
	assert_has(text, "meta l4proto != { 6, 17 } meta l4proto @lease "
			 "goto pass");
	free(text);
	image = fixture_image(config, &len);
	render_renew(image, &guard);
	assert_has(guard.bytes, "{ 0 timeout 2000ms, 1 timeout 2000ms,");
	assert_has(guard.bytes, ", 255 timeout 2000ms }");
	text_free(&guard);
	render_guard(image, &local, &guard);
	assert_lacks(guard.bytes, "exthdr frag missing goto let");
	text_free(&guard);
	render_routes(image, &guard);
	assert_has(
	    guard.bytes, "priority 76 protocol 117 iif eth0 lookup 7479");
	text_free(&guard);
	free(image);
}

static void
test_what_passed_goes_on_under_every_policy(void **state)
{
	char *text =
	    capture_of(FIXTURE_CAPTURE "default block\n", RENDER_CAPTURE);

	(void)state;
	assert_has(text, "ct timeout passed_tcp4 {");
	assert_has(text, "ct mark & 0x07000000 == 0x04000000 goto pass");
	free(text);
}

static void
test_conntrack_soon_forgets_the_connections_of_relays(void **state)
{
	char *text =
	    capture_of(FIXTURE_CAPTURE "default block\n", RENDER_CAPTURE);

	(void)state;
	assert_has(text, "ct timeout relayed_tcp4 {");
	assert_has(text, "meta skuid != 999 accept");
	assert_has(text, "ct timeout set \"relayed_tcp6\"");
	free(text);
}

static void
test_answers_leave_only_to_flows_that_others_began(void **state)
{
	char *text =
	    capture_of(FIXTURE_CAPTURE "pass to ::1\n", RENDER_CAPTURE);

	(void)state;
	assert_has(text, "goto elsewhere\n");
	assert_has(text, "ct state new ct mark set ct mark | 0x01000000\n");
	assert_has(text,
	    "ct direction reply ct mark & 0x07000000 == 0x01000000 goto pass");
	/* nor does a passed flow begin with an address of the other side */
	assert_has(text, "fib saddr . iif oif missing counter drop\n");
	free(text);
}

static void
test_the_mask_is_the_configured_one(void **state)
{
	char *text =
	    capture_of(FIXTURE_CAPTURE "mark mask 0xe\n", RENDER_CAPTURE);

	(void)state;
	assert_has(text, "meta mark set meta mark & 0xfffffff1 | 0x00000002");
	assert_has(text, "meta mark set meta mark | 0x00000008");
	assert_lacks(text, "07000000");
	free(text);
}

static void
test_renewal_works_on_live_and_expired_elements(void **state)
{
	struct text text = { 0 };
	size_t len;
	struct image *image = fixture_image(FIXTURE_CAPTURE "lease 1s\n", &len);

	(void)state;
	assert_int_equal(render_lease_ms(image), 666);
	render_renew(image, &text);
	assert_string_equal(text.bytes,
	    "add element inet tpx lease { 6, 17 }\n"
	    "delete element inet tpx lease { 6, 17 }\n"
	    "add element inet tpx lease "
	    "{ 6 timeout 666ms, 17 timeout 666ms }\n");
	text_free(&text);
	free(image);
}

static void
test_the_guard_lets_only_the_pass_mark_out(void **state)
{
	struct text text = { 0 };
	size_t len;
	struct image *image =
	    fixture_image("capture forwarded on { a b }\n", &len);

	(void)state;
	render_guard(image, &local, &text);
	assert_string_equal(text.bytes,
	    "add table inet tpx_guard\ndelete table inet tpx_guard\n"
	    "table inet tpx_guard {\n\tchain let {\n"
	    "\t\tmeta mark set meta mark & 0xf8ffffff | 0x04000000 accept\n"
	    "\t}\n\tchain prerouting {\n"
	    "\t\ttype filter hook prerouting priority -140; "
	    "policy accept;\n"
	    "\t\tiifname != { \"a\", \"b\" } accept\n"
	    "\t\tmeta mark & 0x07000000 != 0x00000000 accept\n"
	    "\t\tip6 daddr ::ffff:0.0.0.0/96 counter drop\n"
	    "\t\tip option lsrr exists counter drop\n"
	    "\t\tip option ssrr exists counter drop\n"
	    "\t\texthdr rt exists counter drop\n"
	    "\t\tmeta nfproto ipv4 meta l4proto != { 6, 17 } goto let\n"
	    "\t\tmeta l4proto != { 6, 17 } exthdr frag missing goto let\n"
	    "\t}\n\tchain forward {\n"
	    "\t\ttype filter hook forward priority filter; policy accept;\n"
	    "\t\tiifname != { \"a\", \"b\" } accept\n"
	    "\t\tmeta mark & 0x04000000 == 0x04000000 accept\n"
	    "\t\tcounter drop\n\t}\n}\n");
	text_free(&text);
	free(image);
}

static void
test_removal_needs_no_table_to_be_there(void **state)
{
	struct text text = { 0 };

	(void)state;
	render_remove_capture(&text);
	render_remove_guard(&text);
	assert_string_equal(text.bytes,
	    "add table inet tpx { flags owner; }\ndelete table inet tpx\n"
	    "add table inet tpx_guard\ndelete table inet tpx_guard\n");
	text_free(&text);
}

static void
test_routes_are_shown_as_commands(void **state)
{
	struct text text = { 0 };
	size_t len;
	struct image *image = fixture_image(FIXTURE_CAPTURE
	    "on-failure open\nmark mask 0x70\ndefault pass\n",
	    &len);

	(void)state;
	render_routes(image, &text);
	assert_string_equal(text.bytes,
	    "ip -4 route add local default dev lo table 7478 proto 116\n"
	    "ip -6 route add local default dev lo table 7478 proto 116\n"
	    "ip -4 rule add priority 74 protocol 116 "
	    "fwmark 0x00000010/0x00000070 lookup 7478\n"
	    "ip -6 rule add priority 74 protocol 116 "
	    "fwmark 0x00000010/0x00000070 lookup 7478\n"
	    "sysctl -w net/netfilter/nf_conntrack_acct=1\n"
	    "sysctl -w net/netfilter/nf_conntrack_timestamp=1\n");
	free(image);
	text.len = 0;
	image = fixture_image(FIXTURE_CAPTURE, &len);
	render_routes(image, &text);
	assert_lacks(text.bytes, "sysctl");
	text_free(&text);
	free(image);
}

static void
test_second_line_of_the_guard_is_for_captured_interfaces(void **state)
{
	struct text text = { 0 };
	size_t len;
	struct image *image =
	    fixture_image("capture forwarded on { a b }\n", &len);

	(void)state;
	render_routes(image, &text);
	assert_has(text.bytes,
	    "ip -4 route add blackhole default table 7479 proto 117\n");
	assert_has(text.bytes, "ip -4 rule add priority 75 protocol 117 "
			       "fwmark 0x04000000/0x04000000 goto 77\n"
			       "ip -4 rule add priority 76 protocol 117 "
			       "iif a lookup 7479\n"
			       "ip -4 rule add priority 76 protocol 117 "
			       "iif b lookup 7479\n");
	assert_has(text.bytes, "ip -6 rule add priority 77 protocol 117 nop\n");
	text_free(&text);
	free(image);
}

static char *
guard_of(const char *config)
{
	struct text text = { 0 };
	size_t len;
	struct image *image = fixture_image(config, &len);

	render_guard(image, &local, &text);
	assert_int_equal(text_check(&text), 0);
	free(image);
	return text.bytes;
}

static void
test_own_flows_are_decided_once_and_go_round_by_loopback(void **state)
{
	char *text = capture_of("capture local\nrelay proto tcp to ::1\n"
				"pass proto udp to any\ndefault block\n",
	    RENDER_CAPTURE);
	const char *chain = strstr(text, "chain local {");

	(void)state;
	assert_has(text, "chain verdict_local_tcp {\n"
			 "\t\tip6 daddr ::1 goto local_relay\n"
			 "\t\tgoto block_65535\n");
	assert_has(text, "chain verdict_local_udp {\n"
			 "\t\tgoto local_pass\n");
	assert_has(text, "tproxy ip to 127.0.0.1:4114 accept");
	assert_has(text, "tproxy ip6 to [::1]:6116 accept");
	assert_has(text, "iifname \"lo\" goto looped\n");
	assert_non_null(chain);
	assert_has(chain, "ct direction original "
			  "ct mark & 0x07000000 == 0x02000000 ");
	assert_has(chain, "meta skuid 999 goto local_ours\n");
	/* nothing is captured where others are served */
	assert_lacks(text, "chain first");
	assert_lacks(text, "elsewhere");
	free(text);
}

static void
test_own_flows_fall_as_the_operator_chose(void **state)
{
	static const char gate[] = "meta l4proto != @lease counter drop\n";
	char *text = capture_of("capture local\n", RENDER_NO_LEASE);

	(void)state;
	assert_has(text, gate);
	assert_lacks(text, "ct state established accept");
	free(text);
	text = capture_of("capture local\non-failure open\n", RENDER_CAPTURE);
	assert_lacks(text, gate);
	assert_has(text, "meta l4proto != @lease accept\n"
			 "\t\tct state established accept\n");
	free(text);
}

static void
test_the_guard_of_own_flows_never_stops_answers(void **state)
{
	char *text = guard_of("capture local\n");
	const char *chain = strstr(text, "chain output {");

	(void)state;
	assert_non_null(chain);
	assert_has(chain, "oifname \"lo\" accept\n");
	assert_has(chain, "meta skuid 999 accept\n"
			  "\t\tct direction reply accept\n");
	assert_has(chain, "ct mark & 0x07000000 == 0x03000000 accept\n");
	assert_has(chain, "\t\tgoto guarded\n");
	assert_has(text, "oifname != \"lo\" "
			 "meta mark & 0x07000000 == 0x01000000 counter drop");
	assert_lacks(text, "chain forward");
	free(text);
}

/* Each of these was a way out. */
static void
test_no_trick_of_own_sockets_makes_an_answer(void **state)
{
	static const char config[] = FIXTURE_CAPTURE "capture local\n";
	char *texts[] = { capture_of(config, RENDER_CAPTURE),
		guard_of(config) };
	const char *reply;
	size_t i;

	(void)state;
	assert_has(texts[0], "chain local_captured {\n"
			     "\t\tip option lsrr exists counter drop\n");
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_has(texts[i],
		    "type filter hook output priority raw; policy accept;\n"
		    "\t\tmeta skuid 999 accept\n"
		    "\t\tmeta mark & 0x07000000 != 0x00000000 "
		    "meta mark set meta mark & 0xf8ffffff\n");
		reply = strstr(texts[i], "ct direction reply accept\n");
		assert_non_null(reply);
		assert_true(strstr(texts[i],
				"ct direction reply ct mark & 0x07000000 == "
				"0x07000000 counter drop\n") < reply);
		assert_has(texts[i], "fib saddr type != local jump unowned\n");
		assert_lacks(texts[i], "!= unicast");
		free(texts[i]);
	}
}

static void
test_only_the_chosen_users_are_captured(void **state)
{
	/* an element of a set is missed while the set is replaced */
	static const char captured[] =
	    "\t\tmeta skuid 5 goto local_captured\n"
	    "\t\tmeta skuid 33 goto local_captured\n"
	    "\t\tmeta skuid 1000-1999 goto local_captured\n\t}\n";
	static const char guarded[] = "\t\tmeta skuid 5 goto guarded\n"
				      "\t\tmeta skuid 33 goto guarded\n"
				      "\t\tmeta skuid 1000-1999 goto guarded\n"
				      "\t}\n";
	static const char config[] = "capture local user { www-data 5 }\n"
				     "capture local user 1000-1999\n";
	char *text = capture_of(config, RENDER_CAPTURE);

	(void)state;
	assert_has(text, captured);
	free(text);
	text = guard_of(config);
	assert_has(text, guarded);
	free(text);
}

static void
test_what_is_excluded_leaves_before_anything_is_decided(void **state)
{
	static const char config[] = FIXTURE_CAPTURE
	    "table <t> { 10.0.0.0/8 }\nexclude to <t> port 22\n"
	    "exclude proto udp from ::1 to any\nexclude to 192.0.2.1\n";
	char *text = capture_of(config, RENDER_CAPTURE);
	const char *verdict = strstr(text, "@lease goto verdict_tcp");

	(void)state;
	assert_has(text, "meta l4proto { 6, 17 } ip daddr @t_t_4 "
			 "th dport 22 goto excluded\n"
			 "\t\tmeta l4proto 17 ip6 saddr ::1 goto excluded\n"
			 "\t\tip daddr 192.0.2.1 goto excluded\n");
	assert_true(strstr(text, "daddr @t_t_4") < verdict);
	free(text);
	text = guard_of(config);
	assert_has(text, "set t_t_4 {");
	assert_has(text, "ct direction reply ct mark & 0x07000000 == "
			 "0x06000000 goto let\n");
	assert_has(text, "th dport 22 goto excluded\n");
	free(text);
	text = guard_of("capture local\nexclude to 192.0.2.1\n");
	assert_has(text, "ip daddr 192.0.2.1 accept\n");
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_capture_is_one_owned_table),
		cmocka_unit_test(test_the_table_brings_no_lease),
		cmocka_unit_test(test_the_lease_is_asked_by_new_flows_only),
		cmocka_unit_test(
		    test_one_rule_looks_for_the_sockets_of_what_clients_send),
		cmocka_unit_test(
		    test_without_listener_closed_drops_and_open_accepts),
		cmocka_unit_test(test_rules_keep_their_order_and_number),
		cmocka_unit_test(test_udp_to_be_relayed_is_known_by_its_mark),
		cmocka_unit_test(
		    test_udp_goes_through_upstreams_of_socks5_alone),
		cmocka_unit_test(test_block_modes_refuse_as_written),
		cmocka_unit_test(test_a_block_without_rows_only_counts),
		cmocka_unit_test(test_an_empty_family_is_not_rendered),
		cmocka_unit_test(test_ranges_that_are_no_prefix_are_rendered),
		cmocka_unit_test(
		    test_a_pause_lets_everything_pass_while_its_lease_lives),
		cmocka_unit_test(test_mapped_destinations_are_dropped_unseen),
		cmocka_unit_test(test_other_protocols_block),
		cmocka_unit_test(test_what_passed_goes_on_under_every_policy),
		cmocka_unit_test(
		    test_conntrack_soon_forgets_the_connections_of_relays),
		cmocka_unit_test(
		    test_answers_leave_only_to_flows_that_others_began),
		cmocka_unit_test(test_the_mask_is_the_configured_one),
		cmocka_unit_test(
		    test_renewal_works_on_live_and_expired_elements),
		cmocka_unit_test(test_the_guard_lets_only_the_pass_mark_out),
		cmocka_unit_test(test_removal_needs_no_table_to_be_there),
		cmocka_unit_test(test_routes_are_shown_as_commands),
		cmocka_unit_test(
		    test_second_line_of_the_guard_is_for_captured_interfaces),
		cmocka_unit_test(
		    test_own_flows_are_decided_once_and_go_round_by_loopback),
		cmocka_unit_test(test_own_flows_fall_as_the_operator_chose),
		cmocka_unit_test(
		    test_the_guard_of_own_flows_never_stops_answers),
		cmocka_unit_test(test_no_trick_of_own_sockets_makes_an_answer),
		cmocka_unit_test(test_only_the_chosen_users_are_captured),
		cmocka_unit_test(
		    test_what_is_excluded_leaves_before_anything_is_decided),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
