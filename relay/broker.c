/* SPDX-License-Identifier: ISC */
/*
 * Owns what has been asked and not been answered.  netctl answers in the order
 * in which it was asked, so that a queue is enough to find who it is for; the
 * number in a message says whether they still agree.
 */
#include "relay/broker.h"

#include <sys/queue.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "ipc/channel.h"

struct broker_ask {
	uint32_t id;
	broker_fn *answer; /* NULL: nobody waits for it any more */
	void *ctx;
	STAILQ_ENTRY(broker_ask) entry;
};

STAILQ_HEAD(broker_queue, broker_ask);

struct broker {
	struct event_base *base;
	struct ipc_channel *netctl; /* NULL: none */
	uint32_t last_id;
	struct broker_queue asked;
};

struct broker *
broker_new(struct event_base *base)
{
	struct broker *broker = calloc(1, sizeof(*broker));

	if (broker == NULL)
		return NULL;
	broker->base = base;
	STAILQ_INIT(&broker->asked);
	return broker;
}

/* Takes it out of the queue before the answer, which may ask again. */
static void
ask_answer(struct broker_queue *queue, int fd, int error)
{
	struct broker_ask *ask = STAILQ_FIRST(queue);

	STAILQ_REMOVE_HEAD(queue, entry);
	if (ask->answer != NULL)
		ask->answer(ask->ctx, fd, error);
	else if (fd != -1)
		close(fd);
	free(ask);
}

static void
broker_disconnect(struct broker *broker)
{
	struct broker_queue asked = STAILQ_HEAD_INITIALIZER(asked);

	ipc_channel_free(broker->netctl);
	broker->netctl = NULL;
	/* What is asked from now on is for the next channel. */
	STAILQ_CONCAT(&asked, &broker->asked);
	while (!STAILQ_EMPTY(&asked))
		ask_answer(&asked, -1, EPIPE);
}

static void
on_end(void *ctx, const char *why)
{
	if (why != NULL)
		log_warnx("netctl sent %s", why);
	broker_disconnect(ctx);
}

static void
on_answer(struct broker *broker, struct ipc_message *message, int error)
{
	const struct broker_ask *ask = STAILQ_FIRST(&broker->asked);

	if (ask == NULL || ask->id != message->id) {
		on_end(broker, "an answer to nothing that was asked");
		return;
	}
	ask_answer(&broker->asked, ipc_message_take_fd(message), error);
}

static void
on_broker_grant(void *ctx, struct ipc_message *message)
{
	on_answer(ctx, message, message->fd == -1 ? EMFILE : 0);
}

static void
on_broker_deny(void *ctx, struct ipc_message *message)
{
	const struct msg_broker_deny *deny = message->body;

	on_answer(ctx, message, (int)deny->error);
}

static const struct ipc_handler handlers[] = {
	/* What has no room here is one flow's loss: there are other flows. */
	{ MSG_BROKER_GRANT, on_broker_grant, 1 },
	{ MSG_BROKER_DENY, on_broker_deny },
	{ MSG_NONE, NULL },
};

void
broker_connect(struct broker *broker, int fd)
{
	broker_disconnect(broker);
	broker->netctl = ipc_channel_new(
	    broker->base, fd, IPC_RELAY, IPC_NETCTL, handlers, on_end, broker);
	if (broker->netctl == NULL) {
		log_warn("channel to netctl");
		close(fd);
		return;
	}
	ipc_channel_set_phase(broker->netctl, IPC_PHASE_RUN);
}

static void
halves(const struct addr *addr, uint64_t *high, uint64_t *low)
{
	memcpy(high, addr->byte, 8);
	memcpy(low, addr->byte + 8, 8);
}

struct broker_ask *
broker_ask(struct broker *broker, enum ipc_broker socket,
    const struct broker_flow *flow, uint16_t port, broker_fn *answer, void *ctx)
{
	struct msg_broker_ask body = { .client_port = flow->client_port,
		.server_port = flow->server_port,
		.port = port,
		.socket = socket };
	struct broker_ask *ask;

	if (broker->netctl == NULL) {
		errno = EPIPE;
		return NULL;
	}
	if ((ask = calloc(1, sizeof(*ask))) == NULL)
		return NULL;
	halves(&flow->client, &body.client_high, &body.client_low);
	halves(&flow->server, &body.server_high, &body.server_low);
	ask->id = ++broker->last_id;
	ask->answer = answer;
	ask->ctx = ctx;
	if (IPC_SEND(broker->netctl, MSG_BROKER_ASK, ask->id, &body, -1) ==
	    -1) {
		free(ask);
		return NULL;
	}
	STAILQ_INSERT_TAIL(&broker->asked, ask, entry);
	return ask;
}

void
broker_cancel(struct broker_ask *ask)
{
	ask->answer = NULL;
}
