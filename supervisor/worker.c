/* SPDX-License-Identifier: ISC */
/*
 * Starts relays and judges whether they work.  Reads their answers, which
 * ipc_accept() has passed, and counters in their arenas, which may hold
 * anything and are only summed.
 */
#include "supervisor/worker.h"

#include <sys/mman.h>
#include <sys/random.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/memfd.h"
#include "schema/tally.h"
#include "supervisor/apply.h"
#include "supervisor/control.h"
#include "supervisor/event.h"
#include "supervisor/flowlog.h"
#include "supervisor/names.h"
#include "supervisor/netctl.h"
#include "supervisor/tpxd.h"
#include "supervisor/upstream.h"

#define ARENA_BYTES FLOW_ARENA_BYTES((size_t)LIMIT_FLOW_SLOTS)

static const struct {
	enum lack_weight weight;
	const char *text;
} lacks[IPC_LACK_COUNT] = {
	[IPC_LACK_NOTHING] = { LACK_NONE, "has room again" },
	[IPC_LACK_PIPES] = { LACK_SLOWS, "has no pipes: big flows are copied" },
	[IPC_LACK_FLOWS] = { LACK_TURNS_AWAY, "has no room for more flows" },
	[IPC_LACK_DESCRIPTORS] = { LACK_TURNS_AWAY,
	    "has no descriptors for more flows" },
	[IPC_LACK_MEMORY] = { LACK_TURNS_AWAY, "has no memory for more flows" },
};

/*
 * What the open flows of each relay are counted in, for limits on them.  The
 * others have a reader, which cannot be mapped for writing.
 */
static struct {
	struct {
		int fd, reader;
		struct tally_part *part;
	} of[LIMIT_WORKERS];
	uint64_t seed;
} tally;

static struct worker *
worker_of(struct child *child)
{
	return (struct worker *)(void *)child;
}

static void
on_relay_ready(void *ctx, struct ipc_message *message)
{
	struct child *child = ctx;

	(void)message;
	child_runs(child);
}

static void
on_answer(void *ctx, struct ipc_message *message)
{
	const struct msg_answer *answer = message->body;
	struct child *child = ctx;
	struct worker *worker = worker_of(child);

	if (child_answered(child, answer) == -1)
		return;
	if (lacks[answer->lack].weight != lacks[worker->lack].weight)
		worker->lack_us = child->answered_us;
	worker->lack = (enum ipc_lack)answer->lack;
	upstream_report(child->tpxd, answer->down, answer->generation);
	netctl_beat(child->tpxd);
	apply_step(child->tpxd);
}

static void
on_killed(void *ctx, struct ipc_message *message)
{
	const struct msg_killed *killed = message->body;
	const struct child *child = ctx;

	control_killed(child->tpxd->control, message->id,
	    UINT64_C(1) << child->index, killed->count);
}

static const struct ipc_handler handlers[] = {
	{ MSG_RELAY_READY, on_relay_ready },
	{ MSG_KILLED, on_killed },
	{ MSG_ANSWER, on_answer },
	{ MSG_NONE, NULL },
};

static void
arena_release(struct worker *worker)
{
	if (worker->arena == NULL)
		return;
	munmap(worker->arena, ARENA_BYTES);
	close(worker->arena_fd);
	worker->arena = NULL;
	worker->arena_fd = -1;
}

static void
totals_add(struct worker_totals *totals, const struct flow_arena *arena)
{
	totals->accepted += atomic_load(&arena->accepted);
	totals->relayed += atomic_load(&arena->relayed);
	totals->blocked += atomic_load(&arena->blocked);
	totals->refused += atomic_load(&arena->refused);
	totals->long_hello += atomic_load(&arena->long_hello);
	totals->dropped += atomic_load(&arena->dropped);
}

static void
listeners_send(struct worker *worker)
{
	const struct tpxd *tpxd = worker->child.tpxd;
	const uint16_t ports[] = { tpxd->ports.port4, tpxd->ports.port6,
		tpxd->ports.local4, tpxd->ports.local6 };
	struct msg_listener body = { .worker = (uint32_t)worker->child.index };

	for (body.kind = 0; body.kind < IPC_LISTENER_COUNT; body.kind++) {
		body.port = ports[ipc_listener_port(body.kind)];
		(void)IPC_SEND(worker->child.channel, MSG_RELAY_LISTENER, 0,
		    &body, worker->listeners[body.kind]);
	}
}

