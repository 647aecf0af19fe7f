/* SPDX-License-Identifier: ISC */
/*
 * The supervisor: starts and watches the other processes, and is the only one
 * that speaks to all of them.  It holds no capability and no client's byte.
 */
#ifndef SUPERVISOR_TPXD_H
#define SUPERVISOR_TPXD_H

#include <stdint.h>

#include "supervisor/child.h"
#include "supervisor/config.h"
#include "supervisor/dns.h"
#include "supervisor/relay.h"
#include "supervisor/state.h"

struct event;
struct event_base;
struct control;

struct tpxd_options {
	const char *config_path;
	const char *libexecdir;
	int verbose;
	int check_only; /* -n */
};

struct tpxd {
	struct event_base *base;
	const char *config_path;
	const char *libexecdir;
	int verbose;
	struct config config; /* relays may have it before the kernel */
	uint32_t in_force;    /* the generation of the kernel's rules */
	enum ipc_state state;
	int paused;	    /* as an operator wishes */
	int64_t started_us; /* CLOCK_MONOTONIC */
	struct child netctl;
	struct child flowlog;
	struct relay *relays;
	uint32_t nrelays;
	struct dns dns;
	struct msg_net_ready ports;    /* zeros before netctl is ready */
	int sources[IPC_SOURCE_COUNT]; /* -1: not used */
	uint64_t beat;		       /* the last sequence asked for */
	struct event *beat_timer;
	struct event *stop_timer;
	unsigned int stop_step; /* of the end */
	struct msg_log_stats log_stats;
	char alarm[200];	  /* the last that a process raised */
	int64_t alarm_us;	  /* when, CLOCK_MONOTONIC; 0: none yet */
	struct relay_totals gone; /* of relays that have died */
	struct control *control;
	int exit_code;
};

/*
 * Starts netctl, gives up every privilege, loads the configuration and enters
 * the sandbox, in this order.  Exits 1 with one clear line when it cannot.
 */
struct tpxd *tpxd_new(const struct tpxd_options *);

/* For -n: prints the canonical form; returns the exit code. */
int tpxd_check(const char *config_path);

/* Returns the exit code, after an orderly end. */
int tpxd_loop(struct tpxd *);

int64_t tpxd_lease_us(const struct tpxd *);

/*
 * How long a process may give no sign of life: shorter than the kernel's lease
 * on capture, so that one that hangs is replaced before the lease lapses.
 */
int64_t tpxd_patience_us(const struct tpxd *);

/* The next step of the end, if nobody is left of the present one. */
void tpxd_stop_next(struct tpxd *);

/* Enters the next state; a change is an event, and whoever awaits it hears. */
void tpxd_change(struct tpxd *, enum state_input, const char *why);

/* The lease, and with it the heartbeat, may be another one. */
void tpxd_retime(struct tpxd *);

/* Calls for every process but itself: netctl, relays, flow log, DNS. */
void tpxd_each_child(struct tpxd *, dns_fn *, void *ctx);

/* Asks every process for a sign of life, between two heartbeats as well. */
void tpxd_ask(struct tpxd *);

#endif
