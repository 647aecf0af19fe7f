/* SPDX-License-Identifier: ISC */
/* Rules and exclusions: selectors in any order, each a row of a table. */
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "policy/conf_parse.h"

#define IDLE_MIN_MS 100ULL
#define IDLE_MAX_MS (30 * 24 * 60 * 60 * 1000ULL)
#define RULE_TEXT_BYTES 1000 /* of its line as shown later */

static const char expected_name[] = "agrees, disagrees or unverified";
static const char expected_port[] = "any, a port or a range as 1000-1999";

static int
proto_item(struct parser *parser, void *arg)
{
	static const char *const words[] = { "tcp", "udp" };
	struct conf_rule *rule = arg;
	unsigned int choice;

	if (parse_choice(parser, words, COUNT(words), "tcp or udp", &choice) ==
	    -1)
		return -1;
	rule->protos |= 1U << choice;
	return 0;
}

static int
parse_proto(struct parser *parser, struct conf_rule *rule)
{
	struct list list = {
		.expected = "tcp or udp", .item = proto_item, .arg = rule
	};

	return parse_list(parser, &list);
}

static int
parse_from(struct parser *parser, struct conf_rule *rule)
{
	return parse_addresses(parser, &rule->from);
}

static int
parse_to(struct parser *parser, struct conf_rule *rule)
{
	return parse_addresses(parser, &rule->to);
}

/* "N" or "A-B"; -1 when it is neither or out of range. */
static int
read_ports(char *word, struct port_range *range)
{
	char *dash = strchr(word, '-');
	uint64_t first, last;

	if (dash != NULL)
		*dash++ = '\0';
	if (number_read(word, UINT16_MAX, &first) == -1 || first == 0)
		return -1;
	last = first;
	if (dash != NULL && number_read(dash, UINT16_MAX, &last) == -1)
		return -1;
	range->first = (uint16_t)first;
	range->last = (uint16_t)last;
	return 0;
}

static int
port_item(struct parser *parser, void *arg)
{
	struct conf_ports *ports = arg;
	struct port_range *items, range;
	char word[LEXER_WORD_BYTES + 1];

	if (parse_word(parser, expected_port, word) == -1)
		return -1;
	if (read_ports(word, &range) == -1)
		return parser_bad_value(
		    parser, "port", "1 to 65535 or a range as 1000-1999");
	if (range.first > range.last)
		return parser_bad_value(
		    parser, "port range", "the lower port first");
	items = array_grow(parser, ports->items, ports->count, sizeof(*items));
	if (items == NULL)
		return -1;
	ports->items = items;
	items[ports->count++] = range;
	parser_next(parser);
	return 0;
}

static int
parse_port(struct parser *parser, struct conf_rule *rule)
{
	struct list list = { .expected = expected_port,
		.item = port_item,
		.arg = &rule->ports };

	if (token_is(&parser->token, "any")) {
		parser_next(parser);
		return 0;
	}
	return parse_list(parser, &list);
}

static int
parse_with(struct parser *parser, struct conf_rule *rule)
{
	static const char *const words[] = { "reset", "drop" };
	unsigned int choice;

	if (parse_choice(
		parser, words, COUNT(words), "reset or drop", &choice) == -1)
		return -1;
	rule->mode = choice == 0 ? BLOCK_RESET : BLOCK_DROP;
	return 0;
}

static int
parse_idle(struct parser *parser, struct conf_rule *rule)
{
	uint64_t ms = 0;

	if (parse_duration(parser, "idle limit", IDLE_MIN_MS, IDLE_MAX_MS,
		"a time from 100ms to 30d, as 10m", &ms) == -1)
		return -1;
	rule->idle_ms = (uint32_t)ms;
	return 0;
}

static int
parse_rule_log(struct parser *parser, struct conf_rule *rule)
{
	int logged = 1;

	if (parse_yes(parser, &logged) == -1)
		return -1;
	rule->unlogged = !logged;
	return 0;
}

