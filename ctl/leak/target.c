/* SPDX-License-Identifier: ISC */
#include "ctl/leak/target.h"

#include <arpa/inet.h>
#include <string.h>

#define PORT_ANY 7707 /* of no well-known service */
#define RANGES_OF_SET 2
#define EXCLUSIONS_MOST 4 /* that leave room for rules */

/* What nobody can send to through a gateway, or what the rig itself uses. */
static const char *const reserved[] = { "0.0.0.0/8", "127.0.0.0/8",
	"169.254.0.0/16", "198.18.0.0/15", "224.0.0.0/3", "::/8", "fe80::/10",
	"fd74:7078::/32", "ff00::/8" };

static int
is_usable(const struct addr *addr)
{
	struct prefix prefix;
	size_t i;

	for (i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (prefix_parse(reserved[i], &prefix) == 0 &&
		    prefix_contains(&prefix, addr))
			return 0;
	return 1;
}

static int
is_in(const struct target_list *list, const struct addr *addr)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (addr_compare(&list->at[i], addr) == 0)
			return 1;
	return 0;
}

static void
take(struct target_list lists[2], const struct addr *addr)
{
	struct target_list *list = &lists[!addr_is_v4(addr)];

	if (list->count < TARGET_MOST && is_usable(addr) && !is_in(list, addr))
		list->at[list->count++] = *addr;
}

static uint32_t
inside4(const struct image_range4 *range)
{
	return range->first == range->last ? range->first : range->first + 1;
}

/* The second address of a range; a first may be that of a network. */
static void
take_set(const struct image *image, uint32_t set, struct target_list lists[2])
{
	const struct image_range4 *range4;
	const struct image_range6 *range6;
	struct addr addr;
	uint32_t i, count, value;

	range4 = image_ranges4(image, set, &count);
	for (i = 0; i < count && i < RANGES_OF_SET; i++) {
		memset(addr.byte, 0, 10);
		memset(addr.byte + 10, 0xff, 2);
		value = htonl(inside4(&range4[i]));
		memcpy(addr.byte + 12, &value, 4);
		take(lists, &addr);
	}
	range6 = image_ranges6(image, set, &count);
	for (i = 0; i < count && i < RANGES_OF_SET; i++) {
		memcpy(addr.byte, range6[i].first, 16);
		if (memcmp(range6[i].first, range6[i].last, 16) != 0)
			addr.byte[15] |= 1;
		if (!addr_is_v4(&addr))
			take(lists, &addr);
	}
}

static void
take_sets(const struct image *image, struct image_span refs,
    struct target_list lists[2])
{
	uint32_t i;

	for (i = 0; i < refs.count; i++)
		take_set(image, image_ref(image, refs, i), lists);
}

static void
take_port(struct target_candidates *candidates, uint16_t port)
{
	size_t i;

	for (i = 0; i < candidates->nports; i++)
		if (candidates->ports[i] == port)
			return;
	if (candidates->nports < TARGET_MOST && port != 0)
		candidates->ports[candidates->nports++] = port;
}

static void
take_ports(struct target_candidates *candidates, const struct image *image,
    const struct image_rule *rule)
{
	const struct port_range *ports = image_ports(image, rule->ports);
	uint32_t i;

	for (i = 0; i < rule->ports.count; i++)
		take_port(candidates, ports[i].last);
}

static void
take_rule(const struct image *image, const struct image_rule *rule,
    int from_rules, struct target_candidates *candidates)
{
	take_sets(image, rule->to, candidates->dst);
	take_ports(candidates, image, rule);
	if (from_rules)
		take_sets(image, rule->from, candidates->src);
}

void
target_collect(const struct image *image, const struct addr own[2],
    int from_rules, struct target_candidates *candidates)
{
	static const char *const texts[] = { "203.0.113.77",
		"2001:db8:77::77" };
	struct prefix prefix;
	size_t family, i;
	uint32_t rule;

	memset(candidates, 0, sizeof(*candidates));
	take_port(candidates, PORT_ANY);
	for (family = 0; family < 2; family++)
		if (prefix_parse(texts[family], &prefix) == 0)
			take(candidates->dst, &prefix.addr);
	for (rule = 0;
	     rule < image_exclusion_count(image) && rule < EXCLUSIONS_MOST;
	     rule++)
		take_rule(image, image_exclusion(image, rule), from_rules,
		    candidates);
	for (rule = 0; rule < image_rule_count(image); rule++)
		take_rule(
		    image, image_rule(image, rule), from_rules, candidates);
	for (family = 0; family < 2; family++) {
		struct target_list *src = &candidates->src[family], all = *src;

		src->at[0] = own[family];
		src->count = 1;
		for (i = 0; i < all.count && src->count < TARGET_MOST; i++)
			if (!is_in(&candidates->dst[family], &all.at[i]))
				src->at[src->count++] = all.at[i];
	}
}

int
target_find(const struct image *image,
    const struct target_candidates *candidates, int v6, uint8_t proto,
    uint16_t port, enum judge_class wanted, struct target *target)
{
	const struct target_list *src = &candidates->src[v6];
	const struct target_list *dst = &candidates->dst[v6];
	const uint16_t *ports = port == 0 ? candidates->ports : &port;
	size_t nports = port == 0 ? candidates->nports : 1;
	size_t i, n = src->count * dst->count * nports;

	for (i = 0; i < n; i++) {
		target->src = src->at[i / (dst->count * nports)];
		target->dst = dst->at[i / nports % dst->count];
		target->dport = ports[i % nports];
		if (judge_rules(image, v6, proto, &target->src, &target->dst,
			target->dport) == wanted)
			return 1;
	}
	return 0;
}
