/* SPDX-License-Identifier: ISC */
/*
 * One direction of a flow: moves bytes from one socket to another until
 * either side has no more to give or to take.  Small flows and small messages
 * are copied through one buffer that all flows share; a direction that has
 * moved much uses splice(2) while much comes at a time.  Memory is held only
 * while bytes wait for a slow reader.
 */
#ifndef RELAY_PUMP_H
#define RELAY_PUMP_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

struct pipe;

enum pump_status {
	PUMP_WAIT,  /* one of the sockets must become ready */
	PUMP_AGAIN, /* it had its share; call it again after the others */
	PUMP_DONE,  /* the end was read and everything before it written */
	PUMP_FROM_FAILED, /* errno is of the reading side */
	PUMP_TO_FAILED,	  /* errno is of the writing side */
	PUMP_FORBIDDEN,	  /* by who looked at the first bytes */
};

struct pump;
struct pump_rest; /* copied bytes that wait */

enum pump_look {
	PUMP_GO,     /* these bytes go on, and no other will be looked at */
	PUMP_FORBID, /* none goes on, ever */
	PUMP_HOLD,   /* none goes on until there are more, or pump_let_go() */
};

/* Looks at all that was read since the beginning, where it may stay. */
typedef enum pump_look
pump_look_fn(struct pump *, const void *bytes, size_t len);

struct pump {
	struct pump_rest *rest;
	struct pipe *pipe;
	size_t piped;	    /* bytes in pipe */
	uint64_t *bytes;    /* counts what was written */
	pump_look_fn *look; /* at the first bytes; NULL: not, or no more */
	int error;	    /* of the reading side, behind what it gave */
	uint8_t doubts;	    /* there may be more than the last read found */
	uint8_t spliced;    /* something, in this run */
	uint8_t small;	    /* reads of little, one after the other */
	uint8_t held;	    /* rest waits for more bytes, not for room */
	uint8_t unlooked;   /* and some of it came by pump_take() */
	uint8_t ending;	    /* the end has come, behind what is to be read */
	uint8_t end;	    /* the end was read */
	uint8_t corked;	    /* the last bytes wait for the end to be sent */
	uint8_t done;
};

/* look may be NULL; it is called only from within pump_run(). */
void pump_init(struct pump *, uint64_t *bytes, pump_look_fn *look);

/*
 * from and to are non-blocking sockets watched edge-triggered, so reading goes
 * on until there is nothing: as a rule a read that gets less than it could take
 * shows that, see epoll(7).
 */
enum pump_status pump_run(struct pump *, int from, int to);

/*
 * Such a read hides a reset that came before it with its bytes, and what is
 * behind urgent ones, which splice(2) even stops at: neither has an event of
 * its own.  Whoever has time runs the pump again, which settles that.
 */
int pump_doubts(const struct pump *);

/*
 * The sender's end is behind what can be read: then it is read before the last
 * bytes are written.  What is written when it was read is corked, and goes out
 * in one segment with the end: by shutdown(2) or close(2).
 */
void pump_expect_end(struct pump *);

/* Bytes wait for the writing side. */
int pump_waits(const struct pump *);

/*
 * Reads first bytes before there is anybody to write to, and holds them: how
 * many, 0 at the end, or -1 with errno.  Nothing bounds them but who asks.  If
 * nobody lets them go, they are looked at by pump_run().
 */
ssize_t pump_take(struct pump *, int from);

/* What is held, from the first byte on. */
const void *pump_held(const struct pump *, size_t *len);

/* Something that was copied is held, or waits for the writing side. */
int pump_keeps(const struct pump *);

/* What is held goes on with the next pump_run(), and no more is looked at. */
void pump_let_go(struct pump *);

void pump_release(struct pump *);

#endif
