/* SPDX-License-Identifier: ISC */
/*
 * Starts tpx-dot, holds its sockets, and passes on what it says of servers.  It
 * reads what they send, so it may fill in one sentence of an event, and only so
 * many of them; the rest of an event is ours.
 */
#include "supervisor/dot.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "policy/image_same.h"
#include "supervisor/event.h"
#include "supervisor/listener.h"
#include "supervisor/tpxd.h"

#define EVENTS_MOST 64 /* between two answers: all servers, there and back */

static int
is_wanted(const struct tpxd *tpxd)
{
	return image_dns(tpxd->config.image)->mode == DNS_FORWARD_TLS;
}

int
dot_is_open(const struct tpxd *tpxd)
{
	return !is_wanted(tpxd) || tpxd->dns.dot.port != 0;
}

static void
on_ready(void *ctx, struct ipc_message *message)
{
	(void)message;
	child_runs(ctx);
}

static void
on_answer(void *ctx, struct ipc_message *message)
{
	struct child *child = ctx;

	if (child_answered(child, message->body) == 0)
		child->tpxd->dns.dot.events = 0;
}

static void
on_event(void *ctx, struct ipc_message *message)
{
	const struct msg_event *said = message->body;
	const struct child *child = ctx;
	struct dot *dot = &child->tpxd->dns.dot;

	if (dot->events++ >= EVENTS_MOST)
		return;
	event_record(child->tpxd,
	    said->severity == SEVERITY_INFO ? SEVERITY_INFO : SEVERITY_WARNING,
	    child, "dns-upstream", said->message);
}

static const struct ipc_handler handlers[] = {
	{ MSG_DOT_READY, on_ready },
	{ MSG_ANSWER, on_answer },
	{ MSG_EVENT, on_event },
	{ MSG_NONE, NULL },
};

static void
listener_send(const struct dot *dot, int tcp)
{
	struct msg_dot_listener body = { .tcp = (uint32_t)tcp,
		.port = dot->port };
	int fd = tcp ? dot->tcp : dot->udp;

	listener_mend(fd);
	(void)IPC_SEND(dot->child.channel, MSG_DOT_LISTENER, 0, &body, fd);
}

/* A message that cannot be sent shows as a tpx-dot that never gets ready. */
static int
start(struct child *child)
{
	struct dot *dot = &child->tpxd->dns.dot;

	if (child->pid != 0 || !is_wanted(child->tpxd) || dot->port == 0)
		return 0;
	if (child_open(child, handlers) == -1)
		return -1;
	dot->events = 0;
	(void)child_send_config(child);
	listener_send(dot, 0);
	listener_send(dot, 1);
	(void)ipc_send_empty(child->channel, MSG_DOT_START, -1);
	return 0;
}

void
dot_init(struct tpxd *tpxd)
{
	struct dot *dot = &tpxd->dns.dot;

	child_init(&dot->child, tpxd, "tpx-dot", IPC_DOT, -1);
	dot->child.start = start;
	dot->udp = dot->tcp = -1;
}

static void
listeners_close(struct dot *dot)
{
	if (dot->udp != -1)
		close(dot->udp);
	if (dot->tcp != -1)
		close(dot->tcp);
	dot->udp = dot->tcp = -1;
	dot->port = 0;
}

/* UDP comes first; a pair that a dead netctl left unfinished is given up. */
int
dot_listener(struct tpxd *tpxd, const struct msg_dot_listener *body, int fd)
{
	struct dot *dot = &tpxd->dns.dot;

	if (!body->tcp) {
		listeners_close(dot);
		dot->udp = fd;
		return 0;
	}
	if (dot->udp == -1 || dot->tcp != -1) {
		close(fd);
		return 0;
	}
	dot->tcp = fd;
	dot->port = (uint16_t)body->port;
	return 1;
}

/* What it reads, at its start alone. */
static int
same(const struct image *one, const struct image *other)
{
	return image_same_servers(one, other) &&
	       strcmp(image_dns_tls_authorities(one),
		   image_dns_tls_authorities(other)) == 0;
}

void
dot_begin(struct tpxd *tpxd, const struct image *before)
{
	struct dot *dot = &tpxd->dns.dot;

	if (!is_wanted(tpxd))
		return;
	if (dot->port == 0 &&
	    ipc_send_empty(tpxd->netctl.channel, MSG_NET_DOT_OPEN, -1) == -1)
		log_warn("netctl: listeners of tpx-dot");
	if (before != NULL && !same(before, tpxd->config.image))
		child_stop(&dot->child);
}

void
dot_start(struct tpxd *tpxd)
{
	(void)start(&tpxd->dns.dot.child);
}

void
dot_settle(struct tpxd *tpxd)
{
	if (is_wanted(tpxd))
		return;
	child_stop(&tpxd->dns.dot.child);
	listeners_close(&tpxd->dns.dot);
}
