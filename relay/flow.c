/* SPDX-License-Identifier: ISC */
/*
 * The life of relayed connections: connecting, pumping both ways, ending.
 * Carries bytes of clients and servers from pump to pump, and has the client's
 * first ones looked at; errors of either end that flow and nothing else.
 */
#include "relay/flow.h"

#include <sys/queue.h>
#include <sys/socket.h>

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "relay/beginning.h"
#include "relay/failure.h"
#include "relay/habit.h"
#include "relay/idle.h"
#include "relay/journal.h"
#include "relay/judge.h"
#include "relay/patience.h"
#include "relay/pump.h"
#include "relay/reset.h"
#include "relay/server.h"
#include "relay/shortage.h"

#define IDLE_US (7440LL * 1000000) /* 2 h 4 min: RFC 5382, REQ-5 */
#define DOUBT_US 50000LL	   /* until one is looked into */

/* The two ends; pump[end] reads there and writes to the other one. */
enum end { CLIENT, SERVER, ENDS };

struct flow {
	struct idle_timer timer;
	struct flow_pool *pool;
	struct event socket[ENDS];
	struct pump pump[ENDS];
	struct server server; /* until it is connected */
	struct flow_entry *record;
	const struct tally *tally;
	struct tally_share share;
	struct patience_wait wait;  /* for the rest of a name */
	struct patience_wait doubt; /* that the last look has seen all */
	struct beginning beginning;
	int64_t active_us;
	int64_t idle_us;
	enum flow_close first_end; /* who sent its end first */
	short early; /* what the client's socket said before connected */
	uint8_t connected;
	uint8_t naming;	 /* it is not connected before its name is known */
	uint8_t silent;	 /* the client has said nothing, as far as was seen */
	uint8_t waited;	 /* it shall not wait for a name any more */
	uint8_t unnamed; /* and was decided without one */
	uint8_t learns;	 /* it finds out who speaks first */
	LIST_ENTRY(flow) entry;
};

static const struct {
	enum flow_close fin;
	enum flow_close rst;
} closes[ENDS] = {
	[CLIENT] = { FLOW_CLOSE_CLIENT_FIN, FLOW_CLOSE_CLIENT_RST },
	[SERVER] = { FLOW_CLOSE_SERVER_FIN, FLOW_CLOSE_SERVER_RST },
};

struct flow_pool {
	struct event_base *base;
	struct journal *journal;
	struct broker *broker;
	struct idle_wheel *wheel;
	struct patience *patience;
	struct patience *doubts;
	struct habits *habits;
	struct beginnings beginnings;
	struct flow *flows; /* most of them; reserved, not touched */
	uint32_t most;
	int full;
	int lacked; /* errno of the last call that found none */
	uint32_t open;
	uint32_t used; /* flows at and above this were never used */
	LIST_HEAD(, flow) live;
	LIST_HEAD(, flow) spare;
	const struct judge *judge;
	flow_room_fn *room;
	void *ctx;
};

#define FLOW_OF(pointer, member)                             \
	((struct flow *)(void *)((char *)(pointer)-offsetof( \
	    struct flow, member)))

static void on_idle(struct idle_timer *);
static void on_wait_over(struct patience_wait *);
static void on_doubt(struct patience_wait *);
static void on_client(int, short, void *);
static void on_server(int, short, void *);

struct flow_pool *
flow_pool_new(struct event_base *base, struct journal *journal,
    struct broker *broker, uint32_t most, const struct judge *judge,
    flow_room_fn *room, void *ctx)
{
	struct flow_pool *pool = calloc(1, sizeof(*pool));

	if (pool == NULL)
		return NULL;
	/* Zero pages until a flow is used: calloc(3) maps them. */
	pool->flows = calloc(most, sizeof(*pool->flows));
	pool->wheel = idle_wheel_new(base, on_idle);
	pool->patience = patience_new(base, SNIFF_LIMIT_US, on_wait_over);
	pool->doubts = patience_new(base, DOUBT_US, on_doubt);
	pool->habits = habits_new();
	if (pool->flows == NULL || pool->wheel == NULL ||
	    pool->patience == NULL || pool->doubts == NULL ||
	    pool->habits == NULL) {
		free(pool->flows);
		free(pool);
		errno = ENOMEM;
		return NULL;
	}
	pool->base = base;
	pool->journal = journal;
	pool->broker = broker;
	pool->most = most;
	pool->judge = judge;
	pool->room = room;
	pool->ctx = ctx;
	return pool;
}