static int
parse_source(struct parser *parser, struct conf_rule *rule)
{
	static const char *const words[] = { "client" };
	unsigned int choice;

	if (parse_choice(parser, words, COUNT(words), "client", &choice) == -1)
		return -1;
	rule->source = SOURCE_CLIENT;
	return 0;
}

static int
parse_user(struct parser *parser, struct conf_rule *rule)
{
	return parse_user_ids(parser, &rule->users);
}

static int
parse_group(struct parser *parser, struct conf_rule *rule)
{
	return parse_group_ids(parser, &rule->groups);
}

static int
parse_domain_selector(struct parser *parser, struct conf_rule *rule)
{
	return parse_rule_domain(parser, &rule->domains);
}

static int
name_item(struct parser *parser, void *arg)
{
	static const char *const words[] = { RULE_NAME_WORDS };
	struct conf_rule *rule = arg;
	unsigned int choice;

	if (parse_choice(parser, words, COUNT(words), expected_name, &choice) ==
	    -1)
		return -1;
	rule->names |= 1U << choice;
	return 0;
}

static int
parse_name(struct parser *parser, struct conf_rule *rule)
{
	struct list list = {
		.expected = expected_name, .item = name_item, .arg = rule
	};

	return parse_list(parser, &list);
}

static int
parse_by(struct parser *parser, struct conf_rule *rule)
{
	static const char *const words[] = { "dns" };
	unsigned int choice;

	rule->by_dns = 1;
	return parse_choice(parser, words, COUNT(words), "dns", &choice);
}

static int
parse_rule_via(struct parser *parser, struct conf_rule *rule)
{
	return parse_via(parser, &rule->via);
}

#define ACTION(name) (1U << FLOW_ACTION_##name)
#define ACTIONS_ALL (ACTION(RELAY) | ACTION(PASS) | ACTION(BLOCK))
#define EXCLUDE (1U << FLOW_ACTION_COUNT)
#define KINDS_ALL (ACTIONS_ALL | EXCLUDE)

/*
 * parse NULL: not in this version.  kinds: what it goes with.  matches: it
 * narrows what is decided.  repeats: it may be there for several things.
 * unpassed: why not with pass.
 */
static const struct selector {
	const char *word;
	int (*parse)(struct parser *, struct conf_rule *);
	unsigned int kinds;
	int matches;
	int repeats;
	const char *unpassed;
} selectors[] = {
	{ "proto", parse_proto, KINDS_ALL, 1 },
	{ "from", parse_from, KINDS_ALL, 1 },
	{ "to", parse_to, KINDS_ALL, 1 },
	{ "port", parse_port, KINDS_ALL, 1 },
	{ "with", parse_with, ACTION(BLOCK), 0 },
	{ "idle", parse_idle, ACTION(RELAY), 0, 0,
	    ": nothing here ends what passes" },
	{ "domain", parse_domain_selector, ACTIONS_ALL, 1 },
	{ "name", parse_name, ACTIONS_ALL, 1 },
	{ "by", parse_by, ACTION(PASS), 0 },
	{ "user", parse_user, KINDS_ALL, 1 },
	{ "group", parse_group, KINDS_ALL, 1 },
	{ "cgroup", NULL, KINDS_ALL, 1 },
	{ "via", parse_rule_via, ACTION(RELAY), 0, 0,
	    ": what passes goes to its server itself" },
	{ "source", parse_source, ACTION(RELAY), 0, 0,
	    ": what passes has its client's address anyway" },
	{ "max-flows", parse_max_flows, ACTION(RELAY), 0, 1,
	    ": relays count what is open, and none sees what passes; "
	    "'max-rate' limits how many begin" },
	{ "max-rate", parse_max_rate, ACTION(RELAY) | ACTION(PASS), 0, 1 },
	{ "log", parse_rule_log, ACTIONS_ALL, 0 },
};

