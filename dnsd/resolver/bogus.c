/* SPDX-License-Identifier: ISC */
/* Reads text of libunbound that quotes names of servers: only looks in it. */
#include "dnsd/resolver/bogus.h"

#include <stddef.h>
#include <string.h>

#include "dnsd/wire.h"

/* The first that is found counts: the special ones come first. */
static const struct {
	const char *words;
	uint16_t ede;
} reasons[] = {
	{ "signature expired", 7 },
	{ "signature before inception date", 8 },
	{ "unsupported algorithm", 1 },
	{ "unknown algorithm", 1 },
	{ "no signatures", 10 },
	{ "no DNSKEY", 9 },
	{ "No DNSKEY", 9 },
	{ "no keys have a DS", 9 },
	{ "DNSKEY missing", 9 },
	{ "no NSEC", 12 },
};

uint16_t
bogus_ede(const char *why)
{
	size_t i;

	for (i = 0; why != NULL && i < sizeof(reasons) / sizeof(reasons[0]);
	     i++)
		if (strstr(why, reasons[i].words) != NULL)
			return reasons[i].ede;
	return WIRE_EDE_BOGUS;
}
