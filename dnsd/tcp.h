/* SPDX-License-Identifier: ISC */
/*
 * DNS over TCP (RFC 7766): clients may send many questions without waiting, and
 * get each answer as soon as there is one.  The number of connections has a
 * bound, for one client and for all; who is idle longest gives way.  One that
 * is open costs no memory beyond what it was given when it came, and a part of
 * what there is for answers that their clients do not read.
 */
#ifndef DNSD_TCP_H
#define DNSD_TCP_H

#include <stddef.h>
#include <stdint.h>

#include "dnsd/client.h"

#define TCP_CONNECTIONS 1024
#define TCP_CONNECTIONS_CLIENT 256 /* of one that addr_client() says */
#define TCP_CONNECTIONS_HOST 64	   /* of one address */
#define TCP_IDLE_S 10
#define TCP_WAITING 64 /* answers owed to a connection; then it is not read */
#define TCP_QUESTION_BYTES 4096 /* a longer one ends the connection */
#define TCP_UNSENT_BLOCKS 2048	/* of those that do not read; unsent.h */

struct event_base;
struct front_listener;
struct tcp;
struct tcp_connection;

struct tcp_ops {
	/* Questions have come and will be served one after the other. */
	void (*begin)(void *ctx);
	/*
	 * Writes the answer, of at most LIMIT_DNS_PACKET_BYTES, and returns its
	 * length; 0: there is none, or tcp_hold() has been called.
	 */
	size_t (*serve)(void *ctx, const struct client *,
	    const uint8_t *message, size_t len, uint8_t *answer);
	/* Not captured: connected to another port than the one served. */
	void (*stray)(void *ctx);
	/* An answer could not be sent. */
	void (*unsent)(void *ctx, unsigned int count);
};

/* NULL with ENOMEM. */
struct tcp *tcp_new(struct event_base *, const struct tcp_ops *, void *ctx);

void tcp_set_port(struct tcp *, uint16_t port);

/* Takes the socket over, also when it fails: -1 with ENOMEM or EMFILE. */
int tcp_listen(struct tcp *, const struct front_listener *);

/* An answer will come: the connection stays until tcp_reply(). */
void tcp_hold(struct tcp_connection *);

/*
 * The answer to a question for which it was held.  -1 when the connection is
 * closed, or its client does not read.
 */
int tcp_reply(struct tcp_connection *, const uint8_t *answer, size_t len);

/* It will not come. */
void tcp_release(struct tcp_connection *);

uint32_t tcp_connections(const struct tcp *);

/* How many there have been, with those that there was no room for. */
uint64_t tcp_accepted(const struct tcp *);

/* Connections not yet accepted; 0 while no descriptor is to be had for one. */
uint32_t tcp_backlog(const struct tcp *);

/* Nobody may be held any more. */
void tcp_free(struct tcp *);

#endif
