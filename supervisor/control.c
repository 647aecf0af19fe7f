/* SPDX-License-Identifier: ISC */
/*
 * Answers tpxctl.  Reads requests of local users, which ipc_accept() has
 * passed; a slow reader is waited for without holding anybody else up.
 */
#include "supervisor/control.h"

#include <sys/queue.h>
#include <sys/socket.h>

#include <errno.h>
#include <event2/event.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "supervisor/apply.h"
#include "supervisor/control_socket.h"
#include "supervisor/event.h"
#include "supervisor/status.h"
#include "supervisor/tpxd.h"

#define CLIENTS_MOST 32
#define QUEUE_LOW 64 /* messages in a client's queue: then no more for now */
#define PACE_US 5000

/* What an answer waits for. */
enum awaited {
	AWAITS_NOTHING,
	AWAITS_STATE, /* a wish for a pause, or for its end, comes true */
	AWAITS_APPLY, /* a configuration is in force */
	AWAITS_KILL,  /* relays have ended flows */
};

struct client {
	TAILQ_ENTRY(client) entry;
	struct control *control;
	struct ipc_channel *channel;
	struct event *pace; /* goes on with a long answer */
	int is_root;
	enum awaited awaits;
	uint32_t id;	 /* of the request being answered */
	uint32_t worker; /* where a list of live flows goes on */
	uint32_t slot;
	uint32_t kill;	 /* tells what relays are asked for it from the rest */
	uint64_t relays; /* set of those that have not answered yet */
	uint64_t killed;
	struct config_domains domains; /* of the image that it will send */
};

struct control {
	struct tpxd *tpxd;
	int fd;
	char path[LIMIT_SOCKET_PATH_BYTES];
	struct event *readable;
	TAILQ_HEAD(, client) clients;
	unsigned int nclients;
	uint32_t kills;
};

static void
client_free(struct client *client)
{
	TAILQ_REMOVE(&client->control->clients, client, entry);
	client->control->nclients--;
	ipc_channel_free(client->channel);
	event_free(client->pace);
	if (client->domains.fd != -1)
		close(client->domains.fd);
	free(client);
}

static void
on_client_end(void *ctx, const char *why)
{
	if (why != NULL)
		log_warnx("control: a client sent %s", why);
	client_free(ctx);
}

static void
answer_end(struct client *client, unsigned int exit_code, const char *text)
{
	struct msg_ctl_end end = { .exit_code = exit_code };

	(void)snprintf(end.text, sizeof(end.text), "%s", text);
	(void)IPC_SEND(client->channel, MSG_CTL_END, client->id, &end, -1);
}

static void
answer_status(struct client *client)
{
	status_answer(client->control->tpxd, client->channel, client->id);
	answer_end(client, 0, "");
}

/* Copies open flows from one arena, as far as a batch holds them. */
static void
batch_fill(struct client *client, const struct flow_arena *arena,
    struct msg_flows *batch)
{
	uint32_t used = arena->used;
	const struct flow_slot *slot;

	if (used > LIMIT_FLOW_SLOTS)
		used = LIMIT_FLOW_SLOTS;
	for (; client->slot < used && batch->count < LIMIT_FLOW_BATCH;
	     client->slot++) {
		slot = &arena->slot[client->slot];
		if (atomic_load(&slot->state) == FLOW_SLOT_OPEN)
			flow_slot_read(arena, LIMIT_FLOW_SLOTS, client->slot,
			    &batch->record[batch->count++]);
	}
	if (client->slot < used)
		return;
	client->worker++;
	client->slot = 0;
}

/* Sends the next part of the list; 0 when that was the last. */
static int
live_send(struct client *client)
{
	const struct tpxd *tpxd = client->control->tpxd;
	const struct flow_arena *arena;
	struct msg_flows batch;

	if (client->worker >= tpxd->nrelays)
		return 0;
	batch.sequence = batch.dropped = batch.count = 0;
	if ((arena = tpxd->relays[client->worker].arena) != NULL)
		batch_fill(client, arena, &batch);
	else
		client->worker++;
	if (batch.count > 0)
		(void)ipc_send(client->channel, MSG_CTL_FLOWS, client->id,
		    &batch, MSG_FLOWS_BYTES(batch.count), -1);
	return 1;
}

