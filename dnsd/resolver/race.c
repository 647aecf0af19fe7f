/* SPDX-License-Identifier: ISC */
/*
 * Owns the questions, and what is known of the servers.  Of an answer it looks
 * at the verdict alone: whether it is one, or a failure.
 */
#include "dnsd/resolver/race.h"

#include <sys/queue.h>

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "dnsd/resolver/standing.h"

#define RCODE_SERVFAIL 2

enum attempt_state { ON_ITS_WAY, FAILED, ANSWERED };

struct attempt {
	struct question *question;
	unsigned int server;
	enum attempt_state state;
	int was_sent; /* what comes before that is of a cache */
	int64_t asked_us;
};

struct question {
	TAILQ_ENTRY(question) entry;
	struct race *race;
	engine_fn *answer; /* NULL: it has been called */
	void *ctx;
	struct event *timer;
	struct engine_question asked;
	uint8_t name[LIMIT_DNS_NAME_BYTES];
	struct attempt attempts[RACE_ATTEMPTS];
	unsigned int count;
	unsigned int holds; /* attempts on their way, and whoever is at it */
	uint16_t bogus_ede;
	int is_bogus; /* a failure was */
};

struct race {
	struct event_base *base;
	const struct race_ops *ops;
	void *ctx;
	TAILQ_HEAD(questions, question) questions;
	unsigned int servers;
	struct standing standings[];
};

static void
question_free(struct question *question)
{
	TAILQ_REMOVE(&question->race->questions, question, entry);
	event_free(question->timer);
	free(question);
}

static void
release(struct question *question)
{
	if (--question->holds == 0)
		question_free(question);
}

static int
has_tried(const struct question *question, unsigned int server)
{
	unsigned int i;

	for (i = 0; i < question->count; i++)
		if (question->attempts[i].server == server)
			return 1;
	return 0;
}

static int
is_on_its_way(const struct question *question)
{
	unsigned int i;

	for (i = 0; i < question->count; i++)
		if (question->attempts[i].state == ON_ITS_WAY)
			return 1;
	return 0;
}

/* The best that was not tried yet; -1: there is none. */
static int
choose(const struct question *question)
{
	const struct standing *standings = question->race->standings;
	unsigned int i;
	int best = -1;

	for (i = 0; i < question->race->servers; i++)
		if (!has_tried(question, i) &&
		    (best == -1 ||
			standing_is_better(&standings[i], &standings[best])))
			best = (int)i;
	return best;
}

/* One that is due and was not tried; -1: there is none. */
static int
choose_due(const struct question *question, int64_t now_us)
{
	const struct race *race = question->race;
	unsigned int i;

	for (i = 0; i < race->servers; i++)
		if (!has_tried(question, i) &&
		    standing_is_due(&race->standings[i], now_us))
			return (int)i;
	return -1;
}

static int
is_good(const struct engine_answer *answer)
{
	return answer->rcode != RCODE_SERVFAIL &&
	       answer->security != DNS_SECURITY_BOGUS;
}

/* One has answered; what of the others? */
static void
judge(struct question *question)
{
	int64_t now_us = clock_mono_us();
	const struct attempt *attempt;
	struct standing *standing;
	unsigned int i;

	for (i = 0; i < question->count; i++) {
		attempt = &question->attempts[i];
		standing = &question->race->standings[attempt->server];
		if (attempt->state == FAILED ||
		    (attempt->state == ON_ITS_WAY &&
			now_us - attempt->asked_us >
			    standing_patience_us(standing)))
			standing_failed(standing, now_us);
	}
}

static void
finish(struct question *question, const struct engine_answer *answer)
{
	struct engine_answer failure = *answer;
	engine_fn *call = question->answer;

	(void)event_del(question->timer);
	question->answer = NULL;
	if (is_good(answer)) {
		judge(question);
		call(question->ctx, answer);
		return;
	}
	if (question->is_bogus) {
		failure.security = DNS_SECURITY_BOGUS;
		failure.ede = question->bogus_ede;
	}
	call(question->ctx, &failure);
}

static void on_answer(void *arg, const struct engine_answer *answer);

