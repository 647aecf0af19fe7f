/* SPDX-License-Identifier: ISC */
/*
 * Names that reach the kernel's rules as text, where nothing in them may mean
 * something to nft(8), and names of hosts, which reach logs and terminals.
 */
#ifndef POLICY_NAME_H
#define POLICY_NAME_H

#include <stddef.h>

#include "schema/limits.h"

/*
 * Letters, digits, _ - . @ +, at most 15 bytes.  Less than the kernel takes
 * (no wildcard, quote or blank), not beginning with a dot or a dash, and never
 * lo, which carries nothing that is forwarded.
 */
int name_is_interface(const char *);

/*
 * Of a table or an upstream: letters, digits, _ and -, at most
 * LIMIT_NAME_BYTES - 1 bytes.
 */
int name_is_table(const char *);

/*
 * A host's name as DNS has them (RFC 1123, 2.1; RFC 1035, 2.3.4), in lower case
 * and without a final dot: labels of letters, digits, - and _, the last one
 * no number, so that no way to write an IPv4 address is a name.  size: of the
 * memory that it has to end in.
 */
int name_is_host(const char *, size_t size);

/* Whether a name is the zone's or one below it; both as name_is_host(). */
int name_is_within(const char *name, size_t len, const char *zone);

/*
 * A domain as an operator writes it: a final dot goes, letters become small.
 * NULL and the name, or why it is none, a static string: outside ASCII an
 * A-label (RFC 5890, 2.3.2.1) is wanted, which is what DNS carries.
 */
const char *
name_domain(const char *text, size_t len, char name[LIMIT_DOMAIN_BYTES]);

#endif
