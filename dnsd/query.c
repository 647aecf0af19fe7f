/* SPDX-License-Identifier: ISC */
/* Reads what any client may have sent, within the message given.  Pure. */
#include "dnsd/query.h"

#include <string.h>

#include "dnsd/dname.h"
#include "dnsd/wire.h"

#define ADDITIONAL_MAX 1 /* the OPT record */

/* Types that are not data, and what to say of them. */
static int
type_verdict(uint16_t qtype)
{
	switch (qtype) {
	case 0:
	case WIRE_OPT:
		return WIRE_FORMERR;
	case WIRE_TKEY:
	case WIRE_TSIG:
	case WIRE_IXFR:
	case WIRE_AXFR:
		return WIRE_REFUSED;
	case WIRE_MAILB:
	case WIRE_MAILA:
		return WIRE_NOTIMP;
	}
	return QUERY_GOOD;
}

/* RFC 6891, 6.1.2: whether the options end where their record does. */
static int
options_are_whole(const uint8_t *options, size_t len)
{
	size_t at = 0;

	while (at + 4 <= len)
		at += 4U + wire_get16(options + at + 2);
	return at == len;
}

static int
opt_parse(const uint8_t *message, size_t len, size_t at, struct query *query)
{
	uint16_t most;

	/* The root's name, then type, class, TTL and length as usual. */
	if (at + 1 + WIRE_RECORD_BYTES > len || message[at] != 0 ||
	    wire_get16(message + at + 1) != WIRE_OPT)
		return WIRE_FORMERR;
	query->edns = 1;
	query->dnssec_ok = (wire_get16(message + at + 7) & WIRE_DO) != 0;
	most = wire_get16(message + at + 3);
	if (most > WIRE_UDP_PLAIN_BYTES)
		query->udp_bytes =
		    most < WIRE_UDP_BYTES ? most : WIRE_UDP_BYTES;
	if (message[at + 6] != 0)
		return WIRE_BADVERS;
	if (at + 1 + WIRE_RECORD_BYTES + wire_get16(message + at + 9) != len ||
	    !options_are_whole(message + at + 1 + WIRE_RECORD_BYTES,
		wire_get16(message + at + 9)))
		return WIRE_FORMERR;
	return QUERY_GOOD;
}

static int
question_parse(
    const uint8_t *message, size_t len, size_t *at, struct query *query)
{
	int name_bytes = dname_read_plain(message, len, at, query->cased);

	if (name_bytes == -1 || *at + WIRE_QUESTION_BYTES > len)
		return WIRE_FORMERR;
	query->question.name_bytes = (uint8_t)name_bytes;
	dname_lower(
	    query->question.name, query->cased, query->question.name_bytes);
	query->question.qtype = wire_get16(message + *at);
	query->qclass = wire_get16(message + *at + 2);
	*at += WIRE_QUESTION_BYTES;
	return QUERY_GOOD;
}

static void
header_parse(const uint8_t *message, struct query *query)
{
	uint16_t flags = wire_get16(message + 2);

	query->id = wire_get16(message);
	query->opcode = flags & WIRE_OPCODE;
	query->recursion_desired = (flags & WIRE_RD) != 0;
	query->authentic_data = (flags & WIRE_AD) != 0;
	query->question.checking_disabled = (flags & WIRE_CD) != 0;
	query->udp_bytes = WIRE_UDP_PLAIN_BYTES;
	query->dnssec_ok = 0;
	query->edns = 0;
	query->qclass = 0;
	query->question.name_bytes = 0;
	query->question.qtype = 0;
}

/* What is behind the question: nothing, or OPT. */
static int
rest_parse(const uint8_t *message, size_t len, size_t at, struct query *query)
{
	uint16_t additional = wire_get16(message + 10);

	if (wire_get32(message + 6) != 0 || additional > ADDITIONAL_MAX)
		return WIRE_FORMERR;
	if (additional == 0)
		return at == len ? QUERY_GOOD : WIRE_FORMERR;
	return opt_parse(message, len, at, query);
}

int
query_parse(const uint8_t *message, size_t len, struct query *query)
{
	size_t at = WIRE_HEADER_BYTES;
	int of_kind, verdict;

	if (len < WIRE_HEADER_BYTES || (wire_get16(message + 2) & WIRE_QR) != 0)
		return QUERY_DROP;
	header_parse(message, query);
	of_kind = query->opcode == 0 ? QUERY_GOOD : WIRE_NOTIMP;
	if (wire_get16(message + 4) != 1 ||
	    question_parse(message, len, &at, query) != QUERY_GOOD)
		return of_kind == QUERY_GOOD ? WIRE_FORMERR : of_kind;
	if (of_kind == QUERY_GOOD)
		of_kind = type_verdict(query->question.qtype);
	verdict = rest_parse(message, len, at, query);
	/*
	 * Those may have more behind a question (RFC 1995, 3; RFC 2136, 2.3).
	 * If it is OPT alone, the answer has it too (RFC 6891, 6.1.1).
	 */
	if (of_kind == WIRE_REFUSED || of_kind == WIRE_NOTIMP)
		return of_kind;
	if (verdict == QUERY_GOOD)
		verdict = of_kind;
	if (verdict == QUERY_GOOD && query->qclass != WIRE_CLASS_IN)
		verdict = WIRE_REFUSED;
	return verdict;
}
