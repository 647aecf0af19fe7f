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
	size_t first;		   /* datagram of the packet that begins */
	int over;		   /* nothing more is looked for */
	struct sniff_quic quic;
};

TAILQ_HEAD(udp_sniff_list, udp_sniff);

struct udp_sniffs {
	struct udp_sniff_list spare; /* nobody's, then those over, by age */
	struct udp_sniff_list busy;  /* by age */
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
	TAILQ_INIT(&sniffs->spare);
	TAILQ_INIT(&sniffs->busy);
	for (i = 0; i < UDP_SNIFF_PLACES; i++) {
		sniffs->places[i].over = 1;
		TAILQ_INSERT_TAIL(&sniffs->spare, &sniffs->places[i], entry);
	}
	return sniffs;
}

static void
list_leave(struct udp_sniffs *sniffs, struct udp_sniff *sniff)
{
	if (sniff->over)
		TAILQ_REMOVE(&sniffs->spare, sniff, entry);
	else
		TAILQ_REMOVE(&sniffs->busy, sniff, entry);
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
piece_begins(const uint8_t *bytes, size_t len, const struct quic_id *known,
    struct udp_sniff *sniff)
{
	return sniff_quic_begins(bytes, len) &&
	       (known->len == 0 || sniff_quic_begins_another(bytes, len, known,
				       sniff == NULL ? NULL : &sniff->quic));
}

/* *n: the datagram from which on it is looked, and then the one. */
static int
begins(const struct udp_packet *packet, const struct quic_id *known,
    struct udp_sniff *sniff, size_t *n)
{
	const uint8_t *bytes;
	size_t len;

	for (; *n < udp_packet_count(packet); ++*n) {
		len = piece_of(packet, *n, &bytes);
		if (piece_begins(bytes, len, known, sniff))
			return 1;
	}
	return 0;
}

static struct udp_sniff *
place_take(struct udp_sniffs *sniffs)
{
	struct udp_sniff *sniff = TAILQ_FIRST(&sniffs->spare);

	if (sniff == NULL)
		sniff = TAILQ_FIRST(&sniffs->busy);
	if (sniff->holder != NULL)
		*sniff->holder = NULL;
	list_leave(sniffs, sniff);
	return sniff;
}

int
udp_sniff_begin(struct udp_sniffs *sniffs, struct udp_sniff **place,
    const struct udp_packet *packet, const struct quic_id *known)
{
	struct udp_sniff *sniff;
	size_t first = 0;

	if (!begins(packet, known, *place, &first))
		return 0;
	udp_sniff_end(sniffs, place);
	sniff = place_take(sniffs);
	TAILQ_INSERT_TAIL(&sniffs->busy, sniff, entry);
	sniff_quic_init(&sniff->quic);
	sniff->first = first;
	sniff->over = 0;
	sniff->holder = place;
	*place = sniff;
	return 1;
}

/* *n: the datagram to begin with, and then the one behind the last. */
static enum sniff_status
packet_read(struct udp_sniff *sniff, const struct udp_packet *packet, size_t *n,
    struct sniff_name *name)
{
	enum sniff_status status = SNIFF_MORE;
	const uint8_t *bytes;
	size_t len;

	while (*n < udp_packet_count(packet) && status == SNIFF_MORE) {
		len = piece_of(packet, *n, &bytes);
		status = sniff_quic(&sniff->quic, bytes, len, name);
		++*n;
	}
	return status;
}

/* What has been read stays there, for whom it is of use. */
static void
place_over(struct udp_sniffs *sniffs, struct udp_sniff *sniff)
{
	list_leave(sniffs, sniff);
	sniff->over = 1;
	TAILQ_INSERT_TAIL(&sniffs->spare, sniff, entry);
}

static int
another_begins(struct udp_sniff *sniff, const struct udp_packet *packets, int n,
    size_t from)
{
	int i;

	for (i = 0; i < n; i++, from = 0)
		if (begins(&packets[i], &sniff->quic.id, sniff, &from))
			return 1;
	return 0;
}

enum sniff_status
udp_sniff_read(struct udp_sniffs *sniffs, struct udp_sniff **place,
    const struct udp_packet *packets, int n, struct sniff_name *name,
    struct quic_id *known)
{
	struct udp_sniff *sniff = *place;
	enum sniff_status status;
	size_t at;
	int i = 0;

	do {
		at = sniff->quic.datagrams == 0 ? sniff->first : 0;
		status = packet_read(sniff, &packets[i], &at, name);
	} while (status == SNIFF_MORE && ++i < n);
	if (status == SNIFF_MORE)
		return status;
	name->another = another_begins(sniff, &packets[i], n - i, at);
	*known = sniff->quic.id;
	place_over(sniffs, sniff);
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
	list_leave(sniffs, sniff);
	sniff->over = 1;
	TAILQ_INSERT_HEAD(&sniffs->spare, sniff, entry);
}