static int
unknown_selector(struct parser *parser, unsigned int kind)
{
	char word[LEXER_WORD_BYTES + 1], quote[CONF_QUOTE_BYTES];
	struct token *token = &parser->token;
	struct nearest nearest;
	size_t i;

	if (parse_word(parser, "a selector", word) == -1)
		return -1;
	nearest_init(&nearest, word);
	for (i = 0; i < COUNT(selectors); i++)
		if ((selectors[i].kinds & kind) != 0)
			nearest_try(&nearest, selectors[i].word);
	conf_report(parser->errors, CONF_ERROR, &token->place,
	    kind == EXCLUDE ? "proto, from, to, port, user or group"
			    : "proto, from, to, port, user, group, domain, "
			      "name, by, with, via, source, idle, "
			      "max-flows, max-rate or log",
	    nearest.best, "unknown selector %s",
	    conf_quote(token->bytes, token->len, quote));
	return -1;
}

static int
parse_selector(struct parser *parser, unsigned int kind, struct conf_rule *rule,
    struct place *seen)
{
	char quote[CONF_QUOTE_BYTES];
	const struct selector *selector = NULL;
	struct token word = parser->token;
	size_t i;

	for (i = 0; i < COUNT(selectors) && selector == NULL; i++)
		if (token_is(&word, selectors[i].word))
			selector = &selectors[i];
	if (selector == NULL)
		return unknown_selector(parser, kind);
	if ((selector->kinds & kind) == 0) {
		conf_report(parser->errors, CONF_ERROR, &word.place, NULL, NULL,
		    "'%s' does not go with %s%s", selector->word,
		    conf_quote(
			parser->keyword.bytes, parser->keyword.len, quote),
		    kind == ACTION(PASS) && selector->unpassed != NULL
			? selector->unpassed
			: "");
		return -1;
	}
	if (selector->parse == NULL)
		return parser_unsupported(parser, &word);
	i = (size_t)(selector - selectors);
	if (seen[i].line != 0 && !selector->repeats)
		parser_twice(parser, &word, &seen[i]);
	seen[i] = word.place;
	parser_next(parser);
	return selector->parse(parser, rule);
}

/* Comments and runs of blanks become one blank; what is too long is cut. */
static char *
rule_text(const char *from, const char *end)
{
	char *text = malloc(RULE_TEXT_BYTES + sizeof(" ..."));
	size_t len = 0;
	int blank = 0;

	if (text == NULL)
		return NULL;
	for (; from < end && len < RULE_TEXT_BYTES; from++) {
		if (*from == '#')
			while (from < end && *from != '\n')
				from++;
		if (from == end || strchr(" \t\r\n", *from) != NULL) {
			blank = 1;
			continue;
		}
		if (blank)
			text[len++] = ' ';
		blank = 0;
		text[len++] = *from;
	}
	memcpy(text + len, " ...", sizeof(" ..."));
	if (from == end)
		text[len] = '\0';
	return text;
}

char *
statement_text(struct parser *parser)
{
	char *text = rule_text(parser->keyword.bytes, parser->end);

	if (text == NULL)
		parser->no_memory = 1;
	return text;
}

/* The kernel knows what DNS has told, and no name that a client sends. */
static void
check_by_dns(struct parser *parser, const struct conf_rule *rule)
{
	static const struct rule_limits none;
	const char *why = NULL;

	if (!rule->by_dns)
		return;
	if (rule->domains.list == DOMAINS_NONE && rule->domains.name[0] == '\0')
		why = "'by dns' needs 'domain'";
	else if (rule->names != 0)
		why = "'by dns' and 'name' exclude each other";
	else if (memcmp(&rule->limits, &none, sizeof(none)) != 0)
		why = "'by dns' and 'max-rate' exclude each other";
	if (why != NULL)
		conf_report(parser->errors, CONF_ERROR, &parser->keyword.place,
		    NULL, NULL, "%s", why);
}

