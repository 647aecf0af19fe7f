/* SPDX-License-Identifier: ISC */
/*
 * What is wrong with a configuration: collected in order, with the nearest
 * known word, and shown with its line.  All that came from the file is escaped
 * before anybody sees it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/conf_parse.h"

#define QUOTE_MAX 40 /* bytes of the file in a message */
#define LINE_MAX_COLUMNS 100
#define NEAREST_WORD_MAX 40 /* longer words have no neighbours */

/* As snprintf(3); what has no room is cut. */
static void
copy_cut(char *buf, size_t size, const char *text)
{
	snprintf(buf, size, "%s", text == NULL ? "" : text);
}

void
conf_report(struct conf_errors *errors, enum conf_severity severity,
    const struct place *place, const char *expected, const char *suggestion,
    const char *format, ...)
{
	static const struct place nowhere;
	struct conf_error *error;
	va_list ap;

	if (severity == CONF_ERROR)
		errors->errors++;
	if (errors->count == CONF_ERRORS_MAX) {
		errors->omitted++;
		return;
	}
	error = &errors->items[errors->count++];
	error->severity = severity;
	error->place = place == NULL ? nowhere : *place;
	copy_cut(error->expected, sizeof(error->expected), expected);
	copy_cut(error->suggestion, sizeof(error->suggestion), suggestion);
	va_start(ap, format);
	vsnprintf(error->message, sizeof(error->message), format, ap);
	va_end(ap);
}

static int
compare_places(const void *a, const void *b)
{
	const struct place *p = &((const struct conf_error *)a)->place;
	const struct place *q = &((const struct conf_error *)b)->place;

	if (p->line != q->line)
		return p->line < q->line ? -1 : 1;
	if (p->column != q->column)
		return p->column < q->column ? -1 : 1;
	return 0;
}

void
conf_sort(struct conf_errors *errors)
{
	qsort(errors->items, errors->count, sizeof(errors->items[0]),
	    compare_places);
}

const char *
conf_quote(const char *bytes, size_t len, char *buf)
{
	size_t i, at = 0;
	size_t room = CONF_QUOTE_BYTES - sizeof("'\\xNN...'");

	buf[at++] = '\'';
	for (i = 0; i < len && i < QUOTE_MAX && at < room; i++) {
		unsigned char byte = (unsigned char)bytes[i];

		if (byte >= ' ' && byte <= '~')
			buf[at++] = (char)byte;
		else
			at += (size_t)snprintf(
			    buf + at, sizeof("\\xNN"), "\\x%02x", byte);
	}
	snprintf(buf + at, CONF_QUOTE_BYTES - at, "%s'", i < len ? "..." : "");
	return buf;
}

int
parser_unexpected(struct parser *parser, const char *expected)
{
	const struct token *token = &parser->token;
	char quote[CONF_QUOTE_BYTES];

	if (token->kind == TOKEN_BAD)
		conf_report(parser->errors, CONF_ERROR, &token->place, NULL,
		    NULL, "%s", token->why);
	else if (token->kind == TOKEN_STATEMENT_END)
		conf_report(parser->errors, CONF_ERROR, &token->place, expected,
		    NULL, "the statement ends too early");
	else
		conf_report(parser->errors, CONF_ERROR, &token->place, expected,
		    NULL, "unexpected %s",
		    conf_quote(token->bytes, token->len, quote));
	return -1;
}

int
parser_bad_value(struct parser *parser, const char *what, const char *expected)
{
	const struct token *token = &parser->token;
	char quote[CONF_QUOTE_BYTES];

	conf_report(parser->errors, CONF_ERROR, &token->place, expected, NULL,
	    "bad %s %s", what, conf_quote(token->bytes, token->len, quote));
	parser_next(parser);
	return 0;
}

void
parser_twice(
    struct parser *parser, const struct token *token, const struct place *first)
{
	char quote[CONF_QUOTE_BYTES];

	conf_report(parser->errors, CONF_ERROR, &token->place, NULL, NULL,
	    "%s is given a second time; the first is at %u:%u",
	    conf_quote(token->bytes, token->len, quote), first->line,
	    first->column);
}

int
parser_unsupported(struct parser *parser, const struct token *token)
{
	char quote[CONF_QUOTE_BYTES];

	conf_report(parser->errors, CONF_ERROR, &token->place, NULL, NULL,
	    "%s is not supported by this version",
	    conf_quote(token->bytes, token->len, quote));
	return -1;
}

