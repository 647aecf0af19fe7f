/* SPDX-License-Identifier: ISC */
/*
 * Dispatch of the flow log's messages.  Nothing waits for it: while it is
 * away, relays keep their records and this keeps the arenas of dead relays.
 */
#include "supervisor/flowlog.h"

#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/memfd.h"
#include "schema/ledger.h"
#include "supervisor/event.h"
#include "supervisor/tpxd.h"

#define ARENAS_MOST 64	     /* of dead relays whose rows are not written */
#define PATIENCE_US 10000000 /* a commit may take its time on a slow disk */

/* Each is kept until the flow log has said that its rows are on disk. */
static struct arena {
	uint32_t worker;
	uint32_t id;
	int fd;
} arenas[ARENAS_MOST];
static size_t narenas;
static uint32_t last_id;
static int ledger_fd = -1; /* outlives every flow log */

void
flowlog_source(struct tpxd *tpxd, uint64_t kind)
{
	struct msg_source body = { .kind = kind };

	if (tpxd->sources[kind] != -1 && tpxd->flowlog.state == CHILD_RUNNING)
		(void)IPC_SEND(tpxd->flowlog.channel, MSG_LOG_SOURCE, 0, &body,
		    tpxd->sources[kind]);
}

static void
sources_send(struct tpxd *tpxd)
{
	uint64_t kind;

	for (kind = 0; kind < IPC_SOURCE_COUNT; kind++)
		flowlog_source(tpxd, kind);
}

/* One that cannot be sent now is sent to the next flow log. */
static void
arena_send(struct tpxd *tpxd, const struct arena *arena)
{
	struct msg_worker body = { .worker = arena->worker };

	if (tpxd->flowlog.state == CHILD_RUNNING)
		(void)IPC_SEND(tpxd->flowlog.channel, MSG_LOG_ARENA, arena->id,
		    &body, arena->fd);
}

static void
arenas_send(struct tpxd *tpxd)
{
	size_t i;

	for (i = 0; i < narenas; i++)
		arena_send(tpxd, &arenas[i]);
}

void
flowlog_arena(struct tpxd *tpxd, struct child *relay, int fd)
{
	struct arena *arena = &arenas[narenas];

	if (narenas == ARENAS_MOST ||
	    (fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)) == -1) {
		event_record(tpxd, SEVERITY_ALARM, relay, "rows-lost",
		    "its last flows have no rows");
		return;
	}
	narenas++;
	arena->worker = (uint32_t)relay->index;
	arena->id = ++last_id;
	arena->fd = fd;
	arena_send(tpxd, arena);
}

static void
on_log_arena_done(void *ctx, struct ipc_message *message)
{
	const struct child *child = ctx;
	size_t i;

	for (i = 0; i < narenas; i++) {
		if (arenas[i].id != message->id)
			continue;
		close(arenas[i].fd);
		arenas[i] = arenas[--narenas];
		break;
	}
	if (child->tpxd->state == IPC_STATE_STOPPING)
		tpxd_stop_next(child->tpxd);
}

/* A new channel between the flow log and a child that writes to it. */
static void
connect_child(struct child *child, enum msg_type to_log, enum msg_type to_child)
{
	struct child *flowlog = &child->tpxd->flowlog;
	struct msg_worker body = { .worker = (uint32_t)child->index };
	int ends[2];

	if (flowlog->channel == NULL || flowlog->state != CHILD_RUNNING)
		return;
	if (ipc_socketpair(ends) == -1) {
		log_warn("flow log: no way for %s", child->program);
		return;
	}
	if (IPC_SEND(flowlog->channel, to_log, 0, &body, ends[0]) == 0 &&
	    ipc_send_empty(child->channel, to_child, ends[1]) == -1)
		log_warn("flow log: no way for %s", child->program);
	close(ends[0]);
	close(ends[1]);
}

void
flowlog_connect(struct tpxd *tpxd, struct worker *worker)
{
	(void)tpxd;
	connect_child(&worker->child, MSG_LOG_RELAY, MSG_RELAY_LOG);
}

