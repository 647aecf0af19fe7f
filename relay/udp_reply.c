/* SPDX-License-Identifier: ISC */
/* Reads nothing from these sockets: what clients send comes to a listener. */
#include "relay/udp_reply.h"

#include <sys/random.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/hash.h"

#define BUCKETS 1024U

struct udp_reply {
	struct udp_replies *owner;
	struct addr server;
	uint16_t port;
	int fd;
	uint32_t users;
	struct broker_ask *ask;		      /* NULL: nothing is asked for */
	const struct udp_reply_waiter *asker; /* by its flow; NULL: gone */
	LIST_HEAD(, udp_reply_waiter) waiters;
	LIST_ENTRY(udp_reply) entry;
};

LIST_HEAD(udp_reply_list, udp_reply);

struct udp_replies {
	uint64_t seed;
	struct broker *broker;
	udp_reply_fn *ready;
	uint32_t count;
	struct udp_reply_list buckets[BUCKETS];
};

struct udp_replies *
udp_replies_new(struct broker *broker, udp_reply_fn *ready)
{
	struct udp_replies *replies = calloc(1, sizeof(*replies));

	if (replies == NULL)
		return NULL;
	if (getrandom(&replies->seed, sizeof(replies->seed), 0) !=
	    sizeof(replies->seed)) {
		free(replies);
		return NULL;
	}
	replies->broker = broker;
	replies->ready = ready;
	return replies;
}

/* Clients choose the servers: without the seed nobody makes them meet. */
static struct udp_reply_list *
bucket_of(struct udp_replies *replies, const struct addr *server, uint16_t port)
{
	uint64_t hash =
	    hash_bytes(hash_mix(replies->seed ^ port), server, sizeof(*server));

	return &replies->buckets[hash % BUCKETS];
}

static struct udp_reply *
reply_find(
    struct udp_reply_list *bucket, const struct addr *server, uint16_t port)
{
	struct udp_reply *reply;

	LIST_FOREACH (reply, bucket, entry)
		if (reply->port == port &&
		    addr_compare(&reply->server, server) == 0)
			return reply;
	return NULL;
}

/* What netctl says of one flow is nothing about those of other clients. */
static int
error_for(const struct udp_reply *reply, const struct udp_reply_waiter *waiter,
    int error)
{
	return error == EACCES && waiter != reply->asker ? EPIPE : error;
}

static void
on_answer(void *ctx, int fd, int error)
{
	struct udp_reply *reply = ctx;
	struct udp_reply_waiter *waiter;

	reply->ask = NULL;
	reply->fd = fd;
	reply->users++; /* it stays while the last one leaves */
	while ((waiter = LIST_FIRST(&reply->waiters)) != NULL) {
		LIST_REMOVE(waiter, entry);
		waiter->waits = 0;
		reply->owner->ready(waiter, error_for(reply, waiter, error));
	}
	reply->asker = NULL;
	udp_reply_release(reply, NULL);
}

static int
reply_ask(struct udp_reply *reply, const struct broker_flow *flow,
    const struct udp_reply_waiter *asker)
{
	if (reply->fd != -1 || reply->ask != NULL)
		return 0;
	reply->asker = asker;
	reply->ask = broker_ask(reply->owner->broker, IPC_BROKER_UDP_SERVER,
	    flow, reply->port, on_answer, reply);
	return reply->ask == NULL ? -1 : 0;
}

struct udp_reply *
udp_reply_take(struct udp_replies *replies, const struct broker_flow *flow)
{
	struct udp_reply_list *bucket =
	    bucket_of(replies, &flow->server, flow->server_port);
	struct udp_reply *reply =
	    reply_find(bucket, &flow->server, flow->server_port);

	if (reply == NULL) {
		if ((reply = calloc(1, sizeof(*reply))) == NULL)
			return NULL;
		reply->owner = replies;
		reply->server = flow->server;
		reply->port = flow->server_port;
		reply->fd = -1;
		LIST_INSERT_HEAD(bucket, reply, entry);
		replies->count++;
	}
	reply->users++;
	/* Who has an answer to give asks again. */
	(void)reply_ask(reply, flow, NULL);
	return reply;
}

void
udp_reply_release(struct udp_reply *reply, struct udp_reply_waiter *waiter)
{
	if (waiter != NULL && waiter->waits) {
		LIST_REMOVE(waiter, entry);
		waiter->waits = 0;
	}
	if (reply->asker == waiter)
		reply->asker = NULL;
	if (--reply->users > 0)
		return;
	if (reply->ask != NULL)
		broker_cancel(reply->ask);
	if (reply->fd != -1)
		close(reply->fd);
	LIST_REMOVE(reply, entry);
	reply->owner->count--;
	free(reply);
}

int
udp_reply_fd(const struct udp_reply *reply)
{
	return reply->fd;
}

int
udp_reply_await(struct udp_reply *reply, const struct broker_flow *flow,
    struct udp_reply_waiter *waiter)
{
	if (reply_ask(reply, flow, waiter) == -1)
		return -1;
	waiter->waits = 1;
	LIST_INSERT_HEAD(&reply->waiters, waiter, entry);
	return 0;
}

uint32_t
udp_replies_count(const struct udp_replies *replies)
{
	return replies->count;
}
