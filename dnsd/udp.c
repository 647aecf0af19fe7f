/* SPDX-License-Identifier: ISC */
/*
 * Owns the buffers, which all listeners share: a batch is answered before the
 * next one is received, and answers that come later wait for others of their
 * listener until the messages at hand are done with.  Reads the addresses that
 * the kernel gives, and no byte of what clients send.
 */
#include "dnsd/udp.h"

#include <linux/in6.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <errno.h>
#include <event2/event.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dnsd/dname.h"
#include "dnsd/front.h"
#include "dnsd/wire.h"
#include "ipc/loop.h"

#define BATCH 64
#define BATCHES_PER_EVENT 8 /* then the others have their turn */
#define QUESTION_BYTES 2048 /* what is longer is cut, and no question */
#define ANSWERS_AT 6	    /* where the header counts them */
#define ADDITIONAL_AT 11    /* the low byte: there is but that of EDNS */
#define OPT_BYTES (1 + WIRE_RECORD_BYTES) /* without options */

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
	struct event *later; /* active while `late' holds answers of its own */
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

/* Answers on their way out of one listener. */
struct outbox {
	unsigned int count;
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	union control controls[BATCH];
	union name names[BATCH];
	uint8_t bytes[BATCH][WIRE_UDP_BYTES];
};

static struct outbox out; /* to the batch that is being served */

/* To who has waited.  Apart: some of those are answered amid a batch. */
static struct outbox late;
static struct udp *late_of;

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

/* Takes the next place, whose bytes and name are there already. */
static void
queue(struct outbox *box, const struct client *client, size_t len)
{
	unsigned int n = box->count++;
	struct msghdr *header = &box->messages[n].msg_hdr;
	union name *name = &box->names[n];
	struct cmsghdr *control = &box->controls[n].align;
	int v4 = name->any.sa_family == AF_INET;

	box->parts[n].iov_base = box->bytes[n];
	box->parts[n].iov_len = len;
	header->msg_iov = &box->parts[n];
	header->msg_iovlen = 1;
	header->msg_name = name;
	header->msg_namelen = v4 ? sizeof(name->v4) : sizeof(name->v6);
	header->msg_control = control;
	header->msg_controllen =
	    v4 ? source4_put(control, &client->server)
	       : source6_put(control, &client->server, client->scope);
}

/*
 * Cuts an answer to its question and what it says of EDNS, if that is but a
 * record at its end: who asked comes back by TCP.  0: it is that short.
 */
static int
cut(struct iovec *answer)
{
	static const uint8_t counts[] = { 0, 0, 0, 0, 0 };
	static const uint8_t opt[] = { 0, 0, WIRE_OPT };
	uint8_t *message = answer->iov_base, name[LIMIT_DNS_NAME_BYTES];
	const uint8_t *last = message + answer->iov_len - OPT_BYTES;
	size_t at = WIRE_HEADER_BYTES;

	if (dname_read_plain(message, answer->iov_len, &at, name) == -1 ||
	    at + WIRE_QUESTION_BYTES + OPT_BYTES >= answer->iov_len)
		return 0;
	at += WIRE_QUESTION_BYTES;
	answer->iov_len = at;
	message[2] |= WIRE_TC >> 8;
	memcpy(message + ANSWERS_AT, counts, sizeof(counts));
	if (message[ADDITIONAL_AT] != 0 &&
	    memcmp(last, opt, sizeof(opt)) == 0) {
		memmove(message + at, last, OPT_BYTES);
		answer->iov_len += OPT_BYTES;
	} else {
		message[ADDITIONAL_AT] = 0;
	}
	return 1;
}

/*
 * One that cannot be sent must not keep back those behind it.  The listener
 * sends no fragments, which others could put theirs in the place of (RFC 9715):
 * what the way out is too narrow for is cut.
 */
static void
flush(struct udp *udp, struct outbox *box)
{
	unsigned int done = 0, unsent = 0;
	int n;

	while (done < box->count) {
		n = sendmmsg(udp->fd, box->messages + done, box->count - done,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0) {
			done += (unsigned int)n;
			continue;
		}
		if (errno == EMSGSIZE && cut(&box->parts[done]))
			continue;
		unsent++;
		done++;
	}
	box->count = 0;
	if (unsent > 0)
		udp->ops->unsent(udp->ctx, unsent);
}

static void
flush_late(void)
{
	if (late_of != NULL)
		flush(late_of, &late);
	late_of = NULL;
}

static void
on_later(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	if (late_of == arg)
		flush_late();
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
		if (len == 0)
			continue;
		out.names[out.count] = in.names[i];
		queue(&out, &client, len);
	}
	flush(udp, &out);
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
		if (n == 1)
			return;
		/*
		 * When questions come fast, whoever waits for this CPU may ask
		 * more meanwhile: to be woken for each costs more than to look
		 * once too often.
		 */
		if (n < BATCH)
			(void)sched_yield();
	}
}

static void
events_free(struct udp *udp)
{
	if (udp != NULL && udp->readable != NULL)
		event_free(udp->readable);
	if (udp != NULL && udp->later != NULL)
		event_free(udp->later);
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
	udp->later = event_new(base, -1, 0, on_later, udp);
	if (udp->readable != NULL && udp->later != NULL &&
	    event_priority_set(udp->later, LOOP_MESSAGES) == 0 &&
	    event_add(udp->readable, NULL) == 0)
		return udp;
fail:
	close(listener->fd);
	events_free(udp);
	free(udp);
	errno = ENOMEM;
	return NULL;
}

void
udp_set_port(struct udp *udp, uint16_t port)
{
	udp->port = port;
}

void
udp_reply(struct udp *udp, const struct client *client, const uint8_t *answer,
    size_t len)
{
	struct sockaddr_storage name;
	union name *to;

	if (late_of != udp || late.count == BATCH)
		flush_late();
	if (late_of == NULL)
		event_active(udp->later, EV_TIMEOUT, 0);
	late_of = udp;
	to = &late.names[late.count];
	(void)addr_to_sockaddr(&client->addr, client->port, &name);
	memcpy(to, &name, sizeof(*to));
	if (to->any.sa_family == AF_INET6)
		to->v6.sin6_scope_id = client->scope;
	memcpy(late.bytes[late.count], answer, len);
	queue(&late, client, len);
}

void
udp_free(struct udp *udp)
{
	if (late_of == udp)
		flush_late();
	events_free(udp);
	close(udp->fd);
	free(udp);
}
