/* SPDX-License-Identifier: ISC */
/*
 * Owns the questions.  Believes of an answer only that it repeats the question
 * that the server was asked; what it says is for the resolver to validate.
 */
#include "dnsd/dot/forward.h"

#include <sys/queue.h>

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "dnsd/dot/packet.h"

#define ATTEMPTS 3 /* of one question, over all servers */
#define NO_ID (-1)

struct attempt {
	uint16_t server;
	int id; /* or NO_ID: over */
};

struct question {
	struct forward *forward;
	TAILQ_ENTRY(question) entry; /* of free ones, or of those that wait */
	struct event *timer;
	int64_t due_us;
	struct asker asker;
	struct attempt attempts[ATTEMPTS];
	unsigned int attempt_count;
	uint16_t id; /* the asker's */
	size_t len;
	uint8_t query[PACKET_QUERY_BYTES];
};

TAILQ_HEAD(question_list, question);

struct forward {
	struct event_base *base;
	const struct forward_ops *ops;
	void *ctx;
	struct server *servers[FORWARD_SERVERS];
	uint16_t server_count;
	struct question_list free;
	struct question_list waiting; /* the eldest is the first */
	struct forward_totals totals;
	struct question questions[FORWARD_QUESTIONS];
};

static uint32_t
number(const struct question *question)
{
	return (uint32_t)(question - question->forward->questions);
}

static void
forget_attempts(struct question *question)
{
	struct attempt *attempt;
	unsigned int i;

	for (i = 0; i < question->attempt_count; i++) {
		attempt = &question->attempts[i];
		if (attempt->id != NO_ID)
			server_forget(
			    question->forward->servers[attempt->server],
			    attempt->id);
		attempt->id = NO_ID;
	}
}

static void
finish(struct question *question, uint8_t *answer, size_t len)
{
	struct forward *forward = question->forward;

	event_del(question->timer);
	forget_attempts(question);
	packet_set_id(answer, question->id);
	forward->ops->answer(forward->ctx, &question->asker, question->query,
	    question->len, answer, len);
	TAILQ_REMOVE(&forward->waiting, question, entry);
	TAILQ_INSERT_HEAD(&forward->free, question, entry);
}

static void
refuse(struct question *question)
{
	uint8_t answer[PACKET_QUERY_BYTES];
	size_t len;

	question->forward->totals.failed++;
	memcpy(answer, question->query, question->len);
	len = packet_refuse(answer, question->len, PACKET_SERVFAIL, 0);
	finish(question, answer, len);
}

static int
has_tried(const struct question *question, uint16_t server)
{
	unsigned int i;

	for (i = 0; i < question->attempt_count; i++)
		if (question->attempts[i].server == server)
			return 1;
	return 0;
}

static int
is_on_its_way(const struct question *question)
{
	unsigned int i;

	for (i = 0; i < question->attempt_count; i++)
		if (question->attempts[i].id != NO_ID)
			return 1;
	return 0;
}

static int
is_better(const struct server *one, const struct server *other, int64_t now_us)
{
	enum server_standing a = server_standing(one, now_us);
	enum server_standing b = server_standing(other, now_us);

	if (a != b)
		return a < b;
	return server_median_us(one) < server_median_us(other);
}

/*
 * The fastest of the best that are not aside, of those not tried for this
 * question before, or of all; one that was never measured counts as fast, to be
 * measured.
 */
static struct server *
choose(const struct question *question, int again, uint16_t *which)
{
	const struct forward *forward = question->forward;
	int64_t now_us = clock_mono_us();
	struct server *best = NULL;
	uint16_t i;

	for (i = 0; i < forward->server_count; i++) {
		struct server *server = forward->servers[i];

		if (server_standing(server, now_us) == SERVER_ASIDE ||
		    (!again && has_tried(question, i)))
			continue;
		if (best == NULL || is_better(server, best, now_us)) {
			best = server;
			*which = i;
		}
	}
	return best;
}

static void
timer_set(struct question *question, int64_t delay_us)
{
	struct timeval delay;
	int64_t left_us = question->due_us - clock_mono_us();

	if (delay_us > left_us)
		delay_us = left_us > 0 ? left_us : 0;
	delay.tv_sec = delay_us / 1000000;
	delay.tv_usec = delay_us % 1000000;
	event_add(question->timer, &delay);
}

/* When the next server shall be asked as well. */
static void
hedge_later(struct question *question, const struct server *server)
{
	int64_t delay_us = server_median_us(server);

	if (delay_us == 0)
		delay_us = FORWARD_HEDGE_UNKNOWN_US;
	if (delay_us < FORWARD_HEDGE_LEAST_US)
		delay_us = FORWARD_HEDGE_LEAST_US;
	timer_set(question, delay_us);
}

/* -1: there is nobody to ask. */
static int
ask(struct question *question, int again)
{
	struct attempt *attempt;
	struct server *server;
	uint16_t which;

	while (question->attempt_count < ATTEMPTS &&
	       (server = choose(question, again, &which)) != NULL) {
		attempt = &question->attempts[question->attempt_count++];
		attempt->server = which;
		attempt->id = server_ask(
		    server, number(question), question->query, question->len);
		if (attempt->id == NO_ID)
			continue;
		hedge_later(question, server);
		return 0;
	}
	return -1;
}

