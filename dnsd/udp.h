/* SPDX-License-Identifier: ISC */
/*
 * A listener's datagrams, many at a time (recvmmsg(2), sendmmsg(2)).  Answers
 * leave from the address that the question was sent to.
 */
#ifndef DNSD_UDP_H
#define DNSD_UDP_H

#include <stddef.h>
#include <stdint.h>

#include "dnsd/client.h"
#include "dnsd/wire.h"

struct event_base;
struct front_listener;
struct udp;

struct udp_ops {
	/* Datagrams have come and will be served one after the other. */
	void (*begin)(void *ctx);
	/*
	 * Writes the answer, of at most WIRE_UDP_BYTES, and returns its length;
	 * 0: there is none, or it comes later by udp_reply().
	 */
	size_t (*serve)(void *ctx, const struct client *,
	    const uint8_t *message, size_t len, uint8_t *answer);
	/* Not captured: sent to another port than the one served. */
	void (*stray)(void *ctx);
	/* So many answers could not be sent. */
	void (*unsent)(void *ctx, unsigned int count);
};

/*
 * Takes the socket over, also when it fails: NULL with ENOMEM.  port: what is
 * addressed to another one is no question of a captured client.
 */
struct udp *udp_new(struct event_base *, const struct front_listener *,
    uint16_t port, const struct udp_ops *, void *ctx);

void udp_set_port(struct udp *, uint16_t port);

/*
 * An answer of at most WIRE_UDP_BYTES, which is copied.  It leaves together
 * with others, before the base waits for new events.
 */
void udp_reply(
    struct udp *, const struct client *, const uint8_t *answer, size_t len);

void udp_free(struct udp *);

#endif
