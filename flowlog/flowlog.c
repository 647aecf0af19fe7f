/* SPDX-License-Identifier: ISC */
/*
 * Owns the event loop, the channel to the supervisor and what it configures.
 * Reads the supervisor's messages; relays' and the kernel's have files of
 * their own.
 */
#include "flowlog/flowlog.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "flowlog/arena.h"
#include "flowlog/batch.h"
#include "flowlog/dns.h"
#include "flowlog/event.h"
#include "flowlog/ledger.h"
#include "flowlog/source.h"
#include "flowlog/store.h"
#include "flowlog/worker.h"
#include "ipc/channel.h"
#include "ipc/loop.h"
#include "policy/bindings.h"
#include "policy/image.h"
#include "policy/mapping.h"
#include "schema/flowlog.sql.h"

#define CALLBACKS_PER_LOOP 64
#define TICK_US 1000000
#define STOP_US 2000000	   /* for relays to close their channels */
#define STOP_POLL_US 10000 /* how often that is looked at */
/* The kernel tells of what it blocks a little later, by a timer of its own. */
#define HELD_US (LIMIT_NFLOG_HOLD_MS * 1000LL + 50000)
#define FLUSH_MS 500
#define AHEAD_US (366LL * 86400 * 1000000)

#define ARENAS_MOST 64

struct flowlog {
	struct event_base *base;
	struct ipc_channel *supervisor;
	struct mapping policy;
	char dir[STORE_PATH_BYTES];
	struct sandbox_path paths[2];
	struct store *store;
	struct batch *batch;
	struct workers *workers;
	struct dns *dns;
	struct sources *sources;
	struct ledger *ledger;
	int ledger_fd; /* until it is mapped */
	struct event *tick;
	struct event *stop;
	uint32_t arenas[ARENAS_MOST]; /* ids of those not on disk yet */
	size_t narenas;
	int64_t stop_by_us; /* CLOCK_MONOTONIC; 0: not stopping */
	int started;
};

/*
 * The supervisor hears of an event first and sends it back to be stored, as it
 * does with everybody's.  When it may not come back, it is stored at once.
 */
static void
report(struct flowlog *flowlog, const struct msg_event *event)
{
	if (flowlog->stop_by_us != 0 ||
	    IPC_SEND(flowlog->supervisor, MSG_EVENT, 0, event, -1) == -1)
		batch_add_event(flowlog->batch, event, 0);
}

static void
on_violation(void *ctx, unsigned int worker, const char *why)
{
	struct flowlog *flowlog = ctx;
	struct msg_breach breach = { .worker = worker };

	(void)snprintf(breach.why, sizeof(breach.why), "%s", why);
	log_warnx("tpx-relay[%u] sent %s", worker, why);
	/* The supervisor ends it; its channel is closed in any case. */
	(void)IPC_SEND(flowlog->supervisor, MSG_LOG_BREACH, 0, &breach, -1);
}

static void
on_dns_violation(void *ctx, unsigned int worker, const char *why)
{
	struct flowlog *flowlog = ctx;
	struct msg_breach breach = { .worker = worker };

	(void)snprintf(breach.why, sizeof(breach.why), "%s", why);
	log_warnx("tpx-dnsd[%u] sent %s", worker, why);
	(void)IPC_SEND(flowlog->supervisor, MSG_LOG_DNS_BREACH, 0, &breach, -1);
}

static void
on_done(void *ctx, const struct batch_origin *origin)
{
	struct flowlog *flowlog = ctx;

	if (origin == NULL || origin->worker < LIMIT_WORKERS)
		workers_done(flowlog->workers, origin);
	if (origin == NULL || origin->worker == LIMIT_FLOW_WORKER)
		sources_done(flowlog->sources, origin);
}

/* What the supervisor need not send again. */
static void
on_events_done(void *ctx, uint32_t id)
{
	static const struct msg_empty body;
	struct flowlog *flowlog = ctx;

	ledger_set_events(flowlog->ledger, id);
	(void)IPC_SEND(flowlog->supervisor, MSG_LOG_EVENTS_DONE, id, &body, -1);
}

/* Opens the database; one that is damaged makes room for a new one. */
static int
database_open(struct flowlog *flowlog)
{
	struct msg_event event;
	char name[STORE_PATH_BYTES];

	if (store_open(flowlog->dir, &flowlog->store) == 0)
		return 0;
	if (errno != EBADMSG)
		return -1;
	if (store_set_aside(flowlog->dir, clock_real_us(), name) == -1)
		return -1;
	log_warnx("%s was damaged and is now %s", FLOWLOG_FILE, name);
	event_make(&event, SEVERITY_ALARM, "log-damaged", FLOWLOG_FILE,
	    "set aside as %s", name);
	report(flowlog, &event);
	return store_open(flowlog->dir, &flowlog->store);
}