static void
live_continue(struct client *client)
{
	static const struct timeval pace = { .tv_usec = PACE_US };

	while (ipc_channel_queued(client->channel) < QUEUE_LOW)
		if (!live_send(client)) {
			answer_end(client, 0, "");
			return;
		}
	event_add(client->pace, &pace);
}

static void
await(struct client *client, enum awaited awaited)
{
	/* then who asked is told that it is not so yet */
	static const struct timeval limits[] = {
		[AWAITS_STATE] = { .tv_sec = 4 },
		[AWAITS_APPLY] = { .tv_sec = LIMIT_APPLY_S },
		[AWAITS_KILL] = { .tv_sec = 4 },
	};

	client->awaits = awaited;
	event_add(client->pace, &limits[awaited]);
}

static void
awaited_end(struct client *client, unsigned int exit_code, const char *text)
{
	client->awaits = AWAITS_NOTHING;
	event_del(client->pace);
	answer_end(client, exit_code, text);
}

/* A wish has come true when the state is that of a lease of its kind. */
static int
wish_fulfilled(const struct tpxd *tpxd)
{
	return tpxd->paused ? tpxd->state == IPC_STATE_PAUSED
			    : tpxd->state != IPC_STATE_PAUSED;
}

static void
wish_answer(struct client *client)
{
	const struct tpxd *tpxd = client->control->tpxd;
	int stopping = tpxd->state == IPC_STATE_STOPPING;

	if (client->awaits == AWAITS_STATE &&
	    (stopping || wish_fulfilled(tpxd)))
		awaited_end(
		    client, stopping, stopping ? "tpxd is stopping" : "");
}

static void
awaited_late(struct client *client)
{
	const struct tpxd *tpxd = client->control->tpxd;
	char text[128];

	if (client->awaits == AWAITS_KILL)
		(void)snprintf(text, sizeof(text),
		    "%d relays have not answered",
		    __builtin_popcountll(client->relays));
	else if (client->awaits == AWAITS_APPLY && apply_refusal() != NULL)
		(void)snprintf(text, sizeof(text), "%s", apply_refusal());
	else
		(void)snprintf(text, sizeof(text),
		    "tpxd will do it as soon as netctl answers; it is %s",
		    ipc_state_word(tpxd->state));
	awaited_end(client, 1, text);
}

void
control_tell(struct control *control)
{
	struct client *client;

	if (control == NULL)
		return;
	TAILQ_FOREACH (client, &control->clients, entry)
		wish_answer(client);
}

static void
wish(struct client *client, int paused)
{
	struct tpxd *tpxd = client->control->tpxd;

	if (tpxd->paused != paused) {
		tpxd->paused = paused;
		event_record(tpxd, SEVERITY_INFO, NULL,
		    paused ? "pause" : "resume", "asked for by root");
	}
	await(client, AWAITS_STATE);
	tpxd_ask(tpxd);
	wish_answer(client);
}

static void
answer_pause(struct client *client)
{
	wish(client, 1);
}

static void
answer_resume(struct client *client)
{
	wish(client, 0);
}

static void
on_pace(int fd, short what, void *arg)
{
	struct client *client = arg;

	(void)fd;
	(void)what;
	if (client->awaits != AWAITS_NOTHING)
		awaited_late(client);
	else
		live_continue(client);
}

static void
answer_live(struct client *client)
{
	client->worker = 0;
	client->slot = 0;
	live_continue(client);
}

