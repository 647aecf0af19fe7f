/* SPDX-License-Identifier: ISC */
/* Lists of domains, and what refers to them. */
#include <stdio.h>
#include <string.h>

#include "common/array.h"
#include "policy/conf_parse.h"
#include "policy/domain_list.h"

static const char expected_name[] =
    "<name> of up to 31 letters, digits, _ and -";
static const char expected_pattern[] =
    "a domain, as \"ads.example\" or \"*.ads.example\"";

static int
pattern_item(struct parser *parser, void *arg)
{
	char text[LEXER_WORD_BYTES + 1], quote[CONF_QUOTE_BYTES];
	struct conf_domains *domains = arg;
	struct conf_pattern *patterns, pattern = { 0 };
	const char *why;

	(void)token_copy(&parser->token, text, sizeof(text));
	why = domain_pattern(text, strlen(text), pattern.name, &pattern.below);
	if (why != NULL)
		conf_report(parser->errors, CONF_ERROR, &parser->token.place,
		    NULL, NULL, "bad domain %s: %s",
		    conf_quote(text, strlen(text), quote), why);
	parser_next(parser);
	if (why != NULL)
		return 0;
	patterns = array_grow(
	    parser, domains->patterns, domains->count, sizeof(*patterns));
	if (patterns == NULL)
		return -1;
	domains->patterns = patterns;
	patterns[domains->count++] = pattern;
	return 0;
}

static int
parse_patterns(struct parser *parser, struct conf_domains *domains)
{
	struct list list = { .expected = expected_pattern,
		.item = pattern_item,
		.arg = domains,
		.strings = 1,
		.may_be_empty = domains->name[0] != '\0' };

	return parse_list(parser, &list);
}

static struct conf_domains *
domains_add(struct parser *parser, const struct conf_domains *domains)
{
	struct conf *conf = parser->conf;
	struct conf_domains *all;

	if (conf->domains_count == LIMIT_DOMAIN_LISTS) {
		conf_report(parser->errors, CONF_ERROR, &domains->place, NULL,
		    NULL, "more than %d lists of domains, with those of rules",
		    LIMIT_DOMAIN_LISTS);
		return NULL;
	}
	all = array_grow(
	    parser, conf->domains, conf->domains_count, sizeof(*all));
	if (all == NULL)
		return NULL;
	conf->domains = all;
	all += conf->domains_count++;
	*all = *domains;
	return all;
}

static struct conf_domains *
domains_find(const struct conf *conf, const char *name)
{
	size_t i;

	for (i = 0; i < conf->domains_count; i++)
		if (strcmp(conf->domains[i].name, name) == 0)
			return &conf->domains[i];
	return NULL;
}

int
parse_list_name(struct parser *parser, char name[LIMIT_NAME_BYTES])
{
	if (parser->token.kind != TOKEN_WORD ||
	    parse_table_name(parser, name) == -1)
		return parser_unexpected(parser, expected_name);
	return 0;
}

int
parse_domains(struct parser *parser)
{
	struct conf_domains *domains, new = { .place = parser->token.place };
	const struct conf_domains *first;

	if (parse_list_name(parser, new.name) == -1)
		return -1;
	first = domains_find(parser->conf, new.name);
	if (first != NULL)
		parser_twice(parser, &parser->token, &first->place);
	parser_next(parser);
	domains = domains_add(parser, &new);
	if (domains == NULL)
		return -1;
	if (token_is(&parser->token, "file")) {
		parser_next(parser);
		return parse_file(parser, "file of domains", &domains->file);
	}
	if (parser->token.kind != TOKEN_OPEN)
		return parser_unexpected(parser, "'{' or file");
	return parse_patterns(parser, domains);
}

int
parse_rule_domain(struct parser *parser, struct conf_list *list)
{
	struct conf_domains *domains, new = { .place = parser->token.place };

	list->place = parser->token.place;
	if (parser->token.kind == TOKEN_WORD && parser->token.bytes[0] == '<') {
		if (parse_list_name(parser, list->name) == -1)
			return -1;
		parser_next(parser);
		return 0;
	}
	list->list = (uint16_t)parser->conf->domains_count;
	domains = domains_add(parser, &new);
	return domains == NULL ? -1 : parse_patterns(parser, domains);
}