/*
 * The id of a row that no relay made: after all that are there, and now.  What
 * is further ahead than clocks are set back is a relay's that lies.
 */
static int
next_id(const struct flowlog *flowlog, uint64_t *next)
{
	int64_t now_us = clock_real_us();
	uint64_t last, before;

	*next = flow_first_id(now_us, LIMIT_FLOW_WORKER);
	before = flow_first_id(now_us + AHEAD_US, 0);
	if (store_last_id(flowlog->store, before, &last) == -1)
		return -1;
	if (*next <= last)
		*next = last - last % FLOW_ID_STEP + FLOW_ID_STEP +
			LIMIT_FLOW_WORKER;
	return 0;
}

/* Drops that are in the log, by what was lost. */
static int
losses_read(struct store *store, uint64_t sums[LOSS_COUNT])
{
	unsigned int i;

	for (i = 0; i < LOSS_COUNT; i++)
		if (store_sum_losses(store, flow_loss_source(i),
			flow_loss_kind(i), &sums[i]) == -1)
			return -1;
	return 0;
}

/* Its counts go on from what the log holds of the time before it. */
static void
ledger_begin(struct flowlog *flowlog, const uint64_t sums[LOSS_COUNT])
{
	struct ledger_state *state = ledger_stage(flowlog->ledger);

	state->lost[LEDGER_OVERRUN] =
	    batch_kernel_known(flowlog->batch, LOSS_CONNTRACK);
	state->lost[LEDGER_GAP] =
	    batch_kernel_known(flowlog->batch, LOSS_NFLOG);
	state->lost[LEDGER_UNREADABLE] =
	    batch_kernel_known(flowlog->batch, LOSS_UNREADABLE);
	state->lost[LEDGER_NO_ROOM] =
	    batch_kernel_known(flowlog->batch, LOSS_KERNEL_QUEUE);
	memcpy(state->log_lost, sums, sizeof(state->log_lost));
	state->log_events = batch_log_events(flowlog->batch);
	ledger_commit(flowlog->ledger);
}

/*
 * Which of the supervisor's events are on disk.  The log says it; one that has
 * taken the place of a damaged one knows less than the ledger.
 */
static void
events_begin(struct flowlog *flowlog, int found)
{
	const struct ledger_state *state = ledger_state(flowlog->ledger);
	uint64_t count = batch_log_events(flowlog->batch);
	uint64_t id = state->events;

	if (count > state->log_events + id &&
	    count - state->log_events < BATCH_EVENTS_UNKNOWN)
		id = count - state->log_events;
	batch_set_events(flowlog->batch, state->log_events,
	    found == -1 ? BATCH_EVENTS_UNKNOWN : (uint32_t)id);
}

static int
ledger_start(struct flowlog *flowlog)
{
	struct msg_event event;
	uint64_t id, before, sums[LOSS_COUNT];
	unsigned int i;
	int found;

	flowlog->ledger = ledger_open(flowlog->ledger_fd, &found);
	close(flowlog->ledger_fd);
	if (flowlog->ledger == NULL || next_id(flowlog, &id) == -1 ||
	    losses_read(flowlog->store, sums) == -1)
		return -1;
	if (found == -1) {
		event_make(&event, SEVERITY_WARNING, "ledger-unreadable",
		    "tpx-flowlog", "the kernel's last flows have no rows");
		report(flowlog, &event);
	}
	if (found != 1)
		ledger_begin(flowlog, sums);
	events_begin(flowlog, found);
	for (i = 0; i < LOSS_COUNT; i++) {
		before = ledger_state(flowlog->ledger)->log_lost[i];
		batch_set_lost(
		    flowlog->batch, i, sums[i] > before ? sums[i] - before : 0);
	}
	sources_set_ledger(flowlog->sources, flowlog->ledger, id);
	return 0;
}

static void
store_use(struct flowlog *flowlog)
{
	if (dns_set_store(flowlog->dns, flowlog->store) == -1)
		fatal("%s/" FLOWLOG_FILE, flowlog->dir);
	batch_set_store(flowlog->batch, flowlog->store);
}

static void
on_damaged(void *ctx)
{
	struct flowlog *flowlog = ctx;

	(void)dns_set_store(flowlog->dns, NULL);
	store_close(flowlog->store);
	flowlog->store = NULL;
	/* The supervisor starts a new process, and relays send again. */
	if (database_open(flowlog) == -1)
		fatal("%s/" FLOWLOG_FILE, flowlog->dir);
	store_use(flowlog);
}

