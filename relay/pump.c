/* SPDX-License-Identifier: ISC */
/*
 * Reads bytes of clients and servers and never looks at them itself.  Must
 * never block, and never hold more than one buffer or pipe per direction.
 */
#include "relay/pump.h"

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "relay/pipe.h"

#define COPY_BYTES 65536
#define SPLICE_AFTER (256 * 1024) /* bytes moved before a pipe is worth it */
#define SMALL_BYTES 4096	  /* reads that are better copied */
#define LARGE_BYTES 16384	  /* and those that show a stream */
#define SMALL_MOST 8		  /* of the former in a row, in a stream */
#define SHARE (256 * 1024)	  /* bytes until the other flows have a turn */
#define HELD_BYTES 4096		  /* room for more of what is held, at least */

struct pump_rest {
	size_t begin;
	size_t end;
	size_t size;
	char bytes[];
};

static char shared[COPY_BYTES];

void
pump_init(struct pump *pump, uint64_t *bytes, pump_look_fn *look)
{
	memset(pump, 0, sizeof(*pump));
	pump->bytes = bytes;
	pump->look = look;
}

int
pump_waits(const struct pump *pump)
{
	return (pump->rest != NULL && !pump->held) || pump->piped > 0;
}

int
pump_doubts(const struct pump *pump)
{
	return pump->doubts;
}

void
pump_expect_end(struct pump *pump)
{
	pump->ending = 1;
}

void
pump_let_go(struct pump *pump)
{
	pump->look = NULL;
	pump->held = 0;
	pump->unlooked = 0;
}

static void
rest_free(struct pump *pump)
{
	free(pump->rest);
	pump->rest = NULL;
}

static void
pipe_give_back(struct pump *pump)
{
	if (pump->pipe == NULL)
		return;
	pipe_return(pump->pipe, pump->piped == 0);
	pump->pipe = NULL;
	pump->piped = 0;
}

void
pump_release(struct pump *pump)
{
	rest_free(pump);
	pipe_give_back(pump);
}

