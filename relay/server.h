/* SPDX-License-Identifier: ISC */
/*
 * The server's side of a flow before bytes can move: a direct connection, one
 * with the client's address, or one by way of an upstream.  All are the same to
 * the flow: it opens a socket, says when that is ready for something, and hears
 * whether it is done.
 */
#ifndef RELAY_SERVER_H
#define RELAY_SERVER_H

#include <stdint.h>

#include "relay/handshake.h"
#include "schema/flow.h"

struct broker;
struct broker_ask;
struct flow_start;
struct server_way;
struct upstreams;

#define SERVER_LIMIT_US 30000000LL /* for all of it */
/* For one address to be connected to and to begin to answer, if others wait. */
#define SERVER_TRY_US 5000000LL

/*
 * What server_open() has begun is done: fd is a connecting socket, or -1 with
 * error as if server_open() had failed.
 */
typedef void server_opened_fn(void *ctx, int fd, unsigned int error);

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
	uint8_t attempt; /* at the client's address */
	char *host; /* for the upstream to have; NULL: the address is all */
	struct target *bound; /* of struct handshake_terms; NULL at first */
	struct broker *broker;
	struct broker_ask *ask; /* NULL: nothing is asked for */
	struct flow_entry *record;
	server_opened_fn *opened;
	void *ctx;
	struct handshake handshake;
};

/*
 * Notes in the record, which has to live as long, which way it goes.  The
 * server must stay where it is.
 */
void server_init(struct server *, const struct flow_start *,
    struct flow_entry *, struct broker *, server_opened_fn *, void *ctx);

/*
 * A connecting socket, or -1 with errno: EINPROGRESS when opened() will be
 * called, 0 when nothing is left to try.
 */
int server_open(struct server *);

/*
 * The socket is ready for what (EV_ of libevent).  *error of SERVER_FAILED is
 * as in the record.
 */
enum server_status
server_step(struct server *, int fd, short what, unsigned int *error);

/* The try has failed, or its time is over: 1 when server_open() may help. */
int server_again(struct server *, unsigned int error);

/* When the present try is to end, CLOCK_MONOTONIC. */
int64_t server_due_us(const struct server *);

void server_release(struct server *);

#endif
