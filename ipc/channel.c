/* SPDX-License-Identifier: ISC */
/*
 * Moves datagrams between sockets and handlers.  Reads the bytes of any
 * process; believes nothing that ipc_accept() has not passed.
 */
#include "ipc/channel.h"

#include <sys/queue.h>
#include <sys/socket.h>

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/haste.h"
#include "ipc/loop.h"

#define QUEUE_LIMIT 256	    /* messages that may wait for a slow reader */
#define READS_PER_EVENT 32  /* then the other channels have their turn */
#define TOGETHER 8	    /* messages of one call */
#define SOON_MOST 64	    /* that wait for others */
#define FDS_PER_MESSAGE 253 /* SCM_MAX_FD: the most the kernel passes */
#define LATER_US 10000	    /* until the kernel is asked for memory again */

struct outgoing {
	TAILQ_ENTRY(outgoing) entry;
	int fd;
	size_t len;
	uint8_t datagram[];
};

struct ipc_channel {
	int fd;
	struct ipc_gate gate;
	const struct ipc_handler *handlers;
	ipc_end_fn *end;
	void *ctx;
	struct event *readable;
	struct event *writable;
	struct event *later;
	TAILQ_HEAD(, outgoing) queue;
	size_t queued;
	int over;   /* the end has been told */
	int held;   /* not read while an answer to it waits */
	int no_fds; /* none of the peer's is taken */
	int busy;   /* on_readable() is at work: freeing waits for it */
	int freed;
};

/* These serve all channels: a message lives only in its handler. */
static struct {
	struct mmsghdr messages[TOGETHER];
	struct iovec parts[TOGETHER];
	_Alignas(struct cmsghdr) char controls[TOGETHER][CMSG_SPACE(
	    FDS_PER_MESSAGE * sizeof(int))];
	_Alignas(16) uint8_t datagrams[TOGETHER][LIMIT_MESSAGE_BYTES];
} inbox;

_Static_assert(LIMIT_MESSAGE_BYTES % 16 == 0, "each datagram is aligned");

static void
channel_end(struct ipc_channel *channel, const char *why)
{
	if (channel->over)
		return;
	channel->over = 1;
	event_del(channel->readable);
	event_del(channel->writable);
	event_del(channel->later);
	channel->end(channel->ctx, why);
}

static int
send_datagram(int socket, const void *datagram, size_t len, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { .iov_base = (void *)datagram, .iov_len = len };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *header;

	if (fd != -1) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	}
	if (sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == -1)
		return -1;
	return 0;
}

static void
outgoing_free(struct ipc_channel *channel, struct outgoing *out)
{
	TAILQ_REMOVE(&channel->queue, out, entry);
	channel->queued--;
	if (out->fd != -1)
		close(out->fd);
	free(out);
}

/* Several without descriptors at a time; how many, or -1 with errno. */
static int
send_first(struct ipc_channel *channel)
{
	struct mmsghdr messages[TOGETHER];
	struct iovec parts[TOGETHER];
	struct outgoing *first = TAILQ_FIRST(&channel->queue), *out = first;
	unsigned int n;

	memset(messages, 0, sizeof(messages));
	for (n = 0; n < TOGETHER && out != NULL && out->fd == -1; n++) {
		parts[n].iov_base = out->datagram;
		parts[n].iov_len = out->len;
		messages[n].msg_hdr.msg_iov = &parts[n];
		messages[n].msg_hdr.msg_iovlen = 1;
		out = TAILQ_NEXT(out, entry);
	}
	if (n > 1)
		return sendmmsg(
		    channel->fd, messages, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (send_datagram(
		channel->fd, first->datagram, first->len, first->fd) == -1)
		return -1;
	return 1;
}

/* 0 when the queue is empty, -1 with EAGAIN when the socket is full. */
static int
queue_send(struct ipc_channel *channel)
{
	int n;

	while (!TAILQ_EMPTY(&channel->queue)) {
		if ((n = send_first(channel)) == -1)
			return -1;
		while (n-- > 0)
			outgoing_free(channel, TAILQ_FIRST(&channel->queue));
	}
	return 0;
}

/* The socket is full, or the kernel has no memory for what it would hold. */
static int
must_wait(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ||
	       errno == ENOMEM;
}

static void
on_writable(int fd, short what, void *arg)
{
	static const struct timeval later = { 0, LATER_US };
	struct ipc_channel *channel = arg;

	(void)fd;
	(void)what;
	if (queue_send(channel) == 0) {
		if (channel->held)
			event_add(channel->readable, NULL);
		channel->held = 0;
		return;
	}
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		event_add(channel->writable, NULL);
	/* The socket has room: being told so again would be a loop. */
	else if (must_wait())
		event_add(channel->later, &later);
	/* A dead peer is seen by the reading side, if that does not wait. */
	else if (channel->held)
		channel_end(channel, NULL);
}

static int
queue_add(struct ipc_channel *channel, const struct msg_header *header,
    const void *body, size_t len, int fd)
{
	struct outgoing *out;

	if (channel->queued >= QUEUE_LIMIT) {
		errno = ENOBUFS;
		return -1;
	}
	if ((out = malloc(sizeof(*out) + sizeof(*header) + len)) == NULL)
		return -1;
	out->fd = -1;
	if (fd != -1 && (out->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)) == -1) {
		free(out);
		return -1;
	}
	out->len = sizeof(*header) + len;
	memcpy(out->datagram, header, sizeof(*header));
	memcpy(out->datagram + sizeof(*header), body, len);
	TAILQ_INSERT_TAIL(&channel->queue, out, entry);
	channel->queued++;
	return 0;
}

