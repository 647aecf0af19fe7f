/* SPDX-License-Identifier: ISC */
/*
 * The statements of a configuration, each a row of a table.  To add one: a
 * row, a parse function, a line in print.c.
 */
#include <string.h>

#include "common/array.h"
#include "policy/conf_parse.h"
#include "policy/mark.h"

#define SECOND_MS 1000ULL
#define DAY_MS (24 * 60 * 60 * SECOND_MS)
#define KEEP_MAX_MS (36500 * DAY_MS)
#define LOG_MIN_BYTES (64ULL << 10) /* less holds no database */

static int
parse_on_failure(struct parser *parser)
{
	static const char *const words[] = { "closed", "open" };
	unsigned int choice;

	if (parse_choice(
		parser, words, COUNT(words), "open or closed", &choice) == -1)
		return -1;
	parser->conf->on_failure = choice;
	return 0;
}

static int
parse_other_protocols(struct parser *parser)
{
	static const char *const words[] = { "pass", "block" };
	unsigned int choice;

	if (parse_choice(
		parser, words, COUNT(words), "pass or block", &choice) == -1)
		return -1;
	parser->conf->other_protocols = choice;
	return 0;
}

static int
parse_lease(struct parser *parser)
{
	uint64_t ms = CONF_LEASE_MS;

	if (parse_duration(parser, "lease", LIMIT_LEASE_MIN_MS,
		LIMIT_LEASE_MAX_MS, "a time from 1s to 60s, as 3s or 1500ms",
		&ms) == -1)
		return -1;
	parser->conf->lease_ms = (uint32_t)ms;
	return 0;
}

static int
parse_workers(struct parser *parser)
{
	uint64_t workers = 0;

	if (parse_number(parser, "number of workers", 0, LIMIT_WORKERS,
		"1 to 64, or 0 for one per core", &workers) == -1)
		return -1;
	parser->conf->workers = (uint32_t)workers;
	return 0;
}

/* "0x" and at most eight digits; 0 when it is none. */
static uint32_t
read_hex(const char *word)
{
	uint32_t value = 0;
	const char *digits = "0123456789abcdef", *digit;
	size_t i;

	if (word[0] != '0' || word[1] != 'x' || strlen(word) > 10)
		return 0;
	for (i = 2; word[i] != '\0'; i++) {
		digit = strchr(digits, word[i] | 0x20);
		if (digit == NULL)
			return 0;
		value = value << 4 | (uint32_t)(digit - digits);
	}
	return value;
}

static int
parse_mark(struct parser *parser)
{
	static const char expected[] =
	    "three neighbouring bits in hexadecimal, as 0x07000000";
	char word[LEXER_WORD_BYTES + 1];

	if (parse_keyword(parser, "mask") == -1 ||
	    parse_word(parser, expected, word) == -1)
		return -1;
	if (!mark_mask_valid(read_hex(word)))
		return parser_bad_value(parser, "mask", expected);
	parser->conf->mark_mask = read_hex(word);
	parser_next(parser);
	return 0;
}

/* A table of that name, or NULL. */
static struct conf_table *
find_table(struct conf *conf, const char *name)
{
	size_t i;

	for (i = 0; i < conf->table_count; i++)
		if (strcmp(conf->tables[i].name, name) == 0)
			return &conf->tables[i];
	return NULL;
}

static int
parse_table(struct parser *parser)
{
	struct conf *conf = parser->conf;
	struct conf_table *tables, *first, table = { 0 };

	if (parser->token.kind != TOKEN_WORD ||
	    parse_table_name(parser, table.name) == -1)
		return parser_unexpected(
		    parser, "<name> of up to 31 letters, digits, _ and -");
	table.place = parser->token.place;
	first = find_table(conf, table.name);
	if (first != NULL)
		parser_twice(parser, &parser->token, &first->place);
	parser_next(parser);
	if (conf->table_count == LIMIT_TABLES) {
		conf_report(parser->errors, CONF_ERROR, &table.place, NULL,
		    NULL, "more than %d tables", LIMIT_TABLES);
		return -1;
	}
	tables = array_grow(
	    parser, conf->tables, conf->table_count, sizeof(*tables));
	if (tables == NULL)
		return -1;
	conf->tables = tables;
	tables += conf->table_count++;
	*tables = table;
	if (!token_is(&parser->token, "file"))
		return parse_prefixes(parser, tables);
	parser_next(parser);
	return parse_file(parser, "file of addresses", &tables->file);
}

static int
parse_default(struct parser *parser)
{
#define WORD(name, word) word,
	static const char *const words[] = { FLOW_ACTIONS(WORD) };
#undef WORD
	unsigned int choice;

	if (parse_choice(parser, words, COUNT(words), "relay, pass or block",
		&choice) == -1)
		return -1;
	parser->conf->default_action = choice;
	if (choice != FLOW_ACTION_RELAY || !token_is(&parser->token, "via"))
		return 0;
	parser_next(parser);
	return parse_via(parser, &parser->conf->default_via);
}

