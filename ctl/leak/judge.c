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
		[JUDGE_RELAY] = BARE,
		[JUDGE_PASS] = BARE | ARMED | FAILING,
		[JUDGE_OTHER] = ANY,
	},
	[ON_FAILURE_OPEN] = {
		[JUDGE_NEVER] = 0,
		[JUDGE_BLOCK] = UNARMED,
		[JUDGE_RELAY] = UNARMED,
		[JUDGE_PASS] = ANY,
		[JUDGE_OTHER] = ANY,
	},
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
		return class == JUDGE_RELAY ? ALLOW : DENY;
	return (direct[on_failure][class] & 1U << stage) != 0 ? ALLOW : DENY;
}

enum judge_class
judge_packet(const struct image *image, int v6, uint8_t proto,
    const struct addr *src, const struct addr *dst, uint16_t dport,
    const struct policy_owner *owner)
{
	static const enum judge_class classes[FLOW_ACTION_COUNT] = {
		[FLOW_ACTION_RELAY] = JUDGE_RELAY,
		[FLOW_ACTION_PASS] = JUDGE_PASS,
		[FLOW_ACTION_BLOCK] = JUDGE_BLOCK,
	};
	struct policy_query query = { proto, *src, *dst, dport,
		.owner = owner };
	int is_mapped = v6 && addr_is_v4(dst);

	if (!is_mapped && policy_excluded(image, &query))
		return JUDGE_OTHER;
	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP)
		return image_settings(image)->other_protocols == OTHER_BLOCK
			   ? JUDGE_BLOCK
			   : JUDGE_OTHER;
	if (is_mapped)
		return JUDGE_BLOCK;
	return classes[policy_match(image, &query).action];
}
