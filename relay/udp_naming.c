/* SPDX-License-Identifier: ISC */
/* Holds datagrams of clients, and has them read, see udp_sniff.c. */
#include "relay/udp_naming.h"

#include <sys/queue.h>

#include <stddef.h>
#include <stdlib.h>

#include "common/clock.h"
#include "relay/patience.h"
#include "relay/udp_hold.h"
#include "relay/udp_packet.h"

struct naming {
	struct udp_entry entry; /* first: the table gives it back */
	struct udp_namings *namings;
	struct udp_watch watch;
	struct udp_hold *hold;
	struct patience_wait wait;
	enum flow_capture capture;
	uint8_t owner;
	SLIST_ENTRY(naming) spare;
};

struct udp_namings {
	struct udp_table *table;
	struct patience *patience;
	struct udp_sniffs *sniffs;
	struct udp_holds *holds;
	udp_named_fn *named;
	void *ctx;
	SLIST_HEAD(, naming) spare;
	struct naming naming[UDP_NAMINGS];
};

static void on_wait_over(struct patience_wait *);

struct udp_namings *
udp_namings_new(struct event_base *base, struct udp_holds *holds,
    udp_named_fn *named, void *ctx)
{
	struct udp_namings *namings = calloc(1, sizeof(*namings));
	size_t i;

	if (namings == NULL)
		return NULL;
	namings->table = udp_table_new(UDP_NAMINGS);
	namings->patience = patience_new(base, SNIFF_LIMIT_US, on_wait_over);
	namings->sniffs = udp_sniffs_new();
	if (namings->table == NULL || namings->patience == NULL ||
	    namings->sniffs == NULL)
		return NULL;
	namings->holds = holds;
	namings->named = named;
	namings->ctx = ctx;
	for (i = 0; i < UDP_NAMINGS; i++)
		SLIST_INSERT_HEAD(&namings->spare, &namings->naming[i], spare);
	return namings;
}

static void
naming_free(struct naming *naming)
{
	struct udp_namings *namings = naming->namings;

	patience_end(namings->patience, &naming->wait);
	udp_watch_end(&naming->watch);
	udp_hold_free(naming->hold);
	udp_table_remove(namings->table, &naming->entry);
	SLIST_INSERT_HEAD(&namings->spare, naming, spare);
}

/* name NULL: it is not known in time. */
static void
naming_over(struct naming *naming, const struct sniff_name *name)
{
	struct udp_namings *namings = naming->namings;
	struct udp_named named = { .key = naming->entry.key,
		.capture = naming->capture,
		.owner = naming->owner,
		.name = name,
		.watch = &naming->watch };

	if (naming->hold != NULL)
		named.n = udp_hold_packets(naming->hold, &named.packets);
	namings->named(namings->ctx, &named);
	naming_free(naming);
}

static void
on_wait_over(struct patience_wait *wait)
{
	struct naming *naming =
	    (struct naming *)(void *)((char *)wait -
				      offsetof(struct naming, wait));

	naming_over(naming, NULL);
}

static struct naming *
naming_take(struct udp_namings *namings)
{
	struct naming *naming;

	if (SLIST_EMPTY(&namings->spare))
		naming_over(
		    (struct naming *)(void *)udp_table_victim(namings->table),
		    NULL);
	naming = SLIST_FIRST(&namings->spare);
	SLIST_REMOVE_HEAD(&namings->spare, spare);
	return naming;
}

/* What has come is part of a hello.  The watch goes on there. */
static void
naming_begin(struct udp_namings *namings, const struct udp_named *named)
{
	struct naming *naming = naming_take(namings);

	naming->namings = namings;
	naming->entry.key = named->key;
	naming->entry.active_us = clock_mono_us();
	naming->capture = named->capture;
	naming->owner = named->owner;
	udp_watch_move(&naming->watch, named->watch);
	(void)udp_table_add(namings->table, &naming->entry);
	udp_hold_add(namings->holds, &naming->hold, named->packets, named->n);
	patience_begin(namings->patience, &naming->wait);
}

static void
naming_more(struct naming *naming, const struct udp_packet *packets, int n)
{
	struct sniff_name name;

	udp_hold_add(naming->namings->holds, &naming->hold, packets, n);
	if (udp_watch_read(&naming->watch, packets, n, &name) != SNIFF_MORE)
		naming_over(naming, &name);
}

static void
first_packets(struct udp_namings *namings, struct udp_named *named)
{
	struct udp_watch watch;
	struct sniff_name name;

	udp_watch_strictly(&watch, namings->sniffs);
	named->watch = &watch;
	if (udp_watch_read(&watch, named->packets, named->n, &name) !=
	    SNIFF_MORE)
		named->name = &name;
	else if (watch.state == UDP_WATCH_READING) {
		naming_begin(namings, named);
		return;
	}
	namings->named(namings->ctx, named);
	udp_watch_end(&watch);
}

void
udp_namings_packets(struct udp_namings *namings, enum flow_capture capture,
    const struct udp_key *key, const struct udp_packet *packets, int n)
{
	struct udp_entry *entry = udp_table_find(namings->table, key);
	struct udp_named named = { .key = *key,
		.capture = capture,
		.owner = packets[0].hops,
		.packets = packets,
		.n = n };

	if (entry != NULL)
		naming_more((struct naming *)(void *)entry, packets, n);
	else
		first_packets(namings, &named);
}

void
udp_namings_end(struct udp_namings *namings)
{
	while (udp_table_count(namings->table) > 0)
		naming_free(
		    (struct naming *)(void *)udp_table_at(namings->table, 0));
}
