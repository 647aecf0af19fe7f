/* SPDX-License-Identifier: ISC */
#include "policy/table_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/conf_parse.h"

#define PREFIXES_FIRST 256U /* room for so many at first, then twice that */

struct reader {
	struct conf_table *table;
	struct conf_errors *errors;
	size_t room; /* for prefixes */
	struct place place;
};

static int
add(struct reader *reader, const struct prefix *prefix)
{
	struct conf_table *table = reader->table;
	struct prefix *prefixes;
	size_t room;

	if (table->count == reader->room) {
		room = reader->room == 0 ? PREFIXES_FIRST : reader->room * 2;
		prefixes = realloc(table->prefixes, room * sizeof(*prefixes));
		if (prefixes == NULL)
			return -1;
		table->prefixes = prefixes;
		reader->room = room;
	}
	table->prefixes[table->count++] = *prefix;
	return 0;
}

static int
take(struct reader *reader, const char *word, size_t len)
{
	char text[PREFIX_TEXT_BYTES], quote[CONF_QUOTE_BYTES];
	char masked[PREFIX_TEXT_BYTES];
	struct prefix prefix;

	errno = EINVAL;
	if (len < sizeof(text)) {
		memcpy(text, word, len);
		text[len] = '\0';
		if (strlen(text) == len && prefix_parse(text, &prefix) == 0)
			return add(reader, &prefix);
	}
	if (errno == ERANGE)
		conf_report(reader->errors, CONF_ERROR, &reader->place, NULL,
		    prefix_format(&prefix, masked),
		    "%s has bits set behind its prefix",
		    conf_quote(word, len, quote));
	else
		conf_report(reader->errors, CONF_ERROR, &reader->place,
		    "an address or a prefix", NULL, "bad address %s",
		    conf_quote(word, len, quote));
	return 0;
}

static size_t
skip(const char *line, size_t at, size_t len, int blanks)
{
	while (at < len && (strchr(" \t\r", line[at]) != NULL) == blanks &&
	       line[at] != '\0')
		at++;
	return at;
}

static int
read_line(struct reader *reader, const char *line, size_t len)
{
	const char *comment = memchr(line, '#', len);
	size_t first, end;

	if (comment != NULL)
		len = (size_t)(comment - line);
	first = skip(line, 0, len, 1);
	if (first == len)
		return 0;
	end = skip(line, first, len, 0);
	reader->place.column = (unsigned int)first + 1;
	reader->place.length = (unsigned int)(end - first);
	if (skip(line, end, len, 1) != len) {
		reader->place.column = (unsigned int)end + 1;
		reader->place.length = 1;
		conf_report(reader->errors, CONF_ERROR, &reader->place, NULL,
		    NULL, "one address or prefix stands on a line");
		return 0;
	}
	if (reader->table->count == LIMIT_TABLE_PREFIXES) {
		conf_report(reader->errors, CONF_ERROR, &reader->place, NULL,
		    NULL, "more than %d addresses and prefixes",
		    LIMIT_TABLE_PREFIXES);
		return 1;
	}
	return take(reader, line + first, end - first);
}

/* What is wrong goes to errors, with places in this text.  -1 with ENOMEM. */
static int
read_text(const char *text, size_t len, struct conf_table *table,
    struct conf_errors *errors)
{
	struct reader reader = { .table = table,
		.errors = errors,
		.room = table->count,
		.place = { .line = 1 } };
	const char *line = text, *stop = text + len, *end;
	int result = 0;

	for (; line < stop && result == 0; line = end + 1) {
		reader.place.line_start = (size_t)(line - text);
		end = memchr(line, '\n', (size_t)(stop - line));
		if (end == NULL)
			end = stop;
		result = read_line(&reader, line, (size_t)(end - line));
		reader.place.line++;
	}
	return result == -1 ? -1 : 0;
}

/* 1 when something is wrong with what is in the file. */
static int
read_file(const struct conf *conf, struct conf_table *table, struct text *out)
{
	static struct conf_errors errors;
	const struct conf_file *file = &table->file;
	char path[CONF_FULL_PATH_BYTES];

	memset(&errors, 0, sizeof(errors));
	if (read_text(file->text, file->len, table, &errors) == -1)
		return -1;
	conf_path(conf, file->path, path);
	conf_errors_format(&errors, path, file->text, file->len, out);
	return errors.errors > 0;
}

int
table_lists_read(struct conf *conf, struct text *out)
{
	int result, bad = 0;
	size_t i;

	for (i = 0; i < conf->table_count; i++) {
		if (conf->tables[i].file.text == NULL)
			continue;
		result = read_file(conf, &conf->tables[i], out);
		if (result == -1)
			return -1;
		bad |= result;
	}
	if (bad)
		errno = EINVAL;
	return bad ? -1 : 0;
}
