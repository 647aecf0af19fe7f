/* SPDX-License-Identifier: ISC */
/*
 * The addresses that a record of SVCB or HTTPS has beside its name: ipv4hint
 * and ipv6hint (RFC 9460, 2.2 and 7.3).
 */
#ifndef DNSD_SVCB_H
#define DNSD_SVCB_H

#include <stddef.h>
#include <stdint.h>

struct rdata;

struct svcb {
	const uint8_t *at, *end; /* parameters that were not looked at */
	const uint8_t *hint, *hints_end;
	size_t hint_bytes;
	int bad;
};

/* Whether records of a type have such data. */
int svcb_is(uint16_t type);

/* Whether there is any address in the data; never in that of other types. */
int svcb_has_hints(const struct rdata *);

/*
 * Whether any of them is private (dnsd/private.h), or the data is not in order,
 * so that it cannot be told what a client makes of it.
 */
int svcb_is_private(const struct rdata *);

/* Begins before the first address; data stays the caller's. */
void svcb_begin(struct svcb *, const struct rdata *);

/*
 * The next address and its length, 4 or 16 bytes, or NULL after the last one;
 * bad says then that the data is not in order.
 */
const uint8_t *svcb_hint(struct svcb *, size_t *bytes);

#endif
