/* SPDX-License-Identifier: ISC */
/*
 * Rules in the kernel's words.  match.c must decide the same: a rule gives one
 * kernel rule for each family and each pair of its sources and destinations.
 */
#include "policy/render_rule.h"
#include "policy/match.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "policy/render.h"
#include "policy/render_limit.h"

#define NO_REF UINT32_MAX /* any address */
#define ELEMENTS_PER_LINE 4

#define REJECT_TCP "\t\tmeta l4proto 6 counter reject with tcp reset\n"
#define REJECT_UDP "\t\tcounter reject with icmpx port-unreachable\n"

static const char *const refusals[] = { "default", "reset", "drop" };

struct family {
	int v6;
	const char *keyword;
	const char *type;
};

static const struct family families[] = {
	{ 0, "ip", "ipv4_addr" },
	{ 1, "ip6", "ipv6_addr" },
};
#define FAMILIES 2

static uint32_t
range_count(
    const struct image *image, const struct family *family, uint32_t ref)
{
	uint32_t count;

	if (family->v6)
		image_ranges6(image, ref, &count);
	else
		image_ranges4(image, ref, &count);
	return count;
}

static void
store32(uint8_t *byte, uint32_t value)
{
	value = htonl(value);
	memcpy(byte, &value, sizeof(value));
}

/* The i-th range of a set in one form for both families. */
static void
range_at(const struct image *image, const struct family *family, uint32_t ref,
    uint32_t i, struct addr *first, struct addr *last)
{
	static const struct addr mapped = { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	    0xff, 0xff } };
	const struct image_range6 *range6;
	const struct image_range4 *range4;
	uint32_t count;

	if (family->v6) {
		range6 = &image_ranges6(image, ref, &count)[i];
		memcpy(first->byte, range6->first, sizeof(first->byte));
		memcpy(last->byte, range6->last, sizeof(last->byte));
		return;
	}
	range4 = &image_ranges4(image, ref, &count)[i];
	*first = *last = mapped;
	store32(first->byte + 12, range4->first);
	store32(last->byte + 12, range4->last);
}

/* Bits of the prefix that the range is, or -1. */
static int
range_bits(const struct addr *first, const struct addr *last)
{
	int bit, bits = 0;

	while (bits < 128 && ((first->byte[bits / 8] ^ last->byte[bits / 8]) &
				 0x80 >> bits % 8) == 0)
		bits++;
	for (bit = bits; bit < 128; bit++)
		if ((first->byte[bit / 8] & 0x80 >> bit % 8) != 0 ||
		    (last->byte[bit / 8] & 0x80 >> bit % 8) == 0)
			return -1;
	return bits;
}

/* IPv6 text of its own, as the mapped block may be the end of a range. */
static void
addr_puts(
    const struct family *family, const struct addr *addr, struct text *text)
{
	char buf[INET6_ADDRSTRLEN] = "";

	inet_ntop(family->v6 ? AF_INET6 : AF_INET,
	    addr->byte + (family->v6 ? 0 : 12), buf, sizeof(buf));
	text_puts(text, buf);
}

static void
render_range(const struct image *image, const struct family *family,
    uint32_t ref, uint32_t i, struct text *text)
{
	struct addr first, last;
	int bits;

	range_at(image, family, ref, i, &first, &last);
	addr_puts(family, &first, text);
	bits = range_bits(&first, &last);
	if (bits == -1) {
		text_puts(text, "-");
		addr_puts(family, &last, text);
	} else if (bits < 128) {
		text_printf(text, "/%d", family->v6 ? bits : bits - 96);
	}
}

/* The text between two elements of a list. */
static const char *
separator(uint32_t i)
{
	if (i == 0)
		return "";
	return i % ELEMENTS_PER_LINE == 0 ? ",\n\t\t    " : ", ";
}

static void
render_ranges(const struct image *image, const struct family *family,
    uint32_t ref, struct text *text)
{
	uint32_t i, count = range_count(image, family, ref);

	for (i = 0; i < count; i++) {
		text_puts(text, separator(i));
		render_range(image, family, ref, i, text);
	}
}

