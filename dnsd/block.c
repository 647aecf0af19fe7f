/* SPDX-License-Identifier: ISC */
/* Reads a question alone, which query.c has read. */
#include "dnsd/block.h"

#include <string.h>

#include "dnsd/maker.h"
#include "dnsd/wire.h"

/*
 * Of a zone that has nothing else, as RFC 6303, 3 wants it: to whom to write,
 * then serial, refresh, retry, expire and MINIMUM.
 */
static const uint8_t nobody[] = "\6nobody\7invalid";
static const uint32_t times[] = { 1, 3600, 1200, 604800, BLOCK_TTL_S };

/* The unspecified address (A, AAAA). */
static void
add_zero(
    struct maker *maker, const struct question *question, struct answer *answer)
{
	static const uint8_t unspecified[16];
	const struct rdata data = {
		.message = unspecified,
		.len = sizeof(unspecified),
		.bytes = question->qtype == WIRE_A ? 4 : 16,
		.type = question->qtype,
	};

	if (maker_add(maker, question->name, question->name_bytes, &data,
		BLOCK_TTL_S) == -1)
		return;
	answer->answers = 1;
	(void)maker_summarize(maker, &data);
	answer->has = 0; /* nobody gets anywhere with that */
}

/*
 * Without one nobody may remember that there is nothing (RFC 2308, 5).  The
 * zone begins at the name that was asked for, so that nothing is said of any
 * other.
 */
static void
add_soa(
    struct maker *maker, const struct question *question, struct answer *answer)
{
	uint8_t bytes[LIMIT_DNS_NAME_BYTES + sizeof(nobody) + sizeof(times)];
	struct rdata data = { .message = bytes, .type = WIRE_SOA };
	size_t at = question->name_bytes, i;

	memcpy(bytes, question->name, at);
	memcpy(bytes + at, nobody, sizeof(nobody));
	at += sizeof(nobody);
	for (i = 0; i < sizeof(times) / sizeof(times[0]); i++, at += 4)
		wire_put32(bytes + at, times[i]);
	data.len = at;
	data.bytes = (uint16_t)at;
	if (maker_add(maker, question->name, question->name_bytes, &data,
		BLOCK_TTL_S) == 0)
		answer->authorities = 1;
}

void
block_answer(struct maker *maker, const struct question *question,
    const struct front_verdict *verdict, struct answer *answer)
{
	int of_address =
	    question->qtype == WIRE_A || question->qtype == WIRE_AAAA;

	if (verdict->answer == FRONT_REFUSED) {
		answer_error(answer, WIRE_REFUSED, verdict->ede);
		return;
	}
	maker_begin(maker, question, answer);
	answer->ede = verdict->ede;
	answer->ttl_s = BLOCK_TTL_S;
	if (verdict->answer == FRONT_NXDOMAIN)
		answer->rcode = WIRE_NXDOMAIN;
	if (verdict->answer == FRONT_ZERO && of_address)
		add_zero(maker, question, answer);
	else
		add_soa(maker, question, answer);
}
