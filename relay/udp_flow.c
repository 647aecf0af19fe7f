/* SPDX-License-Identifier: ISC */
/*
 * The life of relayed flows of UDP.  Carries datagrams of clients and servers,
 * and has the clients' first ones looked at; one that cannot be sent at once is
 * lost, as on any way.
 */
#include "relay/udp_flow.h"

#include <netinet/in.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "policy/rule.h"
#include "relay/failure.h"
#include "relay/idle.h"
#include "relay/journal.h"
#include "relay/judge.h"
#include "relay/shortage.h"
#include "relay/udp_hold.h"
#include "relay/udp_naming.h"
#include "relay/udp_packet.h"
#include "relay/udp_refusal.h"
#include "relay/udp_reply.h"
#include "relay/udp_server.h"
#include "relay/udp_table.h"
#include "relay/udp_watch.h"

#define IDLE_US (RULE_UDP_IDLE_MS * 1000LL)
#define IDLE_ASKED_US 30000000LL /* asked, answered, and that was all */
#define WELL_KNOWN 1024		 /* ports below, to which that applies */
#define DEAD_US 2000000LL	 /* nothing is tried again for so long */
#define BATCHES_PER_EVENT 4	 /* then the other flows have their turn */

struct udp_flow {
	struct udp_entry entry;	 /* first: the table gives it back */
	struct idle_timer timer; /* the wheel gives it back */
	struct udp_reply_waiter waiter;
	struct udp_flows *flows;
	struct udp_server way;
	struct event server;   /* its socket: readable; -1: still to come */
	struct udp_hold *hold; /* what waits for that socket */
	struct udp_reply *reply;
	struct flow_entry *record;
	const struct tally *tally;
	struct tally_share share;
	struct udp_watch watch;
	int64_t idle_us;
	int idle_given; /* by a rule */
	uint8_t alone;	/* of its server's packets, see udp_receive() */
	uint32_t descriptors;
	enum flow_close why; /* it is dead for; else FLOW_CLOSE_NONE */
	int error;
	SLIST_ENTRY(udp_flow) spare;
};

struct udp_flows {
	struct event_base *base;
	struct journal *journal;
	struct idle_wheel *wheel;
	struct udp_table *table;
	struct broker *broker;
	struct udp_replies *replies;
	struct udp_sniffs *sniffs;
	struct udp_holds *holds;
	struct udp_namings *namings;
	struct udp_flow *flow; /* as many as the table takes; not touched */
	uint32_t used;	       /* flows at and above this were never used */
	SLIST_HEAD(, udp_flow) spare;
	uint32_t descriptors;
	uint32_t servers; /* descriptors of flows' servers */
	int lacked;
	const struct judge *judge;
};

#define FLOW_OF(pointer, member)                                 \
	((struct udp_flow *)(void *)((char *)(pointer)-offsetof( \
	    struct udp_flow, member)))

static void on_idle(struct idle_timer *);
static void on_reply(struct udp_reply_waiter *, int error);
static void on_server(int, short, void *);
static void on_named(void *, const struct udp_named *);
static void flow_ask(struct udp_flow *, const struct udp_packet *, int n);

struct udp_flows *
udp_flows_new(struct event_base *base, struct journal *journal,
    struct broker *broker, uint32_t descriptors, const struct judge *judge)
{
	struct udp_flows *flows = calloc(1, sizeof(*flows));

	if (flows == NULL)
		return NULL;
	flows->wheel = idle_wheel_new(base, on_idle);
	flows->table = udp_table_new(descriptors);
	flows->replies = udp_replies_new(broker, descriptors, on_reply);
	flows->sniffs = udp_sniffs_new();
	flows->holds = udp_holds_new(&journal_arena(journal)->refused);
	flows->namings = udp_namings_new(base, flows->holds, on_named, flows);
	/* Zero pages until a flow is used: calloc(3) maps them. */
	flows->flow = calloc(descriptors, sizeof(*flows->flow));
	if (flows->wheel == NULL || flows->table == NULL ||
	    flows->replies == NULL || flows->sniffs == NULL ||
	    flows->holds == NULL || flows->namings == NULL ||
	    flows->flow == NULL)
		return NULL;
	flows->base = base;
	flows->journal = journal;
	flows->broker = broker;
	flows->descriptors = descriptors;
	flows->judge = judge;
	return flows;
}

int
udp_flows_lacked(struct udp_flows *flows)
{
	int error = flows->lacked;

	flows->lacked = 0;
	return error;
}