int
flow_pool_is_full(const struct flow_pool *pool)
{
	return pool->full;
}

int
flow_pool_has_room(const struct flow_pool *pool)
{
	return pool->open < pool->most;
}

int
flow_pool_lacked(struct flow_pool *pool)
{
	int error = pool->lacked;

	pool->lacked = 0;
	return error;
}

static struct flow *
flow_take(struct flow_pool *pool)
{
	struct flow *flow = LIST_FIRST(&pool->spare);

	if (flow != NULL)
		LIST_REMOVE(flow, entry);
	else
		flow = &pool->flows[pool->used++];
	LIST_INSERT_HEAD(&pool->live, flow, entry);
	pool->open++;
	pool->full |= pool->open == pool->most;
	return flow;
}

static void
flow_give_back(struct flow *flow)
{
	struct flow_pool *pool = flow->pool;

	LIST_REMOVE(flow, entry);
	LIST_INSERT_HEAD(&pool->spare, flow, entry);
	pool->open--;
	pool->full &= pool->open > pool->most - (pool->most + 7) / 8;
}

static void
flow_close(struct flow_pool *pool, struct flow_entry *record,
    enum flow_close why, int error)
{
	if (shortage_is(error))
		pool->lacked = error;
	record_close(pool->journal, record, why, error);
}

static void
socket_end(struct flow *flow, enum end end, int reset)
{
	int fd = event_get_fd(&flow->socket[end]);

	event_del(&flow->socket[end]);
	pump_release(&flow->pump[end]);
	if (fd == -1)
		return; /* it is still to come */
	if (reset)
		reset_and_close(fd);
	else
		close(fd);
}

static void
flow_end(struct flow *flow, enum flow_close why, int error)
{
	struct flow_pool *pool = flow->pool;
	int reset =
	    why != FLOW_CLOSE_CLIENT_FIN && why != FLOW_CLOSE_SERVER_FIN;

	record_tcp_info(flow->record, event_get_fd(&flow->socket[CLIENT]));
	idle_cancel(&flow->timer);
	patience_end(pool->patience, &flow->wait);
	patience_end(pool->doubts, &flow->doubt);
	beginning_end(&flow->beginning);
	server_release(&flow->server);
	socket_end(flow, CLIENT, reset);
	socket_end(flow, SERVER, reset);
	flow_close(pool, flow->record, why, error);
	tally_give_back(flow->tally, &flow->share);
	flow_give_back(flow);
	pool->room(pool->ctx);
}

static void
flow_fail(struct flow *flow, enum end end, int error)
{
	flow_end(flow, failure_of_socket(error, closes[end].rst), error);
}

/*
 * 1: its client has reset the connection, and the flow is over.  recv(2) would
 * say so only behind what the client has sent.
 */
static int
flow_abandoned(struct flow *flow)
{
	socklen_t len = sizeof(int);
	int error = 0;

	(void)getsockopt(event_get_fd(&flow->socket[CLIENT]), SOL_SOCKET,
	    SO_ERROR, &error, &len);
	if (error == 0)
		return 0;
	flow_fail(flow, CLIENT, error);
	return 1;
}

static void
pump_ended(struct flow *flow, enum end from, enum end to)
{
	if (flow->first_end == FLOW_CLOSE_NONE)
		flow->first_end = closes[from].fin;
	/* When both are done, close(2) says so to both peers; but what is
	 * counted before has to be on its way. */
	if (!flow->pump[to].done || flow->pump[from].corked)
		(void)shutdown(event_get_fd(&flow->socket[to]), SHUT_WR);
}

/* Moves bytes from one end to the other: 0, or -1 when the flow is gone. */
static int
flow_pump(struct flow *flow, enum end from, short what)
{
	enum end to = from == CLIENT ? SERVER : CLIENT;
	struct pump *pump = &flow->pump[from];
	enum pump_status status;

	if (pump->done)
		return 0;
	if (what & EV_CLOSED)
		pump_expect_end(pump);
	status = pump_run(pump, event_get_fd(&flow->socket[from]),
	    event_get_fd(&flow->socket[to]));
	if (status == PUMP_FROM_FAILED || status == PUMP_TO_FAILED) {
		flow_fail(flow, status == PUMP_FROM_FAILED ? from : to, errno);
		return -1;
	}
	if (status == PUMP_FORBIDDEN) {
		flow_end(flow, FLOW_CLOSE_POLICY, 0);
		return -1;
	}
	if (flow->learns)
		flow->learns = !habits_learn(
		    flow->pool->habits, flow->record, clock_mono_us());
	if (pump_doubts(pump))
		patience_begin(flow->pool->doubts, &flow->doubt);
	if (status == PUMP_DONE)
		pump_ended(flow, from, to);
	else if (status == PUMP_AGAIN)
		event_active(&flow->socket[from], what | EV_READ, 0);
	return 0;
}

