/* SPDX-License-Identifier: ISC */
/*
 * Dispatch of the flow log's messages.  Nothing waits for it: while it is
 * away, relays and dnsds keep their records, and this keeps the memory in which
 * dead ones have left theirs.
 */
#include "supervisor/flowlog.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/memfd.h"
#include "schema/ledger.h"
#include "supervisor/event.h"
#include "supervisor/tpxd.h"

#define ARENAS_MOST 64	     /* of dead workers whose rows are not written */
#define LAST_STARTS 3	     /* of a flow log that dies at the end */
#define PATIENCE_US 10000000 /* a commit may take its time on a slow disk */

/* Each is kept until the flow log has said that its rows are on disk. */
static struct arena {
	enum msg_type type; /* that tells the flow log of it */
	uint32_t worker;
	uint32_t id;
	int fd;
} arenas[ARENAS_MOST];
static size_t narenas;
static uint32_t last_id;
static int ledger_fd = -1; /* outlives every flow log */
static int finished;	   /* it was asked to end, and did: all is on disk */
static int given_up;	   /* no other one is started any more */

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
		(void)IPC_SEND(tpxd->flowlog.channel, arena->type, arena->id,
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
flowlog_arena(struct tpxd *tpxd, struct child *worker, int fd)
{
	struct arena *arena = &arenas[narenas];

	if (narenas == ARENAS_MOST ||
	    (fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)) == -1) {
		event_record(tpxd, SEVERITY_ALARM, worker, "rows-lost",
		    worker->role == IPC_DNSD ? "its last questions have no rows"
					     : "its last flows have no rows");
		return;
	}
	narenas++;
	arena->type =
	    worker->role == IPC_DNSD ? MSG_LOG_DNS_JOURNAL : MSG_LOG_ARENA;
	arena->worker = (uint32_t)worker->index;
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

	if (flowlog->channel != NULL && flowlog->state == CHILD_RUNNING)
		child_join(flowlog, to_log, child, to_child);
}

void
flowlog_connect(struct tpxd *tpxd, struct relay *relay)
{
	(void)tpxd;
	connect_child(&relay->child, MSG_LOG_RELAY, MSG_RELAY_LOG);
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
	child_runs(child);
	child->answered_us = clock_mono_us();
	/* Before the flows that may have one. */
	names_to_flowlog(child->tpxd);
	sources_send(child->tpxd);
	arenas_send(child->tpxd);
	event_resend(child->tpxd);
	relays_connect(child->tpxd, flowlog_connect);
	dns_each(child->tpxd, flowlog_connect_dnsd, NULL);
	if (child->tpxd->state == IPC_STATE_STOPPING)
		tpxd_stop_next(child->tpxd);
}

static void
on_log_breach(void *ctx, struct ipc_message *message)
{
	relays_breach(ctx, message->body);
}

static void
on_log_dns_breach(void *ctx, struct ipc_message *message)
{
	dns_breach(ctx, message->body);
}

static void
on_log_stats(void *ctx, struct ipc_message *message)
{
	struct child *child = ctx;
	struct msg_log_stats *stats = &child->tpxd->log_stats;

	memset(stats, 0, sizeof(*stats));
	memcpy(stats, message->body, message->len);
	event_flush(child->tpxd);
}

static void
on_log_events_done(void *ctx, struct ipc_message *message)
{
	const struct child *child = ctx;

	event_done(child->tpxd, message->id);
	if (child->tpxd->state == IPC_STATE_STOPPING)
		tpxd_stop_next(child->tpxd);
}

static void
on_answer(void *ctx, struct ipc_message *message)
{
	(void)child_answered(ctx, message->body);
}

static const struct ipc_handler handlers[] = {
	{ MSG_LOG_READY, on_log_ready },
	{ MSG_LOG_ARENA_DONE, on_log_arena_done },
	{ MSG_LOG_EVENTS_DONE, on_log_events_done },
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
	child_init(&tpxd->flowlog, tpxd, "tpx-flowlog", IPC_FLOWLOG, -1);
	tpxd->flowlog.start = flowlog_start;
	(void)flowlog_start(&tpxd->flowlog);
}

void
flowlog_ask(struct tpxd *tpxd, const struct msg_beat *ask)
{
	child_judge(&tpxd->flowlog, ask->sent_us, PATIENCE_US);
	child_ask(&tpxd->flowlog, ask);
}

static void
give_up(const struct tpxd *tpxd)
{
	if (!finished && !given_up && tpxd->flowlog.start != NULL)
		log_warnx("flow log: the last flows have no rows, nor have %zu "
			  "events",
		    event_unwritten());
	given_up = 1;
}

/* The next one has as much time for what this one has not written. */
void
flowlog_late(struct tpxd *tpxd)
{
	static int before;

	if (before)
		give_up(tpxd);
	before = 1;
	child_late(&tpxd->flowlog);
}

/* One that is gone leaves rows in the ledger, or events, to the next. */
static void
start_last(struct tpxd *tpxd)
{
	static uint32_t restarts = UINT32_MAX; /* as the end began */
	struct child *flowlog = &tpxd->flowlog;

	if (restarts == UINT32_MAX)
		restarts = flowlog->restarts;
	if (flowlog->restarts - restarts < LAST_STARTS)
		child_schedule_soon(flowlog);
	else
		give_up(tpxd);
}

int
flowlog_finish(struct tpxd *tpxd)
{
	const struct child *flowlog = &tpxd->flowlog;

	if (flowlog->start != NULL && flowlog->pid == 0 && !finished &&
	    !given_up)
		start_last(tpxd);
	if (flowlog->start == NULL || finished || given_up)
		return 0;
	if (flowlog->pid == 0 || flowlog->state == CHILD_STARTING ||
	    flowlog->state == CHILD_KILLED)
		return 1;
	return narenas > 0 || event_unsent() > 0;
}

void
flowlog_ended(struct tpxd *tpxd, int asked, int status)
{
	if (tpxd->state == IPC_STATE_STOPPING && asked && WIFEXITED(status) &&
	    WEXITSTATUS(status) == 0)
		finished = 1;
}
