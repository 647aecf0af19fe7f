/* SPDX-License-Identifier: ISC */
/*
 * Dispatch of tpx-dot's messages, which are the supervisor's alone, and the way
 * of a question between the stub and the servers.  What servers send is for
 * server.c; of it nothing gets into a message but the library's own words for
 * why one failed.
 */
#include "dnsd/dot/dot.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "dnsd/dot/forward.h"
#include "dnsd/dot/server.h"
#include "dnsd/dot/stub.h"
#include "dnsd/dot/tls.h"
#include "ipc/channel.h"
#include "ipc/loop.h"
#include "policy/mapping.h"

#define CALLBACKS_PER_LOOP 64

_Static_assert(FORWARD_SERVERS >= LIMIT_DNS_SERVERS, "each has its place");

struct dot {
	struct event_base *base;
	struct ipc_channel *supervisor;
	struct mapping policy;
	struct tls *tls;
	struct forward *forward;
	struct stub *stub;
	uint16_t ports[LIMIT_DNS_SERVERS + 1];
	int udp, tcp; /* -1: has not come, or is the stub's */
	int started;
};

static void
on_asked(void *ctx, const struct asker *asker, const uint8_t *query, size_t len)
{
	struct dot *dot = ctx;

	forward_ask(dot->forward, asker, query, len);
}

static void
on_answered(void *ctx, const struct asker *asker, uint8_t *query,
    size_t query_len, const uint8_t *answer, size_t len)
{
	struct dot *dot = ctx;

	stub_answer(dot->stub, asker, query, query_len, answer, len);
}

static void
on_judged(void *ctx, const struct server *server, const char *why)
{
	struct dot *dot = ctx;
	struct msg_event event = { .time_us = clock_real_us(),
		.severity = why == NULL ? SEVERITY_INFO : SEVERITY_WARNING };
	char address[ENDPOINT_TEXT_BYTES];

	(void)snprintf(event.message, sizeof(event.message), "%s %s %s%s",
	    server_address(server, address), server_name(server),
	    why == NULL ? "answers again" : "is not asked for a while: ",
	    why == NULL ? "" : why);
	(void)IPC_SEND(dot->supervisor, MSG_EVENT, 0, &event, -1);
}

static const struct forward_ops ops = { .answer = on_answered,
	.judged = on_judged };

/* Only its start reads a configuration. */
static void
on_config(void *ctx, struct ipc_message *message)
{
	const struct msg_config *config = message->body;
	struct dot *dot = ctx;
	const char *why;

	if (dot->started)
		return; /* the names of its servers are in the first one */
	if (mapping_replace(
		&dot->policy, message->fd, config->size_bytes, &why) == -1)
		fatalx("configuration: %s", why);
}

static void
on_dot_listener(void *ctx, struct ipc_message *message)
{
	const struct msg_dot_listener *body = message->body;
	struct dot *dot = ctx;

	if ((body->tcp ? dot->tcp : dot->udp) != -1)
		fatalx("a second listener of one kind");
	*(body->tcp ? &dot->tcp : &dot->udp) = ipc_message_take_fd(message);
}

static void
on_dot_start(void *ctx, struct ipc_message *message)
{
	struct dot *dot = ctx;

	(void)message;
	dot->started = 1;
	event_base_loopbreak(dot->base);
}

static void
on_ask(void *ctx, struct ipc_message *message)
{
	const struct msg_beat *ask = message->body;
	struct dot *dot = ctx;
	struct msg_answer answer = { .sequence = ask->sequence,
		.work = forward_totals(dot->forward).answers };

	(void)IPC_SEND(dot->supervisor, MSG_ANSWER, message->id, &answer, -1);
}

static void
on_stop(void *ctx, struct ipc_message *message)
{
	struct dot *dot = ctx;

	(void)message;
	event_base_loopbreak(dot->base);
}

static const struct ipc_handler handlers[] = {
	{ MSG_CONFIG, on_config },
	{ MSG_DOT_LISTENER, on_dot_listener },
	{ MSG_DOT_START, on_dot_start },
	{ MSG_ASK, on_ask },
	{ MSG_STOP, on_stop },
	{ MSG_NONE, NULL },
};

static void
on_supervisor_end(void *ctx, const char *why)
{
	struct dot *dot = ctx;

	if (why != NULL)
		log_warnx("supervisor sent %s", why);
	event_base_loopbreak(dot->base);
}

static void
tls_prepare(struct dot *dot)
{
	const char *text = image_dns_tls_authorities(dot->policy.image);
	const char *why;

	dot->tls = tls_new(text[0] == '\0' ? NULL : text, strlen(text), &why);
	if (dot->tls == NULL)
		fatalx("TLS: %s", why);
}

static void
servers_add(struct dot *dot)
{
	const struct image *image = dot->policy.image;
	const struct image_dns_server *server;
	uint32_t i;

	for (i = 0; i < image_dns_server_count(image); i++) {
		server = image_dns_server(image, i);
		dot->ports[i] = server->port;
		if (forward_add(dot->forward, dot->tls, &server->addr,
			server->port,
			image_dns_server_name(image, server)) == -1)
			fatal("server");
	}
}

struct dot *
dot_new(void)
{
	struct dot *dot = calloc(1, sizeof(*dot));

	if (dot == NULL ||
	    (dot->base = ipc_loop_new(CALLBACKS_PER_LOOP)) == NULL)
		fatal("event base");
	dot->udp = dot->tcp = -1;
	dot->supervisor = ipc_channel_new(dot->base, DOT_CHANNEL_FD, IPC_DOT,
	    IPC_SUPERVISOR, handlers, on_supervisor_end, dot);
	if (dot->supervisor == NULL)
		fatal("channel to the supervisor");
	event_base_dispatch(dot->base);
	if (!dot->started || dot->policy.image == NULL || dot->udp == -1 ||
	    dot->tcp == -1)
		fatalx("the supervisor left before the start");
	tzset(); /* else gmtime(3) opens a file, for the first certificate */
	tls_prepare(dot);
	dot->forward = forward_new(dot->base, &ops, dot);
	if (dot->forward == NULL)
		fatal("forwarding");
	servers_add(dot);
	dot->stub = stub_new(dot->base, dot->udp, dot->tcp, on_asked, dot);
	if (dot->stub == NULL)
		fatal("listeners");
	return dot;
}

const uint16_t *
dot_ports(const struct dot *dot)
{
	return dot->ports;
}

void
dot_loop(struct dot *dot)
{
	ipc_channel_set_phase(dot->supervisor, IPC_PHASE_RUN);
	if (ipc_send_empty(dot->supervisor, MSG_DOT_READY, -1) == -1)
		fatal("the supervisor left before the start");
	event_base_dispatch(dot->base);
}

/* Answers may be on their way to the stub until the servers are gone. */
void
dot_shutdown(struct dot *dot)
{
	forward_free(dot->forward);
	stub_free(dot->stub);
	tls_free(dot->tls);
}
