/* SPDX-License-Identifier: ISC */
/*
 * What the flow log has heard of the kernel: counts, and rows that are not on
 * disk yet; and how many of tpxd's events are.  It is a memfd that the
 * supervisor makes once and never reads; each flow log in turn writes it and
 * begins where the one before it was killed.
 *
 * The state is there twice.  A change is made to the copy that does not count,
 * and then one word says that it counts: a death in between undoes the change
 * as a whole.
 */
#ifndef SCHEMA_LEDGER_H
#define SCHEMA_LEDGER_H

#include <linux/netlink.h>

#include <stdint.h>

#include "schema/flow.h"
#include "schema/limits.h"
#include "schema/msg.h"

#define LEDGER_MAGIC 0x6c787074U /* "tpxl" */
#define LEDGER_DATAGRAM_BYTES 65536U

/* How rows of the kernel's flows get lost, counted since the ledger began. */
enum ledger_loss {
	LEDGER_OVERRUN,
	LEDGER_GAP,
	LEDGER_UNREADABLE,
	LEDGER_NO_ROOM,
	LEDGER_LOSSES
};

struct ledger_state {
	uint64_t passed;
	uint64_t blocked;
	uint64_t unlogged; /* of those passed: ended, without a row */
	uint64_t lost[LEDGER_LOSSES];
	/* Sums of drops in the log when the ledger began. */
	uint64_t log_lost[LOSS_COUNT];
	uint64_t log_events; /* and its count of events then */
	uint64_t events;     /* of tpxd that are on disk: ids up to this one */
	uint64_t next_id;
	uint64_t head; /* rows before it are on disk */
	uint64_t tail; /* rows before it are in the ledger */
	uint32_t nflog_next;
	uint32_t nflog_known;
	uint32_t done[IPC_SOURCE_COUNT];  /* bytes of the datagram there */
	uint32_t tries[IPC_SOURCE_COUNT]; /* lives that have begun with it */
};

/*
 * The kernel writes each datagram right here, where it outlives its reader.
 * All behind it is 0, so that its messages have an end.
 */
struct ledger_datagram {
	struct sockaddr_nl sender;
	uint32_t reserved;
	_Alignas(struct nlmsghdr) uint8_t byte[LEDGER_DATAGRAM_BYTES];
};

struct ledger {
	uint32_t magic; /* 0: new */
	_Atomic uint32_t current;
	struct ledger_state state[2];
	struct ledger_datagram datagram[IPC_SOURCE_COUNT];
	struct flow_entry row[LIMIT_LEDGER_ROWS];
};

#endif
