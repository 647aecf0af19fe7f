/* SPDX-License-Identifier: ISC */
/*
 * The worker's dispatch.  Believes typed messages of the supervisor that
 * ipc_accept() passed and an image that image_check() passed; no byte of any
 * client or server comes here.  What relays and dnsds ask for goes to the
 * broker and to the passes.
 *
 * What a hostile supervisor can do with each request: CONFIG and NET_START let
 * it choose a policy, which is its task, at any time; NET_START makes listeners
 * on loopback and netlink sockets that only report; both let connections go on
 * that are there when capture of this host begins; NET_DNS_OPEN makes more such
 * listeners, which answer from port 53 of any address to whom is captured;
 * NET_DOT_OPEN makes two sockets on 127.0.0.1, which answer nobody but user
 * tpx; BEAT keeps capture alive; STOP ends it as the policy says; NET_RELAY
 * makes it a relay, see netctl/broker.c, and NET_DNSD a dnsd, see
 * netctl/passes.c.  None of them names a table, a rule or an address beyond
 * what policy/ renders.
 */
#include "netctl/netctl.h"

#include <event2/event.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "ipc/channel.h"
#include "ipc/loop.h"
#include "netctl/broker.h"
#include "netctl/capture.h"
#include "netctl/conntrack.h"
#include "netctl/drift.h"
#include "netctl/lease.h"
#include "netctl/listener.h"
#include "netctl/nft.h"
#include "netctl/passes.h"
#include "netctl/source.h"
#include "netctl/sysctl.h"
#include "policy/mapping.h"
#include "policy/mark.h"

struct netctl {
	struct event_base *base;
	struct ipc_channel *supervisor;
	struct event *expiry;	/* when the live lease ends */
	struct event *orphaned; /* the keeper is gone */
	struct mapping policy;
	struct drift *drift;
	struct broker *broker;
	struct passes *passes;
	struct render_local local;
	struct lease lease;
	struct conntrack conntrack;
	int paused; /* what the lease, once live, stands for */
	pid_t keeper;
	int begun;
	int failed;
};

/* A step that fails leaves no state that was chosen: end, and say so. */
static void
give_up(struct netctl *netctl)
{
	netctl->failed = 1;
	event_base_loopbreak(netctl->base);
}

static void
expiry_set(struct netctl *netctl)
{
	int64_t left_us = netctl->lease.ends_us - clock_mono_us();
	struct timeval left = { 0 };

	if (left_us > 0) {
		left.tv_sec = left_us / 1000000;
		left.tv_usec = left_us % 1000000;
	}
	event_add(netctl->expiry, &left);
}

static void
lease_tell(struct netctl *netctl, uint64_t sequence, enum ipc_lease state)
{
	struct msg_lease body = { .sequence = sequence, .state = state };

	(void)IPC_SEND(netctl->supervisor, MSG_LEASE, 0, &body, -1);
}

/* A pause has no rules, and so no sets of theirs. */
static void
passes_renew(struct netctl *netctl)
{
	passes_follow(netctl->passes, netctl->policy.image, capture_number(),
	    netctl->paused ? NULL : capture_suffix());
}

static int
arm(struct netctl *netctl)
{
	int result = capture_set(netctl->policy.image, &netctl->local,
	    netctl->paused ? RENDER_PAUSE : RENDER_CAPTURE);

	passes_renew(netctl);
	return result;
}

/* One that fails is one beat less; the lease tells when they are too many. */
static int
renew(struct netctl *netctl)
{
	(void)capture_renew(netctl->policy.image);
	return 0;
}

static int
lapse(struct netctl *netctl)
{
	log_warnx("heartbeats stopped: the lease has lapsed");
	capture_lapse(netctl->policy.image);
	lease_tell(netctl, 0, IPC_LEASE_NONE);
	return 0;
}

static int (*const acts[])(struct netctl *) = {
	[LEASE_ARM] = arm,
	[LEASE_RENEW] = renew,
	[LEASE_LAPSE] = lapse,
};

static void
act(struct netctl *netctl, enum lease_action action)
{
	if (action != LEASE_NOTHING && acts[action](netctl) == -1)
		give_up(netctl);
}

static void
on_expiry(int fd, short what, void *arg)
{
	struct netctl *netctl = arg;

	(void)fd;
	(void)what;
	act(netctl, lease_expire(&netctl->lease, clock_mono_us()));
	if (netctl->lease.state == LEASE_LIVE)
		expiry_set(netctl);
}