static int64_t
flow_due_us(const struct flow *flow)
{
	if (flow->naming)
		return flow->record->start_mono_us + SERVER_LIMIT_US;
	if (!flow->connected)
		return server_due_us(&flow->server);
	return flow->active_us + flow->idle_us;
}

/* The server's side is ready: bytes may move from now on. */
static void
flow_connected(struct flow *flow)
{
	server_release(&flow->server);
	beginning_end(&flow->beginning);
	flow->connected = 1;
	flow->active_us = clock_mono_us();
	flow->record->connect_us =
	    (uint32_t)(flow->active_us - flow->record->start_mono_us);
	/* The rule's limit may be shorter than that on connecting. */
	idle_cancel(&flow->timer);
	idle_set(flow->pool->wheel, &flow->timer, flow_due_us(flow));
	atomic_fetch_add_explicit(&journal_arena(flow->pool->journal)->relayed,
	    1, memory_order_relaxed);
}

static void
socket_assign(struct flow *flow, enum end end, int fd)
{
	static const event_callback_fn ready[ENDS] = { on_client, on_server };

	event_assign(&flow->socket[end], flow->pool->base, fd,
	    EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, ready[end],
	    flow);
}

/* Another socket, or none for now, in the place of the server's. */
static void
server_replace(struct flow *flow, int fd)
{
	int before = event_get_fd(&flow->socket[SERVER]);

	event_del(&flow->socket[SERVER]);
	if (before != -1)
		close(before);
	socket_assign(flow, SERVER, fd);
	idle_cancel(&flow->timer);
	idle_set(flow->pool->wheel, &flow->timer, flow_due_us(flow));
	if (fd != -1 && event_add(&flow->socket[SERVER], NULL) == -1)
		flow_end(flow, FLOW_CLOSE_OVERLOAD, errno);
}

/* Its server's socket did not get ready: tries another, or ends. */
static void
flow_retry(struct flow *flow, unsigned int error)
{
	int fd = -1;

	if (flow_abandoned(flow))
		return;
	if (server_again(&flow->server, error)) {
		fd = server_open(&flow->server);
		if (fd != -1 || errno == EINPROGRESS) {
			server_replace(flow, fd);
			return;
		}
		if (errno != 0)
			error = (unsigned int)errno;
	}
	flow_end(flow, failure_to_connect(error), (int)error);
}

static void
on_server_opened(void *ctx, int fd, unsigned int error)
{
	if (fd == -1)
		flow_retry(ctx, error);
	else
		server_replace(ctx, fd);
}

/* The server's side is not ready yet: 0 when it is now, or -1. */
static int
flow_prepare(struct flow *flow, short what)
{
	unsigned int error = 0;

	switch (server_step(
	    &flow->server, event_get_fd(&flow->socket[SERVER]), what, &error)) {
	case SERVER_READY:
		flow_connected(flow);
		return 0;
	case SERVER_FAILED:
		flow_retry(flow, error);
		break;
	case SERVER_WAIT:
		break;
	}
	return -1;
}

static void
flow_end_if_done(struct flow *flow)
{
	if (flow->pump[CLIENT].done && flow->pump[SERVER].done)
		flow_end(flow, flow->first_end, 0);
}

/*
 * Reads where it was left off; being looked at is not being active.  Before
 * anything is read, what the client's socket said may have been a reset.
 */
static void
on_doubt(struct patience_wait *doubt)
{
	struct flow *flow = FLOW_OF(doubt, doubt);
	enum end end;

	if (!flow->connected) {
		(void)flow_abandoned(flow);
		return;
	}
	for (end = CLIENT; end < ENDS; end++)
		if (pump_doubts(&flow->pump[end]) &&
		    flow_pump(flow, end, 0) == -1)
			return;
	flow_end_if_done(flow);
}

