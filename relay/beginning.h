/* SPDX-License-Identifier: ISC */
/*
 * The first bytes of a flow of TCP, for as long as they may have its name.
 * Each is read about once, however they come: they stay in the client's socket
 * while they are few, and are taken to memory then.  A ClientHello in little
 * records is far longer than others: few flows at a time have room for it.
 */
#ifndef RELAY_BEGINNING_H
#define RELAY_BEGINNING_H

#include "relay/sniff.h"

/* Flows of a relay that wait with more than SNIFF_MOST_BYTES. */
#define BEGINNINGS_LONG 64

struct pump;

/* How many of those there are.  Zeroed at first. */
struct beginnings {
	uint32_t busy;
};

struct beginning {
	struct beginnings *all;
	struct sniff_course course;
	uint8_t is_long;
};

void beginning_init(struct beginning *, struct beginnings *);

/*
 * bytes: all from the first on, len of them.  As sniff_stream(); what has no
 * room is too long.
 */
enum sniff_status beginning_read(
    struct beginning *, const void *bytes, size_t len, struct sniff_name *);

/*
 * The same while there is nobody to write to, for those in the socket and those
 * that the pump has taken from there.  As sniff_socket(), also for len.
 */
int beginning_look(struct beginning *, struct pump *, int fd,
    struct sniff_name *, size_t *len);

/* Its bytes have gone on, or are about to. */
void beginning_end(struct beginning *);

#endif