static int
parse_selectors(
    struct parser *parser, unsigned int kind, struct conf_rule *rule)
{
	struct place seen[COUNT(selectors)] = { 0 };
	unsigned int matches = 0;
	size_t i;

	while (parser->token.kind != TOKEN_STATEMENT_END)
		if (parse_selector(parser, kind, rule, seen) == -1)
			return -1;
	for (i = 0; i < COUNT(selectors); i++)
		if (seen[i].line != 0 && selectors[i].matches)
			matches++;
	if (rule->source != SOURCE_HOST && rule->via.name[0] != '\0')
		conf_report(parser->errors, CONF_ERROR, &rule->via.place, NULL,
		    NULL,
		    "an upstream does not see the client's address: "
		    "'source client' and 'via' exclude each other");
	check_by_dns(parser, rule);
	if (matches == 0) {
		conf_report(parser->errors, CONF_ERROR, &parser->keyword.place,
		    kind == EXCLUDE
			? "proto, from, to, port, user or group ('to any' for "
			  "everything)"
			: "proto, from, to, port, user, group, domain or name "
			  "('to any' for everything)",
		    NULL, "the %s does not say what it is for",
		    kind == EXCLUDE ? "exclusion" : "rule");
		return -1;
	}
	if (rule->protos == 0) {
		rule->protos = RULE_PROTOS;
		if (kind == EXCLUDE && rule->ports.count == 0)
			rule->protos |= RULE_OTHER;
	}
	rule->text = statement_text(parser);
	return rule->text == NULL ? -1 : 0;
}

static int
parse_rule(struct parser *parser, enum flow_action action)
{
	struct conf *conf = parser->conf;
	struct conf_rule *rules;

	if (conf->rule_count == LIMIT_RULES) {
		conf_report(parser->errors, CONF_ERROR, &parser->keyword.place,
		    NULL, NULL, "more than %d rules", LIMIT_RULES);
		return -1;
	}
	rules =
	    array_grow(parser, conf->rules, conf->rule_count, sizeof(*rules));
	if (rules == NULL)
		return -1;
	conf->rules = rules;
	rules += conf->rule_count++;
	memset(rules, 0, sizeof(*rules));
	rules->action = action;
	rules->via.upstream = UPSTREAM_NONE;
	rules->domains.list = DOMAINS_NONE;
	rules->place = parser->keyword.place;
	return parse_selectors(parser, 1U << action, rules);
}

int
parse_exclusion(struct parser *parser)
{
	struct conf *conf = parser->conf;
	struct conf_rule *exclusions;

	if (conf->exclusion_count == LIMIT_EXCLUSIONS) {
		conf_report(parser->errors, CONF_ERROR, &parser->keyword.place,
		    NULL, NULL, "more than %d exclusions", LIMIT_EXCLUSIONS);
		return -1;
	}
	exclusions = array_grow(parser, conf->exclusions, conf->exclusion_count,
	    sizeof(*exclusions));
	if (exclusions == NULL)
		return -1;
	conf->exclusions = exclusions;
	exclusions += conf->exclusion_count++;
	memset(exclusions, 0, sizeof(*exclusions));
	exclusions->action = FLOW_ACTION_PASS;
	exclusions->via.upstream = UPSTREAM_NONE;
	exclusions->domains.list = DOMAINS_NONE;
	exclusions->place = parser->keyword.place;
	return parse_selectors(parser, EXCLUDE, exclusions);
}

int
parse_rule_block(struct parser *parser)
{
	return parse_rule(parser, FLOW_ACTION_BLOCK);
}

int
parse_rule_pass(struct parser *parser)
{
	return parse_rule(parser, FLOW_ACTION_PASS);
}

int
parse_rule_relay(struct parser *parser)
{
	return parse_rule(parser, FLOW_ACTION_RELAY);
}
