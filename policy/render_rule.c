/* SPDX-License-Identifier: ISC */
/*
 * Rules in the kernel's words.  match.c must decide the same: a rule gives one
 * kernel rule for each family and each pair of its sources and destinations.
 */
#include "policy/render_rule.h"
#include "policy/match.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "policy/render.h"
#include "policy/render_addr.h"
#include "policy/render_limit.h"
#include "policy/render_owner.h"
#include "policy/render_told.h"
#include "schema/dns.h"

#define REJECT_TCP "\t\tmeta l4proto 6 counter reject with tcp reset\n"
#define REJECT_UDP "\t\tcounter reject with icmpx port-unreachable\n"

static const char *const refusals[] = { "default", "reset", "drop" };

void
render_refusals(struct text *text)
{
	static const char *const ends[] = {
		REJECT_TCP,
		REJECT_TCP REJECT_UDP,
		"",
	};
	static const char *const tuples[] = {
		"ip saddr . ip daddr . meta l4proto . th sport . th dport",
		"ip6 saddr . ip6 daddr . meta l4proto . th sport . th dport",
	};
	size_t i, f;

	for (i = 0; i < BLOCK_COUNT; i++)
		text_printf(text,
		    "\tchain refuse_%s {\n%s\t\tcounter drop\n\t}\n",
		    refusals[i], ends[i]);
	for (i = 0; i < BLOCK_COUNT; i++) {
		text_printf(text, "\tchain known_%s {\n", refusals[i]);
		for (f = 0; f < ADDR_FAMILIES; f++)
			text_printf(text,
			    "\t\t%s @blocked%d update @blocked%d { %s } "
			    "goto refuse_%s\n",
			    tuples[f], f == 0 ? 4 : 6, f == 0 ? 4 : 6,
			    tuples[f], refusals[i]);
		for (f = 0; f < ADDR_FAMILIES; f++)
			text_printf(text, "\t\tadd @blocked%d { %s }\n",
			    f == 0 ? 4 : 6, tuples[f]);
		text_puts(text, "\t}\n");
	}
}

static void
render_ports_match(
    const struct image *image, struct image_span span, struct text *text)
{
	const struct port_range *ports = image_ports(image, span);
	uint32_t i;

	if (span.count == 0)
		return;
	text_puts(text, span.count > 1 ? "th dport { " : "th dport ");
	for (i = 0; i < span.count; i++) {
		text_printf(text, "%s%u", i > 0 ? ", " : "", ports[i].first);
		if (ports[i].last != ports[i].first)
			text_printf(text, "-%u", ports[i].last);
	}
	text_puts(text, span.count > 1 ? " } " : " ");
}

/* The chains that decide, and where flows go that they do not block. */
struct ends {
	enum flow_capture capture;
	const char *verdict;
	const char *relay_tcp;
	const char *relay_udp;
	const char *pass_tcp;
	const char *pass_udp;
};

static const struct ends ends[FLOW_CAPTURE_COUNT] = {
	[FLOW_CAPTURE_FORWARDED] = { FLOW_CAPTURE_FORWARDED, "verdict",
	    "relay_tcp", "relayed_udp", "pass", "passed" },
	[FLOW_CAPTURE_LOCAL] = { FLOW_CAPTURE_LOCAL, "verdict_local",
	    "local_relay", "local_relay", "local_pass", "local_pass" },
};

/* Where a flow goes; rule FLOW_RULE_DEFAULT is the default. */
struct target {
	const struct ends *ends;
	unsigned int proto;
	unsigned int action;
	uint32_t rule;
	int limited;
};

/* The chain of what is not blocked. */
static const char *
target_chain(const struct target *target)
{
	const struct ends *to = target->ends;

	if (target->action == FLOW_ACTION_PASS)
		return target->proto == RULE_TCP ? to->pass_tcp : to->pass_udp;
	return target->proto == RULE_TCP ? to->relay_tcp : to->relay_udp;
}

static void
render_target(const struct target *target, struct text *text)
{
	if (target->action == FLOW_ACTION_BLOCK)
		text_printf(text, "goto block_%" PRIu32 "\n", target->rule);
	else if (target->limited)
		text_printf(text, "goto rule_%" PRIu32 "_%s\n", target->rule,
		    target_chain(target));
	else
		text_printf(text, "goto %s\n", target_chain(target));
}

/* What a line ends in. */
typedef void line_end_fn(const void *ctx, struct text *text);

struct line {
	const char *protocol; /* "" where the chain implies it */
	line_end_fn *end;
	const void *ctx;
	int told; /* only between whom DNS has told so, for that rule */
	uint32_t rule;
};

