/* SPDX-License-Identifier: ISC */
/*
 * Dispatch of dnsd's messages.  Believes what ipc_accept() passed, and an image
 * that image_check() passed; what the resolver says of an answer is put
 * together here and judged by the front, as the resolver has met hostile
 * servers.
 */
#include "dnsd/dnsd.h"

#include <netinet/in.h>
#include <sys/random.h>

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/memfd.h"
#include "dnsd/front.h"
#include "dnsd/journal.h"
#include "dnsd/names.h"
#include "dnsd/sampler.h"
#include "dnsd/shares.h"
#include "dnsd/verdict.h"
#include "ipc/channel.h"
#include "ipc/loop.h"
#include "policy/binding.h"
#include "policy/image_same.h"
#include "policy/lists.h"
#include "policy/mapping.h"
#include "schema/journal.h"

#define CALLBACKS_PER_LOOP 16
#define FLUSH_MS 500
#define CACHE_BYTES (32U << 20)
/* Of one client, a second: far more than a host asks that the cache lacks. */
#define RATE_MISS 500

/* An answer that comes in parts. */
struct assembly {
	uint64_t question;
	size_t total;
	size_t have;
	uint8_t packet[LIMIT_DNS_PACKET_BYTES];
};

struct dnsd {
	struct event_base *base;
	struct ipc_channel *supervisor;
	struct ipc_channel *resolver; /* NULL: none */
	struct ipc_channel *log;      /* NULL: none */
	struct dns_journal *rows;     /* the journal's memory */
	struct journal *journal;
	struct sampler sampler;
	struct front *front;
	struct front_listener listeners[IPC_LISTENER_COUNT];
	int listening; /* how many there are */
	int started;
	uint32_t worker;
	struct mapping policy;
	struct lists lists; /* of that policy */
	struct names *names;
	struct assembly assembly;
};

static void
resolver_lose(struct dnsd *dnsd)
{
	ipc_channel_free(dnsd->resolver);
	dnsd->resolver = NULL;
	front_resolver_lost(dnsd->front);
}

static void
on_resolver_end(void *ctx, const char *why)
{
	struct dnsd *dnsd = ctx;
	struct msg_dns_breach breach = { 0 };

	resolver_lose(dnsd);
	if (why == NULL)
		return;
	log_warnx("resolver sent %s", why);
	(void)snprintf(breach.why, sizeof(breach.why), "%s", why);
	(void)IPC_SEND(dnsd->supervisor, MSG_DNSD_BREACH, 0, &breach, -1);
}

/*
 * 1 when the answer is whole.  One that does not continue the last one is
 * forgotten: the resolver may have had no room for a part.
 */
static int
assemble(struct assembly *assembly, const struct msg_resolved *part)
{
	if (part->offset == 0) {
		assembly->question = part->question;
		assembly->total = part->total;
		assembly->have = 0;
	}
	if (part->question != assembly->question ||
	    part->total != assembly->total || part->offset != assembly->have ||
	    part->count > assembly->total - assembly->have)
		return 0;
	memcpy(assembly->packet + assembly->have, part->byte, part->count);
	assembly->have += part->count;
	return assembly->have == assembly->total;
}

static void
on_resolved(void *ctx, struct ipc_message *message)
{
	const struct msg_resolved *part = message->body;
	struct dnsd *dnsd = ctx;
	struct resolution resolution = { .id = part->question,
		.rcode = part->rcode,
		.ede = part->ede,
		.security = (enum dns_security)part->security,
		.held = (enum dns_held)part->held,
		.packet = dnsd->assembly.packet };

	if (!assemble(&dnsd->assembly, part))
		return;
	resolution.len_bytes = dnsd->assembly.total;
	front_resolved(dnsd->front, &resolution);
}

static const struct ipc_handler resolver_handlers[] = {
	{ MSG_RESOLVED, on_resolved },
	{ MSG_NONE, NULL },
};

static void
on_dnsd_resolver(void *ctx, struct ipc_message *message)
{
	struct dnsd *dnsd = ctx;
	int fd = ipc_message_take_fd(message);

	if (dnsd->resolver != NULL)
		resolver_lose(dnsd);
	dnsd->resolver = ipc_channel_new(dnsd->base, fd, IPC_DNSD, IPC_RESOLVER,
	    resolver_handlers, on_resolver_end, dnsd);
	if (dnsd->resolver == NULL)
		fatal("channel to the resolver");
	ipc_channel_set_phase(dnsd->resolver, IPC_PHASE_RUN);
	dnsd->assembly.total = dnsd->assembly.have = 0;
	front_resolver_ready(dnsd->front);
}

