/* SPDX-License-Identifier: ISC */
/* Tells a service manager how things are, sd_notify(3). */
#ifndef SUPERVISOR_NOTIFY_H
#define SUPERVISOR_NOTIFY_H

/* Connects to NOTIFY_SOCKET, if there is one; -1: there is none. */
int notify_open(void);

/* "READY=1" and the like.  Nothing when nobody listens. */
void notify(const char *state);

/*
 * The state, as a line for people; and that the caller's loop turns, which the
 * service manager may have asked to be told of.
 */
void notify_status(const char *state);
void notify_alive(void);

#endif
