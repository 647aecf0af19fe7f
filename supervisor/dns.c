/* SPDX-License-Identifier: ISC */
/*
 * Starts what the configuration wants of DNS, joins dnsds and the resolver
 * (whenever one of a pair is new, the pair gets a new channel), and judges
 * whether they work.
 *
 * The heartbeat needs every dnsd, for who asks it would else ask nobody; it
 * does not need the resolver, without which dnsd answers from its cache, and
 * with an error.
 */
#include "supervisor/dns.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "policy/image_same.h"
#include "supervisor/process.h"
#include "supervisor/resolver.h"
#include "supervisor/tpxd.h"

static int
is_wanted(const struct tpxd *tpxd)
{
	return image_dns(tpxd->config.image)->mode != DNS_OFF;
}

/* A delay may end when it runs already, or is not wanted any more. */
int
dns_is_due(const struct child *child)
{
	return child->pid == 0 && is_wanted(child->tpxd) &&
	       child->tpxd->dns.ports.dns4 != 0 && dot_is_open(child->tpxd);
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

void
dns_join_resolver(struct tpxd *tpxd)
{
	uint32_t i;

	for (i = 0; i < tpxd->dns.count; i++)
		join(tpxd, &tpxd->dns.dnsds[i]);
}

void
dns_join(struct tpxd *tpxd, struct dnsd *dnsd)
{
	join(tpxd, dnsd);
	join_netctl(NULL, &dnsd->child);
}

void
dns_init(struct tpxd *tpxd, uint32_t count)
{
	struct dns *dns = &tpxd->dns;
	uint32_t i;

	dns->dnsds = calloc(count, sizeof(*dns->dnsds));
	if (dns->dnsds == NULL)
		fatal("dnsd");
	dns->count = count;
	for (i = 0; i < count; i++)
		dnsd_init(&dns->dnsds[i], tpxd, i);
	resolver_init(&dns->resolver, tpxd);
	dot_init(tpxd);
}

void
dns_listener(struct tpxd *tpxd, const struct msg_listener *body, int fd)
{
	if (body->worker < tpxd->dns.count)
		dnsd_listener(&tpxd->dns.dnsds[body->worker], body->kind, fd);
	else
		close(fd);
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
	(void)dns->resolver.start(&dns->resolver);
	for (i = 0; i < dns->count; i++)
		(void)dns->dnsds[i].child.start(&dns->dnsds[i].child);
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
	uint32_t i;

	dot_settle(tpxd);
	dns->required = is_wanted(tpxd);
	if (dns->required)
		return;
	dns_stop(tpxd);
	memset(&dns->ports, 0, sizeof(dns->ports));
	for (i = 0; i < dns->count; i++)
		dnsd_listeners_close(&dns->dnsds[i]);
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
		dnsd_stats_add(&sum, &tpxd->dns.dnsds[i].before);
		dnsd_stats_add(&sum, &tpxd->dns.dnsds[i].stats);
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
