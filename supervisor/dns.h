/* SPDX-License-Identifier: ISC */
/*
 * DNS as the supervisor sees it: dnsd processes, as many as relays; one
 * resolver; and tpx-dot, see dot.h.  They run while the configuration wants
 * them.
 */
#ifndef SUPERVISOR_DNS_H
#define SUPERVISOR_DNS_H

#include <stdint.h>

#include "supervisor/child.h"
#include "supervisor/dnsd.h"
#include "supervisor/dot.h"

struct image;
struct tpxd;

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

/* It runs: it and each that works with it get new channels to each other. */
void dns_join(struct tpxd *, struct dnsd *);
void dns_join_netctl(struct tpxd *);
void dns_join_resolver(struct tpxd *);

/* 1 when it does not run, is wanted, and has the sockets that it needs. */
int dns_is_due(const struct child *);

/* Another process says that a dnsd broke a rule, see child_accuse(). */
void dns_breach(struct child *accuser, const struct msg_breach *);

/* A process of DNS has ended, as it was asked to or not; tpxd goes on. */
void dns_ended(struct child *, int asked);

void dns_stop(struct tpxd *);

/* 1 while a process of DNS is there. */
int dns_left(struct tpxd *);

#endif
