/* SPDX-License-Identifier: ISC */
#include "policy/image.h"

#include <netinet/in.h>
#include <stdio.h>

#include "policy/image_layout.h"
#include "policy/match.h"
#include "policy/render.h"
#include "policy_fixture.h"

static const char sample[] =
    "on-failure open\nlease 2s\nworkers 3\nmark mask 0x70\n"
    "capture forwarded on { e1 e2 }\n"
    "capture local user { 1003-2000 www-data 1000-1002 1500 7 }\n"
    "table <t> { 10.0.0.0/9 10.128.0.0/9 192.0.2.7 fd00::/9 fd80::/9 }\n"
    "table <none> { }\n"
    "block to { <t> 198.51.100.1 198.51.100.0 <t> } port { 5-6 7 9 }\n"
    "pass from <none>\n"
    "relay proto tcp to ::1 via v idle 10m # why\n"
    "upstream u http { 192.0.2.1:3128 [fd00::9]:3128 } user \"me\" "
    "password-file \"p\"\n"
    "upstream v proxy-v2 [::1]:1\n"
    "exclude to { <t> 203.0.113.0/24 } port 22 # ssh\n"
    "exclude from fd00::/8\n"
    "dns forward tls { 9.9.9.9 \"a.b\" ::1@1 \"c\" }\n"
    "dns rebind-allow { \"d.e\" \"f\" }\n"
    "domains <l> { \"a.b\" }\ndns block <l> answer zero\n"
    "dns log <l> sample 3\n"
    "block domain { \"*.x\" y } name { unverified disagrees }\n"
    "default block\nlog dir \"/log\" keep 1500ms max 1G\n"
    "control socket \"/s\"\n";

static void
test_settings_arrive(void **state)
{
	size_t len;
	struct image *image = fixture_image(sample, &len);
	const struct image_settings *settings = image_settings(image);

	(void)state;
	assert_int_equal(image_bytes(image), len);
	assert_int_equal(settings->generation, 1);
	assert_int_equal(settings->on_failure, ON_FAILURE_OPEN);
	assert_int_equal(settings->lease_ms, 2000);
	assert_int_equal(settings->workers, 3);
	assert_int_equal(settings->mark_mask, 0x70);
	assert_int_equal(settings->default_action, FLOW_ACTION_BLOCK);
	assert_int_equal(settings->keep_s, 2);
	assert_int_equal(settings->max_bytes, 1 << 30);
	assert_string_equal(image_control_socket(image), "/s");
	assert_string_equal(image_log_dir(image), "/log");
	assert_int_equal(image_interface_count(image), 2);
	assert_string_equal(image_interface(image, 1), "e2");
	assert_true(image_has_pass(image));
	free(image);
}

static void
test_rules_arrive(void **state)
{
	size_t len;
	struct image *image = fixture_image(sample, &len);
	const struct image_rule *rule = image_rule(image, 0);
	const struct port_range *ports = image_ports(image, rule->ports);

	(void)state;
	assert_int_equal(image_rule_count(image), 4);
	assert_int_equal(rule->domains, DOMAINS_NONE);
	assert_int_equal(image_rule(image, 3)->domains, 1);
	assert_int_equal(rule->names, 0);
	assert_int_equal(image_rule(image, 3)->names,
	    RULE_NAME_DISAGREES | RULE_NAME_UNVERIFIED);
	assert_int_equal(image_domains_count(image), 2);
	assert_string_equal(image_domains(image, 0), "l");
	assert_string_equal(image_domains(image, 1), "");
	assert_int_equal(image_block_count(image), 1);
	assert_int_equal(image_block(image, 0)->domains, 0);
	assert_int_equal(image_block(image, 0)->answer, ANSWER_ZERO);
	assert_string_equal(
	    image_block_text(image, 0), "dns block <l> answer zero");
	assert_int_equal(rule->action, FLOW_ACTION_BLOCK);
	assert_int_equal(rule->line, 9);
	assert_string_equal(image_rule_text(image, 0),
	    "block to { <t> 198.51.100.1 198.51.100.0 <t> } "
	    "port { 5-6 7 9 }");
	assert_string_equal(
	    image_rule_text(image, 2), "relay proto tcp to ::1 via v idle 10m");
	assert_string_equal(
	    image_rule_text(image, FLOW_RULE_DEFAULT), "default block");
	assert_null(image_rule(image, FLOW_RULE_DEFAULT));
	assert_int_equal(rule->from.count, 0);
	assert_int_equal(rule->to.count, 2);
	assert_int_equal(image_ref(image, rule->to, 0), 0);
	assert_int_equal(image_ref(image, rule->to, 1), 2);
	assert_int_equal(rule->ports.count, 2);
	assert_int_equal(ports[0].last, 7);
	assert_int_equal(image_rule(image, 1)->from.count, 1);
	assert_int_equal(image_rule(image, 2)->idle_ms, 600000);
	free(image);
}