static void
flow_move(struct flow *flow, enum end ready, short what)
{
	enum end other = ready == CLIENT ? SERVER : CLIENT;

	flow->active_us = clock_mono_us();
	if (what & (EV_READ | EV_CLOSED) && flow_pump(flow, ready, what) == -1)
		return;
	if (what & EV_WRITE && pump_waits(&flow->pump[other]) &&
	    flow_pump(flow, other, 0) == -1)
		return;
	flow_end_if_done(flow);
}

static void
flow_open(struct flow *flow, const struct flow_start *start)
{
	int fd;

	server_init(&flow->server, start, flow->record, flow->pool->broker,
	    on_server_opened, flow);
	/* netctl would take it for a relay's lie. */
	if (start->source == SOURCE_CLIENT && flow_abandoned(flow))
		return;
	fd = server_open(&flow->server);
	if (fd == -1 && errno != EINPROGRESS)
		flow_end(flow, failure_to_connect((unsigned int)errno), errno);
	else
		server_replace(flow, fd);
}

/* Its name is known, or is not waited for any longer: NULL. */
static void
flow_named(struct flow *flow, const struct sniff_name *name)
{
	struct flow_pool *pool = flow->pool;
	struct flow_start start = record_start(flow->record);
	enum flow_action action;

	patience_end(pool->patience, &flow->wait);
	flow->naming = 0;
	flow->waited = 1;
	flow->unnamed = name == NULL;
	flow->learns = flow->silent;
	if (name != NULL)
		start.host = name->host;
	action = judge_named(pool->judge, &start);
	record_decide(flow->record, &start);
	if (action == FLOW_ACTION_BLOCK) {
		record_blocked(pool->journal, flow->record);
		flow_end(flow, FLOW_CLOSE_POLICY, start.error);
		return;
	}
	flow->tally = start.tally;
	flow->share = start.share;
	flow->idle_us = start.idle_us != 0 ? start.idle_us : IDLE_US;
	flow_open(flow, &start);
}

/* 0: waiting for the client's next bytes makes no sense. */
static int
may_wait(struct flow *flow)
{
	struct flow_start start = record_start(flow->record);

	if (flow->early & EV_CLOSED ||
	    (flow->silent &&
		habits_of(flow->pool->habits, &start.dst, start.dport,
		    clock_mono_us()) == HABIT_SERVER_FIRST))
		return 0;
	patience_begin(flow->pool->patience, &flow->wait);
	return 1;
}

/* Looks for its name where the client's bytes wait. */
static void
flow_look(struct flow *flow)
{
	struct sniff_name name;
	size_t len;
	int status = beginning_look(&flow->beginning, &flow->pump[CLIENT],
	    event_get_fd(&flow->socket[CLIENT]), &name, &len);

	if (status == -1) {
		flow_fail(flow, CLIENT, errno);
		return;
	}
	flow->silent &= len == 0;
	if (status == SNIFF_MORE && may_wait(flow))
		return;
	if (status != SNIFF_MORE) {
		record_name(flow->pool->journal, flow->record,
		    (enum sniff_status)status, &name);
		pump_let_go(&flow->pump[CLIENT]); /* looking is over */
	}
	flow_named(flow, status == SNIFF_FOUND ? &name : NULL);
}

/* The rest of a hello or of a request's head has not come in time. */
static void
on_wait_over(struct patience_wait *wait)
{
	struct flow *flow = FLOW_OF(wait, wait);

	if (flow->naming) {
		flow_named(flow, NULL);
		return;
	}
	beginning_end(&flow->beginning);
	pump_let_go(&flow->pump[CLIENT]);
	flow_move(flow, CLIENT, EV_READ);
}

/*
 * Looks for a name in the client's first bytes.  They wait only if they are the
 * beginning of what would have one, and the flow has not waited before.
 */
static enum pump_look
on_first_bytes(struct pump *pump, const void *bytes, size_t len)
{
	struct flow *flow = FLOW_OF(pump, pump[CLIENT]);
	struct sniff_name name;
	enum sniff_status status =
	    beginning_read(&flow->beginning, bytes, len, &name);

	if (status == SNIFF_MORE && !flow->waited) {
		patience_begin(flow->pool->patience, &flow->wait);
		return PUMP_HOLD;
	}
	beginning_end(&flow->beginning);
	record_name(flow->pool->journal, flow->record, status, &name);
	patience_end(flow->pool->patience, &flow->wait);
	if (status == SNIFF_FOUND && flow->unnamed &&
	    judge_forbids(flow->pool->judge, flow->record, name.host))
		return PUMP_FORBID;
	return PUMP_GO;
}

