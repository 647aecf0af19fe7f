/* SPDX-License-Identifier: ISC */
/*
 * An answer on its way: records are written behind the question one by one,
 * their names compressed, and told to the log.  What is made points into its
 * maker until that begins the next one.
 */
#ifndef DNSD_MAKER_H
#define DNSD_MAKER_H

#include <stddef.h>
#include <stdint.h>

#include "dnsd/answer.h"
#include "dnsd/front.h"
#include "dnsd/rdata.h"
#include "dnsd/writer.h"

struct maker {
	struct writer writer;
	struct answer *answer; /* that is being made */
	uint16_t ttls[ANSWER_RECORDS_MAX];
	uint8_t summary[LIMIT_DNS_SUMMARY_BYTES];
	uint8_t moved[LIMIT_DNS_PACKET_BYTES]; /* for answer_move() */
};

/* NULL with ENOMEM; who frees it needs free(3) alone. */
struct maker *maker_new(void);

/* Without records, NOERROR, and not to be kept; which the caller changes. */
void maker_begin(struct maker *, const struct question *, struct answer *);

/*
 * Writes one more record, of class IN, which the caller counts in its section.
 * -1 when the data is not what its type has, or for lack of room.
 */
int maker_add(struct maker *, const uint8_t *owner, size_t owner_bytes,
    const struct rdata *, uint32_t ttl_s);

/*
 * What a row of the log says of a record in the section of answers, and whether
 * it has addresses.  -1 when its data has no name where one must be.
 */
int maker_summarize(struct maker *, const struct rdata *);

/* Where the records begin in the message. */
size_t maker_body_at(const struct question *);

#endif
