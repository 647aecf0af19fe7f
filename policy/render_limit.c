/* SPDX-License-Identifier: ISC */
/*
 * Limits on the rate of new flows.  Each client of a rule has an allowance of
 * its own in a set of the kernel's that makes its elements from packets; those
 * for whom the set has no room share one.
 */
#include "policy/render_limit.h"

#include <inttypes.h>

#include "policy/render.h"

#define SET_TIMEOUT_MIN_S 10

/* The field says who is one client, as addr_client() does for the relays. */
static const struct key {
	const char *suffix; /* of the set's name */
	const char *type;
	const char *field;
	enum flow_capture capture;
} keys[] = {
	{ "4", "ipv4_addr", "ip saddr", FLOW_CAPTURE_FORWARDED },
	{ "6", "ipv6_addr",
	    "ip6 saddr & ffff:ffff:ffff:ffff::", FLOW_CAPTURE_FORWARDED },
	{ "_user", "uid", "meta skuid", FLOW_CAPTURE_LOCAL },
};

static const char *const chains[FLOW_CAPTURE_COUNT] = {
	[FLOW_CAPTURE_FORWARDED] = "rate",
	[FLOW_CAPTURE_LOCAL] = "rate_local",
};

static int
is_captured(const struct image *image, enum flow_capture capture)
{
	if (capture == FLOW_CAPTURE_LOCAL)
		return image_settings(image)->local != LOCAL_NONE;
	return image_interface_count(image) > 0;
}

int
render_is_limited(const struct image_rule *rule)
{
	return rule->limits.rate[LIMIT_RULE].count != 0 ||
	       rule->limits.rate[LIMIT_CLIENT].count != 0;
}

static void
render_over(const struct rule_rate *rate, struct text *text)
{
	text_printf(text, "rate over %" PRIu32 "/%s burst %" PRIu32 " packets",
	    rate->count,
	    rate->per_s == 1	? "second"
	    : rate->per_s == 60 ? "minute"
				: "hour",
	    rate->count);
}

/* After its time an element would have its whole allowance again anyhow. */
static void
client_set(const struct key *key, uint32_t rule, const struct rule_rate *rate,
    struct text *text)
{
	uint32_t timeout_s = rate->per_s * 2;

	if (timeout_s < SET_TIMEOUT_MIN_S)
		timeout_s = SET_TIMEOUT_MIN_S;
	text_printf(text,
	    "\tset clients_%" PRIu32 "%s {\n\t\ttype %s\n\t\tsize %d\n"
	    "\t\tflags dynamic,timeout\n\t\ttimeout %" PRIu32 "s\n\t}\n",
	    rule, key->suffix, key->type, RENDER_CLIENTS_MAX, timeout_s);
}

void
render_limit_sets(const struct image *image, struct text *text)
{
	const struct rule_limits *limits;
	uint32_t rule;
	size_t i;

	for (rule = 0; rule < image_rule_count(image); rule++) {
		limits = &image_rule(image, rule)->limits;
		if (limits->rate[LIMIT_CLIENT].count == 0)
			continue;
		for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			if (is_captured(image, keys[i].capture))
				client_set(&keys[i], rule,
				    &limits->rate[LIMIT_CLIENT], text);
	}
}

static void
client_lines(const struct key *key, uint32_t rule, const struct rule_rate *rate,
    struct text *text)
{
	text_printf(text, "\t\tupdate @clients_%" PRIu32 "%s { %s limit ", rule,
	    key->suffix, key->field);
	render_over(rate, text);
	text_printf(text, " } goto over_%" PRIu32 "\n", rule);
	text_printf(text, "\t\t%s != @clients_%" PRIu32 "%s limit ", key->field,
	    rule, key->suffix);
	render_over(rate, text);
	text_printf(text, " goto over_%" PRIu32 "\n", rule);
}

static void
rate_chain(const struct image *image, uint32_t rule, enum flow_capture capture,
    struct text *text)
{
	const struct rule_limits *limits = &image_rule(image, rule)->limits;
	size_t i;

	text_printf(text, "\tchain %s_%" PRIu32 " {\n", chains[capture], rule);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (limits->rate[LIMIT_CLIENT].count != 0 &&
		    keys[i].capture == capture)
			client_lines(
			    &keys[i], rule, &limits->rate[LIMIT_CLIENT], text);
	if (limits->rate[LIMIT_RULE].count != 0)
		text_printf(text, "\t\tgoto rate_all_%" PRIu32 "\n", rule);
	text_puts(text, "\t}\n");
}

/* One allowance for what is forwarded and what is local. */
static void
rate_all_chain(uint32_t rule, const struct rule_rate *rate, struct text *text)
{
	text_printf(text, "\tchain rate_all_%" PRIu32 " {\n\t\tlimit ", rule);
	render_over(rate, text);
	text_printf(text, " goto over_%" PRIu32 "\n\t}\n", rule);
}

static void
over_chain(const struct image *image, uint32_t rule, struct text *text)
{
	text_printf(text, "\tchain over_%" PRIu32 " {\n", rule);
	if (image_rule(image, rule)->unlogged)
		text_puts(text, "\t\tcounter\n");
	else
		text_printf(text,
		    "\t\tjump known_default\n"
		    "\t\tlog prefix \"%" PRIu32 ".%" PRIu32 ".rate\" "
		    "group %d\n",
		    image_settings(image)->generation, rule, RENDER_LOG_GROUP);
	text_puts(text, "\t\tgoto refuse_default\n\t}\n");
}

void
render_limits(const struct image *image, struct text *text)
{
	const struct rule_rate *all;
	unsigned int capture;
	uint32_t rule;

	for (rule = 0; rule < image_rule_count(image); rule++) {
		if (!render_is_limited(image_rule(image, rule)))
			continue;
		over_chain(image, rule, text);
		all = &image_rule(image, rule)->limits.rate[LIMIT_RULE];
		if (all->count != 0)
			rate_all_chain(rule, all, text);
		for (capture = 0; capture < FLOW_CAPTURE_COUNT; capture++)
			if (is_captured(image, capture))
				rate_chain(image, rule, capture, text);
	}
}

void
render_limited(uint32_t rule, enum flow_capture capture, const char *target,
    struct text *text)
{
	text_printf(text,
	    "\tchain rule_%" PRIu32 "_%s {\n\t\tjump %s_%" PRIu32
	    "\n\t\tgoto %s\n\t}\n",
	    rule, target, chains[capture], rule, target);
}
