/* SPDX-License-Identifier: ISC */
/* The kernel is the only peer. */
#include "netctl/talk.h"

#include <sys/socket.h>

#include <errno.h>

struct mnl_socket *
talk_open(int bus)
{
	struct mnl_socket *socket = mnl_socket_open2(bus, SOCK_CLOEXEC);

	if (socket != NULL &&
	    mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == -1) {
		mnl_socket_close(socket);
		socket = NULL;
	}
	return socket;
}

int
talk_has_end(const void *bytes, size_t len)
{
	const struct nlmsghdr *message = bytes;
	int left = (int)len;

	for (; mnl_nlmsg_ok(message, left);
	     message = mnl_nlmsg_next(message, &left))
		if (message->nlmsg_type == NLMSG_DONE ||
		    message->nlmsg_type == NLMSG_ERROR)
			return 1;
	return 0;
}

/*
 * The kernel begins no dump before another has ended, and what is left of one
 * would be taken for answers to the next request.
 */
static void
drain(struct mnl_socket *socket, char *reply, ssize_t n)
{
	int error = errno;

	while (n != -1 && !talk_has_end(reply, (size_t)n))
		n = mnl_socket_recvfrom(socket, reply, TALK_BUFFER_BYTES);
	errno = error;
}

int
talk(struct mnl_socket *socket, struct nlmsghdr *request, mnl_cb_t on_message,
    void *ctx)
{
	static unsigned int sequence;
	_Alignas(struct nlmsghdr) char reply[TALK_BUFFER_BYTES];
	unsigned int port = mnl_socket_get_portid(socket);
	int more = MNL_CB_OK;
	ssize_t n;

	request->nlmsg_seq = ++sequence;
	if (mnl_socket_sendto(socket, request, request->nlmsg_len) == -1)
		return -1;
	while (more > MNL_CB_STOP) {
		n = mnl_socket_recvfrom(socket, reply, sizeof(reply));
		if (n == -1)
			return -1;
		more = mnl_cb_run(
		    reply, (size_t)n, sequence, port, on_message, ctx);
	}
	drain(socket, reply, n);
	return more == MNL_CB_ERROR ? -1 : 0;
}
