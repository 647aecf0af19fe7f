/* SPDX-License-Identifier: ISC */
/* Listening sockets that outlive the processes that they are lent to. */
#ifndef SUPERVISOR_LISTENER_H
#define SUPERVISOR_LISTENER_H

/*
 * Takes back what one that was taken over may have done to it, so that the
 * next finds it as it was: a socket that blocks, that does not listen any more,
 * or that hears a single peer.  Whoever waits at a sound one stays there.  -1
 * (none) is allowed.
 */
void listener_mend(int fd);

#endif