static void
answer_image(struct client *client)
{
	const struct tpxd *tpxd = client->control->tpxd;
	const struct config *config = apply_in_force(tpxd);
	struct msg_ctl_image body = {
		.size_bytes = (uint32_t)config->size_bytes,
		.uid = geteuid(),
		.port4 = tpxd->ports.port4,
		.port6 = tpxd->ports.port6,
		.local4 = tpxd->ports.local4,
		.local6 = tpxd->ports.local6,
		.dns4 = tpxd->dns.ports.dns4,
		.dns6 = tpxd->dns.ports.dns6,
		.dns_local4 = tpxd->dns.ports.dns_local4,
		.dns_local6 = tpxd->dns.ports.dns_local6,
		.dot = tpxd->dns.dot.port,
	};
	const struct config_domains *lists = &tpxd->config.domains;
	struct msg_ctl_domains domains = { lists->size_bytes };

	if (lists->fd != -1)
		(void)IPC_SEND(client->channel, MSG_CTL_DOMAINS, client->id,
		    &domains, lists->fd);
	(void)IPC_SEND(
	    client->channel, MSG_CTL_IMAGE, client->id, &body, config->fd);
	answer_end(client, 0, "");
}

void
control_applied(struct control *control, const char *error)
{
	struct client *client;

	TAILQ_FOREACH (client, &control->clients, entry)
		if (client->awaits == AWAITS_APPLY)
			awaited_end(
			    client, error != NULL, error != NULL ? error : "");
}

static void
answer_confirm(struct client *client)
{
	if (apply_confirm(client->control->tpxd) == -1)
		answer_end(client, 1, "nothing waits to be confirmed");
	else
		answer_end(client, 0, "");
}

static void (*const answers[IPC_CTL_COUNT])(struct client *) = {
	[IPC_CTL_COMMAND_STATUS] = answer_status,
	[IPC_CTL_COMMAND_LIVE] = answer_live,
	[IPC_CTL_COMMAND_IMAGE] = answer_image,
	[IPC_CTL_COMMAND_PAUSE] = answer_pause,
	[IPC_CTL_COMMAND_RESUME] = answer_resume,
	[IPC_CTL_COMMAND_CONFIRM] = answer_confirm,
};

#define CHANGES(name, word, changes) [IPC_CTL_COMMAND_##name] = changes,
static const int changes[IPC_CTL_COUNT] = { IPC_CTL_COMMANDS(CHANGES) };

static void
on_request(void *ctx, struct ipc_message *message)
{
	const struct msg_ctl_request *request = message->body;
	struct client *client = ctx;

	event_del(client->pace);
	client->id = message->id;
	client->awaits = AWAITS_NOTHING;
	if (changes[request->command] && !client->is_root)
		answer_end(client, 4, "not permitted: that is for root");
	else
		answers[request->command](client);
}

/* From root alone: no descriptor of others is taken. */
static void
on_domains(void *ctx, struct ipc_message *message)
{
	const struct msg_ctl_domains *body = message->body;
	struct client *client = ctx;

	if (!client->is_root)
		return;
	if (client->domains.fd != -1)
		close(client->domains.fd);
	client->domains.fd = ipc_message_take_fd(message);
	client->domains.size_bytes = body->size_bytes;
}

static void
on_apply(void *ctx, struct ipc_message *message)
{
	const struct msg_ctl_apply *request = message->body;
	struct client *client = ctx;
	char why[128];

	event_del(client->pace);
	client->id = message->id;
	await(client, AWAITS_APPLY);
	if (!client->is_root)
		awaited_end(client, 4, "not permitted: that is for root");
	else if (apply_begin(client->control->tpxd, message->fd,
		     request->size_bytes, &client->domains, request->confirm_s,
		     why, sizeof(why)) == -1)
		awaited_end(client, 1, why);
}

static void
kill_answer(struct client *client)
{
	struct msg_killed killed = { .count = client->killed };

	(void)IPC_SEND(
	    client->channel, MSG_CTL_KILLED, client->id, &killed, -1);
	awaited_end(client, 0, "");
}

