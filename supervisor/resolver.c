/* SPDX-License-Identifier: ISC */
/*
 * Starts the resolver.  Reads what it says, which ipc_accept() has passed; it
 * may accuse a dnsd.
 */
#include "supervisor/resolver.h"

#include "supervisor/tpxd.h"

static void
on_ready(void *ctx, struct ipc_message *message)
{
	struct child *child = ctx;

	(void)message;
	child_runs(child);
	dns_join_resolver(child->tpxd);
}

static void
on_answer(void *ctx, struct ipc_message *message)
{
	(void)child_answered(ctx, message->body);
}

static void
on_breach(void *ctx, struct ipc_message *message)
{
	dns_breach(ctx, message->body);
}

static const struct ipc_handler handlers[] = {
	{ MSG_RESOLVER_READY, on_ready },
	{ MSG_RESOLVER_BREACH, on_breach },
	{ MSG_ANSWER, on_answer },
	{ MSG_NONE, NULL },
};

static int
start(struct child *child)
{
	struct msg_resolver_start body = { .dot = child->tpxd->dns.dot.port };

	if (!dns_is_due(child))
		return 0;
	if (child_open(child, handlers) == -1)
		return -1;
	(void)child_send_config(child);
	(void)IPC_SEND(child->channel, MSG_RESOLVER_START, 0, &body, -1);
	return 0;
}

void
resolver_init(struct child *resolver, struct tpxd *tpxd)
{
	child_init(resolver, tpxd, "tpx-resolver", IPC_RESOLVER, -1);
	resolver->start = start;
}
