/* SPDX-License-Identifier: ISC */
/* Reads bytes of the resolver and of servers that may lie. */
#include "dnsd/dot/packet.h"

#include <string.h>

#include "dnsd/dname.h"

#define HEADER_BYTES 12
#define QUESTION_TAIL 4 /* type and class */
#define RECORD_TAIL 10	/* type, class, ttl, length of the data */
#define NAME_BYTES 255
#define LABEL_BYTES 63
#define TYPE_OPT 41
#define OPTION_PADDING 12
#define OPTION_HEAD 4
#define UDP_BYTES_LEAST 512

#define FLAG_QR 0x80 /* of byte 2 */
#define MASK_OPCODE 0x78
#define FLAG_TC 0x02
#define FLAG_RD 0x01
#define FLAG_RA 0x80 /* of byte 3 */
#define FLAG_CD 0x10
#define MASK_RCODE 0x0f

enum {
	AT_ID = 0,
	AT_FLAGS = 2,
	AT_QUESTIONS = 4,
	AT_ANSWERS = 6,
	AT_AUTHORITY = 8,
	AT_ADDITIONAL = 10
};

/* An OPT record: where it begins, and its option bytes. */
struct opt {
	size_t at;
	size_t length;
};

static unsigned int
get16(const uint8_t *at)
{
	return (unsigned int)at[0] << 8 | at[1];
}

static void
put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

uint16_t
packet_id(const uint8_t *packet)
{
	return (uint16_t)get16(packet + AT_ID);
}

void
packet_set_id(uint8_t *packet, uint16_t id)
{
	put16(packet + AT_ID, id);
}

unsigned int
packet_rcode(const uint8_t *packet)
{
	return packet[AT_FLAGS + 1] & MASK_RCODE;
}

/* Behind the one question, whose name is not compressed; 0: there is none. */
static size_t
question_end(const uint8_t *packet, size_t len)
{
	size_t at = HEADER_BYTES;

	if (len < HEADER_BYTES || get16(packet + AT_QUESTIONS) != 1)
		return 0;
	while (at < len && packet[at] != 0) {
		if (packet[at] > LABEL_BYTES)
			return 0;
		at += 1U + packet[at];
	}
	at += 1 + QUESTION_TAIL;
	if (at > len || at - HEADER_BYTES > NAME_BYTES + QUESTION_TAIL)
		return 0;
	return at;
}

int
packet_is_query(const uint8_t *packet, size_t len)
{
	return len <= PACKET_QUERY_BYTES && question_end(packet, len) != 0 &&
	       (packet[AT_FLAGS] & FLAG_QR) == 0 &&
	       get16(packet + AT_ANSWERS) == 0 &&
	       get16(packet + AT_AUTHORITY) == 0;
}

int
packet_answers(
    const uint8_t *answer, size_t len, const uint8_t *query, size_t query_len)
{
	size_t end = question_end(query, query_len), tail = end - QUESTION_TAIL;

	return question_end(answer, len) == end &&
	       (answer[AT_FLAGS] & FLAG_QR) != 0 &&
	       ((answer[AT_FLAGS] ^ query[AT_FLAGS]) & MASK_OPCODE) == 0 &&
	       dname_equal(answer + HEADER_BYTES, query + HEADER_BYTES,
		   tail - HEADER_BYTES) &&
	       memcmp(answer + tail, query + tail, QUESTION_TAIL) == 0;
}

/* Finds it when it is the only record of a query, which is how resolvers ask.
 */
static int
opt_find(const uint8_t *query, size_t len, struct opt *opt)
{
	size_t at = question_end(query, len);

	if (get16(query + AT_ADDITIONAL) != 1 || len - at < 1 + RECORD_TAIL ||
	    query[at] != 0 || get16(query + at + 1) != TYPE_OPT)
		return 0;
	opt->at = at;
	opt->length = get16(query + at + 9);
	return at + 1 + RECORD_TAIL + opt->length == len;
}

size_t
packet_udp_bytes(const uint8_t *query, size_t len)
{
	struct opt opt;
	size_t bytes;

	if (!opt_find(query, len, &opt))
		return UDP_BYTES_LEAST;
	bytes = get16(query + opt.at + 3);
	return bytes > UDP_BYTES_LEAST ? bytes : UDP_BYTES_LEAST;
}

size_t
packet_pad(const uint8_t *query, size_t len, uint8_t *out)
{
	struct opt opt;
	size_t padding;

	memcpy(out, query, len);
	if (!opt_find(query, len, &opt))
		return len;
	padding = (len + OPTION_HEAD) % PACKET_PADDED_BYTES;
	if (padding != 0)
		padding = PACKET_PADDED_BYTES - padding;
	put16(out + opt.at + 9, opt.length + OPTION_HEAD + padding);
	put16(out + len, OPTION_PADDING);
	put16(out + len + 2, padding);
	memset(out + len + OPTION_HEAD, 0, padding);
	return len + OPTION_HEAD + padding;
}

size_t
packet_refuse(uint8_t *query, size_t len, unsigned int rcode, int cut)
{
	query[AT_FLAGS] =
	    (uint8_t)(FLAG_QR | (query[AT_FLAGS] & (MASK_OPCODE | FLAG_RD)) |
		      (cut ? FLAG_TC : 0));
	query[AT_FLAGS + 1] =
	    (uint8_t)(FLAG_RA | (query[AT_FLAGS + 1] & FLAG_CD) | rcode);
	put16(query + AT_ADDITIONAL, 0);
	return question_end(query, len);
}
