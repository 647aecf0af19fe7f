/* SPDX-License-Identifier: ISC */
/* Reads what whoever answers has sent: no more of it than is there. */
#include "ctl/leak/question.h"

#include <string.h>

#include "schema/dns.h"

#define HEADER_BYTES 12
#define QR 0x80U /* an answer, in the third byte */
#define RD 0x01U
#define RCODE 0x0fU /* in the fourth */
#define CLASS_IN 1
#define NOERROR 0
#define NXDOMAIN 3

/* rcode: with no record in the answer section. */
static const struct kind {
	const char *name;
	uint16_t type;
	uint8_t rcode;
	enum dns_way way;
} kinds[QUESTION_COUNT] = {
	[QUESTION_CANARY] = { "use-application-dns.net", DNS_TYPE_A, NXDOMAIN,
	    WAY_CANARY },
	[QUESTION_BELOW_CANARY] = { "www.use-application-dns.net", DNS_TYPE_A,
	    NXDOMAIN, WAY_CANARY },
	[QUESTION_DDR] = { "_dns.resolver.arpa", DNS_TYPE_SVCB, NOERROR,
	    WAY_DDR },
	[QUESTION_PRIVATE_RELAY] = { "mask.icloud.com", DNS_TYPE_A, NXDOMAIN,
	    WAY_PRIVATE_RELAY },
	[QUESTION_PRIVATE_RELAY_H2] = { "mask-h2.icloud.com", DNS_TYPE_A,
	    NXDOMAIN, WAY_PRIVATE_RELAY },
};

int
question_is_closed(const struct image *image, enum question question)
{
	return image_way_is_closed(image, kinds[question].way);
}

static uint8_t *
put16(uint8_t *at, unsigned int value)
{
	*at++ = (uint8_t)(value >> 8);
	*at++ = (uint8_t)value;
	return at;
}

static uint8_t *
put_name(uint8_t *at, const char *name)
{
	size_t label;

	for (; *name != '\0'; name += label + (name[label] == '.')) {
		label = strcspn(name, ".");
		*at++ = (uint8_t)label;
		memcpy(at, name, label);
		at += label;
	}
	*at++ = 0;
	return at;
}

size_t
question_build(enum question question, uint16_t id, uint8_t out[QUESTION_BYTES])
{
	uint8_t *at;

	memset(out, 0, HEADER_BYTES);
	(void)put16(out, id);
	out[2] = RD;
	(void)put16(out + 4, 1);
	at = put_name(out + HEADER_BYTES, kinds[question].name);
	at = put16(at, kinds[question].type);
	at = put16(at, CLASS_IN);
	return (size_t)(at - out);
}

int
question_is_denied(
    enum question question, uint16_t id, const uint8_t *bytes, size_t len)
{
	uint8_t asked[QUESTION_BYTES];
	size_t asked_len = question_build(question, id, asked);

	return len >= asked_len && memcmp(bytes, asked, 2) == 0 &&
	       (bytes[2] & QR) != 0 &&
	       (bytes[3] & RCODE) == kinds[question].rcode && bytes[6] == 0 &&
	       bytes[7] == 0 &&
	       memcmp(bytes + HEADER_BYTES, asked + HEADER_BYTES,
		   asked_len - HEADER_BYTES) == 0;
}
