/* SPDX-License-Identifier: ISC */
/* What becomes of a question about a name. */
#ifndef POLICY_MATCH_DNS_H
#define POLICY_MATCH_DNS_H

#include <stddef.h>
#include <stdint.h>

#include "policy/domain_index.h"
#include "policy/image.h"

enum dns_action {
	DNS_RESOLVE,  /* no list that is blocked has it */
	DNS_NXDOMAIN, /* there is no such name */
	DNS_REFUSE,
	DNS_ZERO,   /* 0.0.0.0 to a question of type A, :: to one of AAAA */
	DNS_NODATA, /* the name is there, with nothing of that type */
};

struct dns_verdict {
	enum dns_action action;
	uint32_t block;	  /* index of the statement; not of DNS_RESOLVE */
	const char *text; /* the statement as written; NULL of DNS_RESOLVE */
};

/*
 * The first dns block statement whose list has the name answers.  The name is
 * in lower case, its labels apart by dots, without a final one; a dot inside a
 * label must be written as something else, so that it parts nothing.  index is
 * the image's own, or NULL when it has none.
 */
struct dns_verdict policy_dns(const struct image *, const struct domain_index *,
    const char *name, size_t len, uint16_t type);

/*
 * Whether an index is the one that an image was made with; NULL is that of an
 * image without lists.  Nobody may take the one without the other.
 */
int policy_index_fits(const struct image *, const struct domain_index *);

#endif