static void
on_dns_ack(void *ctx, struct ipc_message *message)
{
	const struct msg_flows_ack *ack = message->body;
	struct dnsd *dnsd = ctx;

	journal_acknowledge(dnsd->journal, ack->sequence);
}

static const struct ipc_handler log_handlers[] = {
	{ MSG_DNS_ACK, on_dns_ack },
	{ MSG_NONE, NULL },
};

static void
log_lose(struct dnsd *dnsd)
{
	journal_set_log(dnsd->journal, NULL);
	ipc_channel_free(dnsd->log);
	dnsd->log = NULL;
}

static void
on_log_end(void *ctx, const char *why)
{
	if (why != NULL)
		log_warnx("flow log sent %s", why);
	log_lose(ctx);
}

static void
on_dnsd_log(void *ctx, struct ipc_message *message)
{
	struct dnsd *dnsd = ctx;
	int fd = ipc_message_take_fd(message);

	log_lose(dnsd);
	dnsd->log = ipc_channel_new(dnsd->base, fd, IPC_DNSD, IPC_FLOWLOG,
	    log_handlers, on_log_end, dnsd);
	if (dnsd->log == NULL)
		fatal("channel to the flow log");
	ipc_channel_set_phase(dnsd->log, IPC_PHASE_RUN);
	journal_set_log(dnsd->journal, dnsd->log);
}

static int
resolve(void *ctx, uint64_t id, const struct question *question,
    const struct share_tags *for_whom)
{
	struct dnsd *dnsd = ctx;
	struct msg_resolve body = { .question = id,
		.client = for_whom->client,
		.host = for_whom->host,
		.qtype = question->qtype,
		.checking_disabled = question->checking_disabled != 0,
		.count = question->name_bytes };

	if (dnsd->resolver == NULL) {
		errno = ENOTCONN;
		return -1;
	}
	memcpy(body.name, question->name, question->name_bytes);
	return ipc_send_soon(
	    dnsd->resolver, MSG_RESOLVE, &body, MSG_RESOLVE_BYTES(body.count));
}

static void
on_record(void *ctx, const struct dns_record *record)
{
	struct dnsd *dnsd = ctx;

	uint32_t one_in = sampler_take(
	    &dnsd->sampler, dnsd->policy.image, dnsd->lists.now.index, record);

	if (one_in != 0)
		journal_add(dnsd->journal, record, one_in);
}

static void
decide(void *ctx, const struct addr *client, const uint8_t *name,
    size_t name_bytes, uint16_t qtype, struct front_verdict *verdict)
{
	const struct dnsd *dnsd = ctx;

	(void)client;
	verdict_on(dnsd->policy.image, dnsd->lists.now.index, name, name_bytes,
	    qtype, verdict);
}

static int
may_be_private(void *ctx, const uint8_t *name, size_t name_bytes)
{
	const struct dnsd *dnsd = ctx;

	return verdict_may_be_private(dnsd->policy.image, name, name_bytes);
}

/* Names that are no host's are left out by the table. */
static uint64_t
learn(void *ctx, const struct front_binding *binding)
{
	const struct dnsd *dnsd = ctx;

	return names_tell(dnsd->names, binding);
}

/* Answers that wait for it are sent, while there is somebody to send them. */
static void
on_told(void *ctx, uint64_t number)
{
	const struct dnsd *dnsd = ctx;

	if (dnsd->front != NULL)
		front_learned(dnsd->front, number);
}

static const struct front_ops ops = {
	.resolve = resolve,
	.log = on_record,
	.policy = decide,
	.may_be_private = may_be_private,
	.learn = learn,
};

static void
settings_of(const struct dnsd *dnsd, struct front_settings *settings)
{
	const struct image *image = dnsd->policy.image;

	memset(settings, 0, sizeof(*settings));
	settings->generation = image_settings(image)->generation;
	settings->worker = dnsd->worker;
	settings->port = DNS_PORT;
	settings->cache_bytes = CACHE_BYTES;
	settings->stale_s = image_dns(image)->stale_s;
	settings->rate = image_dns(image)->max_rate;
	settings->rate_miss = settings->rate == 0 ? 0 : RATE_MISS;
}