static void
tell(void *ctx, enum event_severity severity, const char *kind,
    const char *message)
{
	struct netctl *netctl = ctx;
	struct msg_event event = { .time_us = clock_real_us(),
		.severity = severity,
		.process = "tpx-netctl",
		.actor = "tpx-netctl" };

	(void)snprintf(event.kind, sizeof(event.kind), "%s", kind);
	(void)snprintf(event.message, sizeof(event.message), "%s", message);
	log_warnx("%s: %s", kind, message);
	(void)IPC_SEND(netctl->supervisor, MSG_EVENT, 0, &event, -1);
}

/* The supervisor shall not take it for an end either. */
static void
on_busy(void *ctx, int64_t took_us)
{
	struct netctl *netctl = ctx;

	if (!lease_delay(&netctl->lease, took_us, clock_mono_us()))
		return;
	(void)renew(netctl);
	expiry_set(netctl);
	lease_tell(
	    netctl, 0, netctl->paused ? IPC_LEASE_PAUSE : IPC_LEASE_CAPTURE);
}

/* Only who sees every packet could see those that this costs. */
static void
conntrack_look(struct netctl *netctl, int64_t now_us)
{
	uint64_t count, most;
	enum conntrack_news news;
	char text[128];

	if (sysctl_number("net/netfilter/nf_conntrack_count", &count) == -1 ||
	    sysctl_number("net/netfilter/nf_conntrack_max", &most) == -1)
		return;
	news = conntrack_judge(&netctl->conntrack, count, most, now_us);
	if (news == CONNTRACK_NO_NEWS)
		return;
	(void)snprintf(text, sizeof(text),
	    "conntrack table holds %ju of %ju (nf_conntrack_max)%s",
	    (uintmax_t)count, (uintmax_t)most,
	    news == CONNTRACK_FULL ? ": the kernel drops new flows" : "");
	tell(netctl, news == CONNTRACK_FULL ? SEVERITY_ALARM : SEVERITY_INFO,
	    "conntrack", text);
}

static void
on_beat(void *ctx, struct ipc_message *message)
{
	const struct msg_renew *beat = message->body;
	struct netctl *netctl = ctx;
	int64_t now_us = clock_mono_us();
	enum lease_action action;

	if (!netctl->begun)
		return; /* it was meant for a predecessor */
	conntrack_look(netctl, now_us);
	act(netctl, lease_expire(&netctl->lease, now_us));
	action = lease_beat(&netctl->lease, beat->sent_us, now_us);
	if (action == LEASE_NOTHING)
		return;
	if (netctl->paused != (int)beat->paused)
		action = LEASE_ARM; /* renews it as well */
	netctl->paused = (int)beat->paused;
	act(netctl, action);
	expiry_set(netctl);
	lease_tell(netctl, beat->sequence,
	    netctl->paused ? IPC_LEASE_PAUSE : IPC_LEASE_CAPTURE);
}

/* Hands a new descriptor to the supervisor and closes it here. */
static int
send_fd(struct netctl *netctl, enum msg_type type, const void *body, size_t len,
    int fd, const char *what)
{
	int result;

	if (fd == -1) {
		log_warn("%s", what);
		return -1;
	}
	result = ipc_send(netctl->supervisor, type, 0, body, len, fd);
	if (result == -1)
		log_warn("%s", what);
	close(fd);
	return result;
}

static int
listeners_open(struct netctl *netctl, uint16_t *const ports[LISTENER_PORTS],
    uint32_t workers, enum msg_type type)
{
	uint32_t mask = image_settings(netctl->policy.image)->mark_mask;
	uint32_t mark =
	    type == MSG_NET_DNS_LISTENER ? mark_value(mask, MARK_DNS) : 0;
	const struct ipc_listener_kind *kind;
	struct msg_listener body;
	uint32_t i;
	int fd;

	if (listener_ports(ports) == -1) {
		log_warn("listener");
		return -1;
	}
	for (i = 0; i < workers * IPC_LISTENER_COUNT; i++) {
		body.worker = i / IPC_LISTENER_COUNT;
		body.kind = i % IPC_LISTENER_COUNT;
		body.port = *ports[ipc_listener_port(body.kind)];
		kind = ipc_listener_kind(body.kind);
		fd = listener_open_marked(
		    kind->family, kind->proto, &body.port, mark);
		if (send_fd(netctl, type, &body, sizeof(body), fd,
			"listener") == -1)
			return -1;
	}
	return 0;
}