static void
tally_send(struct worker *worker)
{
	struct msg_tally body = { .seed = tally.seed,
		.workers = worker->child.tpxd->nworkers };

	for (; body.worker < body.workers; body.worker++) {
		body.own = body.worker == (uint32_t)worker->child.index;
		(void)IPC_SEND(worker->child.channel, MSG_RELAY_TALLY, 0, &body,
		    body.own ? tally.of[body.worker].fd
			     : tally.of[body.worker].reader);
	}
}

/* A relay that is dead has no flows. */
static void
tally_clear(const struct worker *worker)
{
	struct tally_part *part = tally.of[worker->child.index].part;

	if (madvise(part, sizeof(*part), MADV_REMOVE) == -1)
		memset(part, 0, sizeof(*part));
}

static void
tally_new(uint32_t workers)
{
	uint32_t i;
	void *part;

	if (getrandom(&tally.seed, sizeof(tally.seed), 0) != sizeof(tally.seed))
		fatal("counts of flows");
	for (i = 0; i < workers; i++) {
		tally.of[i].fd =
		    memfd_shared("tpx-tally", sizeof(struct tally_part), &part);
		if (tally.of[i].fd == -1)
			fatal("counts of flows");
		tally.of[i].reader = memfd_read_only(tally.of[i].fd);
		if (tally.of[i].reader == -1)
			fatal("counts of flows");
		tally.of[i].part = part;
	}
}

static void
start_send(struct worker *worker)
{
	unsigned int index = (unsigned int)worker->child.index;
	struct msg_relay_start body = {
		.first_id = flow_first_id(clock_real_us(), index),
		.worker = index,
		.slots = LIMIT_FLOW_SLOTS,
	};

	(void)IPC_SEND(
	    worker->child.channel, MSG_RELAY_START, 0, &body, worker->arena_fd);
}

/* A message that cannot be sent shows as a relay that never gets ready. */
static int
worker_start(struct child *child)
{
	struct worker *worker = worker_of(child);
	void *arena;

	worker->arena_fd = memfd_shared("tpx-flows", ARENA_BYTES, &arena);
	if (worker->arena_fd == -1) {
		log_warn("tpx-relay: flow arena");
		child_schedule(child);
		return -1;
	}
	worker->arena = arena;
	worker->lack = IPC_LACK_NOTHING;
	if (child_open(child, handlers) == -1) {
		arena_release(worker);
		return -1;
	}
	(void)child_send_config(child);
	listeners_send(worker);
	flowlog_connect(child->tpxd, worker);
	netctl_connect(child->tpxd, worker);
	tally_send(worker);
	names_to_relay(child->tpxd, worker);
	start_send(worker);
	return 0;
}

void
workers_init(struct tpxd *tpxd, uint32_t count)
{
	uint32_t i, n;

	tpxd->workers = calloc(count, sizeof(*tpxd->workers));
	if (tpxd->workers == NULL)
		fatal("workers");
	tpxd->nworkers = count;
	tally_new(count);
	for (i = 0; i < count; i++) {
		struct worker *worker = &tpxd->workers[i];

		child_init(
		    &worker->child, tpxd, "tpx-relay", IPC_RELAY, (int)i);
		worker->child.start = worker_start;
		for (n = 0; n < IPC_LISTENER_COUNT; n++)
			worker->listeners[n] = -1;
		worker->arena_fd = -1;
	}
}

void
workers_listener(struct tpxd *tpxd, const struct msg_listener *body, int fd)
{
	int *listener;

	if (body->worker >= tpxd->nworkers) {
		close(fd);
		return;
	}
	listener = &tpxd->workers[body->worker].listeners[body->kind];
	if (*listener != -1)
		close(*listener);
	*listener = fd;
}

void
workers_start(struct tpxd *tpxd)
{
	uint32_t i;

	for (i = 0; i < tpxd->nworkers; i++)
		(void)worker_start(&tpxd->workers[i].child);
}

void
workers_stop(struct tpxd *tpxd)
{
	uint32_t i;

	for (i = 0; i < tpxd->nworkers; i++)
		child_stop(&tpxd->workers[i].child);
}

