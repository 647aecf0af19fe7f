/* SPDX-License-Identifier: ISC */
/*
 * Answers.  A resolver's message is taken apart once and becomes an answer:
 * checked, stripped of what this kind of client does not want, its names
 * compressed against the question.  From that every client's message is made by
 * a copy: own id, letter case and flags, and the time that has passed.
 */
#ifndef DNSD_ANSWER_H
#define DNSD_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "dnsd/front.h"

struct maker;
struct query;

enum answer_has {
	ANSWER_ADDRESSES = 1, /* of the name asked for, or its SVCB, HTTPS */
	ANSWER_ALIASES = 2,   /* CNAME records */
};

struct answer {
	uint16_t rcode;
	uint16_t ede; /* or DNS_EDE_NONE */
	uint16_t answers, authorities;
	uint16_t body_bytes, summary_bytes;
	uint8_t security; /* enum dns_security */
	uint8_t has;	  /* enum answer_has */
	uint16_t zero;
	uint32_t ttl_s;		/* how long it may be kept; 0: not at all */
	const uint16_t *ttls;	/* where in the message, of each record */
	const uint8_t *body;	/* the message from behind the question on */
	const uint8_t *summary; /* as in struct dns_record */
};

struct answer_limits {
	uint32_t ttl_max_s, ttl_negative_max_s;
	/*
	 * Whether a name, in wire form and lower case, may lead to addresses of
	 * private networks; NULL: each may.  Records that do otherwise by hints
	 * (SVCB, HTTPS) are left out, as those of addresses (A, AAAA) were by
	 * the resolver, with their signatures; who checks these sees that
	 * something is missing.
	 */
	int (*may_be_private)(void *ctx, const uint8_t *name, size_t bytes);
	void *ctx;
};

#define ANSWER_RECORDS_MAX 2048

/*
 * What the resolver says about a question.  -1 when the message is not in
 * order, is about something else or has more than ANSWER_RECORDS_MAX records.
 */
int answer_take(struct maker *, const struct question *, int dnssec_ok,
    const struct resolution *, const struct answer_limits *, struct answer *);

/* The same answer to another question; message room is the caller's. */
int answer_move(struct maker *, const struct answer *from,
    const struct question *asked, const struct question *, int dnssec_ok,
    struct answer *);

/* No records at all.  Not to be kept. */
void answer_error(struct answer *, unsigned int rcode, unsigned int ede);

/* How old an answer is; stale: every TTL is ANSWER_STALE_TTL_S. */
struct answer_age {
	uint32_t age_s;
	int stale;
};

#define ANSWER_STALE_TTL_S 30 /* RFC 8767, 4 */

/*
 * The message for a client, of at most max bytes, with TC when it is longer:
 * then without records.  max: at least 512.  Its length.
 */
size_t answer_write(const struct answer *, const struct query *,
    const struct answer_age *, uint8_t *message, size_t max);

/* The TTL that the client is told, or DNS_TTL_NONE. */
uint32_t answer_ttl(const struct answer *, const struct answer_age *);

/* Record i of the answer section: its type and data. */
struct answer_record {
	uint16_t type;
	uint16_t bytes;
	const uint8_t *data;
};

void answer_record(const struct answer *, const struct question *,
    unsigned int i, struct answer_record *);

/*
 * When record i is an alias (CNAME): the name that it leads to, in lower case,
 * and its length; else 0.
 */
size_t answer_alias(const struct answer *, const struct question *,
    unsigned int i, uint8_t name[LIMIT_DNS_NAME_BYTES]);

#endif
