/* SPDX-License-Identifier: ISC */
/* Every rule that was asked, in their order, and what each of them said. */
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>

#include "ctl/explain.h"
#include "ctl/json.h"
#include "ctl/placement.h"
#include "ctl/table.h"
#include "policy/text.h"
#include "policy/way.h"
#include "schema/dns.h"

static const struct {
	const char *word;
	const char *text;
} ends[COURSE_COUNT] = {
	[COURSE_INTERFACE] = { "interface",
	    "it comes from an interface that is not captured" },
	[COURSE_OWN] = { "own", "it is tpx's own" },
	[COURSE_USER] = { "user",
	    "no flows of this user and group are captured" },
	[COURSE_HERE] = { "here",
	    "it is for this host itself, or a multicast or broadcast" },
	[COURSE_EXCLUDED] = { "excluded", "it is excluded" },
	[COURSE_OTHER_PASSES] = { "other-protocols",
	    "it is neither TCP nor UDP, which other-protocols lets pass" },
	[COURSE_OTHER_BLOCKED] = { "other-protocols",
	    "it is neither TCP nor UDP, which other-protocols blocks" },
	[COURSE_UNSPECIFIED] = { "unspecified",
	    "no host has that destination" },
	[COURSE_LINK_LOCAL] = { "link-local",
	    "nobody relays UDP of a link-local address (RFC 4291, 2.5.6)" },
	[COURSE_WAY] = { "way", "a way past DNS that is closed" },
	[COURSE_DNS] = { "dns", "a question of DNS, whoever was asked" },
	[COURSE_KERNEL] = { "rule", "by its first packet" },
	[COURSE_RELAY] = { "rule", "by the name of the server" },
	[COURSE_TOLD] = { "rule",
	    "by the address that DNS has told the client for the name" },
};

static const char *const actions[COURSE_COUNT] = {
	[COURSE_OTHER_BLOCKED] = "block",
	[COURSE_UNSPECIFIED] = "block",
	[COURSE_LINK_LOCAL] = "block",
	[COURSE_WAY] = "block",
};

static const char *const places[COURSE_COUNT] = {
	[COURSE_OTHER_BLOCKED] = "kernel",
	[COURSE_UNSPECIFIED] = "kernel",
	[COURSE_LINK_LOCAL] = "kernel",
	[COURSE_WAY] = "kernel",
	[COURSE_DNS] = "dnsd",
	[COURSE_KERNEL] = "kernel",
	[COURSE_RELAY] = "relay",
	[COURSE_TOLD] = "kernel",
};

/* "relay"; NULL where a name is needed, or nothing is captured. */
static const char *
action_of(const struct explanation *it)
{
	static const char *const answers[] = {
		[DNS_RESOLVE] = "relay",
		[DNS_NXDOMAIN] = "block",
		[DNS_REFUSE] = "block",
		[DNS_ZERO] = "block",
		[DNS_NODATA] = "block",
	};
	const struct course *course = &it->course;

	if (course->end == COURSE_DNS)
		return it->query.flow.host == NULL
			   ? NULL
			   : answers[course->dns.action];
	if (course->end != COURSE_KERNEL && course->end != COURSE_RELAY &&
	    course->end != COURSE_TOLD)
		return actions[course->end];
	return course->verdict.needs_name
		   ? NULL
		   : flow_action_word(course->verdict.action);
}

/* Whether rules are asked at all. */
static int
has_rules(const struct explanation *it)
{
	return it->course.end == COURSE_KERNEL ||
	       it->course.end == COURSE_RELAY ||
	       it->course.end == COURSE_TOLD ||
	       it->course.end == COURSE_LINK_LOCAL;
}

/* " <bad> <lan>", or what stands for prefixes that a rule has itself. */
static void
put_sets(const struct image *image, struct image_span refs, struct text *text)
{
	uint32_t i, ref;

	for (i = 0; i < refs.count; i++) {
		ref = image_ref(image, refs, i);
		if (ref < image_table_count(image))
			text_printf(text, "%s<%s>", i > 0 ? ", " : "",
			    image_table(image, ref));
		else
			text_printf(
			    text, "%sits own addresses", i > 0 ? ", " : "");
	}
}

