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

/* What is final stays so, however much comes after it. */
static inline void
fuzz_sniff(sniff_fn *parser, const uint8_t *data, size_t size)
{
	struct sniff_name whole, part;
	enum sniff_status status = parser(data, size, &whole), early;
	size_t step = size / 16 + 1, len;
	uint8_t *copy;

	fuzz_sniff_check(status, &whole);
	if (status == SNIFF_MORE && size >= SNIFF_MOST_BYTES)
		abort();
	for (len = 0; len < size; len += step) {
		if ((copy = malloc(len + 1)) == NULL)
			return;
		memcpy(copy + 1, data, len);
		early = parser(copy + 1, len, &part);
		free(copy);
		fuzz_sniff_check(early, &part);
		if (early != SNIFF_MORE &&
		    (early != status || strcmp(part.host, whole.host) != 0))
			abort();
	}
}

#endif
