/* SPDX-License-Identifier: ISC */
/*
 * Answers on their way into sockets that may have no room for them, in blocks
 * of a memory that all share and that never grows.  The first block is there
 * for each whatever the others hold, so that who reads nothing keeps no small
 * answer from anybody else.
 */
#ifndef DNSD_UNSENT_H
#define DNSD_UNSENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define UNSENT_BLOCK_BYTES 4096 /* and what says where they are */
#define UNSENT_BLOCKS 64	/* of one */

struct unsent_block;
struct unsent_memory;

/* Bytes in the order in which they leave.  With zeros there is none. */
struct unsent {
	struct unsent_block *first, *last;
	unsigned int blocks;
	size_t bytes;
};

/*
 * owners: how many may hold something at a time; shared: blocks for those that
 * hold more than one.  NULL with ENOMEM.
 */
struct unsent_memory *
unsent_memory_new(unsigned int owners, unsigned int shared);

/* -1: there is no room for all of them, and some may be there now. */
int unsent_add(
    struct unsent_memory *, struct unsent *, const uint8_t *bytes, size_t len);

/*
 * Sends what the socket takes, without waiting, and returns how much that was;
 * 0 when there is nothing.  -1 with errno of sendmsg(2).
 */
ssize_t unsent_send(struct unsent_memory *, struct unsent *, int fd);

void unsent_drop(struct unsent_memory *, struct unsent *);

void unsent_memory_free(struct unsent_memory *);

#endif