/* Changes (of, to, from a character, or of two neighbours) between words. */
static size_t
edit_distance(const char *a, const char *b)
{
	size_t rows[3][NEAREST_WORD_MAX + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2], *spare;
	size_t i, j, best;

	for (j = 0; b[j] != '\0'; j++)
		above[j] = j;
	above[j] = j;
	for (i = 1; a[i - 1] != '\0'; i++) {
		row[0] = i;
		for (j = 1; b[j - 1] != '\0'; j++) {
			best = above[j - 1] + (a[i - 1] != b[j - 1]);
			if (above[j] + 1 < best)
				best = above[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
		spare = before;
		before = above;
		above = row;
		row = spare;
	}
	return above[strlen(b)];
}

void
nearest_init(struct nearest *nearest, const char *word)
{
	nearest->word = word;
	nearest->best = NULL;
	/* Farther than that it is another word, not this one misspelt. */
	nearest->distance = 2 + strlen(word) / 4;
}

void
nearest_try(struct nearest *nearest, const char *known)
{
	size_t distance, len = strlen(nearest->word);

	if (len == 0 || len > NEAREST_WORD_MAX ||
	    strlen(known) > NEAREST_WORD_MAX)
		return;
	distance = edit_distance(nearest->word, known);
	if (distance >= nearest->distance || distance >= strlen(known))
		return;
	nearest->best = known;
	nearest->distance = distance;
}

static size_t
character_length(const char *bytes, size_t len)
{
	size_t n = 1;

	while (n < len && ((unsigned char)bytes[n] & 0xc0) == 0x80)
		n++;
	return n;
}

/* What stands below one character of the line that takes width columns. */
static void
mark_character(const struct place *place, unsigned int column, int is_tab,
    size_t width, struct text *mark)
{
	size_t i;

	if (column >= place->column + place->length)
		return;
	if (is_tab && column < place->column) {
		text_puts(mark, "\t");
		return;
	}
	for (i = 0; i < width; i++)
		if (column < place->column)
			text_puts(mark, " ");
		else
			text_puts(mark,
			    column == place->column && i == 0 ? "^" : "~");
}

/*
 * The line and below it a mark under length characters from column on.  What
 * is escaped takes more than one column, so both lines are built together.
 */
static void
format_line(
    const struct place *place, const char *line, size_t len, struct text *out)
{
	struct text mark = { 0 };
	unsigned int column = 1, skip = 0;
	size_t n, before;

	if (place->column > LINE_MAX_COLUMNS * 3 / 4)
		skip = place->column - LINE_MAX_COLUMNS / 2;
	text_puts(out, skip > 0 ? "    ..." : "    ");
	text_puts(&mark, skip > 0 ? "       " : "    ");
	for (; len > 0; line += n, len -= n, column++) {
		n = character_length(line, len);
		if (column <= skip)
			continue;
		if (column > skip + LINE_MAX_COLUMNS) {
			text_puts(out, "...");
			break;
		}
		before = out->len;
		if (*line == '\t')
			text_puts(out, "\t");
		else
			text_escape(out, line, n);
		mark_character(
		    place, column, *line == '\t', out->len - before, &mark);
	}
	if (column <= place->column)
		text_puts(&mark, "^");
	text_printf(out, "\n%s\n", mark.failed ? "" : mark.bytes);
	out->failed |= mark.failed;
	text_free(&mark);
}

void
conf_error_format(const struct conf_error *error, const char *file,
    const char *text, size_t len, struct text *out)
{
	const struct place *place = &error->place;
	const char *line, *end;

	text_escape(out, file, strlen(file));
	if (place->line > 0)
		text_printf(out, ":%u:%u", place->line, place->column);
	text_printf(out, ": %s%s",
	    error->severity == CONF_WARNING ? "warning: " : "", error->message);
	if (error->expected[0] != '\0')
		text_printf(out, "; expected %s", error->expected);
	if (error->suggestion[0] != '\0')
		text_printf(out, "; did you mean '%s'?", error->suggestion);
	text_puts(out, "\n");
	if (place->line == 0 || place->line_start > len)
		return;
	line = text + place->line_start;
	end = memchr(line, '\n', len - place->line_start);
	if (end == NULL)
		end = text + len;
	if (end > line && end[-1] == '\r')
		end--;
	format_line(place, line, (size_t)(end - line), out);
}

void
conf_errors_format(const struct conf_errors *errors, const char *file,
    const char *text, size_t len, struct text *out)
{
	size_t i;

	for (i = 0; i < errors->count; i++)
		conf_error_format(&errors->items[i], file, text, len, out);
	if (errors->omitted == 0)
		return;
	text_escape(out, file, strlen(file));
	text_printf(out, ": and %zu more\n", errors->omitted);
}
