/* SPDX-License-Identifier: ISC */
/* Why an answer failed validation, in numbers of RFC 8914, 4. */
#ifndef DNSD_RESOLVER_BOGUS_H
#define DNSD_RESOLVER_BOGUS_H

#include <stdint.h>

/* why: libunbound's words, or NULL.  6 (DNSSEC Bogus) for what is unknown. */
uint16_t bogus_ede(const char *why);

#endif
