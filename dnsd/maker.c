/* SPDX-License-Identifier: ISC */
/*
 * Owns the message that is being made.  The data of records may be a resolver's
 * that met hostile servers: every length and name of it is checked.
 */
#include "dnsd/maker.h"

#include <stdlib.h>
#include <string.h>

#include "dnsd/dname.h"
#include "dnsd/svcb.h"
#include "dnsd/wire.h"

struct maker *
maker_new(void)
{
	return calloc(1, sizeof(struct maker));
}

size_t
maker_body_at(const struct question *question)
{
	return WIRE_HEADER_BYTES + WIRE_QUESTION_BYTES + question->name_bytes;
}

void
maker_begin(
    struct maker *maker, const struct question *question, struct answer *answer)
{
	static const uint8_t type_and_class[WIRE_QUESTION_BYTES];

	writer_begin(&maker->writer, question->name, question->name_bytes);
	(void)writer_bytes(
	    &maker->writer, type_and_class, sizeof(type_and_class));
	memset(answer, 0, sizeof(*answer));
	answer->ede = DNS_EDE_NONE;
	answer->ttls = maker->ttls;
	answer->body = maker->writer.message + maker_body_at(question);
	answer->summary = maker->summary;
	maker->answer = answer;
}

int
maker_add(struct maker *maker, const uint8_t *owner, size_t owner_bytes,
    const struct rdata *data, uint32_t ttl_s)
{
	struct writer *writer = &maker->writer;
	struct answer *answer = maker->answer;
	unsigned int n = answer->answers + answer->authorities;
	uint8_t fixed[WIRE_RECORD_BYTES];
	size_t start;

	if (n == ANSWER_RECORDS_MAX ||
	    writer_name(writer, owner, owner_bytes, 1) == -1)
		return -1;
	wire_put16(fixed, data->type);
	wire_put16(fixed + 2, WIRE_CLASS_IN);
	wire_put32(fixed + 4, ttl_s);
	start = writer->used + WIRE_RECORD_BYTES;
	if (writer_bytes(writer, fixed, sizeof(fixed)) == -1 ||
	    rdata_write(data, writer) == -1 ||
	    writer->used - start > UINT16_MAX)
		return -1;
	wire_put16(
	    writer->message + start - 2, (unsigned int)(writer->used - start));
	maker->ttls[n] = (uint16_t)(start - 6);
	answer->body_bytes =
	    (uint16_t)(writer->message + writer->used - answer->body);
	return 0;
}

static void
summary_add(
    struct maker *maker, uint16_t type, const uint8_t *data, size_t bytes)
{
	struct answer *answer = maker->answer;
	uint8_t *at = maker->summary + answer->summary_bytes;

	if (answer->summary_bytes + 3 + bytes > LIMIT_DNS_SUMMARY_BYTES)
		return;
	wire_put16(at, type);
	at[2] = (uint8_t)bytes;
	memcpy(at + 3, data, bytes);
	answer->summary_bytes += (uint16_t)(3 + bytes);
}

int
maker_summarize(struct maker *maker, const struct rdata *data)
{
	uint8_t name[LIMIT_DNS_NAME_BYTES];
	size_t at = data->at;
	int len;

	switch (data->type) {
	case WIRE_A:
	case WIRE_AAAA:
		maker->answer->has |= ANSWER_ADDRESSES;
		summary_add(
		    maker, data->type, data->message + data->at, data->bytes);
		return 0;
	case WIRE_CNAME:
	case WIRE_DNAME:
	case WIRE_NS:
	case WIRE_PTR:
		len = dname_read(data->message, data->len, &at, name);
		if (len == -1)
			return -1;
		summary_add(maker, data->type, name, (size_t)len);
		return 0;
	}
	if (svcb_has_hints(data))
		maker->answer->has |= ANSWER_ADDRESSES;
	summary_add(maker, data->type, data->message, 0);
	return 0;
}
