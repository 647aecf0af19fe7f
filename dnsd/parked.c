/* SPDX-License-Identifier: ISC */
/* A ring, in the order in which they leave; looks into no message. */
#include "dnsd/parked.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

struct item {
	struct client client;
	uint8_t *message;
	size_t len;
	uint64_t number;
	int64_t due_us;
};

struct parked {
	parked_send_fn *send;
	void *ctx;
	struct event *due; /* of the first */
	size_t first, count, bytes;
	struct item items[PARKED_MAX];
};

static void
send_first(struct parked *parked, int late)
{
	struct item item = parked->items[parked->first];

	parked->first = (parked->first + 1) % PARKED_MAX;
	parked->count--;
	parked->bytes -= item.len;
	/* That may make room for another question, whose answer is parked. */
	parked->send(parked->ctx, &item.client, item.message, item.len, late);
	free(item.message);
}

/* The next is due when it is, and no timer runs for nobody. */
static void
wait_for_first(struct parked *parked, int64_t now_us)
{
	struct timeval left = { 0 };
	int64_t left_us;

	if (parked->count == 0) {
		event_del(parked->due);
		return;
	}
	left_us = parked->items[parked->first].due_us - now_us;
	left.tv_usec = left_us > 0 ? left_us : 0;
	event_add(parked->due, &left);
}

static void
on_due(int fd, short what, void *arg)
{
	struct parked *parked = arg;
	int64_t now_us = clock_mono_us();

	(void)fd;
	(void)what;
	while (
	    parked->count > 0 && parked->items[parked->first].due_us <= now_us)
		send_first(parked, 1);
	wait_for_first(parked, now_us);
}

struct parked *
parked_new(struct event_base *base, parked_send_fn *send, void *ctx)
{
	struct parked *parked = calloc(1, sizeof(*parked));

	if (parked == NULL)
		return NULL;
	parked->send = send;
	parked->ctx = ctx;
	parked->due = event_new(base, -1, 0, on_due, parked);
	if (parked->due != NULL)
		return parked;
	free(parked);
	errno = ENOMEM;
	return NULL;
}

int
parked_add(struct parked *parked, const struct client *client,
    const uint8_t *message, size_t len, uint64_t number, int64_t due_us)
{
	struct item *item =
	    &parked->items[(parked->first + parked->count) % PARKED_MAX];

	if (parked->count == PARKED_MAX || parked->bytes + len > PARKED_BYTES ||
	    (item->message = malloc(len)) == NULL)
		return -1;
	memcpy(item->message, message, len);
	item->client = *client;
	item->len = len;
	item->number = number;
	item->due_us = due_us;
	parked->bytes += len;
	if (parked->count++ == 0)
		wait_for_first(parked, clock_mono_us());
	return 0;
}

void
parked_release(struct parked *parked, uint64_t number)
{
	while (
	    parked->count > 0 && parked->items[parked->first].number <= number)
		send_first(parked, 0);
	wait_for_first(parked, clock_mono_us());
}

void
parked_free(struct parked *parked)
{
	while (parked->count > 0)
		send_first(parked, 1);
	event_free(parked->due);
	free(parked);
}