static void
test_exclusions_arrive(void **state)
{
	size_t len;
	struct image *image = fixture_image(sample, &len);
	const struct image_rule *first, *second;

	(void)state;
	assert_int_equal(image_exclusion_count(image), 2);
	first = image_exclusion(image, 0);
	second = image_exclusion(image, 1);
	assert_int_equal(first->protos, RULE_PROTOS);
	assert_int_equal(first->line, 14);
	assert_int_equal(first->from.count, 0);
	assert_int_equal(first->to.count, 2);
	assert_int_equal(image_ref(image, first->to, 0), 0);
	assert_int_equal(first->ports.count, 1);
	assert_int_equal(image_ports(image, first->ports)->first, 22);
	assert_string_equal(image_exclusion_text(image, 0),
	    "exclude to { <t> 203.0.113.0/24 } port 22");
	assert_int_equal(second->protos, RULE_PROTOS | RULE_OTHER);
	assert_int_equal(second->from.count, 1);
	assert_string_equal(
	    image_exclusion_text(image, 1), "exclude from fd00::/8");
	free(image);
}

static void
test_users_are_sorted_and_merged(void **state)
{
	size_t len;
	struct image *image = fixture_image(sample, &len);
	const struct uid_range *users;
	uint32_t count;

	(void)state;
	assert_int_equal(image_settings(image)->local, LOCAL_USERS);
	users = image_users(image, &count);
	assert_int_equal(count, 3);
	assert_int_equal(users[0].first, 7);
	assert_int_equal(users[0].last, 7);
	assert_int_equal(users[1].first, 33);
	assert_int_equal(users[2].first, 1000);
	assert_int_equal(users[2].last, 2000);
	free(image);
}

static void
test_local_capture_alone_needs_no_interface(void **state)
{
	size_t len;
	struct image *image = fixture_image("capture local\n", &len);
	uint32_t count;

	(void)state;
	assert_int_equal(image_interface_count(image), 0);
	assert_int_equal(image_settings(image)->local, LOCAL_HOST);
	image_users(image, &count);
	assert_int_equal(count, 0);
	free(image);
}

static void
test_an_image_that_captures_nothing_is_refused(void **state)
{
	size_t len;
	struct image *image = fixture_image("capture local\n", &len);
	const char *why;

	(void)state;
	image->settings.local = LOCAL_NONE;
	assert_int_equal(image_check(image, len, &why), -1);
	assert_string_equal(why, "nothing is captured");
	image->settings.local = LOCAL_USERS;
	assert_int_equal(image_check(image, len, &why), -1);
	assert_string_equal(why, "bad number of users");
	free(image);
}

