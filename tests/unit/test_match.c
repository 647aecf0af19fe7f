/* SPDX-License-Identifier: ISC */
#include "policy/match.h"

#include <netinet/in.h>
#include <stdio.h>

#include "policy_fixture.h"
#include "schema/dns.h"

static struct addr
addr_of(const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(text, &prefix), 0);
	return prefix.addr;
}

static struct policy_verdict
verdict_of(const char *text, uint8_t proto, const char *src, const char *dst,
    uint16_t dport)
{
	struct policy_query query = { proto, addr_of(src), addr_of(dst),
		dport };
	size_t len;
	struct image *image = fixture_image(text, &len);
	struct policy_verdict verdict = policy_match(image, &query);

	verdict.item = NULL; /* it goes with the image */
	free(image);
	return verdict;
}

#define TCP IPPROTO_TCP
#define UDP IPPROTO_UDP

static void
test_the_first_rule_decides(void **state)
{
	static const char text[] = FIXTURE_CAPTURE
	    "block to 10.0.0.1\npass to 10.0.0.0/8\ndefault relay\n";
	struct policy_verdict verdict;

	(void)state;
	verdict = verdict_of(text, TCP, "192.0.2.1", "10.0.0.1", 80);
	assert_int_equal(verdict.action, FLOW_ACTION_BLOCK);
	assert_int_equal(verdict.rule, 0);
	verdict = verdict_of(text, TCP, "192.0.2.1", "10.0.0.2", 80);
	assert_int_equal(verdict.action, FLOW_ACTION_PASS);
	assert_int_equal(verdict.rule, 1);
	verdict = verdict_of(text, TCP, "192.0.2.1", "11.0.0.2", 80);
	assert_int_equal(verdict.action, FLOW_ACTION_RELAY);
	assert_int_equal(verdict.rule, FLOW_RULE_DEFAULT);
}

static void
test_a_rule_without_protocol_is_for_udp_too(void **state)
{
	static const char text[] = FIXTURE_CAPTURE "relay to ::1\n";
	struct policy_verdict verdict;

	(void)state;
	verdict = verdict_of(text, UDP, "::2", "::1", 80);
	assert_int_equal(verdict.action, FLOW_ACTION_RELAY);
	assert_int_equal(verdict.rule, 0);
	verdict = verdict_of(text, UDP, "::2", "::3", 80);
	assert_int_equal(verdict.action, FLOW_ACTION_RELAY);
	assert_int_equal(verdict.rule, FLOW_RULE_DEFAULT);
	verdict = verdict_of(text, TCP, "::2", "::1", 80);
	assert_int_equal(verdict.action, FLOW_ACTION_RELAY);
}

static void
test_other_protocols_pass(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(FIXTURE_CAPTURE "block to any\n",
			     IPPROTO_ICMP, "::2", "::1", 0)
			     .action,
	    FLOW_ACTION_PASS);
}

static void
test_an_empty_table_matches_nothing(void **state)
{
	(void)state;
	assert_int_equal(
	    verdict_of(FIXTURE_CAPTURE "table <t> { }\nblock to <t>\n", TCP,
		"::2", "::1", 1)
		.rule,
	    FLOW_RULE_DEFAULT);
}

static void
test_ports_have_both_ends(void **state)
{
	static const char text[] = FIXTURE_CAPTURE "block port { 10-20 22 }\n";
	static const uint16_t in[] = { 10, 15, 20, 22 };
	static const uint16_t out[] = { 0, 9, 21, 23, 65535 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(in) / sizeof(in[0]); i++)
		assert_int_equal(
		    verdict_of(text, TCP, "::2", "::1", in[i]).rule, 0);
	for (i = 0; i < sizeof(out) / sizeof(out[0]); i++)
		assert_int_equal(
		    verdict_of(text, TCP, "::2", "::1", out[i]).rule,
		    FLOW_RULE_DEFAULT);
}

static int
excluded(const char *text, uint8_t proto, const char *src, const char *dst,
    uint16_t dport)
{
	struct policy_query query = { proto, addr_of(src), addr_of(dst),
		dport };
	size_t len;
	struct image *image = fixture_image(text, &len);
	int answer = policy_excluded(image, &query);

	free(image);
	return answer;
}

