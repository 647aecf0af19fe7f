/* SPDX-License-Identifier: ISC */
/* Reads text that an operator has written. */
#include "dnsd/resolver/anchor.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define LINE_BYTES 2048
#define BLANKS " \t\r"

/* https://data.iana.org/root-anchors/: the keys of 2017 and of 2024 */
static const char root[] =
    ". IN DS 20326 8 2 "
    "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n"
    ". IN DS 38696 8 2 "
    "683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16\n";

/* The next line without its comment; -1 when it is too long, 0 at the end. */
static int
line_next(const char **text, char line[LINE_BYTES])
{
	size_t len = strcspn(*text, "\n");
	size_t used = strcspn(*text, ";\n");

	if (**text == '\0')
		return 0;
	if (used >= LINE_BYTES) {
		errno = EINVAL;
		return -1;
	}
	memcpy(line, *text, used);
	line[used] = '\0';
	*text += len;
	if (**text == '\n')
		(*text)++;
	return 1;
}

static int
is_blank(const char *line)
{
	return line[strspn(line, BLANKS)] == '\0';
}

int
anchor_records(const char *text, anchor_fn *found, void *ctx)
{
	char line[LINE_BYTES];
	int more;

	if (text[0] == '\0')
		text = root;
	while ((more = line_next(&text, line)) == 1)
		if (!is_blank(line) && found(ctx, line) == -1)
			return -1;
	return more;
}

/* The word behind the one that is an address's type, or NULL. */
static const char *
address_in(char *line)
{
	char *word, *rest = line;

	while ((word = strtok_r(rest, BLANKS, &rest)) != NULL)
		if (strcasecmp(word, "A") == 0 || strcasecmp(word, "AAAA") == 0)
			return strtok_r(rest, BLANKS, &rest);
	return NULL;
}

int
anchor_hints(const char *text, anchor_fn *found, void *ctx)
{
	char line[LINE_BYTES];
	const char *address;
	int more;

	while ((more = line_next(&text, line)) == 1) {
		address = address_in(line);
		if (address != NULL && found(ctx, address) == -1)
			return -1;
	}
	return more;
}
