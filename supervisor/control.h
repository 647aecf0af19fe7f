/* SPDX-License-Identifier: ISC */
/*
 * The control socket: what tpxctl asks, answered in the messages of msg.def.
 * Whoever may connect (root and group tpx, by the socket's mode) may read.
 */
#ifndef SUPERVISOR_CONTROL_H
#define SUPERVISOR_CONTROL_H

struct control;
struct tpxd;

/* Binds and listens.  Fatal when the socket is another live tpxd's. */
struct control *control_new(struct tpxd *, const char *path);

/* Closes everything and removes the socket. */
void control_free(struct control *);

#endif
