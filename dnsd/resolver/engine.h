/* SPDX-License-Identifier: ISC */
/*
 * libunbound on our event base: asks the servers that the configuration names,
 * or those of the zones from the root on, and validates.
 *
 * There is a context for each server that questions are forwarded to, for the
 * library can neither be told to ask a certain one nor to ask a second one
 * while the first has time.  Nor can it be told to leave out the validation of
 * one question (CD, RFC 4035, 3.2.2), so another context for each of them never
 * validates, and asks the server not to either.
 */
#ifndef DNSD_RESOLVER_ENGINE_H
#define DNSD_RESOLVER_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "policy/image.h"
#include "schema/dns.h"

struct event_base;
struct engine;

struct engine_question {
	const uint8_t *name; /* wire form, RFC 1035, 3.1 */
	size_t name_bytes;
	uint16_t qtype;
	int checking_disabled;
};

/* Packet and so on last as long as the call. */
struct engine_answer {
	uint16_t rcode;
	uint16_t ede; /* RFC 8914, or DNS_EDE_NONE */
	enum dns_security security;
	const uint8_t *packet; /* a DNS message, without an id of worth */
	size_t len_bytes;      /* 0: there is only a rcode */
};

typedef void engine_fn(void *ctx, const struct engine_answer *);

/*
 * NULL with errno when the library refuses something, which is logged.
 * Resolves a name of this host once: what the library reads for the first time
 * it reads then.  The image has to last no longer than the call.  dot: the port
 * of 127.0.0.1 where questions by TLS are to be put; 0: there is none.
 */
struct engine *
engine_new(struct event_base *, const struct image *, uint16_t dot);

/* How many can be asked: servers to forward to, or 1. */
unsigned int engine_servers(const struct engine *);

/*
 * Calls fn once, perhaps before it returns.  -1 with EINVAL when the name is
 * none, and with another errno when it cannot ask: fn is not called then.
 */
int engine_ask(struct engine *, unsigned int server,
    const struct engine_question *, engine_fn *, void *ctx);

/* Ports of servers; ends with 0.  Without a question over TCP: none. */
const uint16_t *engine_ports(const struct engine *);

/* Must not be called out of an engine_fn.  Questions that wait end silently. */
void engine_free(struct engine *);

#endif
