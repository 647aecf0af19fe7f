/* SPDX-License-Identifier: ISC */
/*
 * Starts relays and judges whether they work.  Reads their answers, which
 * ipc_accept() has passed, and counters in their arenas, which may hold
 * anything and are only summed.
 */
#include "supervisor/relay.h"

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
#include "supervisor/listener.h"
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

static struct relay *
relay_of(struct child *child)
{
	return (struct relay *)(void *)child;
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
	struct relay *relay = relay_of(child);

	if (child_answered(child, answer) == -1)
		return;
	if (lacks[answer->lack].weight != lacks[relay->lack].weight)
		relay->lack_us = child->answered_us;
	relay->lack = (enum ipc_lack)answer->lack;
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
arena_release(struct relay *relay)
{
	if (relay->arena == NULL)
		return;
	munmap(relay->arena, ARENA_BYTES);
	close(relay->arena_fd);
	relay->arena = NULL;
	relay->arena_fd = -1;
}

static void
totals_add(struct relay_totals *totals, const struct flow_arena *arena)
{
	totals->accepted += atomic_load(&arena->accepted);
	totals->relayed += atomic_load(&arena->relayed);
	totals->blocked += atomic_load(&arena->blocked);
	totals->refused += atomic_load(&arena->refused);
	totals->long_hello += atomic_load(&arena->long_hello);
	totals->dropped += atomic_load(&arena->dropped);
}

static void
listeners_send(struct relay *relay)
{
	const struct tpxd *tpxd = relay->child.tpxd;
	const uint16_t ports[] = { tpxd->ports.port4, tpxd->ports.port6,
		tpxd->ports.local4, tpxd->ports.local6 };
	struct msg_listener body = { .worker = (uint32_t)relay->child.index };

	for (body.kind = 0; body.kind < IPC_LISTENER_COUNT; body.kind++) {
		body.port = ports[ipc_listener_port(body.kind)];
		listener_mend(relay->listeners[body.kind]);
		(void)IPC_SEND(relay->child.channel, MSG_RELAY_LISTENER, 0,
		    &body, relay->listeners[body.kind]);
	}
}

static void
tally_send(struct relay *relay)
{
	struct msg_tally body = { .seed = tally.seed,
		.workers = relay->child.tpxd->nrelays };

	for (; body.worker < body.workers; body.worker++) {
		body.own = body.worker == (uint32_t)relay->child.index;
		(void)IPC_SEND(relay->child.channel, MSG_RELAY_TALLY, 0, &body,
		    body.own ? tally.of[body.worker].fd
			     : tally.of[body.worker].reader);
	}
}

/* A relay that is dead has no flows. */
static void
tally_clear(const struct relay *relay)
{
	struct tally_part *part = tally.of[relay->child.index].part;

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
start_send(struct relay *relay)
{
	unsigned int index = (unsigned int)relay->child.index;
	struct msg_relay_start body = {
		.first_id = flow_first_id(clock_real_us(), index),
		.worker = index,
		.slots = LIMIT_FLOW_SLOTS,
	};

	(void)IPC_SEND(
	    relay->child.channel, MSG_RELAY_START, 0, &body, relay->arena_fd);
}

/* A message that cannot be sent shows as a relay that never gets ready. */
static int
relay_start(struct child *child)
{
	struct relay *relay = relay_of(child);
	void *arena;

	relay->arena_fd = memfd_shared("tpx-flows", ARENA_BYTES, &arena);
	if (relay->arena_fd == -1) {
		log_warn("tpx-relay: flow arena");
		child_schedule(child);
		return -1;
	}
	relay->arena = arena;
	relay->lack = IPC_LACK_NOTHING;
	if (child_open(child, handlers) == -1) {
		arena_release(relay);
		return -1;
	}
	(void)child_send_config(child);
	listeners_send(relay);
	flowlog_connect(child->tpxd, relay);
	netctl_connect(child->tpxd, relay);
	tally_send(relay);
	names_to_relay(child->tpxd, relay);
	start_send(relay);
	return 0;
}

void
relays_init(struct tpxd *tpxd, uint32_t count)
{
	uint32_t i, n;

	tpxd->relays = calloc(count, sizeof(*tpxd->relays));
	if (tpxd->relays == NULL)
		fatal("relays");
	tpxd->nrelays = count;
	tally_new(count);
	for (i = 0; i < count; i++) {
		struct relay *relay = &tpxd->relays[i];

		child_init(&relay->child, tpxd, "tpx-relay", IPC_RELAY, (int)i);
		relay->child.start = relay_start;
		for (n = 0; n < IPC_LISTENER_COUNT; n++)
			relay->listeners[n] = -1;
		relay->arena_fd = -1;
	}
}

void
relays_listener(struct tpxd *tpxd, const struct msg_listener *body, int fd)
{
	int *listener;

	if (body->worker >= tpxd->nrelays) {
		close(fd);
		return;
	}
	listener = &tpxd->relays[body->worker].listeners[body->kind];
	if (*listener != -1)
		close(*listener);
	*listener = fd;
}

void
relays_start(struct tpxd *tpxd)
{
	uint32_t i;

	for (i = 0; i < tpxd->nrelays; i++)
		(void)relay_start(&tpxd->relays[i].child);
}

void
relays_stop(struct tpxd *tpxd)
{
	uint32_t i;

	for (i = 0; i < tpxd->nrelays; i++)
		child_stop(&tpxd->relays[i].child);
}

void
relay_gone(struct relay *relay)
{
	struct tpxd *tpxd = relay->child.tpxd;

	if (relay->arena == NULL)
		return;
	totals_add(&tpxd->gone, relay->arena);
	tpxd->gone.unlogged +=
	    flow_arena_unlogged(relay->arena, LIMIT_FLOW_SLOTS);
	tally_clear(relay);
	flowlog_arena(tpxd, &relay->child, relay->arena_fd);
	arena_release(relay);
}

const char *
relay_lacks(const struct relay *relay)
{
	return lacks[relay->lack].text;
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
relay_weigh(struct relay *relay, int64_t now_us)
{
	struct tpxd *tpxd = relay->child.tpxd;
	enum lack_weight weight = lacks[relay->lack].weight;

	if (weight > relay->overload &&
	    now_us - relay->lack_us <= lack_patience_us(tpxd, weight))
		return;
	if (weight == relay->overload)
		return;
	relay->overload = weight;
	event_record(tpxd,
	    weight == LACK_NONE ? SEVERITY_INFO : SEVERITY_WARNING,
	    &relay->child, "overload", relay_lacks(relay));
}

/* With on-failure open, clients that it has no room for shall go direct. */
static int
relay_turns_away(const struct relay *relay)
{
	const struct image *image = relay->child.tpxd->config.image;

	return relay->overload == LACK_TURNS_AWAY &&
	       image_settings(image)->on_failure == ON_FAILURE_OPEN;
}

void
relays_ask(struct tpxd *tpxd, const struct msg_beat *ask)
{
	struct relay *relay;

	for (relay = tpxd->relays; relay < tpxd->relays + tpxd->nrelays;
	     relay++) {
		child_judge(
		    &relay->child, ask->sent_us, tpxd_patience_us(tpxd));
		child_judge_work(&relay->child);
		relay_weigh(relay, ask->sent_us);
		child_ask(&relay->child, ask);
	}
}

int
relays_all_answered(const struct tpxd *tpxd)
{
	const struct relay *relay;

	for (relay = tpxd->relays; relay < tpxd->relays + tpxd->nrelays;
	     relay++)
		if (relay->child.state != CHILD_RUNNING ||
		    relay->child.answered != tpxd->beat ||
		    !child_serves(&relay->child) || relay_turns_away(relay))
			return 0;
	return 1;
}

void
relays_connect(struct tpxd *tpxd, relay_fn *connect)
{
	uint32_t i;

	for (i = 0; i < tpxd->nrelays; i++)
		if (tpxd->relays[i].child.channel != NULL)
			connect(tpxd, &tpxd->relays[i]);
}

_Static_assert(LIMIT_WORKERS <= 64, "a set of workers is a word");

uint64_t
relays_kill(struct tpxd *tpxd, const struct msg_kill *kill, uint32_t id)
{
	uint64_t asked = 0;
	uint32_t i;

	for (i = 0; i < tpxd->nrelays; i++) {
		const struct child *child = &tpxd->relays[i].child;

		if (child->state == CHILD_RUNNING &&
		    IPC_SEND(child->channel, MSG_KILL, id, kill, -1) == 0)
			asked |= UINT64_C(1) << i;
	}
	return asked;
}

void
relays_breach(struct child *accuser, const struct msg_breach *breach)
{
	struct tpxd *tpxd = accuser->tpxd;

	if (breach->worker < tpxd->nrelays)
		child_accuse(
		    accuser, &tpxd->relays[breach->worker].child, breach->why);
}

struct relay_totals
relays_totals(const struct tpxd *tpxd)
{
	struct relay_totals totals = tpxd->gone;
	uint32_t i;

	for (i = 0; i < tpxd->nrelays; i++) {
		const struct flow_arena *arena = tpxd->relays[i].arena;

		if (arena == NULL)
			continue;
		totals_add(&totals, arena);
		totals.open += atomic_load(&arena->open);
		totals.unlogged += atomic_load(&arena->unlogged);
	}
	return totals;
}
