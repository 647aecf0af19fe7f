/* SPDX-License-Identifier: ISC */
/* Values and lists of values of a configuration. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "policy/conf_parse.h"

struct unit {
	const char *word;
	uint64_t factor;
};

static const struct unit time_units[] = {
	{ "ms", 1 },
	{ "s", 1000 },
	{ "m", 60 * 1000 },
	{ "h", 60 * 60 * 1000 },
	{ "d", 24 * 60 * 60 * 1000 },
};

static const struct unit size_units[] = {
	{ "", 1 },
	{ "K", 1ULL << 10 },
	{ "M", 1ULL << 20 },
	{ "G", 1ULL << 30 },
	{ "T", 1ULL << 40 },
};

void *
array_grow(struct parser *parser, void *items, size_t count, size_t size)
{
	/* Room is made at 0, 4, 8, 16 and so on, so no size is kept. */
	if (count != 0 && (count < 4 || (count & (count - 1)) != 0))
		return items;
	items = reallocarray(items, count == 0 ? 4 : count * 2, size);
	if (items == NULL)
		parser->no_memory = 1;
	return items;
}

int
parse_word(struct parser *parser, const char *expected, char *buf)
{
	if (parser->token.kind != TOKEN_WORD)
		return parser_unexpected(parser, expected);
	return token_copy(&parser->token, buf, LEXER_WORD_BYTES + 1);
}

int
parse_keyword(struct parser *parser, const char *word)
{
	if (!token_is(&parser->token, word))
		return parser_unexpected(parser, word);
	parser_next(parser);
	return 0;
}

int
parse_choice(struct parser *parser, const char *const *words, size_t count,
    const char *expected, unsigned int *choice)
{
	char word[LEXER_WORD_BYTES + 1], quote[CONF_QUOTE_BYTES];
	struct nearest nearest;
	unsigned int i;

	if (parse_word(parser, expected, word) == -1)
		return -1;
	nearest_init(&nearest, word);
	for (i = 0; i < count; i++) {
		if (strcmp(words[i], word) == 0) {
			*choice = i;
			parser_next(parser);
			return 0;
		}
		nearest_try(&nearest, words[i]);
	}
	conf_report(parser->errors, CONF_ERROR, &parser->token.place, expected,
	    nearest.best, "unexpected %s",
	    conf_quote(word, strlen(word), quote));
	return -1;
}

int
parse_yes(struct parser *parser, int *yes)
{
	static const char *const words[] = { "no", "yes" };
	unsigned int choice;

	if (parse_choice(parser, words, COUNT(words), "yes or no", &choice) ==
	    -1)
		return -1;
	*yes = choice == 1;
	return 0;
}

/* Leading digits to value; *rest is what follows.  -1: none, or too many. */
static int
digits_read(const char *text, const char **rest, uint64_t *value)
{
	uint64_t digit;

	*value = 0;
	if (*text < '0' || *text > '9' ||
	    (text[0] == '0' && text[1] >= '0' && text[1] <= '9'))
		return -1;
	for (; *text >= '0' && *text <= '9'; text++) {
		digit = (uint64_t)(*text - '0');
		if (*value > (UINT64_MAX - digit) / 10)
			return -1;
		*value = *value * 10 + digit;
	}
	*rest = text;
	return 0;
}

int
number_read(const char *text, uint64_t max, uint64_t *value)
{
	const char *rest;

	if (digits_read(text, &rest, value) == -1 || *rest != '\0' ||
	    *value > max)
		return -1;
	return 0;
}

int
parse_number(struct parser *parser, const char *what, uint64_t min,
    uint64_t max, const char *expected, uint64_t *value)
{
	char word[LEXER_WORD_BYTES + 1];
	uint64_t number;

	if (parse_word(parser, expected, word) == -1)
		return -1;
	if (number_read(word, max, &number) == -1 || number < min)
		return parser_bad_value(parser, what, expected);
	*value = number;
	parser_next(parser);
	return 0;
}