static int
parse_control(struct parser *parser)
{
	if (parse_keyword(parser, "socket") == -1)
		return -1;
	return parse_path(parser, "control socket", parser->conf->socket,
	    sizeof(parser->conf->socket));
}

static int
parse_log_dir(struct parser *parser)
{
	struct conf *conf = parser->conf;
	struct place keep = { 0 }, max = { 0 };

	if (parse_path(parser, "log directory", conf->log_dir,
		sizeof(conf->log_dir)) == -1)
		return -1;
	while (parser->token.kind != TOKEN_STATEMENT_END) {
		struct token word = parser->token;
		int is_keep = token_is(&word, "keep");
		struct place *first = is_keep ? &keep : &max;

		if (!is_keep && !token_is(&word, "max"))
			return parser_unexpected(
			    parser, "keep, max or the end of the line");
		if (first->line != 0)
			parser_twice(parser, &word, first);
		*first = word.place;
		parser_next(parser);
		if (is_keep &&
		    parse_duration(parser, "time", SECOND_MS, KEEP_MAX_MS,
			"a time of at least 1s, as 30d", &conf->keep_ms) == -1)
			return -1;
		if (!is_keep && parse_size(parser, "size", LOG_MIN_BYTES,
				    "a size of at least 64K, as 500M or 4G",
				    &conf->max_bytes) == -1)
			return -1;
	}
	return 0;
}

static int
parse_log(struct parser *parser)
{
	if (token_is(&parser->token, "ipfix"))
		return parser_unsupported(parser, &parser->token);
	if (parse_keyword(parser, "dir") == -1)
		return -1;
	if (parser->log_dir.line != 0)
		parser_twice(parser, &parser->keyword, &parser->log_dir);
	parser->log_dir = parser->keyword.place;
	return parse_log_dir(parser);
}

static const struct statement {
	const char *word;
	int (*parse)(struct parser *);
	int once;
} statements[] = {
	{ "on-failure", parse_on_failure, 1 },
	{ "lease", parse_lease, 1 },
	{ "workers", parse_workers, 1 },
	{ "mark", parse_mark, 1 },
	{ "capture", parse_capture, 0 },
	{ "exclude", parse_exclusion, 0 },
	{ "other-protocols", parse_other_protocols, 1 },
	{ "table", parse_table, 0 },
	{ "domains", parse_domains, 0 },
	{ "upstream", parse_upstream, 0 },
	{ "dns", parse_dns, 0 },
	{ "block", parse_rule_block, 0 },
	{ "pass", parse_rule_pass, 0 },
	{ "relay", parse_rule_relay, 0 },
	{ "default", parse_default, 1 },
	{ "control", parse_control, 1 },
	{ "log", parse_log, 0 },
};

static const struct statement *
find_statement(const struct token *token)
{
	size_t i;

	for (i = 0; i < COUNT(statements); i++)
		if (token_is(token, statements[i].word))
			return &statements[i];
	return NULL;
}

int
statement_known(const struct token *token)
{
	return find_statement(token) != NULL;
}

static int
unknown_statement(struct parser *parser)
{
	char word[LEXER_WORD_BYTES + 1], quote[CONF_QUOTE_BYTES];
	struct token *token = &parser->token;
	struct nearest nearest;
	size_t i;

	if (parse_word(parser, "a statement", word) == -1)
		return -1;
	nearest_init(&nearest, word);
	for (i = 0; i < COUNT(statements); i++)
		nearest_try(&nearest, statements[i].word);
	conf_report(parser->errors, CONF_ERROR, &token->place, NULL,
	    nearest.best, "unknown statement %s",
	    conf_quote(token->bytes, token->len, quote));
	return -1;
}

static int
parse_statement(struct parser *parser, struct place *seen)
{
	const struct statement *statement = find_statement(&parser->token);
	struct place *first;

	if (statement == NULL)
		return unknown_statement(parser);
	parser->keyword = parser->token;
	first = &seen[statement - statements];
	if (statement->once && first->line != 0)
		parser_twice(parser, &parser->keyword, first);
	else
		*first = parser->token.place;
	parser_next(parser);
	if (statement->parse(parser) == -1)
		return -1;
	if (parser->token.kind != TOKEN_STATEMENT_END)
		return parser_unexpected(parser, "the end of the line");
	return 0;
}

void
parse_statements(struct parser *parser)
{
	struct place seen[COUNT(statements)] = { 0 };

	parser_next(parser);
	while (parser->token.kind != TOKEN_FILE_END && !parser->no_memory) {
		if (parse_statement(parser, seen) == -1 && parser->resume) {
			parser->resume = 0;
			continue;
		}
		lexer_skip_statement(&parser->lexer);
		parser_next(parser);
	}
}
