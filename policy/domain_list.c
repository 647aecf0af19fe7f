/* SPDX-License-Identifier: ISC */
#include "policy/domain_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "policy/conf_parse.h"
#include "policy/name.h"

struct reader {
	struct domain_builder *builder;
	struct conf_errors *errors;
	uint16_t list;
	size_t count;
	struct place place; /* of the word at hand */
	const char *line;
};

const char *
domain_pattern(
    const char *text, size_t len, char name[LIMIT_DOMAIN_BYTES], int *below)
{
	*below = len > 2 && text[0] == '*' && text[1] == '.';
	if (*below)
		return name_domain(text + 2, len - 2, name);
	return name_domain(text, len, name);
}

static int
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void
report(struct reader *reader, const char *word, size_t len, const char *why)
{
	char quote[CONF_QUOTE_BYTES];

	conf_report(reader->errors, CONF_ERROR, &reader->place, NULL, NULL,
	    "bad domain %s: %s", conf_quote(word, len, quote), why);
}

/* Columns count characters, as the configuration's do. */
static void
place_word(struct reader *reader, const char *word, size_t len)
{
	const char *at;

	reader->place.column = 1;
	reader->place.length = 0;
	for (at = reader->line; at < word + len; at++) {
		if (((unsigned char)*at & 0xc0) == 0x80)
			continue;
		if (at < word)
			reader->place.column++;
		else
			reader->place.length++;
	}
}

static int
take_name(struct reader *reader, const char *word, size_t len)
{
	char name[LIMIT_DOMAIN_BYTES];
	const char *why;
	int below;

	why = domain_pattern(word, len, name, &below);
	if (why == NULL && reader->count == LIMIT_LIST_NAMES) {
		errno = EOVERFLOW;
		return -1;
	}
	if (why != NULL) {
		place_word(reader, word, len);
		report(reader, word, len, why);
		return 0;
	}
	reader->count++;
	return domain_builder_add(
	    reader->builder, reader->list, below, name, strlen(name));
}

/* Names that such files give every host itself. */
static int
is_own(const char *word, size_t len)
{
	static const char *const own[] = { "localhost", "localhost.localdomain",
		"local", "broadcasthost", "ip6-localhost", "ip6-loopback",
		"ip6-localnet", "ip6-mcastprefix", "ip6-allnodes",
		"ip6-allrouters", "ip6-allhosts", "0.0.0.0" };
	size_t i;

	for (i = 0; i < COUNT(own); i++)
		if (strlen(own[i]) == len && memcmp(own[i], word, len) == 0)
			return 1;
	return 0;
}

/* An address as the first word of a line of hosts(5), perhaps with a zone. */
static int
is_address(const char *word, size_t len)
{
	char text[ADDR_TEXT_BYTES];
	struct prefix prefix;
	const char *zone = memchr(word, '%', len);

	if (zone != NULL)
		len = (size_t)(zone - word);
	if (len >= sizeof(text) || memchr(word, '/', len) != NULL)
		return 0;
	memcpy(text, word, len);
	text[len] = '\0';
	return prefix_parse(text, &prefix) == 0;
}

static int
read_line(struct reader *reader, const char *end)
{
	const char *word = reader->line, *next;
	const char *comment = memchr(word, '#', (size_t)(end - word));
	size_t len, words = 0;
	int hosts = 0, result = 0;

	if (comment != NULL)
		end = comment;
	else if (end > word && end[-1] == '\r')
		end--;
	for (; word < end && result == 0; word = next) {
		next = word + 1;
		if (is_blank(*word))
			continue;
		while (next < end && !is_blank(*next))
			next++;
		len = (size_t)(next - word);
		if (words++ == 0 && is_address(word, len)) {
			hosts = 1;
		} else if (words > 1 && !hosts) {
			place_word(reader, word, len);
			report(reader, word, len, "one name stands on a line");
			return 0;
		} else if (!hosts || !is_own(word, len)) {
			result = take_name(reader, word, len);
		}
	}
	return result;
}

int
domain_list_read(const char *text, size_t len, uint16_t list,
    struct domain_builder *builder, size_t *count, struct conf_errors *errors)
{
	struct reader reader = { .builder = builder,
		.errors = errors,
		.list = list,
		.place = { .line = 1 },
		.line = text };
	const char *end, *stop = text + len;
	int result = 0;

	for (; reader.line < stop && result == 0;
	     reader.line = end + 1, reader.place.line++) {
		reader.place.line_start = (size_t)(reader.line - text);
		end = memchr(reader.line, '\n', (size_t)(stop - reader.line));
		if (end == NULL)
			end = stop;
		result = read_line(&reader, end);
	}
	*count = reader.count;
	return result;
}