static void
flowlog_on_config(void *ctx, struct ipc_message *message)
{
	struct flowlog *flowlog = ctx;
	const struct msg_config *config = message->body;
	const char *why;

	/* The rules of the one before may not have been written yet. */
	(void)batch_flush(flowlog->batch);
	if (mapping_replace(
		&flowlog->policy, message->fd, config->size_bytes, &why) == -1)
		fatalx("configuration: %s", why);
	batch_set_image(flowlog->batch, flowlog->policy.image);
	if (!flowlog->started)
		return;
	sources_set_image(flowlog->sources, flowlog->policy.image);
	if (strcmp(image_log_dir(flowlog->policy.image), flowlog->dir) != 0)
		log_warnx("the log directory changes with the next start only");
}

static void
flowlog_on_start(void *ctx, struct ipc_message *message)
{
	struct flowlog *flowlog = ctx;

	flowlog->ledger_fd = ipc_message_take_fd(message);
	if (flowlog->policy.image == NULL)
		fatalx("no configuration before the start");
	(void)event_base_loopbreak(flowlog->base);
}

static void
flowlog_on_ask(void *ctx, struct ipc_message *message)
{
	struct flowlog *flowlog = ctx;
	const struct msg_beat *beat = message->body;
	struct msg_answer answer = { .sequence = beat->sequence,
		.work = batch_written(flowlog->batch),
		.waiting = batch_waiting(flowlog->batch) };

	(void)IPC_SEND(
	    flowlog->supervisor, MSG_ANSWER, message->id, &answer, -1);
}

static void
flowlog_on_relay(void *ctx, struct ipc_message *message)
{
	struct flowlog *flowlog = ctx;
	const struct msg_worker *worker = message->body;

	if (workers_open(flowlog->workers, (unsigned int)worker->worker,
		ipc_message_take_fd(message)) == -1)
		log_warn("tpx-relay[%u]", (unsigned int)worker->worker);
}

static void
flowlog_on_dnsd(void *ctx, struct ipc_message *message)
{
	struct flowlog *flowlog = ctx;
	const struct msg_worker *worker = message->body;

	if (dns_open(flowlog->dns, (unsigned int)worker->worker,
		ipc_message_take_fd(message)) == -1)
		log_warn("tpx-dnsd[%u]", (unsigned int)worker->worker);
}

static void
flowlog_on_names(void *ctx, struct ipc_message *message)
{
	const struct msg_worker *worker = message->body;

	(void)ctx;
	if (bindings_add(worker->worker, message->fd) == -1)
		fatal("names");
}

/*
 * Says what of dead workers' memory is of no more use: once all that waits is
 * on disk.
 */
static void
arenas_done(struct flowlog *flowlog)
{
	struct msg_empty body = { 0 };

	if (flowlog->narenas == 0 || dns_flush(flowlog->dns) == -1 ||
	    batch_flush(flowlog->batch) == -1 ||
	    batch_waiting(flowlog->batch) > 0)
		return;
	while (flowlog->narenas > 0) {
		flowlog->narenas--;
		(void)IPC_SEND(flowlog->supervisor, MSG_LOG_ARENA_DONE,
		    flowlog->arenas[flowlog->narenas], &body, -1);
	}
}

/* What was in it waits to be written. */
static void
arena_add(struct flowlog *flowlog, uint32_t id)
{
	if (flowlog->narenas < ARENAS_MOST)
		flowlog->arenas[flowlog->narenas++] = id;
	arenas_done(flowlog);
}

static void
arena_unreadable(struct flowlog *flowlog, const char *program,
    unsigned int number, const char *what)
{
	struct msg_event event;
	char actor[32];

	(void)snprintf(actor, sizeof(actor), "%s[%u]", program, number);
	log_warn("%s: arena", actor);
	event_make(&event, SEVERITY_WARNING, "arena-unreadable", actor,
	    "its %s have no rows", what);
	report(flowlog, &event);
}

static void
flowlog_on_arena(void *ctx, struct ipc_message *message)
{
	struct flowlog *flowlog = ctx;
	const struct msg_worker *worker = message->body;
	unsigned int number = (unsigned int)worker->worker;

	/* What the relay had sent and is still unread is in its arena too. */
	workers_close(flowlog->workers, number);
	if (arena_import(message->fd, number, flowlog->batch) == -1)
		arena_unreadable(flowlog, "tpx-relay", number, "open flows");
	arena_add(flowlog, message->id);
}

