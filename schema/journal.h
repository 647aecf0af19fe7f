/* SPDX-License-Identifier: ISC */
/*
 * Questions of one dnsd that are not yet on disk, as far as it knows.
 *
 * The journal is a memfd that the supervisor makes for each dnsd.  The dnsd
 * alone writes; when it has died, the flow log finds there what it was not
 * told.  Whoever reads a journal believes nothing in it.
 */
#ifndef SCHEMA_JOURNAL_H
#define SCHEMA_JOURNAL_H

#include <stdint.h>

#include "schema/limits.h"

#define DNS_JOURNAL_MAGIC 0x6a787074U /* "tpxj" */
#define DNS_JOURNAL_MESSAGES 128 /* that may wait for their acknowledgement */

/*
 * Records as DNS_ROWS has them.  bytes is written last: so much of byte is
 * whole, and sequence and lost are those of it.
 */
struct dns_journal_message {
	uint64_t sequence;
	uint32_t lost; /* records, before the first of these */
	_Atomic uint32_t bytes;
	_Alignas(8) uint8_t byte[LIMIT_DNS_ROWS_BYTES];
};

/* Messages first to last, each at its number modulo DNS_JOURNAL_MESSAGES. */
struct dns_journal {
	uint32_t magic;
	uint32_t worker;
	_Atomic uint64_t first; /* not acknowledged */
	_Atomic uint64_t last;	/* being filled */
	_Atomic uint32_t lost;	/* records that no message tells of */
	uint32_t reserved;
	struct dns_journal_message message[DNS_JOURNAL_MESSAGES];
};

#endif
