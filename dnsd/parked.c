/* SPDX-License-Identifier: ISC */
/*
 * Two rings, in the order in which they leave: of items, and of the bytes of
 * their messages, whose positions grow until it is empty.  Looks into none.
 */
#include "dnsd/parked.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

struct item {
	struct client client;
	const uint8_t *message;
	size_t len;
	uint64_t end; /* position behind the message */
	uint64_t number;
	int64_t due_us;
};

struct parked {
	parked_send_fn *send;
	void *ctx;
	struct event *due; /* of the first */
	size_t first, count;
	uint64_t head, tail; /* of messages: the next one's, the first one's */
	struct item items[PARKED_MAX];
	uint8_t bytes[PARKED_BYTES];
};

/* For a message, which lies in one piece; NULL when it does not find room. */
static uint8_t *
room(struct parked *parked, size_t len)
{
	size_t left = PARKED_BYTES - parked->head % PARKED_BYTES;
	uint64_t begin = parked->head;

	if (left < len) /* the end of the ring stays empty */
		begin += left;
	if (begin + len - parked->tail > PARKED_BYTES)
		return NULL;
	parked->head = begin + len;
	return parked->bytes + begin % PARKED_BYTES;
}

static void
send_first(struct parked *parked, int late)
{
	struct item item = parked->items[parked->first];

	parked->first = (parked->first + 1) % PARKED_MAX;
	parked->count--;
	/* That may make room for another question, whose answer is parked. */
	parked->send(parked->ctx, &item.client, item.message, item.len, late);
	parked->tail = item.end;
	/* Few messages need few pages. */
	if (parked->tail == parked->head)
		parked->tail = parked->head = 0;
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
	uint8_t *copy;

	if (parked->count == PARKED_MAX || (copy = room(parked, len)) == NULL)
		return -1;
	memcpy(copy, message, len);
	item->client = *client;
	item->message = copy;
	item->len = len;
	item->end = parked->head;
	item->number = number;
	item->due_us = due_us;
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