static void
put_list(
    const struct image *image, const struct image_rule *rule, struct text *text)
{
	const char *name = image_domains(image, rule->domains);

	if (*name != '\0')
		text_printf(text, "<%s>", name);
	else
		text_puts(text, "its own domains");
}

/* " agrees or unverified" */
static void
put_agreement(unsigned int names, struct text *text)
{
	static const char *const words[] = { RULE_NAME_WORDS };
	const char * or = " ";
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if ((names >> i & 1) != 0) {
			text_printf(text, "%s%s", or, words[i]);
			or = " or ";
		}
}

/* As far as the rule asks: "uid 33 with gid 33" */
static void
put_owner(const struct explanation *it, const struct image_rule *rule,
    struct text *text)
{
	if (rule->users.count > 0)
		text_printf(text, "uid %" PRIu32, it->owner.uid);
	if (rule->users.count > 0 && rule->groups.count > 0)
		text_puts(text, " with ");
	if (rule->groups.count > 0)
		text_printf(text, "gid %" PRIu32, it->owner.gid);
}

static void
reason_fits(const struct explanation *it, const struct image_rule *rule,
    struct text *text)
{
	const char *and = "matches: ";

	if (rule->from.count > 0) {
		text_printf(text, "%sthe source is in ", and);
		put_sets(it->image, rule->from, text);
		and = ", ";
	}
	if (rule->to.count > 0) {
		text_printf(text, "%sthe destination is in ", and);
		put_sets(it->image, rule->to, text);
		and = ", ";
	}
	if (rule->ports.count > 0) {
		text_printf(
		    text, "%sport %u is one of its", and, it->query.flow.dport);
		and = ", ";
	}
	if (image_has_owner(rule)) {
		text_printf(text, "%s", and);
		put_owner(it, rule, text);
		text_puts(text, " is one of its");
		and = ", ";
	}
	if (rule->domains != DOMAINS_NONE) {
		text_printf(text, "%sthe name is in ", and);
		put_list(it->image, rule, text);
		and = ", ";
	}
	if (rule->names != 0) {
		text_printf(text, "%sthe name is one that", and);
		put_agreement(rule->names, text);
		and = ", ";
	}
	if (*and == 'm')
		text_puts(text, "matches every flow of its protocols");
}

static void
reason_protocol(const struct explanation *it, const struct image_rule *rule,
    struct text *text)
{
	(void)it;
	(void)rule;
	text_puts(text, "another protocol");
}

static void
reason_port(const struct explanation *it, const struct image_rule *rule,
    struct text *text)
{
	(void)rule;
	text_printf(text, "port %u is none of its", it->query.flow.dport);
}

static void
reason_owner(const struct explanation *it, const struct image_rule *rule,
    struct text *text)
{
	if (it->query.flow.owner == NULL) {
		text_puts(text, "only what this host's own sockets send has "
				"a user and a group");
		return;
	}
	if (rule->groups.count > 0 && it->owner.gid == POLICY_ID_UNKNOWN) {
		text_printf(text,
		    "uid %" PRIu32 " has no group that is known: say it, by: "
		    "group GROUP",
		    it->owner.uid);
		return;
	}
	put_owner(it, rule, text);
	text_puts(text, " is none of its");
}

static void
reason_source(const struct explanation *it, const struct image_rule *rule,
    struct text *text)
{
	text_puts(text, "the source is not in ");
	put_sets(it->image, rule->from, text);
}

static void
reason_destination(const struct explanation *it, const struct image_rule *rule,
    struct text *text)
{
	text_puts(text, "the destination is not in ");
	put_sets(it->image, rule->to, text);
}

