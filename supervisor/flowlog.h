/* SPDX-License-Identifier: ISC */
/* The supervisor's side of the flow log. */
#ifndef SUPERVISOR_FLOWLOG_H
#define SUPERVISOR_FLOWLOG_H

#include <stdint.h>

struct child;
struct msg_beat;
struct tpxd;
struct relay;

/* Starts it for the first time. */
void flowlog_begin(struct tpxd *);

/* Connects a relay to it, when both are there; later if not. */
void flowlog_connect(struct tpxd *, struct relay *);

/* The same for a dnsd, for dns_each(): others are left alone. */
void flowlog_connect_dnsd(void *ctx, struct child *);

/*
 * Hands over the arena of a relay, or the journal of a dnsd, that has ended,
 * again and again until its rows are on disk; fd stays the caller's.
 */
void flowlog_arena(struct tpxd *, struct child *, int fd);

/* netctl has opened another source. */
void flowlog_source(struct tpxd *, uint64_t kind);

/* Asks for a sign of life and kills it when it gave none for too long. */
void flowlog_ask(struct tpxd *, const struct msg_beat *);

/*
 * At the end: 1 while something waits for its row; starts it again for that if
 * it is gone, a few times.
 */
int flowlog_finish(struct tpxd *);

/* Its process has ended (waitpid(2) status); asked: it was told to. */
void flowlog_ended(struct tpxd *, int asked, int status);

/*
 * It was to leave, and has not in time: it is killed, and what is unwritten
 * left to the next one; the second time, to none.
 */
void flowlog_late(struct tpxd *);

#endif
