/* SPDX-License-Identifier: ISC */
/* A client's question, RFC 1035, 4.1 and RFC 6891. */
#ifndef DNSD_QUERY_H
#define DNSD_QUERY_H

#include <stddef.h>
#include <stdint.h>

#include "dnsd/front.h"
#include "schema/limits.h"

struct query {
	uint16_t id;
	uint16_t udp_bytes; /* the longest answer over UDP: 512 .. 1232 */
	uint16_t opcode;    /* bits of the header's flags, for the answer */
	uint16_t qclass;
	uint8_t recursion_desired;
	uint8_t authentic_data; /* AD: wants to know, RFC 6840, 5.7 */
	uint8_t dnssec_ok;
	uint8_t edns;			     /* has an OPT record */
	uint8_t cased[LIMIT_DNS_NAME_BYTES]; /* as the client wrote the name */
	struct question question;	     /* name_bytes 0: there is none */
};

/* What is to be done with a question, besides the codes of enum wire_rcode. */
enum { QUERY_DROP = -1, QUERY_GOOD = 0 };

/*
 * QUERY_GOOD, QUERY_DROP for what gets no answer at all (it is one itself, or
 * less than a header), or the rcode to answer with; then the query holds
 * as much as is needed for that.  *query need not be prepared.
 */
int query_parse(const uint8_t *message, size_t len, struct query *query);

#endif