static void
on_domains(void *ctx, struct ipc_message *message)
{
	const struct msg_domains *body = message->body;
	struct dnsd *dnsd = ctx;
	const char *why;

	if (lists_offer(&dnsd->lists, message->fd, body->size_bytes,
		body->generation, &why) == -1)
		fatalx("lists of domains: %s", why);
}

/*
 * What other servers have said, or others' rules have let in, is not to be
 * answered any more, nor what the resolver at hand may still say.
 */
static void
forget_answers(struct dnsd *dnsd)
{
	front_flush(dnsd->front);
	resolver_lose(dnsd);
}

static void
policy_replace(struct dnsd *dnsd, int fd, size_t size_bytes)
{
	struct mapping next = { 0 };
	const char *why;

	if (mapping_replace(&next, fd, size_bytes, &why) == -1)
		fatalx("configuration: %s", why);
	if (dnsd->front != NULL &&
	    !image_same_resolver(dnsd->policy.image, next.image))
		forget_answers(dnsd);
	mapping_free(&dnsd->policy);
	dnsd->policy = next;
}

static void
on_config(void *ctx, struct ipc_message *message)
{
	const struct msg_config *config = message->body;
	struct dnsd *dnsd = ctx;
	struct front_settings settings;
	const char *why;

	policy_replace(dnsd, message->fd, config->size_bytes);
	if (lists_take(&dnsd->lists, dnsd->policy.image, &why) == -1)
		fatalx("configuration: %s", why);
	sampler_reset(&dnsd->sampler);
	names_configure(dnsd->names, dnsd->policy.image, dnsd->lists.now.index);
	if (dnsd->front == NULL)
		return;
	settings_of(dnsd, &settings);
	front_configure(dnsd->front, &settings);
}

static void
on_dnsd_listener(void *ctx, struct ipc_message *message)
{
	const struct msg_listener *body = message->body;
	const struct ipc_listener_kind *kind = ipc_listener_kind(body->kind);
	struct dnsd *dnsd = ctx;
	struct front_listener *listener;

	if (dnsd->listening == IPC_LISTENER_COUNT)
		fatalx("a second listener of one kind");
	listener = &dnsd->listeners[dnsd->listening++];
	listener->fd = ipc_message_take_fd(message);
	listener->family = kind->family;
	listener->transport =
	    kind->proto == IPPROTO_TCP ? DNS_TRANSPORT_TCP : DNS_TRANSPORT_UDP;
	listener->capture = kind->capture;
}

static void
on_dnsd_names(void *ctx, struct ipc_message *message)
{
	struct dnsd *dnsd = ctx;
	void *table = memfd_map_shared(message->fd, binding_table_bytes(), 1);

	if (table == NULL)
		fatal("names");
	names_set_table(dnsd->names, table);
}

static void
on_dnsd_netctl(void *ctx, struct ipc_message *message)
{
	const struct dnsd *dnsd = ctx;

	names_connect(dnsd->names, ipc_message_take_fd(message));
}

static void
on_dnsd_start(void *ctx, struct ipc_message *message)
{
	const struct msg_worker *start = message->body;
	struct dnsd *dnsd = ctx;

	dnsd->worker = (uint32_t)start->worker;
	dnsd->rows =
	    memfd_map_shared(message->fd, sizeof(struct dns_journal), 1);
	if (dnsd->rows == NULL)
		fatal("journal");
	dnsd->started = 1;
	event_base_loopbreak(dnsd->base);
}

/* What finds no room is in the next ones. */
static void
stats_send(const struct dnsd *dnsd)
{
	struct front_stats stats;
	struct names_stats names;
	struct msg_dns_stats body;

	front_stats(dnsd->front, &stats);
	names_stats(dnsd->names, &names);
	body.queries = stats.questions;
	body.cache_hits = stats.cache_hits;
	body.blocked = stats.blocked;
	body.servfail = stats.servfail;
	body.limited = stats.limited;
	body.repeated = stats.repeated;
	body.unlogged = sampler_omitted(&dnsd->sampler);
	body.names = names.taken;
	body.names_refused = names.refused;
	body.names_late = names.late + stats.late;
	body.count = DNS_SOURCE_COUNT;
	memcpy(body.latency, stats.latency, sizeof(body.latency));
	(void)IPC_SEND(dnsd->supervisor, MSG_DNSD_STATS, 0, &body, -1);
}

