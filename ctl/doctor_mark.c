/* SPDX-License-Identifier: ISC */
/* Reads rules of others as nft(8) writes them.  Pure. */
#include "ctl/doctor.h"

#include <stdlib.h>
#include <string.h>

#define WORD_BYTES 16 /* what is longer is cut: no word of interest is */

/* What is left of a line. */
struct words {
	const char *at;
};

/* The next one; what stands in quotes is none. */
static int
next_word(struct words *words, char word[WORD_BYTES])
{
	size_t len;

	words->at += strspn(words->at, " \t");
	while (*words->at == '"') {
		words->at++;
		words->at += strcspn(words->at, "\"");
		words->at += *words->at == '"';
		words->at += strspn(words->at, " \t");
	}
	len = strcspn(words->at, " \t\n");
	memset(word, 0, WORD_BYTES);
	memcpy(word, words->at, len < WORD_BYTES ? len : WORD_BYTES - 1);
	words->at += len;
	return len > 0;
}

static int
is_any(const char *word, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(word, *list) == 0)
			return 1;
	return 0;
}

static int
is_and(const char *word)
{
	static const char *const ands[] = { "&", "and", NULL };

	return is_any(word, ands);
}

static int
is_or(const char *word)
{
	static const char *const ors[] = { "|", "or", "^", "xor", NULL };

	return is_any(word, ors);
}

/* A number that stands alone. */
static int
number(const char *word, uint32_t *value)
{
	char *end;

	if (*word < '0' || *word > '9')
		return 0;
	*value = (uint32_t)strtoul(word, &end, 0);
	return *end == '\0';
}

/* What "& 0xff" or "| 0x1" behind a mark changes of it; 0: no such thing. */
static uint32_t
bits_of(struct words *words)
{
	char how[WORD_BYTES], word[WORD_BYTES];
	struct words behind = *words;
	uint32_t value;

	if (!next_word(&behind, how) || !(is_and(how) || is_or(how)))
		return 0;
	*words = behind;
	/* What is no number may be any. */
	if (!next_word(words, word) || !number(word, &value))
		return UINT32_MAX;
	return is_and(how) ? ~value : value;
}

/* Behind "mark set": a mark as it is, but for some bits; or all of them. */
static uint32_t
bits_set(struct words *words)
{
	uint32_t changed = 0, bits;
	char word[WORD_BYTES];

	if (!next_word(words, word))
		return UINT32_MAX;
	if (strcmp(word, "meta") == 0 || strcmp(word, "ct") == 0)
		(void)next_word(words, word);
	if (strcmp(word, "mark") != 0)
		return UINT32_MAX;
	while ((bits = bits_of(words)) != 0)
		changed |= bits;
	return changed != 0 ? changed : UINT32_MAX;
}

int
doctor_mark_is_used(const char *line, uint32_t mask)
{
	struct words words = { line };
	uint32_t value;
	char word[WORD_BYTES];

	while (next_word(&words, word)) {
		struct words behind = words;

		if (strcmp(word, "mark") != 0 || !next_word(&behind, word))
			continue;
		if (strcmp(word, "set") == 0) {
			if ((bits_set(&behind) & mask) != 0)
				return 1;
			words = behind;
			continue;
		}
		if (is_and(word) && next_word(&behind, word) &&
		    number(word, &value) && (value & mask) != 0)
			return 1;
	}
	return 0;
}
