/* SPDX-License-Identifier: ISC */
/*
 * Starts dnsd and the resolver, judges whether they work, and joins them:
 * whenever one of a pair is new, the pair gets a new channel.  Reads their
 * answers, which ipc_accept() has passed.
 *
 * The heartbeat needs every dnsd, for who asks it would else ask nobody; it
 * does not need the resolver, without which dnsd answers from its cache, and
 * with an error.
 */
#include "supervisor/dns.h"

#include <sys/mman.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memfd.h"
#include "policy/image_same.h"
#include "schema/journal.h"
#include "supervisor/apply.h"
#include "supervisor/event.h"
#include "supervisor/flowlog.h"
#include "supervisor/netctl.h"
#include "supervisor/process.h"
#include "supervisor/tpxd.h"

static int
is_wanted(const struct tpxd *tpxd)
{
	return image_dns(tpxd->config.image)->mode != DNS_OFF;
}

static void
join(struct tpxd *tpxd, struct dnsd *dnsd)
{
	struct child *resolver = &tpxd->dns.resolver;

	if (resolver->state == CHILD_RUNNING &&
	    dnsd->child.state == CHILD_RUNNING)
		child_join(resolver, MSG_RESOLVER_DNSD, &dnsd->child,
		    MSG_DNSD_RESOLVER);
}

/* So that the kernel knows what a client is told. */
static void
join_netctl(void *ctx, struct child *child)
{
	struct child *netctl = &child->tpxd->netctl;

	(void)ctx;
	if (child->role == IPC_DNSD && child->state == CHILD_RUNNING &&
	    netctl->state == CHILD_RUNNING)
		child_join(netctl, MSG_NET_DNSD, child, MSG_DNSD_NETCTL);
}

void
dns_join_netctl(struct tpxd *tpxd)
{
	dns_each(tpxd, join_netctl, NULL);
}

static void
on_dnsd_ready(void *ctx, struct ipc_message *message)
{
	struct child *child = ctx;

	(void)message;
	child_runs(child);
	join(child->tpxd, (struct dnsd *)(void *)child);
	join_netctl(NULL, child);
	flowlog_connect_dnsd(NULL, child);
}

static void
on_dnsd_answer(void *ctx, struct ipc_message *message)
{
	struct child *child = ctx;

	if (child_answered(child, message->body) == -1)
		return;
	netctl_beat(child->tpxd);
	apply_step(child->tpxd);
}

/* Those of a part of the list are the first ones; the others are 0. */
static void
on_dnsd_stats(void *ctx, struct ipc_message *message)
{
	struct dnsd *dnsd = ctx;

	memset(&dnsd->stats, 0, sizeof(dnsd->stats));
	memcpy(&dnsd->stats, message->body, message->len);
}

static void
stats_add(struct msg_dns_stats *sum, const struct msg_dns_stats *stats)
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
	stats_add(&dnsd->before, &dnsd->stats);
	memset(&dnsd->stats, 0, sizeof(dnsd->stats));
}

static void
on_dnsd_breach(void *ctx, struct ipc_message *message)
{
	const struct msg_dns_breach *breach = message->body;
	struct child *child = ctx;

	child_accuse(child, &child->tpxd->dns.resolver, breach->why);
}

static const struct ipc_handler dnsd_handlers[] = {
	{ MSG_DNSD_READY, on_dnsd_ready },
	{ MSG_DNSD_BREACH, on_dnsd_breach },
	{ MSG_DNSD_STATS, on_dnsd_stats },
	{ MSG_ANSWER, on_dnsd_answer },
	{ MSG_NONE, NULL },
};

static void
on_resolver_ready(void *ctx, struct ipc_message *message)
{
	struct child *child = ctx;
	struct dns *dns = &child->tpxd->dns;
	uint32_t i;

	(void)message;
	child_runs(child);
	for (i = 0; i < dns->count; i++)
		join(child->tpxd, &dns->dnsds[i]);
}

static void
on_resolver_answer(void *ctx, struct ipc_message *message)
{
	(void)child_answered(ctx, message->body);
}

void
dns_breach(struct child *accuser, const struct msg_breach *breach)
{
	struct dns *dns = &accuser->tpxd->dns;

	if (breach->worker < dns->count)
		child_accuse(
		    accuser, &dns->dnsds[breach->worker].child, breach->why);
}

static void
on_resolver_breach(void *ctx, struct ipc_message *message)
{
	dns_breach(ctx, message->body);
}

