/* SPDX-License-Identifier: ISC */
/*
 * Reads what dnsds ask for, after ipc_accept().
 *
 * What a hostile dnsd gains: of the flows that a rule with `by dns' is about,
 * by its source, destination, port, protocol and owner, those between addresses
 * that it says pass without a relay, which would have looked at the name.  It
 * decides what clients are told anyway, and what a relay takes for the name of
 * a flow without one.  It names a rule by its number, and no set; pairs have an
 * end; there is room for so many, and so many are taken a second.  Nothing that
 * it asks for shortens or removes what another one has asked for.
 *
 * What is asked in one round of the loop is one transaction, and so is what a
 * message asks for: it is answered when the kernel has it.
 */
#include "netctl/passes.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "ipc/channel.h"
#include "ipc/loop.h"
#include "netctl/elements.h"
#include "netctl/pairs.h"
#include "policy/told.h"

#define TELL_EVERY_S 10 /* one event about what a dnsd does not get */
#define RATE 20000	/* pairs of a dnsd a second, and at once */
#define ASKS_MAX 64	/* of a transaction */
#define SET_NAME_BYTES 64
#define SECOND_US 1000000

struct peer {
	struct passes *passes;
	struct ipc_channel *channel; /* NULL: none */
	uint32_t worker;
	int64_t left;	     /* pairs that it may ask for, times SECOND_US */
	int64_t left_us;     /* as of then */
	uint64_t refused;    /* since the last event about it */
	const char *why;     /* it was refused the last time */
	struct event *pause; /* pending: the last event is not long ago */
};

/* A message that is not answered yet. */
struct ask {
	struct peer *peer;
	uint32_t id;
	struct msg_names_done done;
};

struct passes {
	struct event_base *base;
	struct passes_listener listener;
	struct event *commit;
	struct pairs *pairs;
	struct elements *elements;
	uint32_t places[ELEMENTS_MAX]; /* of the elements, in the pairs */
	struct ask asks[ASKS_MAX];
	size_t asked;
	const struct image *image; /* NULL: no rules yet */
	unsigned int table;
	const char *suffix;
	int64_t failed_us; /* of the last event about the kernel; 0: none yet */
	struct peer peers[LIMIT_WORKERS];
};

static void
peer_close(struct peer *peer)
{
	struct passes *passes = peer->passes;
	size_t i;

	for (i = 0; i < passes->asked; i++)
		if (passes->asks[i].peer == peer)
			passes->asks[i].peer = NULL;
	ipc_channel_free(peer->channel);
	peer->channel = NULL;
}

static void
on_end(void *ctx, const char *why)
{
	struct peer *peer = ctx;
	const struct passes_listener *listener = &peer->passes->listener;

	peer_close(peer);
	if (why != NULL)
		listener->breach(listener->ctx, peer->worker, why);
}

static void
refused_tell(struct peer *peer)
{
	static const struct timeval pause = { .tv_sec = TELL_EVERY_S };
	const struct passes_listener *listener = &peer->passes->listener;
	char text[160];

	if (peer->refused == 0 || event_pending(peer->pause, EV_TIMEOUT, NULL))
		return;
	(void)snprintf(text, sizeof(text),
	    "dnsd %u asked %ju times for a pass that it does not get, the last"
	    " time: %s",
	    peer->worker, (uintmax_t)peer->refused, peer->why);
	peer->refused = 0;
	event_add(peer->pause, &pause);
	listener->refused(listener->ctx, text);
}

/* What was refused meanwhile would else be told of with the next one only. */
static void
on_pause_over(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	refused_tell(arg);
}

/* 1 when one more is within its rate. */
static int
rate_take(struct peer *peer)
{
	int64_t now_us = clock_mono_us(), most = (int64_t)RATE * SECOND_US;
	int64_t past_us = now_us - peer->left_us;

	if (past_us > SECOND_US)
		past_us = SECOND_US;
	peer->left += past_us * RATE;
	if (peer->left > most)
		peer->left = most;
	peer->left_us = now_us;
	if (peer->left < SECOND_US)
		return 0;
	peer->left -= SECOND_US;
	return 1;
}

/* NULL, or why it is refused. */
static const char *
judge(struct peer *peer, const struct names_pair *asked, struct pair *pair)
{
	const struct image *image = peer->passes->image;

	memcpy(pair->client.byte, asked->client, sizeof(pair->client.byte));
	memcpy(pair->server.byte, asked->server, sizeof(pair->server.byte));
	pair->rule = asked->rule;
	if (asked->reserved != 0 || asked->left_s == 0 ||
	    asked->left_s > TOLD_LIFE_MAX_S)
		return "a time that no answer has";
	if (!told_fits(image, image_rule(image, asked->rule), &pair->client,
		&pair->server))
		return "no rule passes between those addresses";
	if (!rate_take(peer))
		return "too many in a second";
	return NULL;
}

static void
element_add(struct passes *passes, const struct pair *pair, uint32_t left_s)
{
	char set[SET_NAME_BYTES];
	int len = snprintf(set, sizeof(set), TOLD_SET_FORMAT,
	    image_settings(passes->image)->generation, pair->rule,
	    addr_is_v4(&pair->client) ? 4 : 6);

	(void)snprintf(
	    set + len, sizeof(set) - (size_t)len, "%s", passes->suffix);
	elements_add(
	    passes->elements, set, &pair->client, &pair->server, left_s);
}

