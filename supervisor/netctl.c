/* SPDX-License-Identifier: ISC */
/*
 * Dispatch of netctl's messages.  A new worker of netctl announces itself and
 * is told everything again; what its keeper holds lives on meanwhile.
 */
#include "supervisor/netctl.h"

#include <sys/prctl.h>
#include <sys/wait.h>

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "supervisor/apply.h"
#include "supervisor/event.h"
#include "supervisor/flowlog.h"
#include "supervisor/tpxd.h"

static pid_t group; /* keeper and worker */

static void
sources_close(struct tpxd *tpxd)
{
	int i;

	for (i = 0; i < IPC_SOURCE_COUNT; i++) {
		if (tpxd->sources[i] != -1)
			close(tpxd->sources[i]);
		tpxd->sources[i] = -1;
	}
}

static void
on_net_hello(void *ctx, struct ipc_message *message)
{
	const struct msg_net_hello *hello = message->body;
	struct child *child = ctx;
	struct tpxd *tpxd = child->tpxd;
	struct msg_net_start start = { .workers = (uint16_t)tpxd->nrelays,
		.lease = (uint16_t)state_lease(tpxd->state),
		.port4 = tpxd->ports.port4,
		.port6 = tpxd->ports.port6,
		.local4 = tpxd->ports.local4,
		.local6 = tpxd->ports.local6,
		.dns4 = tpxd->dns.ports.dns4,
		.dns6 = tpxd->dns.ports.dns6,
		.dns_local4 = tpxd->dns.ports.dns_local4,
		.dns_local6 = tpxd->dns.ports.dns_local6,
		.dot = tpxd->dns.dot.port };

	child->work_pid = (pid_t)hello->pid;
	/* Its predecessor may have died with a configuration in its hands. */
	if (apply_under_way())
		start.lease = IPC_LEASE_NONE;
	if (tpxd->state == IPC_STATE_STOPPING) {
		child_stop(child); /* its predecessor may not have read it */
		return;
	}
	if (hello->restarts > 0)
		event_record(tpxd, SEVERITY_WARNING, child, "restart",
		    "its worker was replaced; rules and lease were kept");
	if (tpxd->ports.port4 == 0)
		sources_close(tpxd); /* it will open all of them again */
	child->restarts = hello->restarts;
	child->state = CHILD_STARTING;
	ipc_channel_set_phase(child->channel, IPC_PHASE_SETUP);
	if (child_send_config(child) == -1 ||
	    IPC_SEND(child->channel, MSG_NET_START, 0, &start, -1) == -1)
		log_warn("netctl: configuration");
}

static void
on_net_listener(void *ctx, struct ipc_message *message)
{
	const struct msg_listener *body = message->body;
	struct child *child = ctx;

	relays_listener(child->tpxd, body, ipc_message_take_fd(message));
}

static void
on_net_dns_listener(void *ctx, struct ipc_message *message)
{
	const struct msg_listener *body = message->body;
	struct child *child = ctx;

	dns_listener(child->tpxd, body, ipc_message_take_fd(message));
}

static void
on_net_dns_ready(void *ctx, struct ipc_message *message)
{
	const struct child *child = ctx;

	dns_opened(child->tpxd, message->body);
}

static void
on_net_dot_listener(void *ctx, struct ipc_message *message)
{
	const struct child *child = ctx;
	struct tpxd *tpxd = child->tpxd;

	if (dot_listener(tpxd, message->body, ipc_message_take_fd(message)))
		dns_start(tpxd);
}

static void
on_net_source(void *ctx, struct ipc_message *message)
{
	const struct msg_source *body = message->body;
	struct child *child = ctx;
	int *source = &child->tpxd->sources[body->kind];

	if (*source != -1)
		close(*source);
	*source = ipc_message_take_fd(message);
	flowlog_source(child->tpxd, body->kind);
}

void
netctl_connect(struct tpxd *tpxd, struct relay *relay)
{
	if (tpxd->netctl.state == CHILD_RUNNING && relay->child.channel != NULL)
		child_join(&tpxd->netctl, MSG_NET_RELAY, &relay->child,
		    MSG_RELAY_BROKER);
}

static void
on_net_breach(void *ctx, struct ipc_message *message)
{
	relays_breach(ctx, message->body);
}

static void
on_net_dns_breach(void *ctx, struct ipc_message *message)
{
	dns_breach(ctx, message->body);
}

