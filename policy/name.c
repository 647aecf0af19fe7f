/* SPDX-License-Identifier: ISC */
/* Checks of names.  Pure. */
#include "policy/name.h"

#include <net/if.h>
#include <string.h>

#include "schema/limits.h"

#define LETTERS_DIGITS               \
	"abcdefghijklmnopqrstuvwxyz" \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ" \
	"0123456789"

static int
made_of(const char *name, const char *allowed, size_t size)
{
	size_t len = strspn(name, allowed);

	return len > 0 && len < size && name[len] == '\0';
}

int
name_is_interface(const char *name)
{
	return made_of(name, LETTERS_DIGITS "_-.@+", IFNAMSIZ) &&
	       name[0] != '-' && name[0] != '.' && strcmp(name, "lo") != 0;
}

int
name_is_table(const char *name)
{
	return made_of(name, LETTERS_DIGITS "_-", LIMIT_NAME_BYTES);
}
