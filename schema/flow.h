/* SPDX-License-Identifier: ISC */
/*
 * One flow as processes tell each other about it, and the arena in which a
 * relay keeps the records of its flows.
 *
 * The arena is a memfd that the supervisor makes for each relay.  The relay
 * writes it, the supervisor reads live flows from it, and when the relay dies
 * the flow log finds there what was never reported.  Whoever reads an arena
 * believes nothing in it: numbers are checked, torn records are possible.
 */
#ifndef SCHEMA_FLOW_H
#define SCHEMA_FLOW_H

#include <stddef.h>
#include <stdint.h>

#include "schema/flow.def"
#include "schema/limits.h"

#define FLOW_ENUM_ACTION(name, word) FLOW_ACTION_##name,
#define FLOW_ENUM_CAPTURE(name, word) FLOW_CAPTURE_##name,
#define FLOW_ENUM_CLOSE(name, word) FLOW_CLOSE_##name,
#define FLOW_ENUM_HOST(name, word) FLOW_HOST_##name,
#define FLOW_ENUM_SOURCE(name, word) FLOW_SOURCE_##name,
#define FLOW_ENUM_SEVERITY(name, word) SEVERITY_##name,
#define FLOW_ENUM_LOSS(name, source, kind) LOSS_##name,

enum flow_action { FLOW_ACTIONS(FLOW_ENUM_ACTION) FLOW_ACTION_COUNT };
enum flow_capture { FLOW_CAPTURES(FLOW_ENUM_CAPTURE) FLOW_CAPTURE_COUNT };
enum flow_close { FLOW_CLOSES(FLOW_ENUM_CLOSE) FLOW_CLOSE_COUNT };
enum flow_host_source { FLOW_HOST_SOURCES(FLOW_ENUM_HOST) FLOW_HOST_COUNT };
enum flow_source { FLOW_SOURCES(FLOW_ENUM_SOURCE) FLOW_SOURCE_COUNT };
enum event_severity { EVENT_SEVERITIES(FLOW_ENUM_SEVERITY) SEVERITY_COUNT };
enum flow_loss { FLOW_LOSSES(FLOW_ENUM_LOSS) LOSS_COUNT };

/* The word of a number, or "?" for a number that has none. */
const char *flow_action_word(unsigned int);
const char *flow_capture_word(unsigned int);
const char *flow_close_word(unsigned int);
const char *flow_host_source_word(unsigned int);
const char *flow_source_word(unsigned int);
const char *event_severity_word(unsigned int);
const char *flow_loss_source(unsigned int);
const char *flow_loss_kind(unsigned int);

/*
 * Whether the name that a client sent is one that it was told for this address
 * when it asked by DNS.  UNKNOWN: it was told none, or sent none.
 */
enum flow_agreement {
	FLOW_AGREEMENT_UNKNOWN,
	FLOW_AGREEMENT_YES,
	FLOW_AGREEMENT_NO,
	FLOW_AGREEMENT_COUNT
};

/* As views have it: 1, 0, or FLOW_AGREES_UNKNOWN for null. */
#define FLOW_AGREES_UNKNOWN UINT32_MAX
uint32_t flow_agrees(unsigned int agreement);

/*
 * Errors are those of errno(3), and these: which an upstream's answer is, or
 * the limit of its rule that a flow which is blocked was beyond.
 * SOCKS5 and HTTP stand for blocks: a reply (RFC 1928, 6) or status is added.
 */
enum flow_error {
	FLOW_ERROR_ERRNO_MAX = 4095, /* the kernel's MAX_ERRNO */
	FLOW_ERROR_SOCKS5 = 4096,
	FLOW_ERROR_SOCKS5_METHOD = 4352,
	FLOW_ERROR_SOCKS5_LOGIN,
	FLOW_ERROR_NOT_UNDERSTOOD,
	FLOW_ERROR_ENDED,
	FLOW_ERROR_MAX_FLOWS,
	FLOW_ERROR_MAX_RATE,
	FLOW_ERROR_HTTP = 5000,
	FLOW_ERROR_MAX = 5999,
};

/*
 * "ECONNREFUSED", "socks5: not allowed", "http: 407"; NULL for 0 and for what
 * is no error.  buf is used when it must be, else the text is static.
 */
