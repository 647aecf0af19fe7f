/* SPDX-License-Identifier: ISC */
/*
 * Reads nothing of the network itself: query.c and answer.c have done that
 * before anything here looks at a question or an answer.
 */
#include "dnsd/serve.h"

#include <event2/event.h>
#include <string.h>

#include "common/clock.h"
#include "dnsd/block.h"
#include "dnsd/dname.h"
#include "dnsd/query.h"
#include "dnsd/report.h"
#include "dnsd/tcp.h"
#include "dnsd/udp.h"
#include "dnsd/wire.h"

#define SECOND_US 1000000
/* Readings of two clocks differ by less, unless one of them was set. */
#define EPOCH_SLACK_US 1000

/* What cannot be looked up, and names that are not there, have no age. */
static const struct answer_age new = { 0, 0 };

void
serve_begin(struct front *front)
{
	int64_t now_us = clock_mono_us();
	int64_t epoch_us = clock_real_us() - now_us;

	if (now_us > front->now_us)
		front->now_us = now_us;
	if (epoch_us - front->epoch_us > EPOCH_SLACK_US ||
	    front->epoch_us - epoch_us > EPOCH_SLACK_US)
		front->epoch_us = epoch_us;
}

static uint32_t
now_s(const struct front *front)
{
	return (uint32_t)(front->now_us / SECOND_US);
}

static enum cache_kind
kind_of(const struct query *query)
{
	return query->dnssec_ok ? CACHE_DNSSEC : CACHE_PLAIN;
}

static enum cache_kind
no_name_kind(const struct query *query)
{
	return query->dnssec_ok ? CACHE_NO_NAME_DNSSEC : CACHE_NO_NAME;
}

static void
verdict_ask(struct front *front, const struct client *client,
    const uint8_t *name, size_t name_bytes, uint16_t qtype,
    struct front_verdict *verdict)
{
	*verdict = (struct front_verdict){
		.answer = FRONT_PASS,
		.rule = DNS_RULE_NONE,
		.ede = DNS_EDE_NONE,
	};
	if (front->ops->policy != NULL)
		front->ops->policy(front->ctx, &client->addr, name, name_bytes,
		    qtype, verdict);
}

/* The policy on the aliases that an answer goes by. */
static void
verdict_on_aliases(struct front *front, const struct reply *reply,
    struct front_verdict *verdict)
{
	const struct question *question = &reply->query->question;
	uint8_t name[LIMIT_DNS_NAME_BYTES];
	unsigned int i;
	size_t len;

	if (front->ops->policy == NULL ||
	    (reply->answer->has & ANSWER_ALIASES) == 0)
		return;
	for (i = 0; i < reply->answer->answers; i++) {
		len = answer_alias(reply->answer, question, i, name);
		if (len == 0)
			continue;
		verdict_ask(
		    front, reply->client, name, len, question->qtype, verdict);
		if (verdict->answer != FRONT_PASS)
			return;
	}
}

/* The answer leaves when the kernel knows, or soon. */
static int
park(struct front *front, const struct reply *reply, const uint8_t *message,
    uint64_t number)
{
	if (parked_add(front->parked, reply->client, message, reply->bytes,
		number, clock_mono_us() + FRONT_LEARN_US) == -1) {
		front->stats.late++;
		return 0;
	}
	if (reply->client->transport == DNS_TRANSPORT_TCP)
		tcp_hold(reply->client->connection);
	return 1;
}

/*
 * Writes the answer and says so to everybody who is to know.  0: it leaves
 * later.
 */
static size_t
finish(struct front *front, struct reply *reply, uint8_t *message)
{
	struct front_verdict verdict = { .answer = FRONT_PASS };
	struct answer blocked;
	uint64_t number;
	size_t max = reply->client->transport == DNS_TRANSPORT_TCP
			 ? LIMIT_DNS_PACKET_BYTES
			 : reply->query->udp_bytes;

	verdict_on_aliases(front, reply, &verdict);
	if (verdict.answer != FRONT_PASS) {
		block_answer(front->block_maker, &reply->query->question,
		    &verdict, &blocked);
		reply->answer = &blocked;
		reply->age = &new;
		reply->source = DNS_SOURCE_POLICY;
		reply->rule = verdict.rule;
	}
	number = report_binding(front, reply);
	reply->bytes =
	    answer_write(reply->answer, reply->query, reply->age, message, max);
	report_reply(front, reply);
	if (number != 0 && reply->bytes > 0 &&
	    park(front, reply, message, number))
		return 0;
	return reply->bytes;
}

