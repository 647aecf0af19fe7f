/* SPDX-License-Identifier: ISC */
/*
 * The places where flows look for their names.  Has datagrams of hostile
 * clients read, and keeps of them what a hello fills.
 */
#include "relay/udp_sniff.h"

#include <sys/queue.h>

#include <stdlib.h>

#include "relay/udp_packet.h"

struct udp_sniff {
	TAILQ_ENTRY(udp_sniff) entry;
	struct udp_sniff **holder; /* NULL: nobody's */
	struct sniff_quic quic;
};

struct udp_sniffs {
	TAILQ_HEAD(, udp_sniff) order; /* nobody's, then by age */
	struct udp_sniff places[UDP_SNIFF_PLACES];
};

struct udp_sniffs *
udp_sniffs_new(void)
{
	/* Zero pages until a hello is put there: calloc(3) maps them. */
	struct udp_sniffs *sniffs = calloc(1, sizeof(*sniffs));
	size_t i;

	if (sniffs == NULL)
		return NULL;
	TAILQ_INIT(&sniffs->order);
	for (i = 0; i < UDP_SNIFF_PLACES; i++)
		TAILQ_INSERT_TAIL(&sniffs->order, &sniffs->places[i], entry);
	return sniffs;
}

/* The n-th datagram of a packet. */
static size_t
piece_of(const struct udp_packet *packet, size_t n, const uint8_t **bytes)
{
	size_t size = packet->segment == 0 ? packet->len : packet->segment;
	size_t at = n * size;

	*bytes = (const uint8_t *)packet->bytes + at;
	return packet->len - at < size ? packet->len - at : size;
}

static int
piece_begins(const uint8_t *bytes, size_t len, const struct quic_id *known)
{
	return sniff_quic_begins(bytes, len) &&
	       (known->len == 0 ||
		   sniff_quic_begins_another(bytes, len, known));
}

static int
begins(const struct udp_packet *packet, const struct quic_id *known)
{
	const uint8_t *bytes;
	size_t n, len;

	for (n = 0; n < udp_packet_count(packet); n++) {
		len = piece_of(packet, n, &bytes);
		if (piece_begins(bytes, len, known))
			return 1;
	}
	return 0;
}

void
udp_sniff_begin(struct udp_sniffs *sniffs, struct udp_sniff **place,
    const struct udp_packet *packet, const struct quic_id *known)
{
	struct udp_sniff *oldest = TAILQ_FIRST(&sniffs->order);

	*place = NULL;
	if (!begins(packet, known))
		return;
	if (oldest->holder != NULL)
		*oldest->holder = NULL;
	TAILQ_REMOVE(&sniffs->order, oldest, entry);
	TAILQ_INSERT_TAIL(&sniffs->order, oldest, entry);
	sniff_quic_init(&oldest->quic);
	oldest->holder = place;
	*place = oldest;
}

/* What stands in a packet before the first datagram of a connection is not. */
static enum sniff_status
packet_read(struct udp_sniff *sniff, const struct udp_packet *packet,
    struct sniff_name *name, const struct quic_id *known)
{
	enum sniff_status status = SNIFF_MORE;
	const uint8_t *bytes;
	size_t n, len;

	for (n = 0; n < udp_packet_count(packet) && status == SNIFF_MORE; n++) {
		len = piece_of(packet, n, &bytes);
		if (sniff->quic.datagrams > 0 ||
		    piece_begins(bytes, len, known))
			status = sniff_quic(&sniff->quic, bytes, len, name);
	}
	return status;
}

enum sniff_status
udp_sniff_read(struct udp_sniffs *sniffs, struct udp_sniff **place,
    const struct udp_packet *packets, int n, struct sniff_name *name,
    struct quic_id *known)
{
	enum sniff_status status = SNIFF_MORE;
	int i;

	for (i = 0; i < n && status == SNIFF_MORE; i++)
		status = packet_read(*place, &packets[i], name, known);
	if (status == SNIFF_MORE)
		return status;
	*known = (*place)->quic.id;
	udp_sniff_end(sniffs, place);
	return status;
}

void
udp_sniff_move(struct udp_sniff **to, struct udp_sniff **from)
{
	*to = *from;
	*from = NULL;
	if (*to != NULL)
		(*to)->holder = to;
}

void
udp_sniff_end(struct udp_sniffs *sniffs, struct udp_sniff **place)
{
	struct udp_sniff *sniff = *place;

	if (sniff == NULL)
		return;
	*place = NULL;
	sniff->holder = NULL;
	TAILQ_REMOVE(&sniffs->order, sniff, entry);
	TAILQ_INSERT_HEAD(&sniffs->order, sniff, entry);
}