static void
on_timer(int fd, short what, void *arg)
{
	struct question *question = arg;

	(void)fd;
	(void)what;
	if (clock_mono_us() >= question->due_us) {
		refuse(question);
		return;
	}
	if (ask(question, 0) == 0)
		question->forward->totals.hedged++;
	else
		timer_set(question, FORWARD_LIMIT_US);
}

/* Ends the attempt with that server, which has answered or is gone. */
static void
attempt_end(struct question *question, const struct server *server)
{
	struct attempt *attempt;
	unsigned int i;

	for (i = 0; i < question->attempt_count; i++) {
		attempt = &question->attempts[i];
		if (question->forward->servers[attempt->server] == server)
			attempt->id = NO_ID;
	}
}

static void
ask_elsewhere(struct question *question)
{
	if (!is_on_its_way(question) && ask(question, 1) == -1)
		refuse(question);
}

static int
on_matches(void *ctx, uint32_t which, const uint8_t *answer, size_t len)
{
	const struct forward *forward = ctx;
	const struct question *question = &forward->questions[which];

	return packet_answers(answer, len, question->query, question->len);
}

/* Of a server that fails itself, another may do better. */
static void
on_answer(void *ctx, const struct server *server, uint32_t which,
    uint8_t *answer, size_t len)
{
	struct forward *forward = ctx;
	struct question *question = &forward->questions[which];

	forward->totals.answers++;
	attempt_end(question, server);
	if (packet_rcode(answer) == PACKET_SERVFAIL &&
	    (is_on_its_way(question) || ask(question, 0) == 0))
		return;
	finish(question, answer, len);
}

static void
on_lost(void *ctx, const struct server *server, uint32_t which)
{
	struct forward *forward = ctx;
	struct question *question = &forward->questions[which];

	attempt_end(question, server);
	ask_elsewhere(question);
}

static void
on_judged(void *ctx, const struct server *server, const char *why)
{
	const struct forward *forward = ctx;

	forward->ops->judged(forward->ctx, server, why);
}

static const struct server_ops server_ops = {
	.matches = on_matches,
	.answer = on_answer,
	.lost = on_lost,
	.judged = on_judged,
};

/*
 * Nobody here knows whose questions they are.  But who is silent about some
 * answers others in a moment, so what has waited longest is worth least.
 */
static struct question *
question_take(struct forward *forward)
{
	struct question *question;

	if (TAILQ_EMPTY(&forward->free))
		refuse(TAILQ_FIRST(&forward->waiting));
	question = TAILQ_FIRST(&forward->free);
	TAILQ_REMOVE(&forward->free, question, entry);
	TAILQ_INSERT_TAIL(&forward->waiting, question, entry);
	return question;
}

void
forward_ask(struct forward *forward, const struct asker *asker,
    const uint8_t *query, size_t len)
{
	struct question *question = question_take(forward);

	forward->totals.questions++;
	question->asker = *asker;
	question->attempt_count = 0;
	question->id = packet_id(query);
	question->len = len;
	memcpy(question->query, query, len);
	question->due_us = clock_mono_us() + FORWARD_LIMIT_US;
	if (ask(question, 0) == -1)
		refuse(question);
}

struct forward_totals
forward_totals(const struct forward *forward)
{
	return forward->totals;
}

int
forward_add(struct forward *forward, struct tls *tls, const struct addr *addr,
    uint16_t port, const char *name)
{
	struct server *server;

	if (forward->server_count == FORWARD_SERVERS) {
		errno = ENOSPC;
		return -1;
	}
	server = server_new(
	    forward->base, tls, addr, port, name, &server_ops, forward);
	if (server == NULL)
		return -1;
	forward->servers[forward->server_count++] = server;
	return 0;
}

struct forward *
forward_new(struct event_base *base, const struct forward_ops *ops, void *ctx)
{
	struct forward *forward = calloc(1, sizeof(*forward));
	struct question *question;
	uint32_t i;

	if (forward == NULL)
		return NULL;
	forward->base = base;
	forward->ops = ops;
	forward->ctx = ctx;
	TAILQ_INIT(&forward->free);
	TAILQ_INIT(&forward->waiting);
	for (i = FORWARD_QUESTIONS; i-- > 0;) {
		question = &forward->questions[i];
		question->forward = forward;
		question->timer = event_new(base, -1, 0, on_timer, question);
		if (question->timer == NULL) {
			forward_free(forward);
			return NULL;
		}
		TAILQ_INSERT_HEAD(&forward->free, question, entry);
	}
	return forward;
}

void
forward_free(struct forward *forward)
{
	uint32_t i;

	if (forward == NULL)
		return;
	for (i = 0; i < forward->server_count; i++)
		server_free(forward->servers[i]);
	for (i = 0; i < FORWARD_QUESTIONS; i++)
		if (forward->questions[i].timer != NULL)
			event_free(forward->questions[i].timer);
	free(forward);
}
