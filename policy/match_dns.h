/* SPDX-License-Identifier: ISC */
/* What becomes of a question about a name. */
#ifndef POLICY_MATCH_DNS_H
#define POLICY_MATCH_DNS_H

#include <stddef.h>
#include <stdint.h>

#include "policy/domain_index.h"
#include "policy/image.h"
#include "schema/dns.h"

enum dns_action {
	DNS_RESOLVE,  /* nothing keeps clients from it */
	DNS_NXDOMAIN, /* there is no such name */
	DNS_REFUSE,
	DNS_ZERO,   /* 0.0.0.0 to a question of type A, :: to one of AAAA */
	DNS_NODATA, /* the name is there, with nothing of that type */
};

struct dns_verdict {
	enum dns_action action;
	uint16_t
	    rule; /* the statement, for rows; DNS_RULE_NONE of DNS_RESOLVE */
};

/*
 * What names open a way that is closed says so, whatever lists say; else the
 * first dns block statement whose list has the name answers.  The name is in
 * lower case, its labels apart by dots, without a final one; a dot inside a
 * label must be written as something else, so that it parts nothing.  index is
 * the image's own, or NULL when it has none.
 */
struct dns_verdict policy_dns(const struct image *, const struct domain_index *,
    const char *name, size_t len, uint16_t type);

/*
 * Which of the image's logs of dns says whether a question about a name has a
 * row: the first whose list has it, or image_dns_log_count() for none.
 */
uint32_t policy_dns_log(const struct image *, const struct domain_index *,
    const char *name, size_t len);

/* Whether a name, as above, may lead to addresses of private networks. */
int
policy_dns_may_be_private(const struct image *, const char *name, size_t len);

/*
 * Whether an index is the one that an image was made with; NULL is that of an
 * image without lists.  Nobody may take the one without the other.
 */
int policy_index_fits(const struct image *, const struct domain_index *);

#endif
