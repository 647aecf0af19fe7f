/* SPDX-License-Identifier: ISC */
/* Owns the listeners, the cache and everybody who waits. */
#include "dnsd/front.h"

#include <sys/random.h>

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

#include "dnsd/maker.h"
#include "dnsd/serve.h"
#include "dnsd/siphash.h"
#include "dnsd/tcp.h"
#include "dnsd/udp.h"

#define TTL_MAX_S 86400
#define TTL_NEGATIVE_MAX_S 3600

static void
on_begin(void *ctx)
{
	serve_begin(ctx);
}

static size_t
on_message(void *ctx, const struct client *client, const uint8_t *message,
    size_t len, uint8_t *answer)
{
	return serve_message(ctx, client, message, len, answer);
}

static void
on_stray(void *ctx)
{
	((struct front *)ctx)->stats.dropped++;
}

static void
on_unsent(void *ctx, unsigned int count)
{
	((struct front *)ctx)->stats.unsent += count;
}

static const struct udp_ops udp_ops = {
	.begin = on_begin,
	.serve = on_message,
	.stray = on_stray,
	.unsent = on_unsent,
};

static const struct tcp_ops tcp_ops = {
	.begin = on_begin,
	.serve = on_message,
	.stray = on_stray,
	.unsent = on_unsent,
};

/* Somebody waits. */
static void
on_tick(int fd, short what, void *arg)
{
	struct front *front = arg;

	(void)fd;
	(void)what;
	if (serve_expire(front) == 0)
		event_del(front->tick);
	else if (front->resolver_ready)
		serve_ask_all(front);
}

static int
parts_new(struct front *front)
{
	struct siphash_key key;

	if (getrandom(&key, sizeof(key), 0) != sizeof(key))
		return -1;
	front->cache = cache_new(front->settings.cache_bytes, &key);
	front->limiter = limiter_new(&key);
	front->miss_limiter = limiter_new(&key);
	front->pending = pending_new(SERVE_WAITERS, &key);
	front->parked = parked_new(front->base, serve_parked, front);
	front->maker = maker_new();
	front->block_maker = maker_new();
	front->tcp = tcp_new(front->base, &tcp_ops, front);
	front->tick = event_new(front->base, -1, EV_PERSIST, on_tick, front);
	if (front->cache != NULL && front->limiter != NULL &&
	    front->miss_limiter != NULL && front->pending != NULL &&
	    front->parked != NULL && front->maker != NULL &&
	    front->block_maker != NULL && front->tcp != NULL &&
	    front->tick != NULL)
		return 0;
	errno = ENOMEM;
	return -1;
}

struct front *
front_new(struct event_base *base, const struct front_ops *ops, void *ctx,
    const struct front_settings *settings)
{
	struct front *front = calloc(1, sizeof(*front));
	int error;

	if (front == NULL)
		return NULL;
	front->base = base;
	front->ops = ops;
	front->ctx = ctx;
	front->settings = *settings;
	if (parts_new(front) == -1) {
		error = errno;
		front_free(front);
		errno = error;
		return NULL;
	}
	front_configure(front, settings);
	return front;
}

void
front_configure(struct front *front, const struct front_settings *settings)
{
	unsigned int i;

	front->settings = *settings;
	if (front->settings.ttl_max_s == 0)
		front->settings.ttl_max_s = TTL_MAX_S;
	if (front->settings.ttl_negative_max_s == 0)
		front->settings.ttl_negative_max_s = TTL_NEGATIVE_MAX_S;
	cache_set_stale(front->cache, settings->stale_s);
	limiter_set_rate(front->limiter, settings->rate);
	limiter_set_rate(front->miss_limiter, settings->rate_miss);
	tcp_set_port(front->tcp, settings->port);
	for (i = 0; i < front->udp_count; i++)
		udp_set_port(front->udp[i], settings->port);
}

void
front_flush(struct front *front)
{
	cache_flush(front->cache);
}

int
front_add_listener(struct front *front, const struct front_listener *listener)
{
	struct udp *udp;

	if (listener->transport == DNS_TRANSPORT_TCP)
		return tcp_listen(front->tcp, listener);
	if (front->udp_count == FRONT_LISTENERS) {
		close(listener->fd);
		errno = EMFILE;
		return -1;
	}
	udp = udp_new(
	    front->base, listener, front->settings.port, &udp_ops, front);
	if (udp == NULL)
		return -1;
	front->udp[front->udp_count++] = udp;
	return 0;
}

void
front_resolved(struct front *front, const struct resolution *resolution)
{
	serve_resolution(front, resolution);
}

void
front_learned(struct front *front, uint64_t number)
{
	parked_release(front->parked, number);
}

void
front_resolver_lost(struct front *front)
{
	struct pending_question *question = pending_first(front->pending);

	front->resolver_ready = 0;
	for (; question != NULL; question = pending_next(question))
		question->id = 0;
}

void
front_resolver_ready(struct front *front)
{
	front->resolver_ready = 1;
	serve_ask_all(front);
}

void
front_stats(const struct front *front, struct front_stats *stats)
{
	*stats = front->stats;
	stats->waiting = pending_waiters(front->pending);
	stats->asked = pending_questions(front->pending);
	stats->connections = tcp_connections(front->tcp);
}

uint64_t
front_progress(const struct front *front)
{
	return front->progress + tcp_accepted(front->tcp);
}

uint32_t
front_backlog(const struct front *front)
{
	return tcp_backlog(front->tcp);
}

/* Nobody waits any more. */
static void
dismiss_all(struct pending *pending)
{
	struct waiter *waiter;

	while ((waiter = pending_due(pending, INT64_MAX)) != NULL) {
		pending_remove(pending, waiter);
		if (waiter->client.transport == DNS_TRANSPORT_TCP)
			tcp_release(waiter->client.connection);
	}
	pending_free(pending);
}

void
front_free(struct front *front)
{
	unsigned int i;

	if (front->parked != NULL)
		parked_free(front->parked);
	if (front->pending != NULL)
		dismiss_all(front->pending);
	for (i = 0; i < front->udp_count; i++)
		udp_free(front->udp[i]);
	if (front->tcp != NULL)
		tcp_free(front->tcp);
	if (front->tick != NULL)
		event_free(front->tick);
	if (front->cache != NULL)
		cache_free(front->cache);
	limiter_free(front->limiter);
	limiter_free(front->miss_limiter);
	free(front->maker);
	free(front->block_maker);
	free(front);
}
