/* SPDX-License-Identifier: ISC */
/* The beginning and the end of a flow's record, whatever its protocol. */
#ifndef RELAY_RECORD_H
#define RELAY_RECORD_H

#include <stdint.h>

#include "common/addr.h"
#include "policy/rule.h"
#include "relay/sniff.h"
#include "relay/tally.h"
#include "schema/flow.h"

struct image;
struct journal;
struct upstreams;

/* What is decided before a flow begins. */
struct flow_start {
	struct addr src, dst;
	uint16_t sport, dport;
	uint16_t rule; /* or FLOW_RULE_DEFAULT */
	uint8_t proto; /* IPPROTO_ */
	enum flow_capture capture;
	uint8_t owner; /* its mark, policy/owner_class.h; 0: none was told */
	uint32_t generation;	     /* of what decided; 0: nothing yet */
	const struct image *image;   /* what decided; until it is replaced */
	int64_t idle_us;	     /* 0: what is usual for the protocol */
	struct upstreams *upstreams; /* NULL only with UPSTREAM_NONE */
	uint16_t upstream;	     /* or UPSTREAM_NONE */
	enum rule_source source;
	uint8_t needs_name; /* it shall be decided again when that is known */
	uint8_t rule_needs_name; /* before that nothing must be let through */
	uint8_t unlogged;	 /* its rule gives it no row */
	uint8_t by_dns;		 /* host is the name its client asked for */
	uint8_t looked;	     /* at what its client sent first, or no longer */
	const char *host;    /* its name; NULL: not known */
	const char *aliases; /* by DNS; NULL: not looked for yet */
	const struct sniff_name *sent; /* UDP: there; NULL: that is no QUIC */
	enum flow_agreement agreement; /* of the name that was sent */
	int error; /* of struct flow_entry: why a limit blocks it; else 0 */
	const struct tally *tally; /* what the share is of */
	struct tally_share share;  /* the flow gives it back at its end */
};

/* Flows that an operator speaks of: one by its id, or a client's (id 0). */
struct flow_choice {
	uint64_t id;
	uint8_t client[16];
};

int record_is_chosen(const struct flow_entry *, const struct flow_choice *);

/* A record that says FLOW_ACTION_RELAY, or NULL without memory. */
struct flow_entry *record_open(struct journal *, const struct flow_start *);

/*
 * What record_open() was given, and what was found since; the rest is what is
 * to be decided.
 */
struct flow_start record_start(const struct flow_entry *);

/* What was found in the client's first bytes; the name only of FOUND. */
void record_name(struct journal *, struct flow_entry *, enum sniff_status,
    const struct sniff_name *);

/* It was decided again. */
void record_decide(struct flow_entry *, const struct flow_start *);

/* The policy forbids the flow, which has this record, or none (NULL). */
void record_blocked(struct journal *, struct flow_entry *);

/* What the kernel knows of a client's socket, tcp(7). */
void record_tcp_info(struct flow_entry *, int client);

/* error: errno, or 0. */
void record_close(
    struct journal *, struct flow_entry *, enum flow_close why, int error);

#endif
