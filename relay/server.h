/* SPDX-License-Identifier: ISC */
/*
 * The server's side of a flow before bytes can move: a direct connection, or
 * one by way of an upstream.  Both are the same to the flow: it opens a
 * socket, says when that is ready for something, and hears whether it is done.
 */
#ifndef RELAY_SERVER_H
#define RELAY_SERVER_H

#include <stdint.h>

#include "relay/handshake.h"
#include "schema/flow.h"

struct server_way;
struct upstreams;

#define SERVER_LIMIT_US 30000000LL /* for all of it */
/* For one address to be connected to and to begin to answer, if others wait. */
#define SERVER_TRY_US 5000000LL

enum server_status { SERVER_WAIT, SERVER_READY, SERVER_FAILED };

struct server {
	const struct server_way *way;
	struct upstreams *upstreams; /* held; NULL when direct */
	int64_t limit_us;	     /* CLOCK_MONOTONIC, this and the next */
	int64_t due_us;		     /* of the present try */
	uint16_t upstream;
	uint16_t endpoint;
	uint16_t tried; /* see upstreams_choose() */
	uint8_t connected;
	struct handshake handshake;
};

/* upstream: UPSTREAM_NONE goes directly; then the set may be NULL. */
void server_init(
    struct server *, struct upstreams *, uint16_t upstream, int64_t now_us);

/*
 * A connecting socket, or -1 with errno, which is 0 when nothing is left to
 * try.  Notes in the record which endpoint it is of.
 */
int server_open(struct server *, struct flow_entry *);

/*
 * The socket is ready for what (EV_ of libevent).  *error of SERVER_FAILED is
 * as in the record.
 */
enum server_status server_step(struct server *, const struct flow_entry *,
    int fd, short what, unsigned int *error);

/* The try has failed, or its time is over: 1 when server_open() may help. */
int server_again(struct server *, unsigned int error);

/* When the present try is to end, CLOCK_MONOTONIC. */
int64_t server_due_us(const struct server *);

void server_release(struct server *);

#endif