static int
relay_listeners_open(struct netctl *netctl, uint32_t workers)
{
	struct render_local *local = &netctl->local;
	uint16_t *const ports[LISTENER_PORTS] = { &local->port4, &local->port6,
		&local->local4, &local->local6 };

	return listeners_open(netctl, ports, workers, MSG_NET_LISTENER);
}

static void
on_net_dns_open(void *ctx, struct ipc_message *message)
{
	const struct msg_dns_open *body = message->body;
	struct netctl *netctl = ctx;
	struct render_local *local = &netctl->local;
	uint16_t *const ports[LISTENER_PORTS] = { &local->dns4, &local->dns6,
		&local->dns_local4, &local->dns_local6 };
	struct msg_dns_ports ready;

	if (listeners_open(netctl, ports, (uint32_t)body->workers,
		MSG_NET_DNS_LISTENER) == -1) {
		give_up(netctl);
		return;
	}
	capture_outdate();
	ready.dns4 = local->dns4;
	ready.dns6 = local->dns6;
	ready.dns_local4 = local->dns_local4;
	ready.dns_local6 = local->dns_local6;
	(void)IPC_SEND(netctl->supervisor, MSG_NET_DNS_READY, 0, &ready, -1);
}

static int
dot_listener_send(struct netctl *netctl, int tcp, int fd)
{
	struct msg_dot_listener body = { .tcp = (uint32_t)tcp,
		.port = netctl->local.dot };

	return send_fd(netctl, MSG_NET_DOT_LISTENER, &body, sizeof(body), fd,
	    "listener of tpx-dot");
}

/* Two sockets with one port, which neither shares with anybody. */
static int
dot_open(struct netctl *netctl)
{
	unsigned int tries;
	uint16_t port;
	int tcp, udp;

	for (tries = 0; tries < LISTENER_TRIES; tries++) {
		port = 0;
		if ((tcp = listener_open_plain(IPPROTO_TCP, &port)) == -1)
			break;
		if ((udp = listener_open_plain(IPPROTO_UDP, &port)) == -1) {
			close(tcp);
			continue;
		}
		netctl->local.dot = port;
		if (dot_listener_send(netctl, 0, udp) == 0)
			return dot_listener_send(netctl, 1, tcp);
		close(tcp);
		return -1;
	}
	log_warn("listener of tpx-dot");
	return -1;
}

static void
on_net_dot_open(void *ctx, struct ipc_message *message)
{
	struct netctl *netctl = ctx;

	(void)message;
	if (dot_open(netctl) == -1)
		give_up(netctl);
}

static int
source_pass(struct netctl *netctl, enum ipc_source kind, const char *what)
{
	struct msg_source body = { .kind = kind };

	return send_fd(netctl, MSG_NET_SOURCE, &body, sizeof(body),
	    source_open(kind), what);
}

static int
is_always(const struct image *image)
{
	(void)image;
	return 1;
}

static int
has_local(const struct image *image)
{
	return image_settings(image)->local != LOCAL_NONE;
}

/* What a configuration needs to be told of. */
static const struct {
	enum ipc_source kind;
	int (*needed)(const struct image *);
	const char *what;
} sources[] = {
	{ IPC_SOURCE_NFLOG, is_always,
	    "nflog group 74, which somebody else may hold" },
	{ IPC_SOURCE_CONNTRACK, image_has_pass, "conntrack events" },
	{ IPC_SOURCE_OWNERS, has_local,
	    "nflog group 75, which somebody else may hold" },
};

/* before: the configuration whose sources there are already, or NULL. */
static int
sources_open(struct netctl *netctl, const struct image *before,
    const struct image *image)
{
	size_t i;

	for (i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		if (!sources[i].needed(image) ||
		    (before != NULL && sources[i].needed(before)))
			continue;
		if (source_pass(netctl, sources[i].kind, sources[i].what) == -1)
			return -1;
	}
	return 0;
}

/* The lease that the table in the kernel should have at this moment. */
static enum render_lease
lease_now(const struct netctl *netctl)
{
	if (netctl->lease.state != LEASE_LIVE)
		return RENDER_NO_LEASE;
	return netctl->paused ? RENDER_PAUSE : RENDER_CAPTURE;
}

