/* SPDX-License-Identifier: ISC */
/*
 * Dispatch of the resolver's messages: questions of every dnsd, which has read
 * hostile clients and may be anybody's, and their answers.  How many questions
 * one of them may have here is bounded, and how many any client of theirs, so
 * that none can keep the others out.
 */
#include "dnsd/resolver/resolver.h"

#include <sys/random.h>

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "dnsd/resolver/engine.h"
#include "dnsd/resolver/race.h"
#include "dnsd/resolver/room.h"
#include "dnsd/wire.h"
#include "ipc/channel.h"
#include "ipc/loop.h"
#include "policy/mapping.h"

#define CALLBACKS_PER_LOOP 64

/* A dnsd, and what it waits for. */
struct peer {
	struct resolver *resolver;
	struct ipc_channel *channel; /* NULL: none */
	uint32_t worker;
	uint32_t session; /* grows with every channel */
};

/* A question that the engine has. */
struct asked {
	struct peer *peer;
	uint32_t session;
	uint64_t question;
	struct share_hold hold;
	struct asked *next; /* in the list of unused ones */
};

struct resolver {
	struct event_base *base;
	struct ipc_channel *supervisor;
	struct engine *engine;
	/*
	 * Of the engine's servers, without and with CD: who answers quickly,
	 * but nothing that can be validated, is good for the one kind alone.
	 */
	struct race *races[2];
	struct mapping policy;
	uint64_t answers;
	uint16_t dot; /* port of tpx-dot, or 0 */
	int started;
	struct peer peers[LIMIT_WORKERS];
	struct room *room;
	struct asked *unused; /* as many as the room has places */
	struct asked asked[ROOM_PLACES];
};

/* What finds no room is lost: who asked has a time limit. */
static void
answer_send(
    struct peer *peer, uint64_t question, const struct engine_answer *answer)
{
	struct msg_resolved part = { .question = question,
		.total = (uint32_t)answer->len_bytes,
		.rcode = answer->rcode,
		.ede = answer->ede,
		.security = answer->security };
	size_t left;

	do {
		left = answer->len_bytes - part.offset;
		part.count = (uint16_t)(left < LIMIT_DNS_PART_BYTES
					    ? left
					    : LIMIT_DNS_PART_BYTES);
		if (part.count > 0)
			memcpy(part.byte, answer->packet + part.offset,
			    part.count);
		if (ipc_send_soon(peer->channel, MSG_RESOLVED, &part,
			MSG_RESOLVED_BYTES(part.count)) == -1)
			return;
		part.offset += part.count;
	} while (part.offset < answer->len_bytes);
}

static void
asked_end(struct asked *asked)
{
	struct resolver *resolver = asked->peer->resolver;

	room_give(resolver->room, asked->peer->worker, &asked->hold);
	asked->next = resolver->unused;
	resolver->unused = asked;
}

static void
on_answer(void *ctx, const struct engine_answer *answer)
{
	struct asked *asked = ctx;
	struct peer *peer = asked->peer;

	peer->resolver->answers++;
	if (asked->session == peer->session && peer->channel != NULL)
		answer_send(peer, asked->question, answer);
	asked_end(asked);
}

/* For want of somebody to ask: it says nothing of the name, and is not kept. */
static void
refuse(struct peer *peer, uint64_t question)
{
	static const struct engine_answer failure = { .rcode = WIRE_SERVFAIL,
		.ede = WIRE_EDE_NOT_READY };

	answer_send(peer, question, &failure);
}

static void
hold(struct peer *peer, uint64_t question, enum dns_held held)
{
	struct msg_resolved body = { .question = question,
		.held = held,
		.rcode = WIRE_SERVFAIL,
		.ede = WIRE_EDE_NOT_READY };

	(void)ipc_send_soon(
	    peer->channel, MSG_RESOLVED, &body, MSG_RESOLVED_BYTES(0));
}

static void
on_resolve(void *ctx, struct ipc_message *message)
{
	const struct msg_resolve *body = message->body;
	const struct share_tags tags = { .client = body->client,
		.host = body->host };
	struct peer *peer = ctx;
	struct resolver *resolver = peer->resolver;
	struct engine_question question = { .name = body->name,
		.name_bytes = body->count,
		.qtype = body->qtype,
		.checking_disabled = (int)body->checking_disabled };
	struct asked *asked = resolver->unused;
	struct share_hold share;
	enum dns_held held =
	    room_take(resolver->room, peer->worker, &tags, &share);

	if (held != DNS_HELD_NOT) {
		hold(peer, body->question, held);
		return;
	}
	resolver->unused = asked->next;
	asked->peer = peer;
	asked->session = peer->session;
	asked->question = body->question;
	asked->hold = share;
	if (race_ask(resolver->races[question.checking_disabled], &question,
		on_answer, asked) == 0)
		return;
	asked_end(asked);
	refuse(peer, body->question);
}

static const struct ipc_handler dnsd_handlers[] = {
	{ MSG_RESOLVE, on_resolve },
	{ MSG_NONE, NULL },
};

static void
peer_close(struct peer *peer)
{
	ipc_channel_free(peer->channel);
	peer->channel = NULL;
	peer->session++;
}

static void
on_dnsd_end(void *ctx, const char *why)
{
	struct peer *peer = ctx;
	struct msg_breach breach = { .worker = peer->worker };

	peer_close(peer);
	if (why == NULL)
		return;
	(void)snprintf(breach.why, sizeof(breach.why), "%s", why);
	(void)IPC_SEND(
	    peer->resolver->supervisor, MSG_RESOLVER_BREACH, 0, &breach, -1);
}

