/* SPDX-License-Identifier: ISC */
/*
 * Pipes for splice(2).  A direction of a flow borrows one only while bytes are
 * in it, so a few serve many flows.
 */
#ifndef RELAY_PIPE_H
#define RELAY_PIPE_H

#include <stddef.h>

struct pipe {
	int read_fd;
	int write_fd;
	size_t size_bytes;
	struct pipe *next;
};

/* NULL when there are no more: copy instead.  errno is not meaningful. */
struct pipe *pipe_borrow(void);

/*
 * 1 when the system lately refused one, or gave one that is too small:
 * pipe(7), pipe-user-pages-soft.  It is asked again once a second.
 */
int pipe_lacks(void);

/* empty: nothing is in it and it can be lent again; else it is closed. */
void pipe_return(struct pipe *, int empty);

#endif
