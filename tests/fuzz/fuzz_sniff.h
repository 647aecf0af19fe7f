/* SPDX-License-Identifier: ISC */
/* What holds for every sniffer and all bytes. */
#ifndef TESTS_FUZZ_FUZZ_SNIFF_H
#define TESTS_FUZZ_FUZZ_SNIFF_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/name.h"
#include "relay/sniff.h"

/* A name is found exactly when it is one that a log may show. */
static inline void
fuzz_sniff_check(enum sniff_status status, const struct sniff_name *name)
{
	if (status == SNIFF_FOUND
		? !name_is_host(name->host, sizeof(name->host)) ||
		      name->source == FLOW_HOST_NONE
		: name->host[0] != '\0' || name->source != FLOW_HOST_NONE)
		abort();
}

/*
 * What comes in pieces is read as what comes at once; but that there is no name
 * may be told later.
 */
static inline void
fuzz_sniff_pieces(sniff_fn *parser, const uint8_t *data, size_t size,
    size_t step, enum sniff_status status, const struct sniff_name *whole)
{
	struct sniff_course course = { 0 };
	struct sniff_name name;
	enum sniff_status now = SNIFF_MORE;
	size_t len = 0;

	do {
		len = size - len < step ? size : len + step;
		now = parser(&course, data, len, &name);
		fuzz_sniff_check(now, &name);
		if (course.at > len ||
		    (now == SNIFF_MORE && len == size && status == SNIFF_FOUND))
			abort();
	} while (now == SNIFF_MORE && len < size);
	if (now != SNIFF_MORE &&
	    (now != status || strcmp(name.host, whole->host) != 0 ||
		name.ech != whole->ech || name.too_long != whole->too_long))
		abort();
}

/* What is final stays so, however much comes after it. */
static inline void
fuzz_sniff(sniff_fn *parser, const uint8_t *data, size_t size)
{
	struct sniff_name whole, part;
	struct sniff_course course = { 0 };
	enum sniff_status status = parser(&course, data, size, &whole), early;
	size_t step = size / 16 + 1, len;
	uint8_t *copy;

	fuzz_sniff_check(status, &whole);
	if (status == SNIFF_MORE && size >= SNIFF_MOST_SENT)
		abort();
	fuzz_sniff_pieces(parser, data, size, size / 256 + 1, status, &whole);
	fuzz_sniff_pieces(parser, data, size, step, status, &whole);
	for (len = 0; len < size; len += step) {
		if ((copy = malloc(len + 1)) == NULL)
			return;
		memcpy(copy + 1, data, len);
		memset(&course, 0, sizeof(course));
		early = parser(&course, copy + 1, len, &part);
		free(copy);
		fuzz_sniff_check(early, &part);
		if (early != SNIFF_MORE &&
		    (early != status || strcmp(part.host, whole.host) != 0))
			abort();
	}
}

#endif