static void
test_any_exclusion_excludes(void **state)
{
	static const char text[] =
	    FIXTURE_CAPTURE "exclude to 10.0.0.0/8 port 22\n"
			    "exclude proto udp to any port 123\n"
			    "table <none> { }\nexclude from <none>\n";

	(void)state;
	assert_true(excluded(text, TCP, "192.0.2.1", "10.0.0.1", 22));
	assert_true(excluded(text, UDP, "192.0.2.1", "10.0.0.1", 22));
	assert_true(excluded(text, UDP, "::1", "::2", 123));
	assert_false(excluded(text, TCP, "192.0.2.1", "10.0.0.1", 23));
	assert_false(excluded(text, TCP, "10.0.0.1", "192.0.2.1", 22));
	assert_false(excluded(text, TCP, "::1", "::2", 123));
	assert_false(
	    excluded(FIXTURE_CAPTURE "pass to any\n", TCP, "::1", "::2", 123));
}

static void
test_an_exclusion_does_not_change_what_rules_decide(void **state)
{
	struct policy_verdict verdict = verdict_of(FIXTURE_CAPTURE
	    "exclude to 10.0.0.0/8\nblock to 10.0.0.0/8\n",
	    TCP, "192.0.2.1", "10.0.0.1", 22);

	(void)state;
	assert_int_equal(verdict.action, FLOW_ACTION_BLOCK);
	assert_int_equal(verdict.rule, 0);
}

static void
test_encrypted_dns_is_blocked_before_every_rule(void **state)
{
	static const char text[] = FIXTURE_CAPTURE
	    "dns recurse\ndns encrypted no\npass to any port 853\n";
	struct policy_verdict verdict;

	(void)state;
	verdict = verdict_of(text, TCP, "192.0.2.1", "9.9.9.9", 853);
	assert_int_equal(verdict.action, FLOW_ACTION_BLOCK);
	assert_int_equal(verdict.rule, DNS_RULE_WAY + WAY_ENCRYPTED);
	verdict = verdict_of(text, UDP, "2001:db8::1", "2620:fe::fe", 853);
	assert_int_equal(verdict.action, FLOW_ACTION_BLOCK);
	verdict = verdict_of(text, TCP, "192.0.2.1", "9.9.9.9", 854);
	assert_int_equal(verdict.action, FLOW_ACTION_RELAY);
	verdict = verdict_of(
	    FIXTURE_CAPTURE "dns recurse\n", TCP, "192.0.2.1", "9.9.9.9", 853);
	assert_int_equal(verdict.action, FLOW_ACTION_RELAY);
}

static void
test_addresses_alone_exclude_every_protocol(void **state)
{
	static const char all[] = FIXTURE_CAPTURE "exclude to ::1\n";
	static const char both[] =
	    FIXTURE_CAPTURE "exclude proto { tcp udp } to ::1\n";
	static const char port[] = FIXTURE_CAPTURE "exclude port 1-65535\n";

	(void)state;
	assert_true(excluded(all, IPPROTO_ICMPV6, "::2", "::1", 0));
	assert_true(excluded(all, TCP, "::2", "::1", 0));
	assert_false(excluded(all, IPPROTO_ICMPV6, "::2", "::3", 0));
	assert_false(excluded(both, IPPROTO_ICMPV6, "::2", "::1", 0));
	assert_true(excluded(both, TCP, "::2", "::1", 0));
	assert_false(excluded(port, IPPROTO_ICMPV6, "::2", "::1", 1));
}

/* The plain way: prefix by prefix on the tree. */
static int
list_contains(const struct conf *conf, const struct conf_addresses *list,
    const struct addr *addr)
{
	size_t i, n;

	for (i = 0; i < list->count; i++) {
		const struct conf_address *item = &list->items[i];
		const struct conf_table *table;

		if (item->table == CONF_NO_TABLE) {
			if (prefix_contains(&item->prefix, addr))
				return 1;
			continue;
		}
		table = &conf->tables[item->table];
		for (n = 0; n < table->count; n++)
			if (prefix_contains(&table->prefixes[n], addr))
				return 1;
	}
	return list->count == 0;
}