static size_t
finish_error(struct front *front, const struct client *client,
    const struct query *query, unsigned int rcode, unsigned int ede,
    enum dns_source source, int64_t asked_us, uint8_t *message)
{
	struct answer answer;
	struct reply reply = {
		.client = client,
		.query = query,
		.answer = &answer,
		.age = &new,
		.source = source,
		.rule = DNS_RULE_NONE,
		.asked_us = asked_us,
	};

	answer_error(&answer, rcode, ede);
	return finish(front, &reply, message);
}

/* Something from the cache, fresh or not. */
static size_t
finish_found(struct front *front, const struct client *client,
    const struct query *query, struct cache_found *found, uint16_t rule,
    int64_t asked_us, uint8_t *message)
{
	struct reply reply = {
		.client = client,
		.query = query,
		.answer = &found->answer,
		.age = &found->age,
		.source =
		    found->age.stale ? DNS_SOURCE_STALE : DNS_SOURCE_CACHE,
		.rule = rule,
		.asked_us = asked_us,
	};

	front->stats.cache_hits++;
	if (found->age.stale) {
		front->stats.stale++;
		found->answer.ede = found->answer.rcode == WIRE_NXDOMAIN
					? WIRE_EDE_STALE_NXDOMAIN
					: WIRE_EDE_STALE;
	}
	return finish(front, &reply, message);
}

/* The answer for this name and type, or that there is no such name. */
static enum cache_state
look_up(
    struct front *front, const struct query *query, struct cache_found *found)
{
	struct cache_found other;
	enum cache_state state, of_name;

	state = cache_find(front->cache, &query->question, kind_of(query),
	    now_s(front), found);
	if (state == CACHE_FRESH)
		return state;
	of_name = cache_find(front->cache, &query->question,
	    no_name_kind(query), now_s(front), &other);
	if (of_name == CACHE_MISS ||
	    (of_name == CACHE_STALE && state == CACHE_STALE &&
		found->age.age_s <= other.age.age_s))
		return state;
	*found = other;
	return of_name;
}

/*
 * Below a name that does not exist there is nothing (RFC 8020), which is
 * believed only when that name's zone has proven it.
 */
static int
look_up_above(
    struct front *front, const struct query *query, struct cache_found *found)
{
	struct question above = query->question;
	struct answer moved;
	size_t at = 0;

	if (above.checking_disabled)
		return 0;
	while (query->question.name[at] != 0) {
		at += 1U + query->question.name[at];
		above.name_bytes = (uint8_t)(query->question.name_bytes - at);
		memcpy(above.name, query->question.name + at, above.name_bytes);
		if (cache_find(front->cache, &above, no_name_kind(query),
			now_s(front), found) != CACHE_FRESH ||
		    found->answer.security != DNS_SECURITY_SECURE)
			continue;
		if (answer_move(front->maker, &found->answer, &above,
			&query->question, query->dnssec_ok, &moved) == -1)
			return 0;
		found->answer = moved;
		return 1;
	}
	return 0;
}

/*
 * An answer for one who waited; there may be nobody there any more.  len 0: it
 * waits elsewhere now.
 */
static void
send_later(const struct client *client, const uint8_t *message, size_t len)
{
	if (len == 0) {
		if (client->transport == DNS_TRANSPORT_TCP)
			tcp_release(client->connection);
		return;
	}
	if (client->transport == DNS_TRANSPORT_TCP) {
		(void)tcp_reply(client->connection, message, len);
		return;
	}
	udp_reply(client->udp, client, message, len);
}

void
serve_parked(void *ctx, const struct client *client, const uint8_t *message,
    size_t len, int late)
{
	struct front *front = ctx;

	front->stats.late += late != 0;
	send_later(client, message, len);
}

/* Beyond a limit: an answer no longer than the question, and no row. */
static size_t
refuse(struct front *front, const struct query *query, uint8_t *message)
{
	struct answer answer;

	front->stats.limited++;
	answer_error(&answer, WIRE_REFUSED, WIRE_EDE_OTHER);
	return answer_write(
	    &answer, query, &new, message, WIRE_UDP_PLAIN_BYTES);
}

/* The resolver has, or had, no room for it. */
static int
is_held(const struct pending_question *question)
{
	return question->id == 0 && question->held != DNS_HELD_NOT;
}

/* The resolver was of no use: something stale, or an error. */
static void
give_up(struct front *front, struct waiter *waiter, unsigned int ede)
{
	int limited = is_held(waiter->of) && waiter->of->held == DNS_HELD_SHARE;
	struct cache_found found;
	size_t len;

	pending_remove(front->pending, waiter);
	if (look_up(front, &waiter->query, &found) != CACHE_MISS) {
		if (found.age.stale)
			cache_rest(&found, now_s(front) + SERVE_REST_S);
		len = finish_found(front, &waiter->client, &waiter->query,
		    &found, waiter->rule, waiter->asked_us, front->message);
	} else if (limited) {
		len = refuse(front, &waiter->query, front->message);
	} else {
		len = finish_error(front, &waiter->client, &waiter->query,
		    WIRE_SERVFAIL, ede, DNS_SOURCE_RESOLVER, waiter->asked_us,
		    front->message);
	}
	send_later(&waiter->client, front->message, len);
}