/* There is room: who asks has added nothing to the table yet. */
static struct udp_flow *
flow_take(struct udp_flows *flows)
{
	struct udp_flow *flow = SLIST_FIRST(&flows->spare);

	if (flow != NULL)
		SLIST_REMOVE_HEAD(&flows->spare, spare);
	else
		flow = &flows->flow[flows->used++];
	memset(flow, 0, sizeof(*flow));
	flow->flows = flows;
	return flow;
}

/* Whatever is under way, or has waited for it, is over. */
static void
server_end(struct udp_flow *flow)
{
	int fd = event_get_fd(&flow->server);

	udp_server_release(&flow->way);
	udp_hold_free(flow->hold);
	event_del(&flow->server);
	if (fd != -1)
		close(fd);
}

static void
server_assign(struct udp_flow *flow, int fd)
{
	event_assign(&flow->server, flow->flows->base, fd, EV_READ | EV_PERSIST,
	    on_server, flow);
}

static void
flow_end(struct udp_flow *flow, enum flow_close why, int error)
{
	struct udp_flows *flows = flow->flows;

	idle_cancel(&flow->timer);
	server_end(flow);
	udp_reply_release(flow->reply, &flow->waiter);
	udp_watch_end(&flow->watch);
	udp_table_remove(flows->table, &flow->entry);
	flows->servers -= flow->descriptors;
	if (shortage_is(error))
		flows->lacked = error;
	record_close(flows->journal, flow->record, why, error);
	tally_give_back(flow->tally, &flow->share);
	SLIST_INSERT_HEAD(&flows->spare, flow, spare);
}

static int
may_be_question(const struct udp_flow *flow)
{
	return !flow->idle_given && flow->entry.key.server_port < WELL_KNOWN;
}

/* A question that got its answer needs no more room for long. */
static int64_t
flow_due_us(const struct udp_flow *flow)
{
	int64_t idle_us = flow->idle_us;

	if (may_be_question(flow) && flow->record->up_packets == 1 &&
	    flow->record->down_packets == 1)
		idle_us = IDLE_ASKED_US;
	return flow->entry.active_us + idle_us;
}

static struct broker_flow
ends_of(const struct udp_key *key)
{
	struct broker_flow ends = { key->client, key->server, key->client_port,
		key->server_port };

	return ends;
}

/*
 * Nothing gets through any more.  It stays for a while, so that a client that
 * goes on sending does not begin a new flow with every datagram.
 */
static void
flow_die(struct udp_flow *flow, enum flow_close why, int error)
{
	struct broker_flow ends = ends_of(&flow->entry.key);

	server_end(flow);
	server_assign(flow, -1);
	if (why != FLOW_CLOSE_OVERLOAD && why != FLOW_CLOSE_POLICY)
		udp_refusal(flow->flows->broker, &ends, error);
	flow->why = why;
	flow->error = error;
	flow->idle_us = DEAD_US;
	flow->idle_given = 1;
	flow->entry.active_us = clock_mono_us();
	idle_cancel(&flow->timer);
	idle_set(flow->flows->wheel, &flow->timer, flow_due_us(flow));
}

static void
on_idle(struct idle_timer *timer)
{
	struct udp_flow *flow = FLOW_OF(timer, timer);
	int64_t due_us = flow_due_us(flow);

	idle_set(flow->flows->wheel, timer, due_us);
	if (due_us > clock_mono_us())
		return;
	if (flow->why != FLOW_CLOSE_NONE)
		flow_end(flow, flow->why, flow->error);
	else
		flow_end(flow, FLOW_CLOSE_IDLE, 0);
}

/* What becomes of a flow whose socket says so; other errors lose a datagram. */
static const struct {
	int error;
	enum flow_close why;
} failures[] = {
	{ ECONNREFUSED, FLOW_CLOSE_REFUSED },
	{ EHOSTUNREACH, FLOW_CLOSE_UNREACHABLE },
	{ ENETUNREACH, FLOW_CLOSE_UNREACHABLE },
	{ EACCES, FLOW_CLOSE_UNREACHABLE }, /* forbidden, says ICMPv6 */
};

