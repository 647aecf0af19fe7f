/* SPDX-License-Identifier: ISC */
/*
 * The relay's dispatch: messages of the supervisor and the flow log, clients
 * from the listeners.  Believes a message that ipc_accept() passed and an
 * image that image_check() passed.
 */
#include "relay/relay.h"

#include <sys/mman.h>
#include <sys/socket.h>

#include <errno.h>
#include <event2/event.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/addr.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/memfd.h"
#include "ipc/channel.h"
#include "ipc/loop.h"
#include "policy/bindings.h"
#include "policy/lists.h"
#include "policy/secret.h"
#include "relay/broker.h"
#include "relay/check.h"
#include "relay/denial.h"
#include "relay/flow.h"
#include "relay/journal.h"
#include "relay/judge.h"
#include "relay/limit.h"
#include "relay/listener.h"
#include "relay/owner.h"
#include "relay/pipe.h"
#include "relay/regime.h"
#include "relay/reset.h"
#include "relay/shortage.h"
#include "relay/udp_flow.h"
#include "relay/udp_listener.h"
#include "relay/upstream.h"

#define FDS_UDP_PART 4 /* one part in so many is for UDP */
#define CALLBACKS_PER_LOOP 16
#define SHUTDOWN_LIMIT_MS 2000
#define BEFORE_LINGERS_S 60 /* longer than the kernel takes for another */

/* Where clients come in, by one of the protocols. */
struct entrance {
	struct relay *relay;
	struct listener *listener;
	struct udp_listener *udp;
	enum flow_capture capture;
	uint16_t port;
};

/* Passwords that wait for the configuration that they belong to. */
struct relay_secrets {
	const void *bytes; /* NULL: none do */
	size_t size_bytes;
	uint32_t generation;
};

struct relay {
	struct event_base *base;
	struct ipc_channel *supervisor;
	struct ipc_channel *log;
	struct entrance entrances[IPC_LISTENER_COUNT];
	struct broker *broker;
	struct journal *journal;
	struct flow_pool *flows;
	struct udp_flows *udp;
	struct shortage *shortage;
	struct regime now, before;
	struct event *settled; /* before is needed no more */
	struct lists lists;    /* that wait for their configuration */
	struct checks *checks;
	struct tally tally;
	struct judge judge;
	struct relay_secrets secrets;
	uint32_t slots;
	int leaving;
};

static void
each_listener(struct relay *relay, void (*call)(struct listener *))
{
	int i;

	for (i = 0; i < IPC_LISTENER_COUNT; i++)
		if (relay->entrances[i].listener != NULL)
			call(relay->entrances[i].listener);
}

static int
may_accept(const struct relay *relay)
{
	return shortage_kind(relay->shortage) == IPC_LACK_NOTHING &&
	       flow_pool_has_room(relay->flows);
}

static void
each_udp(struct relay *relay, void (*call)(struct udp_listener *))
{
	int i;

	for (i = 0; i < IPC_LISTENER_COUNT; i++)
		if (relay->entrances[i].udp != NULL)
			call(relay->entrances[i].udp);
}

static void
on_room(void *ctx)
{
	struct relay *relay = ctx;

	if (!relay->leaving && may_accept(relay))
		each_listener(relay, listener_resume);
}

static void
run_short(struct relay *relay, int error)
{
	each_listener(relay, listener_pause);
	shortage_begin(relay->shortage, error);
}

/* Open flows may have met one, too. */
static void
notice_lack(struct relay *relay)
{
	int error = flow_pool_lacked(relay->flows);

	if (error == 0)
		error = udp_flows_lacked(relay->udp);
	if (error != 0)
		run_short(relay, error);
}

/* Resets a client whose flow the policy forbids, with a record. */
static int
flow_block(struct relay *relay, int client, const struct flow_start *start)
{
	struct flow_entry *record = record_open(relay->journal, start);

	if (record == NULL)
		return -1;
	record_blocked(relay->journal, record);
	record_tcp_info(record, client);
	record_close(relay->journal, record, FLOW_CLOSE_POLICY, 0);
	reset_and_close(client);
	return 0;
}

