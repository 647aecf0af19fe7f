/* SPDX-License-Identifier: ISC */
/* Lists of users and of groups, by name and by number. */
#include <string.h>

#include "policy/conf_parse.h"

struct kind {
	const char *expected;
	const char *number;
	const char *file;
	const char *word;
	const struct users *(*known)(const struct parser *);
};

/* Where the items of a list go, and what they are. */
struct target {
	const struct kind *kind;
	struct conf_ids *ids;
};

static const struct users *
users_of(const struct parser *parser)
{
	return parser->users;
}

static const struct users *
groups_of(const struct parser *parser)
{
	return parser->users == NULL ? NULL : parser->users->groups;
}

static const struct kind user_kind = {
	"a user's name, a uid or a range as 1000-1999", "uid", USERS_PATH,
	"user", users_of
};
static const struct kind group_kind = {
	"a group's name, a gid or a range as 1000-1999", "gid", GROUPS_PATH,
	"group", groups_of
};

static int
is_number(const char *word)
{
	return *word >= '0' && *word <= '9' &&
	       word[strspn(word, "0123456789-")] == '\0';
}

/* "N" or "A-B"; -1 when it is neither, the wrong way round or out of range. */
static int
read_range(char *word, struct uid_range *range)
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
	range->first = (uint32_t)first;
	range->last = (uint32_t)last;
	return first <= last ? 0 : -1;
}

static void
report_unknown(struct parser *parser, const struct kind *kind, const char *name)
{
	const struct users *known = kind->known(parser);
	char quote[CONF_QUOTE_BYTES];
	struct nearest nearest;
	size_t i;

	nearest_init(&nearest, name);
	for (i = 0; known != NULL && i < known->count; i++)
		nearest_try(&nearest, known->items[i].name);
	conf_report(parser->errors, CONF_ERROR, &parser->token.place, NULL,
	    nearest.best, "there is no %s %s in %s", kind->word,
	    conf_quote(name, strlen(name), quote), kind->file);
}

/* A good item, or an error that was reported and -1. */
static int
read_id(struct parser *parser, const struct kind *kind, char *word,
    struct conf_user *id)
{
	const struct users *known = kind->known(parser);
	const struct user *found;

	if (is_number(word)) {
		if (read_range(word, &id->uids) == 0)
			return 0;
		parser_bad_value(parser, kind->number,
		    "0 to 4294967294 or a range as 1000-1999");
		return -1;
	}
	found = known == NULL ? NULL : users_find(known, word);
	if (found == NULL) {
		report_unknown(parser, kind, word);
		parser_next(parser);
		return -1;
	}
	memcpy(id->name, found->name, sizeof(id->name));
	id->uids.first = id->uids.last = found->uid;
	return 0;
}

static int
id_item(struct parser *parser, void *arg)
{
	const struct target *target = arg;
	struct conf_ids *ids = target->ids;
	struct conf_user *items, id = { 0 };
	char word[LEXER_WORD_BYTES + 1];

	if (parse_word(parser, target->kind->expected, word) == -1)
		return -1;
	/* What is wrong with it was passed over; the list goes on. */
	if (read_id(parser, target->kind, word, &id) == -1)
		return 0;
	if (ids->count == LIMIT_USERS) {
		conf_report(parser->errors, CONF_ERROR, &parser->token.place,
		    NULL, NULL, "more than %d %ss", LIMIT_USERS,
		    target->kind->word);
		return -1;
	}
	items = array_grow(parser, ids->items, ids->count, sizeof(*items));
	if (items == NULL)
		return -1;
	ids->items = items;
	items[ids->count++] = id;
	parser_next(parser);
	return 0;
}

static int
parse_ids(struct parser *parser, const struct kind *kind, struct conf_ids *ids)
{
	struct target target = { kind, ids };
	struct list list = { .expected = kind->expected,
		.item = id_item,
		.arg = &target,
		.any_word = 1 };

	return parse_list(parser, &list);
}

int
parse_user_ids(struct parser *parser, struct conf_ids *ids)
{
	return parse_ids(parser, &user_kind, ids);
}

int
parse_group_ids(struct parser *parser, struct conf_ids *ids)
{
	return parse_ids(parser, &group_kind, ids);
}
