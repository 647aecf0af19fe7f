/* SPDX-License-Identifier: ISC */
/* What is captured: interfaces, users and groups of this host. */
#include <string.h>

#include "policy/conf_parse.h"
#include "policy/name.h"

static int
interface_item(struct parser *parser, void *arg)
{
	static const char expected[] = "the name of an interface";
	struct conf *conf = arg;
	struct conf_interface *interfaces;
	char word[LEXER_WORD_BYTES + 1];
	size_t i;

	if (parse_word(parser, expected, word) == -1)
		return -1;
	if (!name_is_interface(word))
		return parser_bad_value(parser, "interface", expected);
	for (i = 0; i < conf->interface_count; i++)
		if (strcmp(conf->interfaces[i].name, word) == 0) {
			parser_twice(
			    parser, &parser->token, &conf->interfaces[i].place);
			parser_next(parser);
			return 0;
		}
	if (conf->interface_count == LIMIT_INTERFACES) {
		conf_report(parser->errors, CONF_ERROR, &parser->token.place,
		    NULL, NULL, "more than %d interfaces", LIMIT_INTERFACES);
		return -1;
	}
	interfaces = array_grow(parser, conf->interfaces, conf->interface_count,
	    sizeof(*interfaces));
	if (interfaces == NULL)
		return -1;
	conf->interfaces = interfaces;
	interfaces += conf->interface_count++;
	memset(interfaces, 0, sizeof(*interfaces));
	memcpy(interfaces->name, word, strlen(word) + 1);
	interfaces->place = parser->token.place;
	parser_next(parser);
	return 0;
}

static int
parse_forwarded(struct parser *parser)
{
	struct list list = { .expected = "the name of an interface",
		.item = interface_item,
		.arg = parser->conf,
		.any_word = 1 };

	if (parse_keyword(parser, "on") == -1)
		return -1;
	return parse_list(parser, &list);
}

/*
 * Statements with users or groups add up, and so do those of one; the whole
 * host goes with no other, as either of them would then not mean what it says.
 */
static int
parse_owners(struct parser *parser, struct place seen[2])
{
	struct conf *conf = parser->conf;
	struct token word = parser->token;
	int is_user = token_is(&word, "user");

	if (token_is(&word, "cgroup"))
		return parser_unsupported(parser, &word);
	if (!is_user && !token_is(&word, "group"))
		return parser_unexpected(
		    parser, "user, group or the end of the line");
	if (seen[is_user].line != 0)
		parser_twice(parser, &word, &seen[is_user]);
	seen[is_user] = word.place;
	parser_next(parser);
	return is_user ? parse_user_ids(parser, &conf->users)
		       : parse_group_ids(parser, &conf->groups);
}

static int
parse_local(struct parser *parser)
{
	struct conf *conf = parser->conf;
	struct place seen[2] = { 0 }; /* groups, users */
	enum capture_local local = LOCAL_USERS;

	if (parser->token.kind == TOKEN_STATEMENT_END)
		local = LOCAL_HOST;
	if (conf->local != LOCAL_NONE &&
	    (local == LOCAL_HOST || conf->local == LOCAL_HOST))
		conf_report(parser->errors, CONF_ERROR, &parser->keyword.place,
		    NULL, NULL,
		    "'capture local' without users is the whole host and goes "
		    "with no other; the first is at %u:%u",
		    parser->local.line, parser->local.column);
	if (conf->local == LOCAL_NONE)
		parser->local = parser->keyword.place;
	conf->local = local;
	while (parser->token.kind != TOKEN_STATEMENT_END)
		if (parse_owners(parser, seen) == -1)
			return -1;
	return 0;
}

int
parse_capture(struct parser *parser)
{
	parser->capture_seen = 1;
	if (token_is(&parser->token, "local")) {
		parser_next(parser);
		return parse_local(parser);
	}
	if (!token_is(&parser->token, "forwarded"))
		return parser_unexpected(parser, "forwarded or local");
	parser_next(parser);
	return parse_forwarded(parser);
}
