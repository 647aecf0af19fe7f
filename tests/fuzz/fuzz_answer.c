/* SPDX-License-Identifier: ISC */
/*
 * A hostile resolver's message: the first byte chooses type and DO, the rest is
 * the message, whose question the client has asked.  What is made of it can be
 * taken apart again to the same, has no hint of a private address, and none
 * takes longer than 10 ms.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dnsd/answer.h"
#include "dnsd/dname.h"
#include "dnsd/maker.h"
#include "dnsd/query.h"
#include "dnsd/rdata.h"
#include "dnsd/svcb.h"
#include "dnsd/wire.h"
#include "tests/fuzz/fuzz_pace.h"

static int
no_name(void *ctx, const uint8_t *name, size_t bytes)
{
	(void)ctx;
	(void)name;
	(void)bytes;
	return 0;
}

static const struct answer_limits limits = { 86400, 3600, no_name, NULL };
static const struct answer_age fresh = { 0, 0 };

/* The question in the message, if there is one. */
static int
question_read(const uint8_t *data, size_t size, struct query *query)
{
	size_t at = WIRE_HEADER_BYTES;
	int len;

	memset(query, 0, sizeof(*query));
	if (size < WIRE_HEADER_BYTES)
		return -1;
	len = dname_read_plain(data, size, &at, query->cased);
	if (len == -1 || size - at < WIRE_QUESTION_BYTES)
		return -1;
	query->question.name_bytes = (uint8_t)len;
	query->question.qtype = wire_get16(data + at);
	query->qclass = WIRE_CLASS_IN;
	dname_lower(query->question.name, query->cased, (size_t)len);
	return 0;
}

static void
check_hints(const struct answer_record *record)
{
	const struct rdata data = {
		.message = record->data,
		.len = record->bytes,
		.bytes = record->bytes,
		.type = record->type,
	};

	if (svcb_is_private(&data))
		abort();
}

static void
check_records(const struct answer *answer, const struct question *question)
{
	uint8_t name[LIMIT_DNS_NAME_BYTES];
	struct answer_record record;
	unsigned int i;

	for (i = 0; i < answer->answers; i++) {
		answer_record(answer, question, i, &record);
		if (record.data + record.bytes >
		    answer->body + answer->body_bytes)
			abort();
		check_hints(&record);
		(void)answer_alias(answer, question, i, name);
	}
}

/* The message that a client would get, as one of the resolver's. */
static void
check_again(const struct answer *first, struct query *query)
{
	static struct maker *again;
	static uint8_t sent[LIMIT_DNS_PACKET_BYTES];
	struct resolution resolution = {
		.rcode = first->rcode, .ede = first->ede, .packet = sent
	};
	struct answer second;

	if (again == NULL)
		again = maker_new();
	resolution.len_bytes =
	    answer_write(first, query, &fresh, sent, sizeof(sent));
	if (first->rcode == WIRE_SERVFAIL || (sent[2] & 2) != 0)
		return;
	if (answer_take(again, &query->question, query->dnssec_ok, &resolution,
		&limits, &second) == -1 ||
	    second.answers != first->answers ||
	    second.authorities != first->authorities ||
	    second.summary_bytes != first->summary_bytes)
		abort();
}

static void
pace_try(const uint8_t *data, size_t size)
{
	static struct maker *maker;
	struct resolution resolution = { .ede = DNS_EDE_NONE };
	struct query query;
	struct answer answer;
	uint8_t *exact;
	int result;

	if (maker == NULL)
		maker = maker_new();
	if (size < 1 || size > LIMIT_DNS_PACKET_BYTES ||
	    question_read(data + 1, size - 1, &query) == -1)
		return;
	query.dnssec_ok = data[0] & 1;
	resolution.rcode = data[0] & 2 ? WIRE_NXDOMAIN : WIRE_NOERROR;
	resolution.security = data[0] >> 2 & 3;
	exact = malloc(size);
	memcpy(exact + 1, data + 1, size - 1);
	resolution.packet = exact + 1;
	resolution.len_bytes = size - 1;
	result = answer_take(maker, &query.question, query.dnssec_ok,
	    &resolution, &limits, &answer);
	free(exact);
	if (result == -1)
		return;
	check_records(&answer, &query.question);
	check_again(&answer, &query);
}