static int
flow_accept(struct relay *relay, int client, struct flow_start *start)
{
	if (judge_begun(&relay->judge, start) == FLOW_ACTION_BLOCK)
		return flow_block(relay, client, start);
	/* Which rule it counts in may depend on its name. */
	if (!start->needs_name &&
	    limit_admit(relay->judge.limit, start) == -1) {
		reset_and_close(client);
		return 0;
	}
	return flow_begin(relay->flows, client, start);
}

static void
on_client(void *ctx, int client, const struct sockaddr *from)
{
	const struct entrance *entrance = ctx;
	struct relay *relay = entrance->relay;
	struct flow_start start = { .proto = IPPROTO_TCP,
		.capture = entrance->capture };
	struct sockaddr_storage local;
	socklen_t len = sizeof(local);

	if (client == -1) {
		run_short(relay, errno);
		return;
	}
	if (getsockname(client, (struct sockaddr *)&local, &len) == -1 ||
	    listener_is_own(&local, entrance->port) ||
	    addr_from_sockaddr(from, &start.src, &start.sport) == -1 ||
	    addr_from_sockaddr(
		(struct sockaddr *)&local, &start.dst, &start.dport) == -1) {
		atomic_fetch_add(&journal_arena(relay->journal)->refused, 1);
		close(client);
		return;
	}
	if (owner_is_asked(&relay->now.owners, &start))
		start.owner = listener_first_hops(client);
	if (flow_accept(relay, client, &start) == -1) {
		atomic_fetch_add(&journal_arena(relay->journal)->refused, 1);
		close(client);
	}
	notice_lack(relay);
	if (!flow_pool_has_room(relay->flows))
		each_listener(relay, listener_pause);
}

static void
secrets_forget(struct relay_secrets *secrets)
{
	if (secrets->bytes != NULL)
		munmap((void *)(uintptr_t)secrets->bytes, secrets->size_bytes);
	secrets->bytes = NULL;
}

static void
on_secrets(void *ctx, struct ipc_message *message)
{
	const struct msg_secrets *body = message->body;
	struct relay *relay = ctx;
	struct relay_secrets *secrets = &relay->secrets;

	secrets_forget(secrets);
	secrets->bytes = memfd_map_sealed(message->fd, body->size_bytes);
	if (secrets->bytes == NULL)
		fatal("passwords");
	secrets->size_bytes = body->size_bytes;
	secrets->generation = body->generation;
}

static void
on_domains(void *ctx, struct ipc_message *message)
{
	const struct msg_domains *body = message->body;
	struct relay *relay = ctx;
	const char *why;

	if (lists_offer(&relay->lists, message->fd, body->size_bytes,
		body->generation, &why) == -1)
		fatalx("lists of domains: %s", why);
}

/* Flows that go on keep the set that they began with. */
static void
upstreams_make(struct relay *relay, struct regime *next)
{
	const struct image *image = next->policy.image;
	struct relay_secrets *secrets = &relay->secrets;
	size_t size_bytes = 0;
	const char *why;

	if (secrets->bytes != NULL &&
	    secrets->generation == image_settings(image)->generation)
		size_bytes = secrets->size_bytes;
	if (secrets_check(image, secrets->bytes, size_bytes, &why) == -1)
		fatalx("passwords: %s", why);
	next->upstreams =
	    upstreams_new(image, secrets->bytes, relay->now.upstreams);
	if (next->upstreams == NULL)
		fatal("upstreams");
	checks_replace(relay->checks, next->upstreams);
	secrets_forget(secrets);
}

/* The kernel keeps what a client begins with only for who asks. */
static void
owners_ask(struct relay *relay)
{
	int i;

	for (i = 0; i < IPC_LISTENER_COUNT; i++)
		if (relay->entrances[i].listener != NULL &&
		    relay->entrances[i].capture == FLOW_CAPTURE_LOCAL)
			listener_keep_first(relay->entrances[i].listener,
			    relay->now.owners.classes > 0);
}

static void
on_settled(int fd, short what, void *arg)
{
	struct relay *relay = arg;

	(void)fd;
	(void)what;
	regime_release(&relay->before);
}

