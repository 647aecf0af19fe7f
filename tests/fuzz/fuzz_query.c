/* SPDX-License-Identifier: ISC */
/*
 * Any bytes as a client's question: what is read of it fits together, and every
 * verdict can be answered within the bound that the client set; none takes
 * longer than 10 ms.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dnsd/answer.h"
#include "dnsd/dname.h"
#include "dnsd/query.h"
#include "dnsd/wire.h"
#include "tests/fuzz/fuzz_pace.h"

static void
check_name(const struct query *query)
{
	const struct question *question = &query->question;
	uint8_t name[LIMIT_DNS_NAME_BYTES];
	size_t at = 0;

	if (question->name_bytes == 0)
		return;
	if (dname_read_plain(question->name, question->name_bytes, &at, name) !=
		question->name_bytes ||
	    !dname_equal(question->name, query->cased, question->name_bytes))
		abort();
	for (at = 0; at < question->name_bytes; at++)
		if (name[at] >= 'A' && name[at] <= 'Z')
			abort();
}

static void
pace_try(const uint8_t *data, size_t size)
{
	static const struct answer_age fresh = { 0, 0 };
	struct query query;
	struct answer answer;
	uint8_t *exact, *sent;
	size_t len;
	int verdict;

	exact = malloc(size + 1);
	memcpy(exact + 1, data, size);
	verdict = query_parse(exact + 1, size, &query);
	free(exact);
	if (verdict == QUERY_DROP)
		return;
	check_name(&query);
	if (verdict == QUERY_GOOD && query.question.name_bytes == 0)
		abort();
	if (query.udp_bytes < WIRE_UDP_PLAIN_BYTES ||
	    query.udp_bytes > WIRE_UDP_BYTES)
		abort();
	answer_error(&answer, (unsigned int)verdict, WIRE_EDE_OTHER);
	sent = malloc(query.udp_bytes);
	len = answer_write(&answer, &query, &fresh, sent, query.udp_bytes);
	if (len > query.udp_bytes || wire_get16(sent) != query.id)
		abort();
	free(sent);
}
