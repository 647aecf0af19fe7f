/* SPDX-License-Identifier: ISC */
/* Which questions of DNS have rows. */
#include "common/array.h"
#include "policy/conf_parse.h"

enum rows { ROWS_ALL, ROWS_NO, ROWS_SAMPLE, ROWS_COUNT };

/* The word behind the rows' words says what they are about. */
#define BLOCKED ROWS_COUNT

static const char *const words[] = { "all", "no", "sample", "blocked" };

static int
parse_rows(struct parser *parser, unsigned int rows, uint32_t *one_in)
{
	uint64_t number = 1;

	if (rows == ROWS_SAMPLE &&
	    parse_number(parser, "sample", 2, LIMIT_COUNT_MAX,
		"2 to 1000000, of which one has a row", &number) == -1)
		return -1;
	*one_in = rows == ROWS_NO ? 0 : (uint32_t)number;
	return 0;
}

static int
parse_rows_of(struct parser *parser, uint32_t *one_in)
{
	unsigned int rows;

	if (parse_choice(
		parser, words, ROWS_COUNT, "all, no or sample", &rows) == -1)
		return -1;
	return parse_rows(parser, rows, one_in);
}

static int
parse_list_log(struct parser *parser, struct conf_dns *dns)
{
	struct conf_dns_log *logs, log = { .place = parser->keyword.place,
		.domains = {
		    .place = parser->token.place, .list = DOMAINS_NONE } };

	if (parse_list_name(parser, log.domains.name) == -1)
		return -1;
	parser_next(parser);
	if (parse_rows_of(parser, &log.one_in) == -1)
		return -1;
	if (dns->log_count == LIMIT_DNS_LOGS) {
		conf_report(parser->errors, CONF_ERROR, &log.place, NULL, NULL,
		    "more than %d dns log statements about lists",
		    LIMIT_DNS_LOGS);
		return -1;
	}
	logs = array_grow(parser, dns->logs, dns->log_count, sizeof(*logs));
	if (logs == NULL)
		return -1;
	dns->logs = logs;
	logs[dns->log_count++] = log;
	return 0;
}

int
parse_dns_log(struct parser *parser, struct conf_dns *dns)
{
	struct token word = parser->token;
	unsigned int choice;

	if (word.kind == TOKEN_WORD && word.bytes[0] == '<')
		return parse_list_log(parser, dns);
	if (parse_choice(parser, words, COUNT(words),
		"all, no, sample, blocked or the <name> of a list of domains",
		&choice) == -1)
		return -1;
	parse_dns_once(parser, &word,
	    choice == BLOCKED ? OPTION_LOG_BLOCKED : OPTION_LOG_REST);
	if (choice == BLOCKED)
		return parse_rows_of(parser, &dns->log_blocked);
	return parse_rows(parser, choice, &dns->log_rest);
}
