/* SPDX-License-Identifier: ISC */
/*
 * The way of a question: limits, policy, cache, resolver, answer.  Everything
 * here is behind front.h.
 */
#ifndef DNSD_SERVE_H
#define DNSD_SERVE_H

#include <stddef.h>
#include <stdint.h>

#include "dnsd/answer.h"
#include "dnsd/cache.h"
#include "dnsd/client.h"
#include "dnsd/front.h"
#include "dnsd/limiter.h"
#include "dnsd/parked.h"
#include "dnsd/pending.h"

/*
 * Who waits longer gets SERVFAIL or something stale: within two seconds, also
 * where this process has to wait for a CPU.
 */
#define SERVE_PATIENCE_US 1600000
#define SERVE_TICK_US 50000
#define SERVE_REST_S 30 /* RFC 8767, 5: the failure recheck timer */
#define SERVE_WAITERS 8192
#define SERVE_TRIES 16 /* of a client, in a tick, of what found no room */

struct event;
struct tcp;
struct udp;

struct front {
	struct event_base *base;
	const struct front_ops *ops;
	void *ctx;
	struct front_settings settings;
	struct front_stats stats;
	uint64_t progress;
	int64_t now_us;	  /* CLOCK_MONOTONIC; no two questions have one */
	int64_t epoch_us; /* what CLOCK_REALTIME is ahead of it */
	int resolver_ready;
	uint32_t turn; /* of asking what has not been asked */
	struct cache *cache;
	struct limiter *limiter, *miss_limiter;
	struct pending *pending;
	struct parked *parked;
	struct maker *maker, *block_maker;
	struct event *tick; /* pending only while somebody waits */
	struct udp *udp[FRONT_LISTENERS];
	unsigned int udp_count;
	struct tcp *tcp;
	struct dns_record record;
	uint8_t message[LIMIT_DNS_PACKET_BYTES];
};

/* The clock is read: questions come. */
void serve_begin(struct front *);

/*
 * One message of a client.  The answer's length; 0 when there is none or it
 * comes later.  answer has room for what the client's transport can take.
 */
size_t serve_message(struct front *, const struct client *,
    const uint8_t *message, size_t len, uint8_t *answer);

void serve_resolution(struct front *, const struct resolution *);

/* Asks again what nobody has been asked yet. */
void serve_ask_all(struct front *);

/* An answer that was parked leaves. */
void serve_parked(void *front, const struct client *, const uint8_t *message,
    size_t len, int late);

/* Answers those whose time is over; the number of those who still wait. */
uint32_t serve_expire(struct front *);

#endif