static void
reason_name(const struct explanation *it, const struct image_rule *rule,
    struct text *text)
{
	text_puts(text, "the name is not in ");
	put_list(it->image, rule, text);
}

static void
reason_agreement(const struct explanation *it, const struct image_rule *rule,
    struct text *text)
{
	(void)it;
	text_puts(text, "the name is none that");
	put_agreement(rule->names, text);
}

static void
reason_unnamed(const struct explanation *it, const struct image_rule *rule,
    struct text *text)
{
	int lacks_host =
	    rule->domains != DOMAINS_NONE && it->query.flow.host == NULL;

	if (lacks_host) {
		text_puts(text, "decides if the name is in ");
		put_list(it->image, rule, text);
		text_puts(text, ": say it, by: domain NAME");
		return;
	}
	text_puts(text, "decides if the name is one that");
	put_agreement(rule->names, text);
	text_puts(text, ": say it, by: name WORD");
}

static void (*const reasons[POLICY_FIT_COUNT])(
    const struct explanation *, const struct image_rule *, struct text *) = {
	[POLICY_FITS] = reason_fits,
	[POLICY_OTHER_PROTOCOL] = reason_protocol,
	[POLICY_OTHER_PORT] = reason_port,
	[POLICY_OTHER_OWNER] = reason_owner,
	[POLICY_OTHER_SOURCE] = reason_source,
	[POLICY_OTHER_DESTINATION] = reason_destination,
	[POLICY_OTHER_NAME] = reason_name,
	[POLICY_OTHER_AGREEMENT] = reason_agreement,
	[POLICY_NEEDS_NAME] = reason_unnamed,
};

/* One that was asked; text is the caller's to free. */
struct asked {
	const char *rule;
	uint32_t line;
	enum policy_fit fit;
	struct text why;
};

typedef void asked_fn(void *ctx, const struct asked *);

static void
ask(const struct explanation *it, const struct image_rule *rule,
    const char *words, asked_fn *call, void *ctx)
{
	struct asked asked = { .rule = words, .line = rule->line };

	asked.fit = policy_fit(it->image, rule, &it->query.flow);
	reasons[asked.fit](it, rule, &asked.why);
	call(ctx, &asked);
	text_free(&asked.why);
}

/* Exclusions as far as they were asked: to the first that matches. */
static void
each_exclusion(const struct explanation *it, asked_fn *call, void *ctx)
{
	uint32_t i, count = image_exclusion_count(it->image);

	if (it->course.end == COURSE_EXCLUDED)
		count = it->course.exclusion + 1;
	else if (!COURSE_IS_CAPTURED(it->course.end))
		return;
	for (i = 0; i < count; i++)
		ask(it, image_exclusion(it->image, i),
		    image_exclusion_text(it->image, i), call, ctx);
}

/* Rules, to the one that decides. */
static void
each_rule(const struct explanation *it, asked_fn *call, void *ctx)
{
	uint32_t i;

	for (i = 0; has_rules(it) && i < image_rule_count(it->image); i++) {
		ask(it, image_rule(it->image, i), image_rule_text(it->image, i),
		    call, ctx);
		if (i == it->course.verdict.rule)
			return;
	}
}

static const char *
upstream_of(const struct explanation *it)
{
	const struct image_upstream *upstream =
	    image_upstream(it->image, it->course.verdict.upstream);

	return has_rules(it) && upstream != NULL ? upstream->name : NULL;
}

/* What a rule says and the verdict does not. */
static const char *
note_of(const struct explanation *it)
{
	const struct policy_verdict *verdict = &it->course.verdict;
	unsigned int said = verdict->item != NULL
				? verdict->item->action
				: image_settings(it->image)->default_action;

	if (it->course.end == COURSE_TOLD)
		return "if DNS here has told the client that address for the "
		       "name; else a relay takes it, by the name";
	if (!has_rules(it) || verdict->needs_name || said == verdict->action)
		return NULL;
	if (verdict->action == FLOW_ACTION_BLOCK)
		return "its upstream takes no UDP, which is blocked then";
	return "a relay had to see the name, and goes on relaying";
}