static void
on_net_ready(void *ctx, struct ipc_message *message)
{
	const struct msg_net_ready *ready = message->body;
	struct child *child = ctx;
	struct tpxd *tpxd = child->tpxd;
	int first = tpxd->ports.port4 == 0;

	child_runs(child);
	child->answered_us = clock_mono_us();
	tpxd->ports = *ready;
	apply_netctl(tpxd, 1); /* it has begun with the present one */
	relays_connect(tpxd, netctl_connect);
	dns_join_netctl(tpxd);
	if (tpxd->state == IPC_STATE_STOPPING)
		return;
	dns_begin(tpxd, NULL);
	if (!first)
		return;
	dns_settle(tpxd);
	flowlog_begin(tpxd);
	relays_start(tpxd);
}

static void
on_net_configured(void *ctx, struct ipc_message *message)
{
	const struct msg_configured *body = message->body;
	const struct child *child = ctx;

	if (body->generation ==
	    image_settings(child->tpxd->config.image)->generation)
		apply_netctl(child->tpxd, (int)body->done);
}

static const struct {
	enum state_input input;
	const char *why;
} inputs[IPC_LEASE_COUNT] = {
	[IPC_LEASE_NONE] = { STATE_LAPSES, "heartbeats stopped" },
	[IPC_LEASE_CAPTURE] = { STATE_CAPTURES, "every worker works" },
	[IPC_LEASE_PAUSE] = { STATE_PASSES, "asked to" },
};

static void
on_lease(void *ctx, struct ipc_message *message)
{
	const struct msg_lease *lease = message->body;
	struct child *child = ctx;
	struct tpxd *tpxd = child->tpxd;

	child->answered_us = clock_mono_us();
	child->asked_us = 0;
	tpxd_change(tpxd, inputs[lease->state].input, inputs[lease->state].why);
}

static const struct ipc_handler handlers[] = {
	{ MSG_NET_HELLO, on_net_hello },
	{ MSG_NET_LISTENER, on_net_listener },
	{ MSG_NET_SOURCE, on_net_source },
	{ MSG_NET_DNS_LISTENER, on_net_dns_listener },
	{ MSG_NET_DNS_READY, on_net_dns_ready },
	{ MSG_NET_DOT_LISTENER, on_net_dot_listener },
	{ MSG_NET_READY, on_net_ready },
	{ MSG_NET_CONFIGURED, on_net_configured },
	{ MSG_NET_BREACH, on_net_breach },
	{ MSG_NET_DNS_BREACH, on_net_dns_breach },
	{ MSG_LEASE, on_lease },
	{ MSG_EVENT, child_on_event },
	{ MSG_NONE, NULL },
};

int
netctl_spawn(struct tpxd *tpxd)
{
	struct child *child = &tpxd->netctl;
	int fd;

	/* Its worker shall not be lost with the keeper. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == -1)
		fatal("subreaper");
	child_init(child, tpxd, "tpx-netctl", IPC_NETCTL, -1);
	fd = child_spawn(child, tpxd->libexecdir, tpxd->verbose);
	if (fd == -1)
		fatal("tpx-netctl: cannot be started");
	group = child->pid;
	return fd;
}

void
netctl_open(struct tpxd *tpxd, int fd)
{
	child_attach(&tpxd->netctl, handlers, fd);
}

void
netctl_beat(struct tpxd *tpxd)
{
	struct msg_renew beat = { .sequence = tpxd->beat,
		.sent_us = clock_mono_us(),
		.paused = (uint64_t)tpxd->paused };

	if (tpxd->state == IPC_STATE_STOPPING || tpxd->netctl.channel == NULL ||
	    tpxd->netctl.state != CHILD_RUNNING ||
	    (!tpxd->paused &&
		(!relays_all_answered(tpxd) || !dns_all_answered(tpxd))))
		return;
	if (tpxd->netctl.asked_us == 0)
		tpxd->netctl.asked_us = beat.sent_us;
	/* A beat that finds no room did not happen: the lease will tell. */
	(void)IPC_SEND(tpxd->netctl.channel, MSG_BEAT, 0, &beat, -1);
}

void
netctl_judge(struct tpxd *tpxd, int64_t now_us)
{
	if (state_lease(tpxd->state) != IPC_LEASE_NONE &&
	    tpxd->netctl.asked_us != 0 &&
	    now_us - tpxd->netctl.asked_us > tpxd_lease_us(tpxd))
		tpxd_change(tpxd, STATE_LAPSES, "netctl gives no sign of life");
}

int
netctl_left(const struct tpxd *tpxd)
{
	return tpxd->netctl.pid != 0 || waitpid(-group, NULL, WNOHANG) == 0;
}

void
netctl_late(struct tpxd *tpxd)
{
	event_record(tpxd, SEVERITY_WARNING, &tpxd->netctl, "stuck",
	    "it or its worker did not stop in time");
	if (kill(-group, SIGKILL) == -1)
		log_warn("netctl: kill");
}