void
worker_gone(struct worker *worker)
{
	struct tpxd *tpxd = worker->child.tpxd;

	if (worker->arena == NULL)
		return;
	totals_add(&tpxd->gone, worker->arena);
	tpxd->gone.unlogged +=
	    flow_arena_unlogged(worker->arena, LIMIT_FLOW_SLOTS);
	tally_clear(worker);
	flowlog_arena(tpxd, &worker->child, worker->arena_fd);
	arena_release(worker);
}

const char *
worker_lacks(const struct worker *worker)
{
	return lacks[worker->lack].text;
}

/* What passes by itself so soon shall change nothing. */
static int64_t
lack_patience_us(const struct tpxd *tpxd, enum lack_weight weight)
{
	return weight == LACK_TURNS_AWAY ? LEASE_DOUBT(tpxd_lease_us(tpxd))
					 : tpxd_patience_us(tpxd);
}

/* Says when a relay has had no room for a while, and when it has again. */
static void
worker_weigh(struct worker *worker, int64_t now_us)
{
	struct tpxd *tpxd = worker->child.tpxd;
	enum lack_weight weight = lacks[worker->lack].weight;

	if (weight > worker->overload &&
	    now_us - worker->lack_us <= lack_patience_us(tpxd, weight))
		return;
	if (weight == worker->overload)
		return;
	worker->overload = weight;
	event_record(tpxd,
	    weight == LACK_NONE ? SEVERITY_INFO : SEVERITY_WARNING,
	    &worker->child, "overload", worker_lacks(worker));
}

/* With on-failure open, clients that it has no room for shall go direct. */
static int
worker_turns_away(const struct worker *worker)
{
	const struct image *image = worker->child.tpxd->config.image;

	return worker->overload == LACK_TURNS_AWAY &&
	       image_settings(image)->on_failure == ON_FAILURE_OPEN;
}

void
workers_ask(struct tpxd *tpxd, const struct msg_beat *ask)
{
	struct worker *worker;

	for (worker = tpxd->workers; worker < tpxd->workers + tpxd->nworkers;
	     worker++) {
		child_judge(
		    &worker->child, ask->sent_us, tpxd_patience_us(tpxd));
		child_judge_work(&worker->child);
		worker_weigh(worker, ask->sent_us);
		child_ask(&worker->child, ask);
	}
}

int
workers_all_answered(const struct tpxd *tpxd)
{
	const struct worker *worker;

	for (worker = tpxd->workers; worker < tpxd->workers + tpxd->nworkers;
	     worker++)
		if (worker->child.state != CHILD_RUNNING ||
		    worker->child.answered != tpxd->beat ||
		    !child_serves(&worker->child) || worker_turns_away(worker))
			return 0;
	return 1;
}

void
workers_connect(struct tpxd *tpxd, worker_fn *connect)
{
	uint32_t i;

	for (i = 0; i < tpxd->nworkers; i++)
		if (tpxd->workers[i].child.channel != NULL)
			connect(tpxd, &tpxd->workers[i]);
}

_Static_assert(LIMIT_WORKERS <= 64, "a set of workers is a word");

uint64_t
workers_kill(struct tpxd *tpxd, const struct msg_kill *kill, uint32_t id)
{
	uint64_t asked = 0;
	uint32_t i;

	for (i = 0; i < tpxd->nworkers; i++) {
		const struct child *child = &tpxd->workers[i].child;

		if (child->state == CHILD_RUNNING &&
		    IPC_SEND(child->channel, MSG_KILL, id, kill, -1) == 0)
			asked |= UINT64_C(1) << i;
	}
	return asked;
}

void
workers_breach(struct child *accuser, const struct msg_breach *breach)
{
	struct tpxd *tpxd = accuser->tpxd;

	if (breach->worker < tpxd->nworkers)
		child_accuse(
		    accuser, &tpxd->workers[breach->worker].child, breach->why);
}

struct worker_totals
workers_totals(const struct tpxd *tpxd)
{
	struct worker_totals totals = tpxd->gone;
	uint32_t i;

	for (i = 0; i < tpxd->nworkers; i++) {
		const struct flow_arena *arena = tpxd->workers[i].arena;

		if (arena == NULL)
			continue;
		totals_add(&totals, arena);
		totals.open += atomic_load(&arena->open);
		totals.unlogged += atomic_load(&arena->unlogged);
	}
	return totals;
}