static void
regime_begin(struct relay *relay, const struct regime *next)
{
	static const struct timeval linger = { .tv_sec = BEFORE_LINGERS_S };

	regime_release(&relay->before);
	relay->before = relay->now;
	relay->now = *next;
	owners_ask(relay);
	if (next->owners.classes == 0)
		regime_release(&relay->before);
	else if (evtimer_add(relay->settled, &linger) == -1)
		fatal("timer");
}

static void
on_config(void *ctx, struct ipc_message *message)
{
	const struct msg_config *config = message->body;
	struct relay *relay = ctx;
	struct regime next = { .upstreams = NULL };
	const char *why;

	if (mapping_replace(
		&next.policy, message->fd, config->size_bytes, &why) == -1)
		fatalx("configuration: %s", why);
	if (lists_take(&relay->lists, next.policy.image, &why) == -1)
		fatalx("configuration: %s", why);
	next.lists = relay->lists.now;
	memset(&relay->lists.now, 0, sizeof(relay->lists.now));
	if (owner_classes_make(&next.owners, next.policy.image) == -1)
		fatal("users");
	upstreams_make(relay, &next);
	regime_begin(relay, &next);
}

static void
on_relay_listener(void *ctx, struct ipc_message *message)
{
	const struct msg_listener *body = message->body;
	struct relay *relay = ctx;
	struct entrance *entrance = &relay->entrances[body->kind];
	const struct ipc_listener_kind *kind = ipc_listener_kind(body->kind);
	int fd = ipc_message_take_fd(message);

	if (entrance->listener != NULL || entrance->udp != NULL)
		fatalx("a second listener of one kind");
	entrance->relay = relay;
	entrance->capture = kind->capture;
	entrance->port = body->port;
	if (kind->proto == IPPROTO_TCP)
		entrance->listener =
		    listener_new(relay->base, fd, on_client, entrance);
	else
		entrance->udp = udp_listener_new(
		    relay->base, fd, body->port, kind->capture);
	if (entrance->listener == NULL && entrance->udp == NULL)
		fatal("listener");
}

static void
on_relay_tally(void *ctx, struct ipc_message *message)
{
	const struct msg_tally *body = message->body;
	struct relay *relay = ctx;
	struct tally *tally = &relay->tally;
	struct tally_part *part;

	part = memfd_map_shared(message->fd, sizeof(*part), body->own != 0);
	if (part == NULL)
		fatal("counts of flows");
	tally->part[body->worker] = part;
	if (body->own)
		tally->own = part;
	tally->workers = body->workers;
	tally->seed = body->seed;
}

static void
on_relay_names(void *ctx, struct ipc_message *message)
{
	const struct msg_worker *body = message->body;

	(void)ctx;
	if (bindings_add(body->worker, message->fd) == -1)
		fatal("names");
}

static void
on_relay_start(void *ctx, struct ipc_message *message)
{
	const struct msg_relay_start *start = message->body;
	struct relay *relay = ctx;
	struct flow_arena *arena;

	arena = memfd_map_shared(
	    message->fd, FLOW_ARENA_BYTES((size_t)start->slots), 1);
	if (arena == NULL)
		fatal("flow arena");
	relay->journal = journal_new(
	    relay->base, arena, start->slots, start->worker, start->first_id);
	if (relay->journal == NULL)
		fatal("journal");
	if (!tally_is_complete(&relay->tally))
		fatalx("no counts of flows");
	relay->slots = start->slots;
	event_base_loopbreak(relay->base);
}

static enum ipc_lack
lack_of(const struct relay *relay)
{
	enum ipc_lack lack = shortage_kind(relay->shortage);

	if (lack != IPC_LACK_NOTHING)
		return lack;
	if (flow_pool_is_full(relay->flows))
		return IPC_LACK_FLOWS;
	return pipe_lacks() ? IPC_LACK_PIPES : IPC_LACK_NOTHING;
}

