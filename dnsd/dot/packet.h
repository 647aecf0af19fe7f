/* SPDX-License-Identifier: ISC */
/*
 * The little that a forwarder has to know of a DNS message (RFC 1035, 4.1): its
 * id, whether it is a question or the answer to one, and how much of it fits.
 * Nothing is read beyond len, whoever made the bytes.
 */
#ifndef DNSD_DOT_PACKET_H
#define DNSD_DOT_PACKET_H

#include <stddef.h>
#include <stdint.h>

#define PACKET_BYTES 65535	/* the longest message */
#define PACKET_QUERY_BYTES 1024 /* the longest question that is forwarded */
#define PACKET_PADDED_BYTES 128 /* questions are a multiple of, RFC 8467 */
#define PACKET_ROOM_BYTES (PACKET_QUERY_BYTES + 2 * PACKET_PADDED_BYTES)

/*
 * Whether it is a query with exactly one question and no records but those of
 * the additional section.
 */
int packet_is_query(const uint8_t *, size_t len);

/*
 * Whether it answers that query, for which packet_is_query() holds: a response
 * with the same opcode and the same question.  Ids are not compared, nor is the
 * case of letters (RFC 4343): that tells forgers, whom TLS keeps out.
 */
int packet_answers(
    const uint8_t *answer, size_t len, const uint8_t *query, size_t query_len);

/* Of at least a header. */
uint16_t packet_id(const uint8_t *);
void packet_set_id(uint8_t *, uint16_t id);
unsigned int packet_rcode(const uint8_t *); /* without that of EDNS */

/* The bytes of UDP that who asks can take: RFC 6891, 6.2.3; at least 512. */
size_t packet_udp_bytes(const uint8_t *query, size_t len);

/*
 * Writes the query with the EDNS option of RFC 7830 to out, which has
 * PACKET_ROOM_BYTES; returns its length.  One whose last record is not the OPT
 * record stays as it is.
 */
size_t packet_pad(const uint8_t *query, size_t len, uint8_t *out);

/*
 * Makes of a query the answer that says no more than an rcode, and whether it
 * is cut (TC); returns its length, which is at most that of the query.
 */
size_t packet_refuse(uint8_t *query, size_t len, unsigned int rcode, int cut);

#define PACKET_NOERROR 0
#define PACKET_SERVFAIL 2

#endif