uint32_t
serve_expire(struct front *front)
{
	struct waiter *waiter;

	serve_begin(front);
	while ((waiter = pending_due(front->pending, front->now_us)) != NULL)
		give_up(front, waiter,
		    is_held(waiter->of) ? WIRE_EDE_NOT_READY
					: WIRE_EDE_NO_AUTHORITY);
	return pending_waiters(front->pending);
}

static void
ask(struct front *front, struct pending_question *question)
{
	struct share_tags tags = shares_tags_of(&question->asker->hold);

	/* Who cannot be asked now may be in a moment: see serve_ask_all(). */
	if (!front->resolver_ready ||
	    front->ops->resolve(front->ctx,
		pending_name(front->pending, question), &question->question,
		&tags) == -1)
		question->id = 0;
	else
		question->held = DNS_HELD_NOT;
}

/*
 * What found no room is tried a few times in each turn for each who asks: more
 * than may get in meanwhile, and less than would keep the resolver busy.
 */
static int
may_try(const struct front *front, const struct pending_question *question)
{
	const struct share_hold *hold = &question->asker->hold;
	struct share *share = hold->host != NULL ? hold->host : hold->client;

	if (question->held == DNS_HELD_NOT)
		return 1;
	if (share->turn != front->turn)
		share->tries = 0;
	share->turn = front->turn;
	return share->tries++ < SERVE_TRIES;
}

void
serve_ask_all(struct front *front)
{
	struct pending_question *question = pending_first(front->pending);

	front->turn++;
	for (; question != NULL; question = pending_next(question))
		if (question->id == 0 && may_try(front, question))
			ask(front, question);
}

/* NEW, JOINED or AGAIN: the client waits for its answer; else it cannot. */
static enum pending_place
wait_for(struct front *front, const struct client *client,
    const struct query *query, uint16_t rule)
{
	static const struct timeval tick = { .tv_usec = SERVE_TICK_US };
	struct waiter *waiter;
	enum pending_place place;

	while ((place = pending_add(front->pending, client, query,
		    front->now_us, front->now_us + SERVE_PATIENCE_US,
		    &waiter)) == PENDING_EVICT) {
		front->stats.evicted++;
		give_up(front, waiter, WIRE_EDE_OTHER);
	}
	if (place == PENDING_AGAIN)
		front->stats.repeated++;
	if (place != PENDING_NEW && place != PENDING_JOINED)
		return place;
	waiter->rule = rule;
	if (client->transport == DNS_TRANSPORT_TCP)
		tcp_hold(client->connection);
	if (!event_pending(front->tick, EV_TIMEOUT, NULL))
		(void)event_add(front->tick, &tick);
	/* Also where it waits in the name of one who has more there. */
	if (waiter->of->id == 0 && waiter->of->asker == waiter)
		ask(front, waiter->of);
	return place;
}

static size_t
serve_question(struct front *front, const struct client *client,
    const struct query *query, uint16_t rule, uint8_t *message)
{
	struct cache_found found;
	enum cache_state state = look_up(front, query, &found);
	enum pending_place place;

	if (state == CACHE_FRESH ||
	    (state == CACHE_STALE &&
		(!front->resolver_ready ||
		    cache_is_resting(&found, now_s(front)))))
		return finish_found(
		    front, client, query, &found, rule, front->now_us, message);
	if (look_up_above(front, query, &found))
		return finish_found(
		    front, client, query, &found, rule, front->now_us, message);
	if (!limiter_take(front->miss_limiter, &client->addr, front->now_us))
		return refuse(front, query, message);
	place = wait_for(front, client, query, rule);
	if (place == PENDING_LIMITED)
		return refuse(front, query, message);
	if (place == PENDING_DENIED)
		return finish_error(front, client, query, WIRE_SERVFAIL,
		    WIRE_EDE_OTHER, DNS_SOURCE_RESOLVER, front->now_us,
		    message);
	return 0;
}

static size_t
serve_blocked(struct front *front, const struct client *client,
    const struct query *query, const struct front_verdict *verdict,
    uint8_t *message)
{
	struct answer answer;
	struct reply reply = {
		.client = client,
		.query = query,
		.answer = &answer,
		.age = &new,
		.source = DNS_SOURCE_POLICY,
		.rule = verdict->rule,
		.asked_us = front->now_us,
	};

	block_answer(front->block_maker, &query->question, verdict, &answer);
	return finish(front, &reply, message);
}