static int
would_block(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* Keeps bytes for later, with room for so many. */
static int
rest_keep(struct pump *pump, const char *bytes, size_t len, size_t size)
{
	struct pump_rest *rest = malloc(sizeof(*rest) + size);

	if (rest == NULL)
		return -1;
	rest->begin = 0;
	rest->end = len;
	rest->size = size;
	if (len > 0)
		memcpy(rest->bytes, bytes, len);
	rest_free(pump);
	pump->rest = rest;
	return 0;
}

/* Bytes written, 0 when there is no room, -1 with errno. */
static ssize_t
write_some(struct pump *pump, int to, const char *bytes, size_t len)
{
	ssize_t n = send(
	    to, bytes, len, pump->end ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL);

	pump->corked = pump->end;
	if (n == -1)
		return would_block() ? 0 : -1;
	*pump->bytes += (uint64_t)n;
	return n;
}

static enum pump_status
rest_write(struct pump *pump, int to)
{
	struct pump_rest *rest = pump->rest;
	ssize_t n;

	n = write_some(
	    pump, to, rest->bytes + rest->begin, rest->end - rest->begin);
	if (n == -1)
		return PUMP_TO_FAILED;
	rest->begin += (size_t)n;
	if (rest->begin < rest->end)
		return PUMP_WAIT;
	rest_free(pump);
	return PUMP_AGAIN;
}

static enum pump_status
pipe_write(struct pump *pump, int to)
{
	ssize_t n;

	while (pump->piped > 0) {
		n = splice(pump->pipe->read_fd, NULL, to, NULL, pump->piped,
		    SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
		if (n == -1)
			return would_block() ? PUMP_WAIT : PUMP_TO_FAILED;
		pump->piped -= (size_t)n;
		*pump->bytes += (uint64_t)n;
	}
	return PUMP_AGAIN;
}

/* What a read says of those to come. */
static void
weigh_read(struct pump *pump, size_t len)
{
	if (len >= LARGE_BYTES)
		pump->small = 0;
	else if (len < SMALL_BYTES && pump->small < SMALL_MOST)
		pump->small++;
}

/* What a read told: the end, nothing for now, or a failure. */
static enum pump_status
read_nothing(struct pump *pump, ssize_t n)
{
	if (n == 0) {
		pump->end = 1;
		pump_let_go(pump);
		return PUMP_AGAIN;
	}
	return would_block() ? PUMP_WAIT : PUMP_FROM_FAILED;
}

/* Room behind what is held: each time for as much again, and so in all O(n). */
static int
held_grow(struct pump *pump)
{
	const struct pump_rest *rest = pump->rest;

	if (rest == NULL)
		return rest_keep(pump, NULL, 0, HELD_BYTES);
	if (rest->end < rest->size)
		return 0;
	return rest_keep(
	    pump, rest->bytes, rest->end, 2 * rest->end + HELD_BYTES);
}

/* As recv(2), to behind what is held. */
static ssize_t
held_read(struct pump *pump, int from)
{
	struct pump_rest *rest;
	ssize_t n;

	if (held_grow(pump) == -1)
		return -1;
	rest = pump->rest;
	n = recv(from, rest->bytes + rest->end, rest->size - rest->end, 0);
	if (n > 0)
		rest->end += (size_t)n;
	return n;
}

ssize_t
pump_take(struct pump *pump, int from)
{
	ssize_t n = held_read(pump, from);

	pump->held = pump->rest != NULL;
	pump->unlooked |= n > 0;
	return n;
}

const void *
pump_held(const struct pump *pump, size_t *len)
{
	*len = pump->rest->end;
	return pump->rest->bytes;
}

int
pump_keeps(const struct pump *pump)
{
	return pump->rest != NULL;
}

/* More of the first bytes, or those that nobody has looked at in a run. */
static enum pump_status
held_more(struct pump *pump, int from)
{
	ssize_t n = held_read(pump, from);

	if (n == 0 || (n == -1 && (!would_block() || !pump->unlooked)))
		return read_nothing(pump, n);
	pump->unlooked = 0;
	switch (pump->look(pump, pump->rest->bytes, pump->rest->end)) {
	case PUMP_HOLD:
		return PUMP_AGAIN;
	case PUMP_FORBID:
		return PUMP_FORBIDDEN;
	case PUMP_GO:
		break;
	}
	pump_let_go(pump);
	return PUMP_AGAIN;
}

/* What becomes of the first bytes: kept when more are wanted first. */
static enum pump_look
first_look(struct pump *pump, size_t len)
{
	enum pump_look verdict;

	if (pump->look == NULL)
		return PUMP_GO;
	verdict = pump->look(pump, shared, len);
	pump->held =
	    verdict == PUMP_HOLD && rest_keep(pump, shared, len, len) == 0;
	if (pump->held)
		return PUMP_HOLD;
	pump->look = NULL;
	return verdict == PUMP_FORBID ? PUMP_FORBID : PUMP_GO;
}

/*
 * Reads on where the end is near; how many bytes there are then.  A failure is
 * told when they have been written.
 */
static size_t
read_to_end(struct pump *pump, int from, size_t len)
{
	ssize_t n = 1;

	while (n > 0 && len < sizeof(shared)) {
		n = recv(from, shared + len, sizeof(shared) - len, 0);
		if (n > 0)
			len += (size_t)n;
		else if (n == 0)
			pump->end = 1;
		else if (!would_block())
			pump->error = errno;
	}
	return len;
}

static enum pump_status
copy_once(struct pump *pump, int from, int to)
{
	ssize_t n = recv(from, shared, sizeof(shared), 0), written;
	size_t len = (size_t)n;

	if (n <= 0)
		return read_nothing(pump, n);
	weigh_read(pump, len);
	switch (first_look(pump, len)) {
	case PUMP_HOLD:
		return PUMP_AGAIN;
	case PUMP_FORBID:
		return PUMP_FORBIDDEN;
	case PUMP_GO:
		break;
	}
	if (pump->ending)
		len = read_to_end(pump, from, len);
	written = write_some(pump, to, shared, len);
	if (written == -1)
		return PUMP_TO_FAILED;
	if ((size_t)written < len) {
		len -= (size_t)written;
		if (rest_keep(pump, shared + written, len, len) == -1)
			return PUMP_FROM_FAILED;
		return PUMP_WAIT;
	}
	pump->doubts = len < sizeof(shared) && !pump->ending;
	return pump->doubts ? PUMP_WAIT : PUMP_AGAIN;
}

/*
 * splice(2) does not get past an urgent byte: there it finds nothing, or even
 * the end.  recv(2) does, and is asked where that is the first this run finds;
 * behind other bytes it is a doubt.
 */
static enum pump_status
splice_once(struct pump *pump, int from, int to)
{
	ssize_t n;

	n = splice(from, NULL, pump->pipe->write_fd, NULL,
	    pump->pipe->size_bytes, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
	if (n == -1 && !would_block())
		return PUMP_FROM_FAILED;
	if (n == 0 || (n == -1 && !pump->spliced))
		return copy_once(pump, from, to);
	if (n == -1) {
		pump->doubts = 1;
		return PUMP_WAIT;
	}
	weigh_read(pump, (size_t)n);
	pump->spliced = 1;
	pump->piped = (size_t)n;
	return pipe_write(pump, to);
}

static enum pump_status
pump_write(struct pump *pump, int to)
{
	if (pump->rest != NULL)
		return rest_write(pump, to);
	return pipe_write(pump, to);
}

static int
pump_is_stream(const struct pump *pump)
{
	return *pump->bytes > SPLICE_AFTER && pump->small < SMALL_MOST;
}

static enum pump_status
pump_read(struct pump *pump, int from, int to)
{
	pump->doubts = 0;
	if (pump->held)
		return held_more(pump, from);
	if (!pump_is_stream(pump))
		pipe_give_back(pump);
	else if (pump->pipe == NULL)
		pump->pipe = pipe_borrow();
	if (pump->pipe != NULL)
		return splice_once(pump, from, to);
	return copy_once(pump, from, to);
}

static enum pump_status
pump_turn(struct pump *pump, int from, int to)
{
	if (pump_waits(pump))
		return pump_write(pump, to);
	if (pump->error != 0) {
		errno = pump->error;
		return PUMP_FROM_FAILED;
	}
	if (!pump->end)
		return pump_read(pump, from, to);
	pump->done = 1;
	return PUMP_DONE;
}

enum pump_status
pump_run(struct pump *pump, int from, int to)
{
	uint64_t begin = *pump->bytes;
	enum pump_status status;

	pump->spliced = 0;
	do {
		status = pump_turn(pump, from, to);
	} while (status == PUMP_AGAIN && *pump->bytes - begin < SHARE);
	if (pump->piped == 0)
		pipe_give_back(pump);
	return status;
}