/* -1: that one cannot be asked. */
static int
ask(struct question *question, unsigned int server)
{
	struct attempt *attempt = &question->attempts[question->count++];
	struct race *race = question->race;

	attempt->question = question;
	attempt->server = server;
	attempt->state = ON_ITS_WAY;
	attempt->asked_us = clock_mono_us();
	standing_asked(&race->standings[server], attempt->asked_us);
	question->holds++;
	if (race->ops->ask(
		race->ctx, server, &question->asked, on_answer, attempt) == 0) {
		attempt->was_sent = 1;
		return 0;
	}
	question->holds--;
	attempt->state = FAILED;
	return -1;
}

static void
timer_set(struct question *question, unsigned int server)
{
	int64_t delay_us =
	    standing_patience_us(&question->race->standings[server]);
	struct timeval delay = { .tv_sec = delay_us / 1000000,
		.tv_usec = delay_us % 1000000 };

	if (question->answer != NULL &&
	    question->count < question->race->servers)
		event_add(question->timer, &delay);
}

/* -1: there is nobody left to ask. */
static int
ask_next(struct question *question)
{
	int server;

	while (question->count < RACE_ATTEMPTS &&
	       (server = choose(question)) != -1) {
		if (ask(question, (unsigned int)server) == -1)
			continue;
		timer_set(question, (unsigned int)server);
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
	question->holds++;
	(void)ask_next(question);
	release(question);
}

static void
fail(struct question *question, const struct engine_answer *answer)
{
	if (answer->security == DNS_SECURITY_BOGUS) {
		question->is_bogus = 1;
		question->bogus_ede = answer->ede;
	}
	if (!is_on_its_way(question) && ask_next(question) == -1)
		finish(question, answer);
}

static void
on_answer(void *arg, const struct engine_answer *answer)
{
	struct attempt *attempt = arg;
	struct question *question = attempt->question;
	int64_t took_us = clock_mono_us() - attempt->asked_us;

	attempt->state = is_good(answer) ? ANSWERED : FAILED;
	if (attempt->state == ANSWERED && attempt->was_sent)
		standing_answered(
		    &question->race->standings[attempt->server], took_us);
	if (question->answer == NULL)
		;
	else if (attempt->state == ANSWERED)
		finish(question, answer);
	else
		fail(question, answer);
	release(question);
}

static struct question *
question_new(struct race *race, const struct engine_question *asked,
    engine_fn *answer, void *ctx)
{
	struct question *question = calloc(1, sizeof(*question));

	if (question == NULL)
		return NULL;
	question->timer = event_new(race->base, -1, 0, on_timer, question);
	if (question->timer == NULL) {
		free(question);
		return NULL;
	}
	question->race = race;
	question->answer = answer;
	question->ctx = ctx;
	question->asked = *asked;
	memcpy(question->name, asked->name, asked->name_bytes);
	question->asked.name = question->name;
	question->holds = 1;
	TAILQ_INSERT_TAIL(&race->questions, question, entry);
	return question;
}

int
race_ask(struct race *race, const struct engine_question *asked,
    engine_fn *answer, void *ctx)
{
	struct question *question;
	int due, result;

	if (asked->name_bytes > LIMIT_DNS_NAME_BYTES) {
		errno = EINVAL;
		return -1;
	}
	if ((question = question_new(race, asked, answer, ctx)) == NULL) {
		errno = ENOMEM;
		return -1;
	}
	result = ask_next(question);
	due = choose_due(question, clock_mono_us());
	if (result == 0 && due != -1 && question->count < RACE_ATTEMPTS)
		(void)ask(question, (unsigned int)due);
	release(question);
	return result;
}

struct race *
race_new(struct event_base *base, unsigned int servers,
    const struct race_ops *ops, void *ctx)
{
	struct race *race =
	    calloc(1, sizeof(*race) + servers * sizeof(race->standings[0]));

	if (race == NULL)
		return NULL;
	race->base = base;
	race->servers = servers;
	race->ops = ops;
	race->ctx = ctx;
	TAILQ_INIT(&race->questions);
	return race;
}

void
race_free(struct race *race)
{
	if (race == NULL)
		return;
	while (!TAILQ_EMPTY(&race->questions))
		question_free(TAILQ_FIRST(&race->questions));
	free(race);
}
