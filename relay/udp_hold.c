/* SPDX-License-Identifier: ISC */
/* Copies clients' bytes and never looks into them. */
#include "relay/udp_hold.h"

#include <stdlib.h>
#include <string.h>

struct udp_hold {
	struct udp_packet packets[UDP_HOLD_PACKETS];
	int count;
	size_t used;
	char bytes[UDP_HOLD_BYTES];
};

static unsigned int holds;

/* Pages of it that nothing is copied to are never touched. */
static struct udp_hold *
hold_new(void)
{
	struct udp_hold *hold;

	if (holds == UDP_HOLD_MOST || (hold = malloc(sizeof(*hold))) == NULL)
		return NULL;
	hold->count = 0;
	hold->used = 0;
	holds++;
	return hold;
}

/* -1 when it has no room. */
static int
packet_add(struct udp_hold *hold, const struct udp_packet *packet)
{
	struct udp_packet *kept = &hold->packets[hold->count];

	if (hold->count == UDP_HOLD_PACKETS ||
	    packet->len > sizeof(hold->bytes) - hold->used)
		return -1;
	*kept = *packet;
	kept->bytes = hold->bytes + hold->used;
	memcpy(kept->bytes, packet->bytes, packet->len);
	hold->used += packet->len;
	hold->count++;
	return 0;
}

void
udp_hold_add(struct udp_hold **hold, const struct udp_packet *packets, int n)
{
	int i;

	if (*hold == NULL && (*hold = hold_new()) == NULL)
		return;
	for (i = 0; i < n; i++)
		if (packet_add(*hold, &packets[i]) == -1)
			return;
}

int
udp_hold_packets(const struct udp_hold *hold, const struct udp_packet **packets)
{
	*packets = hold->packets;
	return hold->count;
}

void
udp_hold_free(struct udp_hold *hold)
{
	if (hold == NULL)
		return;
	holds--;
	free(hold);
}
