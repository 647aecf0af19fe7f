/* SPDX-License-Identifier: ISC */
/*
 * A child that ends when its parent does, whatever ends that, and under
 * whatever uid it has.
 */
#ifndef CTL_LEAK_PARENT_H
#define CTL_LEAK_PARENT_H

#include <stdint.h>

/* The caller is the parent: before fork(2).  0, or -1, which was logged. */
int parent_prepare(void);

/*
 * The caller is the child.  From now on it gets SIGKILL when the parent ends;
 * it is not there any more when this has been so already.  0, or -1.
 */
int parent_follow(void);

/*
 * Sockets made from now on are the user's (setfsuid(2)).  The kernel forgets
 * by that whom the child follows, so it follows again.  0, or -1, logged.
 */
int parent_follow_as(uint32_t uid);

#endif
