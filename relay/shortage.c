/* SPDX-License-Identifier: ISC */
/*
 * Owns the reserve: sockets that are never used, and memory that is never
 * touched.  Reads nothing.  Must not retry in a loop: who is short pauses.
 */
#include "relay/shortage.h"

#include <sys/resource.h>
#include <sys/socket.h>

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "schema/limits.h"

#define FDS_RESERVED 168 /* pipes, channels, listeners, checks, reserve */
#define RESERVE_FDS 16
#define ROOM_FDS 16 /* to be had besides: or the next flow begins it anew */
#define RESERVE_BYTES (512 * 1024)
#define PROBE_US 100000
#define LINE_EVERY 100 /* shortages */

struct shortage {
	enum ipc_lack kind;
	unsigned int begun;
	int nfds;
	int fd[RESERVE_FDS + ROOM_FDS];
	void *memory;
	struct event *timer;
	shortage_over_fn *over;
	void *ctx;
};

static const struct {
	int error;
	enum ipc_lack kind;
} kinds[] = {
	{ EMFILE, IPC_LACK_DESCRIPTORS },
	{ ENFILE, IPC_LACK_DESCRIPTORS },
	{ ENOBUFS, IPC_LACK_MEMORY },
	{ ENOMEM, IPC_LACK_MEMORY },
};

static enum ipc_lack
kind_of(int error)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].error == error)
			return kinds[i].kind;
	return IPC_LACK_NOTHING;
}

int
shortage_is(int error)
{
	return kind_of(error) != IPC_LACK_NOTHING;
}

static void
reserve_shrink(struct shortage *shortage, int nfds)
{
	while (shortage->nfds > nfds)
		close(shortage->fd[--shortage->nfds]);
}

static void
reserve_release(struct shortage *shortage)
{
	reserve_shrink(shortage, 0);
	free(shortage->memory);
	shortage->memory = NULL;
}

/*
 * -1 with errno when there is not all of it.  Sockets, as a file that already
 * is one more descriptor for would not show a full table of the system.
 */
static int
reserve_take(struct shortage *shortage)
{
	int fd;

	shortage->memory = malloc(RESERVE_BYTES);
	if (shortage->memory == NULL)
		return -1;
	while (shortage->nfds < RESERVE_FDS + ROOM_FDS) {
		fd = socket(
		    AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (fd == -1)
			return -1;
		shortage->fd[shortage->nfds++] = fd;
	}
	reserve_shrink(shortage, RESERVE_FDS);
	return 0;
}

/* Without a timer, the next heartbeat is soon enough. */
static void
probe_later(struct shortage *shortage)
{
	static const struct timeval pause = { .tv_usec = PROBE_US };

	(void)event_add(shortage->timer, &pause);
}

static void
on_timer(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	shortage_probe(arg);
}

struct shortage *
shortage_new(struct event_base *base, shortage_over_fn *over, void *ctx)
{
	struct shortage *shortage = calloc(1, sizeof(*shortage));

	if (shortage == NULL)
		return NULL;
	shortage->over = over;
	shortage->ctx = ctx;
	shortage->timer = event_new(base, -1, 0, on_timer, shortage);
	if (shortage->timer != NULL && reserve_take(shortage) == 0)
		return shortage;
	reserve_release(shortage);
	if (shortage->timer != NULL)
		event_free(shortage->timer);
	free(shortage);
	return NULL;
}

void
shortage_begin(struct shortage *shortage, int error)
{
	if (shortage->kind == IPC_LACK_NOTHING &&
	    shortage->begun++ % LINE_EVERY == 0) {
		errno = error;
		log_warn("accepting pauses");
	}
	shortage->kind = kind_of(error);
	reserve_release(shortage);
	probe_later(shortage);
}

void
shortage_probe(struct shortage *shortage)
{
	if (shortage->kind == IPC_LACK_NOTHING)
		return;
	if (reserve_take(shortage) == -1) {
		reserve_release(shortage);
		probe_later(shortage);
		return;
	}
	shortage->kind = IPC_LACK_NOTHING;
	(void)event_del(shortage->timer);
	shortage->over(shortage->ctx);
}

enum ipc_lack
shortage_kind(const struct shortage *shortage)
{
	return shortage->kind;
}

uint32_t
shortage_budget(uint32_t least)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		fatal("getrlimit");
	if (limit.rlim_cur < FDS_RESERVED + least)
		fatalx("descriptor limit %ju is too low: a relay needs %ju, "
		       "see LimitNOFILE= or ulimit -Hn",
		    (uintmax_t)limit.rlim_cur, (uintmax_t)FDS_RESERVED + least);
	if (limit.rlim_cur - FDS_RESERVED > 2 * LIMIT_FLOW_SLOTS)
		return 2 * LIMIT_FLOW_SLOTS;
	return (uint32_t)limit.rlim_cur - FDS_RESERVED;
}
