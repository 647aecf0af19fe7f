/* SPDX-License-Identifier: ISC */
/* A DNS message that grows, with compressed names (RFC 1035, 4.1.4). */
#ifndef DNSD_WRITER_H
#define DNSD_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "schema/limits.h"

#define WRITER_SUFFIXES 128

/*
 * Names of one message, when no pointer makes them short: what is beyond that
 * is made to cost time.  Two thousand addresses of a usual name are a third.
 */
#define WRITER_NAMES_BYTES 196608

/* A name, or the end of one, that stands in the message. */
struct writer_suffix {
	uint32_t hash;
	uint16_t at; /* 0: none */
};

struct writer {
	uint8_t message[LIMIT_DNS_PACKET_BYTES];
	size_t used;
	size_t names_bytes; /* all that were written, uncompressed */
	struct writer_suffix suffixes[WRITER_SUFFIXES];
};

/* An empty header and the question's name, which has to be whole. */
void writer_begin(struct writer *, const uint8_t *name, size_t name_bytes);

/* -1 when there is no room. */
int writer_bytes(struct writer *, const void *bytes, size_t len);

/*
 * A whole name, which later ones may point to; it points itself only with
 * compress (RFC 3597, 4).  Letter case does not matter for that.  The time for
 * a name has a bound, whatever was written before.  -1 when there is no room,
 * or beyond WRITER_NAMES_BYTES.
 */
int writer_name(
    struct writer *, const uint8_t *name, size_t name_bytes, int compress);

#endif
