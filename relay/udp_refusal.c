/* SPDX-License-Identifier: ISC */
#include "relay/udp_refusal.h"

#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define MOST 64 /* that netctl is asked for at a time */

struct refusal {
	struct sockaddr_storage server;
	socklen_t len;
};

static unsigned int under_way;

/* What becomes of the datagram is not told to who sends it. */
static void
on_socket(void *ctx, int fd, int error)
{
	struct refusal *refusal = ctx;

	(void)error;
	under_way--;
	if (fd != -1) {
		(void)sendto(fd, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL,
		    (struct sockaddr *)&refusal->server, refusal->len);
		close(fd);
	}
	free(refusal);
}

void
udp_refusal(struct broker *broker, const struct broker_flow *flow, int error)
{
	enum ipc_broker kind = error == ECONNREFUSED ? IPC_BROKER_UDP_NO_PORT
						     : IPC_BROKER_UDP_NO_HOST;
	struct refusal *refusal;

	if (under_way == MOST || (refusal = malloc(sizeof(*refusal))) == NULL)
		return;
	refusal->len = addr_to_sockaddr(
	    &flow->server, flow->server_port, &refusal->server);
	under_way++;
	if (broker_ask(broker, kind, flow, flow->client_port, on_socket,
		refusal) != NULL)
		return;
	under_way--;
	free(refusal);
}
