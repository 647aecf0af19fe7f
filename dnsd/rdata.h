/* SPDX-License-Identifier: ISC */
/* The data of resource records, as far as names are in it. */
#ifndef DNSD_RDATA_H
#define DNSD_RDATA_H

#include <stddef.h>
#include <stdint.h>

struct writer;

/* Where data stands in a message that was received. */
struct rdata {
	const uint8_t *message;
	size_t len; /* of the message */
	size_t at;  /* of the data, which lies within the message */
	uint16_t bytes;
	uint16_t type;
};

/*
 * Writes the data anew: pointers are followed, and made where RFC 1035 and RFC
 * 3597, 4 permit them.  -1 when it is not what its type has, or for lack of
 * room.
 */
int rdata_write(const struct rdata *, struct writer *);

#endif