static void
json_asked(void *ctx, const struct asked *asked)
{
	struct json *json = ctx;

	json_object(json, NULL);
	json_string(json, "rule", asked->rule);
	json_uint(json, "line", asked->line);
	json_string(json, "decides",
	    asked->fit == POLICY_FITS	      ? "yes"
	    : asked->fit == POLICY_NEEDS_NAME ? "perhaps"
					      : "no");
	json_string(json, "why", asked->why.bytes);
	json_object_end(json);
}

/* NULL: it has none. */
static void
json_owner(struct json *json, const struct policy_owner *owner)
{
	if (owner != NULL)
		json_uint(json, "uid", owner->uid);
	else
		json_null(json, "uid");
	if (owner != NULL && owner->gid != POLICY_ID_UNKNOWN)
		json_uint(json, "gid", owner->gid);
	else
		json_null(json, "gid");
}

static void
json_flow(struct json *json, const struct course_query *query)
{
	int is_local = query->capture == FLOW_CAPTURE_LOCAL;
	char buf[ADDR_TEXT_BYTES];

	json_uint(json, "proto", query->flow.proto);
	json_string(json, "src", addr_format(&query->flow.src, buf));
	json_string(json, "dst", addr_format(&query->flow.dst, buf));
	json_uint(json, "dport", query->flow.dport);
	json_string(json, "capture", flow_capture_word(query->capture));
	json_string(json, "interface", is_local ? NULL : query->interface);
	json_owner(json, query->flow.owner);
	json_string(json, "domain", query->flow.host);
}

/* A statement of dns, if it is one. */
static const char *
dns_rule(const struct image *image, uint16_t rule, uint32_t *line)
{
	if (rule == DNS_RULE_NONE)
		return NULL;
	if (rule >= DNS_RULE_WAY)
		return way_text((enum dns_way)(rule - DNS_RULE_WAY), 1);
	*line = image_block(image, rule - DNS_RULE_BLOCK)->line;
	return image_block_text(image, rule - DNS_RULE_BLOCK);
}

static const char *
rule_of(const struct explanation *it, uint32_t *line)
{
	const struct course *course = &it->course;

	*line = 0;
	if (course->end == COURSE_EXCLUDED) {
		*line = image_exclusion(it->image, course->exclusion)->line;
		return image_exclusion_text(it->image, course->exclusion);
	}
	if (course->end == COURSE_DNS && it->query.flow.host != NULL)
		return dns_rule(it->image, course->dns.rule, line);
	if (course->end == COURSE_WAY)
		return dns_rule(it->image, course->verdict.rule, line);
	if (!has_rules(it) || course->verdict.needs_name)
		return NULL;
	if (course->verdict.item != NULL)
		*line = course->verdict.item->line;
	return image_rule_text(it->image, course->verdict.rule);
}

void
explain_print_json(const struct explanation *it, FILE *out)
{
	const struct course *course = &it->course;
	struct json json;
	uint32_t line;

	json_begin(&json, out);
	json_object(&json, NULL);
	json_flow(&json, &it->query);
	if (COURSE_IS_CAPTURED(course->end))
		json_uint(&json, "captured", 1);
	else
		json_uint(&json, "captured", 0);
	json_string(&json, "by", ends[course->end].word);
	json_string(&json, "why", ends[course->end].text);
	json_string(&json, "action", action_of(it));
	json_string(&json, "decided_in", places[course->end]);
	json_string(&json, "rule", rule_of(it, &line));
	if (line > 0)
		json_uint(&json, "line", line);
	else
		json_null(&json, "line");
	json_string(&json, "upstream", upstream_of(it));
	json_string(&json, "note", note_of(it));
	json_array(&json, "exclusions");
	each_exclusion(it, json_asked, &json);
	json_array_end(&json);
	json_array(&json, "rules");
	each_rule(it, json_asked, &json);
	json_array_end(&json);
	json_object_end(&json);
	(void)putc('\n', out);
}

