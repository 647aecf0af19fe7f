/* SPDX-License-Identifier: ISC */
/*
 * The control socket: what tpxctl asks, answered in the messages of msg.def.
 * Whoever may connect (root and group tpx, by the socket's mode) may read; to
 * change something is for root, as the kernel knows the peer (SO_PEERCRED).
 */
#ifndef SUPERVISOR_CONTROL_H
#define SUPERVISOR_CONTROL_H

#include <stdint.h>

struct control;
struct tpxd;

/* Binds and listens.  Fatal when the socket is another live tpxd's. */
struct control *control_new(struct tpxd *, const char *path);

/* tpxd's state has changed. */
void control_tell(struct control *);

/*
 * An applied configuration is in force, or, when there is an error, the one
 * before is.
 */
void control_applied(struct control *, const char *error);

/* A relay of that set has ended flows, as relays_kill() asked with this id. */
void
control_killed(struct control *, uint32_t id, uint64_t relay, uint64_t count);

/* Closes everything and removes the socket. */
void control_free(struct control *);

#endif