#define FLOW_ERROR_BYTES 32
const char *flow_error_text(unsigned int error, char buf[FLOW_ERROR_BYTES]);

#define FLOW_RULE_DEFAULT UINT16_MAX  /* decided by the default statement */
#define FLOW_UPSTREAM_NONE UINT16_MAX /* went to its destination directly */
#define FLOW_UID_NONE UINT32_MAX
#define FLOW_CONNECT_NONE UINT32_MAX /* never connected */
#define FLOW_HOST_BYTES 256	     /* any name, RFC 1035, 2.3.4, and NUL */

#define FLOW_MEMBER(type, name) type name;

/* As a relay keeps it; the host's name stands elsewhere. */
struct flow_entry {
	FLOW_FIELDS(FLOW_MEMBER)
};

/* The same as processes tell it each other, with the name, or with "". */
struct flow_record {
	FLOW_FIELDS(FLOW_MEMBER)
	char host[FLOW_HOST_BYTES];
};

_Static_assert(offsetof(struct flow_record, host) == sizeof(struct flow_entry),
    "a record begins as an entry");

/* A slot is the relay's from OPEN to FREE; CLOSED waits to be logged. */
enum flow_slot_state { FLOW_SLOT_FREE, FLOW_SLOT_OPEN, FLOW_SLOT_CLOSED };

/*
 * host: the name, or its beginning, without NUL when there is more of it.  Few
 * names are that long, so their rests are kept apart, in pages that are never
 * touched otherwise: a flow costs 64 bytes for its name, not 256.
 */
#define FLOW_HOST_NEAR 64

struct flow_slot {
	_Atomic uint32_t state;
	uint32_t counted; /* the arena's unlogged with this one, or 0 */
	struct flow_entry entry;
	char host[FLOW_HOST_NEAR];
};

struct flow_far {
	char host[FLOW_HOST_BYTES - FLOW_HOST_NEAR];
};

#define FLOW_ARENA_MAGIC 0x61787074U /* "tpxa" */

struct flow_arena {
	uint32_t magic;
	uint32_t slots; /* slots that follow */
	uint32_t used;	/* slots at and above this were never touched */
	uint32_t worker;
	_Atomic uint64_t accepted;
	_Atomic uint64_t relayed; /* of those, sent on to a server */
	_Atomic uint64_t blocked;
	_Atomic uint64_t open;
	_Atomic uint64_t dropped;    /* accepted flows whose row was given up */
	_Atomic uint64_t refused;    /* not taken, or without room to wait */
	_Atomic uint64_t unlogged;   /* ended flows that get no row */
	_Atomic uint64_t long_hello; /* ClientHellos too long to be read */
	struct flow_slot slot[];
};

/* The slots are followed by as many struct flow_far. */
#define FLOW_ARENA_BYTES(slots)      \
	(sizeof(struct flow_arena) + \
	    (slots) * (sizeof(struct flow_slot) + sizeof(struct flow_far)))

/*
 * The record in a slot.  slots is how many the reader knows there to be: the
 * arena's own word for it may change under its eyes.  Nothing in the record is
 * checked, not even that its name has an end.
 */
void flow_slot_read(const struct flow_arena *, uint32_t slots, uint32_t slot,
    struct flow_record *);

/*
 * Whether the flow in a slot gets no row, whoever finds it there when its relay
 * is dead.
 */
int flow_slot_is_unlogged(const struct flow_slot *);

/*
 * The flows that got no row, those that were open when the relay died too: of
 * a dead one, so that what is counted does not change meanwhile.
 */
uint64_t flow_arena_unlogged(const struct flow_arena *, uint32_t slots);

/* Gives the flow in a slot its name, of less than FLOW_HOST_BYTES. */
void flow_slot_set_host(
    struct flow_arena *, uint32_t slots, uint32_t slot, const char *host);

/*
 * A flow id: milliseconds since 2020 and a count within them, then the worker,
 * so that ids grow with time and two workers, or two lives of one, never meet.
 * first_id() gives the first of a worker's life; the next is FLOW_ID_STEP on.
 */
#define FLOW_ID_STEP (LIMIT_FLOW_WORKER + 1U)
uint64_t flow_first_id(int64_t realtime_us, unsigned int worker);

#endif
