/* SPDX-License-Identifier: ISC */
/* Reads what render.c and its kin have written, nothing of anybody else. */
#include "policy/render_side.h"

#include <stdio.h>
#include <string.h>

#include "policy/render.h"

#define CHAIN "\tchain "
#define SET "\tset "
#define HOOK "\t\ttype "
#define BLOCK_END "\t}"
#define ADD_ELEMENT RENDER_ADD_ELEMENT RENDER_TABLE " "

/* Their elements are of flows, not of a side; so are those of RENDER_KEPT. */
static const char *const staying[] = { "lease", "blocked4", "blocked6" };

static const char *const suffixes[RENDER_SIDES] = { "_a", "_b" };

/* A part of the text; not ended by a NUL. */
struct piece {
	const char *start;
	size_t len;
};

const char *
side_suffix(enum render_side side)
{
	return suffixes[side];
}

enum render_side
side_of(const char *name)
{
	enum render_side side = RENDER_SIDE_A;
	size_t len = strlen(name);

	while (side < RENDER_SIDES &&
	       (len < 2 || strcmp(name + len - 2, suffixes[side]) != 0))
		side++;
	return side;
}

static int
begins(const struct piece *piece, const char *with)
{
	size_t len = strlen(with);

	return piece->len >= len && memcmp(piece->start, with, len) == 0;
}

static int
is(const struct piece *piece, const char *what)
{
	return piece->len == strlen(what) && begins(piece, what);
}

static int
stays(const struct piece *name)
{
	size_t i;

	for (i = 0; i < sizeof(staying) / sizeof(staying[0]); i++)
		if (is(name, staying[i]))
			return 1;
	return begins(name, RENDER_KEPT);
}

/* The next part that ends before a character, or 0 when there is none. */
static int
next(struct piece *rest, char end, struct piece *part)
{
	const char *found;

	if (rest->len == 0)
		return 0;
	found = memchr(rest->start, end, rest->len);
	part->start = rest->start;
	part->len = found != NULL ? (size_t)(found - rest->start) : rest->len;
	rest->start += part->len + (found != NULL);
	rest->len -= part->len + (found != NULL);
	return 1;
}

static void
put(const struct piece *piece, struct text *text)
{
	text_append(text, piece->start, piece->len);
}

/* The word behind the first len characters. */
static struct piece
word_at(const struct piece *line, size_t len)
{
	struct piece rest = { line->start + len, line->len - len };
	struct piece word = { rest.start, 0 };

	(void)next(&rest, ' ', &word);
	return word;
}

/* A rule: what it leads to and what it asks has the letter of the side. */
static void
put_rule(const struct piece *line, const char *suffix, struct text *text)
{
	struct piece rest = *line, word, set;
	int named = 0;

	while (next(&rest, ' ', &word)) {
		set.start = word.start + 1;
		set.len = word.len > 0 ? word.len - 1 : 0;
		if (word.start != line->start)
			text_puts(text, " ");
		put(&word, text);
		if (named || (begins(&word, "@") && !stays(&set)))
			text_puts(text, suffix);
		named = is(&word, "goto") || is(&word, "jump") ||
			is(&word, "\t\tgoto") || is(&word, "\t\tjump");
	}
	text_puts(text, "\n");
}

static void
put_block(const char *kind, const struct piece *name, const char *suffix,
    struct text *text)
{
	text_puts(text, kind);
	put(name, text);
	text_printf(text, "%s {\n", suffix);
}

/* A chain's name is known before it is whether it has a hook. */
static void
put_chain(const struct piece *name, const struct piece *first,
    const char *suffix, struct text *text)
{
	if (begins(first, HOOK)) {
		put_block(CHAIN, name, "", text);
		put(first, text);
		text_puts(text, "\n" BLOCK_END "\n");
	}
	put_block(CHAIN, name, suffix, text);
	if (!begins(first, HOOK))
		put_rule(first, suffix, text);
}

/* "add element inet tpx name { ... }" */
static void
put_elements(const struct piece *line, const char *suffix, struct text *text)
{
	struct piece name = word_at(line, strlen(ADD_ELEMENT));
	const char *end = name.start + name.len;

	text_append(text, line->start, (size_t)(end - line->start));
	text_puts(text, suffix);
	text_append(text, end, line->len - (size_t)(end - line->start));
	text_puts(text, "\n");
}

void
side_prepare(const struct text *table, enum render_side side, struct text *text)
{
	struct piece rest = { table->bytes, table->len }, line, name, first;
	const char *suffix = suffixes[side];

	if (text_check(table) == -1)
		text->failed = 1;
	while (next(&rest, '\n', &line)) {
		if (begins(&line, CHAIN)) {
			name = word_at(&line, strlen(CHAIN));
			if (next(&rest, '\n', &first))
				put_chain(&name, &first, suffix, text);
		} else if (begins(&line, SET)) {
			name = word_at(&line, strlen(SET));
			put_block(SET, &name, stays(&name) ? "" : suffix, text);
		} else if (begins(&line, ADD_ELEMENT)) {
			put_elements(&line, suffix, text);
		} else {
			put_rule(&line, suffix, text);
		}
	}
}

/* The next chain with a hook. */
static int
next_hook(struct piece *rest, struct piece *name)
{
	struct piece line, last = { "", 0 };

	while (next(rest, '\n', &line)) {
		if (begins(&line, HOOK) && begins(&last, CHAIN)) {
			*name = word_at(&last, strlen(CHAIN));
			return 1;
		}
		last = line;
	}
	return 0;
}

void
side_switch(const struct text *table, const char *name, enum render_side side,
    struct text *text)
{
	struct piece rest = { table->bytes, table->len }, chain;

	while (next_hook(&rest, &chain))
		text_printf(text,
		    "flush chain inet %s %.*s\n"
		    "add rule inet %s %.*s goto %.*s%s\n",
		    name, (int)chain.len, chain.start, name, (int)chain.len,
		    chain.start, (int)chain.len, chain.start, suffixes[side]);
	text_printf(text, "add chain inet %s " RENDER_SIDE_LIVE "%s\n", name,
	    suffixes[side]);
}

int
side_has_hook(const struct text *table, const char *chain)
{
	struct piece rest = { table->bytes, table->len }, name;

	while (next_hook(&rest, &name))
		if (is(&name, chain))
			return 1;
	return 0;
}