static const struct ipc_handler resolver_handlers[] = {
	{ MSG_RESOLVER_READY, on_resolver_ready },
	{ MSG_RESOLVER_BREACH, on_resolver_breach },
	{ MSG_ANSWER, on_resolver_answer },
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
		(void)IPC_SEND(dnsd->child.channel, MSG_DNSD_LISTENER, 0, &body,
		    dnsd->listeners[body.kind]);
	}
}

/* A delay may end when it runs already, or is not wanted any more. */
static int
is_due(const struct child *child)
{
	return child->pid == 0 && is_wanted(child->tpxd) &&
	       child->tpxd->dns.ports.dns4 != 0 && dot_is_open(child->tpxd);
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
dns_gone(struct dnsd *dnsd)
{
	if (dnsd->journal != -1)
		flowlog_arena(dnsd->child.tpxd, &dnsd->child, dnsd->journal);
	journal_release(dnsd);
}

/* A message that cannot be sent shows as a dnsd that never gets ready. */
static int
dnsd_start(struct child *child)
{
	struct msg_worker body = { .worker = (uint32_t)child->index };
	struct dnsd *dnsd = (struct dnsd *)(void *)child;

	if (!is_due(child))
		return 0;
	if (journal_make(dnsd) == -1) {
		log_warn("tpx-dnsd: journal");
		child_schedule(child);
		return -1;
	}
	if (child_open(child, dnsd_handlers) == -1) {
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

static int
resolver_start(struct child *child)
{
	struct msg_resolver_start body = { .dot = child->tpxd->dns.dot.port };

	if (!is_due(child))
		return 0;
	if (child_open(child, resolver_handlers) == -1)
		return -1;
	(void)child_send_config(child);
	(void)IPC_SEND(child->channel, MSG_RESOLVER_START, 0, &body, -1);
	return 0;
}

void
dns_init(struct tpxd *tpxd, uint32_t count)
{
	struct dns *dns = &tpxd->dns;
	uint32_t i, n;

	dns->dnsds = calloc(count, sizeof(*dns->dnsds));
	if (dns->dnsds == NULL)
		fatal("dnsd");
	dns->count = count;
	for (i = 0; i < count; i++) {
		child_init(
		    &dns->dnsds[i].child, tpxd, "tpx-dnsd", IPC_DNSD, (int)i);
		dns->dnsds[i].child.start = dnsd_start;
		names_init(&dns->dnsds[i].names);
		dns->dnsds[i].journal = -1;
		for (n = 0; n < IPC_LISTENER_COUNT; n++)
			dns->dnsds[i].listeners[n] = -1;
	}
	child_init(&dns->resolver, tpxd, "tpx-resolver", IPC_RESOLVER, -1);
	dns->resolver.start = resolver_start;
	dot_init(tpxd);
}

void
dns_listener(struct tpxd *tpxd, const struct msg_listener *body, int fd)
{
	int *listener;

	if (body->worker >= tpxd->dns.count) {
		close(fd);
		return;
	}
	listener = &tpxd->dns.dnsds[body->worker].listeners[body->kind];
	if (*listener != -1)
		close(*listener);
	*listener = fd;
}

void
dns_start(struct tpxd *tpxd)
{
	struct dns *dns = &tpxd->dns;
	uint32_t i;

	if (tpxd->state == IPC_STATE_STOPPING)
		return;
	names_begin(tpxd);
	dot_start(tpxd);
	(void)resolver_start(&dns->resolver);
	for (i = 0; i < dns->count; i++)
		(void)dnsd_start(&dns->dnsds[i].child);
}

void
dns_opened(struct tpxd *tpxd, const struct msg_dns_ports *ports)
{
	tpxd->dns.ports = *ports;
	dns_start(tpxd);
}

static void
stop(void *ctx, struct child *child)
{
	(void)ctx;
	child_stop(child);
}

void
dns_begin(struct tpxd *tpxd, const struct image *before)
{
	struct dns *dns = &tpxd->dns;
	struct msg_dns_open open = { .workers = dns->count };

	if (!is_wanted(tpxd))
		return;
	dot_begin(tpxd, before);
	if (dns->ports.dns4 == 0) {
		if (IPC_SEND(tpxd->netctl.channel, MSG_NET_DNS_OPEN, 0, &open,
			-1) == -1)
			log_warn("netctl: listeners of dnsd");
		return;
	}
	if (before != NULL && !image_same_resolver(before, tpxd->config.image))
		child_stop(&dns->resolver);
	dns_start(tpxd);
}

void
dns_settle(struct tpxd *tpxd)
{
	struct dns *dns = &tpxd->dns;
	uint32_t i, n;

	dot_settle(tpxd);
	dns->required = is_wanted(tpxd);
	if (dns->required)
		return;
	dns_stop(tpxd);
	memset(&dns->ports, 0, sizeof(dns->ports));
	for (i = 0; i < dns->count; i++)
		for (n = 0; n < IPC_LISTENER_COUNT; n++) {
			if (dns->dnsds[i].listeners[n] != -1)
				close(dns->dnsds[i].listeners[n]);
			dns->dnsds[i].listeners[n] = -1;
		}
}

/*
 * One that was stopped is not starved, and has no flows that it could go on
 * with.  Whoever takes its place has to have answered before the lease ends,
 * for which the usual patience leaves no time.
 */
static int64_t
patience_us(const struct child *child)
{
	if (child->asked_us != 0 && process_is_stopped(child->pid))
		return LEASE_BEAT(tpxd_lease_us(child->tpxd));
	return tpxd_patience_us(child->tpxd);
}

static void
ask(void *ctx, struct child *child)
{
	const struct msg_beat *beat = ctx;

	child_judge(child, beat->sent_us, patience_us(child));
	child_judge_work(child);
	child_ask(child, beat);
}

void
dns_ask(struct tpxd *tpxd, const struct msg_beat *beat)
{
	struct msg_beat copy = *beat;

	dns_each(tpxd, ask, &copy);
}

int
dns_has_answered(const struct tpxd *tpxd, uint64_t sequence)
{
	const struct child *child;
	uint32_t i;

	for (i = 0; is_wanted(tpxd) && i < tpxd->dns.count; i++) {
		child = &tpxd->dns.dnsds[i].child;
		if (child->state != CHILD_RUNNING || child->answered < sequence)
			return 0;
	}
	return 1;
}

int
dns_all_answered(const struct tpxd *tpxd)
{
	const struct child *child;
	uint32_t i;

	for (i = 0; tpxd->dns.required && i < tpxd->dns.count; i++) {
		child = &tpxd->dns.dnsds[i].child;
		if (child->state != CHILD_RUNNING ||
		    child->answered != tpxd->beat || !child_serves(child))
			return 0;
	}
	return 1;
}

struct msg_dns_stats
dns_stats(const struct tpxd *tpxd)
{
	struct msg_dns_stats sum = { .count = DNS_SOURCE_COUNT };
	uint32_t i;

	for (i = 0; i < tpxd->dns.count; i++) {
		stats_add(&sum, &tpxd->dns.dnsds[i].before);
		stats_add(&sum, &tpxd->dns.dnsds[i].stats);
	}
	return sum;
}

void
dns_count(const struct msg_dns_stats *stats, struct msg_ctl_status *status)
{
	status->dns_queries = stats->queries;
	status->dns_cache_hits = stats->cache_hits;
	status->dns_blocked = stats->blocked;
	status->dns_servfail = stats->servfail;
	status->dns_limited = stats->limited;
	status->dns_repeated = stats->repeated;
	status->dns_unlogged = stats->unlogged;
}

void
dns_each(struct tpxd *tpxd, dns_fn *call, void *ctx)
{
	struct dns *dns = &tpxd->dns;
	uint32_t i;

	if (dns->ports.dns4 == 0 && !dns_left(tpxd))
		return;
	for (i = 0; i < dns->count; i++)
		call(ctx, &dns->dnsds[i].child);
	call(ctx, &dns->resolver);
	call(ctx, &dns->dot.child);
}

void
dns_ended(struct child *child, int asked)
{
	if (!is_wanted(child->tpxd))
		return;
	if (asked)
		(void)child->start(child);
	else
		child_schedule(child);
}

void
dns_stop(struct tpxd *tpxd)
{
	dns_each(tpxd, stop, NULL);
}

int
dns_left(struct tpxd *tpxd)
{
	const struct dns *dns = &tpxd->dns;
	uint32_t i;

	for (i = 0; i < dns->count; i++)
		if (dns->dnsds[i].child.pid != 0)
			return 1;
	return dns->resolver.pid != 0 || dns->dot.child.pid != 0;
}