static int
parse_answer(struct parser *parser, struct conf_block *block)
{
	static const char *const words[ANSWER_COUNT] = { DNS_ANSWER_WORDS };
	unsigned int choice;

	if (parser->token.kind == TOKEN_STATEMENT_END)
		return 0;
	if (parse_keyword(parser, "answer") == -1 ||
	    parse_choice(parser, words, COUNT(words),
		"nxdomain, refused or zero", &choice) == -1)
		return -1;
	block->answer = (enum dns_answer)choice;
	return 0;
}

int
parse_dns_block(struct parser *parser, struct conf_dns *dns)
{
	struct conf_block *blocks, block = { .place = parser->keyword.place,
		.domains = {
		    .place = parser->token.place, .list = DOMAINS_NONE } };

	if (parse_list_name(parser, block.domains.name) == -1)
		return -1;
	parser_next(parser);
	if (parse_answer(parser, &block) == -1)
		return -1;
	if (dns->block_count == LIMIT_DNS_BLOCKS) {
		conf_report(parser->errors, CONF_ERROR, &block.place, NULL,
		    NULL, "more than %d dns block statements",
		    LIMIT_DNS_BLOCKS);
		return -1;
	}
	blocks =
	    array_grow(parser, dns->blocks, dns->block_count, sizeof(*blocks));
	if (blocks == NULL || (block.text = statement_text(parser)) == NULL)
		return -1;
	dns->blocks = blocks;
	blocks[dns->block_count++] = block;
	return 0;
}

static void
resolve(struct parser *parser, struct conf_list *list)
{
	const struct conf *conf = parser->conf;
	char suggestion[LIMIT_NAME_BYTES + 2] = "";
	const struct conf_domains *found;
	struct nearest nearest;
	size_t i;

	if (list->name[0] == '\0')
		return;
	found = domains_find(conf, list->name);
	if (found != NULL) {
		list->list = (uint16_t)(found - conf->domains);
		return;
	}
	nearest_init(&nearest, list->name);
	for (i = 0; i < conf->domains_count; i++)
		nearest_try(&nearest, conf->domains[i].name);
	if (nearest.best != NULL)
		(void)snprintf(
		    suggestion, sizeof(suggestion), "<%s>", nearest.best);
	conf_report(parser->errors, CONF_ERROR, &list->place, NULL, suggestion,
	    "there is no list of domains <%s>", list->name);
}

void
resolve_domains(struct parser *parser)
{
	struct conf *conf = parser->conf;
	size_t i;

	for (i = 0; i < conf->rule_count; i++)
		resolve(parser, &conf->rules[i].domains);
	for (i = 0; i < conf->dns.block_count; i++)
		resolve(parser, &conf->dns.blocks[i].domains);
	for (i = 0; i < conf->dns.log_count; i++)
		resolve(parser, &conf->dns.logs[i].domains);
}

void
warn_domains(struct parser *parser)
{
	const struct conf *conf = parser->conf;
	uint8_t used[LIMIT_DOMAIN_LISTS] = { 0 };
	size_t i;

	for (i = 0; i < conf->rule_count; i++)
		if (conf->rules[i].domains.list != DOMAINS_NONE)
			used[conf->rules[i].domains.list] = 1;
	for (i = 0; i < conf->dns.block_count; i++) {
		used[conf->dns.blocks[i].domains.list] = 1;
		warn_dns_off(parser, &conf->dns.blocks[i].place);
	}
	for (i = 0; i < conf->dns.log_count; i++) {
		used[conf->dns.logs[i].domains.list] = 1;
		warn_dns_off(parser, &conf->dns.logs[i].place);
	}
	for (i = 0; i < conf->domains_count; i++)
		if (!used[i])
			conf_report(parser->errors, CONF_WARNING,
			    &conf->domains[i].place, NULL, NULL,
			    "nothing uses the domains <%s>",
			    conf->domains[i].name);
}
