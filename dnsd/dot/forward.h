/* SPDX-License-Identifier: ISC */
/*
 * Questions on their way to the servers.  The fastest server that is not aside
 * is asked first; when it has taken longer than its median, the next one is
 * asked as well, and the first good answer counts.  Whatever happens, each
 * question is answered within FORWARD_LIMIT_US, if need be by SERVFAIL: the one
 * that has waited longest at once, when there are too many.
 */
#ifndef DNSD_DOT_FORWARD_H
#define DNSD_DOT_FORWARD_H

#include <sys/socket.h>

#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "dnsd/dot/server.h"
#include "schema/limits.h"

struct event_base;
struct forward;
struct tls;

#define FORWARD_LIMIT_US 1900000LL
#define FORWARD_HEDGE_LEAST_US 2000LL
#define FORWARD_HEDGE_UNKNOWN_US 200000LL  /* of a server without a median */
#define FORWARD_QUESTIONS SERVER_IN_FLIGHT /* so a server has room for all */
#define FORWARD_SERVERS LIMIT_DNS_SERVERS

/* Whom an answer is for: what it means is the stub's business. */
struct asker {
	struct sockaddr_storage from; /* of UDP */
	socklen_t from_len;
	uint32_t stream; /* of TCP, as the next one */
	uint32_t serial;
};

struct forward_ops {
	/* answer has the asker's id and may be changed; query is the question.
	 */
	void (*answer)(void *ctx, const struct asker *, uint8_t *query,
	    size_t query_len, const uint8_t *answer, size_t len);
	/* As in struct server_ops. */
	void (*judged)(void *ctx, const struct server *, const char *why);
};

struct forward_totals {
	uint64_t questions;
	uint64_t answers; /* of servers */
	uint64_t hedged;  /* asked of a second server for being slow */
	uint64_t failed;  /* answered by SERVFAIL of our own */
};

/* NULL without memory. */
struct forward *
forward_new(struct event_base *, const struct forward_ops *, void *ctx);
void forward_free(struct forward *); /* NULL is fine */

/* name must live as long; -1 with ENOSPC beyond FORWARD_SERVERS, or ENOMEM. */
int forward_add(struct forward *, struct tls *, const struct addr *,
    uint16_t port, const char *name);

/*
 * A query for which packet_is_query() holds.  It is copied.  The answer may
 * come before this returns.
 */
void forward_ask(
    struct forward *, const struct asker *, const uint8_t *query, size_t len);

struct forward_totals forward_totals(const struct forward *);

#endif