/* -1 when the flow is dead. */
static int
flow_failed(struct udp_flow *flow, int error)
{
	size_t i;

	for (i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
		if (failures[i].error == error) {
			flow_die(flow, failures[i].why, error);
			return -1;
		}
	return 0;
}

static void
count(const struct udp_packet *packets, int n, uint64_t *bytes, uint32_t *total)
{
	int i;

	for (i = 0; i < n; i++) {
		*bytes += packets[i].len;
		*total += udp_packet_count(&packets[i]);
	}
}

/* The socket takes nothing now: what it does not take is lost. */
static int
is_full(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS;
}

/*
 * Sends to the client what the server has sent.  Packets that its way does not
 * take are skipped.
 */
static void
flow_answer(struct udp_flow *flow, const struct udp_packet *packets, int n)
{
	const struct udp_key *key = &flow->entry.key;
	int fd = udp_reply_fd(flow->reply);
	int sent;

	flow->entry.active_us = clock_mono_us();
	while (fd != -1 && n > 0) {
		sent = udp_send(fd, packets, n, &key->client, key->client_port);
		count(packets, sent, &flow->record->down_bytes,
		    &flow->record->down_packets);
		if (sent < n && is_full(errno))
			return;
		packets += sent + 1;
		n -= sent + 1;
	}
}

/* 1 when the flow waits for its way back. */
static int
flow_waits(struct udp_flow *flow)
{
	struct broker_flow ends = ends_of(&flow->entry.key);

	if (udp_reply_fd(flow->reply) != -1 ||
	    udp_reply_await(flow->reply, &ends, &flow->waiter) == -1)
		return 0;
	event_del(&flow->server);
	return 1;
}

static void
on_server(int fd, short what, void *arg)
{
	struct udp_flow *flow = arg;
	struct udp_packet *packets;
	int i, n;

	(void)what;
	if (flow_waits(flow))
		return;
	for (i = 0; i < BATCHES_PER_EVENT; i++) {
		if ((n = udp_receive(fd, &packets, &flow->alone)) == -1) {
			(void)flow_failed(flow, errno);
			udp_discard_errors(fd);
			return;
		}
		flow_answer(
		    flow, packets, udp_server_strip(&flow->way, packets, n));
		if (n < UDP_BATCH)
			return;
	}
}

/* netctl has answered, perhaps that there is no such flow. */
static void
on_reply(struct udp_reply_waiter *waiter, int error)
{
	struct udp_flow *flow = FLOW_OF(waiter, waiter);

	if (flow->why != FLOW_CLOSE_NONE)
		return;
	if (error != 0 && error != EPIPE)
		flow_end(flow, FLOW_CLOSE_OVERLOAD, error);
	else if (event_add(&flow->server, NULL) == -1)
		flow_end(flow, FLOW_CLOSE_OVERLOAD, ENOMEM);
}

/* Room for what a flow needs most. */
static void
flows_make_room(struct udp_flows *flows)
{
	struct udp_entry *victim;

	while (flows->servers + UDP_SERVER_DESCRIPTORS +
		       udp_replies_count(flows->replies) + 1 >
		   flows->descriptors &&
	       (victim = udp_table_victim(flows->table)) != NULL)
		flow_end(FLOW_OF(victim, entry), FLOW_CLOSE_OVERLOAD, 0);
}

/*
 * An upstream that ends what worked is asked again when the client sends more;
 * one that ends what never did is left alone for a while.
 */
static void
server_lost(struct udp_flow *flow, unsigned int error)
{
	if (flow->record->down_packets == 0)
		flow_die(flow, failure_to_connect(error), (int)error);
	else if (error == FLOW_ERROR_ENDED)
		flow_end(flow, FLOW_CLOSE_SERVER_FIN, 0);
	else
		flow_end(flow, FLOW_CLOSE_SERVER_RST, (int)error);
}

/* Its server's socket is there, or it has none to expect. */
static void
on_server_opened(void *ctx, int fd, unsigned int error)
{
	struct udp_flow *flow = ctx;
	const struct udp_packet *held;
	int n;

	if (fd == -1) {
		server_lost(flow, error);
		return;
	}
	server_assign(flow, fd);
	if (event_add(&flow->server, NULL) == -1) {
		flow_die(flow, FLOW_CLOSE_OVERLOAD, ENOMEM);
		return;
	}
	if (flow->hold == NULL)
		return;
	n = udp_hold_packets(flow->hold, &held);
	flow_ask(flow, held, n);
	udp_hold_free(flow->hold);
}

/* Everything that can fail has not failed. */
static void
flow_start(struct udp_flow *flow, const struct flow_start *start)
{
	struct udp_flows *flows = flow->flows;

	flow->idle_given = start->idle_us != 0;
	flow->idle_us = flow->idle_given ? start->idle_us : IDLE_US;
	flow->entry.active_us = flow->record->start_mono_us;
	idle_set(flows->wheel, &flow->timer,
	    may_be_question(flow) ? flow->entry.active_us + IDLE_ASKED_US
				  : flow_due_us(flow));
	(void)udp_table_add(flows->table, &flow->entry);
	flow->descriptors = udp_server_descriptors(&flow->way);
	flows->servers += flow->descriptors;
	atomic_fetch_add_explicit(
	    &journal_arena(flows->journal)->relayed, 1, memory_order_relaxed);
}

/* A flow that cannot begin has a row that says why. */
static struct udp_flow *
flow_refuse(struct udp_flows *flows, struct flow_entry *record, int error)
{
	flows->lacked = error;
	record_close(flows->journal, record, FLOW_CLOSE_OVERLOAD, error);
	return NULL;
}

/* Nothing of it has begun, as this host lacks something. */
static struct udp_flow *
flow_not_begun(struct udp_flow *flow, int error)
{
	struct udp_flows *flows = flow->flows;

	udp_reply_release(flow->reply, NULL);
	SLIST_INSERT_HEAD(&flows->spare, flow, spare);
	return flow_refuse(flows, flow->record, error);
}

static struct udp_flow *
flow_begin(struct udp_flows *flows, const struct udp_key *key,
    const struct flow_start *start)
{
	struct flow_entry *record;
	struct udp_reply *reply;
	struct broker_flow ends = ends_of(key);
	struct udp_flow *flow;
	int fd, error;

	flows_make_room(flows);
	if ((record = record_open(flows->journal, start)) == NULL)
		return NULL;
	if ((reply = udp_reply_take(flows->replies, &ends)) == NULL)
		return flow_refuse(flows, record, ENOMEM);
	flow = flow_take(flows);
	flow->entry.key = *key;
	flow->record = record;
	flow->reply = reply;
	flow->tally = start->tally;
	flow->share = start->share;
	server_assign(flow, -1);
	udp_server_init(&flow->way, flows->base, start, record, flows->broker,
	    on_server_opened, flow);
	fd = udp_server_open(&flow->way);
	error = errno;
	if (fd == -1 && shortage_is(error))
		return flow_not_begun(flow, error);
	flow_start(flow, start);
	if (fd != -1 || error != EINPROGRESS)
		on_server_opened(flow, fd, (unsigned int)error);
	return flow;
}

static struct flow_start
start_of(const struct udp_key *key, enum flow_capture capture, uint8_t owner)
{
	return (struct flow_start){ .src = key->client,
		.dst = key->server,
		.sport = key->client_port,
		.dport = key->server_port,
		.proto = IPPROTO_UDP,
		.capture = capture,
		.owner = owner };
}

static enum udp_decision
flow_judge(struct udp_flows *flows, const struct udp_key *key,
    struct flow_start *start)
{
	enum udp_decision decision = judge_udp(flows->judge, start);
	struct broker_flow ends = ends_of(key);

	if (decision == UDP_RESET)
		udp_refusal(flows->broker, &ends, ECONNREFUSED);
	return decision;
}

static struct udp_flow *
flow_new(struct udp_flows *flows, const struct udp_key *key,
    struct flow_start *start)
{
	struct udp_flow *flow = flow_begin(flows, key, start);

	if (flow == NULL)
		tally_give_back(start->tally, &start->share);
	return flow;
}

/* Sends to the server what the client has sent. */
static void
flow_ask(struct udp_flow *flow, const struct udp_packet *packets, int n)
{
	int fd = event_get_fd(&flow->server);
	int sent;

	if (flow->why != FLOW_CLOSE_NONE)
		return;
	flow->entry.active_us = clock_mono_us();
	if (fd == -1) {
		udp_hold_add(flow->flows->holds, &flow->hold, packets, n);
		return;
	}
	while (n > 0) {
		sent = udp_server_send(&flow->way, fd, packets, n);
		count(packets, sent, &flow->record->up_bytes,
		    &flow->record->up_packets);
		if (sent < n &&
		    (is_full(errno) || flow_failed(flow, errno) == -1))
			return;
		packets += sent + 1;
		n -= sent + 1;
	}
}

/*
 * A name that comes late may be one that its rule is not for: then this is the
 * end of it.
 */
static void
flow_watch(struct udp_flow *flow, const struct udp_packet *packets, int n)
{
	struct udp_flows *flows = flow->flows;
	int strict = flow->watch.state != UDP_WATCH_LOG;
	struct sniff_name name;
	enum sniff_status status =
	    udp_watch_read(&flow->watch, packets, n, &name);

	if (status == SNIFF_MORE)
		return;
	record_name(flows->journal, flow->record, status, &name);
	if (strict && (name.unread || (status == SNIFF_FOUND &&
					  judge_forbids(flows->judge,
					      flow->record, name.host))))
		flow_die(flow, FLOW_CLOSE_POLICY, 0);
}

/* What the client has sent, but for what waited for its name. */
static void
flow_more(struct udp_flow *flow, const struct udp_packet *packets, int n)
{
	if (flow->watch.state != UDP_WATCH_OVER)
		flow_watch(flow, packets, n);
	flow_ask(flow, packets, n);
}

/* What has come of it has a name, or has none. */
static void
on_named(void *ctx, const struct udp_named *named)
{
	struct udp_flows *flows = ctx;
	struct flow_start start =
	    start_of(&named->key, named->capture, named->owner);
	struct udp_flow *flow;

	start.looked = 1;
	start.sent = named->name;
	if (flow_judge(flows, &named->key, &start) != UDP_BEGIN ||
	    (flow = flow_new(flows, &named->key, &start)) == NULL)
		return;
	udp_watch_move(&flow->watch, named->watch);
	flow_ask(flow, named->packets, named->n);
}

static void
flows_first(struct udp_flows *flows, enum flow_capture capture,
    const struct udp_key *key, const struct udp_packet *packets, int n)
{
	struct flow_start start = start_of(key, capture, packets[0].hops);
	enum udp_decision decision;
	struct udp_flow *flow;

	decision = flow_judge(flows, key, &start);
	if (decision == UDP_UNNAMED)
		udp_namings_packets(flows->namings, capture, key, packets, n);
	if (decision != UDP_BEGIN ||
	    (flow = flow_new(flows, key, &start)) == NULL)
		return;
	udp_watch_log(&flow->watch, flows->sniffs, packets);
	flow_more(flow, packets, n);
}

void
udp_flows_refused(struct udp_flows *flows, uint32_t datagrams)
{
	atomic_fetch_add_explicit(&journal_arena(flows->journal)->refused,
	    datagrams, memory_order_relaxed);
}

static struct udp_key
key_of(const struct udp_packet *packet)
{
	struct udp_key key = { .client = packet->src,
		.server = packet->dst,
		.client_port = packet->sport,
		.server_port = packet->dport };

	return key;
}

/* How many of them, from the first on, have the same ends. */
static int
run_length(const struct udp_packet *packets, int n, const struct udp_key *key)
{
	struct udp_key other;
	int i;

	for (i = 1; i < n; i++) {
		other = key_of(&packets[i]);
		if (memcmp(&other, key, sizeof(other)) != 0)
			break;
	}
	return i;
}

void
udp_flows_packets(struct udp_flows *flows, enum flow_capture capture,
    const struct udp_packet *packets, int n)
{
	struct udp_entry *entry;
	struct udp_key key;
	int run;

	for (; n > 0; packets += run, n -= run) {
		key = key_of(packets);
		run = run_length(packets, n, &key);
		entry = udp_table_find(flows->table, &key);
		if (entry != NULL)
			flow_more(FLOW_OF(entry, entry), packets, run);
		else
			flows_first(flows, capture, &key, packets, run);
	}
}

uint32_t
udp_flows_kill(struct udp_flows *flows, const struct flow_choice *choice)
{
	uint32_t i = udp_table_count(flows->table), count = 0;
	struct udp_flow *flow;

	/* Downwards: the last one takes the place of one that goes. */
	while (i-- > 0) {
		flow = FLOW_OF(udp_table_at(flows->table, i), entry);
		if (!record_is_chosen(flow->record, choice))
			continue;
		flow_end(flow, FLOW_CLOSE_KILLED, 0);
		count++;
	}
	return count;
}

void
udp_flows_shutdown(struct udp_flows *flows)
{
	udp_namings_end(flows->namings);
	while (udp_table_count(flows->table) > 0)
		flow_end(FLOW_OF(udp_table_at(flows->table, 0), entry),
		    FLOW_CLOSE_SHUTDOWN, 0);
}