/* What the socket does not take now. */
static int
queue_wait(struct ipc_channel *channel, const struct msg_header *header,
    const void *body, size_t len, int fd)
{
	if (queue_add(channel, header, body, len, fd) == -1)
		return -1;
	event_add(channel->writable, NULL);
	return 0;
}

/* 0 when a message of that length can be sent, else -1 with errno. */
static int
send_check(const struct ipc_channel *channel, size_t len)
{
	errno = channel->over ? EPIPE : EMSGSIZE;
	return channel->over ||
		       len > LIMIT_MESSAGE_BYTES - sizeof(struct msg_header)
		   ? -1
		   : 0;
}

int
ipc_send(struct ipc_channel *channel, enum msg_type type, uint32_t id,
    const void *body, size_t len, int fd)
{
	struct msg_header header = {
		.type = type, .len_bytes = (uint32_t)len, .id = id
	};
	uint8_t datagram[LIMIT_MESSAGE_BYTES];

	if (send_check(channel, len) == -1)
		return -1;
	if (channel->queued > 0)
		return queue_wait(channel, &header, body, len, fd);
	memcpy(datagram, &header, sizeof(header));
	memcpy(datagram + sizeof(header), body, len);
	if (send_datagram(channel->fd, datagram, sizeof(header) + len, fd) == 0)
		return 0;
	if (must_wait())
		return queue_wait(channel, &header, body, len, fd);
	return -1;
}

int
ipc_send_soon(struct ipc_channel *channel, enum msg_type type, const void *body,
    size_t len)
{
	struct msg_header header = { .type = type, .len_bytes = (uint32_t)len };

	if (send_check(channel, len) == -1 ||
	    queue_add(channel, &header, body, len, -1) == -1)
		return -1;
	/* With others of its priority, it comes when those at work are done. */
	if (channel->queued == 1)
		event_active(channel->writable, EV_WRITE, 0);
	if (channel->queued >= SOON_MOST)
		(void)queue_send(channel);
	return 0;
}

int
ipc_send_empty(struct ipc_channel *channel, enum msg_type type, int fd)
{
	struct msg_empty body = { 0 };

	return IPC_SEND(channel, type, 0, &body, fd);
}

/*
 * Closes every descriptor that came but the first; returns how many were sent,
 * where all that found no room here are one.
 */
static unsigned int
fds_of(struct msghdr *message, int *first)
{
	struct cmsghdr *header;
	unsigned int count = 0;
	size_t i, n;
	int fd;

	*first = -1;
	for (header = CMSG_FIRSTHDR(message); header != NULL;
	     header = CMSG_NXTHDR(message, header)) {
		if (header->cmsg_level != SOL_SOCKET ||
		    header->cmsg_type != SCM_RIGHTS)
			continue;
		n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(fd);
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(header) + i * sizeof(fd),
			    sizeof(fd));
			if (count++ == 0)
				*first = fd;
			else
				close(fd);
		}
	}
	return count + ((message->msg_flags & MSG_CTRUNC) != 0);
}