static void
flowlog_on_dns_journal(void *ctx, struct ipc_message *message)
{
	struct flowlog *flowlog = ctx;
	const struct msg_worker *worker = message->body;
	unsigned int number = (unsigned int)worker->worker;

	if (dns_import(flowlog->dns, number, message->fd) == -1)
		arena_unreadable(flowlog, "tpx-dnsd", number, "last questions");
	arena_add(flowlog, message->id);
}

static void
flowlog_on_source(void *ctx, struct ipc_message *message)
{
	struct flowlog *flowlog = ctx;
	const struct msg_source *source = message->body;

	if (sources_open(flowlog->sources, (enum ipc_source)source->kind,
		ipc_message_take_fd(message)) == -1)
		log_warn("kernel events");
}

static void
flowlog_on_event(void *ctx, struct ipc_message *message)
{
	struct flowlog *flowlog = ctx;

	batch_add_event(flowlog->batch, message->body, message->id);
}

/* Of relays and dnsds, which have closed their channels, and of the kernel. */
static int
has_all(const struct flowlog *flowlog)
{
	return workers_count(flowlog->workers) + dns_count(flowlog->dns) == 0 &&
	       clock_mono_us() >= flowlog->stop_by_us - STOP_US + HELD_US;
}

/* Waits a little for relays that have not closed their channel yet. */
static void
on_stop(int fd, short what, void *arg)
{
	static const struct timeval soon = { .tv_usec = STOP_POLL_US };
	struct flowlog *flowlog = arg;

	(void)fd;
	(void)what;
	if (has_all(flowlog) || clock_mono_us() >= flowlog->stop_by_us)
		(void)event_base_loopbreak(flowlog->base);
	else
		event_add(flowlog->stop, &soon);
}

static void
stop_begin(struct flowlog *flowlog)
{
	if (flowlog->stop_by_us != 0)
		return;
	flowlog->stop_by_us = clock_mono_us() + STOP_US;
	event_active(flowlog->stop, EV_TIMEOUT, 0);
}

static void
flowlog_on_stop(void *ctx, struct ipc_message *message)
{
	(void)message;
	stop_begin(ctx);
}

static void
on_supervisor_end(void *ctx, const char *why)
{
	if (why != NULL)
		log_warnx("supervisor sent %s", why);
	stop_begin(ctx);
}

static const struct ipc_handler handlers[] = {
	{ MSG_CONFIG, flowlog_on_config },
	{ MSG_LOG_START, flowlog_on_start },
	{ MSG_ASK, flowlog_on_ask },
	{ MSG_LOG_RELAY, flowlog_on_relay },
	{ MSG_LOG_ARENA, flowlog_on_arena },
	{ MSG_LOG_DNSD, flowlog_on_dnsd },
	{ MSG_LOG_DNS_JOURNAL, flowlog_on_dns_journal },
	{ MSG_LOG_NAMES, flowlog_on_names },
	{ MSG_LOG_SOURCE, flowlog_on_source },
	{ MSG_EVENT, flowlog_on_event },
	{ MSG_STOP, flowlog_on_stop },
	{ MSG_NONE, NULL },
};

static void
send_stats(struct flowlog *flowlog)
{
	struct msg_log_stats stats = { .queued = batch_waiting(flowlog->batch),
		.passed = sources_passed(flowlog->sources),
		.blocked = sources_blocked(flowlog->sources),
		.unlogged = sources_unlogged(flowlog->sources),
		.count = LOSS_COUNT };
	unsigned int i;

	for (i = 0; i < LOSS_COUNT; i++)
		stats.lost[i] = batch_losses(flowlog->batch, i);
	if (flowlog->store != NULL) {
		stats.rows = store_rows(flowlog->store);
		stats.size_bytes = store_size_bytes(flowlog->store);
		stats.lost[LOSS_ID_TAKEN] += store_taken(flowlog->store);
	}
	for (i = 0; i < LOSS_COUNT; i++)
		stats.dropped += stats.lost[i];
	/* The next second brings better ones. */
	(void)IPC_SEND(flowlog->supervisor, MSG_LOG_STATS, 0, &stats, -1);
}

static void
on_tick(int fd, short what, void *arg)
{
	struct flowlog *flowlog = arg;

	(void)fd;
	(void)what;
	batch_retire(flowlog->batch);
	dns_retire(flowlog->dns, flowlog->policy.image);
	arenas_done(flowlog);
	send_stats(flowlog);
}

static uint32_t
on_uid(void *ctx, const struct flow_record *record)
{
	struct flowlog *flowlog = ctx;

	return sources_uid(flowlog->sources, record);
}