static void
on_client(int fd, short what, void *arg)
{
	struct flow *flow = arg;

	(void)fd;
	/* Until the server is there, bytes wait in the client's socket. */
	if (flow->connected) {
		flow_move(flow, CLIENT, what);
		return;
	}
	flow->early |= what;
	if (what & EV_READ)
		patience_begin(flow->pool->doubts, &flow->doubt);
	if (flow->naming)
		flow_look(flow);
}

static void
on_server(int fd, short what, void *arg)
{
	struct flow *flow = arg;

	(void)fd;
	if (!flow->connected) {
		if (flow_prepare(flow, what) == -1)
			return;
		if ((flow->early & (EV_READ | EV_CLOSED) ||
			pump_keeps(&flow->pump[CLIENT])) &&
		    flow_pump(flow, CLIENT, flow->early) == -1)
			return;
	}
	flow_move(flow, SERVER, what);
}

static void
on_idle(struct idle_timer *timer)
{
	struct flow *flow = FLOW_OF(timer, timer);
	int64_t due_us = flow_due_us(flow);

	idle_set(flow->pool->wheel, timer, due_us);
	if (due_us > clock_mono_us())
		return;
	if (flow->naming)
		flow_named(flow, NULL);
	else if (flow->connected)
		flow_end(flow, FLOW_CLOSE_IDLE, 0);
	else
		flow_retry(flow, ETIMEDOUT);
}

/* Its server is still to be opened: 0, or -1 when the flow is gone. */
static int
flow_start(struct flow *flow, int client, const struct flow_start *start)
{
	flow->tally = start->tally;
	flow->share = start->share;
	flow->idle_us = start->idle_us != 0 ? start->idle_us : IDLE_US;
	flow->active_us = flow->record->start_mono_us;
	flow->first_end = FLOW_CLOSE_NONE;
	flow->naming = start->needs_name != 0;
	flow->connected = 0;
	flow->early = 0;
	flow->silent = 1;
	flow->waited = flow->unnamed = flow->learns = 0;
	memset(&flow->server, 0, sizeof(flow->server));
	beginning_init(&flow->beginning, &flow->pool->beginnings);
	pump_init(&flow->pump[CLIENT], &flow->record->up_bytes, on_first_bytes);
	pump_init(&flow->pump[SERVER], &flow->record->down_bytes, NULL);
	socket_assign(flow, CLIENT, client);
	socket_assign(flow, SERVER, -1);
	idle_set(flow->pool->wheel, &flow->timer, flow_due_us(flow));
	if (event_add(&flow->socket[CLIENT], NULL) == 0)
		return 0;
	flow_end(flow, FLOW_CLOSE_OVERLOAD, errno);
	return -1;
}

int
flow_begin(struct flow_pool *pool, int client, struct flow_start *start)
{
	struct flow_entry *record;
	struct flow *flow;

	if (!flow_pool_has_room(pool) ||
	    (record = record_open(pool->journal, start)) == NULL) {
		tally_give_back(start->tally, &start->share);
		return -1;
	}
	flow = flow_take(pool);
	flow->pool = pool;
	flow->record = record;
	if (flow_start(flow, client, start) == -1)
		return 0;
	if (flow->naming)
		flow_look(flow);
	else
		flow_open(flow, start);
	return 0;
}

uint32_t
flow_pool_kill(struct flow_pool *pool, const struct flow_choice *choice)
{
	struct flow *flow, *next;
	uint32_t count = 0;

	for (flow = LIST_FIRST(&pool->live); flow != NULL; flow = next) {
		next = LIST_NEXT(flow, entry);
		if (!record_is_chosen(flow->record, choice))
			continue;
		flow_end(flow, FLOW_CLOSE_KILLED, 0);
		count++;
	}
	return count;
}

void
flow_pool_shutdown(struct flow_pool *pool)
{
	struct flow *flow;

	while ((flow = LIST_FIRST(&pool->live)) != NULL)
		flow_end(flow, FLOW_CLOSE_SHUTDOWN, 0);
}
