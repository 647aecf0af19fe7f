/* SPDX-License-Identifier: ISC */
/*
 * The sentinels: every kind of packet that somebody may hope to get past tpx
 * with.  Each carries a token of its own, and its source port tells it, too.
 */
#ifndef CTL_LEAK_SENTINEL_H
#define CTL_LEAK_SENTINEL_H

#include "ctl/leak/packet.h"
#include "ctl/leak/question.h"
#include "ctl/leak/site.h"

struct sentinel_kind;

struct sentinel {
	const struct sentinel_kind *kind;
	const struct site_origin *origin;
	const struct site_user *user;
	enum site_bond bond; /* of a raw one */
	int is_forged;	     /* its source is not this host's */
	int v6;
	struct target target;
	enum judge_class class;
	uint8_t token[PACKET_TOKEN_BYTES];
	uint32_t slot;	     /* among those that it shares ports with */
	uint16_t sport;	     /* of this round */
	int fd;		     /* of its stream or question, -1: none */
	int is_denied;	     /* its question was, in this phase */
	unsigned int direct; /* packets of this phase that may arrive, */
	unsigned int relayed;
	int can_arrive; /* it does when nothing stops it */
};

struct sentinel_list {
	struct sentinel *items; /* for free(3) */
	uint32_t count;
	uint8_t run[PACKET_TOKEN_BYTES - sizeof(uint32_t)]; /* of all tokens */
};

/*
 * All kinds, from every origin, to what the policy relays, passes and blocks,
 * as far as it does.  -1 with errno, which has been logged.
 */
int sentinel_plan(struct site *, const struct image *, struct sentinel_list *);

const char *sentinel_name(const struct sentinel *);

/* It begins a flow, whole: what does not may be kept by whoever looks. */
int sentinel_is_flow(const struct sentinel *);

/* A whole packet, made here and not by the kernel. */
int sentinel_is_raw(const struct sentinel *);

/* A stream of the gateway's own bound to a device, which comes to no relay. */
int sentinel_has_no_way(const struct sentinel *);

/* tpx may block it, though nothing that is captured has sent it. */
int sentinel_is_uncertain(const struct sentinel *);

/* It is a stream that waits for its connection before it says its token. */
int sentinel_is_stream(const struct sentinel *);

/* It asks for a way past DNS that the policy closes. */
int sentinel_is_question(const struct sentinel *);

/*
 * Sends it, from the namespace of its origin and as its user, which the caller
 * is.  0, also when rules or routes refuse it: then it leaks nothing.  -1 when
 * it never came to them.
 */
int sentinel_send(struct sentinel *, uint32_t round);

/* There is an answer to its question. */
void sentinel_answered(struct sentinel *);

/* A stream's connection is there. */
void sentinel_connected(const struct sentinel *);

/* Ends a stream or question so that nothing of it is sent later. */
void sentinel_abort(struct sentinel *);

/* Whose token is in the bytes, or NULL. */
struct sentinel *
sentinel_by_token(const struct sentinel_list *, const uint8_t *, size_t len);

/* Who of an origin has the source, port and protocol, or NULL. */
struct sentinel *sentinel_by_port(const struct sentinel_list *,
    const struct site_origin *, const struct packet_seen *);

#endif