static void
parts_new(struct flowlog *flowlog)
{
	const struct batch_owner owner = { on_done, on_damaged, on_uid,
		on_events_done, flowlog };

	flowlog->batch = batch_new(flowlog->base, &owner);
	if (flowlog->batch == NULL)
		fatal("batch");
	flowlog->workers =
	    workers_new(flowlog->base, flowlog->batch, on_violation, flowlog);
	flowlog->dns =
	    dns_new(flowlog->base, flowlog->batch, on_dns_violation, flowlog);
	flowlog->sources = sources_new(flowlog->base, flowlog->batch);
	flowlog->tick =
	    event_new(flowlog->base, -1, EV_PERSIST, on_tick, flowlog);
	flowlog->stop = event_new(flowlog->base, -1, 0, on_stop, flowlog);
	if (flowlog->workers == NULL || flowlog->dns == NULL ||
	    flowlog->sources == NULL || flowlog->tick == NULL ||
	    flowlog->stop == NULL)
		fatal("set-up");
	flowlog->supervisor = ipc_channel_new(flowlog->base, FLOWLOG_CHANNEL_FD,
	    IPC_FLOWLOG, IPC_SUPERVISOR, handlers, on_supervisor_end, flowlog);
	if (flowlog->supervisor == NULL)
		fatal("channel to the supervisor");
}

static void
database_start_failed(const struct flowlog *flowlog)
{
	if (errno == ENOTSUP)
		fatalx("%s/" FLOWLOG_FILE " was made by a newer tpx",
		    flowlog->dir);
	/* sqlite tries again without making it, and then there is none. */
	if (errno == EACCES || errno == ENOENT)
		fatalx("%s has to be there, and writable for user tpx: "
		       "tpxctl doctor",
		    flowlog->dir);
	fatal("%s/" FLOWLOG_FILE, flowlog->dir);
}

static void
database_start(struct flowlog *flowlog)
{
	(void)snprintf(flowlog->dir, sizeof(flowlog->dir), "%s",
	    image_log_dir(flowlog->policy.image));
	flowlog->paths[0].path = flowlog->dir;
	flowlog->paths[0].access =
	    SANDBOX_READ | SANDBOX_WRITE | SANDBOX_CREATE;
	if (database_open(flowlog) == -1)
		database_start_failed(flowlog);
	store_use(flowlog);
	if (ledger_start(flowlog) == -1)
		fatal("ledger");
}

struct flowlog *
flowlog_new(void)
{
	struct flowlog *flowlog = calloc(1, sizeof(*flowlog));

	if (flowlog == NULL ||
	    (flowlog->base = ipc_loop_new(CALLBACKS_PER_LOOP)) == NULL)
		fatal("event base");
	parts_new(flowlog);
	(void)event_base_dispatch(flowlog->base);
	if (flowlog->stop_by_us != 0)
		exit(0);
	database_start(flowlog);
	return flowlog;
}

const struct sandbox_path *
flowlog_paths(const struct flowlog *flowlog)
{
	return flowlog->paths;
}

void
flowlog_loop(struct flowlog *flowlog)
{
	static const struct timeval second = { .tv_usec = TICK_US % 1000000,
		.tv_sec = TICK_US / 1000000 };

	flowlog->started = 1;
	sources_set_image(flowlog->sources, flowlog->policy.image);
	ipc_channel_set_phase(flowlog->supervisor, IPC_PHASE_RUN);
	if (ipc_send_empty(flowlog->supervisor, MSG_LOG_READY, -1) == -1)
		return;
	event_add(flowlog->tick, &second);
	(void)event_base_dispatch(flowlog->base);
}

void
flowlog_shutdown(struct flowlog *flowlog)
{
	sources_drain(flowlog->sources);
	if (dns_flush(flowlog->dns) == -1)
		log_warnx("questions could not be written");
	if (batch_flush(flowlog->batch) == -1)
		log_warnx("%llu rows could not be written",
		    (unsigned long long)batch_waiting(flowlog->batch));
	send_stats(flowlog);
	(void)ipc_channel_flush(flowlog->supervisor, FLUSH_MS);
	sources_free(flowlog->sources);
	workers_free(flowlog->workers);
	dns_free(flowlog->dns);
	batch_free(flowlog->batch);
	ledger_close(flowlog->ledger);
	store_close(flowlog->store);
	ipc_channel_free(flowlog->supervisor);
	event_free(flowlog->tick);
	event_free(flowlog->stop);
	event_base_free(flowlog->base);
	free(flowlog);
}