static int
reconfigure(struct netctl *netctl, const struct image *image)
{
	if (sources_open(netctl, netctl->policy.image, image) == -1 ||
	    capture_reconfigure(netctl->policy.image, image, &netctl->local,
		lease_now(netctl)) == -1)
		return -1;
	lease_set(
	    &netctl->lease, image_settings(image)->lease_ms, clock_mono_us());
	if (netctl->lease.state == LEASE_LIVE)
		expiry_set(netctl);
	return 0;
}

/* The first configuration is for the start; the others replace one another. */
static void
on_config(void *ctx, struct ipc_message *message)
{
	const struct msg_config *config = message->body;
	struct netctl *netctl = ctx;
	struct msg_configured reply = { .generation = config->generation };
	struct mapping next = { 0 };
	const char *why;

	if (mapping_replace(&next, message->fd, config->size_bytes, &why) ==
	    -1) {
		log_warnx("configuration: %s", why);
		give_up(netctl);
		return;
	}
	if (netctl->begun) {
		act(netctl, lease_expire(&netctl->lease, clock_mono_us()));
		reply.done = reconfigure(netctl, next.image) == 0;
		(void)IPC_SEND(
		    netctl->supervisor, MSG_NET_CONFIGURED, 0, &reply, -1);
	}
	if (netctl->begun && !reply.done) {
		mapping_free(&next);
		return;
	}
	mapping_free(&netctl->policy);
	netctl->policy = next;
	broker_set_mask(netctl->broker, image_settings(next.image)->mark_mask);
	passes_renew(netctl);
	if (netctl->drift != NULL)
		drift_set_image(netctl->drift, next.image);
}

/* After a predecessor: its sockets live, and its table too if it was live. */
static int
take_over(struct netctl *netctl, const struct msg_net_start *start)
{
	netctl->local.port4 = start->port4;
	netctl->local.port6 = start->port6;
	netctl->local.local4 = start->local4;
	netctl->local.local6 = start->local6;
	netctl->local.dns4 = start->dns4;
	netctl->local.dns6 = start->dns6;
	netctl->local.dns_local4 = start->dns_local4;
	netctl->local.dns_local6 = start->dns_local6;
	netctl->local.dot = start->dot;
	netctl->paused = start->lease == IPC_LEASE_PAUSE;
	if (start->lease != IPC_LEASE_NONE)
		return capture_sweep();
	if (capture_guard(netctl->policy.image, &netctl->local) == -1)
		return -1;
	return capture_begin(netctl->policy.image, &netctl->local);
}

static int
begin(struct netctl *netctl, const struct msg_net_start *start)
{
	if (start->port4 != 0)
		return take_over(netctl, start);
	if (capture_guard(netctl->policy.image, &netctl->local) == -1 ||
	    relay_listeners_open(netctl, start->workers) == -1 ||
	    sources_open(netctl, NULL, netctl->policy.image) == -1)
		return -1;
	return capture_begin(netctl->policy.image, &netctl->local);
}

static int
ready_tell(struct netctl *netctl)
{
	struct msg_net_ready ready = { .port4 = netctl->local.port4,
		.port6 = netctl->local.port6,
		.local4 = netctl->local.local4,
		.local6 = netctl->local.local6 };

	return IPC_SEND(netctl->supervisor, MSG_NET_READY, 0, &ready, -1);
}

static int
start(struct netctl *netctl, const struct msg_net_start *start)
{
	if (netctl->policy.image == NULL || begin(netctl, start) == -1)
		return -1;
	lease_init(&netctl->lease,
	    image_settings(netctl->policy.image)->lease_ms,
	    start->lease != IPC_LEASE_NONE, clock_mono_us());
	if (start->lease != IPC_LEASE_NONE)
		expiry_set(netctl);
	netctl->drift = drift_new(netctl->base, netctl->policy.image,
	    &netctl->local, start->port4 != 0,
	    &(struct drift_listener){ tell, on_busy, netctl });
	return netctl->drift == NULL ? -1 : ready_tell(netctl);
}

static void
on_net_start(void *ctx, struct ipc_message *message)
{
	struct netctl *netctl = ctx;

	if (start(netctl, message->body) == -1) {
		log_warnx("the start has failed");
		give_up(netctl);
		return;
	}
	passes_renew(netctl);
	netctl->begun = 1;
	ipc_channel_set_phase(netctl->supervisor, IPC_PHASE_RUN);
}

static void
on_net_relay(void *ctx, struct ipc_message *message)
{
	const struct msg_worker *body = message->body;
	struct netctl *netctl = ctx;

	broker_connect(netctl->broker, (uint32_t)body->worker,
	    ipc_message_take_fd(message));
}

