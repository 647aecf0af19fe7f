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

#include "relay/shortage.h"

#define ACCEPTS_PER_EVENT 64 /* then the open flows have their turn */

struct listener {
	int fd;
	int paused;
	struct event *readable;
	listener_fn *accept;
	void *ctx;
};

void
listener_serve(struct listener *listener)
{
	struct sockaddr_storage from;
	socklen_t len;
	int client, n;

	for (n = 0; n < ACCEPTS_PER_EVENT && !listener->paused; n++) {
		len = sizeof(from);
		client = accept4(listener->fd, (struct sockaddr *)&from, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (client == -1) {
			if (shortage_is(errno))
				listener->accept(listener->ctx, -1, NULL);
			return;
		}
		listener->accept(
		    listener->ctx, client, (struct sockaddr *)&from);
	}
}

static void
on_readable(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	listener_serve(arg);
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
	if (listener->readable != NULL)
		return listener;
	free(listener);
	return NULL;
}

void
listener_resume(struct listener *listener)
{
	if (!listener->paused)
		return;
	if (event_add(listener->readable, NULL) == -1) {
		errno = ENOMEM;
		listener->accept(listener->ctx, -1, NULL);
		return;
	}
	listener->paused = 0;
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
	close(listener->fd);
	free(listener);
}