/* A number and a unit; -1 when it is none or overflows. */
static int
units_read(
    const char *text, const struct unit *units, size_t count, uint64_t *value)
{
	const char *rest;
	size_t i;

	if (digits_read(text, &rest, value) == -1)
		return -1;
	for (i = 0; i < count; i++) {
		if (strcmp(rest, units[i].word) != 0)
			continue;
		if (*value > UINT64_MAX / units[i].factor)
			return -1;
		*value *= units[i].factor;
		return 0;
	}
	return -1;
}

int
parse_duration(struct parser *parser, const char *what, uint64_t min_ms,
    uint64_t max_ms, const char *expected, uint64_t *ms)
{
	char word[LEXER_WORD_BYTES + 1];
	uint64_t value;

	if (parse_word(parser, expected, word) == -1)
		return -1;
	if (units_read(word, time_units, COUNT(time_units), &value) == -1 ||
	    value < min_ms || value > max_ms)
		return parser_bad_value(parser, what, expected);
	*ms = value;
	parser_next(parser);
	return 0;
}

int
parse_size(struct parser *parser, const char *what, uint64_t min,
    const char *expected, uint64_t *bytes)
{
	char word[LEXER_WORD_BYTES + 1];
	uint64_t value;

	if (parse_word(parser, expected, word) == -1)
		return -1;
	if (units_read(word, size_units, COUNT(size_units), &value) == -1 ||
	    value < min || value > INT64_MAX)
		return parser_bad_value(parser, what, expected);
	*bytes = value;
	parser_next(parser);
	return 0;
}

int
parse_path(struct parser *parser, const char *what, char *buf, size_t size)
{
	struct token *token = &parser->token;

	if (token->kind != TOKEN_STRING)
		return parser_unexpected(parser, "a path in quotes");
	if (token_copy(token, buf, size) == -1) {
		conf_report(parser->errors, CONF_ERROR, &token->place, NULL,
		    NULL, "the path of the %s is longer than %zu bytes", what,
		    size - 1);
	} else if (buf[0] != '/') {
		return parser_bad_value(
		    parser, what, "an absolute path, beginning with a slash");
	}
	parser_next(parser);
	return 0;
}

static int
list_unclosed(struct parser *parser, const struct place *open)
{
	lexer_leave_braces(&parser->lexer);
	conf_report(parser->errors, CONF_ERROR, open, NULL, NULL,
	    "the list that begins here is not closed with '}'");
	return -1;
}

static int
is_item(const struct parser *parser, const struct list *list)
{
	return parser->token.kind == TOKEN_WORD ||
	       (list->strings && parser->token.kind == TOKEN_STRING);
}

/* Takes the items after the brace, and the other brace. */
static int
parse_braced(struct parser *parser, struct list *list)
{
	struct place open = parser->token.place;
	size_t count = 0;

	parser_next(parser);
	for (; parser->token.kind != TOKEN_CLOSE; count++) {
		if (parser->token.kind == TOKEN_STATEMENT_END)
			return list_unclosed(parser, &open);
		if (!is_item(parser, list))
			return parser_unexpected(parser, list->expected);
		/* A line that begins as a statement does hardly is an item. */
		if (parser->token.first && !list->any_word &&
		    statement_known(&parser->token)) {
			parser->resume = 1;
			return list_unclosed(parser, &open);
		}
		if (list->item(parser, list->arg) == -1)
			return -1;
	}
	if (count == 0 && !list->may_be_empty)
		return parser_unexpected(parser, list->expected);
	parser_next(parser);
	return 0;
}

int
parse_list(struct parser *parser, struct list *list)
{
	if (parser->token.kind == TOKEN_OPEN)
		return parse_braced(parser, list);
	if (!is_item(parser, list))
		return parser_unexpected(parser, list->expected);
	return list->item(parser, list->arg);
}
