/* SPDX-License-Identifier: ISC */
/*
 * Between these two calls whatever waits in the kernel, and can be interrupted,
 * goes on within milliseconds: so a process drops descriptors that somebody
 * else has made, such as a socket with SO_LINGER, whose last close(2) waits for
 * as long as its maker likes.  Uses SIGALRM and the interval timer.  Calls that
 * EINTR would hurt do not belong here.
 */
#ifndef COMMON_HASTE_H
#define COMMON_HASTE_H

void haste_begin(void);
void haste_end(void);

#endif
