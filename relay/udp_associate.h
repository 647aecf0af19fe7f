/* SPDX-License-Identifier: ISC */
/*
 * UDP by way of a SOCKS5 upstream (RFC 1928, 7): a connection by which the
 * upstream is asked for it, and which has to stay for as long as it is used.
 */
#ifndef RELAY_UDP_ASSOCIATE_H
#define RELAY_UDP_ASSOCIATE_H

#include <stdint.h>

struct event_base;
struct flow_entry;
struct flow_start;
struct udp_associate;

/*
 * fd is a socket that is connected to where the upstream takes datagrams, the
 * callee's from now on; or -1 with error, as in struct flow_entry: there is no
 * such socket to come, or what was there has ended.  FLOW_ERROR_ENDED: by the
 * upstream's end of the connection.
 */
typedef void udp_associate_fn(void *ctx, int fd, unsigned int error);

/*
 * Begins one for a flow whose way is an upstream, and notes in its record,
 * which has to live as long, which address it is.  done is called later.  NULL
 * with errno when it cannot begin.
 */
struct udp_associate *
udp_associate_new(struct event_base *, const struct flow_start *,
    struct flow_entry *, udp_associate_fn *done, void *ctx);

/* Ends it; done is not called any more.  NULL is fine. */
void udp_associate_free(struct udp_associate *);

#endif
