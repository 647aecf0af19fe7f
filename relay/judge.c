/* SPDX-License-Identifier: ISC */
/* Reads names that clients sent; they choose among rules and nothing else. */
#include "relay/judge.h"

#include "policy/match.h"
#include "relay/denial.h"
#include "relay/limit.h"
#include "relay/names.h"
#include "relay/owner.h"
#include "relay/regime.h"
#include "relay/upstream.h"

static const struct regime *
regime_of(const struct judge *judge, const struct flow_start *start)
{
	const struct regime *now = judge->now;

	if (owner_is_asked(&now->owners, start) && !regime_has(now, start) &&
	    regime_has(judge->before, start))
		return judge->before;
	return now;
}

/* As far as any rule might ask. */
static const char *
aliases_of(const struct regime *regime, const struct flow_start *start,
    const char *host)
{
	if (host == NULL || host[0] == '\0' || regime->lists.index == NULL)
		return NULL;
	return names_aliases(start, host);
}

static struct policy_verdict
verdict_of(const struct regime *regime, const struct flow_start *start,
    const char *host, const struct policy_owner *owner)
{
	/* As a flow that has no name, or was told none, does not contradict. */
	static const unsigned int names[FLOW_AGREEMENT_COUNT] = {
		[FLOW_AGREEMENT_UNKNOWN] = RULE_NAME_UNVERIFIED,
		[FLOW_AGREEMENT_YES] = RULE_NAME_AGREES,
		[FLOW_AGREEMENT_NO] = RULE_NAME_DISAGREES,
	};
	struct policy_query query = { .proto = start->proto,
		.src = start->src,
		.dst = start->dst,
		.dport = start->dport,
		.host = host,
		.aliases = aliases_of(regime, start, host),
		.index = regime->lists.index,
		.name = start->looked ? names[start->agreement] : 0,
		.owner = owner };

	return policy_match(regime->policy.image, &query);
}

/* A decision is not the last one while it lacks a name that it depends on. */
static int
needs_name(const struct flow_start *start, const struct policy_verdict *verdict)
{
	return verdict->needs_name ||
	       (start->host == NULL && start->upstream != UPSTREAM_NONE &&
		   upstreams_names(start->upstreams, start->upstream));
}

/* host: "" when it has none, NULL when that is not known. */
static enum flow_action
decide(const struct judge *judge, struct flow_start *start, const char *host)
{
	const struct regime *regime = regime_of(judge, start);
	struct policy_owner owner;
	const struct policy_owner *known =
	    owner_find(&regime->owners, start, &owner);
	struct policy_verdict verdict = verdict_of(regime, start, host, known);

	/* Whose it may be, the kernel knew: no rule is passed over. */
	if (known == NULL && owner_is_asked(&regime->owners, start))
		verdict.action = FLOW_ACTION_BLOCK;
	start->image = regime->policy.image;
	start->rule = verdict.rule;
	start->upstreams = regime->upstreams;
	start->upstream = verdict.upstream;
	start->generation = image_settings(start->image)->generation;
	if (verdict.item != NULL) {
		start->idle_us = (int64_t)verdict.item->idle_ms * 1000;
		start->source = (enum rule_source)verdict.item->source;
	}
	/* What its name is still to decide is no rule's yet. */
	start->unlogged = verdict.item != NULL && !verdict.needs_name &&
			  verdict.item->unlogged;
	start->needs_name = (uint8_t)needs_name(start, &verdict);
	start->rule_needs_name = (uint8_t)verdict.needs_name;
	return verdict.action;
}

enum flow_action
judge_begun(const struct judge *judge, struct flow_start *start)
{
	names_find(start);
	return decide(judge, start, NULL);
}

enum flow_action
judge_named(const struct judge *judge, struct flow_start *start)
{
	enum flow_action action;

	names_find(start);
	start->looked = 1;
	action = decide(judge, start, start->host != NULL ? start->host : "");
	if (action == FLOW_ACTION_BLOCK || limit_take(judge->limit, start) == 0)
		return action;
	start->error = FLOW_ERROR_MAX_FLOWS;
	return FLOW_ACTION_BLOCK;
}

int
judge_forbids(
    const struct judge *judge, struct flow_entry *record, const char *host)
{
	struct flow_start start = record_start(record);
	const struct regime *regime = regime_of(judge, &start);
	enum flow_action action;

	if (owner_is_asked(&regime->owners, &start) &&
	    owner_is_before(&regime->owners, &start))
		return 0;
	start.looked = 1;
	action = decide(judge, &start, host);
	if (action != FLOW_ACTION_BLOCK &&
	    (start.upstream == UPSTREAM_NONE || start.rule == record->rule))
		return 0;
	record_decide(record, &start);
	return 1;
}

/*
 * The name that a flow of UDP is decided by; NULL: it has none, or sends one
 * that cannot be read, and then it might be for any.
 */
static const char *
udp_host(const struct flow_start *start)
{
	const struct sniff_name *sent = start->sent;

	if (sent != NULL && sent->host[0] != '\0')
		return sent->host;
	return sent != NULL && sent->unread ? NULL : start->host;
}

static enum udp_decision
refuse(const struct judge *judge, const struct flow_start *start)
{
	const struct image_rule *rule = image_rule(start->image, start->rule);

	if (denials_note(judge->denials, start, 0) && rule != NULL &&
	    rule->mode == BLOCK_RESET)
		return UDP_RESET;
	return UDP_OVER;
}

enum udp_decision
judge_udp(const struct judge *judge, struct flow_start *start)
{
	enum flow_action action;

	if (start->sent == NULL || start->sent->host[0] == '\0')
		names_find(start);
	else
		start->agreement =
		    names_compare(&start->src, &start->dst, start->sent->host);
	action = decide(judge, start, start->looked ? udp_host(start) : NULL);
	if (action != FLOW_ACTION_BLOCK && start->rule_needs_name) {
		if (!start->looked)
			return UDP_UNNAMED;
		action = FLOW_ACTION_BLOCK;
	}
	if (action == FLOW_ACTION_BLOCK)
		return refuse(judge, start);
	if (limit_admit(judge->limit, start) == -1)
		return UDP_OVER;
	return UDP_BEGIN;
}
