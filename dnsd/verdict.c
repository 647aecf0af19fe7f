/* SPDX-License-Identifier: ISC */
/* Reads names that clients and hostile servers wrote; dname.c has read them. */
#include "dnsd/verdict.h"

#include <string.h>

#include "dnsd/wire.h"
#include "policy/match_dns.h"

static const enum front_answer answers[] = {
	[DNS_RESOLVE] = FRONT_PASS,
	[DNS_NXDOMAIN] = FRONT_NXDOMAIN,
	[DNS_REFUSE] = FRONT_REFUSED,
	[DNS_ZERO] = FRONT_ZERO,
	[DNS_NODATA] = FRONT_NODATA,
};

size_t
verdict_name(
    const uint8_t *name, size_t name_bytes, char text[LIMIT_DNS_NAME_BYTES])
{
	size_t at = 0, len = 0, i;

	while (at < name_bytes && name[at] != 0) {
		size_t label = name[at++];

		if (label >= name_bytes - at)
			break;
		if (len > 0)
			text[len++] = '.';
		for (i = 0; i < label; i++, at++)
			text[len++] = name[at] == '.' ? '\0' : (char)name[at];
	}
	return len;
}

void
verdict_on(const struct image *image, const struct domain_index *index,
    const uint8_t *name, size_t name_bytes, uint16_t qtype,
    struct front_verdict *verdict)
{
	char text[LIMIT_DNS_NAME_BYTES];
	struct dns_verdict found;

	if (image_block_count(image) == 0 && image_dns(image)->closed == 0)
		return;
	found = policy_dns(
	    image, index, text, verdict_name(name, name_bytes, text), qtype);
	if (found.action == DNS_RESOLVE)
		return;
	verdict->answer = answers[found.action];
	verdict->rule = found.rule;
	verdict->ede = WIRE_EDE_BLOCKED;
}

int
verdict_may_be_private(
    const struct image *image, const uint8_t *name, size_t name_bytes)
{
	char text[LIMIT_DNS_NAME_BYTES];

	return policy_dns_may_be_private(
	    image, text, verdict_name(name, name_bytes, text));
}
