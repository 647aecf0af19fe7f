/* SPDX-License-Identifier: ISC */
/*
 * DNS as the supervisor sees it: dnsd processes, as many as relays, with their
 * listening sockets, which outlive them; one resolver; and tpx-dot, see dot.h.
 * They run while the configuration wants them.
 */
#ifndef SUPERVISOR_DNS_H
#define SUPERVISOR_DNS_H

#include <stdint.h>

#include "supervisor/child.h"
#include "supervisor/dot.h"
#include "supervisor/names.h"

struct image;
struct tpxd;

struct dnsd {
	struct child child; /* first: a child is turned back into its dnsd */
	int listeners[IPC_LISTENER_COUNT]; /* -1: none */
	struct msg_dns_stats stats;	   /* of the process that runs */
	struct msg_dns_stats before;	   /* of those before it, added up */
	struct names names;
	int journal; /* of the process that runs; -1: none */
};

struct dns {
	struct dnsd *dnsds;
	uint32_t count;
	struct child resolver;
	struct dot dot;
	struct msg_dns_ports ports; /* zeros while there are no listeners */
	int required; /* the rules in force send questions to dnsd */
};

/* Fatal without memory. */
void dns_init(struct tpxd *, uint32_t count);

/* From netctl; fd is taken over. */
void dns_listener(struct tpxd *, const struct msg_listener *, int fd);
void dns_opened(struct tpxd *, const struct msg_dns_ports *);

/* Starts what the configuration wants and what has its listeners. */
void dns_start(struct tpxd *);

/*
 * netctl runs, or the configuration is another one (before: the last one, or
 * NULL): what it wants is started, and what it changes for the resolver.
 */
void dns_begin(struct tpxd *, const struct image *before);

/* The configuration is in force: what it does not want is ended. */
void dns_settle(struct tpxd *);

void dns_ask(struct tpxd *, const struct msg_beat *);

/* 1 when every dnsd that the rules in force need has answered the last ask. */
int dns_all_answered(const struct tpxd *);

/* 1 when every dnsd runs, if any is wanted, and answered that or later. */
int dns_has_answered(const struct tpxd *, uint64_t sequence);

/* The counts of all dnsds that ever ran, as far as they have told. */
struct msg_dns_stats dns_stats(const struct tpxd *);
void dns_count(const struct msg_dns_stats *, struct msg_ctl_status *);

/* Calls for every process of DNS that was ever started. */
typedef void dns_fn(void *ctx, struct child *);
void dns_each(struct tpxd *, dns_fn *, void *ctx);

/* Every dnsd that runs gets a channel to netctl, which is new. */
void dns_join_netctl(struct tpxd *);

/* Another process says that a dnsd broke a rule, see child_accuse(). */
void dns_breach(struct child *accuser, const struct msg_breach *);

/* A dnsd has ended: what it has not told the flow log is handed over. */
void dns_gone(struct dnsd *);

/* A process of DNS has ended, as it was asked to or not; tpxd goes on. */
void dns_ended(struct child *, int asked);

void dns_stop(struct tpxd *);

/* 1 while a process of DNS is there. */
int dns_left(struct tpxd *);

#endif
