/* SPDX-License-Identifier: ISC */
/* Reads a question alone, which query.c has read. */
#include "dnsd/block.h"

#include "dnsd/maker.h"
#include "dnsd/wire.h"

/* The unspecified address (A, AAAA), or no data for other types. */
static void
answer_zero(
    struct maker *maker, const struct question *question, struct answer *answer)
{
	static const uint8_t unspecified[16];
	const struct rdata data = {
		.message = unspecified,
		.len = sizeof(unspecified),
		.bytes = question->qtype == WIRE_A ? 4 : 16,
		.type = question->qtype,
	};

	maker_begin(maker, question, answer);
	if ((question->qtype != WIRE_A && question->qtype != WIRE_AAAA) ||
	    maker_add(maker, question->name, question->name_bytes, &data,
		BLOCK_TTL_S) == -1)
		return;
	answer->answers = 1;
	answer->ttl_s = BLOCK_TTL_S;
	(void)maker_summarize(maker, &data);
	answer->has = 0; /* nobody gets anywhere with that */
}

void
block_answer(struct maker *maker, const struct question *question,
    const struct front_verdict *verdict, struct answer *answer)
{
	if (verdict->answer == FRONT_ZERO)
		answer_zero(maker, question, answer);
	else if (verdict->answer == FRONT_NXDOMAIN)
		answer_error(answer, WIRE_NXDOMAIN, DNS_EDE_NONE);
	else if (verdict->answer == FRONT_NODATA)
		answer_error(answer, WIRE_NOERROR, DNS_EDE_NONE);
	else
		answer_error(answer, WIRE_REFUSED, DNS_EDE_NONE);
	answer->ede = verdict->ede;
}