static void
on_net_dnsd(void *ctx, struct ipc_message *message)
{
	const struct msg_worker *body = message->body;
	struct netctl *netctl = ctx;

	passes_connect(netctl->passes, (uint32_t)body->worker,
	    ipc_message_take_fd(message));
}

static void
breach_tell(
    struct netctl *netctl, enum msg_type type, uint32_t worker, const char *why)
{
	struct msg_breach breach = { .worker = worker };

	(void)snprintf(breach.why, sizeof(breach.why), "%s", why);
	(void)IPC_SEND(netctl->supervisor, type, 0, &breach, -1);
}

static void
on_breach(void *ctx, uint32_t worker, const char *why)
{
	breach_tell(ctx, MSG_NET_BREACH, worker, why);
}

static void
on_denied(void *ctx, const char *message)
{
	tell(ctx, SEVERITY_WARNING, "broker", message);
}

static void
on_dnsd_breach(void *ctx, uint32_t worker, const char *why)
{
	breach_tell(ctx, MSG_NET_DNS_BREACH, worker, why);
}

static void
on_refused(void *ctx, const char *message)
{
	tell(ctx, SEVERITY_WARNING, "names", message);
}

static void
on_stop(void *ctx, struct ipc_message *message)
{
	struct netctl *netctl = ctx;

	(void)message;
	event_base_loopbreak(netctl->base);
}

static const struct ipc_handler handlers[] = {
	{ MSG_CONFIG, on_config },
	{ MSG_NET_START, on_net_start },
	{ MSG_NET_RELAY, on_net_relay },
	{ MSG_NET_DNSD, on_net_dnsd },
	{ MSG_NET_DNS_OPEN, on_net_dns_open },
	{ MSG_NET_DOT_OPEN, on_net_dot_open },
	{ MSG_BEAT, on_beat },
	{ MSG_STOP, on_stop },
	{ MSG_NONE, NULL },
};

static void
on_supervisor_end(void *ctx, const char *why)
{
	struct netctl *netctl = ctx;

	if (why != NULL)
		log_warnx("supervisor sent %s", why);
	event_base_loopbreak(netctl->base);
}

static void
on_orphaned(int signal, short what, void *arg)
{
	struct netctl *netctl = arg;

	(void)signal;
	(void)what;
	if (getppid() == netctl->keeper)
		return; /* it only goes on: the supervisor decides */
	log_warnx("the keeper is gone");
	give_up(netctl);
}

static void
peers_open(struct netctl *netctl)
{
	const struct broker_listener listener = { on_breach, on_denied,
		netctl };
	const struct passes_listener passes = { on_dnsd_breach, on_refused,
		netctl };

	netctl->broker = broker_new(netctl->base, &listener);
	netctl->passes = passes_new(netctl->base, &passes);
	if (netctl->broker == NULL || netctl->passes == NULL)
		fatal("broker");
}

struct netctl *
netctl_new(unsigned int restarts)
{
	struct netctl *netctl = calloc(1, sizeof(*netctl));
	struct msg_net_hello hello = { .pid = (uint32_t)getpid(),
		.restarts = restarts };

	if (netctl == NULL || (netctl->base = ipc_loop_new(0)) == NULL)
		fatal("event base");
	netctl->keeper = getppid();
	netctl->local.uid = geteuid();
	netctl->supervisor = ipc_channel_new(netctl->base, NETCTL_CHANNEL_FD,
	    IPC_NETCTL, IPC_SUPERVISOR, handlers, on_supervisor_end, netctl);
	netctl->expiry = event_new(netctl->base, -1, 0, on_expiry, netctl);
	netctl->orphaned =
	    evsignal_new(netctl->base, SIGCONT, on_orphaned, netctl);
	if (netctl->supervisor == NULL || netctl->expiry == NULL ||
	    netctl->orphaned == NULL || event_add(netctl->orphaned, NULL) == -1)
		fatal("channel to the supervisor");
	peers_open(netctl);
	nft_drain();
	/* It was gone before: what a predecessor left is to be taken away. */
	netctl->failed =
	    IPC_SEND(netctl->supervisor, MSG_NET_HELLO, 0, &hello, -1) == -1;
	return netctl;
}

void
netctl_loop(struct netctl *netctl)
{
	if (!netctl->failed)
		event_base_dispatch(netctl->base);
}

void
netctl_shutdown(struct netctl *netctl)
{
	capture_end(netctl->policy.image);
	if (netctl->failed)
		exit(1);
}
