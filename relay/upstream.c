/* SPDX-License-Identifier: ISC */
/*
 * Which address of an upstream a flow shall try.  Holds passwords, and gives
 * them only to what writes them to the upstream.
 */
#include "relay/upstream.h"

#include <stdlib.h>
#include <string.h>

struct endpoint {
	struct addr addr;
	uint16_t port;
	uint16_t upstream;
	uint8_t checked;    /* flows find nothing out about it */
	uint8_t trying;	    /* one flow finds out whether it is good again */
	int64_t backoff_us; /* 0: it is good, as far as is known */
	int64_t aside_until_us;
};

struct upstream {
	enum upstream_kind kind;
	int names;
	struct image_span endpoints;
	uint32_t check_ms;
	char user[LIMIT_CREDENTIAL_BYTES + 1];
	char password[LIMIT_CREDENTIAL_BYTES + 1];
};

struct upstreams {
	unsigned int held;
	uint32_t count;
	uint32_t endpoint_count;
	struct upstream *upstream;
	struct endpoint *endpoint;
};

static void
set_free(struct upstreams *set)
{
	if (set->upstream != NULL)
		explicit_bzero(
		    set->upstream, set->count * sizeof(*set->upstream));
	free(set->upstream);
	free(set->endpoint);
	free(set);
}

static void
upstream_fill(struct upstream *upstream, const struct image *image, uint32_t i,
    const struct secret *secret)
{
	const struct image_upstream *from = image_upstream(image, i);

	upstream->kind = (enum upstream_kind)from->kind;
	upstream->names = from->names;
	upstream->endpoints = from->endpoints;
	upstream->check_ms = from->check_ms;
	memcpy(upstream->user, image_upstream_user(image, from),
	    from->user.length);
	memcpy(upstream->password, secret->bytes, secret->length);
}

static void
endpoint_fill(struct endpoint *endpoint, const struct image_endpoint *from,
    const struct upstreams *before)
{
	uint32_t i;

	for (i = 0; before != NULL && i < before->endpoint_count; i++)
		if (addr_compare(&before->endpoint[i].addr, &from->addr) == 0 &&
		    before->endpoint[i].port == from->port)
			*endpoint = before->endpoint[i];
	endpoint->addr = from->addr;
	endpoint->port = from->port;
	endpoint->upstream = from->upstream;
}

struct upstreams *
upstreams_new(const struct image *image, const struct secret *secrets,
    const struct upstreams *before)
{
	struct upstreams *set = calloc(1, sizeof(*set));
	uint32_t i;

	if (set == NULL)
		return NULL;
	set->held = 1;
	set->count = image_upstream_count(image);
	set->endpoint_count = image_endpoint_count(image);
	set->upstream = calloc(set->count + 1, sizeof(*set->upstream));
	set->endpoint = calloc(set->endpoint_count + 1, sizeof(*set->endpoint));
	if (set->upstream == NULL || set->endpoint == NULL) {
		set_free(set);
		return NULL;
	}
	for (i = 0; i < set->count; i++)
		upstream_fill(&set->upstream[i], image, i, &secrets[i]);
	for (i = 0; i < set->endpoint_count; i++) {
		endpoint_fill(
		    &set->endpoint[i], image_endpoint(image, i), before);
		set->endpoint[i].checked =
		    set->upstream[set->endpoint[i].upstream].check_ms != 0;
	}
	return set;
}

struct upstreams *
upstreams_hold(struct upstreams *set)
{
	set->held++;
	return set;
}

void
upstreams_release(struct upstreams *set)
{
	if (set != NULL && --set->held == 0)
		set_free(set);
}

enum upstream_kind
upstreams_kind(const struct upstreams *set, uint16_t upstream)
{
	return set->upstream[upstream].kind;
}

int
upstreams_names(const struct upstreams *set, uint16_t upstream)
{
	return set->upstream[upstream].names;
}

