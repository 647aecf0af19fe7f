/* SPDX-License-Identifier: ISC */
/*
 * The side of the resolver: DNS over UDP and TCP on sockets of loopback that
 * others have bound (RFC 1035, 4.2; RFC 7766).  What is no query is dropped.
 */
#ifndef DNSD_DOT_STUB_H
#define DNSD_DOT_STUB_H

#include <stddef.h>
#include <stdint.h>

struct asker;
struct event_base;
struct stub;

#define STUB_STREAMS 64 /* TCP connections; the eldest makes room */

typedef void
stub_fn(void *ctx, const struct asker *, const uint8_t *query, size_t len);

/*
 * udp and tcp are taken over, in any case; asked gets what passes
 * packet_is_query().  NULL without memory.
 */
struct stub *
stub_new(struct event_base *, int udp, int tcp, stub_fn *asked, void *ctx);
void stub_free(struct stub *); /* NULL is fine */

/*
 * Gives who asked the answer; one that is too long for a datagram is cut.
 * Whoever has left gets nothing.  query is overwritten.
 */
void stub_answer(struct stub *, const struct asker *, uint8_t *query,
    size_t query_len, const uint8_t *answer, size_t len);

#endif
