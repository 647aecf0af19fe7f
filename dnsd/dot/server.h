/* SPDX-License-Identifier: ISC */
/*
 * A resolver that is asked by DNS over TLS (RFC 7858): one connection to it,
 * opened when there is a question, with many of them on their way at once and
 * answers in any order (RFC 7766, 6.2.1.1).  It resumes the TLS session that it
 * had before.  One that fails is put aside for a while, longer each time.
 */
#ifndef DNSD_DOT_SERVER_H
#define DNSD_DOT_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

struct event_base;
struct server;
struct tls;

#define SERVER_IN_FLIGHT 2048	  /* questions to one server */
#define SERVER_ASIDE_US 1000000LL /* the first time; it doubles */
#define SERVER_ASIDE_MOST_US 8000000LL
#define SERVER_CONNECT_US 3000000LL /* from SYN to the end of the handshake */
#define SERVER_SILENCE_US 1500000LL /* while questions are on their way */
#define SERVER_UNANSWERED 16	    /* forgotten in a row: it is no good */
#define SERVER_IDLE_US 20000000LL   /* without any */

struct server_ops {
	/* Whether those bytes, with any id, are an answer to that question. */
	int (*matches)(
	    void *ctx, uint32_t question, const uint8_t *answer, size_t len);
	/* They are, and may be changed. */
	void (*answer)(void *ctx, const struct server *, uint32_t question,
	    uint8_t *answer, size_t len);
	/* It will not be answered: the connection is gone. */
	void (*lost)(void *ctx, const struct server *, uint32_t question);
	/* It has been put aside for that reason; NULL: it is good again. */
	void (*judged)(void *ctx, const struct server *, const char *why);
};

/* name is kept, not copied.  NULL without memory. */
struct server *
server_new(struct event_base *, struct tls *, const struct addr *,
    uint16_t port, const char *name, const struct server_ops *, void *ctx);
void
server_free(struct server *); /* what is on its way is lost; NULL is fine */

const char *server_name(const struct server *);

/* "9.9.9.9:853".  Returns buf. */
char *server_address(const struct server *, char buf[ENDPOINT_TEXT_BYTES]);

/* Better ones come first. */
enum server_standing {
	SERVER_GOOD,
	SERVER_SILENT, /* aside, unless there is nobody better: see below */
	SERVER_ASIDE,
};

/*
 * One that has not answered for a while may have been asked for a name that is
 * slow even there: whoever has no other server goes on asking it.
 */
enum server_standing server_standing(const struct server *, int64_t now_us);

/*
 * Sends it a query of at most PACKET_QUERY_BYTES, padded and with an id of its
 * own.  Returns that id, by which it can be forgotten, or -1: it is aside, has
 * as much to do as it may have, or there is no memory.  No op is called before
 * it returns.
 */
int server_ask(
    struct server *, uint32_t question, const uint8_t *query, size_t len);

/* Whoever asked no longer waits, for another was faster, or the time is up. */
void server_forget(struct server *, int id);

/* The median of its answers, in microseconds; 0: none yet. */
int64_t server_median_us(const struct server *);

#endif
