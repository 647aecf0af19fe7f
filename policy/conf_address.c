/* SPDX-License-Identifier: ISC */
/* Lists of addresses, of tables and of rules. */
#include <errno.h>
#include <string.h>

#include "policy/conf_parse.h"
#include "policy/name.h"

static const char expected_prefix[] = "an address or a prefix";
static const char expected_address[] = "any, an address, a prefix or a <table>";

/* One prefix; an error when it has bits set that the prefix does not cover. */
static int
read_prefix(struct parser *parser, const char *expected, struct prefix *prefix)
{
	char word[LEXER_WORD_BYTES + 1], quote[CONF_QUOTE_BYTES];
	char masked[PREFIX_TEXT_BYTES];

	if (parse_word(parser, expected, word) == -1)
		return -1;
	if (prefix_parse(word, prefix) == -1) {
		if (errno != ERANGE)
			return parser_bad_value(parser, "address", expected);
		conf_report(parser->errors, CONF_ERROR, &parser->token.place,
		    NULL, prefix_format(prefix, masked),
		    "%s has bits set behind its prefix",
		    conf_quote(word, strlen(word), quote));
	}
	parser_next(parser);
	return 0;
}

static int
prefix_item(struct parser *parser, void *arg)
{
	struct conf_table *table = arg;
	struct prefix prefix = { 0 };
	struct prefix *prefixes;

	if (read_prefix(parser, expected_prefix, &prefix) == -1)
		return -1;
	prefixes = array_grow(
	    parser, table->prefixes, table->count, sizeof(*prefixes));
	if (prefixes == NULL)
		return -1;
	table->prefixes = prefixes;
	prefixes[table->count++] = prefix;
	return 0;
}

int
parse_prefixes(struct parser *parser, struct conf_table *table)
{
	struct list list = { .expected = expected_prefix,
		.item = prefix_item,
		.arg = table,
		.may_be_empty = 1 };

	if (parser->token.kind != TOKEN_OPEN)
		return parser_unexpected(parser, "'{' or file");
	return parse_list(parser, &list);
}

int
parse_table_name(struct parser *parser, char name[LIMIT_NAME_BYTES])
{
	const char *bytes = parser->token.bytes;
	size_t len = parser->token.len;

	name[0] = '\0';
	if (len < 3 || bytes[0] != '<' || bytes[len - 1] != '>' ||
	    len - 2 >= LIMIT_NAME_BYTES)
		return -1;
	memcpy(name, bytes + 1, len - 2);
	name[len - 2] = '\0';
	return name_is_table(name) ? 0 : -1;
}

static int
address_item(struct parser *parser, void *arg)
{
	struct conf_addresses *addresses = arg;
	struct conf_address *items, item = { .table = CONF_NO_TABLE };

	item.place = parser->token.place;
	if (token_is(&parser->token, "any")) {
		conf_report(parser->errors, CONF_ERROR, &item.place, NULL, NULL,
		    "'any' cannot be part of a list");
		parser_next(parser);
		return 0;
	}
	if (parser->token.bytes[0] == '<') {
		if (parse_table_name(parser, item.name) == -1)
			return parser_bad_value(parser, "table name",
			    "<name> of up to 31 letters, digits, _ and -");
		parser_next(parser);
	} else if (read_prefix(parser, expected_address, &item.prefix) == -1) {
		return -1;
	}
	items = array_grow(
	    parser, addresses->items, addresses->count, sizeof(*items));
	if (items == NULL)
		return -1;
	addresses->items = items;
	items[addresses->count++] = item;
	return 0;
}

int
parse_addresses(struct parser *parser, struct conf_addresses *addresses)
{
	struct list list = { .expected = expected_address,
		.item = address_item,
		.arg = addresses };

	if (token_is(&parser->token, "any")) {
		parser_next(parser);
		return 0;
	}
	return parse_list(parser, &list);
}
