/* SPDX-License-Identifier: ISC */
/* Reads names that anybody may have written, within the message given. */
#include "dnsd/dname.h"

#include <string.h>

#include "dnsd/wire.h"

static uint8_t
lower(uint8_t byte)
{
	return (uint8_t)(byte + ((uint8_t)(byte - 'A') < 26) * ('a' - 'A'));
}

void
dname_lower(uint8_t *to, const uint8_t *from, size_t len)
{
	size_t i;

	/* The lengths of labels are below 'A'. */
	for (i = 0; i < len; i++)
		to[i] = lower(from[i]);
}

int
dname_equal(const uint8_t *a, const uint8_t *b, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (lower(a[i]) != lower(b[i]))
			return 0;
	return 1;
}

int
dname_read_plain(const uint8_t *message, size_t len, size_t *at,
    uint8_t name[LIMIT_DNS_NAME_BYTES])
{
	size_t end = *at;
	uint8_t label;

	do {
		if (end >= len)
			return -1;
		label = message[end];
		if (label > WIRE_LABEL_MAX)
			return -1;
		end += 1U + label;
		if (end > len || end - *at > LIMIT_DNS_NAME_BYTES)
			return -1;
	} while (label != 0);
	len = end - *at;
	memcpy(name, message + *at, len);
	*at = end;
	return (int)len;
}

int
dname_read(const uint8_t *message, size_t len, size_t *at,
    uint8_t name[LIMIT_DNS_NAME_BYTES])
{
	size_t from = *at, bound = *at, end = 0, used = 0;
	uint8_t label;

	for (;;) {
		if (from >= len)
			return -1;
		label = message[from];
		if (label >= WIRE_POINTER) {
			if (from + 2 > len)
				return -1;
			if (end == 0)
				end = from + 2;
			from = wire_get16(message + from) & 0x3fffU;
			if (from >= bound)
				return -1;
			bound = from;
			continue;
		}
		if (label > WIRE_LABEL_MAX || from + 1 + label > len ||
		    used + 1 + label > LIMIT_DNS_NAME_BYTES)
			return -1;
		memcpy(name + used, message + from, 1U + label);
		used += 1U + label;
		from += 1U + label;
		if (label == 0)
			break;
	}
	*at = end == 0 ? from : end;
	return (int)used;
}
