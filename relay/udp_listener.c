/* SPDX-License-Identifier: ISC */
/*
 * Reads clients' datagrams, of which it looks at nothing but the two ends that
 * the kernel says.
 */
#include "relay/udp_listener.h"

#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/addr.h"
#include "relay/udp_flow.h"
#include "relay/udp_packet.h"

#define BATCHES_PER_EVENT 8 /* then the others have their turn */

struct udp_listener {
	int fd;
	uint16_t port;
	enum flow_capture capture;
	struct udp_flows *flows;
	struct event *readable;
};

/* Somebody on this host sent to the listener itself. */
static int
is_own(const struct udp_listener *listener, const struct udp_packet *packet)
{
	return packet->dport == listener->port &&
	       addr_is_loopback(&packet->dst);
}

/* Gives on runs of those that were captured. */
static void
deliver(struct udp_listener *listener, const struct udp_packet *packets, int n)
{
	int i, first = 0;

	for (i = 0; i <= n; i++) {
		if (i < n && packets[i].sport != 0 &&
		    !is_own(listener, &packets[i]))
			continue;
		if (i > first)
			udp_flows_packets(listener->flows, listener->capture,
			    packets + first, i - first);
		if (i < n)
			udp_flows_refused(
			    listener->flows, udp_packet_count(&packets[i]));
		first = i + 1;
	}
}

static void
on_readable(int fd, short what, void *arg)
{
	struct udp_packet *packets;
	int i, n;

	(void)what;
	for (i = 0; i < BATCHES_PER_EVENT; i++) {
		if ((n = udp_receive_ends(fd, &packets)) == -1)
			return;
		deliver(arg, packets, n);
		if (n < UDP_BATCH)
			return;
	}
}

struct udp_listener *
udp_listener_new(
    struct event_base *base, int fd, uint16_t port, enum flow_capture capture)
{
	struct udp_listener *listener = calloc(1, sizeof(*listener));

	if (listener == NULL)
		return NULL;
	listener->fd = fd;
	listener->port = port;
	listener->capture = capture;
	udp_prepare_gathering(fd);
	if (capture == FLOW_CAPTURE_LOCAL)
		udp_prepare_hops(fd);
	listener->readable =
	    event_new(base, fd, EV_READ | EV_PERSIST, on_readable, listener);
	if (listener->readable != NULL)
		return listener;
	free(listener);
	return NULL;
}

int
udp_listener_start(struct udp_listener *listener, struct udp_flows *flows)
{
	listener->flows = flows;
	return event_add(listener->readable, NULL);
}

void
udp_listener_free(struct udp_listener *listener)
{
	event_free(listener->readable);
	close(listener->fd);
	free(listener);
}
