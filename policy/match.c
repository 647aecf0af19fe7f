/* SPDX-License-Identifier: ISC */
/* The first rule that matches decides.  Pure. */
#include "policy/match.h"

#include <netinet/in.h>
#include <stddef.h>

static unsigned int
proto_bit(uint8_t proto)
{
	if (proto == IPPROTO_TCP)
		return RULE_TCP;
	return proto == IPPROTO_UDP ? RULE_UDP : RULE_OTHER;
}

static int
match_addr(
    const struct image *image, struct image_span refs, const struct addr *addr)
{
	uint32_t i;

	for (i = 0; i < refs.count; i++)
		if (image_set_contains(image, image_ref(image, refs, i), addr))
			return 1;
	return refs.count == 0;
}

static int
match_port(const struct image *image, struct image_span span, uint16_t port)
{
	const struct port_range *ports = image_ports(image, span);
	uint32_t i;

	for (i = 0; i < span.count; i++)
		if (port >= ports[i].first && port <= ports[i].last)
			return 1;
	return span.count == 0;
}

static int
match_rule(const struct image *image, const struct image_rule *rule,
    unsigned int proto, const struct policy_query *query)
{
	return (rule->protos & proto) != 0 &&
	       match_port(image, rule->ports, query->dport) &&
	       match_addr(image, rule->from, &query->src) &&
	       match_addr(image, rule->to, &query->dst);
}

int
policy_excluded(const struct image *image, const struct policy_query *query)
{
	unsigned int proto = proto_bit(query->proto);
	uint32_t i;

	for (i = 0; i < image_exclusion_count(image); i++)
		if (match_rule(image, image_exclusion(image, i), proto, query))
			return 1;
	return 0;
}

struct policy_verdict
policy_match(const struct image *image, const struct policy_query *query)
{
	struct policy_verdict verdict = { FLOW_ACTION_PASS, FLOW_RULE_DEFAULT,
		UPSTREAM_NONE, NULL };
	unsigned int proto = proto_bit(query->proto);
	uint32_t i;

	if (proto == RULE_OTHER)
		return verdict;
	for (i = 0; i < image_rule_count(image); i++) {
		const struct image_rule *rule = image_rule(image, i);

		if (!match_rule(image, rule, proto, query))
			continue;
		verdict.action =
		    image_action(image, proto, rule->action, rule->upstream);
		verdict.rule = (uint16_t)i;
		verdict.upstream = rule->upstream;
		verdict.item = rule;
		return verdict;
	}
	verdict.upstream = image_settings(image)->default_upstream;
	verdict.action = image_action(image, proto,
	    image_settings(image)->default_action, verdict.upstream);
	return verdict;
}