static const struct ipc_handler *
handler_of(const struct ipc_channel *channel, uint32_t type)
{
	const struct ipc_handler *handler;

	for (handler = channel->handlers; handler->type != MSG_NONE; handler++)
		if (handler->type == type)
			return handler;
	return NULL;
}

/* NULL, or why it cannot be. */
static const char *
handle(
    struct ipc_channel *channel, struct ipc_message *message, unsigned int nfds)
{
	const struct ipc_handler *handler = handler_of(channel, message->type);

	if (handler == NULL)
		return "a message nobody awaits";
	if (nfds > 0 && message->fd == -1 && !handler->does_without_fd &&
	    !channel->no_fds)
		return "a descriptor that there was no room for";
	handler->handle(channel->ctx, message);
	return NULL;
}

static void
deliver(struct ipc_channel *channel, const uint8_t *datagram, size_t len,
    unsigned int nfds, int fd, int truncated)
{
	struct ipc_message message = { .fd = fd };
	struct msg_header header;
	const char *why;

	if (ipc_accept(&channel->gate, datagram, len, nfds, truncated, &why) ==
	    ALLOW) {
		memcpy(&header, datagram, sizeof(header));
		message.type = header.type;
		message.id = header.id;
		message.len = header.len_bytes;
		message.body = datagram + sizeof(header);
		why = handle(channel, &message, nfds);
	}
	if (message.fd != -1)
		close(message.fd);
	if (why != NULL)
		channel_end(channel, why);
}

/* One that was received; after the end of the channel it is dropped. */
static void
take(struct ipc_channel *channel, unsigned int i)
{
	struct msghdr *message = &inbox.messages[i].msg_hdr;
	size_t len = inbox.messages[i].msg_len;
	unsigned int nfds;
	int fd;

	nfds = fds_of(message, &fd);
	if (channel->over) {
		if (fd != -1)
			close(fd);
		return;
	}
	if (len == 0 && nfds == 0) {
		channel_end(channel, NULL);
		return;
	}
	deliver(channel, inbox.datagrams[i], len, nfds, fd,
	    (message->msg_flags & MSG_TRUNC) != 0);
}

static void
receive_prepare(const struct ipc_channel *channel, unsigned int i)
{
	struct msghdr *message = &inbox.messages[i].msg_hdr;

	inbox.parts[i].iov_base = inbox.datagrams[i];
	inbox.parts[i].iov_len = sizeof(inbox.datagrams[i]);
	message->msg_iov = &inbox.parts[i];
	message->msg_iovlen = 1;
	message->msg_control = inbox.controls[i];
	message->msg_controllen =
	    channel->no_fds ? 0 : sizeof(inbox.controls[i]);
}

/* Those that are refused are closed by the kernel, meanwhile. */
static int
receive(struct ipc_channel *channel, unsigned int most)
{
	int n, error;

	if (channel->no_fds)
		haste_begin();
	n = recvmmsg(channel->fd, inbox.messages, most,
	    MSG_DONTWAIT | MSG_CMSG_CLOEXEC, NULL);
	error = errno;
	if (channel->no_fds)
		haste_end();
	errno = error;
	return n;
}

/* 1 when there may be more, 0 when there is none or the channel is over. */
static int
receive_some(struct ipc_channel *channel, unsigned int most)
{
	unsigned int i;
	int n;

	for (i = 0; i < most; i++)
		receive_prepare(channel, i);
	n = receive(channel, most);
	if (n == -1) {
		if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
			channel_end(channel, errno == ECONNRESET
						 ? NULL
						 : "an unreadable socket");
		return 0;
	}
	for (i = 0; i < (unsigned int)n; i++)
		take(channel, i);
	return (unsigned int)n == most && !channel->over;
}

static void
channel_release(struct ipc_channel *channel)
{
	if (channel->readable != NULL)
		event_free(channel->readable);
	if (channel->writable != NULL)
		event_free(channel->writable);
	if (channel->later != NULL)
		event_free(channel->later);
	free(channel);
}