size_t
serve_message(struct front *front, const struct client *client,
    const uint8_t *message, size_t len, uint8_t *answer)
{
	struct front_verdict verdict;
	struct query query;
	int rcode = query_parse(message, len, &query);

	if (rcode == QUERY_DROP) {
		front->stats.dropped++;
		return 0;
	}
	front->stats.questions++;
	front->progress++;
	/* No two of them have one time: by it the log knows one told twice. */
	front->now_us++;
	if (!limiter_take(front->limiter, &client->addr, front->now_us)) {
		if (client->transport == DNS_TRANSPORT_TCP)
			return refuse(front, &query, answer);
		front->stats.limited++;
		return 0;
	}
	if (rcode != QUERY_GOOD)
		return finish_error(front, client, &query, (unsigned int)rcode,
		    DNS_EDE_NONE, DNS_SOURCE_NONE, front->now_us, answer);
	verdict_ask(front, client, query.question.name,
	    query.question.name_bytes, query.question.qtype, &verdict);
	if (verdict.answer != FRONT_PASS)
		return serve_blocked(front, client, &query, &verdict, answer);
	return serve_question(front, client, &query, verdict.rule, answer);
}

/* That there is no such name is so for every type, unless it has an alias. */
static enum cache_kind
kept_as(const struct answer *answer, int dnssec_ok)
{
	if (answer->rcode == WIRE_NXDOMAIN && answer->answers == 0)
		return dnssec_ok ? CACHE_NO_NAME_DNSSEC : CACHE_NO_NAME;
	return dnssec_ok ? CACHE_DNSSEC : CACHE_PLAIN;
}

static void
answer_waiter(
    struct front *front, struct waiter *waiter, const struct answer *answer)
{
	struct reply reply = {
		.client = &waiter->client,
		.query = &waiter->query,
		.answer = answer,
		.age = &new,
		.source = DNS_SOURCE_RESOLVER,
		.rule = waiter->rule,
		.asked_us = waiter->asked_us,
	};
	size_t len;

	pending_remove(front->pending, waiter);
	len = finish(front, &reply, front->message);
	send_later(&waiter->client, front->message, len);
}

/* The waiters of one kind; NULL when there are none, or no more. */
static struct waiter *
next_waiter(const struct front *front, uint64_t id, int dnssec_ok)
{
	struct pending_question *question = pending_find(front->pending, id);

	return question == NULL ? NULL
				: TAILQ_FIRST(&question->waiters[dnssec_ok]);
}

/* Whether something stale is better than this answer (RFC 8767, 5). */
static int
stale_is_better(
    struct front *front, const struct query *query, const struct answer *answer)
{
	struct cache_found found;

	return answer->rcode == WIRE_SERVFAIL &&
	       answer->security != DNS_SECURITY_BOGUS &&
	       look_up(front, query, &found) == CACHE_STALE;
}

/* Answers those with DO, or those without, and keeps the answer. */
static void
resolve_kind(
    struct front *front, int dnssec_ok, const struct resolution *resolution)
{
	const struct answer_limits limits = {
		.ttl_max_s = front->settings.ttl_max_s,
		.ttl_negative_max_s = front->settings.ttl_negative_max_s,
		.may_be_private = front->ops->may_be_private,
		.ctx = front->ctx,
	};
	uint64_t id = resolution->id;
	struct waiter *waiter = next_waiter(front, id, dnssec_ok);
	struct answer answer;
	int stale;

	if (waiter == NULL)
		return;
	if (answer_take(front->maker, &waiter->query.question, dnssec_ok,
		resolution, &limits, &answer) == -1) {
		front->stats.bad++;
		answer_error(&answer, WIRE_SERVFAIL, WIRE_EDE_OTHER);
	}
	stale = stale_is_better(front, &waiter->query, &answer);
	if (!stale)
		cache_put(front->cache, &waiter->query.question,
		    kept_as(&answer, dnssec_ok), &answer, now_s(front));
	for (; waiter != NULL; waiter = next_waiter(front, id, dnssec_ok)) {
		if (stale)
			give_up(front, waiter, answer.ede);
		else
			answer_waiter(front, waiter, &answer);
	}
}

void
serve_resolution(struct front *front, const struct resolution *resolution)
{
	struct pending_question *question;

	serve_begin(front);
	if (resolution->held != DNS_HELD_NOT) {
		question = pending_find(front->pending, resolution->id);
		if (question != NULL) {
			question->id = 0;
			question->held = resolution->held;
		}
		return;
	}
	resolve_kind(front, 0, resolution);
	resolve_kind(front, 1, resolution);
}