/* 1 when the kernel has it, or is going to. */
static int
take(struct peer *peer, const struct names_pair *asked)
{
	struct passes *passes = peer->passes;
	uint32_t now_s = (uint32_t)(clock_mono_us() / SECOND_US);
	struct pair pair;
	const char *why = judge(peer, asked, &pair);
	uint32_t *place = &passes->places[elements_count(passes->elements)];

	if (why == NULL) {
		pair.until_s = now_s + asked->left_s;
		switch (pairs_put(passes->pairs, &pair, now_s, place)) {
		case PAIRS_NEW:
			element_add(passes, &pair, asked->left_s);
			return 1;
		case PAIRS_KNOWN:
			return 1;
		case PAIRS_FULL:
			why = "no room for more of that client";
			break;
		}
	}
	peer->refused++;
	peer->why = why;
	refused_tell(peer);
	return 0;
}

/* Whether rules of that generation have sets. */
static int
is_current(const struct passes *passes, uint32_t generation)
{
	return passes->image != NULL && passes->suffix != NULL &&
	       image_settings(passes->image)->generation == generation;
}

static void
answer(struct ask *ask, int failed)
{
	if (failed) {
		ask->done.refused += ask->done.taken;
		ask->done.taken = 0;
	}
	/* It asks and does not read. */
	if (ask->peer != NULL &&
	    IPC_SEND(ask->peer->channel, MSG_NAMES_DONE, ask->id, &ask->done,
		-1) == -1 &&
	    errno == ENOBUFS)
		on_end(ask->peer, "answers that are not read");
}

/* Rules that change at this moment are a reason that tells nothing. */
static void
failure_tell(struct passes *passes, int error)
{
	int64_t now_us = clock_mono_us();
	char text[128];

	if (error == ENOENT ||
	    (passes->failed_us != 0 &&
		now_us - passes->failed_us < (int64_t)TELL_EVERY_S * SECOND_US))
		return;
	passes->failed_us = now_us;
	(void)snprintf(text, sizeof(text),
	    "the kernel does not take passes of names: %s", strerror(error));
	passes->listener.refused(passes->listener.ctx, text);
}

static void
commit(struct passes *passes)
{
	size_t i, count = elements_count(passes->elements);
	int failed = elements_run(passes->elements) == -1;

	if (failed)
		failure_tell(passes, errno);
	for (i = 0; failed && i < count; i++)
		pairs_drop(passes->pairs, passes->places[i]);
	for (i = 0; i < passes->asked; i++)
		answer(&passes->asks[i], failed);
	passes->asked = 0;
}

static void
on_commit(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	commit(arg);
}

static void
on_names_ask(void *ctx, struct ipc_message *message)
{
	const struct msg_names_ask *body = message->body;
	struct peer *peer = ctx;
	struct passes *passes = peer->passes;
	struct ask *ask;
	uint32_t i;

	if (passes->asked == ASKS_MAX ||
	    elements_count(passes->elements) + body->count > ELEMENTS_MAX)
		commit(passes);
	if (peer->channel == NULL)
		return;
	ask = &passes->asks[passes->asked++];
	*ask = (struct ask){ .peer = peer, .id = message->id };
	for (i = 0; i < body->count; i++)
		if (is_current(passes, body->generation) &&
		    take(peer, &body->pair[i]))
			ask->done.taken++;
		else
			ask->done.refused++;
	event_active(passes->commit, EV_TIMEOUT, 0);
}

static const struct ipc_handler handlers[] = {
	{ MSG_NAMES_ASK, on_names_ask },
	{ MSG_NONE, NULL },
};

struct passes *
passes_new(struct event_base *base, const struct passes_listener *listener)
{
	struct passes *passes = calloc(1, sizeof(*passes));
	uint32_t i;

	if (passes == NULL)
		return NULL;
	passes->base = base;
	passes->listener = *listener;
	passes->pairs = pairs_new();
	passes->elements = elements_new();
	passes->commit = event_new(base, -1, 0, on_commit, passes);
	if (passes->pairs == NULL || passes->elements == NULL ||
	    passes->commit == NULL ||
	    event_priority_set(passes->commit, LOOP_MESSAGES) == -1)
		return NULL;
	for (i = 0; i < LIMIT_WORKERS; i++) {
		passes->peers[i].passes = passes;
		passes->peers[i].worker = i;
		passes->peers[i].pause =
		    evtimer_new(base, on_pause_over, &passes->peers[i]);
		if (passes->peers[i].pause == NULL)
			return NULL;
	}
	return passes;
}

void
passes_follow(struct passes *passes, const struct image *image,
    unsigned int table, const char *suffix)
{
	struct msg_names_lost lost = { .generation =
					   image_settings(image)->generation };
	int is_other = passes->image == NULL || table != passes->table;
	uint32_t i;

	passes->image = image;
	passes->table = table;
	passes->suffix = suffix;
	if (!is_other)
		return;
	pairs_clear(passes->pairs);
	for (i = 0; i < LIMIT_WORKERS; i++)
		if (passes->peers[i].channel != NULL)
			(void)IPC_SEND(passes->peers[i].channel, MSG_NAMES_LOST,
			    0, &lost, -1);
}

void
passes_connect(struct passes *passes, uint32_t worker, int fd)
{
	struct peer *peer = &passes->peers[worker];

	peer_close(peer);
	peer->channel = ipc_channel_new(
	    passes->base, fd, IPC_NETCTL, IPC_DNSD, handlers, on_end, peer);
	if (peer->channel == NULL) {
		close(fd);
		return;
	}
	ipc_channel_set_phase(peer->channel, IPC_PHASE_RUN);
}
