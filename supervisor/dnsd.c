/* SPDX-License-Identifier: ISC */
/*
 * Starts one dnsd.  Reads what it says, which ipc_accept() has passed; it may
 * accuse the resolver.
 */
#include "supervisor/dnsd.h"

#include <sys/mman.h>

#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memfd.h"
#include "schema/journal.h"
#include "supervisor/apply.h"
#include "supervisor/flowlog.h"
#include "supervisor/listener.h"
#include "supervisor/netctl.h"
#include "supervisor/tpxd.h"

static void
on_ready(void *ctx, struct ipc_message *message)
{
	struct child *child = ctx;

	(void)message;
	child_runs(child);
	dns_join(child->tpxd, (struct dnsd *)(void *)child);
	flowlog_connect_dnsd(NULL, child);
}

static void
on_answer(void *ctx, struct ipc_message *message)
{
	struct child *child = ctx;

	if (child_answered(child, message->body) == -1)
		return;
	netctl_beat(child->tpxd);
	apply_step(child->tpxd);
}

/* Those of a part of the list are the first ones; the others are 0. */
static void
on_stats(void *ctx, struct ipc_message *message)
{
	struct dnsd *dnsd = ctx;

	memset(&dnsd->stats, 0, sizeof(dnsd->stats));
	memcpy(&dnsd->stats, message->body, message->len);
}

void
dnsd_stats_add(struct msg_dns_stats *sum, const struct msg_dns_stats *stats)
{
	unsigned int i;

	sum->queries += stats->queries;
	sum->cache_hits += stats->cache_hits;
	sum->blocked += stats->blocked;
	sum->servfail += stats->servfail;
	sum->limited += stats->limited;
	sum->repeated += stats->repeated;
	sum->unlogged += stats->unlogged;
	sum->names += stats->names;
	sum->names_refused += stats->names_refused;
	sum->names_late += stats->names_late;
	sum->count = DNS_SOURCE_COUNT;
	for (i = 0; i < DNS_SOURCE_COUNT; i++)
		dns_latency_add(&sum->latency[i], &stats->latency[i]);
}

/* Its counts begin anew with the next process. */
static void
stats_keep(struct dnsd *dnsd)
{
	dnsd_stats_add(&dnsd->before, &dnsd->stats);
	memset(&dnsd->stats, 0, sizeof(dnsd->stats));
}

static void
on_breach(void *ctx, struct ipc_message *message)
{
	const struct msg_dns_breach *breach = message->body;
	struct child *child = ctx;

	child_accuse(child, &child->tpxd->dns.resolver, breach->why);
}

static const struct ipc_handler handlers[] = {
	{ MSG_DNSD_READY, on_ready },
	{ MSG_DNSD_BREACH, on_breach },
	{ MSG_DNSD_STATS, on_stats },
	{ MSG_ANSWER, on_answer },
	{ MSG_NONE, NULL },
};

static void
listeners_send(struct dnsd *dnsd)
{
	const struct msg_dns_ports *dns = &dnsd->child.tpxd->dns.ports;
	const uint16_t ports[] = { dns->dns4, dns->dns6, dns->dns_local4,
		dns->dns_local6 };
	struct msg_listener body = { .worker = (uint32_t)dnsd->child.index };

	for (body.kind = 0; body.kind < IPC_LISTENER_COUNT; body.kind++) {
		body.port = ports[ipc_listener_port(body.kind)];
		listener_mend(dnsd->listeners[body.kind]);
		(void)IPC_SEND(dnsd->child.channel, MSG_DNSD_LISTENER, 0, &body,
		    dnsd->listeners[body.kind]);
	}
}

static int
journal_make(struct dnsd *dnsd)
{
	void *map;

	dnsd->journal =
	    memfd_shared("tpx-questions", sizeof(struct dns_journal), &map);
	if (dnsd->journal == -1)
		return -1;
	(void)munmap(map, sizeof(struct dns_journal));
	return 0;
}

static void
journal_release(struct dnsd *dnsd)
{
	if (dnsd->journal != -1)
		close(dnsd->journal);
	dnsd->journal = -1;
}

void
dnsd_gone(struct dnsd *dnsd)
{
	if (dnsd->journal != -1)
		flowlog_arena(dnsd->child.tpxd, &dnsd->child, dnsd->journal);
	journal_release(dnsd);
}

/* A message that cannot be sent shows as a dnsd that never gets ready. */
static int
start(struct child *child)
{
	struct msg_worker body = { .worker = (uint32_t)child->index };
	struct dnsd *dnsd = (struct dnsd *)(void *)child;

	if (!dns_is_due(child))
		return 0;
	if (journal_make(dnsd) == -1) {
		log_warn("tpx-dnsd: journal");
		child_schedule(child);
		return -1;
	}
	if (child_open(child, handlers) == -1) {
		journal_release(dnsd);
		return -1;
	}
	stats_keep(dnsd);
	(void)child_send_config(child);
	listeners_send(dnsd);
	names_to_dnsd(dnsd);
	(void)IPC_SEND(child->channel, MSG_DNSD_START, 0, &body, dnsd->journal);
	return 0;
}

void
dnsd_init(struct dnsd *dnsd, struct tpxd *tpxd, uint32_t index)
{
	unsigned int kind;

	child_init(&dnsd->child, tpxd, "tpx-dnsd", IPC_DNSD, (int)index);
	dnsd->child.start = start;
	names_init(&dnsd->names);
	dnsd->journal = -1;
	for (kind = 0; kind < IPC_LISTENER_COUNT; kind++)
		dnsd->listeners[kind] = -1;
}

static void
listener_set(int *listener, int fd)
{
	if (*listener != -1)
		close(*listener);
	*listener = fd;
}

void
dnsd_listener(struct dnsd *dnsd, enum ipc_listener kind, int fd)
{
	listener_set(&dnsd->listeners[kind], fd);
}

void
dnsd_listeners_close(struct dnsd *dnsd)
{
	unsigned int kind;

	for (kind = 0; kind < IPC_LISTENER_COUNT; kind++)
		listener_set(&dnsd->listeners[kind], -1);
}
