/* SPDX-License-Identifier: ISC */
/*
 * Questions that are at the resolver, and the clients that wait for each.
 * Fixed memory: one client has at most an eighth of it, and when it is full,
 * who has more than others gives way.
 */
#ifndef DNSD_PENDING_H
#define DNSD_PENDING_H

#include <sys/queue.h>

#include <stdint.h>

#include "dnsd/client.h"
#include "dnsd/query.h"
#include "dnsd/shares.h"
#include "dnsd/siphash.h"
#include "schema/dns.h"

struct pending;
struct pending_question;

struct waiter {
	struct client client;
	struct query query;
	int64_t asked_us, due_us;
	uint16_t rule; /* for the log */
	struct pending_question *of;
	struct share_hold hold;
	TAILQ_ENTRY(waiter) same; /* who wait for the same question */
	TAILQ_ENTRY(waiter) all;  /* the one that is due first is the first */
};

TAILQ_HEAD(waiter_list, waiter);

struct pending_question {
	uint64_t id; /* 0: nobody has been asked yet */
	struct question question;
	struct waiter_list waiters[2]; /* [1]: those with DO */
	struct waiter *asker;	       /* who waits for fewest, when it came */
	enum dns_held held; /* what the resolver said to the last id */
	uint32_t hash;
	struct pending_question *next; /* in its bucket */
	TAILQ_ENTRY(pending_question) all;
};

/* waiters: how many at most, below 65536.  NULL with ENOMEM. */
struct pending *pending_new(uint32_t waiters, const struct siphash_key *);

enum pending_place {
	PENDING_NEW,	 /* the question is to be asked */
	PENDING_JOINED,	 /* it has been asked already */
	PENDING_AGAIN,	 /* the client has repeated what it waits for */
	PENDING_LIMITED, /* the client has its share */
	PENDING_DENIED,	 /* there is no room */
	PENDING_EVICT,	 /* *waiter has to go first; then ask again */
};

/*
 * Puts a client in; *waiter becomes its place.  due_us must not be less than
 * that of anybody before.
 */
enum pending_place
pending_add(struct pending *, const struct client *, const struct query *,
    int64_t asked_us, int64_t due_us, struct waiter **waiter);

/* Makes an id for the question, a new one when it had one. */
uint64_t pending_name(struct pending *, struct pending_question *);

/* NULL when nobody waits for that any more. */
struct pending_question *pending_find(const struct pending *, uint64_t id);

/* All questions, in the order in which they came; NULL at the end. */
struct pending_question *pending_first(const struct pending *);
struct pending_question *pending_next(const struct pending_question *);

/* Who is due at that time, or NULL. */
struct waiter *pending_due(const struct pending *, int64_t now_us);

/*
 * Takes one out, and its question when nobody else waits for it.  What it says
 * stays until the next one is put in.
 */
void pending_remove(struct pending *, struct waiter *);

uint32_t pending_waiters(const struct pending *);
uint32_t pending_questions(const struct pending *);

void pending_free(struct pending *);

#endif
