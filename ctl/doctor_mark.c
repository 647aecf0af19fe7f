/* SPDX-License-Identifier: ISC */
/* Reads rules of others as nft(8) writes them.  Pure. */
#include "ctl/doctor.h"

#include <stdlib.h>
#include <string.h>

/* Where an expression that begins with the mark ends: at what follows it. */
struct words {
	const char *at;
};

static int
next_word(struct words *words, char word[16])
{
	size_t len;

	words->at += strspn(words->at, " \t");
	len = strcspn(words->at, " \t\n");
	if (len == 0)
		return 0;
	(void)memset(word, 0, 16);
	memcpy(word, words->at, len < 15 ? len : 15);
	words->at += len;
	return 1;
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

/* Behind "mark set": the bits that it changes. */
static uint32_t
bits_set(struct words words)
{
	uint32_t changed = 0, value;
	char word[16];
	int is_own = 0;

	while (next_word(&words, word)) {
		if (strcmp(word, "meta") == 0 || strcmp(word, "ct") == 0)
			continue;
		if (strcmp(word, "mark") == 0) {
			is_own = 1;
			continue;
		}
		if (!is_and(word) && !is_or(word))
			break;
		{
			int keeps = is_and(word);

			if (!next_word(&words, word) || !number(word, &value))
				return UINT32_MAX;
			changed |= keeps ? ~value : value;
		}
	}
	/* A constant, a map, or another mark as it is. */
	return is_own && changed != 0 ? changed : UINT32_MAX;
}

int
doctor_mark_is_used(const char *line, uint32_t mask)
{
	struct words words = { line };
	uint32_t value;
	char word[16];

	while (next_word(&words, word)) {
		struct words behind = words;

		if (strcmp(word, "mark") != 0 || !next_word(&behind, word))
			continue;
		if (strcmp(word, "set") == 0)
			return (bits_set(behind) & mask) != 0;
		if (is_and(word) && next_word(&behind, word) &&
		    number(word, &value) && (value & mask) != 0)
			return 1;
	}
	return 0;
}
