/* SPDX-License-Identifier: ISC */
/*
 * What is said to an upstream before it passes a flow's bytes on, as a table
 * of steps.  Reads from the socket exactly what belongs to its answers.
 */
#ifndef RELAY_HANDSHAKE_H
#define RELAY_HANDSHAKE_H

#include <stdint.h>

#include "policy/rule.h"
#include "relay/answer.h"
#include "schema/flow.h"

struct handshake {
	uint8_t step;	  /* enum step of handshake.c */
	uint8_t said;	  /* its bytes are written */
	uint8_t ended;	  /* the upstream will send no more */
	uint8_t read_all; /* nothing is there behind the answers before */
	uint16_t passed;  /* bytes of those, which are not taken yet */
};

/* What does not change while it goes on. */
struct handshake_terms {
	struct credential credential;
	/* Client and destination; NULL: it is over before they are named. */
	const struct flow_entry *record;
	const char *host; /* its name, for the upstream; NULL: not known */
	/* NULL for TCP; for UDP, which SOCKS5 alone has, where to send it. */
	struct target *bound;
};

void handshake_begin(struct handshake *, enum upstream_kind);

/*
 * Goes as far as the connected socket lets it.  ANSWER_GOOD when the flow's
 * bytes may follow, ANSWER_MORE when it waits for the upstream, ANSWER_BAD
 * with what went wrong in *error, as in struct flow_entry.
 */
enum answer_status handshake_run(struct handshake *,
    const struct handshake_terms *, int fd, unsigned int *error);

/*
 * 1 when the upstream has proven that it works: what it is waited for then is
 * the destination.
 */
int handshake_is_proven(const struct handshake *);

/* 1 when the destination was named, so that waiting is waiting for it. */
int handshake_has_asked(const struct handshake *);

#endif
