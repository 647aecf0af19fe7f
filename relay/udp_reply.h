/* SPDX-License-Identifier: ISC */
/*
 * Sockets with the addresses of servers, by which their clients are answered:
 * one for each server (address and port), which flows share.  They come from
 * netctl.
 */
#ifndef RELAY_UDP_REPLY_H
#define RELAY_UDP_REPLY_H

#include <sys/queue.h>

#include <stdint.h>

#include "relay/broker.h"

struct udp_replies;
struct udp_reply;

/* Waits for a socket; part of its owner. */
struct udp_reply_waiter {
	LIST_ENTRY(udp_reply_waiter) entry;
	int waits;
};

/*
 * fd as of udp_reply_fd(): there now, or -1 with error when it was not given.
 * EACCES is only for whose flow it was that netctl does not know; EPIPE means
 * that it may be asked for again.
 */
typedef void udp_reply_fn(struct udp_reply_waiter *, int error);

/* ready is called for everybody who waits.  NULL with errno. */
struct udp_replies *udp_replies_new(struct broker *, udp_reply_fn *ready);

/*
 * The socket of that flow's server, for udp_reply_release(); it is asked for if
 * nobody has it.  NULL without memory.
 */
struct udp_reply *
udp_reply_take(struct udp_replies *, const struct broker_flow *);

void udp_reply_release(struct udp_reply *, struct udp_reply_waiter *);

/* -1: not there (yet). */
int udp_reply_fd(const struct udp_reply *);

/*
 * Waits for the socket, which is asked for once more if it was not given.  -1
 * when it cannot be asked for now.
 */
int udp_reply_await(
    struct udp_reply *, const struct broker_flow *, struct udp_reply_waiter *);

/* Sockets that there are, or may come. */
uint32_t udp_replies_count(const struct udp_replies *);

#endif