/* What is asked of both ends of a pair. */
struct pair {
	const struct addr_family *family;
	uint32_t from, to;
};

static void
render_parts(const struct image *image, const struct image_rule *rule,
    const struct line *line, const struct pair *pair, struct text *text)
{
	enum addr_part from, to;

	for (from = 0; from < ADDR_PARTS; from++)
		for (to = 0; to < ADDR_PARTS; to++) {
			if (!addr_has_part(
				image, pair->family, pair->from, from) ||
			    !addr_has_part(image, pair->family, pair->to, to))
				continue;
			text_printf(text, "\t\t%s", line->protocol);
			render_addr(image, pair->family, "saddr", pair->from,
			    from, text);
			render_addr(
			    image, pair->family, "daddr", pair->to, to, text);
			if (line->told)
				render_told(
				    image, pair->family, line->rule, text);
			render_ports_match(image, rule->ports, text);
			render_owner(image, rule, text);
			line->end(line->ctx, text);
		}
}

/* One pair of source and destination, in the families that both have. */
static void
render_pair(const struct image *image, const struct image_rule *rule,
    const struct line *line, uint32_t from, uint32_t to, struct text *text)
{
	struct pair pair = { .from = from, .to = to };
	int any = from == ADDR_ANY && to == ADDR_ANY && !line->told;
	size_t f;

	for (f = 0; f < ADDR_FAMILIES && !(any && f > 0); f++) {
		pair.family = &addr_families[f];
		render_parts(image, rule, line, &pair, text);
	}
}

static uint32_t
ref_or_any(const struct image *image, struct image_span refs, uint32_t i)
{
	return refs.count == 0 ? ADDR_ANY : image_ref(image, refs, i);
}

static void
render_rule(const struct image *image, const struct image_rule *rule,
    const struct line *line, struct text *text)
{
	uint32_t from = 0, to;

	do {
		to = 0;
		do
			render_pair(image, rule, line,
			    ref_or_any(image, rule->from, from),
			    ref_or_any(image, rule->to, to), text);
		while (++to < rule->to.count);
	} while (++from < rule->from.count);
}

static void
end_in_target(const void *ctx, struct text *text)
{
	render_target(ctx, text);
}

static void
target_set(struct target *target, const struct image *image, uint32_t number)
{
	const struct image_rule *rule = image_rule(image, number);

	target->rule = number;
	target->action = policy_kernel_action(image, rule, target->proto);
	target->limited = render_is_limited(rule);
}

/* Two protocols may have one target. */
static void
render_limited_rules(
    const struct image *image, const struct ends *to, struct text *text)
{
	struct target tcp = { .ends = to, .proto = RULE_TCP };
	struct target udp = { .ends = to, .proto = RULE_UDP };
	uint32_t i;

	for (i = 0; i < image_rule_count(image); i++) {
		const struct image_rule *rule = image_rule(image, i);

		target_set(&tcp, image, i);
		target_set(&udp, image, i);
		if (tcp.limited && (rule->protos & RULE_TCP) != 0)
			render_limited(
			    i, to->capture, target_chain(&tcp), text);
		if (udp.limited && (rule->protos & RULE_UDP) != 0 &&
		    udp.action != FLOW_ACTION_BLOCK &&
		    ((rule->protos & RULE_TCP) == 0 ||
			strcmp(target_chain(&tcp), target_chain(&udp)) != 0))
			render_limited(
			    i, to->capture, target_chain(&udp), text);
	}
}

/* Goes before what leads the rest to a relay. */
static void
render_passes_told(
    const struct image *image, const struct target *relayed, struct text *text)
{
	const struct image_rule *rule = image_rule(image, relayed->rule);
	struct target target = *relayed;
	const struct line line = { "", end_in_target, &target, 1,
		relayed->rule };

	target.action = rule->action;
	if (rule->by_dns)
		render_rule(image, rule, &line, text);
}

