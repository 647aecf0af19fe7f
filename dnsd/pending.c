/* SPDX-License-Identifier: ISC */
/*
 * Pools of waiters and questions, as many of each: who waits needs one of each
 * at most.  Names are chosen by clients, so hashes have a key.
 */
#include "dnsd/pending.h"

#include <stdlib.h>
#include <string.h>

#define SHARE_PART 8   /* of all places, what one client may have */
#define REPEATS_SEEN 8 /* of those who wait for the same, looked at */
#define SAMPLES 8      /* of those who may have to go */
#define SLOT_BITS 16

struct pending {
	struct siphash_key key;
	uint32_t most, waiting, asked;
	uint64_t serial;
	uint64_t random;
	struct waiter *waiters;
	struct pending_question *questions;
	struct shares *shares;
	struct waiter_list all, unused;
	TAILQ_HEAD(, pending_question) all_questions;
	struct pending_question *unused_questions;
	uint32_t mask;
	struct pending_question **buckets;
};

static void
pools_fill(struct pending *pending)
{
	uint32_t i;

	for (i = pending->most; i-- > 0;) {
		TAILQ_INSERT_HEAD(&pending->unused, &pending->waiters[i], all);
		pending->questions[i].next = pending->unused_questions;
		pending->unused_questions = &pending->questions[i];
	}
}

struct pending *
pending_new(uint32_t waiters, const struct siphash_key *key)
{
	struct pending *pending = calloc(1, sizeof(*pending));
	uint32_t buckets = 1;

	if (pending == NULL)
		return NULL;
	while (buckets < waiters)
		buckets *= 2;
	pending->key = *key;
	pending->random = key->half[0] | 1;
	pending->most = waiters;
	pending->mask = buckets - 1;
	pending->waiters = calloc(waiters, sizeof(*pending->waiters));
	pending->questions = calloc(waiters, sizeof(*pending->questions));
	pending->shares = shares_new(waiters);
	pending->buckets = calloc(buckets, sizeof(struct pending_question *));
	TAILQ_INIT(&pending->all);
	TAILQ_INIT(&pending->unused);
	TAILQ_INIT(&pending->all_questions);
	if (pending->waiters == NULL || pending->questions == NULL ||
	    pending->shares == NULL || pending->buckets == NULL) {
		pending_free(pending);
		return NULL;
	}
	pools_fill(pending);
	return pending;
}

static uint32_t
question_hash(const struct pending *pending, const struct question *question)
{
	struct siphash_key key = pending->key;

	key.half[1] ^=
	    (uint64_t)question->qtype << 1 | (question->checking_disabled != 0);
	return (uint32_t)siphash(&key, question->name, question->name_bytes);
}

static int
question_equal(const struct question *a, const struct question *b)
{
	return a->qtype == b->qtype && a->name_bytes == b->name_bytes &&
	       !a->checking_disabled == !b->checking_disabled &&
	       memcmp(a->name, b->name, a->name_bytes) == 0;
}

static struct pending_question *
question_find(
    struct pending *pending, const struct question *question, uint32_t hash)
{
	struct pending_question *found = pending->buckets[hash & pending->mask];

	while (found != NULL && !question_equal(&found->question, question))
		found = found->next;
	return found;
}

static struct pending_question *
question_new(
    struct pending *pending, const struct question *question, uint32_t hash)
{
	struct pending_question **bucket =
	    &pending->buckets[hash & pending->mask];
	struct pending_question *new = pending->unused_questions;

	pending->unused_questions = new->next;
	new->id = 0;
	new->question = *question;
	new->hash = hash;
	new->asker = NULL;
	new->held = DNS_HELD_NOT;
	TAILQ_INIT(&new->waiters[0]);
	TAILQ_INIT(&new->waiters[1]);
	new->next = *bucket;
	*bucket = new;
	TAILQ_INSERT_TAIL(&pending->all_questions, new, all);
	pending->asked++;
	return new;
}

static void
question_drop(struct pending *pending, struct pending_question *question)
{
	struct pending_question **at =
	    &pending->buckets[question->hash & pending->mask];

	while (*at != question)
		at = &(*at)->next;
	*at = question->next;
	TAILQ_REMOVE(&pending->all_questions, question, all);
	question->id = 0;
	question->next = pending->unused_questions;
	pending->unused_questions = question;
	pending->asked--;
}

static int
is_repeated(const struct pending_question *question,
    const struct client *client, const struct query *query)
{
	const struct waiter *waiter;
	int seen = 0;

	TAILQ_FOREACH (waiter, &question->waiters[query->dnssec_ok], same) {
		if (waiter->query.id == query->id &&
		    waiter->client.port == client->port &&
		    waiter->client.transport == client->transport &&
		    waiter->client.connection == client->connection &&
		    addr_compare(&waiter->client.addr, &client->addr) == 0 &&
		    addr_compare(&waiter->client.server, &client->server) == 0)
			return 1;
		if (++seen == REPEATS_SEEN)
			break;
	}
	return 0;
}

