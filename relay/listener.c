/* SPDX-License-Identifier: ISC */
/* Accepts clients; reads nothing of them. */
#include "relay/listener.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
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
	int on = 1;

	if (listener == NULL)
		return NULL;
	/* What it accepts has that too: urgent bytes are as others. */
	(void)setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
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

int
listener_is_own(const struct sockaddr_storage *to, uint16_t port)
{
	const struct sockaddr_in *v4 = (const void *)to;
	const struct sockaddr_in6 *v6 = (const void *)to;

	if (to->ss_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) == INADDR_LOOPBACK &&
		       ntohs(v4->sin_port) == port;
	return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) &&
	       ntohs(v6->sin6_port) == port;
}

void
listener_keep_first(struct listener *listener, int keep)
{
	(void)setsockopt(
	    listener->fd, IPPROTO_TCP, TCP_SAVE_SYN, &keep, sizeof(keep));
}

uint8_t
listener_first_hops(int client)
{
	union {
		struct ip v4;
		struct ip6_hdr v6;
		uint8_t bytes[256]; /* all of its headers */
	} packet = { .bytes = { 0 } };
	socklen_t len = sizeof(packet);

	/* Without room for it the kernel forgets it. */
	if (getsockopt(client, IPPROTO_TCP, TCP_SAVED_SYN, &packet, &len) ==
		-1 ||
	    len < sizeof(packet.v4))
		return 0;
	if (packet.v4.ip_v == 4)
		return packet.v4.ip_ttl;
	return len < sizeof(packet.v6) ? 0 : packet.v6.ip6_hlim;
}

void
listener_free(struct listener *listener)
{
	event_free(listener->readable);
	close(listener->fd);
	free(listener);
}
