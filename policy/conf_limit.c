/* SPDX-License-Identifier: ISC */
/* Limits of a rule: how many flows, and how many new ones in a time. */
#include <string.h>

#include "common/array.h"
#include "policy/conf_parse.h"

/* "per client", or nothing. */
static int
parse_scope(struct parser *parser, enum limit_scope *scope)
{
	static const char *const words[] = { "client" };
	unsigned int choice;

	*scope = LIMIT_RULE;
	if (!token_is(&parser->token, "per"))
		return 0;
	*scope = LIMIT_CLIENT;
	parser_next(parser);
	return parse_choice(parser, words, COUNT(words), "client", &choice);
}

static void
report_twice(struct parser *parser, const struct place *place, const char *word,
    enum limit_scope scope)
{
	conf_report(parser->errors, CONF_ERROR, place,
	    "one for the rule and one per client", NULL,
	    "a second '%s'%s of one rule", word,
	    scope == LIMIT_CLIENT ? " per client" : "");
}

int
parse_max_flows(struct parser *parser, struct conf_rule *rule)
{
	struct place place = parser->token.place;
	enum limit_scope scope;
	uint64_t flows = 0;

	if (parse_number(parser, "number of flows", 1, LIMIT_COUNT_MAX,
		"1 to 1000000, as 100 per client", &flows) == -1 ||
	    parse_scope(parser, &scope) == -1)
		return -1;
	if (rule->limits.flows[scope] != 0)
		report_twice(parser, &place, "max-flows", scope);
	rule->limits.flows[scope] = (uint32_t)flows;
	return 0;
}

/* "50/s"; -1 when it is none. */
static int
read_rate(char *word, struct rule_rate *rate)
{
	static const struct {
		const char *word;
		uint32_t seconds;
	} units[] = { { "s", 1 }, { "m", 60 }, { "h", 3600 } };
	char *slash = strchr(word, '/');
	uint64_t count;
	size_t i;

	if (slash == NULL)
		return -1;
	*slash++ = '\0';
	if (number_read(word, LIMIT_COUNT_MAX, &count) == -1 || count == 0)
		return -1;
	for (i = 0; i < COUNT(units); i++) {
		if (strcmp(slash, units[i].word) != 0)
			continue;
		rate->count = (uint32_t)count;
		rate->per_s = units[i].seconds;
		return 0;
	}
	return -1;
}

int
parse_max_rate(struct parser *parser, struct conf_rule *rule)
{
	static const char expected[] =
	    "1 to 1000000 in a second, minute or hour, as 50/s or 10/m";
	struct place place = parser->token.place;
	struct rule_rate rate = { 0 };
	char word[LEXER_WORD_BYTES + 1];
	enum limit_scope scope;

	if (parse_word(parser, expected, word) == -1)
		return -1;
	if (read_rate(word, &rate) == -1)
		(void)parser_bad_value(parser, "rate", expected);
	else
		parser_next(parser);
	if (parse_scope(parser, &scope) == -1)
		return -1;
	if (rule->limits.rate[scope].count != 0)
		report_twice(parser, &place, "max-rate", scope);
	rule->limits.rate[scope] = rate;
	return 0;
}
