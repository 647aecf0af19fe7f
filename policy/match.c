/* SPDX-License-Identifier: ISC */
/* The first rule that matches decides.  Pure. */
#include "policy/match.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "schema/dns.h"

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
match_id(const struct image *image, struct image_span span, uint32_t id)
{
	const struct uid_range *ids = image_owners(image, span);
	uint32_t i;

	for (i = 0; i < span.count; i++)
		if (id >= ids[i].first && id <= ids[i].last)
			return 1;
	return span.count == 0;
}

static int
match_owner(const struct image *image, const struct image_rule *rule,
    const struct policy_owner *owner)
{
	if (!image_has_owner(rule))
		return 1;
	return owner != NULL && match_id(image, rule->users, owner->uid) &&
	       match_id(image, rule->groups, owner->gid);
}

/* All but the name. */
static enum policy_fit
fit_first(const struct image *image, const struct image_rule *rule,
    unsigned int proto, const struct policy_query *query)
{
	if ((rule->protos & proto) == 0)
		return POLICY_OTHER_PROTOCOL;
	if (!match_port(image, rule->ports, query->dport))
		return POLICY_OTHER_PORT;
	if (!match_owner(image, rule, query->owner))
		return POLICY_OTHER_OWNER;
	if (!match_addr(image, rule->from, &query->src))
		return POLICY_OTHER_SOURCE;
	if (!match_addr(image, rule->to, &query->dst))
		return POLICY_OTHER_DESTINATION;
	return POLICY_FITS;
}

int
policy_exclusion(
    const struct image *image, const struct policy_query *query, uint32_t *i)
{
	unsigned int proto = proto_bit(query->proto);

	for (*i = 0; *i < image_exclusion_count(image); (*i)++)
		if (fit_first(image, image_exclusion(image, *i), proto,
			query) == POLICY_FITS)
			return 1;
	return 0;
}

int
policy_excluded(const struct image *image, const struct policy_query *query)
{
	uint32_t i;

	return policy_exclusion(image, query, &i);
}

/* Names are looked up when the first rule asks, for all of them. */
struct lookup {
	int done;
	struct domain_set lists;
};

static int
match_domains(
    const struct policy_query *query, uint16_t list, struct lookup *lookup)
{
	if (!lookup->done)
		domain_index_find_any(query->index, query->host,
		    query->aliases != NULL ? query->aliases : "",
		    &lookup->lists);
	lookup->done = 1;
	return domain_set_has(&lookup->lists, list);
}

/* What the rule asks about the name is not known. */
static int
lacks_name(const struct image_rule *rule, const struct policy_query *query)
{
	return (rule->domains != DOMAINS_NONE && query->host == NULL) ||
	       (rule->names != 0 && query->name == 0);
}

static enum policy_fit
fit(const struct image *image, const struct image_rule *rule,
    unsigned int proto, const struct policy_query *query, struct lookup *lookup)
{
	enum policy_fit first = fit_first(image, rule, proto, query);

	if (first != POLICY_FITS)
		return first;
	if (query->name != 0 && rule->names != 0 &&
	    (rule->names & query->name) == 0)
		return POLICY_OTHER_AGREEMENT;
	if (lacks_name(rule, query))
		return POLICY_NEEDS_NAME;
	if (rule->domains != DOMAINS_NONE &&
	    !match_domains(query, rule->domains, lookup))
		return POLICY_OTHER_NAME;
	return POLICY_FITS;
}

enum policy_fit
policy_fit(const struct image *image, const struct image_rule *rule,
    const struct policy_query *query)
{
	struct lookup lookup = { .done = 0 };

	return fit(image, rule, proto_bit(query->proto), query, &lookup);
}

static void
decide(const struct image *image, struct policy_verdict *verdict,
    unsigned int proto, uint32_t i, const struct image_rule *rule)
{
	verdict->action =
	    image_action(image, proto, rule->action, rule->upstream);
	verdict->rule = (uint16_t)i;
	verdict->upstream = rule->upstream;
	verdict->item = rule;
}

struct policy_verdict
policy_match_rules(const struct image *image, const struct policy_query *query)
{
	struct policy_verdict verdict = { FLOW_ACTION_PASS, FLOW_RULE_DEFAULT,
		UPSTREAM_NONE, NULL, 0 };
	unsigned int proto = proto_bit(query->proto);
	struct lookup lookup = { .done = 0 };
	uint32_t i;

	if (proto == RULE_OTHER)
		return verdict;
	for (i = 0; i < image_rule_count(image); i++) {
		const struct image_rule *rule = image_rule(image, i);

		switch (fit(image, rule, proto, query, &lookup)) {
		case POLICY_FITS:
			decide(image, &verdict, proto, i, rule);
			return verdict;
		case POLICY_NEEDS_NAME:
			decide(image, &verdict, proto, i, rule);
			verdict.action = FLOW_ACTION_RELAY;
			verdict.upstream = UPSTREAM_NONE;
			verdict.needs_name = 1;
			return verdict;
		default:
			break;
		}
	}
	verdict.upstream = image_settings(image)->default_upstream;
	verdict.action = image_action(image, proto,
	    image_settings(image)->default_action, verdict.upstream);
	return verdict;
}

struct policy_verdict
policy_match(const struct image *image, const struct policy_query *query)
{
	static const struct policy_verdict closed = { FLOW_ACTION_BLOCK,
		DNS_RULE_WAY + WAY_ENCRYPTED, UPSTREAM_NONE, NULL, 0 };

	if (query->dport == DNS_TLS_PORT &&
	    proto_bit(query->proto) != RULE_OTHER &&
	    image_way_is_closed(image, WAY_ENCRYPTED))
		return closed;
	return policy_match_rules(image, query);
}

const struct image_rule *
policy_needs_name(const struct image *image, const struct policy_query *query)
{
	struct policy_query unnamed = *query;
	struct policy_verdict verdict;

	unnamed.host = NULL;
	unnamed.name = 0;
	verdict = policy_match(image, &unnamed);
	return verdict.needs_name ? verdict.item : NULL;
}

int
policy_between(const struct image *image, const struct image_rule *rule,
    const struct addr *src, const struct addr *dst)
{
	return match_addr(image, rule->from, src) &&
	       match_addr(image, rule->to, dst);
}

unsigned int
policy_kernel_action(const struct image *image, const struct image_rule *rule,
    unsigned int proto)
{
	if (image_rule_needs_name(rule))
		return FLOW_ACTION_RELAY;
	return image_action(image, proto, rule->action, rule->upstream);
}
