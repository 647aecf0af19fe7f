/* SPDX-License-Identifier: ISC */
/*
 * Owns the buffers, which all listeners share: a batch is answered before the
 * next one is received.  Reads the addresses that the kernel gives, and no byte
 * of what clients send.
 */
#include "dnsd/udp.h"

#include <linux/in6.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dnsd/front.h"

#define BATCH 64
#define BATCHES_PER_EVENT 8 /* then the others have their turn */
#define QUESTION_BYTES 2048 /* what is longer is cut, and no question */

union name {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* Room for the original destination, and for where an answer leaves from. */
union control {
	struct cmsghdr align;
	char in[CMSG_SPACE(sizeof(struct sockaddr_in6))];
	char out4[CMSG_SPACE(sizeof(struct in_pktinfo))];
	char out6[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct udp {
	int fd;
	int family;
	uint16_t port;
	uint8_t capture;
	const struct udp_ops *ops;
	void *ctx;
	struct event *readable;
};

/* The kernel changes those that it fills: `filled' in the call before. */
static struct {
	int filled;
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	union control controls[BATCH];
	union name names[BATCH];
	uint8_t bytes[BATCH][QUESTION_BYTES];
} in = { .filled = BATCH };

static struct {
	unsigned int count;
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	union control controls[BATCH];
	uint8_t bytes[BATCH][WIRE_UDP_BYTES];
} out;

static void
receive_prepare(int i)
{
	struct msghdr *header = &in.messages[i].msg_hdr;

	in.parts[i].iov_base = in.bytes[i];
	in.parts[i].iov_len = sizeof(in.bytes[i]);
	header->msg_iov = &in.parts[i];
	header->msg_iovlen = 1;
	header->msg_name = &in.names[i];
	header->msg_namelen = sizeof(in.names[i]);
	header->msg_control = &in.controls[i];
	header->msg_controllen = sizeof(in.controls[i].in);
}

static int
receive(int fd)
{
	int i, n;

	for (i = 0; i < in.filled; i++)
		receive_prepare(i);
	n = recvmmsg(fd, in.messages, BATCH, MSG_DONTWAIT, NULL);
	/* A call that fails may have begun with the first one. */
	in.filled = n > 1 ? n : 1;
	return n;
}

/* The original destination, or -1 when the kernel does not say it. */
static int
destination(struct msghdr *header, struct addr *addr, uint16_t *port)
{
	const struct cmsghdr *item = CMSG_FIRSTHDR(header);
	union name name;

	if (item == NULL ||
	    !((item->cmsg_level == IPPROTO_IP &&
		  item->cmsg_type == IP_ORIGDSTADDR) ||
		(item->cmsg_level == IPPROTO_IPV6 &&
		    item->cmsg_type == IPV6_ORIGDSTADDR)) ||
	    item->cmsg_len > CMSG_LEN(sizeof(name)))
		return -1;
	memcpy(&name, CMSG_DATA(item), item->cmsg_len - CMSG_LEN(0));
	return addr_from_sockaddr(&name.any, addr, port);
}

static int
client_read(struct udp *udp, int i, struct client *client)
{
	const union name *name = &in.names[i];
	uint16_t port = 0;

	if (destination(&in.messages[i].msg_hdr, &client->server, &port) ==
		-1 ||
	    port != udp->port ||
	    addr_from_sockaddr(&name->any, &client->addr, &client->port) ==
		-1 ||
	    client->port == 0)
		return -1;
	client->transport = DNS_TRANSPORT_UDP;
	client->capture = udp->capture;
	client->scope =
	    name->any.sa_family == AF_INET6 ? name->v6.sin6_scope_id : 0;
	client->udp = udp;
	client->connection = NULL;
	return 0;
}

static size_t
source4_put(struct cmsghdr *item, const struct addr *from)
{
	struct in_pktinfo info = { 0 };

	memcpy(&info.ipi_spec_dst, from->byte + 12, sizeof(info.ipi_spec_dst));
	item->cmsg_level = IPPROTO_IP;
	item->cmsg_type = IP_PKTINFO;
	item->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(item), &info, sizeof(info));
	return CMSG_SPACE(sizeof(info));
}

static size_t
source6_put(struct cmsghdr *item, const struct addr *from, uint32_t scope)
{
	struct in6_pktinfo info = { 0 };

	memcpy(&info.ipi6_addr, from->byte, sizeof(info.ipi6_addr));
	info.ipi6_ifindex = (int)scope;
	item->cmsg_level = IPPROTO_IPV6;
	item->cmsg_type = IPV6_PKTINFO;
	item->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(item), &info, sizeof(info));
	return CMSG_SPACE(sizeof(info));
}

/* What a message needs but for its bytes.  name stays the caller's. */
static void
header_fill(struct msghdr *header, union control *control, union name *name,
    const struct client *client)
{
	int v4 = name->any.sa_family == AF_INET;

	header->msg_name = name;
	header->msg_namelen = v4 ? sizeof(name->v4) : sizeof(name->v6);
	header->msg_control = control;
	header->msg_controllen =
	    v4 ? source4_put(&control->align, &client->server)
	       : source6_put(&control->align, &client->server, client->scope);
}

static void
queue(int i, const struct client *client, size_t len)
{
	unsigned int n = out.count++;
	struct msghdr *header = &out.messages[n].msg_hdr;

	out.parts[n].iov_base = out.bytes[n];
	out.parts[n].iov_len = len;
	header->msg_iov = &out.parts[n];
	header->msg_iovlen = 1;
	header_fill(header, &out.controls[n], &in.names[i], client);
}

/* One that cannot be sent must not keep back those behind it. */
static void
flush(struct udp *udp)
{
	unsigned int done = 0, unsent = 0;
	int n;

	while (done < out.count) {
		n = sendmmsg(udp->fd, out.messages + done, out.count - done,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0) {
			done += (unsigned int)n;
			continue;
		}
		unsent++;
		done++;
	}
	out.count = 0;
	if (unsent > 0)
		udp->ops->unsent(udp->ctx, unsent);
}

static void
serve(struct udp *udp, int n)
{
	struct client client;
	size_t len;
	int i;

	udp->ops->begin(udp->ctx);
	for (i = 0; i < n; i++) {
		if (client_read(udp, i, &client) == -1) {
			udp->ops->stray(udp->ctx);
			continue;
		}
		len = udp->ops->serve(udp->ctx, &client, in.bytes[i],
		    in.messages[i].msg_len, out.bytes[out.count]);
		if (len > 0)
			queue(i, &client, len);
	}
	flush(udp);
}

static void
on_readable(int fd, short what, void *arg)
{
	int i, n;

	(void)what;
	for (i = 0; i < BATCHES_PER_EVENT; i++) {
		if ((n = receive(fd)) <= 0)
			return;
		serve(arg, n);
		if (n < BATCH)
			return;
	}
}

struct udp *
udp_new(struct event_base *base, const struct front_listener *listener,
    uint16_t port, const struct udp_ops *ops, void *ctx)
{
	struct udp *udp = calloc(1, sizeof(*udp));

	if (udp == NULL)
		goto fail;
	udp->fd = listener->fd;
	udp->family = listener->family;
	udp->port = port;
	udp->capture = (uint8_t)listener->capture;
	udp->ops = ops;
	udp->ctx = ctx;
	udp->readable =
	    event_new(base, udp->fd, EV_READ | EV_PERSIST, on_readable, udp);
	if (udp->readable != NULL && event_add(udp->readable, NULL) == 0)
		return udp;
fail:
	close(listener->fd);
	if (udp != NULL && udp->readable != NULL)
		event_free(udp->readable);
	free(udp);
	errno = ENOMEM;
	return NULL;
}

void
udp_set_port(struct udp *udp, uint16_t port)
{
	udp->port = port;
}

int
udp_reply(struct udp *udp, const struct client *client, const uint8_t *answer,
    size_t len)
{
	struct sockaddr_storage name;
	union control control;
	struct iovec part = { .iov_base = (void *)(uintptr_t)answer,
		.iov_len = len };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
	union name *to = (union name *)(void *)&name;

	(void)addr_to_sockaddr(&client->addr, client->port, &name);
	if (name.ss_family == AF_INET6)
		to->v6.sin6_scope_id = client->scope;
	header_fill(&header, &control, to, client);
	return sendmsg(udp->fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) == -1 ? -1
									    : 0;
}

void
udp_free(struct udp *udp)
{
	event_free(udp->readable);
	close(udp->fd);
	free(udp);
}