/* What only asks for something waits behind the messages that keep tpx alive.
 */
static int
priority_of(const struct ipc_channel *channel)
{
	enum ipc_role peer = channel->gate.peer;

	if (peer == IPC_CTL ||
	    (peer == IPC_RELAY && channel->gate.self == IPC_NETCTL))
		return LOOP_WORK;
	return LOOP_MESSAGES;
}

/* tpxctl waits for each answer before its next question is read. */
static int
is_ours(const struct ipc_channel *channel)
{
	return channel->gate.peer != IPC_CTL;
}

static void
receive_due(struct ipc_channel *channel)
{
	int n;

	if (!is_ours(channel)) {
		(void)receive_some(channel, 1);
		return;
	}
	for (n = 0; n < READS_PER_EVENT; n += TOGETHER)
		if (!receive_some(channel, TOGETHER))
			return;
}

static void
on_readable(int socket, short what, void *arg)
{
	struct ipc_channel *channel = arg;

	(void)socket;
	(void)what;
	channel->busy = 1;
	receive_due(channel);
	if (!channel->over && !is_ours(channel) && channel->queued > 0) {
		channel->held = 1;
		event_del(channel->readable);
	}
	channel->busy = 0;
	if (channel->freed)
		channel_release(channel);
}

struct ipc_channel *
ipc_channel_new(struct event_base *base, int fd, enum ipc_role self,
    enum ipc_role peer, const struct ipc_handler *handlers, ipc_end_fn *end,
    void *ctx)
{
	struct ipc_channel *channel;

	if (evutil_make_socket_nonblocking(fd) == -1 ||
	    (channel = calloc(1, sizeof(*channel))) == NULL)
		return NULL;
	channel->fd = fd;
	channel->gate.self = self;
	channel->gate.peer = peer;
	channel->gate.phase = IPC_PHASE_SETUP;
	channel->handlers = handlers;
	channel->end = end;
	channel->ctx = ctx;
	TAILQ_INIT(&channel->queue);
	channel->readable =
	    event_new(base, fd, EV_READ | EV_PERSIST, on_readable, channel);
	channel->writable = event_new(base, fd, EV_WRITE, on_writable, channel);
	channel->later = event_new(base, -1, 0, on_writable, channel);
	if (channel->readable != NULL && channel->writable != NULL &&
	    channel->later != NULL &&
	    event_priority_set(channel->readable, priority_of(channel)) == 0 &&
	    event_add(channel->readable, NULL) == 0)
		return channel;
	channel_release(channel);
	return NULL;
}

/* What was sent to it and not received is closed with it. */
static void
socket_close(struct ipc_channel *channel)
{
	if (channel->no_fds)
		haste_begin();
	close(channel->fd);
	if (channel->no_fds)
		haste_end();
}

void
ipc_channel_free(struct ipc_channel *channel)
{
	struct outgoing *out;

	if (channel == NULL)
		return;
	while ((out = TAILQ_FIRST(&channel->queue)) != NULL)
		outgoing_free(channel, out);
	channel->over = 1;
	event_del(channel->readable);
	event_del(channel->writable);
	event_del(channel->later);
	socket_close(channel);
	if (channel->busy)
		channel->freed = 1;
	else
		channel_release(channel);
}

void
ipc_channel_set_phase(struct ipc_channel *channel, enum ipc_phase phase)
{
	channel->gate.phase = phase;
}

void
ipc_channel_refuse_fds(struct ipc_channel *channel)
{
	channel->no_fds = 1;
}

size_t
ipc_channel_queued(const struct ipc_channel *channel)
{
	return channel->queued;
}

int
ipc_channel_flush(struct ipc_channel *channel, int limit_ms)
{
	struct pollfd ready = { .fd = channel->fd, .events = POLLOUT };

	while (queue_send(channel) == -1) {
		if ((errno != EAGAIN && errno != EWOULDBLOCK) ||
		    poll(&ready, 1, limit_ms) <= 0)
			return -1;
	}
	return 0;
}

int
ipc_message_take_fd(struct ipc_message *message)
{
	int fd = message->fd;

	message->fd = -1;
	return fd;
}

int
ipc_socketpair(int ends[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}
