/* SPDX-License-Identifier: ISC */
/*
 * One endpoint after the other, a few at a time.  Reads what upstreams answer
 * to a login, and tells struct upstreams what has become of it.
 */
#include "relay/check.h"

#include <sys/socket.h>

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/addr.h"
#include "common/clock.h"
#include "relay/handshake.h"
#include "relay/shortage.h"
#include "relay/upstream.h"

#define CHECKS_AT_A_TIME 8
#define LIMIT_MS 5000U	/* for an answer, if that is less than the interval */
#define CROWDED_MS 250U /* until one that found no room is tried again */

struct check {
	struct checks *checks;
	struct event timer;  /* the next one is due, or this takes too long */
	struct event socket; /* -1: none is under way */
	uint16_t endpoint;
	uint8_t connected;
	struct handshake handshake;
};

struct checks {
	struct event_base *base;
	struct upstreams *upstreams; /* NULL: none */
	uint32_t count;
	uint32_t under_way;
	struct check *check;
};

struct checks *
checks_new(struct event_base *base)
{
	struct checks *checks = calloc(1, sizeof(*checks));

	if (checks != NULL)
		checks->base = base;
	return checks;
}

static uint16_t
upstream_of(const struct check *check)
{
	return upstreams_of_endpoint(check->checks->upstreams, check->endpoint);
}

static uint32_t
interval_ms(const struct check *check)
{
	return upstreams_check_ms(check->checks->upstreams, upstream_of(check));
}

/* Without memory for the timer nothing is checked any more. */
static void
timer_set(struct check *check, uint32_t ms)
{
	struct timeval after = { ms / 1000, ms % 1000 * 1000 };

	(void)event_add(&check->timer, &after);
}

static void
socket_end(struct check *check)
{
	int fd = event_get_fd(&check->socket);

	if (fd == -1)
		return;
	event_del(&check->socket);
	close(fd);
	event_assign(&check->socket, check->checks->base, -1, 0, NULL, NULL);
	check->checks->under_way--;
}

/* error: 0, or as in struct flow_entry. */
static void
check_end(struct check *check, unsigned int error)
{
	struct upstreams *upstreams = check->checks->upstreams;

	socket_end(check);
	if (error == 0)
		upstreams_good(upstreams, check->endpoint);
	else if (!shortage_is((int)error))
		upstreams_bad(upstreams, check->endpoint, clock_mono_us());
	timer_set(check, interval_ms(check));
}

static int
socket_error(int fd)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		return errno;
	return error;
}

static void
on_socket(int fd, short what, void *arg)
{
	struct check *check = arg;
	struct upstreams *upstreams = check->checks->upstreams;
	/* Without a record nothing is said that needs one. */
	struct handshake_terms terms = { .credential = upstreams_credential(
					     upstreams, upstream_of(check)) };
	enum answer_status status;
	unsigned int error = 0;

	if (!check->connected) {
		error = (unsigned int)socket_error(fd);
		if (error != 0) {
			check_end(check, error);
			return;
		}
		check->connected = 1;
	}
	if (what & EV_CLOSED)
		check->handshake.ended = 1;
	status = handshake_run(&check->handshake, &terms, fd, &error);
	if (status != ANSWER_MORE)
		check_end(check, status == ANSWER_GOOD ? 0 : error);
}

/* A connecting socket, or -1 with errno. */
static int
connect_to(const struct upstreams *upstreams, uint16_t endpoint)
{
	struct sockaddr_storage name;
	struct addr addr;
	uint16_t port;
	socklen_t len;
	int fd, error;

	upstreams_address(upstreams, endpoint, &addr, &port);
	len = addr_to_sockaddr(&addr, port, &name);
	fd = socket(
	    name.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1 || connect(fd, (struct sockaddr *)&name, len) == 0 ||
	    errno == EINPROGRESS)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static void
check_begin(struct check *check)
{
	struct checks *checks = check->checks;
	uint32_t limit_ms = interval_ms(check);
	int fd = connect_to(checks->upstreams, check->endpoint);

	if (fd == -1) {
		check_end(check, (unsigned int)errno);
		return;
	}
	checks->under_way++;
	check->connected = 0;
	handshake_begin(&check->handshake,
	    upstreams_kind(checks->upstreams, upstream_of(check)));
	event_assign(&check->socket, checks->base, fd,
	    EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, on_socket,
	    check);
	if (event_add(&check->socket, NULL) == -1)
		check_end(check, ENOMEM);
	else
		timer_set(check, limit_ms < LIMIT_MS ? limit_ms : LIMIT_MS);
}

static void
on_timer(int fd, short what, void *arg)
{
	struct check *check = arg;

	(void)fd;
	(void)what;
	if (event_get_fd(&check->socket) != -1)
		check_end(check, ETIMEDOUT);
	else if (check->checks->under_way >= CHECKS_AT_A_TIME)
		timer_set(check, CROWDED_MS);
	else
		check_begin(check);
}

static void
check_init(struct checks *checks, struct check *check, uint16_t endpoint)
{
	check->checks = checks;
	check->endpoint = endpoint;
	event_assign(&check->socket, checks->base, -1, 0, NULL, NULL);
	evtimer_assign(&check->timer, checks->base, on_timer, check);
	timer_set(check, 0);
}

static void
checks_end(struct checks *checks)
{
	uint32_t i;

	for (i = 0; i < checks->count; i++) {
		event_del(&checks->check[i].timer);
		socket_end(&checks->check[i]);
	}
	free(checks->check);
	checks->check = NULL;
	checks->count = 0;
	upstreams_release(checks->upstreams);
	checks->upstreams = NULL;
}

void
checks_replace(struct checks *checks, struct upstreams *upstreams)
{
	uint32_t i, most;

	checks_end(checks);
	if (upstreams == NULL)
		return;
	most = upstreams_endpoint_count(upstreams);
	checks->check = calloc(most + 1, sizeof(*checks->check));
	if (checks->check == NULL)
		return;
	checks->upstreams = upstreams_hold(upstreams);
	for (i = 0; i < most; i++)
		if (upstreams_check_ms(upstreams,
			upstreams_of_endpoint(upstreams, (uint16_t)i)) != 0)
			check_init(checks, &checks->check[checks->count++],
			    (uint16_t)i);
}