static void
on_ask(void *ctx, struct ipc_message *message)
{
	const struct msg_beat *ask = message->body;
	struct dnsd *dnsd = ctx;
	struct msg_answer answer = { .sequence = ask->sequence,
		.generation = image_settings(dnsd->policy.image)->generation,
		.work = front_progress(dnsd->front),
		.waiting = front_backlog(dnsd->front) };

	stats_send(dnsd);
	/* An answer that finds no room is a heartbeat that did not happen. */
	(void)IPC_SEND(dnsd->supervisor, MSG_ANSWER, message->id, &answer, -1);
}

static void
on_stop(void *ctx, struct ipc_message *message)
{
	struct dnsd *dnsd = ctx;

	(void)message;
	event_base_loopbreak(dnsd->base);
}

static const struct ipc_handler supervisor_handlers[] = {
	{ MSG_DOMAINS, on_domains },
	{ MSG_CONFIG, on_config },
	{ MSG_DNSD_LISTENER, on_dnsd_listener },
	{ MSG_DNSD_NAMES, on_dnsd_names },
	{ MSG_DNSD_START, on_dnsd_start },
	{ MSG_DNSD_RESOLVER, on_dnsd_resolver },
	{ MSG_DNSD_LOG, on_dnsd_log },
	{ MSG_DNSD_NETCTL, on_dnsd_netctl },
	{ MSG_ASK, on_ask },
	{ MSG_STOP, on_stop },
	{ MSG_NONE, NULL },
};

static void
on_supervisor_end(void *ctx, const char *why)
{
	struct dnsd *dnsd = ctx;

	if (why != NULL)
		log_warnx("supervisor sent %s", why);
	event_base_loopbreak(dnsd->base);
}

struct dnsd *
dnsd_new(void)
{
	struct dnsd *dnsd = calloc(1, sizeof(*dnsd));
	struct front_settings settings;
	uint64_t seed;

	if (dnsd == NULL || getrandom(&seed, sizeof(seed), 0) != sizeof(seed) ||
	    (dnsd->base = ipc_loop_new(CALLBACKS_PER_LOOP)) == NULL ||
	    (dnsd->names = names_new(dnsd->base, on_told, dnsd)) == NULL)
		fatal("event base");
	sampler_init(&dnsd->sampler, seed);
	dnsd->supervisor =
	    ipc_channel_new(dnsd->base, DNSD_CHANNEL_FD, IPC_DNSD,
		IPC_SUPERVISOR, supervisor_handlers, on_supervisor_end, dnsd);
	if (dnsd->supervisor == NULL)
		fatal("channel to the supervisor");
	event_base_dispatch(dnsd->base);
	if (!dnsd->started || dnsd->policy.image == NULL ||
	    dnsd->listening != IPC_LISTENER_COUNT)
		fatalx("the supervisor left before the start");
	dnsd->journal = journal_new(dnsd->base, dnsd->rows, dnsd->worker);
	if (dnsd->journal == NULL)
		fatal("journal");
	settings_of(dnsd, &settings);
	dnsd->front = front_new(dnsd->base, &ops, dnsd, &settings);
	if (dnsd->front == NULL)
		fatal("front");
	return dnsd;
}

void
dnsd_loop(struct dnsd *dnsd)
{
	int i;

	for (i = 0; i < dnsd->listening; i++)
		if (front_add_listener(dnsd->front, &dnsd->listeners[i]) == -1)
			fatal("listener");
	ipc_channel_set_phase(dnsd->supervisor, IPC_PHASE_RUN);
	if (ipc_send_empty(dnsd->supervisor, MSG_DNSD_READY, -1) == -1)
		fatal("the supervisor left before the start");
	event_base_dispatch(dnsd->base);
}

void
dnsd_shutdown(struct dnsd *dnsd)
{
	ipc_channel_free(dnsd->resolver);
	front_free(dnsd->front);
	journal_flush(dnsd->journal);
	if (dnsd->log != NULL)
		(void)ipc_channel_flush(dnsd->log, FLUSH_MS);
	ipc_channel_free(dnsd->log);
	journal_free(dnsd->journal);
}
