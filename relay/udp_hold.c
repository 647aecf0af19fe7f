/* SPDX-License-Identifier: ISC */
/* Copies clients' bytes and never looks into them. */
#include "relay/udp_hold.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "relay/udp_table.h"

struct udp_hold {
	struct udp_entry entry;	 /* first: the table gives it back */
	struct udp_holds *holds; /* NULL: it has no place there any more */
	struct udp_hold **holder;
	struct udp_packet packets[UDP_HOLD_DATAGRAMS]; /* of one or several */
	int count;
	uint32_t datagrams;
	size_t used;
	char bytes[UDP_HOLD_BYTES];
};

struct udp_holds {
	struct udp_table
	    *table; /* a flow may be there twice, and is not found */
	_Atomic uint64_t *lost;
};

struct udp_holds *
udp_holds_new(_Atomic uint64_t *lost)
{
	struct udp_holds *holds = calloc(1, sizeof(*holds));

	if (holds == NULL)
		return NULL;
	holds->table = udp_table_new(UDP_HOLD_MOST);
	if (holds->table == NULL) {
		free(holds);
		return NULL;
	}
	holds->lost = lost;
	return holds;
}

static void
count_lost(struct udp_holds *holds, uint32_t datagrams)
{
	atomic_fetch_add_explicit(holds->lost, datagrams, memory_order_relaxed);
}

static void
make_room(struct udp_holds *holds)
{
	struct udp_hold *victim;

	if (udp_table_count(holds->table) < UDP_HOLD_MOST)
		return;
	victim = (struct udp_hold *)(void *)udp_table_victim(holds->table);
	count_lost(holds, victim->datagrams);
	udp_hold_free(victim);
}

/* Pages of it that nothing is copied to are never touched. */
static struct udp_hold *
hold_new(struct udp_holds *holds, struct udp_hold **holder,
    const struct udp_packet *first)
{
	struct udp_hold *hold = malloc(sizeof(*hold));

	if (hold == NULL)
		return NULL;
	make_room(holds);
	hold->entry = (struct udp_entry){ .key = { .client = first->src,
					      .server = first->dst,
					      .client_port = first->sport,
					      .server_port = first->dport },
		.active_us = clock_mono_us() };
	(void)udp_table_add(holds->table, &hold->entry);
	hold->holds = holds;
	hold->holder = holder;
	hold->count = 0;
	hold->datagrams = 0;
	hold->used = 0;
	return hold;
}

/* How many datagrams of a packet have room, from the first one on. */
static uint32_t
room_for(const struct udp_hold *hold, const struct udp_packet *packet)
{
	uint32_t most = UDP_HOLD_DATAGRAMS - hold->datagrams;
	uint32_t n = udp_packet_count(packet);
	size_t left = sizeof(hold->bytes) - hold->used;

	if (packet->len > left)
		n = packet->segment == 0 ? 0
					 : (uint32_t)(left / packet->segment);
	return n < most ? n : most;
}

/* How many datagrams of it are held now. */
static uint32_t
packet_add(struct udp_hold *hold, const struct udp_packet *packet)
{
	struct udp_packet *kept = &hold->packets[hold->count];
	uint32_t n = room_for(hold, packet);

	if (n == 0)
		return 0;
	*kept = *packet;
	if (n < udp_packet_count(packet))
		kept->len = (size_t)n * packet->segment;
	if (n == 1)
		kept->segment = 0;
	kept->bytes = hold->bytes + hold->used;
	memcpy(kept->bytes, packet->bytes, kept->len);
	hold->used += kept->len;
	hold->count++;
	hold->datagrams += n;
	return n;
}

void
udp_hold_add(struct udp_holds *holds, struct udp_hold **hold,
    const struct udp_packet *packets, int n)
{
	uint32_t given, held;
	int full = 0;

	if (*hold == NULL && n > 0)
		*hold = hold_new(holds, hold, &packets[0]);
	for (; n > 0; packets++, n--) {
		given = udp_packet_count(packets);
		held = *hold == NULL || full ? 0 : packet_add(*hold, packets);
		/* What comes behind one that is lost is lost too. */
		full |= held < given;
		count_lost(holds, given - held);
	}
}

static void
place_give_back(struct udp_hold *hold)
{
	if (hold->holds != NULL)
		udp_table_remove(hold->holds->table, &hold->entry);
	hold->holds = NULL;
}

int
udp_hold_packets(struct udp_hold *hold, const struct udp_packet **packets)
{
	place_give_back(hold);
	*packets = hold->packets;
	return hold->count;
}

void
udp_hold_free(struct udp_hold *hold)
{
	if (hold == NULL)
		return;
	place_give_back(hold);
	*hold->holder = NULL;
	free(hold);
}
