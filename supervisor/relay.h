/* SPDX-License-Identifier: ISC */
/*
 * A relay as the supervisor sees it: a child, its listening sockets, which
 * outlive it so that no waiting client is lost, and the arena of its flows.
 */
#ifndef SUPERVISOR_RELAY_H
#define SUPERVISOR_RELAY_H

#include <stdint.h>

#include "schema/flow.h"
#include "supervisor/child.h"

struct tpxd;

/* What becomes of flows when a relay lacks something. */
enum lack_weight { LACK_NONE, LACK_SLOWS, LACK_TURNS_AWAY };

struct relay {
	struct child child; /* first: a child is turned back into its relay */
	int listeners[IPC_LISTENER_COUNT];
	int arena_fd;
	struct flow_arena *arena;
	enum ipc_lack lack;	   /* as of the last answer */
	int64_t lack_us;	   /* since when it is of that weight */
	enum lack_weight overload; /* that has lasted */
};

struct relay_totals {
	uint64_t accepted;
	uint64_t relayed;
	uint64_t blocked;
	uint64_t refused;
	uint64_t long_hello;
	uint64_t dropped;
	uint64_t unlogged;
	uint64_t open;
};

/* Fatal without memory. */
void relays_init(struct tpxd *, uint32_t count);

/* netctl has made a listener for one of them; fd is taken over. */
void relays_listener(struct tpxd *, const struct msg_listener *, int fd);

void relays_start(struct tpxd *);
void relays_stop(struct tpxd *);

/* The relay has died: counts its flows, leaves their rows to the flow log. */
void relay_gone(struct relay *);

/* Asks everyone for a sign of life and kills who gave none for too long. */
void relays_ask(struct tpxd *, const struct msg_beat *);

/* 1 when every relay has proven work on the last question. */
int relays_all_answered(const struct tpxd *);

/*
 * Has every relay end flows: the set of those that were asked, by their index,
 * and will say MSG_KILLED.
 */
uint64_t relays_kill(struct tpxd *, const struct msg_kill *, uint32_t id);

typedef void relay_fn(struct tpxd *, struct relay *);

/* Gives every relay a new way to a process that has just started. */
void relays_connect(struct tpxd *, relay_fn *connect);

/* Another process says that a relay broke a rule, see child_accuse(). */
void relays_breach(struct child *accuser, const struct msg_breach *);

/* What it has lacked for a while, in words: "has no room for more flows". */
const char *relay_lacks(const struct relay *);

/* Sums over the living and, from tpxd->gone, the dead. */
struct relay_totals relays_totals(const struct tpxd *);

#endif
