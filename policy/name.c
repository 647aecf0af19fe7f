/* SPDX-License-Identifier: ISC */
/* Checks of names.  Pure. */
#include "policy/name.h"

#include <net/if.h>
#include <string.h>

#define SMALL "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define LETTERS_DIGITS SMALL "ABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS
#define HOST_MOST 253
#define LABEL_MOST 63

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

/* As inet_aton(3) takes them: decimal, or hexadecimal. */
static int
is_number(const char *label)
{
	if (strncmp(label, "0x", 2) == 0)
		return label[2 + strspn(label + 2, DIGITS "abcdef")] == '\0';
	return label[strspn(label, DIGITS)] == '\0';
}

static int
is_of_host(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
	       byte == '-' || byte == '_';
}

/* Without strspn(3), which makes a table of so many characters each time. */
int
name_is_host(const char *name, size_t size)
{
	size_t at, len = strnlen(name, size), label = 0;

	if (len == size || len > HOST_MOST)
		return 0;
	for (at = 0; at < len; at++) {
		if (name[at] != '.') {
			if (!is_of_host(name[at]) || label++ == LABEL_MOST)
				return 0;
			continue;
		}
		if (label == 0)
			return 0;
		label = 0;
	}
	return label > 0 && !is_number(name + len - label);
}

int
name_is_within(const char *name, size_t len, const char *zone)
{
	size_t zone_len = strlen(zone);

	return len >= zone_len &&
	       memcmp(name + len - zone_len, zone, zone_len) == 0 &&
	       (len == zone_len || name[len - zone_len - 1] == '.');
}

const char *
name_domain(const char *text, size_t len, char name[LIMIT_DOMAIN_BYTES])
{
	size_t i;

	if (len > 0 && text[len - 1] == '.')
		len--;
	for (i = 0; i < len; i++)
		if ((unsigned char)text[i] >= 0x80)
			return "a name outside ASCII is written as DNS has it, "
			       "as xn--bcher-kva.example";
	if (len == 0)
		return "the name is empty";
	if (len > HOST_MOST)
		return "the name is longer than 253 characters";
	for (i = 0; i < len; i++)
		name[i] =
		    (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] | 0x20
							    : text[i]);
	name[len] = '\0';
	return strlen(name) == len && name_is_host(name, LIMIT_DOMAIN_BYTES)
		   ? NULL
		   : "no name of a domain: labels of letters, digits, - and "
		     "_, apart by dots, and no address";
}