static void
on_ask(void *ctx, struct ipc_message *message)
{
	const struct msg_beat *ask = message->body;
	struct relay *relay = ctx;
	struct msg_answer answer = { .sequence = ask->sequence };
	int i;

	if (relay->leaving)
		return;
	shortage_probe(relay->shortage);
	notice_lack(relay);
	/* Open flows may keep this process busy for long: who waits comes
	 * first, so that what is said about them proves work. */
	each_listener(relay, listener_serve);
	answer.work = journal_work(relay->journal);
	answer.lack = lack_of(relay);
	answer.down = upstreams_down(relay->now.upstreams, clock_mono_us());
	answer.generation = image_settings(relay->now.policy.image)->generation;
	/* Whom it has no room for is not waiting for it to work. */
	for (i = 0; i < IPC_LISTENER_COUNT && may_accept(relay); i++)
		if (relay->entrances[i].listener != NULL)
			answer.waiting +=
			    listener_waiting(relay->entrances[i].listener);
	/* An answer that finds no room is a heartbeat that did not happen. */
	(void)IPC_SEND(relay->supervisor, MSG_ANSWER, message->id, &answer, -1);
}

static void
on_kill(void *ctx, struct ipc_message *message)
{
	const struct msg_kill *kill = message->body;
	struct relay *relay = ctx;
	struct msg_killed killed = { 0 };
	struct flow_choice choice = { .id = kill->flow };

	memcpy(choice.client, &kill->client_high, 8);
	memcpy(choice.client + 8, &kill->client_low, 8);
	killed.count = flow_pool_kill(relay->flows, &choice) +
		       udp_flows_kill(relay->udp, &choice);
	(void)IPC_SEND(relay->supervisor, MSG_KILLED, message->id, &killed, -1);
}

static void
on_stop(void *ctx, struct ipc_message *message)
{
	struct relay *relay = ctx;

	(void)message;
	event_base_loopbreak(relay->base);
}

static void
on_flows_ack(void *ctx, struct ipc_message *message)
{
	const struct msg_flows_ack *ack = message->body;
	struct relay *relay = ctx;

	journal_acknowledge(relay->journal, ack->sequence);
	if (relay->leaving && journal_pending(relay->journal) == 0)
		event_base_loopbreak(relay->base);
}

static const struct ipc_handler log_handlers[] = {
	{ MSG_FLOWS_ACK, on_flows_ack },
	{ MSG_NONE, NULL },
};

static void
on_log_end(void *ctx, const char *why)
{
	struct relay *relay = ctx;

	if (why != NULL)
		log_warnx("flow log sent %s", why);
	if (relay->journal != NULL)
		journal_set_log(relay->journal, NULL);
	ipc_channel_free(relay->log);
	relay->log = NULL;
	if (relay->leaving)
		event_base_loopbreak(relay->base);
}

static void
on_relay_log(void *ctx, struct ipc_message *message)
{
	struct relay *relay = ctx;
	int fd = ipc_message_take_fd(message);

	ipc_channel_free(relay->log);
	relay->log = ipc_channel_new(relay->base, fd, IPC_RELAY, IPC_FLOWLOG,
	    log_handlers, on_log_end, relay);
	if (relay->log == NULL)
		fatal("channel to the flow log");
	ipc_channel_set_phase(relay->log, IPC_PHASE_RUN);
	if (relay->journal != NULL)
		journal_set_log(relay->journal, relay->log);
}

static void
on_relay_broker(void *ctx, struct ipc_message *message)
{
	struct relay *relay = ctx;

	broker_connect(relay->broker, ipc_message_take_fd(message));
}

static const struct ipc_handler supervisor_handlers[] = {
	{ MSG_SECRETS, on_secrets },
	{ MSG_DOMAINS, on_domains },
	{ MSG_CONFIG, on_config },
	{ MSG_RELAY_LISTENER, on_relay_listener },
	{ MSG_RELAY_TALLY, on_relay_tally },
	{ MSG_RELAY_NAMES, on_relay_names },
	{ MSG_RELAY_START, on_relay_start },
	{ MSG_RELAY_LOG, on_relay_log },
	{ MSG_RELAY_BROKER, on_relay_broker },
	{ MSG_ASK, on_ask },
	{ MSG_KILL, on_kill },
	{ MSG_STOP, on_stop },
	{ MSG_NONE, NULL },
};