static void
render_verdict(const struct image *image, const struct ends *to,
    unsigned int proto, struct text *text)
{
	struct target target = { .ends = to, .proto = proto };
	const struct line line = { "", end_in_target, &target, 0, 0 };
	uint32_t i;

	if (image_way_is_closed(image, WAY_ENCRYPTED))
		text_printf(text, "\t\tth dport %d goto block_%u\n",
		    DNS_TLS_PORT, DNS_RULE_WAY + WAY_ENCRYPTED);
	for (i = 0; i < image_rule_count(image); i++) {
		const struct image_rule *rule = image_rule(image, i);

		target_set(&target, image, i);
		/* What is forwarded has no socket here. */
		if ((rule->protos & proto) == 0 ||
		    (to->capture != FLOW_CAPTURE_LOCAL &&
			image_has_owner(rule)))
			continue;
		render_passes_told(image, &target, text);
		render_rule(image, rule, &line, text);
	}
	target.action =
	    image_action(image, proto, image_settings(image)->default_action,
		image_settings(image)->default_upstream);
	target.rule = FLOW_RULE_DEFAULT;
	target.limited = 0;
	text_puts(text, "\t\t");
	render_target(&target, text);
}

/* Nobody asks whether a flow without a row is known. */
static void
render_block(const struct image *image, uint32_t number, unsigned int mode,
    struct text *text)
{
	const struct image_rule *rule = image_rule(image, number);

	text_printf(text, "\tchain block_%" PRIu32 " {\n", number);
	if (rule != NULL && rule->unlogged)
		text_puts(text, "\t\tcounter\n");
	else
		text_printf(text,
		    "\t\tjump known_%s\n"
		    "\t\tlog prefix \"%" PRIu32 ".%" PRIu32 "\" group %d\n",
		    refusals[mode], image_settings(image)->generation, number,
		    RENDER_LOG_GROUP);
	text_printf(text, "\t\tgoto refuse_%s\n\t}\n", refusals[mode]);
}

/* Something of what it decides. */
static int
blocks(const struct image *image, unsigned int protos, unsigned int action,
    uint16_t upstream)
{
	return action == FLOW_ACTION_BLOCK ||
	       image_action(image, protos & RULE_UDP, action, upstream) ==
		   FLOW_ACTION_BLOCK;
}

void
render_blocks(const struct image *image, struct text *text)
{
	const struct image_settings *settings = image_settings(image);
	uint32_t i;

	for (i = 0; i < image_rule_count(image); i++) {
		const struct image_rule *rule = image_rule(image, i);

		if (!image_rule_needs_name(rule) &&
		    blocks(image, rule->protos, rule->action, rule->upstream))
			render_block(image, i, rule->mode, text);
	}
	if (image_way_is_closed(image, WAY_ENCRYPTED))
		render_block(
		    image, DNS_RULE_WAY + WAY_ENCRYPTED, BLOCK_RESET, text);
	if (blocks(image, RULE_PROTOS, settings->default_action,
		settings->default_upstream))
		render_block(image, FLOW_RULE_DEFAULT, BLOCK_DEFAULT, text);
}

void
render_verdicts(const struct image *image, enum flow_capture capture,
    enum render_lease lease, struct text *text)
{
	static const struct {
		const char *word;
		unsigned int proto;
	} protos[] = { { "tcp", RULE_TCP }, { "udp", RULE_UDP } };
	const struct ends *to = &ends[capture];
	struct target pass = { .ends = to, .action = FLOW_ACTION_PASS };
	size_t i;

	if (lease != RENDER_PAUSE)
		render_limited_rules(image, to, text);
	for (i = 0; i < sizeof(protos) / sizeof(protos[0]); i++) {
		text_printf(
		    text, "\tchain %s_%s {\n", to->verdict, protos[i].word);
		pass.proto = protos[i].proto;
		if (lease == RENDER_PAUSE) {
			text_puts(text, "\t\t");
			render_target(&pass, text);
		} else {
			render_verdict(image, to, protos[i].proto, text);
		}
		text_puts(text, "\t}\n");
	}
}

static void
end_in_words(const void *ctx, struct text *text)
{
	text_printf(text, "%s\n", (const char *)ctx);
}

void
render_exclusions(const struct image *image, enum flow_capture capture,
    const char *verdict, const char *owned, struct text *text)
{
	static const char *const protocols[] = {
		[RULE_TCP] = "meta l4proto 6 ",
		[RULE_UDP] = "meta l4proto 17 ",
		[RULE_PROTOS] = "meta l4proto { 6, 17 } ",
		[RULE_PROTOS | RULE_OTHER] = "",
	};
	struct line line = { .end = end_in_words };
	uint32_t i;

	for (i = 0; i < image_exclusion_count(image); i++) {
		const struct image_rule *exclusion = image_exclusion(image, i);

		if (image_has_owner(exclusion) && capture != FLOW_CAPTURE_LOCAL)
			continue;
		line.protocol = protocols[exclusion->protos];
		line.ctx = image_has_owner(exclusion) ? owned : verdict;
		render_rule(image, exclusion, &line, text);
	}
}