static void
on_resolver_dnsd(void *ctx, struct ipc_message *message)
{
	const struct msg_worker *body = message->body;
	struct resolver *resolver = ctx;
	struct peer *peer = &resolver->peers[body->worker];

	peer_close(peer);
	peer->channel =
	    ipc_channel_new(resolver->base, ipc_message_take_fd(message),
		IPC_RESOLVER, IPC_DNSD, dnsd_handlers, on_dnsd_end, peer);
	if (peer->channel == NULL)
		fatal("channel to a dnsd");
	ipc_channel_set_phase(peer->channel, IPC_PHASE_RUN);
}

/* Its own part of a configuration is read at the start alone. */
static void
on_config(void *ctx, struct ipc_message *message)
{
	const struct msg_config *config = message->body;
	struct resolver *resolver = ctx;
	const char *why;

	if (mapping_replace(
		&resolver->policy, message->fd, config->size_bytes, &why) == -1)
		fatalx("configuration: %s", why);
}

static void
on_resolver_start(void *ctx, struct ipc_message *message)
{
	const struct msg_resolver_start *body = message->body;
	struct resolver *resolver = ctx;

	resolver->dot = (uint16_t)body->dot;
	resolver->started = 1;
	event_base_loopbreak(resolver->base);
}

static void
on_ask(void *ctx, struct ipc_message *message)
{
	const struct msg_beat *ask = message->body;
	struct resolver *resolver = ctx;
	struct msg_answer answer = { .sequence = ask->sequence,
		.work = resolver->answers };

	(void)IPC_SEND(
	    resolver->supervisor, MSG_ANSWER, message->id, &answer, -1);
}

static void
on_stop(void *ctx, struct ipc_message *message)
{
	struct resolver *resolver = ctx;

	(void)message;
	event_base_loopbreak(resolver->base);
}

static const struct ipc_handler supervisor_handlers[] = {
	{ MSG_CONFIG, on_config },
	{ MSG_RESOLVER_START, on_resolver_start },
	{ MSG_RESOLVER_DNSD, on_resolver_dnsd },
	{ MSG_ASK, on_ask },
	{ MSG_STOP, on_stop },
	{ MSG_NONE, NULL },
};

static void
on_supervisor_end(void *ctx, const char *why)
{
	struct resolver *resolver = ctx;

	if (why != NULL)
		log_warnx("supervisor sent %s", why);
	event_base_loopbreak(resolver->base);
}

static int
ask(void *ctx, unsigned int server, const struct engine_question *question,
    engine_fn *answer, void *arg)
{
	const struct resolver *resolver = ctx;

	return engine_ask(resolver->engine, server, question, answer, arg);
}

static const struct race_ops race_ops = { .ask = ask };

static void
room_init(struct resolver *resolver)
{
	struct siphash_key key;
	uint32_t i;

	if (getrandom(&key, sizeof(key), 0) != sizeof(key) ||
	    (resolver->room = room_new(&key)) == NULL)
		fatal("room for questions");
	for (i = ROOM_PLACES; i-- > 0;) {
		resolver->asked[i].next = resolver->unused;
		resolver->unused = &resolver->asked[i];
	}
}

static void
peers_init(struct resolver *resolver)
{
	uint32_t i;

	for (i = 0; i < LIMIT_WORKERS; i++) {
		resolver->peers[i].resolver = resolver;
		resolver->peers[i].worker = i;
	}
}

static void
races_init(struct resolver *resolver)
{
	unsigned int i, servers = engine_servers(resolver->engine);

	for (i = 0; i < 2; i++) {
		resolver->races[i] =
		    race_new(resolver->base, servers, &race_ops, resolver);
		if (resolver->races[i] == NULL)
			fatal("servers");
	}
}

struct resolver *
resolver_new(void)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));

	if (resolver == NULL ||
	    (resolver->base = ipc_loop_new(CALLBACKS_PER_LOOP)) == NULL)
		fatal("event base");
	peers_init(resolver);
	room_init(resolver);
	resolver->supervisor = ipc_channel_new(resolver->base,
	    RESOLVER_CHANNEL_FD, IPC_RESOLVER, IPC_SUPERVISOR,
	    supervisor_handlers, on_supervisor_end, resolver);
	if (resolver->supervisor == NULL)
		fatal("channel to the supervisor");
	event_base_dispatch(resolver->base);
	if (!resolver->started || resolver->policy.image == NULL)
		fatalx("the supervisor left before the start");
	resolver->engine =
	    engine_new(resolver->base, resolver->policy.image, resolver->dot);
	if (resolver->engine == NULL)
		fatal("libunbound");
	races_init(resolver);
	return resolver;
}

const uint16_t *
resolver_ports(const struct resolver *resolver)
{
	return engine_ports(resolver->engine);
}

void
resolver_loop(struct resolver *resolver)
{
	ipc_channel_set_phase(resolver->supervisor, IPC_PHASE_RUN);
	if (ipc_send_empty(resolver->supervisor, MSG_RESOLVER_READY, -1) == -1)
		fatal("the supervisor left before the start");
	event_base_dispatch(resolver->base);
}

void
resolver_shutdown(struct resolver *resolver)
{
	engine_free(resolver->engine);
	race_free(resolver->races[0]);
	race_free(resolver->races[1]);
	room_free(resolver->room);
}
