/* SPDX-License-Identifier: ISC */
/*
 * The life of the connection that a flow of UDP depends on.  Reads what the
 * upstream answers.  Of where datagrams are to go it believes the port alone:
 * an address would let an upstream choose whom this host sends them to.
 */
#include "relay/udp_associate.h"

#include <sys/socket.h>

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/addr.h"
#include "common/clock.h"
#include "relay/server.h"
#include "relay/udp_packet.h"
#include "relay/upstream.h"

struct udp_associate {
	struct event_base *base;
	struct server server;
	struct target bound;
	struct event control; /* the connection */
	struct event limit;   /* of the present try */
	udp_associate_fn *done;
	void *ctx;
};

static void on_control(int, short, void *);

static void
control_close(struct udp_associate *associate)
{
	int fd = event_get_fd(&associate->control);

	event_del(&associate->control);
	if (fd != -1)
		close(fd);
}

static void
control_assign(struct udp_associate *associate, int fd)
{
	event_assign(&associate->control, associate->base, fd,
	    EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, on_control,
	    associate);
}

/* -1 with errno. */
static int
limit_set(struct udp_associate *associate)
{
	int64_t left_us = server_due_us(&associate->server) - clock_mono_us();
	struct timeval left = { 0, 0 };

	if (left_us > 0) {
		left.tv_sec = left_us / 1000000;
		left.tv_usec = left_us % 1000000;
	}
	return event_add(&associate->limit, &left);
}

/* Connects to an address of the upstream: -1 with errno, 0 when none is left.
 */
static int
associate_try(struct udp_associate *associate)
{
	int fd = server_open(&associate->server);

	control_assign(associate, fd);
	if (fd == -1)
		return -1;
	if (event_add(&associate->control, NULL) == 0 &&
	    limit_set(associate) == 0)
		return 0;
	errno = ENOMEM;
	return -1;
}

static void
associate_retry(struct udp_associate *associate, unsigned int error)
{
	control_close(associate);
	control_assign(associate, -1);
	if (server_again(&associate->server, error)) {
		if (associate_try(associate) == 0)
			return;
		if (errno != 0)
			error = (unsigned int)errno;
	}
	associate->done(associate->ctx, -1, error);
}

/* A connected socket, or -1 with errno. */
static int
associate_connect(struct udp_associate *associate)
{
	const struct server *server = &associate->server;
	struct sockaddr_storage name;
	struct addr addr;
	uint16_t port;
	socklen_t len;
	int fd, error;

	upstreams_address(server->upstreams, server->endpoint, &addr, &port);
	len = addr_to_sockaddr(&addr, associate->bound.port, &name);
	fd = socket(
	    name.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	if (connect(fd, (struct sockaddr *)&name, len) == 0) {
		udp_prepare_apart(fd, name.ss_family);
		return fd;
	}
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* From now on the connection has only to stay. */
static int
control_watch(struct udp_associate *associate)
{
	int fd = event_get_fd(&associate->control);

	event_del(&associate->control);
	event_del(&associate->limit);
	event_assign(&associate->control, associate->base, fd,
	    EV_READ | EV_PERSIST, on_control, associate);
	return event_add(&associate->control, NULL);
}

static void
associate_ready(struct udp_associate *associate)
{
	unsigned int error = FLOW_ERROR_NOT_UNDERSTOOD;
	int fd = -1;

	if (control_watch(associate) == -1) {
		error = ENOMEM;
	} else if (associate->bound.port != 0) {
		fd = associate_connect(associate);
		error = (unsigned int)errno;
	}
	server_release(&associate->server);
	associate->done(associate->ctx, fd, error);
}

/* The upstream has nothing more to say. */
static unsigned int
control_heard(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, sizeof(byte), 0);

	if (n > 0)
		return FLOW_ERROR_NOT_UNDERSTOOD;
	if (n == 0)
		return FLOW_ERROR_ENDED;
	return errno == EAGAIN || errno == EINTR ? 0 : (unsigned int)errno;
}

static void
control_step(struct udp_associate *associate, int fd, short what)
{
	unsigned int error = 0;

	switch (server_step(&associate->server, fd, what, &error)) {
	case SERVER_READY:
		associate_ready(associate);
		break;
	case SERVER_FAILED:
		associate_retry(associate, error);
		break;
	case SERVER_WAIT:
		if (limit_set(associate) == -1)
			associate_retry(associate, ENOMEM);
		break;
	}
}

static void
on_control(int fd, short what, void *arg)
{
	struct udp_associate *associate = arg;
	unsigned int error;

	if (associate->server.upstreams != NULL) {
		control_step(associate, fd, what);
		return;
	}
	error = control_heard(fd);
	if (error != 0)
		associate->done(associate->ctx, -1, error);
}

static void
on_limit(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	associate_retry(arg, ETIMEDOUT);
}

struct udp_associate *
udp_associate_new(struct event_base *base, const struct flow_start *start,
    struct flow_entry *record, udp_associate_fn *done, void *ctx)
{
	struct udp_associate *associate = calloc(1, sizeof(*associate));
	int error;

	if (associate == NULL)
		return NULL;
	associate->base = base;
	associate->done = done;
	associate->ctx = ctx;
	evtimer_assign(&associate->limit, base, on_limit, associate);
	server_init(&associate->server, start, record, NULL, NULL, NULL);
	associate->server.bound = &associate->bound;
	if (associate_try(associate) == 0)
		return associate;
	error = errno;
	udp_associate_free(associate);
	errno = error;
	return NULL;
}

void
udp_associate_free(struct udp_associate *associate)
{
	if (associate == NULL)
		return;
	event_del(&associate->limit);
	control_close(associate);
	server_release(&associate->server);
	free(associate);
}
