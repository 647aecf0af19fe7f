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
	struct udp_packet packets[UDP_HOLD_PACKETS];
	int count;
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
count_lost(struct udp_holds *holds, const struct udp_packet *packets, int n)
{
	int i;

	for (i = 0; i < n; i++)
		atomic_fetch_add_explicit(holds->lost,
		    udp_packet_count(&packets[i]), memory_order_relaxed);
}

static void
make_room(struct udp_holds *holds)
{
	struct udp_hold *victim;

	if (udp_table_count(holds->table) < UDP_HOLD_MOST)
		return;
	victim = (struct udp_hold *)(void *)udp_table_victim(holds->table);
	count_lost(holds, victim->packets, victim->count);
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
	hold->used = 0;
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
udp_hold_add(struct udp_holds *holds, struct udp_hold **hold,
    const struct udp_packet *packets, int n)
{
	int i = 0;

	if (*hold == NULL && n > 0)
		*hold = hold_new(holds, hold, &packets[0]);
	while (*hold != NULL && i < n && packet_add(*hold, &packets[i]) == 0)
		i++;
	count_lost(holds, packets + i, n - i);
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
