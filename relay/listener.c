/* SPDX-License-Identifier: ISC */
/* Accepts clients; reads nothing of them. */
#include "relay/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"

#define ACCEPTS_PER_EVENT 64 /* then the open flows have their turn */
#define SHORTAGES_PER_LINE 100
#define SHORTAGE_US 100000 /* the pause when the system is short of memory */

struct listener {
	int fd;
	int paused;
	unsigned int shortages;
	struct event *readable;
	struct event *shortage;
	listener_fn *accept;
	void *ctx;
};

/* Whether accept4(2) failed for the client rather than for want of something.
 */
static int
is_shortage(void)
{
	return errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
	       errno == ENOMEM;
}

static void
wait_out_shortage(struct listener *listener)
{
	static const struct timeval pause = { .tv_usec = SHORTAGE_US };

	if (listener->shortages++ % SHORTAGES_PER_LINE == 0)
		log_warn("accepting pauses");
	event_del(listener->readable);
	event_add(listener->shortage, &pause);
}

static void
on_shortage_over(int fd, short what, void *arg)
{
	struct listener *listener = arg;

	(void)fd;
	(void)what;
	if (!listener->paused)
		event_add(listener->readable, NULL);
}

static void
on_readable(int fd, short what, void *arg)
{
	struct listener *listener = arg;
	struct sockaddr_storage from;
	socklen_t len;
	int client, n;

	(void)what;
	for (n = 0; n < ACCEPTS_PER_EVENT && !listener->paused; n++) {
		len = sizeof(from);
		client = accept4(fd, (struct sockaddr *)&from, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (client == -1) {
			if (is_shortage())
				wait_out_shortage(listener);
			return;
		}
		listener->accept(
		    listener->ctx, client, (struct sockaddr *)&from);
	}
}

struct listener *
listener_new(struct event_base *base, int fd, listener_fn *accept, void *ctx)
{
	struct listener *listener = calloc(1, sizeof(*listener));

	if (listener == NULL)
		return NULL;
	listener->fd = fd;
	listener->paused = 1;
	listener->accept = accept;
	listener->ctx = ctx;
	listener->readable =
	    event_new(base, fd, EV_READ | EV_PERSIST, on_readable, listener);
	listener->shortage = event_new(base, -1, 0, on_shortage_over, listener);
	if (listener->readable != NULL && listener->shortage != NULL)
		return listener;
	if (listener->readable != NULL)
		event_free(listener->readable);
	free(listener);
	return NULL;
}

void
listener_resume(struct listener *listener)
{
	if (!listener->paused)
		return;
	listener->paused = 0;
	event_add(listener->readable, NULL);
}

void
listener_pause(struct listener *listener)
{
	if (listener->paused)
		return;
	listener->paused = 1;
	event_del(listener->readable);
}

uint32_t
listener_waiting(const struct listener *listener)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	/* Of a listening socket, tcpi_unacked is the length of the backlog. */
	if (getsockopt(listener->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == -1)
		return 0;
	return info.tcpi_unacked;
}

void
listener_free(struct listener *listener)
{
	event_free(listener->readable);
	event_free(listener->shortage);
	close(listener->fd);
	free(listener);
}