void
flowlog_connect_dnsd(void *ctx, struct child *child)
{
	(void)ctx;
	if (child->role == IPC_DNSD && child->state == CHILD_RUNNING)
		connect_child(child, MSG_LOG_DNSD, MSG_DNSD_LOG);
}

static void
on_log_ready(void *ctx, struct ipc_message *message)
{
	struct child *child = ctx;

	(void)message;
	child->state = CHILD_RUNNING;
	child->answered_us = clock_mono_us();
	ipc_channel_set_phase(child->channel, IPC_PHASE_RUN);
	/* Before the flows that may have one. */
	names_to_flowlog(child->tpxd);
	sources_send(child->tpxd);
	arenas_send(child->tpxd);
	event_flush(child->tpxd);
	workers_connect(child->tpxd, flowlog_connect);
	dns_each(child->tpxd, flowlog_connect_dnsd, NULL);
}

static void
on_log_breach(void *ctx, struct ipc_message *message)
{
	const struct msg_breach *breach = message->body;
	const struct child *child = ctx;

	workers_breach(child->tpxd, breach);
}

static void
on_log_dns_breach(void *ctx, struct ipc_message *message)
{
	const struct msg_breach *breach = message->body;
	const struct child *child = ctx;

	dns_breach(child->tpxd, breach);
}

static void
on_log_stats(void *ctx, struct ipc_message *message)
{
	struct child *child = ctx;

	child->tpxd->log_stats = *(const struct msg_log_stats *)message->body;
	event_flush(child->tpxd);
}

static void
on_answer(void *ctx, struct ipc_message *message)
{
	(void)child_answered(ctx, message->body);
}

static const struct ipc_handler handlers[] = {
	{ MSG_LOG_READY, on_log_ready },
	{ MSG_LOG_ARENA_DONE, on_log_arena_done },
	{ MSG_LOG_BREACH, on_log_breach },
	{ MSG_LOG_DNS_BREACH, on_log_dns_breach },
	{ MSG_LOG_STATS, on_log_stats },
	{ MSG_ANSWER, on_answer },
	{ MSG_EVENT, child_on_event },
	{ MSG_NONE, NULL },
};

static int
flowlog_start(struct child *child)
{
	if (child_open(child, handlers) == -1)
		return -1;
	(void)child_send_config(child);
	(void)ipc_send_empty(child->channel, MSG_LOG_START, ledger_fd);
	return 0;
}

static void
ledger_make(void)
{
	void *map;

	ledger_fd = memfd_shared("tpx-ledger", sizeof(struct ledger), &map);
	if (ledger_fd == -1)
		fatal("ledger");
	(void)munmap(map, sizeof(struct ledger));
}

void
flowlog_begin(struct tpxd *tpxd)
{
	ledger_make();
	tpxd->flowlog.program = "tpx-flowlog";
	tpxd->flowlog.role = IPC_FLOWLOG;
	tpxd->flowlog.index = -1;
	tpxd->flowlog.tpxd = tpxd;
	tpxd->flowlog.start = flowlog_start;
	(void)flowlog_start(&tpxd->flowlog);
}

void
flowlog_ask(struct tpxd *tpxd, const struct msg_beat *ask)
{
	child_judge(&tpxd->flowlog, ask->sent_us, PATIENCE_US);
	child_ask(&tpxd->flowlog, ask);
}

int
flowlog_finish(struct tpxd *tpxd)
{
	if (narenas > 0 && tpxd->flowlog.pid == 0 &&
	    tpxd->flowlog.start != NULL)
		child_schedule_soon(&tpxd->flowlog);
	return narenas > 0 && tpxd->flowlog.start != NULL;
}

void
flowlog_stop(struct tpxd *tpxd)
{
	if (tpxd->flowlog.channel == NULL)
		return;
	tpxd->flowlog.state = CHILD_STOPPING;
	(void)ipc_send_empty(tpxd->flowlog.channel, MSG_STOP, -1);
}
