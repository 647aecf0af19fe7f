/* SPDX-License-Identifier: ISC */
/*
 * One end of a message channel: a SOCK_SEQPACKET socket on a libevent base.
 * What arrives is checked by ipc_accept() before a handler sees it.  Nothing
 * here ever blocks: what the socket does not take waits in a bounded queue.
 */
#ifndef IPC_CHANNEL_H
#define IPC_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

#include "ipc/msg.h"

struct event_base;
struct ipc_channel;

struct ipc_message {
	enum msg_type type;
	uint32_t id;
	size_t len; /* of body */
	const void *body;
	int fd; /* -1: none; closed after the handler unless it took it */
};

struct ipc_handler {
	enum msg_type type;
	void (*handle)(void *ctx, struct ipc_message *);
	/*
	 * It runs, with fd -1, even if this process had no room for the
	 * message's descriptor (unix(7)); for others that ends the channel.
	 */
	int does_without_fd;
};

/*
 * Called once when the channel is over, from the event loop: why is NULL when
 * the peer closed it, else what it did wrong, or what there was no room for.
 * The owner frees the channel, there or later; no handler runs any more.
 */
typedef void ipc_end_fn(void *ctx, const char *why);

/*
 * Takes fd over and makes it non-blocking.  handlers ends with type MSG_NONE
 * and must hold every message that the peer may send; one that is missing
 * counts as a violation.  Returns NULL with errno, fd still the caller's.
 */
struct ipc_channel *ipc_channel_new(struct event_base *, int fd,
    enum ipc_role self, enum ipc_role peer, const struct ipc_handler *handlers,
    ipc_end_fn *, void *ctx);

/* Closes the socket and every queued descriptor.  NULL is allowed. */
void ipc_channel_free(struct ipc_channel *);

void ipc_channel_set_phase(struct ipc_channel *, enum ipc_phase);

/*
 * For a peer without a sandbox, whose descriptors nobody here wants: not one
 * becomes a descriptor of this process, whose close(2) could wait for whoever
 * made it.  A message that has to bring one is handled with fd -1.  To be
 * called before anything is received.
 */
void ipc_channel_refuse_fds(struct ipc_channel *);

/*
 * Sends, or queues, one message; fd (or -1) stays the caller's.  -1 with
 * ENOBUFS when the queue is full and EPIPE when the peer is gone; the caller
 * decides what that means for this kind of message.
 */
int ipc_send(struct ipc_channel *, enum msg_type, uint32_t id, const void *body,
    size_t len, int fd);

/*
 * The same, but it leaves together with others, before the base waits for new
 * events: for messages of which many are made at a time.
 */
int ipc_send_soon(
    struct ipc_channel *, enum msg_type, const void *body, size_t len);

/* For messages whose whole body struct is sent. */
#define IPC_SEND(channel, type, id, body, fd) \
	ipc_send((channel), (type), (id), (body), sizeof(*(body)), (fd))

/* Sends MSG_x with the empty body. */
int ipc_send_empty(struct ipc_channel *, enum msg_type, int fd);

/* Messages waiting in the queue. */
size_t ipc_channel_queued(const struct ipc_channel *);

/*
 * Waits up to limit_ms for the queue to empty, for a process about to leave.
 * 0, or -1 when it did not.
 */
int ipc_channel_flush(struct ipc_channel *, int limit_ms);

/* The handler keeps the descriptor: it is the caller's now. */
int ipc_message_take_fd(struct ipc_message *);

/* Two ends of a channel, close-on-exec.  -1 with errno. */
int ipc_socketpair(int ends[2]);

#endif