void
control_killed(
    struct control *control, uint32_t id, uint64_t relay, uint64_t count)
{
	struct client *client;

	TAILQ_FOREACH (client, &control->clients, entry) {
		if (client->awaits != AWAITS_KILL || client->kill != id ||
		    (client->relays & relay) == 0)
			continue;
		client->killed += count;
		client->relays &= ~relay;
		if (client->relays == 0)
			kill_answer(client);
		return;
	}
}

static void
on_kill(void *ctx, struct ipc_message *message)
{
	const struct msg_kill *kill = message->body;
	struct client *client = ctx;
	struct control *control = client->control;

	event_del(client->pace);
	client->id = message->id;
	await(client, AWAITS_KILL);
	if (!client->is_root) {
		awaited_end(client, 4, "not permitted: that is for root");
		return;
	}
	event_record(control->tpxd, SEVERITY_INFO, NULL, "kill",
	    "flows are ended, as asked for by root");
	client->kill = ++control->kills;
	client->killed = 0;
	client->relays = relays_kill(control->tpxd, kill, client->kill);
	if (client->relays == 0)
		kill_answer(client);
}

static const struct ipc_handler handlers[] = {
	{ MSG_CTL_REQUEST, on_request },
	{ MSG_CTL_KILL, on_kill },
	{ MSG_CTL_DOMAINS, on_domains },
	{ MSG_CTL_APPLY, on_apply },
	{ MSG_NONE, NULL },
};

static int
peer_is_root(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       peer.uid == 0;
}

static int
client_new(struct control *control, int fd)
{
	struct client *client = calloc(1, sizeof(*client));

	if (client == NULL)
		return -1;
	client->control = control;
	client->is_root = peer_is_root(fd);
	client->domains.fd = -1;
	client->pace = event_new(control->tpxd->base, -1, 0, on_pace, client);
	if (client->pace == NULL) {
		free(client);
		return -1;
	}
	client->channel = ipc_channel_new(control->tpxd->base, fd,
	    IPC_SUPERVISOR, IPC_CTL, handlers, on_client_end, client);
	if (client->channel == NULL) {
		event_free(client->pace);
		free(client);
		return -1;
	}
	ipc_channel_set_phase(client->channel, IPC_PHASE_RUN);
	if (!client->is_root)
		ipc_channel_refuse_fds(client->channel);
	TAILQ_INSERT_TAIL(&control->clients, client, entry);
	control->nclients++;
	return 0;
}

static void
on_connection(int socket, short what, void *arg)
{
	struct control *control = arg;
	int fd = accept4(socket, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (fd == -1) {
		/* Without descriptors, whoever has been here longest goes. */
		if (errno != EAGAIN && control->nclients > 0)
			client_free(TAILQ_FIRST(&control->clients));
		return;
	}
	/* Whoever keeps its connections open locks nobody out. */
	if (control->nclients >= CLIENTS_MOST)
		client_free(TAILQ_FIRST(&control->clients));
	if (client_new(control, fd) == -1)
		close(fd);
}

struct control *
control_new(struct tpxd *tpxd, const char *path)
{
	struct control *control = calloc(1, sizeof(*control));

	if (control == NULL)
		fatal("control socket");
	(void)snprintf(control->path, sizeof(control->path), "%s", path);
	control->tpxd = tpxd;
	TAILQ_INIT(&control->clients);
	control->fd = control_socket(path);
	control->readable = event_new(tpxd->base, control->fd,
	    EV_READ | EV_PERSIST, on_connection, control);
	if (control->readable == NULL ||
	    event_add(control->readable, NULL) == -1)
		fatal("control socket");
	return control;
}

void
control_free(struct control *control)
{
	struct client *client;

	while ((client = TAILQ_FIRST(&control->clients)) != NULL)
		client_free(client);
	event_free(control->readable);
	close(control->fd);
	(void)unlink(control->path);
	free(control);
}
