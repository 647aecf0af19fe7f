/* SPDX-License-Identifier: ISC */
/*
 * What processes that turn against the others have in common: they come up as
 * they should, and then break the one rule that the directory they were started
 * from is named after.  Only for tests; they have no sandbox, so that whatever
 * they do not get, the receiver has refused.
 */
#ifndef TESTS_HOSTILE_H
#define TESTS_HOSTILE_H

#include <stddef.h>
#include <stdint.h>

#include "schema/msg.h"

#define HOSTILE_PARENT_FD 3
#define HOSTILE_MANY_FDS 253 /* the most that unix(7) takes, SCM_MAX_FD */
#define HOSTILE_FLOOD 1000000

struct datagram {
	struct msg_header header;
	union {
		struct msg_answer answer;
		struct msg_beat beat;
		struct msg_broker_ask broker_ask;
		struct msg_config config;
		struct msg_event event;
		struct msg_flows flows;
		struct msg_log_stats log_stats;
		struct msg_names_ask names_ask;
		struct msg_names_done names_done;
		struct msg_worker worker;
		uint8_t bytes[LIMIT_MESSAGE_BYTES - sizeof(struct msg_header)];
	} body;
};

struct breach {
	const char *name;
	void (*commit)(void);
};

/*
 * The first len_bytes of a datagram, whatever they are, with copies of
 * descriptor 0.  Waits for room.
 */
void
hostile_send(int to, const struct datagram *, size_t len_bytes, size_t nfds);

/* A message of a type whose body has so many bytes. */
void hostile_message(
    int to, struct datagram *, enum msg_type, size_t len_bytes, size_t nfds);

/*
 * One datagram of the supervisor, and its descriptor or -1; of MSG_NONE when
 * none came in wait_ms (-1: for ever).  Exits when there is no supervisor.
 */
int hostile_receive(struct datagram *, int wait_ms);

/* That message of the supervisor is answered as if all were well. */
void hostile_answer(const struct datagram *ask);

/* As if clients waited and it served none, which is what one that is deaf says.
 */
void hostile_answer_deaf(const struct datagram *ask);
void hostile_deaf(void);

/* Wants a processor for ever. */
void hostile_spin(void);

/* The one that the directory of this program is named after; else it exits. */
const struct breach *hostile_breach(const struct breach *, size_t count);

#endif