static uint32_t
random_below(struct pending *pending, uint32_t limit)
{
	pending->random ^= pending->random << 13;
	pending->random ^= pending->random >> 7;
	pending->random ^= pending->random << 17;
	return (uint32_t)(pending->random >> 32) % limit;
}

/* Of some taken at random, when every place is taken: who has most. */
static struct waiter *
victim(struct pending *pending)
{
	struct waiter *waiter, *most = NULL;
	int i;

	for (i = 0; i < SAMPLES; i++) {
		waiter =
		    &pending->waiters[random_below(pending, pending->most)];
		if (most == NULL ||
		    waiter->hold.client->count > most->hold.client->count)
			most = waiter;
	}
	return most;
}

static int
has_fewer(const struct share_hold *one, const struct share_hold *other)
{
	if (one->client != other->client || one->host == NULL)
		return one->client->count < other->client->count;
	return one->host->count < other->host->count;
}

static struct waiter *
waiter_new(struct pending *pending, struct pending_question *question,
    const struct share_tags *tags, const struct query *query)
{
	struct waiter *waiter = TAILQ_FIRST(&pending->unused);

	TAILQ_REMOVE(&pending->unused, waiter, all);
	waiter->query = *query;
	waiter->of = question;
	shares_take(pending->shares, tags, &waiter->hold);
	if (question->asker == NULL ||
	    has_fewer(&waiter->hold, &question->asker->hold))
		question->asker = waiter;
	TAILQ_INSERT_TAIL(&question->waiters[query->dnssec_ok], waiter, same);
	TAILQ_INSERT_TAIL(&pending->all, waiter, all);
	pending->waiting++;
	return waiter;
}

static enum pending_place
admit(struct pending *pending, const struct share_tags *tags,
    struct waiter **waiter)
{
	if (!shares_allow(pending->shares, tags,
		(pending->most + SHARE_PART - 1) / SHARE_PART))
		return PENDING_LIMITED;
	if (pending->waiting < pending->most)
		return PENDING_NEW;
	*waiter = victim(pending);
	return (*waiter)->hold.client->count >
		       shares_count(pending->shares, tags) + 1
		   ? PENDING_EVICT
		   : PENDING_DENIED;
}

enum pending_place
pending_add(struct pending *pending, const struct client *client,
    const struct query *query, int64_t asked_us, int64_t due_us,
    struct waiter **waiter)
{
	uint32_t hash = question_hash(pending, &query->question);
	struct pending_question *question =
	    question_find(pending, &query->question, hash);
	struct share_tags tags = shares_tags(&pending->key, &client->addr);
	enum pending_place place;

	if (question != NULL && is_repeated(question, client, query))
		return PENDING_AGAIN;
	place = admit(pending, &tags, waiter);
	if (place != PENDING_NEW)
		return place;
	if (question != NULL)
		place = PENDING_JOINED;
	else
		question = question_new(pending, &query->question, hash);
	*waiter = waiter_new(pending, question, &tags, query);
	(*waiter)->client = *client;
	(*waiter)->asked_us = asked_us;
	(*waiter)->due_us = due_us;
	return place;
}

uint64_t
pending_name(struct pending *pending, struct pending_question *question)
{
	question->id = ++pending->serial << SLOT_BITS |
		       (uint64_t)(question - pending->questions);
	return question->id;
}

struct pending_question *
pending_find(const struct pending *pending, uint64_t id)
{
	uint64_t slot = id & ((1U << SLOT_BITS) - 1);

	if (id == 0 || slot >= pending->most ||
	    pending->questions[slot].id != id)
		return NULL;
	return &pending->questions[slot];
}

struct pending_question *
pending_first(const struct pending *pending)
{
	return TAILQ_FIRST(&pending->all_questions);
}

struct pending_question *
pending_next(const struct pending_question *question)
{
	return TAILQ_NEXT(question, all);
}

struct waiter *
pending_due(const struct pending *pending, int64_t now_us)
{
	struct waiter *first = TAILQ_FIRST(&pending->all);

	return first != NULL && first->due_us <= now_us ? first : NULL;
}

void
pending_remove(struct pending *pending, struct waiter *waiter)
{
	struct pending_question *question = waiter->of;

	TAILQ_REMOVE(&question->waiters[waiter->query.dnssec_ok], waiter, same);
	TAILQ_REMOVE(&pending->all, waiter, all);
	if (question->asker == waiter)
		question->asker = TAILQ_EMPTY(&question->waiters[0])
				      ? TAILQ_FIRST(&question->waiters[1])
				      : TAILQ_FIRST(&question->waiters[0]);
	if (question->asker == NULL)
		question_drop(pending, question);
	shares_give(pending->shares, &waiter->hold);
	TAILQ_INSERT_TAIL(&pending->unused, waiter, all);
	pending->waiting--;
}

uint32_t
pending_waiters(const struct pending *pending)
{
	return pending->waiting;
}

uint32_t
pending_questions(const struct pending *pending)
{
	return pending->asked;
}

void
pending_free(struct pending *pending)
{
	free(pending->waiters);
	free(pending->questions);
	shares_free(pending->shares);
	free(pending->buckets);
	free(pending);
}