static void
test_ranges_are_sorted_and_merged(void **state)
{
	size_t len;
	struct image *image = fixture_image(sample, &len);
	const struct image_range4 *range4;
	const struct image_range6 *range6;
	uint32_t count;

	(void)state;
	assert_int_equal(image_table_count(image), 2);
	assert_string_equal(image_table(image, 0), "t");
	range4 = image_ranges4(image, 0, &count);
	assert_int_equal(count, 2);
	assert_int_equal(range4[0].first, 0x0a000000);
	assert_int_equal(range4[0].last, 0x0affffff);
	assert_int_equal(range4[1].first, 0xc0000207);
	range6 = image_ranges6(image, 0, &count);
	assert_int_equal(count, 1);
	assert_int_equal(range6[0].first[0], 0xfd);
	assert_int_equal(range6[0].first[1], 0);
	assert_int_equal(range6[0].last[1], 0xff);
	range4 = image_ranges4(image, 2, &count);
	assert_int_equal(count, 1);
	assert_int_equal(range4[0].last - range4[0].first, 1);
	image_ranges4(image, 1, &count);
	assert_int_equal(count, 0);
	free(image);
}

static void
test_whole_families_do_not_overflow(void **state)
{
	static const char *const addrs[] = { "0.0.0.0", "255.255.255.255",
		"::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "1.2.3.4" };
	size_t i, len;
	struct prefix prefix;
	struct image *image = fixture_image(FIXTURE_CAPTURE
	    "table <t> { 255.0.0.0/8 0.0.0.0/0 ffff::/16 ::/0 1.2.3.4 }\n",
	    &len);
	uint32_t count;

	(void)state;
	image_ranges4(image, 0, &count);
	assert_int_equal(count, 1);
	image_ranges6(image, 0, &count);
	assert_int_equal(count, 1);
	for (i = 0; i < sizeof(addrs) / sizeof(addrs[0]); i++) {
		assert_int_equal(prefix_parse(addrs[i], &prefix), 0);
		assert_true(image_set_contains(image, 0, &prefix.addr));
	}
	free(image);
}

static void
test_any_other_length_is_refused(void **state)
{
	size_t len, cut;
	struct image *image = fixture_image(sample, &len);
	const char *why;
	char *copy;

	(void)state;
	for (cut = 0; cut < len; cut++) {
		/* In memory of just that size, so that reading on is seen. */
		copy = malloc(cut + 1);
		assert_non_null(copy);
		memcpy(copy, image, cut);
		assert_int_equal(image_check(copy, cut, &why), -1);
		assert_non_null(why);
		free(copy);
	}
	copy = calloc(1, len + 8);
	memcpy(copy, image, len);
	assert_int_equal(image_check(copy, len + 8, &why), -1);
	assert_int_equal(
	    image_check(copy, (size_t)LIMIT_IMAGE_BYTES + 8, &why), -1);
	free(copy);
	free(image);
}

static void
test_an_unaligned_image_is_refused(void **state)
{
	size_t len;
	struct image *image = fixture_image(sample, &len);
	char *copy = malloc(len + 8);
	const char *why;

	(void)state;
	memcpy(copy + 1, image, len);
	assert_int_equal(image_check(copy + 1, len, &why), -1);
	assert_string_equal(why, "not aligned");
	free(copy);
	free(image);
}

/* Reads all that the accessors can reach; the sanitizer does the check. */
static void
use(const struct image *image)
{
	struct render_local local = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
	struct text text = { 0 };
	struct addr addr = { { 0 } };
	struct policy_query query = { .proto = IPPROTO_TCP, .dport = 22 };
	const struct uid_range *users;
	uint32_t i, count;

	render_capture(image, &local, 1, &text);
	render_guard(image, &local, &text);
	for (i = 0; i < image->sections[IMAGE_SETS].count; i++)
		image_set_contains(image, i, &addr);
	for (i = 0; i <= image_rule_count(image); i++)
		text_puts(&text, image_rule_text(image, i));
	for (i = 0; i < image_exclusion_count(image); i++)
		text_puts(&text, image_exclusion_text(image, i));
	policy_excluded(image, &query);
	users = image_users(image, &count);
	for (i = 0; i < count; i++)
		assert_true(users[i].first <= users[i].last);
	for (i = 0; i < image_upstream_count(image); i++) {
		const struct image_upstream *upstream =
		    image_upstream(image, i);

		text_printf(&text, "%s %s %s", upstream->name,
		    image_upstream_user(image, upstream),
		    image_upstream_password_file(image, upstream));
	}
	for (i = 0; i < image_endpoint_count(image); i++)
		text_printf(&text, "%s",
		    image_upstream(image, image_endpoint(image, i)->upstream)
			->name);
	for (i = 0; i < image_dns_server_count(image); i++)
		text_puts(&text,
		    image_dns_server_name(image, image_dns_server(image, i)));
	for (i = 0; i < image_dns_allow_count(image); i++)
		text_puts(&text, image_dns_allow(image, i));
	for (i = 0; i < image_domains_count(image); i++)
		text_puts(&text, image_domains(image, i));
	for (i = 0; i < image_block_count(image); i++)
		text_puts(&text, image_block_text(image, i));
	text_puts(&text, image_dns_trust_anchor(image));
	text_puts(&text, image_dns_root_hints(image));
	text_puts(&text, image_dns_tls_authorities(image));
	text_puts(&text, image_control_socket(image));
	text_puts(&text, image_log_dir(image));
	text_free(&text);
}

static void
test_a_changed_image_is_refused_or_harmless(void **state)
{
	static const unsigned char values[] = { 0, 1, 2, 0x7f, 0x80, 0xff };
	size_t i, v, len, refused = 0;
	struct image *image = fixture_image(sample, &len);
	unsigned char *bytes = (unsigned char *)image, old;
	const char *why;

	(void)state;
	for (i = 0; i < len; i++) {
		old = bytes[i];
		for (v = 0; v < sizeof(values); v++) {
			bytes[i] = values[v];
			if (image_check(image, len, &why) == 0)
				use(image);
			else
				refused++;
		}
		bytes[i] = old;
	}
	assert_true(refused > len);
	free(image);
}

/* One field is changed and must be noticed, each for its own reason. */
#define REFUSED(field, value, reason)                                          \
	do {                                                                   \
		const char *why_;                                              \
		size_t len_;                                                   \
		struct image *image = fixture_image(sample, &len_);            \
		struct image_rule *rules = items_of(image, IMAGE_RULES);       \
		struct image_rule *excl = items_of(image, IMAGE_EXCLUSIONS);   \
		struct uid_range *users = items_of(image, IMAGE_USERS);        \
		struct image_set *sets = items_of(image, IMAGE_SETS);          \
		struct image_range4 *range4s = items_of(image, IMAGE_RANGES4); \
		struct image_interface *interfaces =                           \
		    items_of(image, IMAGE_INTERFACES);                         \
		uint32_t *refs = items_of(image, IMAGE_REFS);                  \
		struct port_range *ports = items_of(image, IMAGE_PORTS);       \
		char *strings = items_of(image, IMAGE_STRINGS);                \
		(void)rules, (void)sets, (void)range4s, (void)interfaces;      \
		(void)excl, (void)users;                                       \
		(void)refs, (void)ports, (void)strings;                        \
		(field) = (value);                                             \
		assert_int_equal(image_check(image, len_, &why_), -1);         \
		assert_string_equal(why_, reason);                             \
		free(image);                                                   \
	} while (0)

static void *
items_of(struct image *image, enum image_section_name name)
{
	return (char *)image + image->sections[name].offset;
}

static struct image_upstream *
upstream_of(struct image *image, size_t i)
{
	return (struct image_upstream *)items_of(image, IMAGE_UPSTREAMS) + i;
}

static struct image_endpoint *
endpoint_of(struct image *image, size_t i)
{
	return (struct image_endpoint *)items_of(image, IMAGE_ENDPOINTS) + i;
}

static void
test_every_field_is_checked(void **state)
{
	static const char kind[] = "a rule of an unknown kind";
	static const char odd[] = "a rule that contradicts itself";
	static const char zero[] = "reserved bytes are not zero";
	static const char where[] = "a section is not where it must be";
	static const char order[] = "a set's ranges are not in order";
	static const char excluded[] = "an exclusion of an unknown kind";
	static const char uids[] = "users are not in order";
	static const char names[] = "bad name of an interface";

	(void)state;
	REFUSED(image->magic, 0, "not a policy image");
	REFUSED(image->version, 1, "another version");
	REFUSED(image->bytes, 8, "its length is not the one it tells");
	REFUSED(image->reserved, 1, zero);
	REFUSED(image->settings.reserved[1], 1, zero);
	REFUSED(image->settings.lease_ms, 999, "lease out of range");
	REFUSED(image->settings.lease_ms, 60001, "lease out of range");
	REFUSED(image->settings.workers, 65, "too many workers");
	REFUSED(image->settings.mark_mask, 0, "bad mark mask");
	REFUSED(image->settings.keep_s, UINT64_MAX, "bad limit of the log");
	REFUSED(image->settings.on_failure, 2, "unknown setting");
	REFUSED(image->settings.other_protocols, 2, "unknown setting");
	REFUSED(image->settings.default_action, 3, "unknown setting");
	REFUSED(image->settings.local, 3, "unknown setting");
	REFUSED(image->settings.local, LOCAL_NONE, "bad number of users");
	REFUSED(image->settings.local, LOCAL_HOST, "bad number of users");
	REFUSED(users[0].first, 8, uids);
	REFUSED(users[0].last, 32, uids);
	REFUSED(users[1].first, 2000, uids);
	REFUSED(users[2].last, UINT32_MAX, uids);
	REFUSED(image->socket.first, 1, "bad path");
	REFUSED(image->socket.length, UINT32_MAX, "bad path");
	REFUSED(strings[0], 'x', "bad path");
	REFUSED(strings[1], '\n', "bad path");
	REFUSED(image->sections[IMAGE_RULES].offset, 0, where);
	REFUSED(image->sections[IMAGE_RULES].count, UINT32_MAX,
	    "a section goes beyond the end");
	REFUSED(interfaces[0].name[0], '"', names);
	REFUSED(interfaces[0].name[1], '*', names);
	REFUSED(interfaces[1].name[1], '1', names);
	REFUSED(interfaces[1].name[9], '1', names);
	REFUSED(sets[0].range4.count, 1,
	    "a set's ranges are not where they must be");
	REFUSED(range4s[0].first, 0xffffffff, order);
	REFUSED(range4s[1].first, 0x0b000000, order);
	REFUSED(rules[0].action, 3, kind);
	REFUSED(rules[0].protos, 0, kind);
	REFUSED(rules[0].protos, 4, kind);
	REFUSED(rules[0].mode, 3, kind);
	REFUSED(rules[1].mode, 1, odd);
	REFUSED(rules[1].idle_ms, 1, odd);
	REFUSED(rules[0].source, 2, kind);
	REFUSED(rules[0].source, 1, odd);
	REFUSED(rules[0].limits.flows[0], 1, odd);
	REFUSED(rules[0].limits.rate[0].per_s, 1, odd);
	REFUSED(rules[2].limits.flows[1], LIMIT_COUNT_MAX + 1, odd);
	REFUSED(rules[2].limits.rate[1].count, 1, odd);
	REFUSED(excl[0].limits.rate[1].count, 1, excluded);
	REFUSED(rules[0].domains, 2, odd);
	REFUSED(rules[0].to.count, 1, "a rule's addresses are not in order");
	REFUSED(refs[0], 99, "a rule's addresses are not in order");
	REFUSED(ports[0].last, 9, "a rule's ports are not in order");
	REFUSED(rules[0].text.length, 3, "a rule's text is not in order");
	REFUSED(excl[0].action, FLOW_ACTION_BLOCK, excluded);
	REFUSED(excl[0].mode, 1, excluded);
	REFUSED(excl[0].idle_ms, 1, excluded);
	REFUSED(excl[0].protos, 0, excluded);
	REFUSED(excl[0].protos, 7, excluded);
	REFUSED(excl[1].protos, 5, excluded);
	REFUSED(excl[1].protos, 8, excluded);
	REFUSED(excl[0].source, 1, excluded);
	REFUSED(excl[0].domains, 0, excluded);
	REFUSED(excl[0].to.count, 1, "a rule's addresses are not in order");
	REFUSED(excl[0].ports.first, 0, "a rule's ports are not in order");
	REFUSED(excl[1].text.length, 3, "a rule's text is not in order");
	REFUSED(rules[2].ports.count, 1, "a rule's ports are not in order");
}

static void
test_what_a_rule_says_of_names_and_rows_is_checked(void **state)
{
	(void)state;
	REFUSED(rules[0].names, 8, "a rule of an unknown kind");
	REFUSED(rules[0].unlogged, 2, "a rule of an unknown kind");
	REFUSED(rules[0].reserved, 1, "reserved bytes are not zero");
	REFUSED(excl[0].names, 1, "an exclusion of an unknown kind");
	REFUSED(excl[0].unlogged, 1, "an exclusion of an unknown kind");
	REFUSED(excl[0].reserved, 1, "reserved bytes are not zero");
}

static void
test_every_field_of_an_upstream_is_checked(void **state)
{
	static const char where[] = "an upstream's addresses are not in order";
	static const char strings_odd[] =
	    "an upstream's strings are not in order";
	static const char user_odd[] = "an upstream's user is not in order";
	static const char name_odd[] = "bad name of an upstream";
	static const char odd[] = "a rule that contradicts itself";

	(void)state;
	REFUSED(upstream_of(image, 0)->name[0], '/', name_odd);
	REFUSED(upstream_of(image, 0)->name[0], 0, name_odd);
	REFUSED(upstream_of(image, 0)->name[31], 'a', name_odd);
	REFUSED(upstream_of(image, 1)->name[0], 'u', name_odd);
	REFUSED(upstream_of(image, 0)->kind, UPSTREAM_COUNT,
	    "an upstream of an unknown kind");
	REFUSED(upstream_of(image, 0)->kind, UPSTREAM_PROXY_V2, user_odd);
	REFUSED(upstream_of(image, 0)->names, 2,
	    "an upstream neither with names nor without");
	REFUSED(upstream_of(image, 0)->reserved[1], 1,
	    "reserved bytes are not zero");
	REFUSED(upstream_of(image, 0)->check_ms, LIMIT_CHECK_MIN_MS - 1,
	    "an upstream is checked too often or too seldom");
	REFUSED(upstream_of(image, 0)->check_ms, LIMIT_CHECK_MAX_MS + 1,
	    "an upstream is checked too often or too seldom");
	REFUSED(upstream_of(image, 0)->endpoints.count, 0, where);
	REFUSED(upstream_of(image, 0)->endpoints.count, UINT32_MAX, where);
	REFUSED(upstream_of(image, 1)->endpoints.first, 0, where);
	REFUSED(upstream_of(image, 1)->endpoints.count, 2, where);
	REFUSED(upstream_of(image, 0)->user.first, UINT32_MAX, strings_odd);
	REFUSED(upstream_of(image, 0)->user.length, UINT32_MAX, strings_odd);
	REFUSED(upstream_of(image, 0)->password_file.length, 1, strings_odd);
	REFUSED(endpoint_of(image, 1)->port, 0, where);
	REFUSED(endpoint_of(image, 1)->upstream, 1, where);
	REFUSED(strings[image->default_text.first], '\n',
	    "the default's text is not in order");
	REFUSED(strings[upstream_of(image, 0)->user.first], ':', user_odd);
	REFUSED(
	    strings[upstream_of(image, 0)->password_file.first], 'x', user_odd);
	REFUSED(rules[2].upstream, 2, odd);
	REFUSED(rules[0].upstream, 0, odd);
	REFUSED(excl[0].upstream, 0, "an exclusion of an unknown kind");
	REFUSED(image->settings.default_upstream, 0,
	    "the default contradicts itself");
}

static struct image_dns_server *
server_of(struct image *image, size_t i)
{
	return (struct image_dns_server *)items_of(image, IMAGE_DNS_SERVERS) +
	       i;
}

static struct image_string *
allow_of(struct image *image, size_t i)
{
	return (struct image_string *)items_of(image, IMAGE_DNS_ALLOW) + i;
}

static struct image_block *
block_of(struct image *image)
{
	return items_of(image, IMAGE_BLOCKS);
}

static struct image_dns_log *
log_of(struct image *image)
{
	return items_of(image, IMAGE_DNS_LOGS);
}

static struct image_domains *
domains_of(struct image *image)
{
	return items_of(image, IMAGE_DOMAINS);
}

static void
test_every_field_of_dns_is_checked(void **state)
{
	static const char setting[] = "unknown setting of dns";
	static const char server[] = "a server of dns is not in order";
	static const char domain[] = "a domain of dns is not in order";
	static const char block[] = "a block of dns is not in order";
	static const char file[] = "a file of dns is not in order";
	static const char log[] = "a log of dns is not in order";
	static const char number[] = "a number of dns out of range";
	static const char count[] = "bad number of servers of dns";

	(void)state;
	REFUSED(image->dns.mode, DNS_MODE_COUNT, setting);
	REFUSED(image->dns.mode, DNS_OFF, count);
	REFUSED(image->dns.mode, DNS_RECURSE, count);
	REFUSED(image->dns.mode, DNS_FORWARD, server);
	REFUSED(image->dns.validate, 2, setting);
	REFUSED(image->dns.rebind_protect, 2, setting);
	REFUSED(image->dns.random_case, 2, setting);
	REFUSED(image->dns.closed, 1U << WAY_COUNT, setting);
	REFUSED(image->dns.max_rate, LIMIT_COUNT_MAX + 1, number);
	REFUSED(image->dns.log_rest, LIMIT_COUNT_MAX + 1, number);
	REFUSED(image->dns.log_blocked, UINT32_MAX, number);
	REFUSED(log_of(image)->domains, 2, log);
	REFUSED(log_of(image)->one_in, LIMIT_COUNT_MAX + 1, log);
	REFUSED(log_of(image)->reserved[1], 1, log);
	REFUSED(server_of(image, 0)->port, 0, server);
	REFUSED(
	    server_of(image, 1)->reserved[1], 1, "reserved bytes are not zero");
	REFUSED(server_of(image, 0)->name.first, 0, server);
	REFUSED(server_of(image, 0)->name.length, 0, server);
	REFUSED(strings[server_of(image, 0)->name.first], '*', server);
	REFUSED(strings[server_of(image, 0)->name.first], 'A', server);
	REFUSED(allow_of(image, 1)->length, UINT32_MAX, domain);
	REFUSED(allow_of(image, 1)->first, 0, domain);
	REFUSED(strings[allow_of(image, 0)->first], '.', domain);
	REFUSED(
	    domains_of(image)->name[0], '/', "bad name of a list of domains");
	REFUSED(block_of(image)->domains, 2, block);
	REFUSED(block_of(image)->answer, ANSWER_COUNT, block);
	REFUSED(block_of(image)->reserved, 1, block);
	REFUSED(block_of(image)->text.length, 1, block);
	REFUSED(image->dns.trust_anchor.length, UINT32_MAX, file);
	REFUSED(image->dns.root_hints.length, 1, file);
	REFUSED(image->dns.tls_authorities.length, 1, file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settings_arrive),
		cmocka_unit_test(test_rules_arrive),
		cmocka_unit_test(test_exclusions_arrive),
		cmocka_unit_test(test_users_are_sorted_and_merged),
		cmocka_unit_test(test_local_capture_alone_needs_no_interface),
		cmocka_unit_test(
		    test_an_image_that_captures_nothing_is_refused),
		cmocka_unit_test(test_ranges_are_sorted_and_merged),
		cmocka_unit_test(test_whole_families_do_not_overflow),
		cmocka_unit_test(test_any_other_length_is_refused),
		cmocka_unit_test(test_an_unaligned_image_is_refused),
		cmocka_unit_test(test_a_changed_image_is_refused_or_harmless),
		cmocka_unit_test(test_every_field_is_checked),
		cmocka_unit_test(
		    test_what_a_rule_says_of_names_and_rows_is_checked),
		cmocka_unit_test(test_every_field_of_an_upstream_is_checked),
		cmocka_unit_test(test_every_field_of_dns_is_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