struct credential
upstreams_credential(const struct upstreams *set, uint16_t upstream)
{
	const struct upstream *of = &set->upstream[upstream];
	struct credential credential = { NULL, NULL };

	if (of->user[0] != '\0') {
		credential.user = of->user;
		credential.password = of->password;
	}
	return credential;
}

void
upstreams_address(const struct upstreams *set, uint16_t endpoint,
    struct addr *addr, uint16_t *port)
{
	*addr = set->endpoint[endpoint].addr;
	*port = set->endpoint[endpoint].port;
}

uint32_t
upstreams_endpoint_count(const struct upstreams *set)
{
	return set->endpoint_count;
}

uint16_t
upstreams_of_endpoint(const struct upstreams *set, uint16_t endpoint)
{
	return set->endpoint[endpoint].upstream;
}

uint32_t
upstreams_check_ms(const struct upstreams *set, uint16_t upstream)
{
	return set->upstream[upstream].check_ms;
}

static int
is_aside(const struct endpoint *endpoint, int64_t now_us)
{
	return endpoint->backoff_us != 0 &&
	       (endpoint->checked || now_us < endpoint->aside_until_us);
}

int
upstreams_all_tried(
    const struct upstreams *set, uint16_t upstream, uint16_t tried)
{
	return tried + 1U == 1U << set->upstream[upstream].endpoints.count;
}

/* Its place among its upstream's, or their number. */
static uint32_t
first_untried(const struct upstreams *set, const struct image_span *span,
    uint16_t tried, int64_t now_us)
{
	uint32_t i;

	for (i = 0; i < span->count; i++)
		if ((tried >> i & 1) == 0 &&
		    !is_aside(&set->endpoint[span->first + i], now_us))
			break;
	return i;
}

uint16_t
upstreams_choose(
    struct upstreams *set, uint16_t upstream, uint16_t *tried, int64_t now_us)
{
	const struct image_span *span = &set->upstream[upstream].endpoints;
	struct endpoint *endpoint;
	uint32_t chosen;

	chosen = first_untried(set, span, *tried, now_us);
	/* When all others are aside, what is aside is better than nothing. */
	if (chosen == span->count)
		chosen = first_untried(set, span, *tried, INT64_MAX);
	if (chosen == span->count)
		return FLOW_UPSTREAM_NONE;
	*tried |= (uint16_t)(1U << chosen);
	endpoint = &set->endpoint[span->first + chosen];
	if (endpoint->backoff_us != 0 && !is_aside(endpoint, now_us)) {
		endpoint->trying = 1;
		endpoint->aside_until_us = now_us + endpoint->backoff_us;
	}
	return (uint16_t)(span->first + chosen);
}

void
upstreams_good(struct upstreams *set, uint16_t endpoint)
{
	set->endpoint[endpoint].backoff_us = 0;
	set->endpoint[endpoint].trying = 0;
}

void
upstreams_bad(struct upstreams *set, uint16_t at, int64_t now_us)
{
	struct endpoint *endpoint = &set->endpoint[at];

	/* Flows that began together fail together: that is one failure. */
	if (is_aside(endpoint, now_us) && !endpoint->trying)
		return;
	endpoint->trying = 0;
	endpoint->backoff_us = endpoint->backoff_us == 0
				   ? UPSTREAM_BACKOFF_US
				   : endpoint->backoff_us * 2;
	if (endpoint->backoff_us > UPSTREAM_BACKOFF_MOST_US)
		endpoint->backoff_us = UPSTREAM_BACKOFF_MOST_US;
	endpoint->aside_until_us = now_us + endpoint->backoff_us;
}

uint64_t
upstreams_down(const struct upstreams *set, int64_t now_us)
{
	uint64_t down = 0;
	uint32_t i;

	for (i = 0; i < set->count; i++) {
		const struct image_span *span = &set->upstream[i].endpoints;

		if (first_untried(set, span, 0, now_us) == span->count)
			down |= 1ULL << i;
	}
	return down;
}
