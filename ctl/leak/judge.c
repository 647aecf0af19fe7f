/* SPDX-License-Identifier: ISC */
#include "ctl/leak/judge.h"

#include <netinet/in.h>

#include "policy/match.h"

/* Stages as bits. */
#define BARE (1U << JUDGE_BARE)
#define ARMED (1U << JUDGE_ARMED)
#define FAILING (1U << JUDGE_FAILING)
#define LAPSED (1U << JUDGE_LAPSED)
#define UNARMED (BARE | FAILING | LAPSED)
#define ANY (UNARMED | ARMED)

/*
 * When a packet may arrive as it was sent.  Closed, only what passes may, and
 * that only on a live lease.  Open, everything may unless tpx is armed.
 */
static const uint8_t direct[ON_FAILURE_COUNT][JUDGE_CLASSES] = {
	[ON_FAILURE_CLOSED] = {
		[JUDGE_NEVER] = 0,
		[JUDGE_BLOCK] = BARE,
		[JUDGE_ANSWER] = BARE,
		[JUDGE_RELAY] = BARE,
		[JUDGE_PASS] = BARE | ARMED | FAILING,
		[JUDGE_OTHER] = ANY,
	},
	[ON_FAILURE_OPEN] = {
		[JUDGE_NEVER] = 0,
		[JUDGE_BLOCK] = UNARMED,
		[JUDGE_ANSWER] = UNARMED,
		[JUDGE_RELAY] = UNARMED,
		[JUDGE_PASS] = ANY,
		[JUDGE_OTHER] = ANY,
	},
};

/*
 * When it may arrive as a relay sent it.  Open, a question that finds nobody to
 * answer it yet is a flow as any other, and relays may be there already.
 */
static const uint8_t relayed[ON_FAILURE_COUNT][JUDGE_CLASSES] = {
	[ON_FAILURE_CLOSED] = { [JUDGE_RELAY] = ANY },
	[ON_FAILURE_OPEN] = { [JUDGE_RELAY] = ANY, [JUDGE_ANSWER] = UNARMED },
};

const char *
judge_stage_word(enum judge_stage stage)
{
	static const char *const words[] = {
		[JUDGE_BARE] = "bare",
		[JUDGE_ARMED] = "armed",
		[JUDGE_FAILING] = "failing or starting",
		[JUDGE_LAPSED] = "lapsed",
	};

	return words[stage];
}

enum verdict
judge_arrival(enum on_failure on_failure, enum judge_class class,
    enum judge_stage stage, enum judge_way way)
{
	if (way == JUDGE_RELAYED)
		return (relayed[on_failure][class] & 1U << stage) != 0 ? ALLOW
								       : DENY;
	return (direct[on_failure][class] & 1U << stage) != 0 ? ALLOW : DENY;
}

static const enum judge_class classes[FLOW_ACTION_COUNT] = {
	[FLOW_ACTION_RELAY] = JUDGE_RELAY,
	[FLOW_ACTION_PASS] = JUDGE_PASS,
	[FLOW_ACTION_BLOCK] = JUDGE_BLOCK,
};

/* What is said of it before any rule is asked, or JUDGE_CLASSES. */
static enum judge_class
judge_unruled(
    const struct image *image, int v6, const struct policy_query *query)
{
	int is_mapped = v6 && addr_is_v4(&query->dst);

	if (!is_mapped && policy_excluded(image, query))
		return JUDGE_OTHER;
	if (query->proto != IPPROTO_TCP && query->proto != IPPROTO_UDP)
		return image_settings(image)->other_protocols == OTHER_BLOCK
			   ? JUDGE_BLOCK
			   : JUDGE_OTHER;
	return is_mapped ? JUDGE_BLOCK : JUDGE_CLASSES;
}

enum judge_class
judge_rules(const struct image *image, int v6, uint8_t proto,
    const struct addr *src, const struct addr *dst, uint16_t dport)
{
	struct policy_query query = { proto, *src, *dst, dport };
	enum judge_class class = judge_unruled(image, v6, &query);

	if (class != JUDGE_CLASSES)
		return class;
	return classes[policy_match_rules(image, &query).action];
}

enum judge_class
judge_packet(const struct image *image, int v6, uint8_t proto,
    const struct addr *src, const struct addr *dst, uint16_t dport)
{
	struct policy_query query = { proto, *src, *dst, dport };
	enum judge_class class = judge_unruled(image, v6, &query);

	if (class != JUDGE_CLASSES)
		return class;
	if (dport == DNS_PORT && image_dns(image)->mode != DNS_OFF)
		return JUDGE_ANSWER;
	return classes[policy_match(image, &query).action];
}
