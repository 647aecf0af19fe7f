/* SPDX-License-Identifier: ISC */
#include "dnsd/block.h"

#include "dnsd/wire.h"

void
block_answer(struct answer_maker *maker, const struct question *question,
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