static unsigned int
plain_match(const struct conf *conf, const struct policy_query *query)
{
	unsigned int bit = query->proto == TCP ? RULE_TCP : RULE_UDP;
	size_t i, n;

	for (i = 0; i < conf->rule_count; i++) {
		const struct conf_rule *rule = &conf->rules[i];
		int port = rule->ports.count == 0;

		for (n = 0; n < rule->ports.count; n++)
			port |= query->dport >= rule->ports.items[n].first &&
				query->dport <= rule->ports.items[n].last;
		if (port && (rule->protos & bit) != 0 &&
		    list_contains(conf, &rule->from, &query->src) &&
		    list_contains(conf, &rule->to, &query->dst))
			return (unsigned int)i;
	}
	return FLOW_RULE_DEFAULT;
}

static uint32_t
draw(uint32_t below)
{
	static uint32_t seed = 1;

	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

/* Few different addresses, so that prefixes meet, touch and overlap. */
static void
draw_prefix(struct text *text)
{
	uint32_t bits;

	if (draw(2) == 0) {
		bits = 26 + draw(7);
		text_printf(text, " 10.0.0.%u/%u",
		    draw(256) & (0xffU << (32 - bits) & 0xff), bits);
	} else {
		bits = 122 + draw(7);
		text_printf(text, " fd00::%x/%u",
		    draw(256) & (0xffU << (128 - bits) & 0xff), bits);
	}
}

static void
draw_list(const char *word, struct text *text)
{
	uint32_t i, count = draw(6);

	if (count == 0)
		return;
	text_printf(text, " %s {", word);
	for (i = 0; i < count; i++)
		if (draw(3) == 0)
			text_printf(text, " <t%u>", draw(4));
		else
			draw_prefix(text);
	text_puts(text, " }");
}

static void
draw_conf(struct text *text)
{
	static const char *const actions[] = { "block", "pass", "relay" };
	static const char *const protos[] = { "", " proto tcp", " proto udp" };
	uint32_t i, n, action;

	text_puts(text, FIXTURE_CAPTURE);
	for (i = 0; i < 4; i++) {
		text_printf(text, "table <t%u> {", i);
		for (n = draw(12); n > 0; n--)
			draw_prefix(text);
		text_puts(text, " }\n");
	}
	for (i = 0; i < 12; i++) {
		action = draw(3);
		text_puts(text, actions[action]);
		text_puts(text, protos[draw(action == 2 ? 2 : 3)]);
		draw_list("from", text);
		draw_list("to", text);
		n = 1 + draw(20);
		text_printf(
		    text, " port { %u-%u %u }\n", n, n + draw(9), 1 + draw(30));
	}
}

static void
draw_addr(struct addr *addr)
{
	char buf[ADDR_TEXT_BYTES];

	if (draw(2) == 0)
		snprintf(buf, sizeof(buf), "10.0.0.%u", draw(256));
	else
		snprintf(buf, sizeof(buf), "fd00::%x", draw(256));
	*addr = addr_of(buf);
}

static void
test_image_and_tree_decide_alike(void **state)
{
	struct text text = { 0 };
	struct policy_query query;
	struct conf *conf;
	struct image *image;
	size_t len;
	int i, n;

	(void)state;
	for (i = 0; i < 50; i++) {
		text.len = 0;
		draw_conf(&text);
		conf = fixture_conf(text.bytes);
		image = fixture_image(text.bytes, &len);
		for (n = 0; n < 1000; n++) {
			query.proto = draw(2) == 0 ? TCP : UDP;
			query.dport = (uint16_t)draw(32);
			draw_addr(&query.src);
			draw_addr(&query.dst);
			assert_int_equal(policy_match(image, &query).rule,
			    plain_match(conf, &query));
		}
		free(image);
		conf_free(conf);
	}
	text_free(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_rule_decides),
		cmocka_unit_test(test_a_rule_without_protocol_is_for_udp_too),
		cmocka_unit_test(test_other_protocols_pass),
		cmocka_unit_test(test_an_empty_table_matches_nothing),
		cmocka_unit_test(test_ports_have_both_ends),
		cmocka_unit_test(test_any_exclusion_excludes),
		cmocka_unit_test(
		    test_an_exclusion_does_not_change_what_rules_decide),
		cmocka_unit_test(test_addresses_alone_exclude_every_protocol),
		cmocka_unit_test(
		    test_encrypted_dns_is_blocked_before_every_rule),
		cmocka_unit_test(test_image_and_tree_decide_alike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