static void
text_owner(const struct policy_owner *owner, FILE *out)
{
	(void)fprintf(out, ", this host's own, of uid %" PRIu32, owner->uid);
	if (owner->gid != POLICY_ID_UNKNOWN)
		(void)fprintf(out, " and gid %" PRIu32, owner->gid);
	(void)putc('\n', out);
}

static void
text_flow(const struct course_query *query, FILE *out)
{
	char src[ADDR_TEXT_BYTES], dst[ENDPOINT_TEXT_BYTES];

	(void)fprintf(out, "flow        ");
	if (query->flow.proto == IPPROTO_TCP)
		(void)fputs("tcp ", out);
	else if (query->flow.proto == IPPROTO_UDP)
		(void)fputs("udp ", out);
	else
		(void)fprintf(out, "protocol %u ", query->flow.proto);
	(void)fprintf(out, "%s to %s", addr_format(&query->flow.src, src),
	    query->flow.dport != 0
		? endpoint_format(&query->flow.dst, query->flow.dport, dst)
		: addr_format(&query->flow.dst, dst));
	if (query->flow.owner != NULL)
		text_owner(query->flow.owner, out);
	else
		(void)fprintf(out, ", forwarded, from %s\n", query->interface);
}

static void
text_asked(void *ctx, const struct asked *asked)
{
	FILE *out = ctx;

	(void)fprintf(out, "line %-5" PRIu32 "  ", asked->line);
	(void)table_text(out, asked->rule);
	(void)fprintf(out, "\n            %s",
	    asked->fit == POLICY_FITS || asked->fit == POLICY_NEEDS_NAME
		? ""
		: "no: ");
	(void)table_text(out, asked->why.bytes != NULL ? asked->why.bytes : "");
	(void)putc('\n', out);
}

static void
text_decided(const struct explanation *it, FILE *out)
{
	const char *action = action_of(it);
	const char *rule, *more;
	struct placement placement;
	uint32_t line;

	(void)fprintf(out, "action      %s\n",
	    action != NULL ? action : "depends on the name");
	(void)fprintf(out, "decided by  ");
	if ((rule = rule_of(it, &line)) == NULL)
		(void)fputs(ends[it->course.end].text, out);
	else
		(void)table_text(out, rule);
	if (line > 0)
		(void)fprintf(out, " (line %" PRIu32 ")", line);
	(void)fprintf(out, "\ndecided in  %s", places[it->course.end]);
	if (has_rules(it)) {
		placement = placement_of(it->image, it->course.verdict.rule);
		(void)fprintf(out, ", %s%s%s%s%s",
		    it->course.end == COURSE_RELAY ? "by the name of the server"
						   : placement.why,
		    placement.owned, placement.rate, placement.flows,
		    placement.unlogged);
	}
	(void)putc('\n', out);
	if ((more = upstream_of(it)) != NULL)
		(void)fprintf(out, "upstream    %s\n", more);
	if ((more = note_of(it)) != NULL)
		(void)fprintf(out, "note        %s\n", more);
}

void
explain_print_text(const struct explanation *it, FILE *out)
{
	const struct course *course = &it->course;

	text_flow(&it->query, out);
	if (COURSE_IS_CAPTURED(course->end))
		(void)fputs("captured    yes\n", out);
	else
		(void)fprintf(
		    out, "captured    no: %s\n", ends[course->end].text);
	each_exclusion(it, text_asked, out);
	each_rule(it, text_asked, out);
	if (has_rules(it) && course->verdict.item == NULL) {
		(void)fputs("            ", out);
		(void)table_text(
		    out, image_rule_text(it->image, course->verdict.rule));
		(void)fputs("\n            no rule matches\n", out);
	}
	if (COURSE_IS_CAPTURED(course->end))
		text_decided(it, out);
}