static void
on_supervisor_end(void *ctx, const char *why)
{
	struct relay *relay = ctx;

	if (why != NULL)
		log_warnx("supervisor sent %s", why);
	event_base_loopbreak(relay->base);
}

static void
judge_init(struct relay *relay)
{
	struct judge *judge = &relay->judge;

	judge->now = &relay->now;
	judge->before = &relay->before;
	judge->denials = denials_new(relay->journal, relay->tally.seed);
	judge->limit = limit_new(judge->denials, &relay->tally);
	if (judge->denials == NULL || judge->limit == NULL)
		fatal("judge");
}

/* Two descriptors a flow of TCP; what is for UDP is counted one by one. */
static void
flows_new(struct relay *relay)
{
	uint32_t descriptors = shortage_budget(2 * FDS_UDP_PART);
	uint32_t udp = descriptors / FDS_UDP_PART;
	uint32_t tcp = (descriptors - udp) / 2;

	judge_init(relay);
	relay->flows = flow_pool_new(relay->base, relay->journal, relay->broker,
	    tcp < relay->slots ? tcp : relay->slots, &relay->judge, on_room,
	    relay);
	relay->udp = udp_flows_new(
	    relay->base, relay->journal, relay->broker, udp, &relay->judge);
	relay->shortage = shortage_new(relay->base, on_room, relay);
	if (relay->flows == NULL || relay->udp == NULL ||
	    relay->shortage == NULL)
		fatal("flows");
}

static int
is_complete(const struct relay *relay)
{
	int i;

	for (i = 0; i < IPC_LISTENER_COUNT; i++)
		if (relay->entrances[i].listener == NULL &&
		    relay->entrances[i].udp == NULL)
			return 0;
	return 1;
}

struct relay *
relay_new(void)
{
	struct relay *relay = calloc(1, sizeof(*relay));

	if (relay == NULL ||
	    (relay->base = ipc_loop_new(CALLBACKS_PER_LOOP)) == NULL ||
	    (relay->broker = broker_new(relay->base)) == NULL ||
	    (relay->checks = checks_new(relay->base)) == NULL ||
	    (relay->settled = evtimer_new(relay->base, on_settled, relay)) ==
		NULL)
		fatal("event base");
	relay->supervisor =
	    ipc_channel_new(relay->base, RELAY_CHANNEL_FD, IPC_RELAY,
		IPC_SUPERVISOR, supervisor_handlers, on_supervisor_end, relay);
	if (relay->supervisor == NULL)
		fatal("channel to the supervisor");
	event_base_dispatch(relay->base);
	if (relay->journal == NULL || relay->now.policy.image == NULL ||
	    !is_complete(relay))
		fatalx("the supervisor left before the start");
	flows_new(relay);
	return relay;
}

static void
listen_udp(struct relay *relay)
{
	int i;

	for (i = 0; i < IPC_LISTENER_COUNT; i++)
		if (relay->entrances[i].udp != NULL &&
		    udp_listener_start(relay->entrances[i].udp, relay->udp) ==
			-1)
			fatal("listener");
}

void
relay_loop(struct relay *relay)
{
	ipc_channel_set_phase(relay->supervisor, IPC_PHASE_RUN);
	journal_set_log(relay->journal, relay->log);
	if (ipc_send_empty(relay->supervisor, MSG_RELAY_READY, -1) == -1)
		fatal("the supervisor left before the start");
	owners_ask(relay);
	each_listener(relay, listener_resume);
	listen_udp(relay);
	event_base_dispatch(relay->base);
}

void
relay_shutdown(struct relay *relay)
{
	static const struct timeval limit = { .tv_sec =
						  SHUTDOWN_LIMIT_MS / 1000 };

	relay->leaving = 1;
	each_listener(relay, listener_free);
	each_udp(relay, udp_listener_free);
	flow_pool_shutdown(relay->flows);
	udp_flows_shutdown(relay->udp);
	journal_flush(relay->journal);
	if (relay->log == NULL || journal_pending(relay->journal) == 0)
		return;
	event_base_loopexit(relay->base, &limit);
	event_base_dispatch(relay->base);
}