void
render_tables(const struct image *image, struct text *text)
{
	uint32_t i;
	size_t f;

	for (i = 0; i < image_table_count(image); i++)
		for (f = 0; f < FAMILIES; f++) {
			if (range_count(image, &families[f], i) == 0)
				continue;
			text_printf(text,
			    "\tset t_%s_%d {\n\t\ttype %s\n"
			    "\t\tflags interval\n\t\telements = { ",
			    image_table(image, i), families[f].v6 ? 6 : 4,
			    families[f].type);
			render_ranges(image, &families[f], i, text);
			text_puts(text, " }\n\t}\n");
		}
}

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
		for (f = 0; f < FAMILIES; f++)
			text_printf(text,
			    "\t\t%s @blocked%d update @blocked%d { %s } "
			    "goto refuse_%s\n",
			    tuples[f], f == 0 ? 4 : 6, f == 0 ? 4 : 6,
			    tuples[f], refusals[i]);
		for (f = 0; f < FAMILIES; f++)
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

/* A table by its set, prefixes of the rule's own as they are. */
static void
render_addr_match(const struct image *image, const struct family *family,
    const char *field, uint32_t ref, struct text *text)
{
	if (ref == NO_REF)
		return;
	text_printf(text, "%s %s ", family->keyword, field);
	if (ref < image_table_count(image)) {
		text_printf(text, "@t_%s_%d ", image_table(image, ref),
		    family->v6 ? 6 : 4);
		return;
	}
	if (range_count(image, family, ref) > 1) {
		text_puts(text, "{ ");
		render_ranges(image, family, ref, text);
		text_puts(text, " } ");
	} else {
		render_range(image, family, ref, 0, text);
		text_puts(text, " ");
	}
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

static int
is_empty(const struct image *image, const struct family *family, uint32_t ref)
{
	return ref != NO_REF && range_count(image, family, ref) == 0;
}

/* What a line ends in. */
typedef void line_end_fn(const void *ctx, struct text *text);

struct line {
	const char *protocol; /* "" where the chain implies it */
	line_end_fn *end;
	const void *ctx;
};

/* One pair of source and destination, in the families that both have. */
static void
render_pair(const struct image *image, const struct image_rule *rule,
    const struct line *line, uint32_t from, uint32_t to, struct text *text)
{
	int any = from == NO_REF && to == NO_REF;
	size_t f;

	for (f = 0; f < FAMILIES; f++) {
		if (is_empty(image, &families[f], from) ||
		    is_empty(image, &families[f], to) || (any && f > 0))
			continue;
		text_printf(text, "\t\t%s", line->protocol);
		render_addr_match(image, &families[f], "saddr", from, text);
		render_addr_match(image, &families[f], "daddr", to, text);
		render_ports_match(image, rule->ports, text);
		line->end(line->ctx, text);
	}
}

static uint32_t
ref_or_any(const struct image *image, struct image_span refs, uint32_t i)
{
	return refs.count == 0 ? NO_REF : image_ref(image, refs, i);
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

static void
render_verdict(const struct image *image, const struct ends *to,
    unsigned int proto, struct text *text)
{
	struct target target = { .ends = to, .proto = proto };
	const struct line line = { "", end_in_target, &target };
	uint32_t i;

	for (i = 0; i < image_rule_count(image); i++) {
		const struct image_rule *rule = image_rule(image, i);

		target_set(&target, image, i);
		if ((rule->protos & proto) != 0)
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

		if (rule->domains == DOMAINS_NONE &&
		    blocks(image, rule->protos, rule->action, rule->upstream))
			render_block(image, i, rule->mode, text);
	}
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
render_exclusions(
    const struct image *image, const char *verdict, struct text *text)
{
	static const char *const protocols[] = {
		[RULE_TCP] = "meta l4proto 6 ",
		[RULE_UDP] = "meta l4proto 17 ",
		[RULE_PROTOS] = "meta l4proto { 6, 17 } ",
		[RULE_PROTOS | RULE_OTHER] = "",
	};
	struct line line = { .end = end_in_words, .ctx = verdict };
	uint32_t i;

	for (i = 0; i < image_exclusion_count(image); i++) {
		line.protocol = protocols[image_exclusion(image, i)->protos];
		render_rule(image, image_exclusion(image, i), &line, text);
	}
}
