/* SPDX-License-Identifier: ISC */
/* A pool of pipes that grows on demand up to a limit and keeps what it has. */
#include "relay/pipe.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"

#define POOL_LIMIT 48 /* pipe-user-pages-soft is 64 MiB for all relays */
#define PIPE_BYTES (1 << 20)
#define PIPE_LEAST_BYTES (1 << 16) /* below that copying is faster */
#define RETRY_US 1000000	   /* after the system gave none */

static struct pipe *pool;
static unsigned int pipes;
static int64_t refused_us; /* 0: never */

static void
pipe_close(struct pipe *pipe)
{
	close(pipe->read_fd);
	close(pipe->write_fd);
	free(pipe);
	pipes--;
}

static int
refused_within(int64_t time_us)
{
	return refused_us != 0 && clock_mono_us() - refused_us < time_us;
}

int
pipe_lacks(void)
{
	/* A flow that needs one has tried again by then. */
	return refused_within(2 * RETRY_US);
}

static struct pipe *
pipe_open(void)
{
	struct pipe *pipe;
	int ends[2];
	int size;

	if (pipes >= POOL_LIMIT || refused_within(RETRY_US) ||
	    (pipe = malloc(sizeof(*pipe))) == NULL)
		return NULL;
	if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) == -1) {
		refused_us = clock_mono_us();
		free(pipe);
		return NULL;
	}
	pipes++;
	pipe->read_fd = ends[0];
	pipe->write_fd = ends[1];
	size = fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES);
	if (size == -1)
		size = fcntl(ends[1], F_GETPIPE_SZ);
	if (size < PIPE_LEAST_BYTES) {
		refused_us = clock_mono_us();
		pipe_close(pipe);
		return NULL;
	}
	pipe->size_bytes = (size_t)size;
	return pipe;
}

struct pipe *
pipe_borrow(void)
{
	struct pipe *pipe = pool;

	if (pipe == NULL)
		return pipe_open();
	pool = pipe->next;
	return pipe;
}

void
pipe_return(struct pipe *pipe, int empty)
{
	if (!empty) {
		pipe_close(pipe);
		return;
	}
	pipe->next = pool;
	pool = pipe;
}
