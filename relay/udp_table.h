/* SPDX-License-Identifier: ISC */
/*
 * Flows of UDP by their two ends, in a table of fixed size, and who has to go
 * when it is full: a flow of the client, or of the network of clients, that has
 * most of them.  Pure.
 */
#ifndef RELAY_UDP_TABLE_H
#define RELAY_UDP_TABLE_H

#include <stdint.h>

#include "common/addr.h"

struct udp_table;

/* Ports in host order; no byte of it is padding. */
struct udp_key {
	struct addr client, server;
	uint16_t client_port, server_port;
	uint32_t zero;
};

/* Part of what the table is of. */
struct udp_entry {
	struct udp_key key;
	int64_t active_us; /* when it was last used: the table only reads it */
	uint32_t place;
	uint32_t next;
};

/* most: entries at a time.  NULL with errno. */
struct udp_table *udp_table_new(uint32_t most);

/* NULL when there is none. */
struct udp_entry *
udp_table_find(const struct udp_table *, const struct udp_key *);

/* An entry with a key that is not in the table.  -1 when it is full. */
int udp_table_add(struct udp_table *, struct udp_entry *);

void udp_table_remove(struct udp_table *, struct udp_entry *);

uint32_t udp_table_count(const struct udp_table *);

/* The i-th entry, below the count; removing one moves the last to its place. */
struct udp_entry *udp_table_at(const struct udp_table *, uint32_t i);

/*
 * Who has to go, or NULL when there is nobody: of some taken at random, one
 * whose client has most entries, and of those the one that was silent longest.
 * A /24 of IPv4 and a /48 of IPv6 have as much as sixteen clients may have
 * together; within it the client counts that has most.
 */
struct udp_entry *udp_table_victim(struct udp_table *);

#endif
