/* SPDX-License-Identifier: ISC */
/*
 * Questions and answers as a forwarder of DNS sees them; none takes longer than
 * 10 ms.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dnsd/dot/packet.h"
#include "tests/fuzz/fuzz_pace.h"

/* The first byte says how much of the rest is a query; an answer follows. */
static void
pace_try(const uint8_t *data, size_t len)
{
	uint8_t query[PACKET_QUERY_BYTES], out[PACKET_ROOM_BYTES];
	size_t query_len, padded;

	if (len < 1)
		return;
	query_len = data[0] < len - 1 ? data[0] : len - 1;
	if (!packet_is_query(data + 1, query_len))
		return;
	memcpy(query, data + 1, query_len);
	assert(packet_udp_bytes(query, query_len) >= 512);
	padded = packet_pad(query, query_len, out);
	assert(padded >= query_len && padded <= sizeof(out));
	assert(packet_is_query(out, padded));
	(void)packet_answers(
	    data + 1 + query_len, len - 1 - query_len, query, query_len);
	len = packet_refuse(query, query_len, PACKET_SERVFAIL, 1);
	assert(len <= query_len);
	assert(packet_answers(query, len, data + 1, query_len));
}
