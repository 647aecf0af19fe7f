/* SPDX-License-Identifier: ISC */
/*
 * Limits on the rate of new flows.  Each client of a rule has an allowance of
 * its own in a set of the kernel's that makes its elements from packets; those
 * for whom the set has no room share one.
 *
 * What has been used up is kept when the rules are made anew, as long as one of
 * the same text and limits is among them: so it is named after these.
 */
#include "policy/render_limit.h"

#include <inttypes.h>
#include <string.h>

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

/* FNV-1a */
static uint64_t
hash(uint64_t seed, const void *bytes, size_t len)
{
	const uint8_t *byte = bytes;
	size_t i;

	for (i = 0; i < len; i++)
		seed = (seed ^ byte[i]) * 0x100000001b3ULL;
	return seed;
}

/* What stands behind RENDER_KEPT; rules that are the same share it. */
static uint64_t
kept_id(const struct image *image, uint32_t rule)
{
	const char *said = image_rule_text(image, rule);

	return hash(hash(0xcbf29ce484222325ULL, said, strlen(said)),
	    &image_rule(image, rule)->limits, sizeof(struct rule_limits));
}

/* Another rule before it has the same name. */
static int
is_repeated(const struct image *image, uint32_t rule)
{
	const struct image_rule *one = image_rule(image, rule);
	uint32_t i;

	for (i = 0; i < rule; i++)
		if (memcmp(&image_rule(image, i)->limits, &one->limits,
			sizeof(one->limits)) == 0 &&
		    strcmp(image_rule_text(image, i),
			image_rule_text(image, rule)) == 0)
			return 1;
	return 0;
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
client_set(const struct key *key, uint64_t id, const struct rule_rate *rate,
    struct text *text)
{
	uint32_t timeout_s = rate->per_s * 2;

	if (timeout_s < SET_TIMEOUT_MIN_S)
		timeout_s = SET_TIMEOUT_MIN_S;
	text_printf(text,
	    "\tset " RENDER_KEPT "%016" PRIx64 "%s {\n\t\ttype %s\n"
	    "\t\tsize %d\n\t\tflags dynamic,timeout\n"
	    "\t\ttimeout %" PRIu32 "s\n\t}\n",
	    id, key->suffix, key->type, RENDER_CLIENTS_MAX, timeout_s);
}

static void
client_sets(const struct image *image, uint32_t rule, struct text *text)
{
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (is_captured(image, keys[i].capture))
			client_set(&keys[i], kept_id(image, rule),
			    &image_rule(image, rule)->limits.rate[LIMIT_CLIENT],
			    text);
}

/* One allowance for what is forwarded and what is local. */
static void
rule_limit(uint64_t id, const struct rule_rate *rate, struct text *text)
{
	text_printf(text, "\tlimit " RENDER_KEPT "%016" PRIx64 " {\n\t\t", id);
	render_over(rate, text);
	text_puts(text, "\n\t}\n");
}

void
render_kept_limits(const struct image *image, struct text *text)
{
	const struct rule_limits *limits;
	uint32_t rule;

	for (rule = 0; rule < image_rule_count(image); rule++) {
		limits = &image_rule(image, rule)->limits;
		if (!render_is_limited(image_rule(image, rule)) ||
		    is_repeated(image, rule))
			continue;
		if (limits->rate[LIMIT_CLIENT].count != 0)
			client_sets(image, rule, text);
		if (limits->rate[LIMIT_RULE].count != 0)
			rule_limit(kept_id(image, rule),
			    &limits->rate[LIMIT_RULE], text);
	}
}

static void
client_lines(const struct image *image, const struct key *key, uint32_t rule,
    struct text *text)
{
	const struct rule_rate *rate =
	    &image_rule(image, rule)->limits.rate[LIMIT_CLIENT];
	uint64_t id = kept_id(image, rule);

	text_printf(text,
	    "\t\tupdate @" RENDER_KEPT "%016" PRIx64 "%s { %s limit ", id,
	    key->suffix, key->field);
	render_over(rate, text);
	text_printf(text, " } goto over_%" PRIu32 "\n", rule);
	text_printf(text, "\t\t%s != @" RENDER_KEPT "%016" PRIx64 "%s limit ",
	    key->field, id, key->suffix);
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
			client_lines(image, &keys[i], rule, text);
	if (limits->rate[LIMIT_RULE].count != 0)
		text_printf(text,
		    "\t\tlimit name \"" RENDER_KEPT "%016" PRIx64
		    "\" goto over_%" PRIu32 "\n",
		    kept_id(image, rule), rule);
	text_puts(text, "\t}\n");
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
	unsigned int capture;
	uint32_t rule;

	for (rule = 0; rule < image_rule_count(image); rule++) {
		if (!render_is_limited(image_rule(image, rule)))
			continue;
		over_chain(image, rule, text);
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
