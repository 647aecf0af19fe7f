/* SPDX-License-Identifier: ISC */
/* What is captured: interfaces and users of this host. */
#include <string.h>

#include "policy/conf_parse.h"
#include "policy/name.h"

static const char expected_user[] =
    "a user's name, a uid or a range as 1000-1999";

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

static int
is_number(const char *word)
{
	return *word >= '0' && *word <= '9' &&
	       word[strspn(word, "0123456789-")] == '\0';
}

/* "N" or "A-B"; -1 when it is neither, the wrong way round or out of range. */
static int
read_uids(char *word, struct uid_range *uids)
{
	char *dash = strchr(word, '-');
	uint64_t first, last;

	if (dash != NULL)
		*dash++ = '\0';
	if (number_read(word, UINT32_MAX - 1, &first) == -1)
		return -1;
	last = first;
	if (dash != NULL && number_read(dash, UINT32_MAX - 1, &last) == -1)
		return -1;
	uids->first = (uint32_t)first;
	uids->last = (uint32_t)last;
	return first <= last ? 0 : -1;
}

static void
unknown_user(struct parser *parser, const char *name)
{
	char quote[CONF_QUOTE_BYTES];
	struct nearest nearest;
	size_t i;

	nearest_init(&nearest, name);
	for (i = 0; parser->users != NULL && i < parser->users->count; i++)
		nearest_try(&nearest, parser->users->items[i].name);
	conf_report(parser->errors, CONF_ERROR, &parser->token.place, NULL,
	    nearest.best, "there is no user %s in /etc/passwd",
	    conf_quote(name, strlen(name), quote));
}

/* A good item, or an error that was reported and -1. */
static int
read_user(struct parser *parser, char *word, struct conf_user *user)
{
	const struct user *found;

	if (is_number(word)) {
		if (read_uids(word, &user->uids) == 0)
			return 0;
		parser_bad_value(
		    parser, "uid", "0 to 4294967294 or a range as 1000-1999");
		return -1;
	}
	found = parser->users == NULL ? NULL : users_find(parser->users, word);
	if (found == NULL) {
		unknown_user(parser, word);
		parser_next(parser);
		return -1;
	}
	memcpy(user->name, found->name, sizeof(user->name));
	user->uids.first = user->uids.last = found->uid;
	return 0;
}

static int
user_item(struct parser *parser, void *arg)
{
	struct conf *conf = arg;
	struct conf_user *users, user = { 0 };
	char word[LEXER_WORD_BYTES + 1];

	if (parse_word(parser, expected_user, word) == -1)
		return -1;
	/* What is wrong with it was passed over; the list goes on. */
	if (read_user(parser, word, &user) == -1)
		return 0;
	if (conf->user_count == LIMIT_USERS) {
		conf_report(parser->errors, CONF_ERROR, &parser->token.place,
		    NULL, NULL, "more than %d users", LIMIT_USERS);
		return -1;
	}
	users =
	    array_grow(parser, conf->users, conf->user_count, sizeof(*users));
	if (users == NULL)
		return -1;
	conf->users = users;
	users[conf->user_count++] = user;
	parser_next(parser);
	return 0;
}

static int
parse_users(struct parser *parser)
{
	struct list list = { .expected = expected_user,
		.item = user_item,
		.arg = parser->conf,
		.any_word = 1 };

	parser_next(parser);
	if (parse_list(parser, &list) == -1)
		return -1;
	if (token_is(&parser->token, "group") ||
	    token_is(&parser->token, "cgroup"))
		return parser_unsupported(parser, &parser->token);
	return 0;
}

/*
 * Statements with users add up; the whole host goes with no other, as either
 * of them would then not mean what it says.
 */
static int
parse_local(struct parser *parser)
{
	struct conf *conf = parser->conf;
	enum capture_local local = LOCAL_USERS;

	if (token_is(&parser->token, "group") ||
	    token_is(&parser->token, "cgroup"))
		return parser_unsupported(parser, &parser->token);
	if (parser->token.kind == TOKEN_STATEMENT_END)
		local = LOCAL_HOST;
	else if (!token_is(&parser->token, "user"))
		return parser_unexpected(parser, "user or the end of the line");
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
	return local == LOCAL_HOST ? 0 : parse_users(parser);
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
